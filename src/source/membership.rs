//! A source that shares its tenants with others, or has them all.

#[cfg(not(feature = "nats"))]
use std::future::pending;
#[cfg(feature = "nats")]
use std::{future::pending, sync::Arc, time::Duration};

#[cfg(feature = "nats")]
use tokio::time::timeout;

use super::state::State;
#[cfg(feature = "nats")]
use crate::cluster::Cluster;
use crate::{ledger::LedgerError, telemetry::Progress, tenants::Tenants, wake_up::WakeUp};

/// For how long the end of a source waits until its tenants are given back. Without that, others take them when the lease has run out.
#[cfg(feature = "nats")]
const GOODBYE: Duration = Duration::from_secs(10);

/// What shares the tenants of a source, if anything does.
pub(super) struct Membership {
    #[cfg(feature = "nats")]
    cluster: Option<Cluster>,
}

impl Membership {
    #[cfg(feature = "nats")]
    pub fn of(state: &State, tenants: &Tenants, progress: &Progress, work: &WakeUp) -> Self {
        let cluster = state.shared.as_ref().map(|ledger| Cluster {
            ledger: Arc::clone(ledger),
            tenants: tenants.clone(),
            own: Tenants::none(),
            progress: progress.clone(),
            work: work.clone(),
        });
        Self { cluster }
    }

    #[cfg(not(feature = "nats"))]
    pub const fn of(_: &State, _: &Tenants, _: &Progress, _: &WakeUp) -> Self {
        Self {}
    }

    /// The tenants that this source works on, of all of them.
    pub fn own(&self, all: &Tenants) -> Tenants {
        #[cfg(feature = "nats")]
        if let Some(cluster) = &self.cluster {
            return cluster.own.clone();
        }
        all.clone()
    }

    /// Shares the tenants; runs indefinitely.
    ///
    /// # Errors
    ///
    /// When the ledger fails.
    pub async fn run(&self) -> Result<(), LedgerError> {
        #[cfg(feature = "nats")]
        if let Some(cluster) = &self.cluster {
            return cluster.run().await;
        }
        pending().await
    }

    /// Leaves the tenants to others. Nothing may be collected any more.
    pub async fn leave(&self) {
        #[cfg(feature = "nats")]
        if let Some(cluster) = &self.cluster {
            let _ = timeout(GOODBYE, cluster.leave()).await;
        }
    }
}
