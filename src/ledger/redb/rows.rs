//! Rows of blobs and the indexes that list them.

use chrono::{DateTime, Utc};
use redb::{ReadableTable, WriteTransaction};

use super::tables::{
    ANNOUNCED, ANNOUNCED_PENDING, BLOBS, Bytes, DEAD, DEFERRED, EXPIRY, Index, READY, decode, encode, parsed,
};
use crate::{
    content::ContentRef,
    ledger::{
        BlobKey, keys,
        row::{BlobState, Row},
    },
};

/// How many rows one transaction of a sweep changes, so that writers need not wait long.
pub(super) const SWEEP: usize = 500;

/// What a change of a blob's row counts for: the row, and its place in three indexes.
pub(super) const ROWS_OF_A_BLOB: usize = 4;

pub(super) fn insert(tx: &WriteTransaction, key: &BlobKey, row: &Row) -> Result<(), redb::Error> {
    tx.open_table(BLOBS)?.insert(keys::blob(key).as_slice(), encode(row)?.as_slice())?;
    index(tx, key, row)
}

pub(super) fn remove(tx: &WriteTransaction, key: &BlobKey, row: &Row) -> Result<(), redb::Error> {
    unindex(tx, key, row)?;
    tx.open_table(BLOBS)?.remove(keys::blob(key).as_slice())?;
    Ok(())
}

/// Changes a row and keeps the indexes true. A row that is gone (its tenant was forgotten while it was held) stays gone.
pub(super) fn change(tx: &WriteTransaction, key: &BlobKey, with: impl FnOnce(&mut Row)) -> Result<(), redb::Error> {
    let mut blobs = tx.open_table(BLOBS)?;
    let Some(mut row) = row_of(&blobs, key)? else { return Ok(()) };
    unindex(tx, key, &row)?;
    with(&mut row);
    blobs.insert(keys::blob(key).as_slice(), encode(&row)?.as_slice())?;
    index(tx, key, &row)
}

/// Makes content pending, whatever became of it before. What is pending stays, with the newest URI.
pub(super) fn make_pending(tx: &WriteTransaction, content: &ContentRef, now: DateTime<Utc>) -> Result<(), redb::Error> {
    let key = BlobKey::from(content);
    let known = row_of(&tx.open_table(BLOBS)?, &key)?;
    if let Some(known) = &known {
        unindex(tx, &key, known)?;
    }
    insert(tx, &key, &Row::pending(known, content, now))
}

pub(super) fn row_of(blobs: &impl ReadableTable<Bytes, Bytes>, key: &BlobKey) -> Result<Option<Row>, redb::Error> {
    blobs.get(keys::blob(key).as_slice())?.map(|value| decode(value.value())).transpose()
}

/// The first [`SWEEP`] entries of an index in the order of time that are not after `end`.
pub(super) fn first_until(
    index: &impl ReadableTable<Bytes, ()>,
    end: DateTime<Utc>,
) -> Result<Vec<(BlobKey, DateTime<Utc>)>, redb::Error> {
    let mut found = Vec::new();
    for entry in index.iter()?.take(SWEEP) {
        let (key, time) = parsed(keys::parse_in_time_order(entry?.0.value()))?;
        if time > end {
            break;
        }
        found.push((key, time));
    }
    Ok(found)
}

/// Where a row is listed besides `blobs`: the one place that knows, for adding and for removing.
fn index_entries(key: &BlobKey, row: &Row) -> [(Index, Vec<u8>); 2] {
    let by_state = match &row.state {
        BlobState::Pending { not_before: Some(time), .. } => (DEFERRED, keys::in_time_order(key, *time)),
        BlobState::Pending { not_before: None, .. } if row.announced => {
            (ANNOUNCED, keys::in_feed_order(key, row.created))
        }
        BlobState::Pending { not_before: None, .. } => (READY, keys::in_feed_order(key, row.created)),
        BlobState::Dead { at, .. } => (DEAD, keys::in_time_order(key, *at)),
        // Done rows are found by their key only; the expiry entry below stands in twice.
        BlobState::Done { .. } => (EXPIRY, keys::in_time_order(key, row.keep_until())),
    };
    [by_state, (EXPIRY, keys::in_time_order(key, row.keep_until()))]
}

fn index(tx: &WriteTransaction, key: &BlobKey, row: &Row) -> Result<(), redb::Error> {
    for (index, entry) in index_entries(key, row) {
        tx.open_table(index)?.insert(entry.as_slice(), ())?;
    }
    count_announced(tx, key, row, |pending| pending.saturating_add(1))
}

fn unindex(tx: &WriteTransaction, key: &BlobKey, row: &Row) -> Result<(), redb::Error> {
    for (index, entry) in index_entries(key, row) {
        tx.open_table(index)?.remove(entry.as_slice())?;
    }
    count_announced(tx, key, row, |pending| pending.saturating_sub(1))
}

fn count_announced(
    tx: &WriteTransaction,
    key: &BlobKey,
    row: &Row,
    step: impl FnOnce(u64) -> u64,
) -> Result<(), redb::Error> {
    if row.announced && row.is_pending() {
        let mut counts = tx.open_table(ANNOUNCED_PENDING)?;
        let feed = keys::feed(key.feed);
        let pending = counts.get(feed.as_slice())?.map_or(0, |pending| pending.value());
        counts.insert(feed.as_slice(), step(pending))?;
    }
    Ok(())
}
