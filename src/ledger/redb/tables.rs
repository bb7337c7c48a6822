//! The tables of the file, and how their values are written. Keys are those of [`keys`](crate::ledger::keys):
//!
//! | table | key | value |
//! |---|---|---|
//! | `blobs` | feed, content id | [`Row`](crate::ledger::row::Row) as JSON |
//! | `ready` | feed, created, content id | nothing: blobs that can be claimed |
//! | `announced` | feed, created, content id | nothing: as `ready`, of blobs that no listing has named yet |
//! | `announced_owed` | feed | how many pending blobs of the feed no listing has named yet |
//! | `deferred` | time, feed, content id | nothing: pending blobs that wait for a retry |
//! | `expiry` | time, feed, content id | nothing: when a row may be forgotten |
//! | `dead` | time, feed, content id | nothing: blobs given up |
//! | `cursors` | feed | [`Cursor`](crate::ledger::Cursor) as JSON |
//! | `subscriptions` | feed | time of the last attempt to start it |
//! | `webhooks` | feed | addresses of webhooks that were set or tried, one a line |
//! | `tenants` | tenant | [`TenantRecord`](crate::ledger::TenantRecord) as JSON |
//! | `secrets` | name | what this source made up for itself: the AuthID of its webhooks |
//! | `audit_days` | tenant, day | [`DayRecord`](crate::ledger::DayRecord) as JSON |
//! | `open_audit_days` | tenant, day | nothing: days of which searches are under way |
//! | `delivered_counts` | tenant, day, content type | how many events of that day live collection and searches have delivered |
//! | `queries` | tenant | when queries were created lately, as JSON |
//! | `event_batches` | day, number | keys of events that were delivered on that day, one after the other |
//! | `events_<day>` | event key | nothing: events delivered on that day |
//!
//! Event ids are in one table for each day, so that forgetting a day is dropping a table.

use redb::{TableDefinition, WriteTransaction};
use serde::{Serialize, de::DeserializeOwned};

use super::events::BATCHES;

pub(super) type Bytes = &'static [u8];
/// A table that lists blobs or days by its keys alone.
pub(super) type Index = TableDefinition<'static, Bytes, ()>;

pub(super) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
pub(super) const BLOBS: TableDefinition<Bytes, Bytes> = TableDefinition::new("blobs");
pub(super) const READY: Index = TableDefinition::new("ready");
pub(super) const ANNOUNCED: Index = TableDefinition::new("announced");
/// The name in the file is older than the word.
pub(super) const ANNOUNCED_PENDING: TableDefinition<Bytes, u64> = TableDefinition::new("announced_owed");
pub(super) const DEFERRED: Index = TableDefinition::new("deferred");
pub(super) const EXPIRY: Index = TableDefinition::new("expiry");
pub(super) const DEAD: Index = TableDefinition::new("dead");
pub(super) const CURSORS: TableDefinition<Bytes, Bytes> = TableDefinition::new("cursors");
pub(super) const SUBSCRIPTIONS: TableDefinition<Bytes, i64> = TableDefinition::new("subscriptions");
pub(super) const WEBHOOKS: TableDefinition<Bytes, &str> = TableDefinition::new("webhooks");
pub(super) const TENANTS: TableDefinition<Bytes, Bytes> = TableDefinition::new("tenants");
pub(super) const SECRETS: TableDefinition<&str, &str> = TableDefinition::new("secrets");

pub(super) const AUDIT_DAYS: TableDefinition<Bytes, Bytes> = TableDefinition::new("audit_days");
pub(super) const OPEN_AUDIT_DAYS: Index = TableDefinition::new("open_audit_days");
pub(super) const DELIVERED_COUNTS: TableDefinition<Bytes, (u64, u64)> = TableDefinition::new("delivered_counts");
pub(super) const QUERIES: TableDefinition<Bytes, Bytes> = TableDefinition::new("queries");

/// Makes the tables that the file lacks.
pub(super) fn create(tx: &WriteTransaction) -> Result<(), redb::Error> {
    tx.open_table(BLOBS)?;
    for index in [READY, ANNOUNCED, DEFERRED, EXPIRY, DEAD, OPEN_AUDIT_DAYS] {
        tx.open_table(index)?;
    }
    tx.open_table(ANNOUNCED_PENDING)?;
    tx.open_table(CURSORS)?;
    tx.open_table(SUBSCRIPTIONS)?;
    tx.open_table(WEBHOOKS)?;
    tx.open_table(TENANTS)?;
    tx.open_table(SECRETS)?;
    tx.open_table(AUDIT_DAYS)?;
    tx.open_table(DELIVERED_COUNTS)?;
    tx.open_table(QUERIES)?;
    tx.open_table(BATCHES)?;
    Ok(())
}

pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, redb::Error> {
    serde_json::to_vec(value).map_err(|error| corrupt(error.to_string()))
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, redb::Error> {
    serde_json::from_slice(bytes).map_err(|error| corrupt(format!("a row cannot be read: {error}")))
}

/// A key that was parsed; every key of the file can be.
pub(super) fn parsed<T>(value: Option<T>) -> Result<T, redb::Error> {
    value.ok_or_else(|| corrupt("a key cannot be read".to_owned()))
}

/// A row that an index names.
pub(super) fn existing<T>(row: Option<T>) -> Result<T, redb::Error> {
    row.ok_or_else(|| corrupt("an index names a row that does not exist".to_owned()))
}

pub(super) fn corrupt(detail: String) -> redb::Error {
    redb::Error::Corrupted(detail)
}
