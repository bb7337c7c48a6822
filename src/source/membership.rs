//! A source that shares its tenants with others, or has them all.

use std::{future::pending, time::Duration};

use tokio::time::timeout;
use tracing::warn;

use super::state::State;
use crate::{
    RunMode, activity::ActivityClient, audit_search::SearchTask, cluster::Cluster, ledger::LedgerError,
    telemetry::Progress, tenancy::TenancyError, tenants::Tenants, wake_up::WakeUp,
};

/// For how long the end of a source waits until its tenants are given back. Without that, others take them when the lease has run out.
const GOODBYE: Duration = Duration::from_secs(10);

/// What shares the tenants of a source, if anything does.
pub(super) struct Membership {
    cluster: Option<Cluster>,
    /// Whether the source ends by itself: it takes tenants that nobody works on, and is no member to share with.
    borrows: bool,
}

impl Membership {
    pub fn of(
        state: &State,
        client: &ActivityClient,
        tenants: &Tenants,
        progress: &Progress,
        work: &WakeUp,
        run_mode: RunMode,
    ) -> Self {
        let cluster = state.shared.as_ref().map(|ledger| Cluster {
            ledger: ledger.clone(),
            client: client.clone(),
            tenants: tenants.clone(),
            own: Tenants::none(),
            progress: progress.clone(),
            work: work.clone(),
        });
        Self { cluster, borrows: run_mode.patience().is_some() }
    }

    /// The tenants that this source works on, of all of them.
    pub fn own(&self, all: &Tenants) -> Tenants {
        self.cluster.as_ref().map_or(all, |cluster| &cluster.own).clone()
    }

    /// Takes the tenants of a source that ends by itself: the one that is meant, or all that no other collector works on.
    ///
    /// # Errors
    ///
    /// When the ledger fails, or when others work on all that are meant and `task` is about them.
    pub async fn begin(&self, task: Option<SearchTask>) -> crate::Result<()> {
        let Some(cluster) = self.cluster.as_ref().filter(|_| self.borrows) else { return Ok(()) };
        for (tenant, host) in cluster.borrow(task.and_then(|task| task.tenant)).await? {
            warn!(message = "Another collector works on this tenant; this run leaves it out.", tenant_id = %tenant, host);
            cluster.progress.left_to_another();
        }
        if task.is_some() && cluster.own.is_empty() {
            return Err(TenancyError::Elsewhere.into());
        }
        Ok(())
    }

    /// Shares the tenants, or keeps what was taken at the start; runs indefinitely.
    ///
    /// # Errors
    ///
    /// When the ledger fails.
    pub async fn run(&self) -> Result<(), LedgerError> {
        match &self.cluster {
            Some(cluster) if self.borrows => cluster.hold().await.map(|never| match never {}),
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
