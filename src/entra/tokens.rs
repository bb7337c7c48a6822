//! One token per tenant, fetched once however many ask for it.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use url::{Url, form_urlencoded};

use super::{
    EntraError, TokenAnswer, claims,
    credential::{Credential, CredentialFailure, Proof, ProofRequest},
    parse_token_answer, telemetry,
};
use crate::{
    content::TenantId,
    transport::{Request, ServerClock, Transport, TransportError, TransportFailure, retry_after},
};

/// A token is replaced this long before it expires, or after nine tenths of a shorter life.
const EARLY: Duration = Duration::from_secs(300);

/// Whatever the answer says, a token is used at least and at most for so long.
const SHORTEST_LIFE: Duration = Duration::from_secs(60);
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3_600);

/// After a refusal, callers get the same error for this long, doubling up to [`LONGEST_PAUSE`]: Entra blocks applications
/// that ask the same again and again (AADSTS50196).
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The same where Entra has refused nothing: it could not be reached, or had too much to do and did not say for how long.
const LONGEST_PAUSE_UNREFUSED: Duration = Duration::from_secs(30);

/// A token this young is hardly at fault when the API answers 401: the permission is.
const YOUNG: Duration = Duration::from_secs(10);

/// AADSTS700024: the clock of this machine is wrong.
const ASSERTION_OUT_OF_TIME: u32 = 700_024;

/// The client secret is wrong or has expired, or the certificate is not one of the application's.
const CREDENTIAL_WRONG: [u32; 4] = [7_000_215, 7_000_222, 700_027, 700_030];

/// Entra's answers are small; a body larger than this is not one.
const LARGEST_ANSWER: usize = 256 * 1024;

/// Where authorization codes go, whose tenant is not known yet.
const COMMON_TOKEN_PATH: &str = "/common/oauth2/token";

/// The scope or resource to ask for, by the version of the token endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TokenEndpoint {
    /// `/oauth2/token`: wants `resource`.
    V1 {
        /// Such as `https://manage.office.com`.
        resource: String,
    },
    /// `/oauth2/v2.0/token`: wants `scope`.
    V2 {
        /// Such as `https://manage.office.com/.default`.
        scope: String,
    },
}

impl TokenEndpoint {
    /// The resource that either version asks for.
    fn resource(&self) -> &str {
        match self {
            Self::V1 { resource } => resource,
            Self::V2 { scope } => scope.strip_suffix("/.default").unwrap_or(scope),
        }
    }
}

/// Where tokens come from.
#[derive(Clone, Debug)]
pub struct Authority {
    /// Such as `https://login.microsoftonline.com`.
    pub origin: Url,
    /// Such as `/oauth2/v2.0/token`.
    pub path: String,
    /// Which of the two dialects that is.
    pub endpoint: TokenEndpoint,
}

/// A bearer token.
#[derive(Clone)]
pub struct AccessToken {
    secret: SecretString,
    fetched: Instant,
    refresh: Instant,
    expires: Instant,
    roles: Option<Arc<[String]>>,
}

impl AccessToken {
    /// A token that was had just now.
    fn new(token: SecretString, expires_in: Duration) -> Self {
        let fetched = Instant::now();
        let life = expires_in.clamp(SHORTEST_LIFE, LONGEST_LIFE);
        let roles = claims::roles(token.expose_secret()).map(Into::into);
        Self { secret: token, fetched, refresh: fetched + life - EARLY.min(life / 10), expires: fetched + life, roles }
    }

    /// The value of the `Authorization` header, marked as sensitive.
    ///
    /// # Errors
    ///
    /// When the token holds bytes that no header can.
    pub fn header(&self) -> Result<HeaderValue, header::InvalidHeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.secret.expose_secret()))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The application permissions that the token says it has; `None` when it does not say.
    pub fn roles(&self) -> Option<&[String]> {
        self.roles.as_deref()
    }

    /// Whether the token says that it has an application permission; `None` when it does not say.
    pub fn has_role(&self, role: &str) -> Option<bool> {
        self.roles.as_ref().map(|roles| roles.iter().any(|held| held == role))
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("roles", &self.roles).finish_non_exhaustive()
    }
}

/// When a token that was refused may be at fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Suspicion {
    /// Not when it was issued seconds ago: it says itself that it lacks the permission.
    OnlyIfOld,
    /// Also then: all tokens may have been revoked since.
    EvenIfNew,
}

/// An app registration, and how it proves to be it.
#[derive(Clone, Debug)]
pub struct Application {
    /// The Application (client) ID. Empty for a managed identity that need not say which.
    pub client_id: String,
    /// The proof.
    pub credential: Arc<dyn Credential>,
}

/// Which application asks for a tenant's tokens.
#[derive(Clone, Debug)]
pub struct Applications {
    /// The one for all tenants that have none of their own.
    pub default: Application,
    /// Those of tenants that do.
    pub of_tenants: HashMap<TenantId, Application>,
}

impl Applications {
    fn of(&self, tenant: TenantId) -> &Application {
        self.of_tenants.get(&tenant).unwrap_or(&self.default)
    }
}

/// The tokens of all tenants.
pub struct Tokens {
    authority: Authority,
    applications: Applications,
    transport: Arc<dyn Transport>,
    clock: ServerClock,
    timeout: Duration,
    tenants: std::sync::Mutex<HashMap<TenantId, Arc<Mutex<Slot>>>>,
}

#[derive(Default)]
struct Slot {
    token: Option<AccessToken>,
    refusal: Option<RefusedRequest>,
    /// When a token was last dropped that may have been a good one.
    doubted: Option<Instant>,
}

struct RefusedRequest {
    error: EntraError,
    until: Instant,
    pause: Duration,
    /// Of the credential that was refused.
    version: Option<u64>,
}

impl RefusedRequest {
    fn next_pause(&self) -> Duration {
        let longest = match self.error {
            EntraError::Busy { .. }
            | EntraError::Unreachable { .. }
            | EntraError::NotEntra { .. }
            | EntraError::Credential { is_temporary: true, .. } => LONGEST_PAUSE_UNREFUSED,
            _ => LONGEST_PAUSE,
        };
        (self.pause * 2).min(longest)
    }
}

impl Slot {
    /// Drops a token that may be a good one, unless that was done a moment ago. Returns whether it has.
    fn drop_doubted(&mut self) -> bool {
        let drops = self.doubted.is_none_or(|last| last.elapsed() >= YOUNG);
        if drops {
            self.token = None;
            self.doubted = Some(Instant::now());
        }
        drops
    }

    fn valid(&self, now: Instant) -> Option<AccessToken> {
        self.token.clone().filter(|token| now < token.expires)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("authority", &self.authority).finish_non_exhaustive()
    }
}

impl Tokens {
    /// A cache that asks `authority`, for each tenant as its application.
    pub fn new(
        authority: Authority,
        applications: Applications,
        transport: Arc<dyn Transport>,
        clock: ServerClock,
        timeout: Duration,
    ) -> Self {
        Self { authority, applications, transport, clock, timeout, tenants: std::sync::Mutex::default() }
    }

    /// The tenant's token; asks Entra if there is none, or if it is about to expire.
    ///
    /// # Errors
    ///
    /// When Entra gives none; the same error is given for a while without asking again.
    pub async fn get(&self, tenant: TenantId) -> Result<AccessToken, EntraError> {
        let slot = self.slot(tenant);
        // Held while asking Entra: other callers that want this tenant's token wait for the one request.
        let mut slot = slot.lock().await;
        let now = Instant::now();
        if let Some(token) = slot.token.as_ref().filter(|token| now < token.refresh) {
            return Ok(token.clone());
        }
        let credential = &self.applications.of(tenant).credential;
        if let Some(refusal) = slot.refusal.as_ref().filter(|refusal| now < refusal.until)
            && credential.version().await == refusal.version
        {
            return slot.valid(now).ok_or_else(|| refusal.error.clone());
        }
        let pause = slot.refusal.as_ref().map_or(FIRST_PAUSE, RefusedRequest::next_pause);
        let mut version = credential.version().await;
        let mut fetched = self.fetch(tenant, pause).await;
        match fetched.as_ref().err().and_then(EntraError::code) {
            // Entra's answer has corrected the clock.
            Some(ASSERTION_OUT_OF_TIME) => fetched = self.fetch(tenant, pause).await,
            Some(code) if CREDENTIAL_WRONG.contains(&code) => {
                credential.doubt().await;
                let renewed = credential.version().await;
                if renewed != version {
                    version = renewed;
                    fetched = self.fetch(tenant, pause).await;
                }
            }
            _ => {}
        }
        match fetched {
            Ok(token) => {
                slot.token = Some(token.clone());
                slot.refusal = None;
                Ok(token)
            }
            Err(error) => {
                let wait = error.asked_to_wait().unwrap_or(pause);
                slot.refusal =
                    Some(RefusedRequest { error: error.clone(), until: Instant::now() + wait, pause, version });
                // Renewed early so that there is time for this: the old one still works.
                slot.valid(Instant::now()).ok_or(error)
            }
        }
    }

    /// Lets the next [`Self::get`] ask Entra even though it refused a moment ago: something has changed, such as a consent
    /// that was given.
    pub async fn forget_refusal(&self, tenant: TenantId) {
        self.slot(tenant).lock().await.refusal = None;
    }

    /// Forgets a tenant that is not one of ours.
    pub fn forget(&self, tenant: TenantId) {
        self.tenants.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&tenant);
    }

    /// Drops a token that the API refused. Returns whether asking for another can help: not when a brand-new one was replaced
    /// for the same reason a moment ago, and it is the permission that is missing.
    pub async fn invalidate(&self, tenant: TenantId, refused: &AccessToken, suspicion: Suspicion) -> bool {
        let slot = self.slot(tenant);
        let mut slot = slot.lock().await;
        match &slot.token {
            // Another caller has dropped it already and there is a newer one.
            Some(current) if current.fetched != refused.fetched => true,
            // All tokens may have been revoked right after it was issued; but not again and again.
            Some(current) if current.fetched.elapsed() < YOUNG => {
                suspicion == Suspicion::EvenIfNew && slot.drop_doubted()
            }
            _ => {
                slot.token = None;
                true
            }
        }
    }

    /// Drops a token that was refused for a single piece of content, so that the next request has another. However many
    /// pieces are refused, the number of requests to Entra stays limited.
    pub async fn doubt(&self, tenant: TenantId, refused: &AccessToken) {
        let slot = self.slot(tenant);
        let mut slot = slot.lock().await;
        let is_current = slot.token.as_ref().is_some_and(|current| current.fetched == refused.fetched);
        if is_current {
            slot.drop_doubted();
        }
    }

    /// Exchanges the authorization code of an administrator's consent and returns the tenant that consented.
    ///
    /// The tenant is not known before, so that the code goes to `/common/oauth2/token`; `tid` of the token names it
    /// (Microsoft's "Get started with Office 365 Management APIs"). The token itself is not kept.
    ///
    /// # Errors
    ///
    /// When Entra refuses the code.
    pub async fn redeem(&self, code: &SecretString, redirect_uri: &Url) -> Result<TenantId, EntraError> {
        let application = &self.applications.default;
        let proof = self.prove(application, "common").await?;
        let parameters = [
            ("code", code.expose_secret()),
            ("redirect_uri", redirect_uri.as_str()),
            ("resource", self.authority.endpoint.resource()),
        ];
        let form = form("authorization_code", application, &proof, &parameters);
        let request = self.request(COMMON_TOKEN_PATH, form);
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let (status, _, body) =
            self.exchange(request).await.map_err(|source| EntraError::ConsentUnreachable { source })?;
        match parse_token_answer(&without_proof(&body, &proof)) {
            TokenAnswer::Token { token, .. } if status.is_success() => {
                // The token came from Entra itself: nothing about it needs to be verified.
                claims::tenant(token.expose_secret()).ok_or(EntraError::ConsentWithoutTenant { host, status })
            }
            TokenAnswer::Refused { code, description } => Err(EntraError::ConsentRefused { code, description }),
            TokenAnswer::Token { .. } | TokenAnswer::Unreadable => {
                Err(EntraError::ConsentWithoutTenant { host, status })
            }
        }
    }

    fn slot(&self, tenant: TenantId) -> Arc<Mutex<Slot>> {
        let mut tenants = self.tenants.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(tenants.entry(tenant).or_default())
    }

    /// Asks Entra for a token. `pause` is how long to wait if it is busy and does not say for how long.
    async fn fetch(&self, tenant: TenantId, pause: Duration) -> Result<AccessToken, EntraError> {
        let answer = self.ask(tenant, pause).await;
        telemetry::token_requested(tenant, &answer);
        answer
    }

    async fn ask(&self, tenant: TenantId, pause: Duration) -> Result<AccessToken, EntraError> {
        let application = self.applications.of(tenant);
        let proof = self.prove(application, &tenant.to_string()).await?;
        if let Proof::AccessToken { token, expires_in } = proof {
            return Ok(AccessToken::new(token, expires_in));
        }
        let audience = match &self.authority.endpoint {
            TokenEndpoint::V1 { resource } => ("resource", resource.as_str()),
            TokenEndpoint::V2 { scope } => ("scope", scope.as_str()),
        };
        let form = form("client_credentials", application, &proof, &[audience]);
        let request = self.request(&format!("/{tenant}{}", self.authority.path), form);
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let unreachable = |source| EntraError::Unreachable { tenant, source };
        let (status, headers, body) = self.exchange(request).await.map_err(unreachable)?;
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            let wait = retry_after(&headers, self.clock.now()).unwrap_or(pause);
            return Err(EntraError::Busy { tenant, status, wait });
        }
        match parse_token_answer(&without_proof(&body, &proof)) {
            TokenAnswer::Token { token, expires_in } if status.is_success() => {
                self.clock.observe(&headers);
                Ok(AccessToken::new(token, expires_in))
            }
            TokenAnswer::Refused { code, description } => {
                if code == Some(ASSERTION_OUT_OF_TIME) {
                    // The next assertion has the right time.
                    self.clock.observe(&headers);
                }
                Err(EntraError::Refused { tenant, code, description })
            }
            TokenAnswer::Token { .. } | TokenAnswer::Unreadable => Err(EntraError::NotEntra { tenant, host, status }),
        }
    }

    async fn exchange(&self, request: Request) -> Result<(StatusCode, HeaderMap, Bytes), TransportError> {
        let exchange = async {
            let response = self.transport.send(request).await?;
            let headers = response.headers.clone();
            Ok((response.status, headers, response.read_up_to(LARGEST_ANSWER).await?))
        };
        timeout(self.timeout, exchange).await.unwrap_or_else(|_| {
            let waited = format!("waited {} s", self.timeout.as_secs());
            Err(TransportError::new(TransportFailure::Timeout, waited))
        })
    }

    /// Proves a request to a tenant's token endpoint.
    async fn prove(&self, application: &Application, tenant: &str) -> Result<Proof, EntraError> {
        let mut audience = self.authority.origin.clone();
        audience.set_path(&format!("/{tenant}/oauth2/v2.0/token"));
        let request = ProofRequest {
            tenant,
            client_id: &application.client_id,
            audience: &audience,
            resource: self.authority.endpoint.resource(),
            now: self.clock.now(),
        };
        let proof = application.credential.prove(&request).await;
        proof.map_err(|CredentialFailure { problem, is_temporary }| EntraError::Credential { problem, is_temporary })
    }

    fn request(&self, path: &str, form: String) -> Request {
        let mut url = self.authority.origin.clone();
        url.set_path(path);
        let mut request = Request::new(Method::POST, url);
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(header::CONTENT_TYPE, form_type);
        request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        request.body = form.into_bytes().into();
        request
    }
}

fn form(grant_type: &str, application: &Application, proof: &Proof, parameters: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", grant_type).append_pair("client_id", &application.client_id);
    match proof {
        Proof::Secret(secret) => {
            form.append_pair("client_secret", secret.expose_secret());
        }
        Proof::Assertion(assertion) => {
            form.append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
                .append_pair("client_assertion", assertion.expose_secret());
        }
        // Entra is not asked then.
        Proof::AccessToken { .. } => {}
    }
    form.extend_pairs(parameters).finish()
}

/// Entra does not repeat secrets; a proxy that echoes requests might, as they are or as they were sent.
fn without_proof(body: &[u8], proof: &Proof) -> Vec<u8> {
    let (Proof::Secret(secret) | Proof::Assertion(secret) | Proof::AccessToken { token: secret, .. }) = proof;
    let text = String::from_utf8_lossy(body);
    let sent: String = form_urlencoded::byte_serialize(secret.expose_secret().as_bytes()).collect();
    text.replace(secret.expose_secret(), "[redacted]").replace(&sent, "[redacted]").into_bytes()
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
