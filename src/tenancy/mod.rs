//! Adds and removes tenants while the source runs: by an administrator's consent, and by the command line. The other
//! commands for a source are here as well.

mod administration;
mod configured_source;
#[cfg(unix)]
pub mod control;
mod coverage;
mod error;
#[cfg(feature = "nats")]
pub mod migration;
mod offline;
mod question;
#[cfg(feature = "nats")]
mod shared;
mod state;
mod state_file;
mod subscriptions;
mod telemetry;
mod transfer;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

pub use self::{
    administration::{Administration, Selection},
    configured_source::{ChoiceError, ConfiguredSource},
    coverage::CoverageError,
    error::TenancyError,
    offline::{Answered, AskError, Connection, ask_running, ask_source},
    question::{Answer, Comparing, Question, UNEXPECTED, answer},
    state::FeedState,
    state_file::{STATE_VERSION, StateEnd, StateFileError, StateHeader},
    subscriptions::{ChangeOutcome, ChangedSubscription, SubscriptionChange, SubscriptionEntry, WebhookEntry},
    transfer::{ExportError, ImportError, Imported, export_state, import_state},
};
use crate::{
    activity::ActivityClient,
    content::{ContentType, TenantId},
    discovery::SubscriptionBook,
    ledger::{LedgerError, TenantRecord, TenantStore},
    telemetry::Progress,
    tenants::Tenants,
};

/// Without a tenant, notifications are refused: they belong to no known tenant.
pub(crate) const NO_TENANT: &str = "there is no tenant yet: run `office365-source register` and open the link that it prints as an \
                         administrator of the tenant, or write [[tenants]] in the configuration";

/// The one place where tenants are added, changed and removed.
#[derive(Clone, Debug)]
pub struct Tenancy {
    /// Whose audit logs are collected now.
    pub tenants: Tenants,
    /// Those among them that this source works on, and knows the content of: all, unless several collectors share them.
    pub own: Tenants,
    /// Where that is kept.
    pub ledger: Arc<dyn TenantStore>,
    /// The API, for the time.
    pub client: ActivityClient,
    /// What is started for those who come and stopped for those who leave.
    pub subscriptions: SubscriptionBook,
    /// Of which content types.
    pub content_types: Vec<ContentType>,
    /// Where those who leave are forgotten.
    pub progress: Progress,
    /// Who is changing which tenant.
    pub turns: Turns,
}

/// One change of a tenant at a time: an incomplete registration and a removal would each undo a part of the other.
#[derive(Clone, Debug, Default)]
pub struct Turns(Arc<std::sync::Mutex<HashMap<TenantId, Arc<Mutex<()>>>>>);

/// A tenant as the command line shows it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TenantEntry {
    /// Which.
    pub id: TenantId,
    /// Its display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Whether it stands in the configuration.
    pub configured: bool,
    /// When it registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<DateTime<Utc>>,
}

/// What became of a tenant that was removed.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Removal {
    /// Content that was known and is not collected any more. Unit: blobs.
    pub blobs_dropped: u64,
    /// The content types whose subscription could not be stopped, and why.
    pub still_subscribed: Vec<(ContentType, String)>,
}

impl Tenancy {
    /// What is held while a tenant is changed.
    pub(crate) fn turn(&self, id: TenantId) -> Arc<Mutex<()>> {
        let mut turns = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Locks that no caller waits for are made again when they are needed.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(id).or_default())
    }

    /// All tenants, in the order of their ids.
    ///
    /// # Errors
    ///
    /// When the ledger fails.
    pub async fn list(&self) -> Result<Vec<TenantEntry>, LedgerError> {
        let records = self.ledger.tenants().await?;
        let entry = |(id, tenant): (TenantId, crate::tenants::Tenant)| TenantEntry {
            id,
            domain: tenant.domain.as_deref().map(str::to_owned),
            configured: tenant.configured,
            registered: records.iter().find(|record| record.id == id).and_then(|record| record.registered),
        };
        Ok(self.tenants.all().into_iter().map(entry).collect())
    }

    /// Sets or takes away the domain of a tenant; the tenant's events carry it from now on.
    ///
    /// # Errors
    ///
    /// When there is no such tenant, or the configuration names its domain.
    pub async fn set_domain(&self, id: TenantId, domain: Option<String>) -> Result<(), TenancyError> {
        let turn = self.turn(id);
        let _turn = turn.lock().await;
        let tenant = self.tenants.get(id).ok_or(TenancyError::Unknown { id })?;
        if tenant.domain_configured {
            return Err(TenancyError::DomainConfigured { id });
        }
        let known = self.record(id).await?;
        self.put(TenantRecord { id, domain, registered: known.and_then(|record| record.registered) }).await?;
        telemetry::tenant_changed(id, "domain set");
        Ok(())
    }

    /// Adds a tenant; the caller has its turn. One that is known keeps its domain unless there is another.
    ///
    /// # Errors
    ///
    /// When the ledger fails.
    pub async fn add(&self, id: TenantId, domain: Option<String>) -> Result<(), LedgerError> {
        let known = self.record(id).await?;
        let registered =
            known.as_ref().and_then(|record| record.registered).unwrap_or_else(|| self.client.clock().now());
        let domain = domain.or_else(|| known.and_then(|record| record.domain));
        self.put(TenantRecord { id, domain, registered: Some(registered) }).await?;
        telemetry::tenant_changed(id, "registered");
        Ok(())
    }

    /// Removes a tenant: stops its subscriptions, and forgets it and its content. What is in flight may still be delivered.
    ///
    /// # Errors
    ///
    /// When there is no such tenant, or it stands in the configuration. A subscription that cannot be stopped is no
    /// error: the tenant may have withdrawn its consent.
    pub async fn remove(&self, id: TenantId) -> Result<Removal, TenancyError> {
        let turn = self.turn(id);
        let _turn = turn.lock().await;
        let tenant = self.tenants.get(id).ok_or(TenancyError::Unknown { id })?;
        if tenant.configured {
            return Err(TenancyError::Configured { id });
        }
        // First, so that no poller starts again what is stopped here.
        self.tenants.remove(id);
        let subscriptions = self.subscriptions.of(id);
        let mut still_subscribed = Vec::new();
        for content_type in &self.content_types {
            if let Err(error) = subscriptions.stop(*content_type).await {
                still_subscribed.push((*content_type, error.failure.to_string()));
            }
        }
        let blobs_dropped = self.ledger.forget_tenant(id).await?;
        self.subscriptions.forget(id);
        self.progress.forget(id);
        telemetry::tenant_forgotten(id, &self.content_types);
        self.tell_what_is_missing();
        telemetry::tenant_changed(id, "removed");
        Ok(Removal { blobs_dropped, still_subscribed })
    }

    /// Returns whether there is no tenant to collect from.
    pub fn tell_what_is_missing(&self) {
        let missing = self.tenants.is_empty().then_some(NO_TENANT);
        if missing.is_some() {
            telemetry::no_tenant(NO_TENANT);
        }
        self.progress.set_missing(missing);
    }

    async fn record(&self, id: TenantId) -> Result<Option<TenantRecord>, LedgerError> {
        Ok(self.ledger.tenants().await?.into_iter().find(|record| record.id == id))
    }

    async fn put(&self, record: TenantRecord) -> Result<(), LedgerError> {
        self.ledger.put_tenant(record.clone()).await?;
        self.tenants.apply(&record);
        self.tell_what_is_missing();
        Ok(())
    }
}
