//! Between a source and its simulator: what was asked, and answers that the simulator would not give.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, Method, StatusCode, header};
use office365_source::{
    simulator::{InProcess, Simulator},
    transport::{Request, Response, Transport, TransportError, TransportFailure},
};
use tokio::time::Instant;
use url::Url;

/// A request as it was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub at: Instant,
    pub method: Method,
    pub url: Url,
    pub authorization: Option<http::HeaderValue>,
    pub body: Bytes,
}

impl Sent {
    pub fn asks(&self, operation: &str) -> bool {
        self.url.path().contains(operation)
    }

    pub fn parameter(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), body: body.into() }
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }
}

/// What becomes of an exchange. The request was answered by the simulator already.
pub type Rewrite = Box<dyn FnMut(&Sent, Answer) -> Result<Answer, TransportError> + Send>;

/// A transport to a simulator that notes every request and lets a test change every answer.
#[derive(Clone)]
pub struct Wire(Arc<Inner>);

struct Inner {
    simulator: InProcess,
    sent: Mutex<Vec<Sent>>,
    rewrite: Mutex<Rewrite>,
}

impl Wire {
    pub fn new(
        simulator: &Simulator,
        rewrite: impl FnMut(&Sent, Answer) -> Result<Answer, TransportError> + Send + 'static,
    ) -> Self {
        let (sent, rewrite) = (Mutex::default(), Mutex::new(Box::new(rewrite) as Rewrite));
        Self(Arc::new(Inner { simulator: InProcess::new(simulator), sent, rewrite }))
    }

    /// Changes nothing.
    pub fn listening(simulator: &Simulator) -> Self {
        Self::new(simulator, |_, answer| Ok(answer))
    }

    pub fn rewrite(&self, rewrite: impl FnMut(&Sent, Answer) -> Result<Answer, TransportError> + Send + 'static) {
        *self.0.rewrite.lock().unwrap() = Box::new(rewrite);
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.0.sent.lock().unwrap().clone()
    }

    /// The requests for one operation, by a part of its path.
    pub fn sent_to(&self, operation: &str) -> Vec<Sent> {
        self.sent().into_iter().filter(|sent| sent.asks(operation)).collect()
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let sent = Sent {
            at: Instant::now(),
            method: request.method.clone(),
            url: request.url.clone(),
            authorization: request.headers.get(header::AUTHORIZATION).cloned(),
            body: request.body.clone(),
        };
        self.0.sent.lock().unwrap().push(sent.clone());
        let Response { status, headers, body } = self.0.simulator.send(request).await?;
        let body = Response { status, headers: headers.clone(), body }.read_up_to(usize::MAX).await?;
        let answer = (self.0.rewrite.lock().unwrap())(&sent, Answer { status, headers, body })?;
        // In small pieces, as from a network.
        let pieces: Vec<_> = answer.body.chunks(4_001).map(|piece| Ok(answer.body.slice_ref(piece))).collect();
        Ok(Response { status: answer.status, headers: answer.headers, body: stream::iter(pieces).boxed() })
    }
}

pub fn reset() -> TransportError {
    TransportError::new(TransportFailure::Broken, "connection reset by peer")
}
