//! One request: token, pace, time limit, version of the API, and what its refusal means.

use std::{
    collections::HashMap,
    fmt,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use tokio::{sync::Semaphore, time::Instant};
use url::Url;

use super::{GraphError, GraphFailure, GraphOperation, SearchPermissions, telemetry};
use crate::{
    activity::{ErrorResponse, Origin},
    content::TenantId,
    entra::{AccessToken, Suspicion, Tokens},
    throttle::Throttle,
    transport::{Request, Response, ServerClock, Transport, retry_after, send_within},
};

/// Error bodies are small; of a page that is not, the beginning will do.
const LARGEST_REFUSAL: usize = 64 * 1024;

/// How often a tenant is asked. Microsoft names no number for this API; a query of a million records has thousands of pages.
const REQUESTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(1_200).expect("not zero");

/// How many requests for a tenant are under way. 429 has been seen at about ten.
const AT_ONCE: usize = 4;

/// Settings of a [`GraphClient`].
#[derive(Clone, Debug)]
pub struct GraphOptions {
    /// Such as `https://graph.microsoft.com`.
    pub endpoint: Url,
    /// How long to wait for a response's headers, and for each next piece of its body.
    pub timeout: Duration,
}

/// Searches the audit logs of all tenants. Cheap to clone.
#[derive(Clone)]
pub struct GraphClient {
    pub(super) origin: Origin,
    timeout: Duration,
    transport: Arc<dyn Transport>,
    tokens: Arc<Tokens>,
    clock: ServerClock,
    version: Arc<AtomicU8>,
    pub(super) selects_ids: Arc<AtomicBool>,
    tenants: Arc<Mutex<HashMap<TenantId, Arc<Pace>>>>,
}

/// How fast a tenant is asked.
struct Pace {
    throttle: Throttle,
    at_once: Semaphore,
}

/// The version of the API. v1.0 was withdrawn to beta in April 2025 and is documented again: it may be either.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Version {
    Unknown,
    V1,
    Beta,
}

impl Version {
    const fn path(self) -> &'static str {
        match self {
            Self::V1 | Self::Unknown => "v1.0",
            Self::Beta => "beta",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::V1 | Self::Unknown => Self::Beta,
            Self::Beta => Self::V1,
        }
    }
}

impl fmt::Debug for GraphClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphClient").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// What a request is about, for its errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject {
    pub operation: GraphOperation,
    pub tenant: TenantId,
}

impl Subject {
    pub fn error(self, failure: GraphFailure) -> GraphError {
        GraphError { operation: self.operation, tenant: self.tenant, failure: Box::new(failure) }
    }
}

/// Where a request goes.
pub(super) enum Target<'a> {
    /// A path below `/security/auditLog/`, in whichever version the API has it.
    Path {
        path: &'a str,
        /// What follows the question mark.
        parameters: Option<&'a str>,
    },
    /// A link of a response, as it is.
    Link(Url),
}

impl<'a> Target<'a> {
    /// A path without parameters.
    pub const fn path(path: &'a str) -> Self {
        Self::Path { path, parameters: None }
    }
}

impl GraphClient {
    /// A client that takes its tokens, which are for Microsoft Graph, from `tokens`, and learns the server's time into `clock`.
    pub fn new(options: &GraphOptions, transport: Arc<dyn Transport>, tokens: Arc<Tokens>, clock: ServerClock) -> Self {
        let GraphOptions { endpoint, timeout } = options;
        Self {
            origin: Origin::new(endpoint),
            timeout: *timeout,
            transport,
            tokens,
            clock,
            version: Arc::new(AtomicU8::new(Version::Unknown as u8)),
            selects_ids: Arc::new(AtomicBool::new(true)),
            tenants: Arc::default(),
        }
    }

    /// The time by Microsoft's clock.
    pub const fn clock(&self) -> &ServerClock {
        &self.clock
    }

    /// Until when nothing is sent to a tenant, if it is being throttled.
    pub fn paused_until(&self, tenant: TenantId) -> Option<Instant> {
        self.pace(tenant).throttle.paused_until()
    }

    /// What the application may search in a tenant.
    ///
    /// # Errors
    ///
    /// When there is no token, or when the token says that it may search nothing.
    pub async fn permissions(&self, tenant: TenantId) -> Result<SearchPermissions, GraphError> {
        let subject = Subject { operation: GraphOperation::CreateQuery, tenant };
        let token = self.tokens.get(tenant).await.map_err(|error| subject.error(GraphFailure::Token(error)))?;
        let permissions = SearchPermissions::of(&token);
        if permissions.are_missing() {
            // A permission that was granted a moment ago is in the next token.
            self.tokens.invalidate(tenant, &token, Suspicion::OnlyIfOld).await;
            let message = "the access token has no permission that begins with AuditLogsQuery".to_owned();
            let refusal = ErrorResponse { message, ..ErrorResponse::default() };
            return Err(subject.error(GraphFailure::PermissionMissing(refusal)));
        }
        Ok(permissions)
    }

    /// Sends a request and reads its whole successful answer, up to `limit` bytes.
    pub(super) async fn call(
        &self,
        subject: Subject,
        method: Method,
        target: Target<'_>,
        body: Bytes,
        limit: usize,
    ) -> Result<Bytes, GraphError> {
        // Never closed; without a permit the request goes out all the same.
        let pace = self.pace(subject.tenant);
        let _permit = pace.at_once.acquire().await;
        let response = match target {
            Target::Link(url) => self.send(subject, method, url, body).await?,
            Target::Path { path, parameters } => {
                self.send_to_either_version(subject, method, (path, parameters), body).await?
            }
        };
        let answer = response.read_up_to(limit).await;
        let answer = answer.map_err(|error| subject.error(GraphFailure::Transport(error)))?;
        if answer.len() == limit {
            let problem = format!("it is larger than {limit} bytes");
            return Err(subject.error(GraphFailure::Malformed { problem }));
        }
        Ok(answer)
    }

    /// Where one version has nothing, the other may have it: the API has moved between them.
    async fn send_to_either_version(
        &self,
        subject: Subject,
        method: Method,
        (path, parameters): (&str, Option<&str>),
        body: Bytes,
    ) -> Result<Response, GraphError> {
        let version = self.version();
        let url = |version: Version| {
            let mut url = self.origin.url().clone();
            url.set_path(&format!("/{}/security/auditLog/{path}", version.path()));
            url.set_query(parameters);
            url
        };
        let answer = self.send(subject, method.clone(), url(version), body.clone()).await;
        let is_gone = matches!(&answer, Err(error) if matches!(*error.failure, GraphFailure::Gone(_)));
        // A query that is gone is no reason to look elsewhere, once it is known where queries are.
        let may_be_elsewhere = version == Version::Unknown || subject.operation == GraphOperation::CreateQuery;
        if !is_gone || !may_be_elsewhere {
            if answer.is_ok() && version == Version::Unknown {
                self.remember(Version::V1);
            }
            return answer;
        }
        let other = self.send(subject, method, url(version.other()), body).await;
        if other.is_ok() {
            self.remember(version.other());
        }
        other.map_err(|error| match *error.failure {
            GraphFailure::Gone(refusal) if subject.operation == GraphOperation::CreateQuery => {
                subject.error(GraphFailure::NotThere(refusal))
            }
            failure => subject.error(failure),
        })
    }

    fn version(&self) -> Version {
        match self.version.load(Ordering::Relaxed) {
            1 => Version::V1,
            2 => Version::Beta,
            _ => Version::Unknown,
        }
    }

    fn remember(&self, version: Version) {
        self.version.store(version as u8, Ordering::Relaxed);
    }

    /// Sends a request and returns its successful response. A token that is refused is replaced once.
    async fn send(&self, subject: Subject, method: Method, url: Url, body: Bytes) -> Result<Response, GraphError> {
        let pace = self.pace(subject.tenant);
        let mut renewed = false;
        loop {
            let token = self.tokens.get(subject.tenant).await;
            let token = token.map_err(|error| subject.error(GraphFailure::Token(error)))?;
            let request = request(method.clone(), url.clone(), body.clone(), &token).map_err(|problem| {
                let problem = format!("the access token cannot be sent: {problem}");
                subject.error(GraphFailure::Malformed { problem })
            })?;
            pace.throttle.acquire().await;
            let response = send_within(&*self.transport, request, self.timeout).await;
            let status = response.as_ref().ok().map(|response| response.status);
            telemetry::requested(subject.tenant, subject.operation, status);
            let response = response.map_err(|error| subject.error(GraphFailure::Transport(error)))?;
            if response.status.is_success() {
                self.clock.observe(&response.headers);
                return Ok(response);
            }
            let status = response.status;
            let asked_to_wait = retry_after(&response.headers, self.clock.now());
            // An error without a readable body is still that error.
            let refusal = response.read_up_to(LARGEST_REFUSAL).await.unwrap_or_default();
            let refusal = ErrorResponse::parse(&refusal);
            if status == StatusCode::UNAUTHORIZED
                && !refusal.is_page
                && !renewed
                && self.tokens.invalidate(subject.tenant, &token, Suspicion::EvenIfNew).await
            {
                renewed = true;
                continue;
            }
            let throttled = || GraphFailure::Throttled { wait: pace.throttle.throttled(asked_to_wait) };
            return Err(subject.error(classify(status, refusal, throttled)));
        }
    }

    fn pace(&self, tenant: TenantId) -> Arc<Pace> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tenants.entry(tenant).or_insert_with(|| {
            Arc::new(Pace { throttle: Throttle::new(REQUESTS_PER_MINUTE), at_once: Semaphore::new(AT_ONCE) })
        }))
    }
}

fn classify(status: StatusCode, refusal: ErrorResponse, throttled: impl FnOnce() -> GraphFailure) -> GraphFailure {
    // Where auditing is off, the refusal is wrapped in another: its code stands within the message.
    if refusal.message.contains("AuditingDisabledTenant") {
        return GraphFailure::AuditingDisabled;
    }
    // A page for people comes from a proxy, whatever its status.
    if refusal.is_page {
        return GraphFailure::Unavailable { status, refusal };
    }
    match status {
        StatusCode::TOO_MANY_REQUESTS => throttled(),
        StatusCode::UNAUTHORIZED => GraphFailure::TokenRefused(refusal),
        StatusCode::FORBIDDEN => GraphFailure::PermissionMissing(refusal),
        StatusCode::NOT_FOUND | StatusCode::GONE => GraphFailure::Gone(refusal),
        StatusCode::REQUEST_TIMEOUT => GraphFailure::Unavailable { status, refusal },
        _ if status.is_server_error() => GraphFailure::Unavailable { status, refusal },
        _ => GraphFailure::Refused { status, refusal },
    }
}

fn request(method: Method, url: Url, body: Bytes, token: &AccessToken) -> Result<Request, header::InvalidHeaderValue> {
    let mut request = Request::new(method, url);
    request.headers.insert(header::AUTHORIZATION, token.header()?);
    request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    if !body.is_empty() {
        request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    request.body = body;
    Ok(request)
}
