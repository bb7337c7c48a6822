//! State that several collectors share, for a command where no collector runs. A command that looks reads the state of all tenants. One that
//! changes something takes tenants that no collector works on, for as long as it takes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use snafu::ResultExt;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tracing::Instrument;

use super::{
    Administration, AskError, ConfiguredSource,
    offline::{LedgerSnafu, TemporarySnafu},
};
use crate::{
    cluster::Cluster, content::TenantId, ledger::NatsLedger, secrets::SecretReader, shared_state::nats_options,
    tenants::Tenants,
};

/// The state, as far as it was read or taken.
#[derive(Debug)]
pub(super) struct SharedState {
    pub administration: Administration,
    cluster: Cluster,
    /// Tenants that other collectors work on, with the names of their machines.
    pub elsewhere: BTreeMap<TenantId, String>,
    /// What was read for questions: of one tenant, or of all.
    viewed: BTreeSet<Option<TenantId>>,
    /// Keeps what was taken.
    holding: Option<JoinHandle<()>>,
    /// Where the copy of the state is. That of a collector here is the collector's.
    _copy: TempDir,
}

impl SharedState {
    /// Connects. `None` if there is no state yet: none is made.
    ///
    /// # Errors
    ///
    /// When NATS cannot be reached, or holds what it should not.
    pub async fn open(source: ConfiguredSource<'_>) -> Result<Option<Self>, AskError> {
        let config = source.config;
        let path = format!("{}.state", source.key());
        let options = nats_options(&config.state, &SecretReader::default(), &path)
            .await
            .map_err(|source| AskError::Shared { source })?;
        if !NatsLedger::exists(&options).await.context(LedgerSnafu)? {
            return Ok(None);
        }
        let copy = TempDir::with_prefix("office365-source-").context(TemporarySnafu)?;
        let ledger = NatsLedger::open(&options, copy.path(), config.ids_kept_for()).await.context(LedgerSnafu)?;
        let ledger = Arc::new(ledger);
        let own = Tenants::none();
        let administration = Administration::offline(source, ledger.clone(), Some(own.clone())).await?;
        let tenancy = &administration.tenancy;
        let cluster = Cluster {
            ledger,
            client: tenancy.client.clone(),
            tenants: tenancy.tenants.clone(),
            own,
            progress: tenancy.progress.clone(),
            work: administration.work.clone(),
        };
        Ok(Some(Self {
            administration,
            cluster,
            elsewhere: BTreeMap::new(),
            viewed: BTreeSet::new(),
            holding: None,
            _copy: copy,
        }))
    }

    /// Reads what is known of tenants, whoever works on them: of the one that is meant, or of all.
    ///
    /// # Errors
    ///
    /// When NATS does not answer.
    pub async fn view(&mut self, meant: Option<TenantId>) -> Result<(), AskError> {
        if !self.viewed.contains(&None) && self.viewed.insert(meant) {
            self.cluster.ledger.view(meant).await.context(LedgerSnafu)?;
            self.cluster.own.replace(self.cluster.tenants.all());
        }
        Ok(())
    }

    /// Takes the tenants that nobody works on: the one that is meant, or all.
    ///
    /// # Errors
    ///
    /// When NATS does not answer.
    pub async fn borrow(&mut self, meant: Option<TenantId>) -> Result<(), AskError> {
        self.elsewhere = self.cluster.borrow(meant).await.context(LedgerSnafu)?;
        let cluster = self.cluster.clone();
        self.holding.get_or_insert_with(|| {
            // What is written about a tenant that another has taken does not count.
            tokio::spawn(async move { drop(cluster.hold().await) }.in_current_span())
        });
        Ok(())
    }

    /// Gives everything back.
    pub async fn give_back(self) {
        if let Some(holding) = self.holding {
            holding.abort();
            self.cluster.leave().await;
        }
    }
}
