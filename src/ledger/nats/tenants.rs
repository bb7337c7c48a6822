//! What is kept of tenants. All members know it.

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    NatsLedger,
    change::message,
    error::{NatsError, RowSnafu},
    ownership::feeds,
    subject,
    transfer::json,
};
use crate::{
    content::TenantId,
    ledger::{LedgerError, Piece, TenantRecord, TenantStore},
};

/// What goes with a tenant. Ids of delivered events, and when subscriptions were started, stay.
const GO: [&str; 4] = ["content.>", "day.>", "count.>", "queries"];

#[async_trait]
impl TenantStore for NatsLedger {
    async fn tenants(&self) -> Result<Vec<TenantRecord>, LedgerError> {
        let mut tenants = Vec::new();
        if self.bucket.subjects("tenant.*").await?.is_empty() {
            return Ok(tenants);
        }
        let mut rows = self.bucket.rows("tenant.*").await?;
        loop {
            let (row, more) = rows.next().await?;
            if let Some(value) = row.value {
                tenants.push(record(&row.subject, &value)?);
            }
            if more == 0 {
                break;
            }
        }
        rows.close().await;
        tenants.sort_unstable_by_key(|record: &TenantRecord| record.id);
        Ok(tenants)
    }

    async fn put_tenant(&self, record: TenantRecord) -> Result<(), LedgerError> {
        let subject = subject::tenant(record.id);
        let value = json(&Piece::Tenant(record));
        Ok(self.bucket.put(message(subject, Some(value), None)).await.map(drop)?)
    }

    async fn forget_tenant(&self, tenant: TenantId) -> Result<u64, LedgerError> {
        // The record goes first: without it, no member takes the tenant again.
        self.bucket.put(message(subject::tenant(tenant), None, None)).await?;
        let was_owned = self.owned.revision(tenant).is_some();
        self.seize(tenant).await?;
        let pending = self.local.forget_tenant(tenant).await?;
        for filter in GO {
            self.bucket.purge(&format!("{tenant}.{filter}")).await?;
        }
        self.write(feeds(tenant)).await?;
        if !was_owned {
            self.give_back(tenant).await?;
        }
        Ok(pending)
    }
}

fn record(subject: &str, value: &Bytes) -> Result<TenantRecord, NatsError> {
    match serde_json::from_slice(value) {
        Ok(Piece::Tenant(record)) => Ok(record),
        Ok(_) => RowSnafu { subject, detail: "it is no record of a tenant" }.fail(),
        Err(error) => RowSnafu { subject, detail: error.to_string() }.fail(),
    }
}
