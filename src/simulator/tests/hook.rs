//! A webhook in the same process, which notes what it is sent.

use std::{
    collections::BTreeMap,
    future,
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use tokio::{task::JoinHandle, time::Instant};

use super::*;
use crate::transport::{self, Response, TransportError, TransportFailure};

/// Webhooks of any address, distinguished by their path. They accept everything by default.
#[derive(Debug)]
pub(super) struct Hook {
    opened: Instant,
    replies: Mutex<BTreeMap<String, HookReply>>,
    received: Mutex<Vec<Received>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum HookReply {
    Status(u16),
    Silence,
    Unreachable,
}

/// A request to a webhook.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Received {
    /// Seconds since the webhook was there.
    pub at: f64,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Hook {
    /// The webhooks of a simulator.
    pub fn of(simulator: &Simulator) -> Arc<Self> {
        let hook = Self { opened: Instant::now(), replies: Mutex::default(), received: Mutex::default() };
        let hook = Arc::new(hook);
        simulator.set_webhook_transport(Arc::clone(&hook) as Arc<dyn Transport>);
        hook
    }

    pub fn reply(&self, path: &str, reply: HookReply) {
        self.replies.lock().unwrap().insert(path.to_owned(), reply);
    }

    /// What has arrived since this was last asked.
    pub fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.received())
    }

    fn received(&self) -> MutexGuard<'_, Vec<Received>> {
        self.received.lock().unwrap()
    }
}

#[async_trait]
impl Transport for Hook {
    async fn send(&self, request: transport::Request) -> Result<Response, TransportError> {
        assert_eq!(request.method, Method::POST);
        let path = request.url.path().to_owned();
        let reply = self.replies.lock().unwrap().get(&path).copied().unwrap_or(HookReply::Status(200));
        self.received().push(Received {
            at: self.opened.elapsed().as_secs_f64(),
            path,
            headers: request.headers,
            body: serde_json::from_slice(&request.body).unwrap(),
        });
        match reply {
            HookReply::Status(status) => Ok(Response {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: stream::empty().boxed(),
            }),
            HookReply::Silence => future::pending().await,
            HookReply::Unreachable => Err(TransportError::new(TransportFailure::Connect, "refused")),
        }
    }
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn ids(&self) -> Vec<String> {
        self.body.as_array().unwrap().iter().map(|item| text(&item["contentId"])).collect()
    }
}

/// The ids of all content that was announced, in order.
pub(super) fn ids(received: &[Received]) -> Vec<String> {
    received.iter().flat_map(Received::ids).collect()
}

/// Notifications that end with the test.
pub(super) struct Notifying(JoinHandle<()>);

impl Notifying {
    pub fn of(simulator: &Simulator) -> Self {
        Self(tokio::spawn(simulator.run_notifications()))
    }
}

impl Drop for Notifying {
    fn drop(&mut self) {
        self.0.abort();
    }
}
