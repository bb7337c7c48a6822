use super::*;

#[tokio::test(start_paused = true)]
async fn events_of_unlisted_blobs_are_found_by_the_search_alone() {
    let mut config = subscribed();
    config.faults.unlisted = 0.3;
    config.faults.duplicates = 0.1;
    let mut searcher = Searcher::new(config).await;
    let oracle = searcher.caller.simulator.oracle();
    let (tenant, all) = (searcher.caller.tenant.id, searcher.searchable(5));
    let unlisted = oracle.unlisted_ids(tenant);
    let expected: BTreeSet<_> = oracle.expected_ids().into_iter().map(|(_, id)| id).collect();
    assert!(unlisted.len() > all.len() / 10, "{} of {}", unlisted.len(), all.len());
    assert!(unlisted.is_disjoint(&expected));
    assert_eq!(&expected | &unlisted, all);
    let id = searcher.succeed(5, json!({})).await;
    assert_eq!(searcher.ids(&id).await, all);

    searcher.caller.sign_in().await;
    for content_type in ContentType::ALL {
        let feed = searcher.caller.feed(content_type);
        let listed = searcher.caller.get(&format!("subscriptions/content?contentType={content_type}")).await.array();
        let listed: BTreeSet<_> = listed.iter().map(|entry| text(&entry["contentId"])).collect();
        assert_eq!(listed, oracle.expected_content_ids(feed));
        assert!(listed.len() < 12);
    }
}

#[tokio::test(start_paused = true)]
async fn placed_events_are_found_by_their_own_time() {
    let searcher = Searcher::new(bare()).await;
    let feed = searcher.caller.feed(ContentType::General);
    let record = |id: &str, time: &str| json!({ "Id": id, "CreationTime": time, "RecordType": 25, "Operation": id });
    let body = |records: &[Value]| Value::from(records).to_string();
    let inside = body(&[record("a", "2026-08-01T08:00:00"), record("b", "2026-08-01T08:59:59.9Z"), json!(7)]);
    let outside = body(&[record("c", "2026-08-01T09:00:00"), record("d", "2026-08-01T07:59:59")]);
    searcher.caller.simulator.add_blob(feed, BlobSpec::new(inside.clone(), origin()).unlisted());
    searcher.caller.simulator.add_blob(feed, BlobSpec::new(outside, origin() - TimeDelta::hours(1)));
    // The same events once more, listed years late.
    let late = origin() + TimeDelta::days(700);
    searcher.caller.simulator.add_blob(feed, BlobSpec::new(inside, origin()).available_from(late));
    searcher.caller.simulator.add_blob(feed, BlobSpec::new("no JSON", origin()).unlisted());
    let future = body(&[record("not yet", "2026-08-01T08:30:00")]);
    searcher.caller.simulator.add_blob(feed, BlobSpec::new(future, origin() + TimeDelta::hours(1)));

    let hour = json!({ "filterStartDateTime": "2026-08-01T08:00:00Z", "filterEndDateTime": "2026-08-01T09:00:00Z" });
    let id = searcher.succeed(1, hour).await;
    assert_eq!(Vec::from_iter(searcher.ids(&id).await), ["a", "b"]);
    let records = searcher.records(&id).await;
    assert_eq!(
        (&records[1]["operation"], &records[1]["auditData"]["CreationTime"]),
        (&json!("a"), &json!("2026-08-01T08:00:00"))
    );
    let oracle = searcher.caller.simulator.oracle();
    assert_eq!(Vec::from_iter(oracle.expected_ids_of(feed)), ["c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn the_search_reaches_beyond_what_is_listed() {
    let mut config = subscribed();
    config.backlog =
        Backlog { reaches_back: Duration::from_hours(30 * 24), blobs_per_feed: 300, events_per_blob: 1..=3 };
    config.graph.reaches_back = Duration::from_hours(20 * 24);
    let mut searcher = Searcher::new(config).await;
    let tenant = searcher.caller.tenant.id;
    let oracle = searcher.caller.simulator.oracle();
    let ago = |days| origin() - TimeDelta::days(days);
    let day = |days: i64| json!({ "filterStartDateTime": ago(days), "filterEndDateTime": ago(days - 1) });
    let id = searcher.succeed(1, day(15)).await;
    let found = searcher.ids(&id).await;
    assert_eq!(found, oracle.searchable_ids(tenant, ago(15), ago(14)));
    assert!(!found.is_empty());
    let expected: BTreeSet<_> = oracle.expected_ids().into_iter().map(|(_, id)| id).collect();
    assert!(found.is_disjoint(&expected));
    // That they are listed no longer is not the fault of their blobs.
    assert!(oracle.unlisted_ids(tenant).is_empty());
    let id = searcher.succeed(1, day(25)).await;
    assert!(searcher.ids(&id).await.is_empty());
    assert!(!oracle.searchable_ids(tenant, ago(25), ago(24)).is_empty());

    searcher.caller.sign_in().await;
    let refused = searcher.caller.list("&startTime=2026-07-17&endTime=2026-07-18").await;
    assert_eq!(refused.refusal(), (400, "AF20030".into()));
}
