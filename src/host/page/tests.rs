use chrono::TimeDelta;
use uuid::Uuid;

use super::*;
use crate::{
    content::{ContentType, Feed},
    normalize::{Fact, LinkAct, LinkFact, LinkKind, LogonFact, LogonPlace, Outcome, What},
    telemetry::{Stage, feed_failed, feed_recovered},
};

const HTML: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;";

fn page() -> (Page, Progress, Feed) {
    let (progress, insights) = (Progress::default(), Insights::default());
    insights.keep();
    let tenant = TenantId(Uuid::from_u128(7));
    let names = BTreeMap::from([(tenant, "contoso.com".to_owned())]);
    let clock = Clock::starting_at(DateTime::from_timestamp(1_760_000_000, 0).unwrap());
    let page = Page::new(vec![("m365".into(), progress.clone())], names, insights, clock);
    (page, progress, Feed { tenant, content_type: ContentType::SharePoint })
}

fn html(page: &Page, tab: Tab) -> String {
    String::from_utf8(page.get(tab).to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_feed_has_its_state_its_rate_and_its_problem() {
    let (page, progress, feed) = page();
    let now = page.clock.now();
    progress.listed_through(feed, now - TimeDelta::minutes(7));
    progress.set_subscribed(feed, true);
    progress.set_credential_expiry(None, now + TimeDelta::days(12));
    page.insights.delivered(feed, 1_234, Vec::new(), now - TimeDelta::minutes(1));
    feed_failed(&progress, feed, Stage::Listing, "AF10001", "no permission; grant <ActivityFeed.Read>");
    let shown = html(&page, Tab::Feeds);
    for text in [
        "contoso.com",
        "Audit.SharePoint",
        "enabled",
        "7 min",
        "1,234",
        "Now: ",
        "grant &lt;ActivityFeed.Read&gt;",
        "in 12 days",
        "1 of 1",
    ] {
        assert!(shown.contains(text), "{text} in {shown}");
    }
    feed_recovered(&progress, feed, Stage::Listing);
    tokio::time::advance(Duration::from_mins(3)).await;
    let shown = html(&page, Tab::Feeds);
    assert!(shown.contains("Over for 3 min: no permission") && shown.contains("0 of 1"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn text_of_events_is_text() {
    let (page, progress, feed) = page();
    let now = page.clock.now();
    let text = || Some(HTML.to_owned());
    let logon = |outcome| {
        let place = LogonPlace::Entra;
        What::Logon(LogonFact { place, outcome, source: text(), user: text(), country: text() })
    };
    let link = What::Link(LinkFact { kind: LinkKind::Anonymous, act: LinkAct::Used, item: text(), user: text() });
    let label = What::Label(crate::normalize::LabelFact {
        action: crate::normalize::LabelAction::Lowered,
        id: text(),
        name: text(),
        item: text(),
        user: text(),
    });
    let facts = [logon(Outcome::Success), logon(Outcome::Failure), link, label].map(|what| Fact { time: now, what });
    page.insights.delivered(feed, 4, facts.into(), now);
    feed_failed(&progress, feed, Stage::Listing, "x", HTML);
    for tab in Tab::ALL {
        let shown = html(&page, tab);
        assert!(shown.contains("&lt;script&gt;"), "{tab:?}: {shown}");
        for bad in ["<script", "<img", "\"'>"] {
            assert!(!shown.contains(bad), "{bad} in {tab:?}: {shown}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_is_rendered_once_a_second() {
    let (page, _, feed) = page();
    let first = html(&page, Tab::Feeds);
    page.insights.delivered(feed, 1, Vec::new(), page.clock.now());
    assert_eq!(page.get(Tab::Feeds).as_ptr(), page.get(Tab::Feeds).as_ptr());
    assert_eq!(html(&page, Tab::Feeds), first);
    tokio::time::advance(FRESH).await;
    assert_ne!(html(&page, Tab::Feeds), first);
}
