use std::{collections::BTreeSet, time::Duration};

use chrono::TimeDelta;
use serde_json::json;

use super::*;

fn window(from: &str, until: &str) -> String {
    format!("&startTime={from}&endTime={until}")
}

#[tokio::test(start_paused = true)]
async fn a_window_is_both_ends_in_order_short_and_recent() {
    let caller = Caller::new(bare()).await;
    for (query, code) in [
        ("&startTime=2026-08-01".to_owned(), "AF20030"),
        ("&endTime=2026-08-01".to_owned(), "AF20030"),
        (window("2026-08-01T10:00", "2026-08-01T10:00"), "AF20055"),
        (window("2026-08-01T10:00", "2026-08-01T09:00"), "AF20055"),
        (window("2026-07-31T10:00", "2026-08-01T10:00:01"), "AF20055"),
        (window("2026-07-25T12:00:00", "2026-07-25T13:00:00"), "AF20030"),
        (window("yesterday", "2026-08-01"), "AF20002"),
        (window("2026-08-01T10:00:00+00:00", "2026-08-01T11:00:00+00:00"), "AF20002"),
        ("&nextPage=2015101900R022885001761".to_owned(), "AF20031"),
    ] {
        assert_eq!(caller.list(&query).await.refusal(), (400, code.to_owned()), "{query}");
    }
    for query in [
        String::new(),
        window("2026-07-25T12:00:01", "2026-07-25T13:00:00"),
        window("2026-07-31T10:00:00Z", "2026-08-01T10:00:00.000Z"),
        // Days into the future do not fail (FB).
        window("2026-08-04", "2026-08-05"),
    ] {
        assert_eq!(caller.list(&query).await.json(), json!([]), "{query}");
    }
    let tolerant = Caller::new(SimulatorConfig { lookback_tolerance: Duration::from_hours(1), ..bare() }).await;
    assert_eq!(tolerant.list(&window("2026-07-25T11:00:01", "2026-07-25T12:00")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn windows_are_half_open_and_by_creation() {
    let caller = Caller::new(bare()).await;
    let feed = caller.feed(ContentType::General);
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let blob = caller.simulator.publish_events(feed, vec![json!({ "Id": "1" })], at("2026-08-01T10:00:30Z"));
    for (from, until, found) in [
        ("2026-08-01T10:00:00", "2026-08-01T10:00:30", 0),
        ("2026-08-01T10:00:00", "2026-08-01T10:00:31", 1),
        ("2026-08-01T10:00:31", "2026-08-01T10:01:00", 0),
    ] {
        assert_eq!(caller.list(&window(from, until)).await.array().len(), found, "{from}");
    }
    caller.simulator.set_base_url("https://feed.example.com".parse().unwrap());
    let entry = &caller.list("").await.array()[0];
    let uri = format!("https://feed.example.com/api/v1.0/{}/activity/feed/audit/{blob}", feed.tenant);
    assert_eq!(
        *entry,
        json!({
            "contentType": "Audit.General",
            "contentId": blob,
            "contentUri": uri,
            "contentCreated": "2026-08-01T10:00:30.000Z",
            "contentExpiration": "2026-08-08T10:00:30.000Z",
        })
    );
    assert_eq!(caller.follow(&uri).await.json(), json!([{ "Id": "1" }]));
}

#[tokio::test(start_paused = true)]
async fn a_window_that_starts_at_a_blobs_creation_gets_half_of_it() {
    let caller = Caller::new(bare()).await;
    let feed = caller.feed(ContentType::General);
    let events: Vec<_> = (0..5).map(|id| json!({ "Id": id.to_string() })).collect();
    let created = "2026-08-01T10:00:30.700Z".parse().unwrap();
    let whole = caller.simulator.publish_events(feed, events, created);

    let entry = caller.list(&window("2026-08-01T10:00:30", "2026-08-01T11:00:00")).await.array().remove(0);
    assert_ne!(entry["contentId"], whole.as_str());
    assert_eq!(caller.follow(&text(&entry["contentUri"])).await.array().len(), 2);
    assert_eq!(caller.simulator.stats().partial_refs, 1);

    let entry = caller.list(&window("2026-08-01T10:00:29", "2026-08-01T11:00:00")).await.array().remove(0);
    assert_eq!(entry["contentId"], whole.as_str());
    assert_eq!(caller.follow(&text(&entry["contentUri"])).await.array().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn pages_are_followed_by_the_links_as_they_are() {
    let mut config = subscribed();
    config.backlog.blobs_per_feed = 95;
    config.page_size = 10;
    let caller = Caller::new(config).await;
    let feed = caller.feed(ContentType::General);

    let mut reply = caller.list("").await;
    let mut listed = BTreeSet::new();
    let mut pages = 1;
    let mut in_order = true;
    loop {
        let entries = reply.array();
        assert!(entries.len() <= 10);
        in_order &= entries.iter().map(|entry| text(&entry["contentCreated"])).is_sorted();
        listed.extend(entries.iter().map(|entry| text(&entry["contentId"])));
        let Some(next) = reply.next_page().map(str::to_owned) else { break };
        assert!(next.starts_with("http://127.0.0.1:0/api/v1/"), "{next}");
        assert!(next.contains("&starttime=") && !next.contains("PublisherIdentifier"), "{next}");
        // Content that turns up meanwhile does not move entries from page to page.
        let created = origin() - TimeDelta::minutes(170);
        let late = BlobSpec::new("[]", created).available_from(caller.clock.now() + TimeDelta::milliseconds(1));
        caller.simulator.add_blob(feed, late);
        tokio::time::advance(Duration::from_millis(1200)).await;
        reply = caller.follow(&next).await;
        pages += 1;
    }
    assert_eq!((pages, listed.len()), (10, 95));
    assert!(!in_order, "entries are shuffled");

    let other = caller.list("").await.next_page().unwrap().replace("Audit.General", "Audit.Exchange");
    assert_eq!(caller.follow(&other).await.refusal(), (400, "AF20031".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_link_may_carry_the_publisher_already() {
    let caller = Caller::new(SimulatorConfig { page_size: 1, next_page_repeats_publisher: true, ..subscribed() }).await;
    let next = caller.list("").await.next_page().unwrap().to_owned();
    assert!(next.ends_with(&format!("&PublisherIdentifier={PUBLISHER}")), "{next}");
    // Doubled by a client that adds it unseen.
    assert_eq!(caller.follow(&next).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn late_content_is_listed_once_it_is_available() {
    let caller = Caller::new(bare()).await;
    let feed = caller.feed(ContentType::General);
    let blob = BlobSpec::new("[]", origin() - TimeDelta::hours(2)).available_from(origin() + TimeDelta::hours(1));
    let id = caller.simulator.add_blob(feed, blob);
    assert!(caller.list("").await.array().is_empty());
    assert_eq!(caller.get(&format!("audit/{id}")).await.refusal(), (404, "AF20050".to_owned()));
    assert!(caller.simulator.oracle().expected_content_ids(feed).is_empty());

    tokio::time::advance(Duration::from_secs(3590)).await;
    assert!(caller.list("").await.array().is_empty());
    tokio::time::advance(Duration::from_secs(10)).await;
    let Caller { mut token, simulator, clock, tenant } = caller;
    token.clear();
    let mut caller = Caller { simulator, clock, tenant, token };
    caller.sign_in().await;
    assert_eq!(caller.list("").await.array()[0]["contentId"], id.as_str());
    assert_eq!(caller.simulator.oracle().listable(feed, caller.clock.now()).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_first_start_finds_content_of_the_day_before() {
    let mut config = SimulatorConfig::default();
    config.backlog.blobs_per_feed = 0;
    let caller = Caller::new(config).await;
    let feed = caller.feed(ContentType::General);
    let ids = [21, 23].map(|hours| caller.simulator.publish_events(feed, vec![], origin() - TimeDelta::hours(hours)));
    caller.start("Audit.General").await;
    let listed = caller.list("").await.array();
    assert_eq!((listed.len(), listed[0]["contentId"].as_str()), (1, Some(ids[0].as_str())));
}

#[tokio::test(start_paused = true)]
async fn live_content_appears_as_time_passes() {
    let live = Live { every: Duration::from_mins(1), events_per_blob: 1..=3 };
    let caller = Caller::new(SimulatorConfig { live: Some(live), ..bare() }).await;
    assert!(caller.list("").await.array().is_empty());
    tokio::time::advance(Duration::from_mins(10)).await;
    let listed = caller.list("").await.array();
    assert_eq!(listed.len(), 10);
    for entry in listed {
        assert!((1..=3).contains(&caller.follow(&text(&entry["contentUri"])).await.array().len()));
    }
}
