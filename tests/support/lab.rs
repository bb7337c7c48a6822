//! One tenant, one content type and a wire that can be tampered with: the setting of most tests of the API's behaviour.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use office365_source::{
    RunMode,
    clock::Clock,
    config::Office365Config,
    content::{ContentType, Feed},
    simulator::{Backlog, BlobSpec, SimulatedTenant, Simulator, SimulatorConfig},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    Arrived, Running, Setup, simulator, source_config, start_of_time,
    telemetry::{Counters, Listening, Log},
    wire::Wire,
};

pub struct Lab {
    pub clock: Clock,
    pub simulator: Simulator,
    pub wire: Wire,
    pub source: Office365Config,
    pub feed: Feed,
    pub data: TempDir,
    pub arrived: Arrived,
    pub counters: &'static Counters,
    pub log: Log,
    _listening: Listening,
}

/// A world without content but what a test places.
pub fn empty() -> SimulatorConfig {
    SimulatorConfig {
        tenants: vec![SimulatedTenant::contoso().subscribed_since(Duration::from_hours(30 * 24))],
        backlog: Backlog { blobs_per_feed: 0, ..SimulatorConfig::default().backlog },
        ..SimulatorConfig::default()
    }
}

impl Lab {
    pub fn new() -> Self {
        Self::of(empty())
    }

    #[allow(clippy::needless_pass_by_value, reason = "a configuration is made for one lab")]
    pub fn of(config: SimulatorConfig) -> Self {
        let clock = Clock::starting_at(start_of_time());
        let simulator = simulator(config.clone(), &clock);
        let wire = Wire::listening(&simulator);
        let mut source = source_config(&config);
        source.content_types = vec![ContentType::General];
        let listening = Listening::start();
        Self {
            simulator,
            wire,
            source,
            feed: Feed { tenant: config.tenants[0].id, content_type: ContentType::General },
            data: TempDir::new().unwrap(),
            arrived: Arrived::default(),
            counters: listening.counters,
            log: listening.log.clone(),
            _listening: listening,
            clock,
        }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub fn ago(&self, minutes: i64) -> DateTime<Utc> {
        self.now() - TimeDelta::minutes(minutes)
    }

    pub fn feed_of(&self, content_type: ContentType) -> Feed {
        Feed { content_type, ..self.feed }
    }

    /// An audit record.
    pub fn event(&self, id: &str) -> Value {
        json!({
            "Id": id, "OrganizationId": self.feed.tenant.to_string(), "CreationTime": "2026-08-01T10:00:00",
            "RecordType": 25, "Operation": "MessageCreatedHasLink", "Workload": "MicrosoftTeams", "Version": 1
        })
    }

    /// Places a blob of such records, an hour old.
    pub fn publish(&self, ids: &[&str]) -> String {
        self.publish_at(ids, self.ago(60))
    }

    pub fn publish_at(&self, ids: &[&str], created: DateTime<Utc>) -> String {
        let events = ids.iter().map(|id| self.event(id)).collect();
        self.simulator.publish_events(self.feed, events, created)
    }

    /// Places a blob with exactly this body, an hour old.
    pub fn place(&self, body: impl Into<Bytes>) -> String {
        self.simulator.add_blob(self.feed, BlobSpec::new(body, self.ago(60)))
    }

    pub fn setup(&self, mode: RunMode) -> Setup<'_> {
        let mut setup = Setup::new(self.source.clone(), &self.simulator, &self.clock, self.data.path());
        setup.mode = mode;
        setup.arrived = self.arrived.clone();
        setup.transport = Some(Arc::new(self.wire.clone()));
        setup
    }

    /// A source that runs until it is stopped.
    pub async fn start(&self) -> Running {
        self.setup(RunMode::Continuous).start().await
    }

    /// A source that ends by itself.
    pub async fn once(&self) -> (Result<(), ()>, Running) {
        self.setup(RunMode::ONCE).run().await
    }

    /// What arrived, with how often.
    pub fn ids(&self) -> Vec<(String, u32)> {
        self.arrived.lock().unwrap().iter().map(|((_, id), times)| (id.clone(), *times)).collect()
    }

    pub fn assert_arrived_once(&self, ids: &[&str]) {
        let mut expected: Vec<_> = ids.iter().map(|id| ((*id).to_owned(), 1)).collect();
        expected.sort_unstable();
        assert_eq!(self.ids(), expected, "{}", self.log.text());
    }
}

impl Running {
    /// The problem of a feed.
    pub fn problem(&self, feed: Feed) -> Option<String> {
        self.progress.feeds().get(&feed)?.problem.clone()
    }
}

pub async fn minutes(minutes: u64) {
    tokio::time::sleep(Duration::from_mins(minutes)).await;
}
