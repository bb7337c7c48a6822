use std::fmt::Write;

use chrono::TimeDelta;
use uuid::Uuid;

use super::*;
use crate::{
    content::{ContentType, TenantId},
    normalize::{LabelAction, LabelFact, LinkAct, LinkFact, LinkKind, LogonFact, LogonPlace, Outcome},
};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000, 0).unwrap()
}

fn feed(n: u128) -> Feed {
    Feed { tenant: TenantId(Uuid::from_u128(n)), content_type: ContentType::Exchange }
}

fn logon(time: DateTime<Utc>, user: &str, source: &str, outcome: Outcome) -> Fact {
    let (source, user) = (Some(source.to_owned()), Some(user.to_owned()));
    let fact = LogonFact { place: LogonPlace::Entra, outcome, source, user, country: Some("Norway".to_owned()) };
    Fact { time, what: What::Logon(fact) }
}

#[test]
fn nothing_is_kept_unless_it_is_asked_for() {
    let insights = Insights::default();
    insights.delivered(feed(1), 7, vec![logon(now(), "a", "b", Outcome::Success)], now());
    assert!(!insights.is_kept());
    assert_eq!((insights.bytes(), insights.per_minute(feed(1), now())[59]), (0, 0));
    insights.clone().keep();
    insights.delivered(feed(1), 7, Vec::new(), now());
    insights.keep();
    assert_eq!(insights.per_minute(feed(1), now())[59], 7);
}

#[test]
fn a_source_that_fails_and_gets_in_is_seen() {
    let insights = Insights::default();
    insights.keep();
    let mut facts = vec![logon(now(), "root@contoso.com", "203.0.113.7", Outcome::Success)];
    facts.extend((0..9).map(|n| logon(now(), &format!("user{n}"), "203.0.113.7", Outcome::Failure)));
    facts.push(logon(now() - TimeDelta::hours(25), "late", "192.0.2.1", Outcome::Success));
    insights.delivered(feed(1), 11, facts, now());
    let (span, logons) = insights.logons(now());
    assert_eq!(span.older, 1);
    assert_eq!(logons.entra, LogonCounts { succeeded: 1, failed: 9, unknown: 0 });
    assert_eq!((logons.distinct_sources, logons.distinct_users), (1, 10));
    let worst = &logons.sources.failed.rows[0];
    assert_eq!((worst.text.as_str(), worst.total(), worst.missed), ("203.0.113.7", 9, 0));
    assert_eq!(logons.sources.failed_succeeded, [1]);
    assert_eq!(logons.countries.failed.rows[0].text, "Norway");
}

#[test]
fn a_label_has_its_name_once_a_record_tells_it() {
    let insights = Insights::default();
    insights.keep();
    let label = |id: Option<&str>, name: Option<&str>, action| {
        let (id, name) = (id.map(str::to_owned), name.map(str::to_owned));
        let fact = LabelFact { action, id, name, item: Some("a.docx".to_owned()), user: None };
        Fact { time: now(), what: What::Label(fact) }
    };
    let facts = vec![
        label(Some("AB-1"), None, LabelAction::Applied),
        label(Some("ab-1"), Some("Confidential"), LabelAction::Met),
        label(None, None, LabelAction::Removed),
    ];
    insights.delivered(feed(1), 3, facts, now());
    let (_, labels) = insights.labels(now());
    let rows: Vec<_> = labels.labels.rows.iter().map(|row| (row.text.as_str(), row.columns)).collect();
    assert_eq!(rows, [("Confidential", [1, 0, 0, 0, 0, 1]), ("(not named)", [0, 0, 0, 1, 0, 0])]);
}

/// 10,000 users and 100,000 items of each kind in the course of a day, all texts of the longest kind.
#[test]
fn memory_is_bounded_at_ten_thousand_users_and_a_hundred_thousand_items() {
    const MOST: usize = 16 * 1024 * 1024;
    let insights = Insights::default();
    insights.keep();
    let mut text = String::new();
    for hour in 0..24u32 {
        let time = now() + TimeDelta::hours(hour.into());
        for n in hour * 12_500..(hour + 1) * 12_500 {
            let mut of = |what: &str, n: u32| {
                text.clear();
                let _ = write!(text, "https://contoso.sharepoint.com/sites/{what}/{n:0>150}");
                Some(text.clone())
            };
            let (item, user, source) = (of("item", n), of("user", n % 10_000), of("source", n % 50_000));
            let (id, name) = (of("label", n % 5_000), of("name", n % 5_000));
            let outcome = if n % 2 == 0 { Outcome::Success } else { Outcome::Failure };
            let country = of("country", n % 1_000);
            let place = LogonPlace::Mailbox;
            let what = match n % 3 {
                0 => What::Logon(LogonFact { place, outcome, source, user, country }),
                1 => What::Link(LinkFact { kind: LinkKind::Secure, act: LinkAct::Used, item, user }),
                _ => What::Label(LabelFact { action: LabelAction::Met, id, name, item, user }),
            };
            insights.delivered(feed(u128::from(n % 500)), 1, vec![Fact { time, what }], time);
        }
    }
    let bytes = insights.bytes();
    println!("sketches: {:.1} MiB", f64::from(u32::try_from(bytes).unwrap()) / 1024.0 / 1024.0);
    assert!(bytes <= MOST, "{bytes}");
    let (_, links) = insights.links(now() + TimeDelta::hours(23));
    assert!((9_000..=11_000).contains(&links.distinct_users), "{}", links.distinct_users);
    assert!((92_000..=108_000).contains(&links.distinct_items), "{}", links.distinct_items);
}
