use std::collections::BTreeMap;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_search_finds_each_event_of_its_range_once() {
    let mut config = subscribed();
    config.faults.duplicates = 0.3;
    config.graph.page_size = 7;
    let searcher = Searcher::new(config).await;
    let id = searcher.succeed(2, json!({})).await;
    let pages = searcher.pages(&id).await;
    assert!(pages.len() > 5 && pages.iter().rev().skip(1).all(|page| page.len() == 7));
    let all = searcher.searchable(2);
    assert_eq!(searcher.ids(&id).await, all);
    for record in pages.concat() {
        let at: DateTime<Utc> = text(&record["createdDateTime"]).parse().unwrap();
        assert!((origin() - TimeDelta::hours(2)..origin()).contains(&at), "{record}");
    }
    // Neighbouring ranges have no event in common.
    let (whole, recent) = (searcher.searchable(6), searcher.searchable(1));
    let before = searcher.caller.simulator.oracle().searchable_ids(
        searcher.caller.tenant.id,
        origin() - TimeDelta::hours(6),
        origin() - TimeDelta::hours(1),
    );
    assert!(before.is_disjoint(&recent));
    assert_eq!(whole, &before | &recent);
}

#[tokio::test(start_paused = true)]
async fn the_search_and_the_blobs_have_the_same_events() {
    let mut config = subscribed();
    config.faults.duplicates = 0.3;
    let mut searcher = Searcher::new(config).await;
    let id = searcher.succeed(5, json!({})).await;
    let mut found = BTreeMap::new();
    for mut record in searcher.records(&id).await {
        let data = record["auditData"].as_object_mut().unwrap();
        assert!(text(&data.remove("@odata.type").unwrap()).starts_with("#microsoft.graph.security."));
        assert_eq!(record["id"], record["auditData"]["Id"]);
        assert_eq!(record["createdDateTime"], format!("{}Z", text(&record["auditData"]["CreationTime"])));
        found.insert(text(&record["id"]), record["auditData"].take());
    }
    assert_eq!(found.len(), searcher.searchable(5).len());
    searcher.caller.sign_in().await;
    let mut listed = BTreeMap::new();
    for content_type in ContentType::ALL {
        for entry in searcher.caller.get(&format!("subscriptions/content?contentType={content_type}")).await.array() {
            for event in searcher.caller.follow(&text(&entry["contentUri"])).await.array() {
                listed.insert(text(&event["Id"]), event);
            }
        }
    }
    assert_eq!(found, listed);
}

#[tokio::test(start_paused = true)]
async fn filters_and_permissions_narrow_a_search() {
    let mut searcher = Searcher::new(subscribed()).await;
    let all = searcher.succeed(5, json!({})).await;
    let all = searcher.records(&all).await;
    let wanted = json!({ "recordTypeFilters": ["azureActiveDirectoryStsLogon"], "operationFilters": ["UserLoggedIn"] });
    let logons = searcher.succeed(5, wanted).await;
    let logons = searcher.ids(&logons).await;
    let expected = all.iter().filter(|record| {
        record["auditLogRecordType"] == "AzureActiveDirectoryStsLogon" && record["operation"] == "UserLoggedIn"
    });
    assert_eq!(logons, expected.map(|record| text(&record["id"])).collect());
    assert!(!logons.is_empty());

    for (permission, workloads) in [
        ("AuditLogsQuery-Entra.Read.All", vec!["AzureActiveDirectory"]),
        ("AuditLogsQuery-Exchange.Read.All", vec!["Exchange"]),
        ("AuditLogsQuery-SharePoint.Read.All", vec!["SharePoint"]),
        ("AuditLogsQuery-OneDrive.Read.All", vec!["OneDrive"]),
        ("AuditLogsQuery-CRM.Read.All", vec!["CRM"]),
        ("AuditLogsQuery-Endpoint.Read.All", vec!["Endpoint"]),
        ("AuditLogsQuery-Entra.Read.All AuditLogsQuery-Exchange.Read.All", vec!["AzureActiveDirectory", "Exchange"]),
    ] {
        let mut config = subscribed();
        config.tenants[0].graph_roles = permission.split(' ').map(str::to_owned).collect();
        searcher = Searcher::new(config).await;
        let id = searcher.succeed(5, json!({})).await;
        let expected = all.iter().filter(|record| workloads.contains(&record["service"].as_str().unwrap()));
        let expected: BTreeSet<_> = expected.map(|record| text(&record["id"])).collect();
        assert_eq!(searcher.ids(&id).await, expected, "{permission}");
        assert!(!expected.is_empty() || ["OneDrive", "CRM", "Endpoint"].contains(&workloads[0]), "{permission}");
    }
}

#[tokio::test(start_paused = true)]
async fn queries_are_listed_newest_first_and_forgotten_after_a_month() {
    let mut config = bare();
    config.graph.query_page_size = 2;
    let mut searcher = Searcher::new(config).await;
    searcher.version = "beta";
    let mut created = Vec::new();
    for number in 0..5 {
        created.push(searcher.create(1, json!({ "displayName": format!("search {number}") })).await);
    }
    assert_eq!(searcher.send(Method::DELETE, &format!("/{}", created[1]), "").await.status, 204);
    let first = searcher.get("").await.json();
    let names = |reply: &Value| {
        let queries = reply["value"].as_array().unwrap().clone();
        queries.iter().map(|query| text(&query["displayName"])).collect::<Vec<_>>()
    };
    assert_eq!(names(&first), ["search 4", "search 3"]);
    // A query that comes between two pages does not move the second.
    searcher.create(1, json!({})).await;
    let link = text(&first["@odata.nextLink"]);
    assert!(link.starts_with("http://127.0.0.1:0/beta/security/auditLog/queries?$skiptoken="), "{link}");
    let second = searcher.follow(&link).await.json();
    assert_eq!((names(&second), second.get("@odata.nextLink")), (vec!["search 2".into(), "search 0".into()], None));

    tokio::time::advance(Duration::from_hours(30 * 24)).await;
    assert!(names(&searcher.get("").await.json()).is_empty());
    assert_eq!(searcher.get(&format!("/{}", created[0])).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_day_of_a_world_with_a_million_events_is_searched_for_itself() {
    let mut config = subscribed();
    config.backlog =
        Backlog { reaches_back: Duration::from_hours(30 * 24), blobs_per_feed: 10_000, events_per_blob: 20..=20 };
    config.graph.page_size = 1000;
    let searcher = Searcher::new(config).await;
    let now = searcher.caller.clock.now();
    let day = json!({
        "filterStartDateTime": now - TimeDelta::hours(25 * 24),
        "filterEndDateTime": now - TimeDelta::hours(24 * 24),
    });
    let id = searcher.succeed(1, day).await;
    let first = searcher.get(&format!("/{id}/records")).await.json();
    assert_eq!(first["value"].as_array().unwrap().len(), 1000);
    assert!(first["@odata.nextLink"].is_string());
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_compressed_for_those_who_take_it() {
    let searcher = Searcher::new(subscribed()).await;
    let id = searcher.succeed(5, json!({})).await;
    let target = format!("/v1.0/security/auditLog/queries/{id}/records");
    let zipped = searcher.caller.send(Method::GET, &target, &[("accept-encoding", "br, gzip")], "").await;
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    assert!(zipped.bytes().len() < searcher.caller.send(Method::GET, &target, &[], "").await.bytes().len() / 2);
}
