//! Entra's endpoints: those for tokens here, those that an administrator's browser visits in [`consent`].
//!
//! Codes are from MicrosoftDocs/entra-docs (`reference-error-codes.md`), texts as the endpoints give them.

mod assertion;
mod code;
mod consent;
mod credential;
mod fields;
mod problem;

use std::sync::Arc;

use axum::{
    body,
    extract::{Path, Request, State},
    response::Response,
};
use http::{StatusCode, header};
use serde_json::{Value, json};
use uuid::Uuid;

pub use self::consent::ConsentOutcome;
pub(super) use self::consent::{Consents, admin_consent_v1, admin_consent_v2, authorize};
use self::{
    credential::check_credential,
    fields::Fields,
    problem::{Problem, json_response},
};
use super::{
    SimulatedTenant, TenantFault,
    dice::{chance, duration},
    graph,
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
    let fields = if is_form { Fields::read(&body) } else { Fields::default() };
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

fn grant(service: &Service, tenant: &str, fields: &Fields, version: Version) -> Result<Value, Problem> {
    match (version, fields.get("grant_type")) {
        // A code is good for the endpoint of the version that issued it, and only v1 has `authorize` here.
        (Version::V1, Some("authorization_code")) => code::redeem(service, tenant, fields),
        _ => client_credentials(service, tenant, fields, version),
    }
}

/// Decides on one request, in the order in which Entra looks at its parts.
fn client_credentials(service: &Service, tenant: &str, fields: &Fields, version: Version) -> Result<Value, Problem> {
    let tenant = find_tenant(service, tenant)?;
    if fields.required("grant_type")? != "client_credentials" {
        let text = "The app requested an unsupported grant type.";
        return Err(Problem::bad("unsupported_grant_type", 70_003, text));
    }
    check_application(service, tenant, fields.required("client_id")?)?;
    check_credential(service, tenant, fields)?;
    let resource = requested_resource(service, fields, version)?;
    check_consent(service, tenant)?;
    Ok(issue(service, tenant, &resource, version, Holder::Application))
}

/// Whether the tenant's directory has the application, and has not disabled it.
fn check_application(service: &Service, tenant: &SimulatedTenant, client: &str) -> Result<(), Problem> {
    let has = |trouble| service.has_trouble(tenant.id, trouble);
    let known = client.parse() == Ok(tenant.client_id) && service.state().consents.has(tenant.id);
    if !known || has(TenantFault::ApplicationRemoved) {
        return Err(unknown_application(client, &tenant.domain));
    }
    if has(TenantFault::ApplicationDisabled) {
        let text = format!("Application '{}'(simulator) is disabled.", tenant.client_id);
        return Err(Problem::bad("unauthorized_client", 7_000_112, text));
    }
    Ok(())
}

fn unknown_application(client: &str, directory: &str) -> Problem {
    let text = format!(
        "Application with identifier '{client}' was not found in the directory '{directory}'. This can happen if the \
         application has not been installed by the administrator of the tenant or consented to by any user in the \
         tenant. You may have sent your authentication request to the wrong tenant."
    );
    Problem::bad("unauthorized_client", 700_016, text)
}

/// Whether a path leaves open which organisation is meant.
fn is_shared(tenant: &str) -> bool {
    ["common", "organizations"].iter().any(|shared| tenant.eq_ignore_ascii_case(shared))
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

/// The resource the token is for: `resource=https://manage.office.com` (v1) or `scope=https://manage.office.com/.default`.
fn requested_resource(service: &Service, fields: &Fields, version: Version) -> Result<String, Problem> {
    match version {
        Version::V1 => known_resource(service, fields.required("resource")?),
        Version::V2 => resource_of_scope(service, fields.required("scope")?),
    }
}

fn resource_of_scope(service: &Service, scope: &str) -> Result<String, Problem> {
    let resource = scope.strip_suffix("/.default").ok_or_else(|| {
        let text = format!(
            "The provided request must include a 'scope' input parameter. The provided value for the input parameter \
             'scope' is not valid. The scope {scope} is not valid."
        );
        Problem::bad("invalid_scope", 70_011, text)
    })?;
    known_resource(service, resource)
}

fn known_resource(service: &Service, given: &str) -> Result<String, Problem> {
    let wanted = given.trim_end_matches('/');
    let known = service.config.resources.iter().find(|known| known.trim_end_matches('/') == wanted);
    known.map(|known| known.trim_end_matches('/').to_owned()).ok_or_else(|| {
        let text = format!(
            "The resource principal named {given} was not found in the tenant. This can happen if the application has \
             not been installed by the administrator of the tenant or consented to by any user in the tenant."
        );
        Problem::bad("invalid_resource", 500_011, text)
    })
}

fn check_consent(service: &Service, tenant: &SimulatedTenant) -> Result<(), Problem> {
    let app = tenant.client_id;
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

/// Whom a token speaks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Holder {
    /// The application itself: the token has `roles`.
    Application,
    /// The administrator who signed in: the token has `scp`.
    Administrator,
}

fn issue(service: &Service, tenant: &SimulatedTenant, resource: &str, version: Version, holder: Holder) -> Value {
    let now = service.clock.now();
    let lifetime = service.config.token_lifetime;
    // A token has the permissions of its resource alone.
    let granted = if resource == graph::RESOURCE { &tenant.graph_roles } else { &tenant.roles };
    let permissions = if service.has_trouble(tenant.id, TenantFault::PermissionsRemoved) { &[][..] } else { granted };
    let (roles, scp) = match holder {
        Holder::Application => (permissions.to_vec(), None),
        Holder::Administrator => (Vec::new(), Some(permissions.join(" "))),
    };
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
        scp,
        // The sample in MSGS is valid from five minutes before it was issued.
        nbf: now.timestamp() - 300,
        exp: (now + span(lifetime)).timestamp(),
        serial,
    };
    let token = service.mint.issue(&claims);
    let seconds = lifetime.as_secs();
    match version {
        // Numbers as strings (MSGS).
        Version::V1 => {
            let mut answer = json!({
                "token_type": "Bearer",
                "expires_in": seconds.to_string(),
                "ext_expires_in": seconds.to_string(),
                "expires_on": claims.exp.to_string(),
                "not_before": claims.nbf.to_string(),
                "resource": resource,
                "access_token": token,
            });
            if let Some(scp) = claims.scp {
                answer["scope"] = scp.into();
            }
            answer
        }
        Version::V2 => json!({
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": token,
        }),
    }
}
