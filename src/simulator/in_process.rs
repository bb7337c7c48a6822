//! The simulator as a transport: requests reach it without sockets, so that paused time works.

use std::fmt;

use async_trait::async_trait;
use axum::{Router, body::Body};
use futures::{StreamExt, TryStreamExt};
use http::header;
use tower::ServiceExt;

use super::{Simulator, answer::Unanswered};
use crate::transport::{Request, Response, Transport, TransportError, TransportFailure};

/// Sends requests to a simulator in the same process, whatever host they name.
#[derive(Clone)]
pub struct InProcess(Router);

impl InProcess {
    /// A transport to `simulator`.
    pub fn new(simulator: &Simulator) -> Self {
        Self(simulator.router())
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let length = request.body.len();
        let mut sent = http::Request::new(Body::from(request.body));
        *sent.method_mut() = request.method;
        *sent.uri_mut() = request
            .url
            .as_str()
            .parse()
            .map_err(|error| TransportError::new(TransportFailure::Request, format!("{error}")))?;
        *sent.headers_mut() = request.headers;
        // As HTTP clients do for a body; what they do without one is up to the caller.
        if length > 0 {
            sent.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        }
        let (parts, body) = match self.0.clone().oneshot(sent).await {
            Ok(response) => response.into_parts(),
            Err(never) => match never {},
        };
        if parts.extensions.get::<Unanswered>().is_some() {
            return Err(TransportError::new(TransportFailure::Broken, "the simulator closed the connection"));
        }
        let broken = |error: axum::Error| TransportError::new(TransportFailure::Broken, error.to_string());
        Ok(Response {
            status: parts.status,
            headers: parts.headers,
            body: body.into_data_stream().map_err(broken).boxed(),
        })
    }
}
