//! How an administrator consents to the application: the pages that a browser visits, and where they send it.
//!
//! The answers are those of MicrosoftDocs/entra-docs (`v2-admin-consent.md`, `v2-oauth2-client-creds-grant-flow.md`), and
//! for `authorize` of MicrosoftDocs/azure-docs (`v1-protocols-oauth-code.md`). Nobody signs in here: each visit is that of
//! an administrator who does at once what [`ConsentOutcome`] says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    extract::{Path, RawQuery, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use url::Url;

use super::{
    Problem,
    code::{self, Code},
    fields::Fields,
    find_tenant, is_shared, known_resource, resource_of_scope, unknown_application,
};
use crate::{
    content::TenantId,
    simulator::{SimulatedTenant, SimulatorConfig, TenantFault, dice::uuid, state::Service},
};

/// What comes of an administrator's visit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ConsentOutcome {
    /// The administrator accepts.
    #[default]
    Accept,
    /// The administrator cancels: the application hears of it at its redirect URI.
    Cancelled,
    /// The application is registered for its own organisation only, as by
    /// [`multi_tenant_app`](SimulatorConfig::multi_tenant_app): AADSTS50194 on a page of Entra's. The application hears
    /// nothing.
    SingleTenantApp,
    /// The application is unknown: AADSTS700016 on a page of Entra's. The application hears nothing.
    UnknownApplication,
}

/// Who has consented, and the codes that came of it.
pub(in crate::simulator) struct Consents {
    given: BTreeSet<TenantId>,
    pub outcome: ConsentOutcome,
    pub(super) codes: BTreeMap<String, Code>,
    pub(super) next_code: u64,
}

impl Consents {
    pub fn new(config: &SimulatorConfig) -> Self {
        let given = config.tenants.iter().filter(|tenant| tenant.consented).map(|tenant| tenant.id);
        Self { given: given.collect(), outcome: ConsentOutcome::default(), codes: BTreeMap::new(), next_code: 0 }
    }

    pub fn has(&self, tenant: TenantId) -> bool {
        self.given.contains(&tenant)
    }
}

/// What a visit asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Request {
    AdminConsentV1,
    AdminConsentV2,
    Authorize,
}

/// `GET /{tenant}/adminconsent`
pub(in crate::simulator) async fn admin_consent_v1(
    State(service): State<Arc<Service>>,
    Path(tenant): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    visit(&service, &tenant, query, Request::AdminConsentV1)
}

/// `GET /{tenant}/v2.0/adminconsent`
pub(in crate::simulator) async fn admin_consent_v2(
    State(service): State<Arc<Service>>,
    Path(tenant): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    visit(&service, &tenant, query, Request::AdminConsentV2)
}

/// `GET /{tenant}/oauth2/authorize`
pub(in crate::simulator) async fn authorize(
    State(service): State<Arc<Service>>,
    Path(tenant): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    visit(&service, &tenant, query, Request::Authorize)
}

fn visit(service: &Service, path: &str, query: Option<String>, request: Request) -> Response {
    let query = Fields::read(query.unwrap_or_default().as_bytes());
    match location(service, path, &query, request) {
        Ok(location) => redirect(&location),
        Err(problem) => problem.into_page(service),
    }
}

/// Where the browser is sent. Before it is clear which application asks, and where that is, an error stays a page.
fn location(service: &Service, path: &str, query: &Fields, request: Request) -> Result<Url, Problem> {
    let client = query.required("client_id")?;
    let redirect_uri = query.required("redirect_uri")?;
    let mut location = Url::parse(redirect_uri)
        .map_err(|_| Problem::bad("invalid_request", 90_102, "'redirect_uri' value must be a valid absolute URI."))?;
    let tenant = administrators_tenant(service, path, client, query.get("login_hint"))?;

    let accepted = check(service, query, request).map(|()| accept(service, tenant, query, request, redirect_uri));
    let mut pairs = accepted.unwrap_or_else(|problem| refuse(service, request, problem));
    // MicrosoftDocs shows the refusal of the first form without the state.
    let tells_state = request != Request::AdminConsentV1 || pairs.iter().all(|(name, _)| *name != "error");
    pairs.extend(query.get("state").filter(|_| tells_state).map(|state| ("state", state.to_owned())));
    location.query_pairs_mut().extend_pairs(pairs);
    Ok(location)
}

/// The organisation of the administrator who signs in: the path's, or else the one of the account that `login_hint` names,
/// or else one that has not consented yet.
fn administrators_tenant<'a>(
    service: &'a Service,
    path: &str,
    client: &str,
    login_hint: Option<&str>,
) -> Result<&'a SimulatedTenant, Problem> {
    let config = &service.config;
    let state = service.state();
    let outcome = state.consents.outcome;
    let customers = || config.tenants.iter().filter(|tenant| client.parse() == Ok(tenant.client_id));
    let tenant = match login_hint {
        _ if !is_shared(path) => find_tenant(service, path)?,
        Some(hint) => find_tenant(service, hint.rsplit('@').next().unwrap_or(hint))?,
        None => match customers().find(|tenant| !state.consents.has(tenant.id)).or_else(|| customers().next()) {
            Some(tenant) => tenant,
            None => return Err(unknown_application(client, path)),
        },
    };
    let unknown = || unknown_application(client, &tenant.domain);
    let home = customers().next().filter(|_| outcome != ConsentOutcome::UnknownApplication).ok_or_else(unknown)?;
    let own_only = !config.multi_tenant_app || outcome == ConsentOutcome::SingleTenantApp;
    if own_only && is_shared(path) {
        return Err(single_tenant(client));
    }
    if client.parse() != Ok(tenant.client_id) || (own_only && tenant.id != home.id) {
        return Err(unknown());
    }
    Ok(tenant)
}

pub(super) fn single_tenant(client: &str) -> Problem {
    let text = format!(
        "Application '{client}'(simulator) is not configured as a multi-tenant application. Usage of the /common endpoint \
         is not supported for such applications created after '10/15/2018'. Use a tenant-specific endpoint or configure \
         the application to be multi-tenant."
    );
    Problem::bad("invalid_request", 50_194, text)
}

/// What the application learns at its redirect URI: errors in the rest of its request, and the administrator's no.
fn check(service: &Service, query: &Fields, request: Request) -> Result<(), Problem> {
    match request {
        Request::AdminConsentV1 => {}
        // Application permissions are granted by the scope `.default` alone.
        Request::AdminConsentV2 => {
            let scope = query.required("scope")?;
            let resources = scope.split(' ').map(|scope| resource_of_scope(service, scope));
            resources.reduce(Result::or).transpose()?;
        }
        Request::Authorize => {
            if query.required("response_type")? != "code" {
                let text = "The app requested an unsupported response type.";
                return Err(Problem::bad("unsupported_response_type", 70_005, text));
            }
            query.get("resource").map(|resource| known_resource(service, resource)).transpose()?;
        }
    }
    if service.state().consents.outcome != ConsentOutcome::Cancelled {
        return Ok(());
    }
    Err(match request {
        Request::Authorize => Problem::bad("access_denied", 65_004, "User declined to consent to access the app."),
        Request::AdminConsentV1 | Request::AdminConsentV2 => {
            let text = "The resource owner or authorization server denied the request.";
            Problem::bad("consent_required", 65_004, text)
        }
    })
}

type Pairs = Vec<(&'static str, String)>;

fn accept(service: &Service, tenant: &SimulatedTenant, query: &Fields, request: Request, redirect_uri: &str) -> Pairs {
    {
        let mut state = service.state();
        state.consents.given.insert(tenant.id);
        // Consent brings an enterprise application back that was deleted.
        if let Some(troubles) = state.troubles.get_mut(&tenant.id) {
            troubles.retain(|fault| !matches!(fault, TenantFault::ConsentRevoked | TenantFault::ApplicationRemoved));
        }
    }
    if request == Request::Authorize {
        let code = code::issue(service, tenant, redirect_uri, query.get("resource"));
        let session = uuid(&mut service.state().rng);
        return vec![("code", code), ("session_state", session.to_string())];
    }
    let mut pairs = vec![("admin_consent", "True".to_owned()), ("tenant", tenant.id.to_string())];
    if request == Request::AdminConsentV2 {
        pairs.extend(query.get("scope").map(|scope| ("scope", scope.to_owned())));
    }
    pairs
}

fn refuse(service: &Service, request: Request, problem: Problem) -> Pairs {
    match request {
        Request::AdminConsentV1 => vec![
            ("error", "permission_denied".to_owned()),
            ("error_description", "The admin canceled the request".to_owned()),
        ],
        Request::AdminConsentV2 => {
            let mut pairs = vec![("admin_consent", "True".to_owned())];
            pairs.extend(problem.into_query(service));
            pairs
        }
        Request::Authorize => problem.into_query(service).to_vec(),
    }
}

fn redirect(location: &Url) -> Response {
    match HeaderValue::from_str(location.as_str()) {
        Ok(location) => (StatusCode::FOUND, [(header::LOCATION, location)]).into_response(),
        // A serialised URL is ASCII.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
