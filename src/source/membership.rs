//! A source that shares its tenants with others, or has them all.

use std::{future::pending, time::Duration};

use tokio::time::timeout;

use super::state::State;
#[cfg(feature = "nats")]
use crate::cluster::Cluster;
use crate::{activity::ActivityClient, ledger::LedgerError, telemetry::Progress, tenants::Tenants, wake_up::WakeUp};

/// For how long the end of a source waits until its tenants are given back. Without that, others take them when the lease has run out.
const GOODBYE: Duration = Duration::from_secs(10);

/// What shares the tenants of a source, if anything does.
pub(super) struct Membership {
    cluster: Option<Cluster>,
}

impl Membership {
    #[cfg(feature = "nats")]
    pub fn of(state: &State, client: &ActivityClient, tenants: &Tenants, progress: &Progress, work: &WakeUp) -> Self {
        let cluster = state.shared.as_ref().map(|ledger| Cluster {
            ledger: ledger.clone(),
            client: client.clone(),
            tenants: tenants.clone(),
            own: Tenants::none(),
            progress: progress.clone(),
            work: work.clone(),
        });
        Self { cluster }
    }

    #[cfg(not(feature = "nats"))]
    pub const fn of(_: &State, _: &ActivityClient, _: &Tenants, _: &Progress, _: &WakeUp) -> Self {
        Self { cluster: None }
    }

    /// The tenants that this source works on, of all of them.
    pub fn own(&self, all: &Tenants) -> Tenants {
        self.cluster.as_ref().map_or(all, |cluster| &cluster.own).clone()
    }

    /// Shares the tenants; runs indefinitely.
    ///
    /// # Errors
    ///
    /// When the ledger fails.
    pub async fn run(&self) -> Result<(), LedgerError> {
        match &self.cluster {
            Some(cluster) => cluster.run().await,
            None => pending().await,
        }
    }

    /// Leaves the tenants to others. Nothing may be collected any more.
    pub async fn leave(&self) {
        if let Some(cluster) = &self.cluster {
            let _ = timeout(GOODBYE, cluster.leave()).await;
        }
    }
}

/// Without NATS there is none.
#[cfg(not(feature = "nats"))]
struct Cluster {
    own: Tenants,
    none: std::convert::Infallible,
}

#[cfg(not(feature = "nats"))]
impl Cluster {
    fn run(&self) -> std::future::Ready<Result<(), LedgerError>> {
        match self.none {}
    }

    fn leave(&self) -> std::future::Ready<()> {
        match self.none {}
    }
}
