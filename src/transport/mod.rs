//! How requests reach Microsoft: a small interface, and the one implementation over reqwest.
//!
//! Behind the interface a test puts the simulator itself, so that days of traffic need no sockets and no real time.

mod client;
mod error;
#[cfg(feature = "cli")]
mod probe;
mod proxy;
mod retry_after;
mod server_clock;
mod server_tls;
mod silence;
mod tls;

use std::fmt;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream::BoxStream};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

pub(crate) use self::server_tls::{ServerFiles, server_config};
#[cfg(any(feature = "cli", feature = "nats"))]
pub(crate) use self::tls::{ClientFiles, client_config};
pub use self::{
    client::{HttpTransport, SetupError, TransportOptions},
    error::{TransportError, TransportFailure},
    retry_after::retry_after,
    server_clock::ServerClock,
    server_tls::ServerTlsError,
    silence::send_within,
    tls::ClientTlsError,
};
#[cfg(feature = "cli")]
pub(crate) use self::{
    probe::{Probe, probe},
    proxy::proxy_matcher,
};

/// A request, body and all.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The URL, used as it is.
    pub url: Url,
    /// The headers. They may hold a bearer token; `Debug` leaves them out.
    pub headers: HeaderMap,
    /// The body. It may hold a client secret; `Debug` leaves it out.
    pub body: Bytes,
}

impl Request {
    /// A request without body.
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new() }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

/// A response whose body is still to come.
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, already decompressed. It ends early only with an error.
    pub body: BoxStream<'static, Result<Bytes, TransportError>>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)
    }
}

impl Response {
    /// The first `limit` bytes of the body; what comes after them is not read.
    ///
    /// # Errors
    ///
    /// When the body breaks off before that.
    pub async fn read_up_to(mut self, limit: usize) -> Result<Bytes, TransportError> {
        let mut read = BytesMut::new();
        while let Some(chunk) = self.body.next().await {
            let chunk = chunk?;
            let room = limit - read.len();
            read.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if read.len() == limit {
                break;
            }
        }
        Ok(read.freeze())
    }
}

/// Sends requests. Implementations follow no redirects, since a redirect would carry a bearer token elsewhere.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends a request and returns once the response's headers are there.
    ///
    /// # Errors
    ///
    /// When no response arrives. An HTTP error status is a response.
    async fn send(&self, request: Request) -> Result<Response, TransportError>;
}
