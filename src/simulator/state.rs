//! What changes while the simulator runs.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use rand::rngs::SmallRng;
use url::Url;

use super::{
    Faults, SimulatorConfig, Stats, TenantFault, World, dice::Dice, quota::Quota, subscriptions::Subscription,
    token::Mint,
};
use crate::{
    clock::Clock,
    content::{Feed, TenantId},
};

/// The whole service behind the routes.
pub(super) struct Service {
    pub config: SimulatorConfig,
    pub clock: Clock,
    /// When the simulator started: where the backlog ends and live content begins.
    pub started: DateTime<Utc>,
    pub world: World,
    pub mint: Mint,
    state: Mutex<State>,
}

/// The changing part. Operations on it are short and never wait, so one lock is enough.
pub(super) struct State {
    pub base_url: Url,
    pub faults: Faults,
    /// One generator for everything that depends on the order of requests.
    pub rng: SmallRng,
    pub stats: Stats,
    pub subscriptions: BTreeMap<Feed, Subscription>,
    pub quotas: HashMap<TenantId, Quota>,
    pub troubles: HashMap<TenantId, Vec<TenantFault>>,
    /// Tokens with a serial number below this are worthless.
    pub first_valid_token: u64,
    pub next_token: u64,
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
        let state = State {
            base_url: Url::parse("http://127.0.0.1:0").expect("a constant URL"),
            faults: config.faults.clone(),
            rng: seed.of("requests", 0).rng(),
            stats: Stats::default(),
            subscriptions: subscriptions.collect(),
            quotas: HashMap::new(),
            troubles: HashMap::new(),
            first_valid_token: 0,
            next_token: 0,
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

    pub fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked while holding the lock has failed already; the counters it left are still worth reading.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn has_trouble(&self, tenant: TenantId, trouble: TenantFault) -> bool {
        self.state().troubles.get(&tenant).is_some_and(|troubles| troubles.contains(&trouble))
    }
}

impl State {
    pub fn revoke_tokens(&mut self) {
        self.first_valid_token = self.next_token;
    }
}
