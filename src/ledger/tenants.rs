//! What is kept of tenants beside the configuration.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::LedgerError;
use crate::content::TenantId;

/// What is kept of a tenant beside the configuration.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TenantRecord {
    /// Which tenant.
    pub id: TenantId,
    /// Its display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// When it registered; `None` for one that stood in the configuration when its domain was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<DateTime<Utc>>,
}

/// Tenants that registered by consent, and domains that were set by command.
#[async_trait]
pub trait TenantStore: fmt::Debug + Send + Sync {
    /// The tenants that registered or whose domain was set.
    async fn tenants(&self) -> Result<Vec<TenantRecord>, LedgerError>;

    /// Notes a tenant, in place of what was noted of it.
    async fn put_tenant(&self, record: TenantRecord) -> Result<(), LedgerError>;

    /// Forgets a tenant: its record, its cursors, its webhooks, its days and counts, its queries, and its content, pending
    /// or not. Returns how much of the content was pending.
    ///
    /// Two things stay: ids of delivered events, until their time is over, and when its subscriptions were started, as
    /// Microsoft's 15 minutes between starts hold for a tenant that registers again.
    async fn forget_tenant(&self, tenant: TenantId) -> Result<u64, LedgerError>;
}
