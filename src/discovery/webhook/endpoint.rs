//! The one endpoint: what becomes of a request.
//!
//! Everything that is cheap and can refuse comes before everything that costs: address, client certificate and AuthID
//! before the body is read, the body before the ledger is asked.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock, Weak},
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use ipnet::IpNet;
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    AddressList, Admission, AuthId, Delivery, Item, SourceRates, client_address, parse_delivery,
    refusals::Refusals,
    telemetry::{self, WebhookAnswer},
};
use crate::{
    announcements::Announcements,
    content::{ContentRef, Feed},
    ledger::{Announced, ContentIntake, LedgerError},
    registration::{self, Callback, Registrar, parse_callback},
    telemetry::{FoundBy, Progress},
    tenants::Tenants,
    transport::ServerClock,
    wake_up::WakeUp,
};

const AUTH_ID: &str = "webhook-authid";
const VALIDATION_CODE: &str = "webhook-validationcode";
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Registrations at a time. Each is an administrator's click, and some requests to Microsoft.
const REGISTRATIONS: usize = 32;

/// Blobs of a feed that are pending and that no listing has named. A notification beyond that is still answered with
/// 200, and its content is taken from the next listing.
const MOST_ANNOUNCED: usize = 2_000;

/// Who sent a request, as far as the connection shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Peer {
    /// The other end of the connection.
    pub address: IpAddr,
    /// Whether it has shown a client certificate that is trusted and names Microsoft.
    pub has_certificate: bool,
}

/// What the endpoint decides by.
#[derive(Clone, Debug)]
pub struct EndpointOptions {
    /// The path of the endpoint.
    pub path: String,
    /// What notifications must carry.
    pub auth_id: AuthId,
    /// Whether they must come with a client certificate.
    pub needs_certificate: bool,
    /// What is collected.
    pub admission: Admission,
    /// Proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
    /// The largest body. Unit: bytes.
    pub max_body: usize,
    /// How long a body may take.
    pub body_timeout: Duration,
}

/// The endpoint. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Endpoint(Arc<Inner>);

/// An endpoint that is not kept alive.
#[derive(Clone, Debug)]
pub(super) struct WeakEndpoint(Weak<Inner>);

impl WeakEndpoint {
    pub fn upgrade(&self) -> Option<Endpoint> {
        self.0.upgrade().map(Endpoint)
    }
}

/// Marks the response to a sender that knows the AuthID.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proved;

#[derive(Debug)]
struct Inner {
    options: EndpointOptions,
    allowed: RwLock<AddressList>,
    rates: SourceRates,
    tenants: Tenants,
    ledger: Arc<dyn ContentIntake>,
    work: WakeUp,
    announcements: Announcements,
    progress: Progress,
    clock: ServerClock,
    registrar: Registrar,
    registrations: Arc<Semaphore>,
    refusals: Refusals,
    closing: CancellationToken,
    failed: mpsc::UnboundedSender<LedgerError>,
}

/// What the endpoint works with.
#[derive(Debug)]
pub struct EndpointParts {
    /// How often each source may ask.
    pub rates: SourceRates,
    /// Whose notifications are taken.
    pub tenants: Tenants,
    /// Where they are kept.
    pub ledger: Arc<dyn ContentIntake>,
    /// Who is told.
    pub work: WakeUp,
    /// What they were worth so far.
    pub announcements: Announcements,
    /// Where it is noted.
    pub progress: Progress,
    /// The time by Microsoft's clock.
    pub clock: ServerClock,
    /// Who takes consents.
    pub registrar: Registrar,
}

/// Why a request gets no answer but a status.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Rejection {
    status: StatusCode,
    /// A short name for metrics.
    code: &'static str,
    /// What is wrong, where the code does not say it all.
    problem: String,
}

impl Rejection {
    const fn new(status: StatusCode, code: &'static str) -> Self {
        Self { status, code, problem: String::new() }
    }
}

const NO_SUCH_ENDPOINT: Rejection = Rejection::new(StatusCode::BAD_REQUEST, "no_such_endpoint");
const TOO_MANY_REQUESTS: Rejection = Rejection::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests");
const ADDRESS: Rejection = Rejection::new(StatusCode::FORBIDDEN, "address_not_allowed");
const NO_CERTIFICATE: Rejection = Rejection::new(StatusCode::FORBIDDEN, "no_client_certificate");
const WRONG_AUTH_ID: Rejection = Rejection::new(StatusCode::FORBIDDEN, "wrong_auth_id");
const BODY_TOO_LARGE: Rejection = Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large");
const BODY_TOO_SLOW: Rejection = Rejection::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow");
const BODY_BROKEN: Rejection = Rejection::new(StatusCode::BAD_REQUEST, "body_broken");
const MALFORMED: Rejection = Rejection::new(StatusCode::BAD_REQUEST, "malformed");
const SHUTTING_DOWN: Rejection = Rejection::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down");
const NO_TENANT: Rejection = Rejection::new(StatusCode::SERVICE_UNAVAILABLE, "no_tenant");
const LEDGER: Rejection = Rejection::new(StatusCode::SERVICE_UNAVAILABLE, "ledger");
const BUSY: Rejection = Rejection::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_registrations");

impl Endpoint {
    /// An endpoint, and where it reports that the ledger has failed, which the source does not survive.
    pub fn new(options: EndpointOptions, parts: EndpointParts) -> (Self, mpsc::UnboundedReceiver<LedgerError>) {
        let EndpointParts { rates, tenants, ledger, work, announcements, progress, clock, registrar } = parts;
        let (failed, failure) = mpsc::unbounded_channel();
        let inner = Inner {
            options,
            // Nobody, until the listener says who.
            allowed: RwLock::new(AddressList::new([])),
            rates,
            tenants,
            ledger,
            work,
            announcements,
            progress,
            clock,
            registrar,
            registrations: Arc::new(Semaphore::new(REGISTRATIONS)),
            refusals: Refusals::default(),
            closing: CancellationToken::new(),
            failed,
        };
        (Self(Arc::new(inner)), failure)
    }

    pub(super) fn downgrade(&self) -> WeakEndpoint {
        WeakEndpoint(Arc::downgrade(&self.0))
    }

    /// Replaces the list of those who may send notifications.
    pub fn allow(&self, list: AddressList) {
        *self.0.allowed.write().unwrap_or_else(PoisonError::into_inner) = list;
    }

    /// Notes when the certificate of the listener expires.
    pub(super) fn certificate_expires(&self, time: Option<DateTime<Utc>>) {
        self.0.progress.set_listener_certificate_expiry(time);
    }

    /// From now on notifications are turned away with 503, so that Microsoft sends them again later.
    pub fn close(&self) {
        self.0.closing.cancel();
    }

    /// What counts refused connections as well.
    pub fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    /// What is answered when nothing can be begun.
    pub(super) fn unavailable() -> Response<Full<Bytes>> {
        empty(StatusCode::SERVICE_UNAVAILABLE)
    }

    /// Answers a request.
    pub async fn answer<B>(&self, peer: Peer, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes, Error: Into<crate::Error>>,
    {
        let began = Instant::now();
        let source = self.source(peer, request.headers());
        let checked = self.check(peer, source, &request);
        let proved = checked.is_ok() && request.method() == Method::POST;
        let answer = match checked {
            Err(refusal) => Err(refusal),
            Ok(()) if proved => self.deliver(source, request).await,
            Ok(()) => self.visit(source, &request).await,
        };
        match answer {
            Ok((outcome, mut response)) => {
                telemetry::webhook_answered(outcome, began.elapsed());
                if proved {
                    response.extensions_mut().insert(Proved);
                }
                response
            }
            Err(Rejection { status, code, problem }) => {
                self.0.refusals.refused_because(code, source, &problem);
                let mut response = empty(status);
                // What is left of its body is not read.
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                response
            }
        }
    }

    /// The checks that need no body.
    fn check<B>(&self, peer: Peer, source: IpAddr, request: &Request<B>) -> Result<(), Rejection> {
        let options = &self.0.options;
        let posts = request.method() == Method::POST;
        if request.uri().path() != options.path || !(posts || request.method() == Method::GET) {
            return Err(NO_SUCH_ENDPOINT);
        }
        let stranger = if posts { self.why_not_microsoft(peer, source, request.headers()) } else { None };
        // A sender that knows the AuthID has no rate: behind a port mapping, unknown senders have Microsoft's address, and
        // would use up its share.
        let has_a_rate = !posts || stranger.is_some();
        if has_a_rate && !self.0.rates.allow(source) {
            return Err(TOO_MANY_REQUESTS);
        }
        stranger.map_or(Ok(()), Err)
    }

    /// What keeps the sender of a POST from being taken for Microsoft.
    fn why_not_microsoft(&self, peer: Peer, source: IpAddr, headers: &HeaderMap) -> Option<Rejection> {
        let options = &self.0.options;
        if !self.0.allowed.read().unwrap_or_else(PoisonError::into_inner).allows(source) {
            return Some(ADDRESS);
        }
        if options.needs_certificate && !peer.has_certificate {
            return Some(NO_CERTIFICATE);
        }
        let auth_id = headers.get(AUTH_ID).map(HeaderValue::as_bytes);
        (!options.auth_id.matches(auth_id)).then_some(WRONG_AUTH_ID)
    }

    fn source(&self, peer: Peer, headers: &HeaderMap) -> IpAddr {
        // Lossily: what a client has put there must not hide what the proxy has added.
        let forwarded = headers.get_all(FORWARDED_FOR).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let forwarded: Vec<_> = forwarded.collect();
        client_address(peer.address, forwarded.iter().map(AsRef::as_ref), &self.0.options.trusted_proxies)
    }

    /// What Microsoft posts: a validation code or notifications.
    async fn deliver<B>(&self, source: IpAddr, request: Request<B>) -> Result<Answered, Rejection>
    where
        B: Body<Data = Bytes, Error: Into<crate::Error>>,
    {
        let inner = &self.0;
        let (parts, body) = request.into_parts();
        let body = self.read(body).await?;
        let delivery = match parse_delivery(&body) {
            Ok(delivery) => delivery,
            // The header alone says it, too.
            Err(_) if parts.headers.contains_key(VALIDATION_CODE) => Delivery::Validation { code: None },
            Err(error) => return Err(Rejection { problem: error.to_string(), ..MALFORMED }),
        };
        match delivery {
            // Nothing is looked up and no request is sent: a subscription is being started, and waits for this.
            Delivery::Validation { .. } => Ok((WebhookAnswer::Validated, empty(StatusCode::OK))),
            Delivery::Notification(_) if inner.closing.is_cancelled() => Err(SHUTTING_DOWN),
            Delivery::Notification(_) if inner.tenants.is_empty() => Err(NO_TENANT),
            Delivery::Notification(items) => {
                self.record(source, items).await?;
                Ok((WebhookAnswer::Accepted, empty(StatusCode::OK)))
            }
        }
    }

    async fn read<B>(&self, body: B) -> Result<Bytes, Rejection>
    where
        B: Body<Data = Bytes, Error: Into<crate::Error>>,
    {
        let EndpointOptions { max_body, body_timeout, .. } = self.0.options;
        match timeout(body_timeout, Limited::new(body, max_body).collect()).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BODY_TOO_LARGE),
            Ok(Err(_)) => Err(BODY_BROKEN),
            Err(_) => Err(BODY_TOO_SLOW),
        }
    }

    /// Makes what is ours durable. What is not is discarded alone: no retry would change it.
    async fn record(&self, source: IpAddr, items: Vec<Item>) -> Result<(), Rejection> {
        let inner = &self.0;
        let now = inner.clock.now();
        let mut feeds = BTreeMap::<Feed, Vec<ContentRef>>::new();
        for item in items {
            match item {
                Item::Unusable { problem } => inner.refusals.discarded("unusable_item", source, &problem),
                Item::Announced(announcement) => {
                    match inner.options.admission.admit(announcement, |tenant| inner.tenants.contains(tenant), now) {
                        Ok(content) => feeds.entry(content.feed).or_default().push(content),
                        Err(rejection) => inner.refusals.discarded(rejection.code(), source, &rejection),
                    }
                }
            }
        }
        // A task of its own: if Microsoft hangs up now, what becomes durable must still be announced to the collector.
        let endpoint = self.clone();
        let recorded = tokio::spawn(async move { endpoint.keep(feeds).await }.in_current_span());
        match recorded.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                // The receiver is the source itself; without it nothing can be reported.
                let _ = inner.failed.send(error);
                Err(LEDGER)
            }
            Err(_) => Err(LEDGER),
        }
    }

    async fn keep(&self, feeds: BTreeMap<Feed, Vec<ContentRef>>) -> Result<(), LedgerError> {
        let inner = &self.0;
        let now = inner.clock.now();
        // At once, so that they share a transaction.
        let recorded = feeds.into_iter().map(|(feed, refs)| async move {
            inner.progress.notified(feed, now);
            // Nothing new is recorded of a feed whose announcements have led nowhere; its next listing names what is real.
            let heard = inner.announcements.are_heard(feed);
            let most = if heard { MOST_ANNOUNCED } else { 0 };
            let Announced { added, postponed } = inner.ledger.announce(feed, refs, most, now).await?;
            if added > 0 {
                telemetry::content_found(&inner.progress, feed, added as u64, FoundBy::Notification);
                inner.work.announce(feed);
            }
            if postponed > 0 {
                let reason = if heard { "too_much_announced" } else { "announcements_paused" };
                inner.refusals.postponed(reason, feed, postponed as u64);
                inner.announcements.overflowed(feed);
            }
            Ok(())
        });
        futures::future::try_join_all(recorded).await.map(drop)
    }

    /// What a browser asks: whether the listener works, or to complete a consent.
    async fn visit<B>(&self, source: IpAddr, request: &Request<B>) -> Result<Answered, Rejection> {
        let form = registration::Form::wanted(request.headers());
        let callback = match parse_callback(request.uri().query()) {
            Callback::Probe => return Ok((WebhookAnswer::Probed, registration::alive())),
            callback => callback,
        };
        if self.0.closing.is_cancelled() {
            return Err(SHUTTING_DOWN);
        }
        let consent = match self.0.registrar.examine(callback).await {
            Ok(consent) => consent,
            // A visitor without an invitation is logged like any unknown sender: now and then.
            Err(error) => {
                self.0.refusals.refused_because("registration_refused", source, &error.to_string());
                return Ok((WebhookAnswer::Refused, registration::page_of(&Err(error), form)));
            }
        };
        let Ok(turn) = Arc::clone(&self.0.registrations).try_acquire_owned() else { return Err(BUSY) };
        let (registrar, closing) = (self.0.registrar.clone(), self.0.closing.clone());
        // A task of its own: a browser that is closed does not undo a consent. It ends with the source.
        let registration = async move {
            let _turn = turn;
            tokio::select! {
                outcome = registrar.complete(consent) => Some(outcome),
                () = closing.cancelled() => None,
            }
        };
        let outcome = tokio::spawn(registration.in_current_span()).await.map_err(|_| LEDGER)?;
        let outcome = outcome.ok_or(SHUTTING_DOWN)?.inspect_err(registration::registration_failed);
        if let Ok(registration) = &outcome {
            registration::registered(registration);
        }
        Ok((WebhookAnswer::Registered, registration::page_of(&outcome, form)))
    }
}

type Answered = (WebhookAnswer, Response<Full<Bytes>>);

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
