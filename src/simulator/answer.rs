//! A good answer, and how it is put on the wire.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures::{StreamExt as _, stream};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

/// A good answer: of 200, unless another status is set.
pub(super) struct Answer {
    status: StatusCode,
    body: Bytes,
    next_page: Option<(HeaderName, HeaderValue)>,
}

/// What happens to a good answer on its way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Damage {
    /// The connection breaks off in the middle of the body.
    Reset,
    /// The body ends in the middle as if that were its end.
    Truncated,
    /// The connection closes before anything was answered.
    NoAnswer,
}

/// Marks a response that a transport without sockets has to lose by itself.
#[derive(Clone, Copy)]
pub(super) struct Unanswered;

impl Answer {
    pub fn json(value: &Value) -> Self {
        Self::raw(Bytes::from(value.to_string()))
    }

    /// JSON text as it is.
    pub fn raw(body: Bytes) -> Self {
        Self { status: StatusCode::OK, body, next_page: None }
    }

    pub fn empty() -> Self {
        Self::raw(Bytes::new())
    }

    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub fn with_next_page(mut self, name: HeaderName, url: HeaderValue) -> Self {
        self.next_page = Some((name, url));
        self
    }

    pub fn deliver(self, gzip: bool, damage: Option<Damage>) -> Response {
        let empty = self.body.is_empty();
        let compressed = if gzip && !empty { compress(&self.body) } else { None };
        let encoded = compressed.is_some();
        let body = compressed.unwrap_or(self.body);
        let half = body.slice(..body.len() / 2);
        // A body made from a stream has no Content-Length, so that a client cannot tell that something is missing.
        let body = match damage {
            _ if empty => Body::empty(),
            None => Body::from(body),
            Some(Damage::Truncated) => Body::from_stream(stream::iter([Ok::<_, io::Error>(half)])),
            // A body that fails at once takes the head with it.
            Some(Damage::NoAnswer) => Body::from_stream(stream::iter([Err::<Bytes, _>(connection_reset())])),
            Some(Damage::Reset) => Body::from_stream(stream::iter([Ok(half)]).chain(stream::once(broken()))),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        if damage == Some(Damage::NoAnswer) {
            response.extensions_mut().insert(Unanswered);
        }
        let headers = response.headers_mut();
        if !empty {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        }
        if encoded {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some((name, url)) = self.next_page {
            headers.insert(name, url);
        }
        response
    }
}

/// The break comes a moment later, so that a socket has sent the first half by then.
async fn broken() -> io::Result<Bytes> {
    tokio::time::sleep(Duration::from_millis(10)).await;
    Err(connection_reset())
}

fn connection_reset() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the simulator broke the connection")
}

/// Writing to memory does not fail; were it to, the answer would go out uncompressed.
fn compress(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}
