//! The checks that all operations share.

use std::time::Duration;

use serde_json::json;

use super::*;

#[tokio::test(start_paused = true)]
async fn only_a_good_token_for_the_tenant_of_the_url_is_let_in() {
    let mut config = SimulatorConfig::demo();
    config.tenants.push(SimulatedTenant::new(TenantId(uuid::Uuid::max()), uuid::Uuid::max(), "example.com"));
    let caller = Caller::new(config).await;
    let to =
        |tenant: &str| format!("/api/v1.0/{tenant}/activity/feed/subscriptions/list?PublisherIdentifier={PUBLISHER}");
    let own = caller.tenant.id.to_string();

    for authorization in ["", "Bearer", "Bearer x", "Basic eDp5", &format!("Bearer {}x", caller.token)] {
        let reply = caller.send(Method::GET, &to(&own), &[("Authorization", authorization)], "").await;
        assert_eq!(reply.status, 401, "{authorization}");
    }
    let other = SimulatedTenant::fabrikam().id.to_string();
    let refusal = async |target: String| caller.send(Method::GET, &to(&target), &[], "").await.refusal();
    assert_eq!(refusal(other).await, (400, "AF20010".to_owned()));
    assert_eq!(refusal(PUBLISHER.to_owned()).await, (400, "AF20011".to_owned()));
    assert_eq!(refusal("contoso.com".to_owned()).await, (400, "AF20013".to_owned()));
    assert_eq!(caller.send(Method::GET, &to(&own).replace("v1.0", "v1"), &[], "").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn unknown_operations_and_wrong_methods_are_refused() {
    let caller = Caller::new(SimulatorConfig::default()).await;
    assert_eq!(caller.get("subscriptions/everything").await.status, 404);
    assert_eq!(caller.get("subscriptions/start?contentType=Audit.General").await.status, 405);
    assert_eq!(caller.call(Method::POST, "subscriptions/list").await.status, 405);
    // MSTRB's own sample has the doubled slash.
    assert_eq!(caller.call(Method::POST, "/subscriptions/start?contentType=Audit.General").await.status, 200);
    let path = format!("/api/v1.0/{}/activity/feed/subscriptions/stop?contentType=Audit.General", caller.tenant.id);
    let request = Request::builder().method(Method::POST).uri(path);
    let request = request.header(header::AUTHORIZATION, format!("Bearer {}", caller.token));
    let reply = send(&caller.simulator, request.body(Body::empty()).unwrap()).await;
    assert_eq!(reply.status, 411, "a POST without a length, as hyper sends it when there is no body");
}

#[tokio::test(start_paused = true)]
async fn the_publisher_is_given_once_and_is_a_guid() {
    let caller = Caller::new(SimulatorConfig::default()).await;
    let path = format!("/api/v1.0/{}/activity/feed/subscriptions/list", caller.tenant.id);
    for query in [String::new(), format!("?PublisherIdentifier={PUBLISHER}&publisheridentifier={PUBLISHER}")] {
        let reply = caller.send(Method::GET, &format!("{path}{query}"), &[], "").await;
        assert_eq!(reply.status, 403);
        assert_eq!(
            reply.text(),
            "{'error':{'code':'AF429','message':'Too many requests. Method=ListSubscriptions, \
             PublisherId=00000000-0000-0000-0000-000000000000'}}"
        );
    }
    assert_eq!(caller.simulator.stats().violations.len(), 2);
    let named = caller.send(Method::GET, &format!("{path}?PublisherIdentifier=TEST365LOGS"), &[], "").await;
    assert_eq!(named.refusal(), (400, "AF20002".to_owned()));

    let lenient = Caller::new(SimulatorConfig { strict_publisher: false, ..SimulatorConfig::default() }).await;
    assert_eq!(lenient.send(Method::GET, &path, &[], "").await.status, 200);
    assert_eq!(lenient.simulator.stats().violations.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_quota_throttles_in_two_ways_until_time_passes() {
    let caller = Caller::new(SimulatorConfig { requests_per_minute: 60, ..SimulatorConfig::default() }).await;
    for _ in 0..60 {
        assert_eq!(caller.get("subscriptions/list").await.status, 200);
    }
    let mut statuses = Vec::new();
    let mut retry_after = Vec::new();
    for _ in 0..20 {
        let reply = caller.get("subscriptions/list").await;
        assert!(reply.text().contains("AF429") && reply.text().contains(PUBLISHER), "{reply:?}");
        statuses.push(reply.status.as_u16());
        retry_after.push(reply.header("retry-after").map(str::to_owned));
    }
    assert!(statuses.contains(&403) && statuses.contains(&429));
    for form in [Some("1".to_owned()), Some("Sat, 01 Aug 2026 12:00:01 GMT".to_owned()), None] {
        assert!(retry_after.contains(&form), "{form:?} in {retry_after:?}");
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(caller.get("subscriptions/list").await.status, 200);
    assert_eq!(caller.simulator.stats().throttled, 20);
}

#[tokio::test(start_paused = true)]
async fn a_content_type_without_permission_is_denied_alone() {
    let mut config = subscribed();
    config.tenants[0].roles = vec!["ActivityFeed.Read".to_owned()];
    let caller = Caller::new(config.clone()).await;
    let dlp = caller.get("subscriptions/content?contentType=DLP.All").await;
    assert_eq!(dlp.refusal(), (401, "AF10001".to_owned()));
    assert!(dlp.text().contains("The permission set (ActivityFeed.Read) sent in the request"));
    assert_eq!(caller.list("").await.status, 200);
    caller.simulator.break_tenant(caller.tenant.id, TenantFault::ContentTypeForbidden(ContentType::General));
    assert_eq!(caller.list("").await.status, 401);

    config.denial = Denial::Bare;
    let bare = Caller::new(config).await.get("subscriptions/content?contentType=DLP.All").await;
    assert_eq!((bare.status.as_u16(), bare.text()), (401, ""));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_without_auditing_does_not_exist() {
    let caller = Caller::new(subscribed()).await;
    caller.simulator.break_tenant(caller.tenant.id, TenantFault::AuditingDisabled);
    let reply = caller.start("Audit.General").await;
    assert_eq!(reply.status, 400);
    let message = text(&reply.json()["error"]["message"]);
    let expected =
        format!("Microsoft.Office.Compliance.Audit.DataServiceException: Tenant {} does not exist.", caller.tenant.id);
    assert!(message.contains(&expected), "{message}");

    caller.simulator.heal_tenant(caller.tenant.id);
    caller.simulator.break_tenant(caller.tenant.id, TenantFault::Misconfigured);
    assert_eq!(caller.list("").await.refusal(), (400, "AF20012".to_owned()));
    caller.simulator.break_tenant(caller.tenant.id, TenantFault::Unavailable);
    assert_eq!(caller.list("").await.refusal(), (500, "AF50000".to_owned()));
    caller.simulator.break_tenant(caller.tenant.id, TenantFault::Hang);
    assert!(tokio::time::timeout(Duration::from_hours(1), caller.list("")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn sensitive_types_are_named_in_one_language() {
    let caller = Caller::new(SimulatorConfig::default()).await;
    let path = format!(
        "/api/v1.0/{}/activity/feed/resources/dlpSensitiveTypes?PublisherIdentifier={PUBLISHER}",
        caller.tenant.id
    );
    let ask = async |language| caller.send(Method::GET, &path, &[("Accept-Language", language)], "").await;
    let english = caller.send(Method::GET, &path, &[], "").await.array();
    let card = "50842eb7-edc8-4019-85dd-5a5c1f2bb085";
    assert_eq!(english[0], json!({ "id": card, "name": "Credit Card Number" }));
    assert_eq!(ask("es").await.array()[0]["name"], "Número de tarjeta de crédito");
    assert_eq!(ask("en-US,de").await.refusal(), (400, "AF20053".to_owned()));
    assert_eq!(ask("en_US!").await.refusal(), (400, "AF20054".to_owned()));
}
