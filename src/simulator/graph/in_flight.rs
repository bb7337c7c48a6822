//! How many requests of a tenant are under way.

use std::sync::Arc;

use crate::{content::TenantId, simulator::state::Service};

/// More requests at once than this are refused sooner or later (SEEN): a well-behaved client stays at or below.
const POLITE: u32 = 10;

/// One request under way, until it is dropped.
pub(super) struct InFlight {
    service: Arc<Service>,
    tenant: TenantId,
    /// How many there are, with this one.
    pub count: u32,
}

impl InFlight {
    pub fn enter(service: &Arc<Service>, tenant: TenantId) -> Self {
        let mut state = service.state();
        let in_flight = state.graph.in_flight.entry(tenant).or_default();
        *in_flight += 1;
        let count = *in_flight;
        state.stats.graph.most_in_flight = state.stats.graph.most_in_flight.max(count);
        if count > POLITE {
            state.stats.violation(format!("{count} requests to the audit search of {tenant} at once"));
        }
        Self { service: Arc::clone(service), tenant, count }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(count) = self.service.state().graph.in_flight.get_mut(&self.tenant) {
            *count = count.saturating_sub(1);
        }
    }
}
