//! The tables about tenants and their webhooks.

use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use super::{
    TenantRecord, keys,
    redb::{Bytes, CURSORS, decode, encode},
};
use crate::content::{ContentType, Feed, TenantId};

const TENANTS: TableDefinition<Bytes, Bytes> = TableDefinition::new("tenants");
const WEBHOOKS: TableDefinition<Bytes, &str> = TableDefinition::new("webhooks");

/// How many addresses of a feed's webhooks are kept: who changes `public_url` more often between two looks at the
/// subscriptions?
const MOST_ADDRESSES: usize = 8;

pub(super) fn create_tables(tx: &WriteTransaction) -> Result<(), redb::Error> {
    tx.open_table(TENANTS)?;
    tx.open_table(WEBHOOKS)?;
    Ok(())
}

pub(super) fn webhooks(tx: &ReadTransaction, feed: Feed) -> Result<Vec<String>, redb::Error> {
    let webhooks = tx.open_table(WEBHOOKS)?;
    let addresses = webhooks.get(keys::feed(feed).as_slice())?;
    Ok(addresses.map(|addresses| addresses.value().lines().map(str::to_owned).collect()).unwrap_or_default())
}

pub(super) fn note_webhook(tx: &WriteTransaction, feed: Feed, address: &str) -> Result<(), redb::Error> {
    let mut webhooks = tx.open_table(WEBHOOKS)?;
    let key = keys::feed(feed);
    let mut addresses: Vec<String> = match webhooks.get(key.as_slice())? {
        Some(known) => known.value().lines().filter(|known| *known != address).map(str::to_owned).collect(),
        None => Vec::new(),
    };
    addresses.push(address.to_owned());
    let oldest_kept = addresses.len().saturating_sub(MOST_ADDRESSES);
    webhooks.insert(key.as_slice(), addresses[oldest_kept..].join("\n").as_str())?;
    Ok(())
}

pub(super) fn forget_webhooks(tx: &WriteTransaction, feed: Feed) -> Result<(), redb::Error> {
    tx.open_table(WEBHOOKS)?.remove(keys::feed(feed).as_slice())?;
    Ok(())
}

pub(super) fn all(tx: &ReadTransaction) -> Result<Vec<TenantRecord>, redb::Error> {
    let mut records = Vec::new();
    for entry in tx.open_table(TENANTS)?.iter()? {
        records.push(decode(entry?.1.value())?);
    }
    Ok(records)
}

pub(super) fn put(tx: &WriteTransaction, record: &TenantRecord) -> Result<(), redb::Error> {
    tx.open_table(TENANTS)?.insert(record.id.0.as_bytes().as_slice(), encode(record)?.as_slice())?;
    Ok(())
}

/// Forgets what is kept of a tenant, except its content and when its subscriptions were started: whoever registers again is
/// still within Microsoft's 15 minutes.
pub(super) fn forget_record(tx: &WriteTransaction, tenant: TenantId) -> Result<(), redb::Error> {
    tx.open_table(TENANTS)?.remove(tenant.0.as_bytes().as_slice())?;
    let (mut webhooks, mut cursors) = (tx.open_table(WEBHOOKS)?, tx.open_table(CURSORS)?);
    for content_type in ContentType::ALL {
        let feed = keys::feed(Feed { tenant, content_type });
        webhooks.remove(feed.as_slice())?;
        cursors.remove(feed.as_slice())?;
    }
    Ok(())
}
