//! HTTP requests to a peer, for every protocol that is a POST, and what their answers mean.

use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Uri,
    header::{CONTENT_ENCODING, CONTENT_TYPE, PROXY_AUTHORIZATION, USER_AGENT},
};
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper_util::{
    client::legacy::{Client, Error},
    rt::{TokioExecutor, TokioTimer},
};
use url::Url;

use super::{
    SinkError,
    compression::{Body, Unaccepted},
    network::{Access, Connector, Failure, Protocol},
    request_headers::Headers,
    size_limit,
};
use crate::{printable::printable, transport::retry_after};

/// No answer that matters is longer.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// How much of an answer goes into a message.
const MAX_QUOTED_CHARS: usize = 300;

/// A pool of connections to one peer.
#[derive(Clone)]
pub(super) struct HttpClient {
    client: Client<Connector, Full<Bytes>>,
    connector: Connector,
    headers: Headers,
}

impl HttpClient {
    /// A client that adds `headers` to every request.
    ///
    /// # Errors
    ///
    /// When a file of certificates or a proxy cannot be used, or a secret cannot be read.
    pub(super) async fn new(access: &Access<'_>, headers: Headers) -> Result<Self, SinkError> {
        headers.check().await?;
        let connector = Connector::new(access, Protocol::Http1)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector.clone());
        Ok(Self { client, connector, headers })
    }

    /// Where a peer is and which proxy is used, for display.
    pub(super) fn describe(&self, uri: &Uri) -> String {
        self.connector.describe(uri)
    }

    /// Posts `body`, for a protocol whose acknowledgement is the status: what else a success says does not matter.
    ///
    /// # Errors
    ///
    /// What has been answered, or why there is no answer.
    pub(super) async fn submit(&self, uri: &Uri, headers: &HeaderMap, body: &Body) -> Result<(), PeerRefusal> {
        self.exchange(uri, headers, body).await.map(drop)
    }

    /// Posts `body` and returns the answer of a success, for a protocol that knows more of an answer than its status.
    ///
    /// # Errors
    ///
    /// What has been answered.
    pub(super) async fn post(&self, uri: &Uri, headers: &HeaderMap, body: &Body) -> Result<Bytes, PeerRefusal> {
        self.exchange(uri, headers, body).await?.map_err(|error| {
            Failure::may_pass(format!("{} has answered, but not to the end: {error}", self.describe(uri))).into()
        })
    }

    /// The answer of a success, if it came whole.
    async fn exchange(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        body: &Body,
    ) -> Result<Result<Bytes, BodyError>, PeerRefusal> {
        let mut request = Request::new(Full::new(body.bytes().clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.clone();
        let mut secrets = self.headers.read().await.map_err(|error| Failure::may_pass(error.to_string()))?;
        if let Some(credentials) = self.connector.proxy_authorization(uri) {
            secrets.insert(PROXY_AUTHORIZATION, credentials);
        }
        request.headers_mut().extend(secrets.clone());
        request.headers_mut().extend(headers.clone());
        if let Some(encoding) = body.compression().content_encoding() {
            request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        let agent = HeaderValue::from_static(concat!("office365-source/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().entry(USER_AGENT).or_insert(agent);
        let response = self.client.request(request).await.map_err(|error| unreachable(&self.describe(uri), &error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let answer = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await.map(Collected::to_bytes);
        if status.is_success() {
            return Ok(answer);
        }
        let answer = answer.unwrap_or_default();
        let failure = refusal(&self.describe(uri), status, &headers, &without(&secrets, &answer));
        Err(PeerRefusal { failure, status: Some(status), answer })
    }
}

/// An answer that is no success.
#[derive(Debug)]
pub(super) struct PeerRefusal {
    failure: Failure,
    status: Option<StatusCode>,
    answer: Bytes,
}

impl PeerRefusal {
    /// The answer's status; `None` when there was no answer.
    pub(super) fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// The answer's body; empty when there was no answer.
    pub(super) fn answer(&self) -> &[u8] {
        &self.answer
    }

    /// The failure when the sink's settings are wrong: it ends when an administrator does what `advice` says.
    pub(super) fn settings(self, advice: &str) -> Failure {
        Failure::may_pass(format!("{} ({advice})", self.failure.into_reason()))
    }
}

impl PeerRefusal {
    /// What follows for a request whose compression may be at fault. `gives_reason` says whether an answer has one in the
    /// protocol's form, `meaning` what the refusal means in the protocol.
    pub(super) fn interpret(
        self,
        gives_reason: impl FnOnce(&[u8]) -> bool,
        meaning: impl FnOnce(Self) -> Failure,
    ) -> Unaccepted {
        let (status, answer) = (self.status, self.answer.clone());
        Unaccepted::by_http(meaning(self), status, gives_reason(&answer), &String::from_utf8_lossy(&answer))
    }
}

impl From<Failure> for PeerRefusal {
    fn from(failure: Failure) -> Self {
        Self { failure, status: None, answer: Bytes::new() }
    }
}

impl From<PeerRefusal> for Failure {
    fn from(refusal: PeerRefusal) -> Self {
        refusal.failure
    }
}

/// Why an answer has no end.
type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The answer without the secrets of the request, should the peer repeat them.
fn without(secrets: &HeaderMap, answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer).into_owned();
    let values = secrets.values().filter_map(|value| value.to_str().ok());
    // The last word of `Bearer …`; shorter ones are no secrets, and would blot out half of the answer.
    let words = values.filter_map(|value| value.split(' ').next_back()).filter(|word| word.len() >= 4);
    words.fold(text, |text, word| text.replace(word, "[redacted]"))
}

fn unreachable(peer: &str, error: &Error) -> Failure {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let causes: Vec<_> = causes.map(ToString::to_string).collect();
    let what = if error.is_connect() { "cannot connect to" } else { "no answer from" };
    Failure::may_pass(format!("{what} {peer}: {}", causes.join(": ")))
}

/// The beginning of what a peer says, on one line.
pub(super) fn quote(text: &str) -> String {
    printable(text, MAX_QUOTED_CHARS)
}

/// What a status that is no success means.
///
/// A client error refuses the events, unless it is about the sink's settings (a token, a path): an administrator can
/// correct those, and thousands of events in a file of dead letters would not help. 403 can be either: a firewall for
/// web applications answers so to a body that it finds suspicious.
fn refusal(peer: &str, status: StatusCode, headers: &HeaderMap, answer: &str) -> Failure {
    let quoted = quote(answer);
    let colon = if quoted.is_empty() { "" } else { ": " };
    let reason = format!("{peer} has answered {status}{colon}{quoted}");
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge { reason },
        StatusCode::UNAUTHORIZED => {
            Failure::may_pass(format!("{reason} (see to the token or password in the sink's configuration)"))
        }
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Failure::may_pass(format!("{reason} (write the proxy's user and password into its URL, in proxy.http)"))
        }
        StatusCode::FORBIDDEN => Failure::Denied {
            reason: format!("{reason} (see to the token or password in the sink's configuration, and to its rights)"),
        },
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            Failure::may_pass(format!("{reason} (see to the address in the sink's configuration)"))
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Failure::may_pass(format!("{reason} (write another compression or framing in the sink's configuration)"))
        }
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::MISDIRECTED_REQUEST
        | StatusCode::TOO_EARLY
        | StatusCode::UPGRADE_REQUIRED
        | StatusCode::TOO_MANY_REQUESTS => Failure::MayPass { reason, after: retry_after(headers, Utc::now()) },
        status if status.is_client_error() && size_limit::is_named_in(answer) => Failure::TooLarge { reason },
        status if status.is_client_error() => Failure::Refused { reason },
        _ => Failure::MayPass { reason, after: retry_after(headers, Utc::now()) },
    }
}

/// The URI of a URL.
///
/// # Errors
///
/// When it has characters that a URL may have and a URI may not.
pub(super) fn uri(url: &Url, key: &str) -> Result<Uri, SinkError> {
    Uri::try_from(url.as_str()).map_err(|_| SinkError::Address { key: key.to_owned() })
}

/// The headers of a request whose body is of this type.
pub(super) fn content_type(name: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(name))])
}
