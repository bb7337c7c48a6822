//! Real processes in mode webhook: killed and stopped between Microsoft's notification and the download of what it told of.
#![cfg(all(unix, feature = "cli", feature = "simulator"))]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use crate::support;

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use assert_cmd::cargo::cargo_bin;
use chrono::{TimeDelta, Utc};
use office365_source::{
    clock::Clock,
    content::{ContentType, Feed},
    simulator::{Backlog, Faults, RunningSimulator, SimulatedTenant, Simulator, SimulatorConfig},
    transport::TransportOptions,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use support::{
    https::read_answer,
    site::{GUARD, PortMapping, post},
    webhook::AUTH_ID,
};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinHandle, time::sleep};

/// A simulated Microsoft 365 on sockets, and a configuration that collects from it into a file.
struct World {
    directory: TempDir,
    simulator: Simulator,
    tenant: SimulatedTenant,
    base: String,
    mapping: PortMapping,
    published: AtomicU64,
    _service: RunningSimulator,
    notifying: JoinHandle<()>,
}

/// A process that listens.
struct Process {
    child: Child,
    port: u16,
}

impl World {
    async fn new() -> Arc<Self> {
        let tenant = SimulatedTenant::contoso().subscribed_since(Duration::from_hours(30 * 24));
        let config = SimulatorConfig {
            tenants: vec![tenant.clone()],
            backlog: Backlog { blobs_per_feed: 0, ..SimulatorConfig::default().backlog },
            // Twice as long as listings reach back.
            retention: Duration::from_hours(20 * 24),
            // Between a notification and the end of its download.
            faults: Faults {
                latency: Some(Duration::from_millis(20)..=Duration::from_millis(200)),
                ..Faults::default()
            },
            allow_plain_webhooks: true,
            notification_interval: Duration::from_millis(20),
            notification_retry: Duration::from_millis(50)..=Duration::from_millis(200),
            webhook_disabled_after: u32::MAX,
            ..SimulatorConfig::default()
        };
        let simulator = Simulator::new(config, Clock::system());
        let service = simulator.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
        let mapping = PortMapping::new(&TransportOptions::default());
        simulator.set_webhook_transport(Arc::new(mapping.clone()));
        let directory = TempDir::new().unwrap();
        let (base, path) = (service.base_url().to_string(), directory.path().display());
        let base = base.trim_end_matches('/').to_owned();
        let text = format!(
            r#"
            data_dir = "{path}/data"
            [sources.m365]
            # Compiling the patterns takes longer in a debug build than a process lives here.
            normalize = {{ parse_user_agent = false }}
            type = "office365"
            mode = "webhook"
            content_types = ["Audit.Exchange"]
            endpoint = "{base}"
            auth_endpoint = "{base}"
            auth = {{ client_id = "{}", client_secret = "{}" }}
            tenants = [{{ id = "{}", domain = "{}" }}]
            [sources.m365.webhook]
            listen = "127.0.0.1:0"
            public_url = "http://127.0.0.1:8365/wh/o365/"
            auth_id = "{AUTH_ID}"
            tls = {{ enabled = false }}
            limits = {{ requests_per_minute_per_source = 1000000 }}
            [sinks.out]
            type = "file"
            inputs = ["m365"]
            path = "{path}/events.ndjson"
            "#,
            tenant.client_id, tenant.client_secret, tenant.id, tenant.domain,
        );
        fs::write(directory.path().join("config.toml"), text).unwrap();
        let notifying = tokio::spawn(simulator.run_notifications());
        let published = AtomicU64::new(0);
        Arc::new(Self { directory, simulator, tenant, base, mapping, published, _service: service, notifying })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        Command::new(cargo_bin!("office365-source"))
            .args(["run", "--log-format", "json", "--config"])
            .arg(self.path("config.toml"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Starts, and finds out where it listens.
    async fn start(&self) -> Process {
        let ports = || {
            let listening = |line: &str| {
                let (_, rest) = line.split_once("Webhook: listening.")?;
                let (_, rest) = rest.split_once("127.0.0.1:")?;
                rest.split('"').next()?.parse::<u16>().ok()
            };
            self.log().lines().filter_map(listening).collect::<Vec<_>>()
        };
        let before = ports().len();
        let child = self.spawn(&[]);
        self.until("it listens", || ports().len() > before).await;
        let port = ports().pop().unwrap();
        self.mapping.lead_to(port);
        Process { child, port }
    }

    async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let waiting = async {
            while !is_so() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(GUARD, waiting).await;
        assert!(waited.is_ok(), "not so after {GUARD:?}: {what}\n{}", self.log());
    }

    async fn wait(&self, child: &mut Child) -> Option<i32> {
        let child = Mutex::new(child);
        self.until("it ends", || child.lock().unwrap().try_wait().unwrap().is_some()).await;
        child.into_inner().unwrap().wait().unwrap().code()
    }

    fn feed(&self) -> Feed {
        Feed { tenant: self.tenant.id, content_type: ContentType::Exchange }
    }

    /// Places a blob with one event; returns the event's id and the blob's.
    fn publish(&self, days_ago: i64) -> (String, String) {
        let id = format!("event-{}", self.published.fetch_add(1, Ordering::Relaxed));
        let event = json!({
            "Id": id, "OrganizationId": self.tenant.id.to_string(), "CreationTime": "2026-08-01T10:00:00",
            "RecordType": 2, "Operation": "Send", "Workload": "Exchange"
        });
        let content_id =
            self.simulator.publish_events(self.feed(), vec![event], Utc::now() - TimeDelta::days(days_ago));
        (id, content_id)
    }

    /// Announces content that no listing has any more, one blob after another, until the process is gone. Returns the
    /// events that were promised: those answered with 200.
    async fn announce(self: Arc<Self>, port: u16, promised: Arc<Mutex<Vec<String>>>) {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return };
        loop {
            let (id, content_id) = self.publish(10);
            let (tenant, now) = (self.tenant.id, Utc::now());
            let item = json!([{
                "tenantId": tenant.to_string(), "clientId": self.tenant.client_id.to_string(),
                "contentType": "Audit.Exchange", "contentId": content_id,
                "contentUri": format!("{}/api/v1.0/{tenant}/activity/feed/audit/{content_id}", self.base),
                "contentCreated": now - TimeDelta::days(10), "contentExpiration": now + TimeDelta::days(10),
            }]);
            if stream.write_all(post(&item.to_string()).as_bytes()).await.is_err() {
                return;
            }
            match read_answer(&mut stream).await {
                Ok(answer) if answer.status == 200 => promised.lock().unwrap().push(id),
                // It stops.
                Ok(answer) => {
                    assert_eq!(answer.status, 503);
                    return;
                }
                Err(_) => return,
            }
            // Downloads are slower, and the backlog has to be collected in the end.
            sleep(Duration::from_millis(15)).await;
        }
    }

    /// How often each event was written. Every line must be whole.
    fn written(&self) -> BTreeMap<String, u32> {
        let mut times = BTreeMap::new();
        for line in fs::read_to_string(self.path("events.ndjson")).unwrap_or_default().lines() {
            let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            *times.entry(event["event"]["id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        times
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.notifying.abort();
    }
}

impl Process {
    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends a process at random moments while it is being notified; in the end all that it has answered with 200 is there.
async fn promises_are_kept(signal: &str, exit_code: Option<i32>, seed: u64) {
    let world = World::new().await;
    let promised = Arc::<Mutex<Vec<String>>>::default();
    let mut random = StdRng::seed_from_u64(seed);
    let mut interrupted = 0;
    for _ in 0..6 {
        let mut process = world.start().await;
        let announcing: Vec<_> =
            (0..4).map(|_| tokio::spawn(Arc::clone(&world).announce(process.port, Arc::clone(&promised)))).collect();
        sleep(Duration::from_millis(random.random_range(100..800))).await;
        process.signal(signal);
        assert_eq!(world.wait(&mut process.child).await, exit_code, "{}", world.log());
        for announcing in announcing {
            announcing.await.unwrap();
        }
        let written = world.written();
        interrupted += usize::from(promised.lock().unwrap().iter().any(|id| !written.contains_key(id)));
    }
    let promised = promised.lock().unwrap().clone();
    assert!(interrupted >= 3, "{interrupted} of the ends came between an answer and its download");
    let mut last = world.spawn(&["--once"]);
    assert_eq!(world.wait(&mut last).await, Some(0), "{}", world.log());
    let written = world.written();
    let missing: Vec<_> = promised.iter().filter(|id| !written.contains_key(*id)).collect();
    assert!(missing.is_empty(), "{} of {} promised events are missing: {missing:?}", missing.len(), promised.len());
    let repeated = written.values().filter(|times| **times > 1).count();
    println!("{signal}: {} events promised, {interrupted} ends in between, {repeated} repeated", promised.len());
    assert!(exit_code.is_none() || repeated == 0, "a clean end repeats nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_with_200_survives_kills_at_random_moments() {
    promises_are_kept("KILL", None, 11).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_with_200_survives_sigterm_and_is_sent_once() {
    promises_are_kept("TERM", Some(0), 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_microsoft_could_not_tell_a_dead_process_it_tells_the_next() {
    let world = World::new().await;
    let mut random = StdRng::seed_from_u64(13);
    for round in 0..4 {
        let mut process = world.start().await;
        // What existed before the webhook is never announced to it.
        world.until("the webhook is set", || world.log().contains("Subscription started with a webhook.")).await;
        let notified = world.simulator.stats().blobs_notified;
        for _ in 0..random.random_range(20..60) {
            world.publish(0);
            sleep(Duration::from_millis(10)).await;
        }
        world.until("some of it is told", || world.simulator.stats().blobs_notified > notified).await;
        process.signal(if round % 2 == 0 { "KILL" } else { "TERM" });
        world.wait(&mut process.child).await;
        // While nobody listens.
        for _ in 0..5 {
            world.publish(0);
        }
        let failed = world.simulator.stats().notifications_failed;
        world.until("Microsoft fails to tell", || world.simulator.stats().notifications_failed > failed).await;
    }
    let mut process = world.start().await;
    let published = world.published.load(Ordering::Relaxed);
    world.until("everything is told", || world.simulator.stats().blobs_notified == published).await;
    world.until("everything is written", || world.written().len() as u64 == published).await;
    process.signal("TERM");
    assert_eq!(world.wait(&mut process.child).await, Some(0));
    assert_eq!(world.simulator.stats().start_calls(), 1, "the webhook stays as it is");
    support::no_violations(&world.simulator);
    println!("{published} events, {} notifications failed", world.simulator.stats().notifications_failed);
}
