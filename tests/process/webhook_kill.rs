//! Real processes in mode webhook: killed and stopped between Microsoft's notification and the download of what it announced.
#![cfg(all(unix, feature = "cli", feature = "simulator"))]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use crate::{
    moment::Seen,
    program::{Process, World},
    support,
};

use std::{
    ops::RangeInclusive,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{TimeDelta, Utc};
use office365_source::{
    content::{ContentType, Feed},
    simulator::{Backlog, Faults, Operation, SimulatorConfig},
    transport::TransportOptions,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use support::{
    https::read_answer,
    patience::GUARD,
    site::{PortMapping, post},
    webhook::{AUTH_ID, Notifying},
};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::sleep};

/// A world whose tenant is notified.
struct Notified {
    world: World,
    mapping: PortMapping,
    published: AtomicU64,
    _notifying: Notifying,
}

impl Notified {
    async fn new() -> Arc<Self> {
        let config = SimulatorConfig {
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
            // A busy machine is no reason for Microsoft to give up.
            webhook_timeout: GUARD,
            webhook_disabled_after: u32::MAX,
            ..SimulatorConfig::default()
        };
        let source = format!(
            r#"
            mode = "webhook"
            content_types = ["Audit.Exchange"]
            [sources.m365.webhook]
            listen = "127.0.0.1:0"
            public_url = "http://127.0.0.1:8365/wh/o365/"
            auth_id = "{AUTH_ID}"
            tls = {{ enabled = false }}
            limits = {{ requests_per_minute_per_source = 1000000 }}
            "#
        );
        let world = World::of(config, &source).await;
        let mapping = PortMapping::new(&TransportOptions::default());
        let notifying = Notifying::start(&world.simulator, Arc::new(mapping.clone()));
        Arc::new(Self { world, mapping, published: AtomicU64::new(0), _notifying: notifying })
    }

    /// Starts a process and returns it with the port that it listens on.
    async fn start(&self) -> (Process, u16) {
        let mut listening = self.world.watch(Seen::Logged("Webhook: listening."));
        let process = self.world.start(&["-vv"]);
        self.world.until("it listens", || listening.count() > 0).await;
        let log = self.world.log();
        let (_, last) = log.rsplit_once("Webhook: listening. address=127.0.0.1:").unwrap();
        let port = last.split(' ').next().unwrap().parse().unwrap();
        self.mapping.lead_to(port);
        (process, port)
    }

    fn feed(&self) -> Feed {
        Feed { tenant: self.world.tenant.id, content_type: ContentType::Exchange }
    }

    /// Places a blob with one event; returns the event's id and the blob's.
    fn publish(&self, days_ago: i64) -> (String, String) {
        let id = format!("event-{}", self.published.fetch_add(1, Ordering::Relaxed));
        let event = json!({
            "Id": id, "OrganizationId": self.world.tenant.id.to_string(), "CreationTime": "2026-08-01T10:00:00",
            "RecordType": 2, "Operation": "Send", "Workload": "Exchange"
        });
        let content_id =
            self.world.simulator.publish_events(self.feed(), vec![event], Utc::now() - TimeDelta::days(days_ago));
        (id, content_id)
    }

    /// Announces content that no listing has any more, one blob after another, until the process is gone. Returns the
    /// events that were promised: those answered with 200.
    async fn announce(self: Arc<Self>, port: u16, promised: Arc<Mutex<Vec<String>>>) {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return };
        loop {
            let (id, content_id) = self.publish(10);
            let (tenant, now) = (self.world.tenant.id, Utc::now());
            let item = json!([{
                "tenantId": tenant.to_string(), "clientId": self.world.tenant.client_id.to_string(),
                "contentType": "Audit.Exchange", "contentId": content_id,
                "contentUri": format!("{}/api/v1.0/{tenant}/activity/feed/audit/{content_id}", self.world.base),
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
}

/// Signs of every phase between a notification and the end of what it announced.
const MOMENTS: [(Seen, RangeInclusive<u64>); 6] = [
    (Seen::Logged("Webhook: answered."), 1..=5),
    (Seen::Asked(Operation::Blob), 1..=30),
    (Seen::Logged("Bytes received."), 1..=30),
    (Seen::Written, 1..=30),
    (Seen::Logged("Content delivered."), 1..=30),
    (Seen::Logged("Webhook: answered."), 20..=60),
];

/// Ends a process at random moments while it is being notified; in the end all that it has answered with 200 is there.
async fn promises_are_kept(signal: &str, exit_code: i32, seed: u64) {
    let notified = Notified::new().await;
    let world = &notified.world;
    let promised = Arc::<Mutex<Vec<String>>>::default();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut interrupted = 0;
    for (seen, times) in MOMENTS {
        let times = random.random_range(times);
        println!("{signal} after {times} × {seen}");
        let mut watch = world.watch(seen);
        let (mut process, port) = notified.start().await;
        let announcing: Vec<_> =
            (0..4).map(|_| tokio::spawn(Arc::clone(&notified).announce(port, Arc::clone(&promised)))).collect();
        world.until(&format!("{times} × {seen}"), || watch.count() >= times).await;
        process.signal(signal);
        assert_eq!(world.wait(&mut process).await, exit_code, "{}", world.log());
        for announcing in announcing {
            announcing.await.unwrap();
        }
        let (written, _) = world.written();
        interrupted += usize::from(promised.lock().unwrap().iter().any(|id| !written.contains_key(id)));
    }
    let promised = promised.lock().unwrap().clone();
    assert!(interrupted >= 3, "{interrupted} of the ends came between an answer and its download");
    // Nothing is interrupted any more.
    world.simulator.faults().update(|faults| faults.latency = None);
    let mut last = world.start(&["--once"]);
    assert_eq!(world.wait(&mut last).await, 0, "{}", world.log());
    let (written, _) = world.written();
    let missing: Vec<_> = promised.iter().filter(|id| !written.contains_key(*id)).collect();
    assert!(missing.is_empty(), "{} of {} promised events are missing: {missing:?}", missing.len(), promised.len());
    let repeated = written.values().filter(|times| **times > 1).count();
    println!("{signal}: {} events promised, {interrupted} ends in between, {repeated} repeated", promised.len());
    assert!(exit_code != 0 || repeated == 0, "a clean end repeats nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_with_200_survives_kills_at_random_moments() {
    promises_are_kept("KILL", -1, 11).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_with_200_survives_sigterm_and_is_sent_once() {
    promises_are_kept("TERM", 0, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_microsoft_could_not_tell_a_dead_process_it_tells_the_next() {
    let notified = Notified::new().await;
    let world = &notified.world;
    let seed = 13;
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for round in 0..4 {
        let (mut process, _) = notified.start().await;
        // What existed before the webhook is never announced to it.
        world.until("the webhook is set", || world.log().contains("Subscription started with a webhook.")).await;
        let before = world.simulator.stats().blobs_notified;
        for _ in 0..random.random_range(20..60) {
            notified.publish(0);
            // Content comes bit by bit, over several notifications.
            sleep(Duration::from_millis(10)).await;
        }
        world.until("some of it is told", || world.simulator.stats().blobs_notified > before).await;
        process.signal(if round % 2 == 0 { "KILL" } else { "TERM" });
        world.wait(&mut process).await;
        // While no process listens.
        for _ in 0..5 {
            notified.publish(0);
        }
        let failed = world.simulator.stats().notifications_failed;
        world.until("Microsoft fails to tell", || world.simulator.stats().notifications_failed > failed).await;
    }
    let (mut process, _) = notified.start().await;
    let published = notified.published.load(Ordering::Relaxed);
    world.until("everything is told", || world.simulator.stats().blobs_notified == published).await;
    world.until("everything is written", || world.written().0.len() as u64 == published).await;
    process.signal("TERM");
    assert_eq!(world.wait(&mut process).await, 0);
    assert_eq!(world.simulator.stats().start_calls(), 1, "the webhook stays as it is");
    support::no_violations(&world.simulator);
    println!("{published} events, {} notifications failed", world.simulator.stats().notifications_failed);
}
