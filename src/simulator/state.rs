//! What changes while the simulator runs.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use rand::rngs::SmallRng;
use tokio::sync::watch;
use url::Url;

use super::{
    Faults, SimulatorConfig, Stats, TenantFault, World,
    attempts::Attempts,
    dice::Dice,
    entra::Consents,
    graph::GraphState,
    outbox::Outbox,
    quota::{LastMinute, Quota},
    subscriptions::Subscription,
    token::Mint,
};
use crate::{
    clock::Clock,
    content::{Feed, TenantId},
    transport::Transport,
};

/// The whole service behind the routes.
pub(super) struct Service {
    pub config: SimulatorConfig,
    pub clock: Clock,
    /// When the simulator started: where the backlog ends and live content begins.
    pub started: DateTime<Utc>,
    pub world: World,
    pub mint: Mint,
    state: Mutex<SimulatorState>,
}

/// The changing part. Operations on it are short and never wait, so one lock is enough.
pub(super) struct SimulatorState {
    pub base_url: Url,
    /// That of Microsoft Graph; `None` for the same.
    pub graph_base_url: Option<Url>,
    pub faults: Faults,
    /// One generator for everything that depends on the order of requests.
    pub rng: SmallRng,
    pub stats: Stats,
    pub subscriptions: BTreeMap<Feed, Subscription>,
    /// When a start was last asked for.
    pub starts: BTreeMap<Feed, DateTime<Utc>>,
    /// The way to webhooks. Without one, none can be reached.
    pub webhook_transport: Option<Arc<dyn Transport>>,
    pub next_webhook: u64,
    /// Notifies those who wait for a webhook that one was set.
    pub webhook_set: watch::Sender<()>,
    /// What waits for the webhooks that are served.
    pub outboxes: BTreeMap<Feed, Outbox>,
    pub attempts: Attempts,
    pub consents: Consents,
    pub quotas: HashMap<TenantId, Quota>,
    pub last_minutes: HashMap<TenantId, LastMinute>,
    /// The serial number of the token with which a feed was last listed.
    pub listers: HashMap<Feed, u64>,
    pub troubles: HashMap<TenantId, Vec<TenantFault>>,
    /// Tokens with a serial number below this are worthless.
    pub first_valid_token: u64,
    pub next_token: u64,
    pub graph: GraphState,
}

impl Service {
    #[expect(clippy::expect_used, reason = "a constant URL")]
    pub fn new(config: SimulatorConfig, clock: Clock) -> Self {
        let started = clock.now();
        let seed = Dice::new(config.seed);
        let subscriptions = config.tenants.iter().flat_map(|tenant| {
            let since = tenant.subscribed_since.map(|ago| started - super::timeline::span(ago));
            let feeds = tenant.content_types.iter().map(|of| Feed { tenant: tenant.id, content_type: *of });
            since.into_iter().flat_map(move |since| feeds.clone().map(move |feed| (feed, Subscription::since(since))))
        });
        let state = SimulatorState {
            base_url: Url::parse("http://127.0.0.1:0").expect("a constant URL"),
            graph_base_url: None,
            faults: config.faults.clone(),
            rng: seed.of("requests", 0).rng(),
            stats: Stats::default(),
            subscriptions: subscriptions.collect(),
            starts: BTreeMap::new(),
            webhook_transport: None,
            next_webhook: 0,
            webhook_set: watch::Sender::default(),
            outboxes: BTreeMap::new(),
            attempts: Attempts::default(),
            consents: Consents::new(&config),
            quotas: HashMap::new(),
            last_minutes: HashMap::new(),
            listers: HashMap::new(),
            troubles: HashMap::new(),
            first_valid_token: 0,
            next_token: 0,
            graph: GraphState::new(seed),
        };
        Self {
            world: World::new(&config, started),
            mint: Mint::new(seed),
            state: Mutex::new(state),
            config,
            clock,
            started,
        }
    }

    pub fn state(&self) -> MutexGuard<'_, SimulatorState> {
        // A test that panicked while holding the lock has failed already; the counters it left are still worth reading.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn has_trouble(&self, tenant: TenantId, trouble: TenantFault) -> bool {
        self.state().troubles.get(&tenant).is_some_and(|troubles| troubles.contains(&trouble))
    }
}

impl SimulatorState {
    /// The origin that links of Microsoft Graph start with.
    pub fn graph_base_url(&self) -> &Url {
        self.graph_base_url.as_ref().unwrap_or(&self.base_url)
    }

    /// Disables the webhook of a feed, if it has one that is not disabled yet.
    pub fn disable_webhook(&mut self, feed: Feed) {
        let webhook = self.subscriptions.get_mut(&feed).and_then(|known| known.webhook.as_mut());
        if let Some(webhook) = webhook.filter(|webhook| !webhook.disabled) {
            webhook.disabled = true;
            self.stats.webhooks_disabled += 1;
        }
    }

    pub fn revoke_tokens(&mut self) {
        self.first_valid_token = self.next_token;
    }
}
