use super::*;

#[tokio::test(start_paused = true)]
async fn a_query_goes_from_state_to_state_by_the_clock() {
    let mut config = subscribed();
    config.graph.queued = Duration::from_secs(20)..=Duration::from_secs(20);
    config.graph.running = Duration::from_mins(2)..=Duration::from_mins(2);
    let searcher = Searcher::new(config).await;
    let created = searcher.post(2, json!({ "keywordFilter": "x", "operationFilters": ["MessageSent"] })).await;
    assert_eq!((created.status.as_u16(), created.header("date")), (201, Some("Sat, 01 Aug 2026 12:00:00 GMT")));
    let query = created.json();
    let id = text(&query["id"]);
    id.parse::<uuid::Uuid>().unwrap();
    for (name, value) in [
        ("status", json!("notStarted")),
        ("displayName", json!("a search")),
        ("filterStartDateTime", json!("2026-08-01T10:00:00.250Z")),
        ("filterEndDateTime", json!("2026-08-01T12:00:00.250Z")),
        ("recordTypeFilters", json!([])),
        ("operationFilters", json!(["MessageSent"])),
        ("userPrincipalNameFilters", json!([])),
        ("keywordFilter", json!("x")),
        ("isRecordCountLimitExceeded", json!(false)),
        ("@odata.context", json!("http://127.0.0.1:0/v1.0/$metadata#security/auditLog/queries/$entity")),
    ] {
        assert_eq!(query[name], value, "{name}");
    }
    assert_eq!(searcher.get(&format!("/{id}/records")).await.status, 404);
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(searcher.status(&id).await, "running");
    let early = searcher.get(&format!("/{id}/records")).await;
    assert_eq!(early.refusal(), (400, "BadRequest".into()));
    assert_eq!(searcher.stats().violations.len(), 2, "{:?}", searcher.stats().violations);
    tokio::time::advance(Duration::from_mins(2)).await;
    assert_eq!(searcher.status(&id).await, "succeeded");
    assert_eq!(searcher.get(&format!("/{id}/records")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn queries_fail_are_cancelled_are_slow_or_never_end() {
    let searcher = Searcher::new(subscribed()).await;
    for (change, status, refused) in [
        ((|faults| faults.failed_rate = 1.0) as fn(&mut GraphFaults), "failed", true),
        (|faults| faults.cancelled_rate = 1.0, "cancelled", true),
        (|faults| faults.stuck_rate = 1.0, "running", true),
        (
            |faults| {
                faults.slow = Some(Slow { share: 1.0, by: Duration::from_hours(5)..=Duration::from_hours(6) });
            },
            "running",
            true,
        ),
        (|_| {}, "succeeded", false),
    ] {
        searcher.faults(|faults| *faults = GraphFaults::default());
        searcher.faults(change);
        let id = searcher.create(1, json!({})).await;
        // The course of a query does not change any more.
        searcher.faults(|faults| *faults = GraphFaults::default());
        tokio::time::advance(Duration::from_mins(6)).await;
        assert_eq!(searcher.status(&id).await, status);
        assert_eq!(searcher.get(&format!("/{id}/records")).await.status.is_client_error(), refused);
    }
    let queries = searcher.get("").await.json()["value"].as_array().unwrap().clone();
    tokio::time::advance(Duration::from_hours(7)).await;
    // Newest first: the slow one is the second.
    assert_eq!(searcher.status(&text(&queries[1]["id"])).await, "succeeded");
    assert_eq!(searcher.status(&text(&queries[2]["id"])).await, "running");
}

/// A client that tries again until it has what it wants gets it, on the worst of days.
#[tokio::test(start_paused = true)]
async fn a_bad_day_comes_to_an_end() {
    let mut config = subscribed();
    config.faults.graph = GraphFaults::stormy();
    config.graph.page_size = 20;
    let searcher = Searcher::new(config).await;
    let all = searcher.searchable(5);
    let hours = json!({ "filterStartDateTime": origin() - TimeDelta::hours(5), "filterEndDateTime": origin() });
    let ask = async |below: String| loop {
        let reply = searcher.get(&below).await;
        let body = reply.body.as_ref().ok().and_then(|body| serde_json::from_slice::<Value>(body).ok());
        if let Some(body) = body.filter(|_| reply.status == 200) {
            return body;
        }
    };
    let mut found = BTreeSet::new();
    while found != all {
        searcher.post(5, hours.clone()).await;
        tokio::time::advance(Duration::from_hours(1)).await;
        let queries = ask(String::new()).await;
        let succeeded = queries["value"].as_array().unwrap().iter().find(|query| query["status"] == "succeeded");
        let Some(id) = succeeded.map(|query| text(&query["id"])) else { continue };
        let mut below = format!("/{id}/records");
        loop {
            let page = ask(below).await;
            found.extend(page["value"].as_array().unwrap().iter().map(|record| text(&record["id"])));
            let Some((_, token)) = page["@odata.nextLink"].as_str().and_then(|link| link.split_once('?')) else {
                break;
            };
            below = format!("/{id}/records?{token}");
        }
    }
    assert!(searcher.stats().graph.faults > 0);
}

#[tokio::test(start_paused = true)]
async fn two_posts_make_two_queries() {
    let searcher = Searcher::new(bare()).await;
    let (one, other) = (searcher.create(1, json!({})).await, searcher.create(1, json!({})).await);
    assert_ne!(one, other);
    assert_eq!(searcher.get("").await.json()["value"].as_array().unwrap().len(), 2);
    let stats = searcher.stats();
    assert_eq!(stats.graph.submissions[&searcher.caller.tenant.id], [origin(), origin()]);
    assert_eq!(stats.graph.requests_for(GraphOperation::CreateQuery), 2);
    assert_eq!((stats.graph.total_requests(), stats.total_requests()), (3, 0));
    assert!(stats.violations.is_empty(), "{:?}", stats.violations);
}

#[tokio::test(start_paused = true)]
async fn a_query_beyond_the_limit_succeeds_and_says_so() {
    let mut config = subscribed();
    config.graph.record_limit = 10;
    let searcher = Searcher::new(config).await;
    let id = searcher.succeed(5, json!({})).await;
    let query = searcher.get(&format!("/{id}")).await.json();
    assert_eq!((&query["status"], &query["isRecordCountLimitExceeded"]), (&json!("succeeded"), &json!(true)));
    assert_eq!(searcher.get("").await.json()["value"][0]["isRecordCountLimitExceeded"], true);
    assert_eq!(searcher.ids(&id).await.len(), 10);
    let few = json!({ "operationFilters": ["no such operation"] });
    let few = searcher.succeed(5, few).await;
    assert_eq!(searcher.get(&format!("/{few}")).await.json()["isRecordCountLimitExceeded"], false);
}
