use std::time::Duration;

use serde_json::json;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_subscription_is_started_once() {
    let caller = Caller::new(SimulatorConfig::default()).await;
    assert_eq!(caller.get("subscriptions/list").await.json(), json!([]));
    assert_eq!(caller.list("").await.refusal(), (400, "AF20022".to_owned()));

    let started = caller.start("Audit.General").await.json();
    assert_eq!(started, json!({ "contentType": "Audit.General", "status": "enabled", "webhook": null }));
    assert_eq!(caller.list("").await.status, 200);

    tokio::time::advance(Duration::from_secs(4)).await;
    for status in [429, 403] {
        let early = caller.start("audit.general").await;
        assert_eq!(early.refusal(), (status, "429".to_owned()));
        let text = "Too many frequent subscription start requests. Please retry again after 14m 56s";
        assert_eq!(early.json()["error"]["message"], text);
    }
    // Other content types are not affected.
    assert_eq!(caller.start("Audit.Exchange").await.status, 200);

    tokio::time::advance(Duration::from_mins(15)).await;
    let again = caller.start("Audit.General").await;
    assert_eq!(again.refusal(), (400, "AF20024".to_owned()));
    assert_eq!(again.json()["error"]["message"], "The subscription is already enabled. No property change.");
    assert_eq!(caller.simulator.stats().start_calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn the_list_has_an_element_without_status() {
    let caller = Caller::new(SimulatorConfig::default()).await;
    caller.start("Audit.SharePoint").await;
    let listed = caller.get("subscriptions/list").await.array();
    assert_eq!(listed[0]["status"], "enabled");
    assert_eq!(listed[1], json!({ "contentType": "Audit.AzureActiveDirectory", "webhook": null }));
    assert_eq!(listed.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_content_type_is_required_and_known() {
    let caller = Caller::new(subscribed()).await;
    for operation in ["subscriptions/content", "subscriptions/notifications"] {
        assert_eq!(caller.get(operation).await.refusal(), (400, "AF20001".to_owned()));
        let unknown = format!("{operation}?contentType=Audit.Teams");
        assert_eq!(caller.get(&unknown).await.refusal(), (400, "AF20020".to_owned()));
    }
    assert_eq!(caller.start("Audit.Teams").await.refusal(), (400, "AF20020".to_owned()));
    let notifications = caller.get("subscriptions/notifications?contentType=DLP.All").await;
    assert_eq!(notifications.json(), json!([]));
}

#[tokio::test(start_paused = true)]
async fn content_between_stop_and_restart_is_lost() {
    let caller = Caller::new(bare()).await;
    let feed = caller.feed(ContentType::General);
    let publish = |minutes: u64| {
        let created = origin() + chrono::TimeDelta::minutes(i64::try_from(minutes).unwrap());
        caller.simulator.publish_events(feed, vec![json!({ "Id": minutes.to_string() })], created)
    };
    let [before, between, after] = [5, 15, 25].map(publish);

    tokio::time::advance(Duration::from_mins(10)).await;
    let stop = "subscriptions/stop?contentType=Audit.General";
    let stopped = caller.call(Method::POST, stop).await;
    assert_eq!((stopped.status.as_u16(), stopped.text()), (200, ""));
    assert_eq!(caller.list("").await.refusal(), (400, "AF20023".to_owned()));
    assert_eq!(caller.get(&format!("audit/{before}")).await.refusal(), (400, "AF20023".to_owned()));
    assert_eq!(caller.get("subscriptions/list").await.json()[3]["status"], "disabled");

    tokio::time::advance(Duration::from_mins(10)).await;
    assert_eq!(caller.start("Audit.General").await.status, 200);
    tokio::time::advance(Duration::from_mins(10)).await;
    let mut listed: Vec<_> = caller.list("").await.array().iter().map(|entry| text(&entry["contentId"])).collect();
    listed.sort();
    assert_eq!(listed, [before, after]);
    assert!(!caller.simulator.oracle().expected_content_ids(feed).contains(&between));
}

#[tokio::test(start_paused = true)]
async fn a_restart_may_not_take() {
    let mut config = bare();
    config.faults.stuck_after_restart = true;
    let caller = Caller::new(config).await;
    caller.call(Method::POST, "subscriptions/stop?contentType=Audit.General").await;
    assert_eq!(caller.start("Audit.General").await.json()["status"], "enabled");
    let refused = caller.list("").await;
    assert_eq!(refused.json()["error"]["message"], "The subscription was disabled.");
    let listed = caller.get("subscriptions/list").await.array();
    assert!(listed.iter().all(|entry| entry["contentType"] != "Audit.General"));
}
