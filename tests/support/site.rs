//! A source in mode webhook whose listener has real sockets with TLS, and a simulator that notifies it through them. In real
//! time.

use std::{
    fmt, fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use office365_source::{
    RunMode,
    clock::Clock,
    config::Office365Config,
    content::{ContentType, Feed},
    discovery::webhook::WebhookHandle,
    simulator::{Backlog, SimulatedTenant, Simulator, SimulatorConfig},
    transport::{HttpTransport, Request, Response, Transport, TransportError, TransportOptions},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    Arrived, Running, Setup,
    https::Client,
    patience::{self, GUARD},
    pki::{Authority, Identity},
    simulator, start_of_time,
    telemetry::{Counters, Listening, Log},
    webhook::{AUTH_ID, Notifying, webhook_config},
};

/// What is between Microsoft and the listener: its port is found out when it listens.
#[derive(Clone)]
pub struct PortMapping {
    transport: Arc<HttpTransport>,
    port: Arc<AtomicU16>,
}

impl PortMapping {
    pub fn new(options: &TransportOptions) -> Self {
        Self { transport: Arc::new(HttpTransport::new(options).unwrap()), port: Arc::default() }
    }

    pub fn lead_to(&self, port: u16) {
        self.port.store(port, Ordering::Relaxed);
    }
}

impl fmt::Debug for PortMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PortMapping")
    }
}

#[async_trait]
impl Transport for PortMapping {
    async fn send(&self, mut request: Request) -> Result<Response, TransportError> {
        request.url.set_port(Some(self.port.load(Ordering::Relaxed))).unwrap();
        self.transport.send(request).await
    }
}

pub struct Site {
    pub clock: Clock,
    pub simulator: Simulator,
    pub simulated: SimulatorConfig,
    pub config: Office365Config,
    pub authority: Authority,
    pub data: TempDir,
    pub arrived: Arrived,
    pub counters: &'static Counters,
    pub log: Log,
    mapping: PortMapping,
    published: AtomicU64,
    _notifying: Notifying,
    _listening: Listening,
}

impl Site {
    /// Nothing to collect but what a test publishes, of the content type Exchange.
    pub fn new() -> Self {
        Self::of(|_| {})
    }

    pub fn of(change: impl FnOnce(&mut SimulatorConfig)) -> Self {
        let mut simulated = SimulatorConfig {
            tenants: vec![SimulatedTenant::contoso().subscribed_since(Duration::from_hours(24))],
            backlog: Backlog { blobs_per_feed: 0, ..SimulatorConfig::default().backlog },
            notification_interval: Duration::from_millis(30),
            notification_retry: Duration::from_millis(100)..=Duration::from_secs(1),
            // A busy machine is no reason for Microsoft to give up.
            webhook_timeout: GUARD,
            ..SimulatorConfig::default()
        };
        change(&mut simulated);
        let clock = Clock::starting_at(start_of_time());
        let simulator = simulator(simulated.clone(), &clock);
        let listening = Listening::start();
        let (authority, data) = (Authority::new("the listener's"), TempDir::new().unwrap());
        let ca_file = data.path().join("ca.pem");
        fs::write(&ca_file, authority.pem()).unwrap();
        let mapping = PortMapping::new(&TransportOptions { ca_file: Some(ca_file), ..TransportOptions::default() });
        let mut site = Self {
            _notifying: Notifying::start(&simulator, Arc::new(mapping.clone())),
            config: webhook_config(&simulated),
            simulated,
            authority,
            data,
            mapping,
            published: AtomicU64::new(0),
            arrived: Arrived::default(),
            counters: listening.counters,
            log: listening.log.clone(),
            _listening: listening,
            clock,
            simulator,
        };
        let (crt_file, key_file) = (site.file("webhook.crt"), site.file("webhook.key"));
        site.authority.server().write(&crt_file, &key_file);
        site.config.content_types = vec![ContentType::Exchange];
        let webhook = &mut site.config.webhook;
        webhook.public_url = Some("https://localhost:8443/wh/o365/".parse().unwrap());
        webhook.tls.enabled = true;
        webhook.tls.crt_file = Some(crt_file);
        webhook.tls.key_file = Some(key_file);
        site
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.data.path().join(name)
    }

    pub fn setup(&self, webhook: &WebhookHandle) -> Setup<'_> {
        let mut setup = Setup::new(self.config.clone(), &self.simulator, &self.clock, self.data.path());
        setup.mode = RunMode::Continuous;
        setup.arrived = self.arrived.clone();
        setup.webhook = webhook.clone();
        setup
    }

    /// A source whose listener serves.
    pub async fn start(&self) -> (Running, SocketAddr) {
        self.start_as(|_| {}).await
    }

    pub async fn start_as(&self, change: impl FnOnce(&mut Setup<'_>)) -> (Running, SocketAddr) {
        let webhook = WebhookHandle::default();
        let mut setup = self.setup(&webhook);
        change(&mut setup);
        let running = setup.start().await;
        let address = webhook.address().unwrap();
        self.mapping.lead_to(address.port());
        (running, address)
    }

    /// The webhook is set, and what existed before is listed: from now on only notifications announce content.
    pub async fn notified(&self, running: &Running) {
        let feeds = self.config.content_types.iter().map(|content_type| self.feed(*content_type));
        for feed in feeds {
            self.until("the webhook works", || {
                let progress = running.progress.feeds().get(&feed).cloned();
                progress.is_some_and(|progress| {
                    progress.listed_through.is_some() && progress.webhook.is_some_and(|webhook| webhook.healthy)
                })
            })
            .await;
        }
    }

    /// From now on Microsoft cannot reach the listener.
    pub fn cut_off(&self) {
        self.simulator.set_webhook_transport(Arc::new(PortMapping::new(&TransportOptions::default())));
    }

    pub fn client(&self, address: SocketAddr) -> Client {
        Client::new(address, &self.authority)
    }

    pub fn identified(&self, address: SocketAddr, identity: &Identity) -> Client {
        Client::identified(address, &self.authority, identity)
    }

    pub fn feed(&self, content_type: ContentType) -> Feed {
        Feed { tenant: self.simulated.tenants[0].id, content_type }
    }

    /// Places a blob with one event, which Microsoft announces by itself. Returns its content id.
    pub fn publish(&self, content_type: ContentType) -> String {
        self.publish_at(content_type, self.clock.now())
    }

    pub fn publish_at(&self, content_type: ContentType, created: DateTime<Utc>) -> String {
        let number = self.published.fetch_add(1, Ordering::Relaxed);
        self.simulator.publish_events(self.feed(content_type), vec![self.event(&format!("event-{number}"))], created)
    }

    pub fn event(&self, id: &str) -> Value {
        json!({
            "Id": id, "OrganizationId": self.simulated.tenants[0].id.to_string(), "CreationTime": "2026-08-01T10:00:00",
            "RecordType": 2, "Operation": "Send", "Workload": "Exchange"
        })
    }

    /// Waits for everything that exists, and that nothing arrived twice.
    pub async fn all_arrived(&self) {
        self.until("everything has arrived", || {
            let arrived = self.arrived.lock().unwrap();
            self.simulator.oracle().expected_ids().iter().all(|id| arrived.contains_key(id))
        })
        .await;
        super::assert_exactly_once(&self.arrived, &self.simulator);
    }

    /// Waits until something is so.
    pub async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        patience::until(what, is_so, || self.log.text()).await;
    }

    pub fn refused(&self, reason: &str) -> u64 {
        self.counters.sum("office365_webhook_refused_total", &format!("reason={reason}"))
    }

    pub fn found_by(&self, how: &str) -> u64 {
        self.counters.sum("office365_content_found_total", &format!("found_by={how}"))
    }
}

/// A request with these headers.
pub fn request(line: &str, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers.iter().map(|(name, value)| [*name, ": ", *value, "\r\n"].concat()).collect();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}{length}\r\n{body}")
}

/// A POST with the right AuthID.
pub fn post(body: &str) -> String {
    request("POST /wh/o365/", &[("Webhook-AuthID", AUTH_ID), ("Content-Type", "application/json; utf-8")], body)
}

/// What any client may ask.
pub fn probe() -> String {
    request("GET /wh/o365/", &[], "")
}
