//! The tables about tenants and their webhooks.

use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use super::{
    TenantRecord, keys,
    redb::{Bytes, CURSORS, decode, encode},
};
use crate::content::{ContentType, Feed, TenantId};

const TENANTS: TableDefinition<Bytes, Bytes> = TableDefinition::new("tenants");
const WEBHOOKS: TableDefinition<Bytes, &str> = TableDefinition::new("webhooks");

pub(super) fn create_tables(tx: &WriteTransaction) -> Result<(), redb::Error> {
    tx.open_table(TENANTS)?;
    tx.open_table(WEBHOOKS)?;
    Ok(())
}

pub(super) fn webhook(tx: &ReadTransaction, feed: Feed) -> Result<Option<String>, redb::Error> {
    let webhooks = tx.open_table(WEBHOOKS)?;
    Ok(webhooks.get(keys::feed(feed).as_slice())?.map(|address| address.value().to_owned()))
}

pub(super) fn note_webhook(tx: &WriteTransaction, feed: Feed, address: Option<&str>) -> Result<(), redb::Error> {
    let mut webhooks = tx.open_table(WEBHOOKS)?;
    match address {
        Some(address) => webhooks.insert(keys::feed(feed).as_slice(), address)?,
        None => webhooks.remove(keys::feed(feed).as_slice())?,
    };
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
