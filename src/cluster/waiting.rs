//! Tenants that are this member's share, and on which another still works.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::telemetry;
use crate::content::TenantId;

/// How long a tenant may take to come: its owner finishes what it has begun, and a command what it was told.
const PATIENCE: Duration = Duration::from_secs(30);

/// Since when each has been waited for.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<BTreeMap<TenantId, Wait>>);

#[derive(Debug)]
struct Wait {
    since: Instant,
    is_told: bool,
}

impl Waiting {
    /// Notes that a tenant is waited for, and says so when that takes long.
    pub fn note(&self, tenant: TenantId, host: &str) {
        let mut waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = waits.entry(tenant).or_insert_with(|| Wait { since: Instant::now(), is_told: false });
        if !wait.is_told && wait.since.elapsed() >= PATIENCE {
            wait.is_told = true;
            telemetry::waits(tenant, host);
        }
    }

    /// Forgets all tenants but these, which may be waited for.
    pub fn retain(&self, wanted: &BTreeSet<TenantId>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|tenant, _| wanted.contains(tenant));
    }
}
