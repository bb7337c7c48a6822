//! Entra's token endpoints, for the client credentials flow.
//!
//! Codes are from MicrosoftDocs/entra-docs (`reference-error-codes.md`), texts as the endpoints give them.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use axum::{
    body,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use url::form_urlencoded;
use uuid::Uuid;

use super::{
    SimulatedTenant, TenantFault,
    dice::{chance, duration, uuid},
    state::Service,
    timeline::span,
    token::Claims,
};

/// Which endpoint was asked. They differ in how the resource is named and in the types of the answer's numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Version {
    V1,
    V2,
}

/// `POST /{tenant}/oauth2/token`
pub(super) async fn v1(state: State<Arc<Service>>, tenant: Path<String>, request: Request) -> Response {
    token(state, tenant, request, Version::V1).await
}

/// `POST /{tenant}/oauth2/v2.0/token`
pub(super) async fn v2(state: State<Arc<Service>>, tenant: Path<String>, request: Request) -> Response {
    token(state, tenant, request, Version::V2).await
}

/// Any other method.
pub(super) async fn only_post(State(service): State<Arc<Service>>, request: Request) -> Response {
    let text = format!("The endpoint only accepts POST requests. Received a {} request.", request.method());
    Problem::new(StatusCode::BAD_REQUEST, "invalid_request", 900_561, text).into_response(&service)
}

async fn token(
    State(service): State<Arc<Service>>,
    Path(tenant): Path<String>,
    request: Request,
    version: Version,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = body::to_bytes(body, 64 * 1024).await.unwrap_or_default();
    let form = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_form = form.is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
    let fields = if is_form { Fields::read(&body) } else { Fields(HashMap::new()) };
    let (latency, transient) = {
        let mut state = service.state();
        state.stats.token_requests += 1;
        let faults = state.faults.clone();
        let latency = faults.latency.as_ref().map(|range| duration(&mut state.rng, range)).unwrap_or_default();
        (latency, chance(&mut state.rng, faults.token_error_rate))
    };
    tokio::time::sleep(latency).await;
    if transient {
        let text = "A transient error has occurred. Please try again.";
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", 90_033, text)
            .into_response(&service);
    }
    match grant(&service, &tenant, &fields, version) {
        Ok(answer) => json_response(StatusCode::OK, &answer),
        Err(problem) => problem.into_response(&service),
    }
}

/// Decides on one request, in the order in which Entra looks at its parts.
fn grant(service: &Service, tenant: &str, fields: &Fields, version: Version) -> Result<Value, Problem> {
    let tenant = find_tenant(service, tenant)?;
    if fields.required("grant_type")? != "client_credentials" {
        let text = "The app requested an unsupported grant type.";
        return Err(Problem::bad("unsupported_grant_type", 70_003, text));
    }
    let client = fields.required("client_id")?;
    let app = client.parse().ok().filter(|app: &Uuid| *app == tenant.client_id);
    let has = |trouble| service.has_trouble(tenant.id, trouble);
    let app = app.filter(|_| !has(TenantFault::ApplicationRemoved)).ok_or_else(|| {
        let text = format!(
            "Application with identifier '{client}' was not found in the directory '{}'. This can happen if the \
             application has not been installed by the administrator of the tenant or consented to by any user in the \
             tenant. You may have sent your authentication request to the wrong tenant.",
            tenant.domain
        );
        Problem::bad("unauthorized_client", 700_016, text)
    })?;
    if has(TenantFault::ApplicationDisabled) {
        let text = format!("Application '{app}'(simulator) is disabled.");
        return Err(Problem::bad("unauthorized_client", 7_000_112, text));
    }
    check_credential(service, tenant, fields)?;
    let resource = requested_resource(service, fields, version)?;
    check_consent(service, tenant, app)?;
    Ok(issue(service, tenant, &resource, version))
}

/// A tenant may be named by its id or by a domain of its own.
fn find_tenant<'a>(service: &'a Service, named: &str) -> Result<&'a SimulatedTenant, Problem> {
    let mut tenants = service.config.tenants.iter();
    let found = tenants.find(|tenant| {
        named.parse().is_ok_and(|id: Uuid| id == tenant.id.0) || tenant.domain.eq_ignore_ascii_case(named)
    });
    found.ok_or_else(|| {
        let text = format!(
            "Tenant '{named}' not found. Check to make sure you have the correct tenant ID and are signing into the \
             correct cloud. Check with your subscription administrator, this may happen if there are no active \
             subscriptions for the tenant."
        );
        Problem::bad("invalid_request", 90_002, text)
    })
}

fn check_credential(service: &Service, tenant: &SimulatedTenant, fields: &Fields) -> Result<(), Problem> {
    let app = tenant.client_id;
    if let Some(secret) = fields.get("client_secret") {
        if service.has_trouble(tenant.id, TenantFault::SecretExpired) {
            let text = format!(
                "The provided client secret keys for app '{app}' are expired. Visit the Azure portal to create new keys \
                 for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added \
                 security."
            );
            return Err(Problem::client(7_000_222, text));
        }
        if secret != tenant.client_secret {
            let text = format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
                 not the client secret ID, for a secret added to app '{app}'."
            );
            return Err(Problem::client(7_000_215, text));
        }
        return Ok(());
    }
    if let Some(assertion) = fields.get("client_assertion") {
        let kind = fields.required("client_assertion_type")?;
        if kind == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            && Assertion::read(assertion).is_some_and(|claims| claims.is_good(app, service.clock.now()))
        {
            return Ok(());
        }
        return Err(Problem::client(
            700_027,
            "The certificate with identifier used to sign the client assertion is not \
                                             registered on application, or the assertion is not valid.",
        ));
    }
    let text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
    Err(Problem::client(7_000_218, text))
}

/// The claims of a client assertion. No certificate is known here, so its signature is not checked.
#[derive(Deserialize)]
struct Assertion {
    iss: Uuid,
    sub: Uuid,
    exp: i64,
    #[serde(default)]
    nbf: i64,
}

impl Assertion {
    fn read(assertion: &str) -> Option<Self> {
        let payload = assertion.split('.').nth(1)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }

    fn is_good(&self, app: Uuid, now: DateTime<Utc>) -> bool {
        // Entra forgives five minutes of clock skew.
        let now = now.timestamp();
        self.iss == app && self.sub == app && self.nbf - 300 <= now && now < self.exp + 300
    }
}

/// The resource the token is for: `resource=https://manage.office.com` (v1) or `scope=https://manage.office.com/.default`.
fn requested_resource(service: &Service, fields: &Fields, version: Version) -> Result<String, Problem> {
    let (given, resource) = match version {
        Version::V1 => {
            let given = fields.required("resource")?;
            (given, given)
        }
        Version::V2 => {
            let given = fields.required("scope")?;
            let resource = given.strip_suffix("/.default").ok_or_else(|| {
                let text = format!(
                    "The provided request must include a 'scope' input parameter. The provided value for the input \
                     parameter 'scope' is not valid. The scope {given} is not valid."
                );
                Problem::bad("invalid_scope", 70_011, text)
            })?;
            (given, resource)
        }
    };
    let wanted = resource.trim_end_matches('/');
    let known = service.config.resources.iter().find(|known| known.trim_end_matches('/') == wanted);
    known.map(|known| known.trim_end_matches('/').to_owned()).ok_or_else(|| {
        let text = format!(
            "The resource principal named {given} was not found in the tenant. This can happen if the application has \
             not been installed by the administrator of the tenant or consented to by any user in the tenant."
        );
        Problem::bad("invalid_resource", 500_011, text)
    })
}

fn check_consent(service: &Service, tenant: &SimulatedTenant, app: Uuid) -> Result<(), Problem> {
    let has = |trouble| service.has_trouble(tenant.id, trouble);
    if has(TenantFault::ConsentRevoked) {
        let text = format!(
            "The user or administrator has not consented to use the application with ID '{app}' named 'simulator'. Send \
             an interactive authorization request for this user and resource."
        );
        return Err(Problem::bad("invalid_grant", 65_001, text));
    }
    if has(TenantFault::BlockedByConditionalAccess) {
        let text = "Access has been blocked by Conditional Access policies. The access policy does not allow token \
                    issuance.";
        return Err(Problem::bad("invalid_grant", 53_003, text));
    }
    if has(TenantFault::ServiceNotEnabled) {
        let text = "The app is trying to access a service that your organization lacks a service principal for.";
        return Err(Problem::bad("invalid_client", 650_052, text));
    }
    Ok(())
}

fn issue(service: &Service, tenant: &SimulatedTenant, resource: &str, version: Version) -> Value {
    let now = service.clock.now();
    let lifetime = service.config.token_lifetime;
    let roles =
        if service.has_trouble(tenant.id, TenantFault::PermissionsRemoved) { Vec::new() } else { tenant.roles.clone() };
    let serial = {
        let mut state = service.state();
        state.stats.tokens_issued += 1;
        state.next_token += 1;
        state.next_token - 1
    };
    let claims = Claims {
        aud: resource.to_owned(),
        iss: format!("https://sts.windows.net/{}/", tenant.id),
        tid: tenant.id.0,
        appid: tenant.client_id,
        roles,
        // The sample in MSGS is valid from five minutes before it was issued.
        nbf: now.timestamp() - 300,
        exp: (now + span(lifetime)).timestamp(),
        serial,
    };
    let token = service.mint.issue(&claims);
    let seconds = lifetime.as_secs();
    match version {
        // Numbers as strings (MSGS).
        Version::V1 => json!({
            "token_type": "Bearer",
            "expires_in": seconds.to_string(),
            "ext_expires_in": seconds.to_string(),
            "expires_on": claims.exp.to_string(),
            "not_before": claims.nbf.to_string(),
            "resource": resource,
            "access_token": token,
        }),
        Version::V2 => json!({
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": token,
        }),
    }
}

/// The fields of a form.
struct Fields(HashMap<String, String>);

impl Fields {
    fn read(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn required(&self, name: &str) -> Result<&str, Problem> {
        let text = || format!("The request body must contain the following parameter: '{name}'.");
        self.get(name).ok_or_else(|| Problem::bad("invalid_request", 900_144, text()))
    }
}

/// An error in the form of RFC 6749, with Entra's additions.
struct Problem {
    status: StatusCode,
    error: &'static str,
    code: u32,
    text: String,
}

impl Problem {
    fn new(status: StatusCode, error: &'static str, code: u32, text: impl Into<String>) -> Self {
        Self { status, error, code, text: text.into() }
    }

    fn bad(error: &'static str, code: u32, text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, code, text)
    }

    /// The client did not prove who it is.
    fn client(code: u32, text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", code, text)
    }

    fn into_response(self, service: &Service) -> Response {
        let (trace, correlation) = {
            let mut state = service.state();
            (uuid(&mut state.rng), uuid(&mut state.rng))
        };
        let timestamp = service.clock.now().format("%Y-%m-%d %H:%M:%SZ").to_string();
        let mut description = format!("AADSTS{}: {}", self.code, self.text);
        let _infallible =
            write!(description, " Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}");
        let problem = json!({
            "error": self.error,
            "error_description": description,
            "error_codes": [self.code],
            "timestamp": timestamp,
            "trace_id": trace.to_string(),
            "correlation_id": correlation.to_string(),
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
        });
        json_response(self.status, &problem)
    }
}

fn json_response(status: StatusCode, value: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-cache")),
    ];
    (status, headers, value.to_string()).into_response()
}
