//! A source in mode webhook and a simulator that notifies it, without sockets between them.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full};
use office365_source::{
    config::{Mode, Office365Config},
    discovery::webhook::{Endpoint, Peer, WebhookHandle},
    simulator::{Simulator, SimulatorConfig},
    transport::{Request, Response, Transport, TransportError, TransportFailure},
};
use tokio::task::JoinHandle;

use super::source_config;

pub const PUBLIC_URL: &str = "https://collector.example.com:8443/wh/o365/";
pub const AUTH_ID: &str = "a-long-and-random-auth-id";

/// What is between Microsoft and the endpoint.
#[derive(Clone, Default)]
pub struct Road(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Filled anew by each start of the source.
    handle: Mutex<WebhookHandle>,
    blocked: AtomicBool,
    passed: AtomicU64,
}

impl Road {
    /// A new handle for a source that is about to start.
    pub fn renew(&self) -> WebhookHandle {
        let handle = WebhookHandle::default();
        *self.0.handle.lock().unwrap() = handle.clone();
        handle
    }

    /// A firewall in the way, or not any more.
    pub fn block(&self, blocked: bool) {
        self.0.blocked.store(blocked, Ordering::Relaxed);
    }

    /// How many requests got through.
    pub fn passed(&self) -> u64 {
        self.0.passed.load(Ordering::Relaxed)
    }

    pub fn endpoint(&self) -> Endpoint {
        self.0.handle.lock().unwrap().endpoint().unwrap().clone()
    }

    /// Asks the endpoint as a sender from the Internet.
    pub async fn ask(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> (StatusCode, String) {
        let mut request = http::Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let peer = Peer { address: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)), has_certificate: false };
        let response = self.endpoint().answer(peer, request).await;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Posts a notification with the right AuthID.
    pub async fn notify(&self, items: &serde_json::Value) -> StatusCode {
        self.ask(Method::POST, "/wh/o365/", &[("webhook-authid", AUTH_ID)], items.to_string()).await.0
    }
}

impl fmt::Debug for Road {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Road")
    }
}

#[async_trait]
impl Transport for Road {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let handle = self.0.handle.lock().unwrap().clone();
        let (false, Some(endpoint)) = (self.0.blocked.load(Ordering::Relaxed), handle.endpoint()) else {
            return Err(TransportError::new(TransportFailure::Connect, "no route to host"));
        };
        assert_eq!(request.url.host_str(), Some("collector.example.com"));
        let mut sent = http::Request::new(Full::new(request.body));
        *sent.method_mut() = request.method;
        *sent.uri_mut() = request.url.path().parse().unwrap();
        *sent.headers_mut() = request.headers;
        let peer = Peer { address: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)), has_certificate: false };
        let (parts, body) = endpoint.answer(peer, sent).await.into_parts();
        self.0.passed.fetch_add(1, Ordering::Relaxed);
        let body = body.collect().await.unwrap().to_bytes();
        Ok(Response { status: parts.status, headers: parts.headers, body: stream::iter([Ok(body)]).boxed() })
    }
}

/// The configuration of a source that collects all content types of the simulator's tenants by notifications.
pub fn webhook_config(simulated: &SimulatorConfig) -> Office365Config {
    let mut config = source_config(simulated);
    config.mode = Mode::Webhook;
    config.webhook.listen = ([127, 0, 0, 1], 0).into();
    config.webhook.public_url = Some(PUBLIC_URL.parse().unwrap());
    config.webhook.auth_id = Some(AUTH_ID.into());
    config.webhook.tls.enabled = false;
    config
}

/// Microsoft's notifications, for as long as this lives.
pub struct Notifying(JoinHandle<()>);

impl Notifying {
    /// They go through `road`.
    pub fn start(simulator: &Simulator, road: Arc<dyn Transport>) -> Self {
        simulator.set_webhook_transport(road);
        Self(tokio::spawn(simulator.run_notifications()))
    }
}

impl Drop for Notifying {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A directory's ledger and everything else of the source `m365`.
pub fn source_directory(data_dir: &Path) -> std::path::PathBuf {
    data_dir.join("m365")
}
