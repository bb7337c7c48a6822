//! A source in mode webhook and its tenant, in paused time.

use std::{sync::Arc, time::Duration};

use office365_source::{
    RunMode,
    clock::Clock,
    config::Office365Config,
    content::{ContentType, Feed},
    simulator::{Backlog, Live, SimulatedTenant, Simulator, SimulatorConfig},
    telemetry::FeedProgress,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;

use super::{
    Arrived, Running, Setup, simulator, start_of_time,
    telemetry::{Counters, Listening, Log},
    webhook::{Notifying, Road, webhook_config},
    wire::{Sent, Wire},
};

/// A tenant that is notified, and the world around it.
pub struct Scene {
    pub clock: Clock,
    pub simulator: Simulator,
    pub simulated: SimulatorConfig,
    pub road: Road,
    pub wire: Wire,
    pub config: Office365Config,
    pub data: TempDir,
    pub arrived: Arrived,
    pub counters: &'static Counters,
    pub log: Log,
    _notifying: Notifying,
    _listening: Listening,
}

impl Scene {
    pub fn new() -> Self {
        Self::of(|_| {})
    }

    /// Content every few minutes, and a little from before.
    pub fn of(change: impl FnOnce(&mut SimulatorConfig)) -> Self {
        let mut simulated = SimulatorConfig {
            tenants: vec![SimulatedTenant::contoso().subscribed_since(Duration::from_hours(24))],
            backlog: Backlog { reaches_back: Duration::from_hours(3), blobs_per_feed: 5, events_per_blob: 1..=4 },
            live: Some(Live { every: Duration::from_mins(3), events_per_blob: 1..=4 }),
            ..SimulatorConfig::default()
        };
        change(&mut simulated);
        let clock = Clock::starting_at(start_of_time());
        let simulator = simulator(simulated.clone(), &clock);
        let road = Road::default();
        let listening = Listening::start();
        Self {
            _notifying: Notifying::start(&simulator, Arc::new(road.clone())),
            wire: Wire::listening(&simulator),
            config: webhook_config(&simulated),
            simulated,
            road,
            data: TempDir::new().unwrap(),
            arrived: Arrived::default(),
            counters: listening.counters,
            log: listening.log.clone(),
            _listening: listening,
            clock,
            simulator,
        }
    }

    pub fn setup(&self, mode: RunMode) -> Setup<'_> {
        let mut setup = Setup::new(self.config.clone(), &self.simulator, &self.clock, self.data.path());
        setup.mode = mode;
        setup.arrived = self.arrived.clone();
        setup.transport = Some(Arc::new(self.wire.clone()));
        setup.webhook = self.road.renew();
        setup
    }

    pub async fn start(&self) -> Running {
        self.setup(RunMode::Continuous).start().await
    }

    /// A run that ends.
    pub async fn run_for(&self, duration: u64) {
        let running = self.start().await;
        minutes(duration).await;
        running.stop().await;
    }

    pub fn feed(&self, content_type: ContentType) -> Feed {
        Feed { tenant: self.simulated.tenants[0].id, content_type }
    }

    pub fn exchange(&self, running: &Running) -> FeedProgress {
        running.progress.feeds()[&self.feed(ContentType::Exchange)].clone()
    }

    pub fn healthy(&self, running: &Running) -> bool {
        self.exchange(running).webhook.is_some_and(|webhook| webhook.healthy)
    }

    /// The subscription of Exchange as the API lists it.
    pub async fn listed(&self) -> Value {
        let mut sent = self.wire.sent_to("subscriptions/list").pop().unwrap();
        // The newest token.
        sent.authorization = self.wire.sent().into_iter().rev().find_map(|sent| sent.authorization);
        let answer = self.repeat(&sent).await;
        let list: Vec<Value> = serde_json::from_str(&answer).unwrap();
        list.into_iter().find(|subscription| subscription["contentType"] == "Audit.Exchange").unwrap()
    }

    pub async fn repeat(&self, sent: &Sent) -> String {
        use office365_source::transport::{Request, Transport};
        let mut request = Request::new(sent.method.clone(), sent.url.clone());
        request.headers.insert(http::header::AUTHORIZATION, sent.authorization.clone().unwrap());
        let response = Wire::listening(&self.simulator).send(request).await.unwrap();
        String::from_utf8(response.read_up_to(1_000_000).await.unwrap().to_vec()).unwrap()
    }

    pub fn found_by(&self, how: &str) -> u64 {
        self.counters.sum("office365_content_found_total", &format!("found_by={how}"))
    }

    pub fn starts(&self) -> u64 {
        self.simulator.stats().start_calls()
    }
}

pub async fn minutes(minutes: u64) {
    sleep(Duration::from_mins(minutes)).await;
}
