//! One request: token, quota, time limit, and what its refusal means.

use std::{
    collections::HashMap,
    fmt,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use super::{ActivityError, ErrorResponse, Failure, Operation, Origin, telemetry, with_publisher};
use crate::{
    content::{ContentType, Feed, TenantId},
    entra::{AccessToken, Suspicion, Tokens},
    throttle::Throttle,
    transport::{Request, Response, ServerClock, Transport, retry_after, send_within},
};

/// Error bodies are small; of a page that is not, the beginning will do.
const LARGEST_REFUSAL: usize = 64 * 1024;

/// Settings of an [`ActivityClient`].
#[derive(Clone, Debug)]
pub struct ActivityOptions {
    /// Such as `https://manage.office.com`.
    pub endpoint: Url,
    /// The GUID under which Microsoft counts requests.
    pub publisher: Uuid,
    /// For each tenant.
    pub requests_per_minute: NonZeroU32,
    /// How long to wait for a response's headers, and for each next piece of its body.
    pub timeout: Duration,
}

/// Talks to the API on behalf of all tenants. Cheap to clone.
#[derive(Clone)]
pub struct ActivityClient {
    pub(super) origin: Origin,
    options: Arc<ActivityOptions>,
    transport: Arc<dyn Transport>,
    tokens: Arc<Tokens>,
    clock: ServerClock,
    throttles: Arc<Mutex<HashMap<TenantId, Arc<Throttle>>>>,
}

impl fmt::Debug for ActivityClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivityClient").field("options", &self.options).finish_non_exhaustive()
    }
}

/// What a request is about, for its errors.
#[derive(Clone, Copy)]
pub(super) struct Subject {
    pub operation: Operation,
    pub tenant: TenantId,
    pub content_type: Option<ContentType>,
}

impl Subject {
    pub fn of(operation: Operation, feed: Feed) -> Self {
        Self { operation, tenant: feed.tenant, content_type: Some(feed.content_type) }
    }

    pub fn error(self, failure: Failure) -> ActivityError {
        let Self { operation, tenant, content_type } = self;
        ActivityError { operation, tenant, content_type, failure: Box::new(failure) }
    }
}

impl ActivityClient {
    /// A client that takes its tokens from `tokens` and learns the server's time into `clock`.
    pub fn new(
        options: ActivityOptions,
        transport: Arc<dyn Transport>,
        tokens: Arc<Tokens>,
        clock: ServerClock,
    ) -> Self {
        let origin = Origin::new(&options.endpoint);
        Self { origin, options: Arc::new(options), transport, tokens, clock, throttles: Arc::default() }
    }

    /// The time by Microsoft's clock.
    pub const fn clock(&self) -> &ServerClock {
        &self.clock
    }

    /// Another collector may have asked for this tenant until now: what it has sent in this minute counts.
    pub fn take_over(&self, tenant: TenantId) {
        self.throttle(tenant).take_over();
    }

    /// Until when nothing is sent to a tenant, if it is being throttled.
    pub fn paused_until(&self, tenant: TenantId) -> Option<Instant> {
        self.throttle(tenant).paused_until()
    }

    /// Gets the tenant a token if it lacks one, to learn the server's time and whether Entra issues one.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn authenticate(&self, tenant: TenantId) -> Result<(), ActivityError> {
        let subject = Subject { operation: Operation::ListSubscriptions, tenant, content_type: None };
        self.tokens.get(tenant).await.map(drop).map_err(|error| subject.error(Failure::Token(error)))
    }

    /// The URL of an operation, without the publisher.
    pub(super) fn url(&self, tenant: TenantId, path: &str, parameters: &[(&str, &str)]) -> Url {
        let mut url = self.origin.url().clone();
        url.set_path(&format!("/api/v1.0/{tenant}/activity/feed/{path}"));
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        url
    }

    /// Sends a request and returns its successful response. A token that the API refuses is replaced once.
    pub(super) async fn send(
        &self,
        subject: Subject,
        method: Method,
        url: Url,
        body: Bytes,
    ) -> Result<Response, ActivityError> {
        let url = with_publisher(url, self.options.publisher);
        let mut renewed = false;
        loop {
            let token = self.tokens.get(subject.tenant).await.map_err(|error| subject.error(Failure::Token(error)))?;
            let request = request(method.clone(), url.clone(), body.clone(), &token).map_err(|problem| {
                subject.error(Failure::Malformed { problem: format!("the access token cannot be sent: {problem}") })
            })?;
            self.throttle(subject.tenant).acquire().await;
            let response = send_within(&*self.transport, request, self.options.timeout).await;
            let status = response.as_ref().ok().map(|response| response.status);
            telemetry::requested(subject.tenant, subject.operation, status);
            let response = response.map_err(|error| subject.error(Failure::Transport(error)))?;
            if response.status.is_success() {
                self.clock.observe(&response.headers);
                return Ok(response);
            }
            let status = response.status;
            let asked_to_wait = retry_after(&response.headers, self.clock.now());
            // An error without a readable body is still that error.
            let body = response.read_up_to(LARGEST_REFUSAL).await.unwrap_or_default();
            let refusal = ErrorResponse::parse(&body);
            let failure = self.classify(subject, status, refusal, asked_to_wait, &token);
            if status == StatusCode::UNAUTHORIZED
                && !renewed
                && let Some(suspicion) = suspicion(&failure, &token)
                && self.tokens.invalidate(subject.tenant, &token, suspicion).await
            {
                renewed = true;
                continue;
            }
            if matches!(failure, Failure::ContentRefused(_)) {
                self.tokens.doubt(subject.tenant, &token).await;
            }
            return Err(subject.error(failure));
        }
    }

    /// Sends a request and reads its whole successful answer, up to `limit` bytes.
    pub(super) async fn call(
        &self,
        subject: Subject,
        method: Method,
        url: Url,
        body: Bytes,
        limit: usize,
    ) -> Result<(http::HeaderMap, Bytes), ActivityError> {
        let response = self.send(subject, method, url, body).await?;
        let headers = response.headers.clone();
        let answer = response.read_up_to(limit).await.map_err(|error| subject.error(Failure::Transport(error)))?;
        if answer.len() == limit {
            let problem = format!("it is larger than {limit} bytes");
            return Err(subject.error(Failure::Malformed { problem }));
        }
        Ok((headers, answer))
    }

    fn classify(
        &self,
        subject: Subject,
        status: StatusCode,
        refusal: ErrorResponse,
        asked_to_wait: Option<Duration>,
        token: &AccessToken,
    ) -> Failure {
        let permission = subject.content_type.map_or("ActivityFeed.Read", ContentType::permission);
        if refusal.says_started_too_often() {
            return Failure::StartedTooOften { wait: refusal.retry_again_after().or(asked_to_wait) };
        }
        // Throttling comes as 403 as well as 429 (Microsoft's troubleshooting page).
        if refusal.is(&["AF429"]) || (status == StatusCode::TOO_MANY_REQUESTS && refusal.code.is_none()) {
            let wait = self.throttle(subject.tenant).throttled(asked_to_wait);
            return Failure::Throttled { wait };
        }
        if refusal.is(&["AF20010", "AF20012", "AF20013"]) {
            return Failure::TenantRefused(refusal);
        }
        if refusal.is(&["AF20011"]) || refusal.says_auditing_is_off() {
            return Failure::AuditingDisabled;
        }
        if refusal.is(&["AF20021"]) {
            return Failure::WebhookRefused(refusal);
        }
        if refusal.is(&["AF20022"]) {
            return Failure::NotSubscribed;
        }
        if refusal.is(&["AF20023"]) {
            return Failure::SubscriptionDisabled(refusal);
        }
        if refusal.is(&["AF20030", "AF20055"]) {
            return Failure::WindowRefused(refusal);
        }
        if refusal.is(&["AF20031"]) {
            return Failure::PageRefused(refusal);
        }
        if refusal.is(&["AF20050", "AF20051", "AF20052"])
            || (subject.operation == Operation::RetrieveContent
                && matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
                // A page comes from a proxy that does not know the way just now, not from the API.
                && !refusal.is_page)
        {
            return Failure::ContentGone(refusal);
        }
        // An HTML page comes from a proxy that forbids the request. A permission at Microsoft would not help.
        let unauthorised = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) && !refusal.is_page;
        if refusal.is(&["AF10001"]) || (unauthorised && refusal.code.is_none()) {
            // A token without ActivityFeed.Read reads nothing, whatever was asked for.
            let lacks = |role| token.has_role(role) == Some(false);
            if subject.operation == Operation::RetrieveContent && !lacks("ActivityFeed.Read") && !lacks(permission) {
                return Failure::ContentRefused(refusal);
            }
            // The token says what it may; a code says more than a status.
            if refusal.code.is_none() && token.has_role(permission) == Some(true) {
                return Failure::TokenRefused { permission, refusal };
            }
            let missing = if lacks("ActivityFeed.Read") { "ActivityFeed.Read" } else { permission };
            return Failure::PermissionMissing { permission: missing, refusal };
        }
        let in_trouble = status.is_server_error()
            || refusal.is_page
            || status == StatusCode::REQUEST_TIMEOUT
            || refusal.code.as_deref().is_some_and(|code| code.starts_with("AF5"));
        if in_trouble { Failure::Unavailable { status, refusal } } else { Failure::Refused { status, refusal } }
    }

    pub(super) fn throttle(&self, tenant: TenantId) -> Arc<Throttle> {
        let mut throttles = self.throttles.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = self.options.requests_per_minute;
        Arc::clone(throttles.entry(tenant).or_insert_with(|| Arc::new(Throttle::new(limit))))
    }
}

/// How likely it is that a 401 is the token's fault; `None` when its body says that something else is wrong.
fn suspicion(failure: &Failure, token: &AccessToken) -> Option<Suspicion> {
    match failure {
        Failure::PermissionMissing { permission, .. } if token.has_role(permission) == Some(false) => {
            Some(Suspicion::OnlyIfOld)
        }
        // A page, which a proxy may have sent.
        Failure::Unavailable { .. } => Some(Suspicion::OnlyIfOld),
        Failure::PermissionMissing { .. } | Failure::TokenRefused { .. } | Failure::ContentRefused(_) => {
            Some(Suspicion::EvenIfNew)
        }
        _ => None,
    }
}

fn request(method: Method, url: Url, body: Bytes, token: &AccessToken) -> Result<Request, header::InvalidHeaderValue> {
    let method_has_body = method == Method::POST;
    let mut request = Request::new(method, url);
    request.headers.insert(header::AUTHORIZATION, token.header()?);
    request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    if method_has_body && body.is_empty() {
        // hyper leaves the length out of a request without body, and IIS answers such a POST with 411.
        request.headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    if !body.is_empty() {
        request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    }
    request.body = body;
    Ok(request)
}
