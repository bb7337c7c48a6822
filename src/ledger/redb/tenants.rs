//! What is kept of tenants.

use std::sync::Arc;

use async_trait::async_trait;
use redb::{ReadableTable, WriteTransaction};

use super::{
    RedbLedger, days,
    rows::{SWEEP, remove},
    tables::{BLOBS, CURSORS, TENANTS, WEBHOOKS, decode, encode, parsed},
    writer::Rank,
};
use crate::{
    content::{ContentType, Feed, TenantId},
    ledger::{LedgerError, TenantRecord, TenantStore, keys, row::Row},
};

#[async_trait]
impl TenantStore for RedbLedger {
    async fn tenants(&self) -> Result<Vec<TenantRecord>, LedgerError> {
        self.read(|tx| {
            let mut records = Vec::new();
            for entry in tx.open_table(TENANTS)?.iter()? {
                records.push(decode(entry?.1.value())?);
            }
            Ok(records)
        })
        .await
    }

    async fn put_tenant(&self, record: TenantRecord) -> Result<(), LedgerError> {
        self.writer
            .write(Rank::Urgent, move |tx| {
                tx.open_table(TENANTS)?.insert(record.id.0.as_bytes().as_slice(), encode(&record)?.as_slice())?;
                Ok(())
            })
            .await
    }

    async fn forget_tenant(&self, tenant: TenantId) -> Result<u64, LedgerError> {
        // The record goes first: after a crash in between, what is left of the content is forgotten when it expires.
        let cursors = Arc::clone(&self.cursors);
        let forget = move |tx: &WriteTransaction| {
            cursors.forget(tenant);
            forget_record(tx, tenant)
        };
        self.writer.write(Rank::Urgent, forget).await?;
        let mut pending = 0;
        loop {
            let (removed, of_them_pending) =
                self.writer.write(Rank::Bulk(SWEEP), move |tx| forget_some(tx, tenant)).await?;
            pending += of_them_pending;
            if removed < SWEEP {
                return Ok(pending);
            }
        }
    }
}

/// Forgets what is kept of a tenant, except its content and when its subscriptions were started.
fn forget_record(tx: &WriteTransaction, tenant: TenantId) -> Result<(), redb::Error> {
    tx.open_table(TENANTS)?.remove(tenant.0.as_bytes().as_slice())?;
    let (mut webhooks, mut cursors) = (tx.open_table(WEBHOOKS)?, tx.open_table(CURSORS)?);
    for content_type in ContentType::ALL {
        let feed = keys::feed(Feed { tenant, content_type });
        webhooks.remove(feed.as_slice())?;
        cursors.remove(feed.as_slice())?;
    }
    days::forget_tenant(tx, tenant)
}

/// Removes up to [`SWEEP`] blobs of a tenant; returns how many, and how many of them were pending.
fn forget_some(tx: &WriteTransaction, tenant: TenantId) -> Result<(usize, u64), redb::Error> {
    let mut found = Vec::new();
    {
        let blobs = tx.open_table(BLOBS)?;
        let start = tenant.0.as_bytes().as_slice();
        for entry in blobs.range(start..)?.take(SWEEP) {
            let (key, row) = entry?;
            let key = parsed(keys::parse_blob(key.value()))?;
            if key.feed.tenant != tenant {
                break;
            }
            found.push((key, decode::<Row>(row.value())?));
        }
    }
    let mut pending = 0;
    for (key, row) in &found {
        pending += u64::from(row.is_pending());
        remove(tx, key, row)?;
    }
    Ok((found.len(), pending))
}
