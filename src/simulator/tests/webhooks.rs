use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    hook::{Hook, HookReply},
    *,
};

const ADDRESS: &str = "https://hook.example.com/o365";

/// A world in which starts need not wait for each other.
fn restless() -> SimulatorConfig {
    SimulatorConfig { start_interval: Duration::ZERO, ..SimulatorConfig::default() }
}

#[track_caller]
fn assert_not_validated(reply: &Reply, address: &str, why: &str) {
    assert_eq!(reply.refusal(), (400, "AF20021".to_owned()));
    let message = format!("The webhook endpoint ({address}) could not be validated. {why}");
    assert_eq!(reply.json()["error"]["message"], message);
}

#[tokio::test(start_paused = true)]
async fn only_a_webhook_that_answers_200_in_time_is_accepted() {
    const NOT_200: &str = "The endpoint did not return HTTP 200.";
    let caller = Caller::new(restless()).await;
    assert_not_validated(&caller.start_with("Audit.General", ADDRESS, None).await, ADDRESS, NOT_200);

    let hook = Hook::of(&caller.simulator);
    for reply in [201, 202, 204, 302, 404, 500].map(HookReply::Status).into_iter().chain([HookReply::Unreachable]) {
        hook.reply("/o365", reply);
        assert_not_validated(&caller.start_with("Audit.General", ADDRESS, None).await, ADDRESS, NOT_200);
    }
    hook.reply("/o365", HookReply::Silence);
    let asked = Instant::now();
    assert_not_validated(&caller.start_with("Audit.General", ADDRESS, None).await, ADDRESS, NOT_200);
    assert_eq!(asked.elapsed(), Duration::from_secs(5));
    // "The subscription will not be created" (MSREF).
    assert_eq!(caller.get("subscriptions/list").await.json(), json!([]));
    assert_eq!(caller.list("").await.refusal().1, "AF20022");

    hook.take();
    hook.reply("/o365", HookReply::Status(200));
    let started = caller.start_with("Audit.General", ADDRESS, None).await;
    let webhook = json!({ "status": "enabled", "address": ADDRESS, "authId": "me", "expiration": null });
    assert_eq!(started.json(), json!({ "contentType": "Audit.General", "status": "enabled", "webhook": webhook }));
    let [validation] = &hook.take()[..] else { panic!("one validation") };
    let code = validation.header("webhook-validationcode").unwrap();
    assert_eq!(validation.body, json!({ "validationCode": code }));
    assert_eq!(validation.header("webhook-authid"), Some("me"));
    assert_eq!(validation.header("content-type"), Some("application/json; charset=utf-8"));

    caller.start_with("Audit.Exchange", ADDRESS, None).await;
    assert_ne!(hook.take()[0].body, validation.body, "each code is new");
    assert_eq!(caller.simulator.stats().validations, 11);
}

#[tokio::test(start_paused = true)]
async fn an_address_begins_with_https() {
    const NOT_HTTPS: &str = "The address must begin with HTTPS.";
    let plain = "http://hook.example.com/o365";
    let caller = Caller::new(restless()).await;
    let hook = Hook::of(&caller.simulator);
    for address in [plain, "hook.example.com", "", "HTTPS:/x"] {
        assert_not_validated(&caller.start_with("Audit.General", address, None).await, address, NOT_HTTPS);
    }
    assert_eq!((hook.take().len(), caller.simulator.stats().validations), (0, 0));
    assert_eq!(caller.start_with("Audit.General", "HTTPS://hook.example.com", None).await.status, 200);

    let caller = Caller::new(SimulatorConfig { allow_plain_webhooks: true, ..restless() }).await;
    let _hook = Hook::of(&caller.simulator);
    let other = "ftp://hook.example.com";
    assert_not_validated(&caller.start_with("Audit.General", other, None).await, other, NOT_HTTPS);
    assert_eq!(caller.start_with("Audit.General", plain, None).await.status, 200);
    assert_eq!(caller.start_with("Audit.General", ADDRESS, None).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_failed_validation_changes_nothing_and_still_counts_as_a_start() {
    let caller = Caller::new(SimulatorConfig::default()).await;
    let hook = Hook::of(&caller.simulator);
    hook.reply("/dead", HookReply::Status(503));
    let dead = "https://hook.example.com/dead";
    assert_eq!(caller.start_with("Audit.General", dead, None).await.refusal().1, "AF20021");
    assert_eq!(caller.start_with("Audit.General", ADDRESS, None).await.refusal(), (429, "429".to_owned()));
    sleep(Duration::from_mins(15)).await;
    assert_eq!(caller.start_with("Audit.General", ADDRESS, None).await.status, 200);
    let before = caller.webhook("Audit.General").await;
    sleep(Duration::from_mins(15)).await;
    assert_eq!(caller.start_with("Audit.General", dead, None).await.refusal().1, "AF20021");
    assert_eq!(caller.webhook("Audit.General").await, before);
    // Parameters that cannot be read are refused before it counts as an attempt.
    assert_eq!(caller.start_with("DLP.All", ADDRESS, Some("soon")).await.refusal().1, "AF20002");
    assert_eq!(caller.start_with("DLP.All", ADDRESS, Some("2026-08-01T11:00:00")).await.refusal().1, "AF20003");
    assert_eq!(caller.start_with("DLP.All", ADDRESS, Some("")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn until_it_is_validated_a_webhook_is_not_shown() {
    let caller = Caller::new(restless()).await;
    let hook = Hook::of(&caller.simulator);
    caller.start("Audit.General").await;
    hook.reply("/o365", HookReply::Silence);
    let (started, shown) = tokio::join!(caller.start_with("Audit.General", ADDRESS, None), async {
        sleep(Duration::from_secs(2)).await;
        // Other requests are answered meanwhile.
        caller.webhook("Audit.General").await
    });
    assert_eq!((started.refusal().1.as_str(), shown), ("AF20021", Value::Null));
}

#[tokio::test(start_paused = true)]
async fn a_webhook_is_replaced_enabled_again_and_removed() {
    let caller = Caller::new(restless()).await;
    let _hook = Hook::of(&caller.simulator);
    let feed = caller.feed(ContentType::General);
    let shown = |status: &str, expiration: Option<&str>| json!({ "status": status, "address": ADDRESS, "authId": "me", "expiration": expiration });
    let set = async |expiration| caller.start_with("Audit.General", ADDRESS, expiration).await;

    assert_eq!(set(None).await.json()["webhook"], shown("enabled", None));
    assert_eq!(set(None).await.refusal(), (400, "AF20024".to_owned()));
    assert_eq!(set(Some("2026-08-01T12:30:00")).await.status, 200);
    sleep(Duration::from_mins(30)).await;
    let expired = shown("expired", Some("2026-08-01T12:30:00.000Z"));
    assert_eq!(caller.webhook("Audit.General").await, expired);
    assert_eq!(set(Some("2026-08-01T13:30:00Z")).await.json()["webhook"]["status"], "enabled");

    set(None).await;
    caller.simulator.disable_webhook(feed);
    assert_eq!(caller.webhook("Audit.General").await, shown("disabled", None));
    assert_eq!(caller.simulator.stats().webhooks_disabled, 1);
    // The same properties are a change when the webhook is disabled.
    assert_eq!(set(None).await.json()["webhook"], shown("enabled", None));

    caller.simulator.unhook(feed);
    let listed = caller.get("subscriptions/list").await.json();
    assert_eq!(listed[0], json!({ "contentType": "Audit.General", "status": "enabled", "webhook": null }));
    assert_eq!(set(None).await.status, 200);

    assert_eq!(caller.start("Audit.General").await.json()["webhook"], Value::Null);
    assert_eq!(caller.webhook("Audit.General").await, Value::Null);
    assert_eq!(caller.start("Audit.General").await.refusal().1, "AF20024");
}
