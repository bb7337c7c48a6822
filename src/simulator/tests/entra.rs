use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::*;

/// Refusals have the form of RFC 6749 with Entra's code in front of the description.
#[track_caller]
fn assert_refused(reply: &Reply, status: u16, error: &str, code: u32) {
    let body = reply.json();
    assert_eq!((reply.status.as_u16(), body["error"].as_str()), (status, Some(error)), "{body}");
    assert_eq!(body["error_codes"], json!([code]));
    let description = body["error_description"].as_str().unwrap();
    assert!(description.starts_with(&format!("AADSTS{code}: ")), "{description}");
    assert!(description.contains("Trace ID: ") && description.ends_with("Timestamp: 2026-08-01 12:00:00Z"));
}

#[tokio::test(start_paused = true)]
async fn the_two_endpoints_give_numbers_in_two_ways() {
    let tenant = SimulatedTenant::contoso();
    let simulator = Simulator::new(SimulatorConfig::default(), Clock::starting_at(origin()));
    let v2 = ask_token(&simulator, &tenant, &[]).await;
    assert_eq!(v2.json()["expires_in"], 3599);
    assert_eq!(v2.header("date"), Some("Sat, 01 Aug 2026 12:00:00 GMT"));

    let client_id = tenant.client_id.to_string();
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id.as_str()),
        ("client_secret", tenant.client_secret.as_str()),
        ("resource", "https://manage.office.com"),
    ];
    let v1 = post_form(&simulator, "/contoso.com/oauth2/token", &fields, &[]).await.json();
    assert_eq!(v1["expires_in"], "3599");
    assert_eq!(v1["expires_on"], (origin().timestamp() + 3599).to_string());
    assert_eq!(v1["resource"], "https://manage.office.com");

    let payload =
        text(&v1["access_token"]).split('.').nth(1).map(|part| URL_SAFE_NO_PAD.decode(part)).unwrap().unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(claims["tid"], tenant.id.to_string());
    assert_eq!(claims["roles"], json!(["ActivityFeed.Read", "ActivityFeed.ReadDlp"]));
    assert_eq!(simulator.stats().tokens_issued, 2);
}

#[tokio::test(start_paused = true)]
async fn requests_without_the_right_parts_are_refused_as_entra_does() {
    let tenant = SimulatedTenant::contoso();
    let simulator = Simulator::new(SimulatorConfig::default(), Clock::starting_at(origin()));
    let other = PUBLISHER;
    for (changes, status, error, code) in [
        (&[("client_secret", "wrong")][..], 401, "invalid_client", 7_000_215),
        (&[("client_secret", "")], 401, "invalid_client", 7_000_218),
        (&[("client_id", other)], 400, "unauthorized_client", 700_016),
        (&[("client_id", "")], 400, "invalid_request", 900_144),
        (&[("grant_type", "password")], 400, "unsupported_grant_type", 70_003),
        (&[("grant_type", "")], 400, "invalid_request", 900_144),
        (&[("scope", "https://manage.office.com")], 400, "invalid_scope", 70_011),
        (&[("scope", "https://graph.example.com/.default")], 400, "invalid_resource", 500_011),
        (
            &[("client_secret", ""), ("client_assertion", "a.b.c"), ("client_assertion_type", "x")],
            401,
            "invalid_client",
            700_027,
        ),
    ] {
        assert_refused(&ask_token(&simulator, &tenant, changes).await, status, error, code);
    }
    let nowhere = SimulatedTenant { id: SimulatedTenant::fabrikam().id, ..tenant.clone() };
    assert_refused(&ask_token(&simulator, &nowhere, &[]).await, 400, "invalid_request", 90_002);

    let path = format!("/{}/oauth2/v2.0/token", tenant.id);
    let get = send(&simulator, Request::get(&path).body(Body::empty()).unwrap()).await;
    assert_refused(&get, 400, "invalid_request", 900_561);
    let json = send(&simulator, Request::post(&path).body(Body::from("{}")).unwrap()).await;
    assert_refused(&json, 400, "invalid_request", 900_144);
}

#[tokio::test(start_paused = true)]
async fn an_assertion_with_the_right_claims_is_as_good_as_the_secret() {
    let tenant = SimulatedTenant::contoso();
    let simulator = Simulator::new(SimulatorConfig::default(), Clock::starting_at(origin()));
    let app = tenant.client_id.to_string();
    let claims = |exp: i64| {
        let claims = json!({ "iss": app, "sub": app, "exp": exp }).to_string();
        format!("{}.{}.signature", URL_SAFE_NO_PAD.encode(r#"{"alg":"PS256"}"#), URL_SAFE_NO_PAD.encode(claims))
    };
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    for (exp, status) in [(600, 200), (-600, 401)] {
        let assertion = claims(origin().timestamp() + exp);
        let changes = [("client_secret", ""), ("client_assertion", &assertion), ("client_assertion_type", kind)];
        assert_eq!(ask_token(&simulator, &tenant, &changes).await.status.as_u16(), status);
    }
}

#[tokio::test(start_paused = true)]
async fn troubles_of_a_tenant_show_at_the_token_endpoint_until_healed() {
    let tenant = SimulatedTenant::contoso();
    let simulator = Simulator::new(SimulatorConfig::default(), Clock::starting_at(origin()));
    for (trouble, status, error, code) in [
        (TenantFault::ConsentRevoked, 400, "invalid_grant", 65_001),
        (TenantFault::ApplicationRemoved, 400, "unauthorized_client", 700_016),
        (TenantFault::ApplicationDisabled, 400, "unauthorized_client", 7_000_112),
        (TenantFault::SecretExpired, 401, "invalid_client", 7_000_222),
        (TenantFault::BlockedByConditionalAccess, 400, "invalid_grant", 53_003),
        (TenantFault::ServiceNotEnabled, 400, "invalid_client", 650_052),
    ] {
        simulator.break_tenant(tenant.id, trouble);
        assert_refused(&ask_token(&simulator, &tenant, &[]).await, status, error, code);
        simulator.heal_tenant(tenant.id);
        assert_eq!(ask_token(&simulator, &tenant, &[]).await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_end_by_time_and_by_revocation() {
    let mut caller = Caller::new(SimulatorConfig::default()).await;
    assert_eq!(caller.get("subscriptions/list").await.status, 200);

    tokio::time::advance(Duration::from_secs(3599)).await;
    let expired = caller.get("subscriptions/list").await;
    assert_eq!(expired.status, 401);
    assert_eq!(expired.json(), json!({ "Message": "Authorization has been denied for this request." }));

    caller.sign_in().await;
    caller.simulator.revoke_tokens();
    assert_eq!(caller.get("subscriptions/list").await.status, 401);
    caller.sign_in().await;
    assert_eq!(caller.get("subscriptions/list").await.status, 200);
}
