use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use tokio::time::sleep;

use super::*;

const BACK: &str = "https://collector.example.com/consent";

/// A service provider's application, to which neither of two organisations has consented.
fn provider() -> SimulatorConfig {
    let mut config = SimulatorConfig::demo();
    for tenant in &mut config.tenants {
        tenant.consented = false;
    }
    config
}

struct Visitor {
    simulator: Simulator,
    contoso: SimulatedTenant,
    fabrikam: SimulatedTenant,
}

impl Visitor {
    fn new(config: SimulatorConfig) -> Self {
        let [contoso, fabrikam] = [0, 1].map(|position| config.tenants[position].clone());
        Self { simulator: Simulator::new(config, Clock::starting_at(origin())), contoso, fabrikam }
    }

    /// Visits a page, with some parameters replaced (or removed, by an empty value).
    async fn visit(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let client_id = self.contoso.client_id.to_string();
        let common = [("client_id", client_id.as_str()), ("redirect_uri", BACK), ("state", "a b&c")];
        let common = common.iter().filter(|(name, _)| !fields.iter().any(|(changed, _)| changed == name));
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(common.chain(fields)).finish();
        send(&self.simulator, Request::get(format!("{path}?{query}")).body(Body::empty()).unwrap()).await
    }

    async fn admin_consent(&self, path: &str, fields: &[(&str, &str)]) -> Vec<(String, String)> {
        sent_back(&self.visit(path, fields).await)
    }

    /// A code from the page of `authorize`.
    async fn code(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let fields: Vec<_> = AUTHORIZE.iter().chain(fields).copied().collect();
        let pairs = sent_back(&self.visit(path, &fields).await);
        let names: Vec<_> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["code", "session_state", "state"]);
        assert!(pairs[1].1.parse::<uuid::Uuid>().is_ok());
        pairs[0].1.clone()
    }

    async fn redeem(&self, path: &str, code: &str, changes: &[(&str, &str)]) -> Reply {
        let client_id = self.contoso.client_id.to_string();
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", BACK),
            ("client_id", client_id.as_str()),
            ("client_secret", self.contoso.client_secret.as_str()),
            ("resource", "https://manage.office.com"),
        ];
        post_form(&self.simulator, path, &fields, changes).await
    }

    async fn signs_in(&self, tenant: &SimulatedTenant) -> bool {
        let reply = ask_token(&self.simulator, tenant, &[]).await;
        if reply.status != 200 {
            assert_eq!(reply.json()["error_codes"], json!([700_016]));
        }
        assert_eq!(reply.status == 200, self.simulator.has_consented(tenant.id));
        reply.status == 200
    }
}

const AUTHORIZE: [(&str, &str); 3] =
    [("response_type", "code"), ("resource", "https://manage.office.com"), ("prompt", "admin_consent")];

/// The query with which a browser is sent back to the application.
#[track_caller]
fn sent_back(reply: &Reply) -> Vec<(String, String)> {
    assert_eq!(reply.status, 302, "{reply:?}");
    let location = Url::parse(reply.header("location").unwrap()).unwrap();
    assert!(location.as_str().starts_with(BACK));
    location.query_pairs().into_owned().collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[track_caller]
fn assert_page(reply: &Reply, code: u32) {
    assert_eq!(reply.status, 400, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(reply.text().contains(&format!("AADSTS{code}: ")), "{reply:?}");
}

#[track_caller]
fn assert_refused(reply: &Reply, status: u16, error: &str, code: u32) {
    let body = reply.json();
    assert_eq!((reply.status.as_u16(), body["error"].as_str()), (status, Some(error)), "{body}");
    assert_eq!(body["error_codes"], json!([code]));
}

#[tokio::test(start_paused = true)]
async fn an_administrator_consents_on_either_page() {
    let visitor = Visitor::new(provider());
    let Visitor { contoso, fabrikam, .. } = &visitor;
    assert!(!visitor.signs_in(contoso).await && !visitor.signs_in(fabrikam).await);

    let scope = "https://manage.office.com/.default";
    let back = visitor.admin_consent("/organizations/v2.0/adminconsent", &[("scope", scope)]).await;
    let id = contoso.id.to_string();
    assert_eq!(back, pairs(&[("admin_consent", "True"), ("tenant", &id), ("scope", scope), ("state", "a b&c")]));
    assert!(visitor.signs_in(contoso).await && !visitor.signs_in(fabrikam).await);

    let back = visitor.admin_consent("/common/adminconsent", &[]).await;
    let id = fabrikam.id.to_string();
    assert_eq!(back, pairs(&[("admin_consent", "True"), ("tenant", &id), ("state", "a b&c")]));
    assert!(visitor.signs_in(fabrikam).await);
    // Once all have consented, the first one does so again.
    let again = visitor.admin_consent("/common/adminconsent", &[("state", "")]).await;
    assert_eq!(again, pairs(&[("admin_consent", "True"), ("tenant", &contoso.id.to_string())]));
}

#[tokio::test(start_paused = true)]
async fn the_path_or_the_account_names_the_organisation() {
    let visitor = Visitor::new(provider());
    let id = visitor.fabrikam.id.to_string();
    for path in ["/fabrikam.com/adminconsent".to_owned(), format!("/{id}/adminconsent")] {
        assert_eq!(visitor.admin_consent(&path, &[]).await[1].1, id);
    }
    assert!(!visitor.signs_in(&visitor.contoso).await);
    let visitor = Visitor::new(provider());
    let back = visitor.admin_consent("/organizations/adminconsent", &[("login_hint", "admin@fabrikam.com")]).await;
    assert_eq!(back[1].1, id);
    assert_page(&visitor.visit("/common/adminconsent", &[("login_hint", "admin@example.com")]).await, 90_002);
    assert_page(&visitor.visit("/example.com/adminconsent", &[]).await, 90_002);
}

#[tokio::test(start_paused = true)]
async fn a_redirect_uri_keeps_its_own_query() {
    let visitor = Visitor::new(provider());
    let reply = visitor.visit("/common/adminconsent", &[("redirect_uri", &format!("{BACK}?a=b"))]).await;
    assert_eq!(sent_back(&reply)[..2], pairs(&[("a", "b"), ("admin_consent", "True")]));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_names_no_known_application_gets_a_page() {
    let visitor = Visitor::new(provider());
    let path = "/common/adminconsent";
    assert_page(&visitor.visit(path, &[("client_id", "")]).await, 900_144);
    assert_page(&visitor.visit(path, &[("redirect_uri", "")]).await, 900_144);
    assert_page(&visitor.visit(path, &[("redirect_uri", "/consent")]).await, 90_102);
    let unknown = visitor.visit(path, &[("client_id", "<b>")]).await;
    assert_page(&unknown, 700_016);
    assert!(unknown.text().contains("'&lt;b&gt;'"), "{unknown:?}");
    visitor.simulator.set_consent(ConsentOutcome::UnknownApplication);
    assert_page(&visitor.visit(path, &[]).await, 700_016);
    assert_page(&visitor.visit("/contoso.com/oauth2/authorize", &AUTHORIZE).await, 700_016);
    assert!(!visitor.simulator.has_consented(visitor.contoso.id));
}

#[tokio::test(start_paused = true)]
async fn other_errors_are_told_at_the_redirect_uri() {
    let visitor = Visitor::new(provider());
    let error = async |path: &str, fields: &[(&str, &str)]| {
        let back = visitor.admin_consent(path, fields).await;
        let value = |name: &str| back.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap();
        assert_eq!(value("state"), "a b&c");
        let description = value("error_description");
        (value("error"), description.split(':').next().unwrap().to_owned())
    };
    let told = |error: &str, code: &str| (error.to_owned(), code.to_owned());
    let page = "/common/v2.0/adminconsent";
    assert_eq!(error(page, &[]).await, told("invalid_request", "AADSTS900144"));
    assert_eq!(error(page, &[("scope", "openid")]).await, told("invalid_scope", "AADSTS70011"));
    let page = "/common/oauth2/authorize";
    let changed = |name, value| AUTHORIZE.map(|(known, old)| (known, if known == name { value } else { old }));
    let response_type = error(page, &changed("response_type", "id_token")).await;
    assert_eq!(response_type, told("unsupported_response_type", "AADSTS70005"));
    let resource = error(page, &changed("resource", "https://graph.example.com")).await;
    assert_eq!(resource, told("invalid_resource", "AADSTS500011"));
    assert!(!visitor.simulator.has_consented(visitor.contoso.id));
}

#[tokio::test(start_paused = true)]
async fn an_administrator_may_cancel() {
    let visitor = Visitor::new(provider());
    visitor.simulator.set_consent(ConsentOutcome::Cancelled);
    let back = visitor.admin_consent("/common/adminconsent", &[]).await;
    let documented = [("error", "permission_denied"), ("error_description", "The admin canceled the request")];
    assert_eq!(back, pairs(&documented));

    let scope = [("scope", "https://manage.office.com/.default")];
    let back = visitor.admin_consent("/common/v2.0/adminconsent", &scope).await;
    assert_eq!(back[..2], pairs(&[("admin_consent", "True"), ("error", "consent_required")]));
    assert!(back[2].1.starts_with("AADSTS65004: The resource owner or authorization server denied the request. Trace"));
    assert_eq!(back[3..], pairs(&[("state", "a b&c")]));

    let back = visitor.admin_consent("/common/oauth2/authorize", &AUTHORIZE).await;
    assert_eq!(back[0], pairs(&[("error", "access_denied")])[0]);
    assert!(back[1].1.starts_with("AADSTS65004: User declined to consent to access the app. Trace ID: "));
    assert_eq!(back[2..], pairs(&[("state", "a b&c")]));
    assert!(!visitor.signs_in(&visitor.contoso).await);
    visitor.simulator.set_consent(ConsentOutcome::Accept);
    visitor.admin_consent("/common/adminconsent", &[]).await;
    assert!(visitor.signs_in(&visitor.contoso).await);
}

#[tokio::test(start_paused = true)]
async fn an_application_of_one_organisation_is_not_for_others() {
    let by_fault = Visitor::new(provider());
    by_fault.simulator.set_consent(ConsentOutcome::SingleTenantApp);
    for visitor in [by_fault, Visitor::new(SimulatorConfig { multi_tenant_app: false, ..provider() })] {
        for path in ["/common/adminconsent", "/organizations/oauth2/authorize"] {
            assert_page(&visitor.visit(path, &AUTHORIZE).await, 50_194);
        }
        assert_page(&visitor.visit("/fabrikam.com/adminconsent", &[]).await, 700_016);
        assert_eq!(visitor.visit("/contoso.com/adminconsent", &[]).await.status, 302);
        assert!(visitor.signs_in(&visitor.contoso).await && !visitor.signs_in(&visitor.fabrikam).await);
        let code = visitor.code("/contoso.com/oauth2/authorize", &[]).await;
        assert_refused(&visitor.redeem("/common/oauth2/token", &code, &[]).await, 400, "invalid_request", 50_194);
        assert_eq!(visitor.redeem("/contoso.com/oauth2/token", &code, &[]).await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn consent_repairs_what_its_withdrawal_broke() {
    let visitor = Visitor::new(SimulatorConfig::demo());
    let id = visitor.contoso.id;
    for fault in [TenantFault::ConsentRevoked, TenantFault::ApplicationRemoved] {
        visitor.simulator.break_tenant(id, fault);
        visitor.simulator.break_tenant(id, TenantFault::PermissionsRemoved);
        assert_eq!(ask_token(&visitor.simulator, &visitor.contoso, &[]).await.status, 400);
        visitor.admin_consent("/contoso.com/adminconsent", &[]).await;
        let claims = claims(&ask_token(&visitor.simulator, &visitor.contoso, &[]).await);
        assert_eq!(claims.get("roles"), None, "other troubles remain");
        visitor.simulator.heal_tenant(id);
    }
}

fn claims(reply: &Reply) -> Value {
    let token = text(&reply.json()["access_token"]);
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_code_tells_which_organisation_consented() {
    let visitor = Visitor::new(provider());
    let hint = [("login_hint", "admin@fabrikam.com")];
    let code = visitor.code("/common/oauth2/authorize", &hint).await;
    assert!(visitor.signs_in(&visitor.fabrikam).await && !visitor.signs_in(&visitor.contoso).await);
    let reply = visitor.redeem("/common/oauth2/token", &code, &[]).await;
    let answer = reply.json();
    assert_eq!(answer["expires_in"], "3599");
    assert_eq!(answer["expires_on"], (origin().timestamp() + 3599).to_string());
    assert_eq!(answer["resource"], "https://manage.office.com");
    assert_eq!(answer["scope"], "ActivityFeed.Read ActivityFeed.ReadDlp");
    let claims = claims(&reply);
    assert_eq!(claims["tid"], visitor.fabrikam.id.to_string());
    assert_eq!(claims["scp"], "ActivityFeed.Read ActivityFeed.ReadDlp");
    assert_eq!(claims.get("roles"), None);

    // The delegated token is of no use for the application itself.
    let path = format!("/api/v1.0/{}/activity/feed/subscriptions/list", visitor.fabrikam.id);
    let token = format!("Bearer {}", text(&answer["access_token"]));
    let request = Request::get(format!("{path}?PublisherIdentifier={PUBLISHER}")).header("authorization", token);
    let refused = send(&visitor.simulator, request.body(Body::empty()).unwrap()).await;
    assert_eq!(refused.refusal(), (401, "AF10001".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_code_is_good_once_for_ten_minutes_and_for_its_redirect_uri() {
    let visitor = Visitor::new(provider());
    let token = "/organizations/oauth2/token";
    let code = visitor.code("/common/oauth2/authorize", &[]).await;
    let wrong = visitor.redeem(token, &code, &[("redirect_uri", "https://collector.example.com/")]).await;
    assert_refused(&wrong, 401, "invalid_client", 500_112);
    assert_refused(&visitor.redeem(token, &code, &[("client_secret", "no")]).await, 401, "invalid_client", 7_000_215);
    assert_refused(&visitor.redeem(token, &code, &[("code", "")]).await, 400, "invalid_request", 900_144);
    assert_refused(&visitor.redeem(token, "0.AAAA", &[]).await, 400, "invalid_grant", 70_008);
    let elsewhere = visitor.redeem("/fabrikam.com/oauth2/token", &code, &[]).await;
    assert_refused(&elsewhere, 400, "invalid_grant", 700_005);
    let stranger = visitor.redeem(token, &code, &[("client_id", PUBLISHER)]).await;
    assert_refused(&stranger, 400, "unauthorized_client", 700_016);
    // None of that used it up. The resource was named when it was asked for.
    assert_eq!(visitor.redeem("/contoso.com/oauth2/token", &code, &[("resource", "")]).await.status, 200);
    assert_refused(&visitor.redeem(token, &code, &[]).await, 400, "invalid_grant", 54_005);

    let [early, late] =
        [visitor.code("/common/oauth2/authorize", &[]).await, visitor.code("/common/oauth2/authorize", &[]).await];
    assert_ne!(early, late);
    sleep(Duration::from_secs(599)).await;
    assert_eq!(visitor.redeem(token, &early, &[]).await.status, 200);
    sleep(Duration::from_secs(1)).await;
    assert_refused(&visitor.redeem(token, &late, &[]).await, 400, "invalid_grant", 70_008);
    // Only the first version of the endpoint knows these codes.
    let second = visitor.redeem("/contoso.com/oauth2/v2.0/token", &late, &[]).await;
    assert_refused(&second, 400, "unsupported_grant_type", 70_003);
}
