use std::{collections::BTreeSet, time::Duration};

use chrono::TimeDelta;
use serde_json::json;

use super::*;

/// Collects a feed as a simple client does: list the last day, fetch everything.
async fn collect(caller: &Caller, content_type: ContentType) -> Vec<String> {
    let mut ids = Vec::new();
    for entry in caller.get(&format!("subscriptions/content?contentType={content_type}")).await.array() {
        let events = caller.follow(&text(&entry["contentUri"])).await.array();
        ids.extend(events.iter().map(|event| text(&event["Id"])));
    }
    ids
}

#[tokio::test(start_paused = true)]
async fn the_oracle_knows_what_a_client_finds() {
    let mut config = subscribed();
    config.faults.duplicates = 0.3;
    let caller = Caller::new(config).await;
    let oracle = caller.simulator.oracle();
    let mut everything = BTreeSet::new();
    let mut events = 0;
    for content_type in ContentType::ALL {
        let feed = caller.feed(content_type);
        let ids = collect(&caller, content_type).await;
        let counts = oracle.counts(feed);
        assert_eq!((counts.blobs, counts.events), (12, ids.len() as u64));
        events += counts.events;
        let unique: BTreeSet<_> = ids.into_iter().collect();
        assert_eq!(unique, oracle.expected_ids_of(feed));
        everything.extend(unique.into_iter().map(|id| (feed.tenant, id)));
    }
    assert_eq!(everything, oracle.expected_ids());
    let totals = oracle.totals();
    assert_eq!((totals.events, totals.unique_ids), (events, everything.len() as u64));
    assert!(totals.duplicates() > events / 6, "{totals:?}");
}

#[tokio::test(start_paused = true)]
async fn a_repeated_event_is_the_same_record_in_another_order() {
    let mut config = subscribed();
    config.faults.duplicates = 0.5;
    let caller = Caller::new(config).await;
    let mut seen = std::collections::BTreeMap::new();
    let mut repeated = 0;
    for entry in ContentType::ALL {
        for entry in caller.get(&format!("subscriptions/content?contentType={entry}")).await.array() {
            for event in caller.follow(&text(&entry["contentUri"])).await.array() {
                repeated += usize::from(seen.insert(text(&event["Id"]), event.clone()).is_some_and(|other| {
                    assert_eq!(other, event);
                    true
                }));
            }
        }
    }
    assert!(repeated > 20, "{repeated}");
}

#[tokio::test(start_paused = true)]
async fn late_content_is_expected_once_it_was_listed_and_old_content_never() {
    let caller = Caller::new(bare()).await;
    let feed = caller.feed(ContentType::General);
    let publish = |id: &str, age: TimeDelta, delay: TimeDelta| {
        let body = json!([{ "Id": id }]).to_string();
        let blob = BlobSpec::new(body, origin() - age).available_from(origin() - age + delay);
        caller.simulator.add_blob(feed, blob)
    };
    publish("recent", TimeDelta::days(6), TimeDelta::zero());
    publish("old", TimeDelta::days(8), TimeDelta::zero());
    publish("late", TimeDelta::hours(1), TimeDelta::hours(3));
    publish("too late", TimeDelta::days(6), TimeDelta::days(8));
    let expected = || Vec::from_iter(caller.simulator.oracle().expected_ids_of(feed));
    assert_eq!(expected(), ["recent"]);
    tokio::time::advance(Duration::from_hours(2)).await;
    assert_eq!(expected(), ["late", "recent"]);
    tokio::time::advance(Duration::from_hours(216)).await;
    assert_eq!(expected(), ["late", "recent"]);
}

#[tokio::test(start_paused = true)]
async fn an_unsubscribed_feed_is_expected_all_the_same() {
    let caller = Caller::new(SimulatorConfig::default()).await;
    let oracle = caller.simulator.oracle();
    assert_eq!(oracle.totals().blobs, 60);
    assert!(oracle.listable(caller.feed(ContentType::Dlp), origin()).is_empty());
    caller.start("DLP.All").await;
    assert_eq!(oracle.listable(caller.feed(ContentType::Dlp), origin()).len(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_million_events_are_not_stored() {
    let mut config = subscribed();
    config.backlog =
        Backlog { reaches_back: Duration::from_hours(144), blobs_per_feed: 10_000, events_per_blob: 20..=20 };
    let caller = Caller::new(config).await;
    let found = caller.list("&startTime=2026-07-27&endTime=2026-07-27T01:00").await.array();
    assert!((50..90).contains(&found.len()), "{}", found.len());
    assert_eq!(caller.follow(&text(&found[0]["contentUri"])).await.array().len(), 20);
}
