//! What the command line can have done to a source, by the process that has its ledger.

use std::{path::Path, sync::Arc, time::Duration};

use snafu::ResultExt;

use super::{
    AskError, ConfiguredSource, NO_TENANT, Tenancy, TenancyError, Turns,
    offline::{InUseSnafu, LedgerSnafu, SetupSnafu},
};
use crate::{
    api_clients::{ApiClients, Environment},
    audit_search::{SearchContext, SearchTask},
    config::Mode,
    content::{ContentType, Feed, TenantId},
    discovery::{SubscriptionBook, WebhookPolicy},
    ledger::{Ledger, LedgerError, RedbLedger},
    telemetry::Progress,
    tenants::Tenants,
    wake_up::WakeUp,
};

/// A source as its administrators reach it.
#[derive(Clone, Debug)]
pub struct Administration {
    /// Its tenants, and the subscriptions of them.
    pub tenancy: Tenancy,
    /// What is known of their content.
    pub ledger: Arc<dyn Ledger>,
    /// Whom to notify of content that is pending again.
    pub(crate) work: WakeUp,
    /// What searching the audit log works with, where it is configured.
    pub(crate) search: Option<SearchContext>,
    /// The only days that it compares, where a command runs it for that.
    pub(crate) task: Option<SearchTask>,
}

/// Which feeds are meant.
#[derive(Clone, Debug, Default, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Selection {
    /// Those of this tenant; without it, of all tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// Those of these content types; without any, of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub content_types: Vec<ContentType>,
}

impl Selection {
    /// Whether a content type is meant.
    pub fn takes(&self, content_type: ContentType) -> bool {
        self.content_types.is_empty() || self.content_types.contains(&content_type)
    }
}

impl Administration {
    /// A source that does not run. Opens the ledger in `directory`, so that it cannot start meanwhile.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be opened, because the source runs, say.
    pub(super) async fn in_directory(source: ConfiguredSource<'_>, directory: &Path) -> Result<Self, AskError> {
        match RedbLedger::open(directory, source.config.ids_kept_for()).await {
            Ok(ledger) => Self::offline(source, Arc::new(ledger), None).await,
            Err(LedgerError::InUse { .. }) => InUseSnafu { directory }.fail(),
            Err(source) => Err(AskError::Ledger { source }),
        }
    }

    /// A source that does not run, with its ledger. `own` will have the tenants that it works on; without it, all.
    ///
    /// # Errors
    ///
    /// When the ledger fails, or the way to Microsoft cannot be prepared.
    pub(super) async fn offline(
        source: ConfiguredSource<'_>,
        ledger: Arc<dyn Ledger>,
        own: Option<Tenants>,
    ) -> Result<Self, AskError> {
        let config = source.config;
        let ApiClients { client, .. } =
            ApiClients::new(config, &source.key(), source.proxy, Environment::default()).context(SetupSnafu)?;
        let records = ledger.tenants().await.context(LedgerSnafu)?;
        let policy = match config.mode {
            Mode::Poll => WebhookPolicy::Without,
            // No listener runs here to receive notifications.
            Mode::Webhook => WebhookPolicy::Untouched,
        };
        let tenants = Tenants::new(&config.tenants, &records);
        let tenancy = Tenancy {
            own: own.unwrap_or_else(|| tenants.clone()),
            tenants,
            subscriptions: SubscriptionBook::new(client.clone(), ledger.clone(), policy, Duration::MAX),
            ledger: ledger.clone(),
            client,
            content_types: config.content_types.clone(),
            progress: Progress::default(),
            turns: Turns::default(),
        };
        // Nothing searches here: a program that wants that runs the source.
        Ok(Self { tenancy, ledger, work: WakeUp::default(), search: None, task: None })
    }

    /// The tenants that are meant, with their domains.
    ///
    /// # Errors
    ///
    /// When the one that is meant is not collected, or none is.
    pub(super) fn tenants(&self, selection: &Selection) -> Result<Vec<(TenantId, Option<String>)>, TenancyError> {
        let all = self.tenancy.tenants.all();
        if all.is_empty() {
            return Err(TenancyError::Nobody { advice: NO_TENANT });
        }
        if let Some(id) = selection.tenant.filter(|id| !all.contains_key(id)) {
            return Err(TenancyError::Unknown { id });
        }
        let is_meant = |id: &TenantId| selection.tenant.is_none_or(|tenant| tenant == *id);
        let meant = all.into_iter().filter(|(id, _)| is_meant(id));
        Ok(meant.map(|(id, tenant)| (id, tenant.domain.as_deref().map(str::to_owned))).collect())
    }

    /// The tenants that are meant, of those that this source works on.
    ///
    /// # Errors
    ///
    /// As [`tenants`](Self::tenants), and when the one that is meant, or all, are another collector's.
    pub(super) fn own_tenants(&self, selection: &Selection) -> Result<Vec<(TenantId, Option<String>)>, TenancyError> {
        let mut tenants = self.tenants(selection)?;
        tenants.retain(|(id, _)| self.tenancy.own.contains(*id));
        if tenants.is_empty() { Err(TenancyError::Elsewhere) } else { Ok(tenants) }
    }

    /// The feeds that are meant: of the content types that are collected, unless others are named.
    ///
    /// # Errors
    ///
    /// As [`own_tenants`](Self::own_tenants).
    pub(super) fn feeds(&self, selection: &Selection) -> Result<Vec<Feed>, TenancyError> {
        let named = &selection.content_types;
        let content_types = if named.is_empty() { &self.tenancy.content_types } else { named };
        let tenants = self.own_tenants(selection)?;
        let of = |(tenant, _): &(TenantId, _)| {
            let tenant = *tenant;
            content_types.iter().map(move |content_type| Feed { tenant, content_type: *content_type })
        };
        Ok(tenants.iter().flat_map(of).collect())
    }
}
