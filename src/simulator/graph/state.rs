//! What changes of the audit search while the simulator runs.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::SmallRng;
use uuid::Uuid;

use super::{error::GraphError, query::Query};
use crate::{
    content::TenantId,
    simulator::{
        dice::{self, Dice},
        state::SimulatorState,
    },
};

/// The limit on submissions is one of any 24 hours.
pub(super) const DAY: TimeDelta = TimeDelta::hours(24);

/// The queries of all tenants, and what depends on the order of requests.
pub(in crate::simulator) struct GraphState {
    /// A generator of its own: requests here do not change what the other API does.
    pub(super) rng: SmallRng,
    pub(super) queries: BTreeMap<Uuid, Query>,
    pub(super) next_query: u64,
    pub(super) in_flight: HashMap<TenantId, u32>,
}

impl GraphState {
    pub fn new(seed: Dice) -> Self {
        Self { rng: seed.of("graph", 0).rng(), queries: BTreeMap::new(), next_query: 0, in_flight: HashMap::new() }
    }

    /// Forgets the queries that are too old to be known.
    pub(super) fn forget(&mut self, kept: TimeDelta, now: DateTime<Utc>) {
        self.queries.retain(|_, query| now - query.created < kept);
    }

    /// How many queries of a tenant are queued or running.
    pub(super) fn active(&self, tenant: TenantId, now: DateTime<Utc>) -> usize {
        let of_tenant = self.queries.values().filter(|query| query.tenant == tenant);
        of_tenant.filter(|query| query.status(now).is_active()).count()
    }
}

/// Refuses with 429. `wait` is in seconds; whether the caller hears of it is up to chance.
pub(super) fn throttled(state: &mut SimulatorState, wait: u64) -> GraphError {
    state.stats.graph.throttled += 1;
    let is_silent = dice::chance(&mut state.graph.rng, state.faults.graph.without_retry_after);
    GraphError::too_many((!is_silent).then_some(wait))
}
