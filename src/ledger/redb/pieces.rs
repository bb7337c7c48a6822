//! Single rows as pieces, for a ledger elsewhere that holds the same.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, Utc};
use redb::{ReadTransaction, ReadableTable};

use super::{
    RedbLedger, counts, days,
    events::{self, BATCHES},
    queue::is_due,
    rows::row_of,
    tables::{AUDIT_DAYS, BLOBS, DEAD, DEFERRED, DELIVERED_COUNTS, QUERIES, SUBSCRIPTIONS, WEBHOOKS, decode, parsed},
};
use crate::{
    content::{Feed, TenantId},
    ledger::{BlobKey, ContentRecord, Cursor, FeedRecord, LedgerError, Piece, counting, keys, row_key::RowKey},
};

impl RedbLedger {
    /// The rows with these keys as they are now, in the order of `keys`. `None` for rows that do not exist.
    pub(in crate::ledger) async fn pieces(&self, keys: Vec<RowKey>) -> Result<Vec<Option<Piece>>, LedgerError> {
        let keys: Vec<_> = keys
            .into_iter()
            .map(|key| {
                // Cursors are newer in memory than in the file.
                let cursor = if let RowKey::Feed(feed) = key { self.cursors.get(feed) } else { Cursor::default() };
                (key, cursor)
            })
            .collect();
        self.read(move |tx| keys.iter().map(|(key, cursor)| piece(tx, key, *cursor)).collect()).await
    }

    /// The blobs that [`promote`](crate::ledger::ContentQueue::promote) makes claimable.
    pub(in crate::ledger) async fn due(&self, now: DateTime<Utc>) -> Result<Vec<BlobKey>, LedgerError> {
        self.read(move |tx| {
            let (deferred, mut due) = (tx.open_table(DEFERRED)?, Vec::new());
            // They are at the two ends, in the order of time.
            for entry in deferred.iter()? {
                match parsed(keys::parse_in_time_order(entry?.0.value()))? {
                    (key, time) if is_due(time, now) => due.push(key),
                    _ => break,
                }
            }
            for entry in deferred.iter()?.rev() {
                match parsed(keys::parse_in_time_order(entry?.0.value()))? {
                    (key, time) if time > now && is_due(time, now) => due.push(key),
                    _ => break,
                }
            }
            Ok(due)
        })
        .await
    }

    /// The dead blobs of some feeds.
    pub(in crate::ledger) async fn dead(&self, feeds: &[Feed]) -> Result<Vec<BlobKey>, LedgerError> {
        let feeds: HashSet<_> = feeds.iter().copied().collect();
        self.read(move |tx| {
            let mut dead = Vec::new();
            for entry in tx.open_table(DEAD)?.iter()? {
                let (key, _) = parsed(keys::parse_in_time_order(entry?.0.value()))?;
                if feeds.contains(&key.feed) {
                    dead.push(key);
                }
            }
            Ok(dead)
        })
        .await
    }

    /// The first day of which there are ids of delivered events.
    pub(in crate::ledger) async fn first_event_day(&self) -> Result<Option<NaiveDate>, LedgerError> {
        let first = self.read(|tx| events::first_day(tx.list_tables()?, &tx.open_table(BATCHES)?)).await?;
        Ok(first.and_then(events::date))
    }

    /// Whether a blob of a tenant is held.
    pub(in crate::ledger) fn holds_any_of(&self, tenant: TenantId) -> bool {
        self.held.any_of(tenant)
    }
}

fn piece(tx: &ReadTransaction, key: &RowKey, cursor: Cursor) -> Result<Option<Piece>, redb::Error> {
    Ok(match key {
        RowKey::Feed(feed) => feed_record(tx, *feed, cursor)?.map(Piece::Feed),
        RowKey::Content(key) => {
            let row = row_of(&tx.open_table(BLOBS)?, key)?;
            row.map(|row| Piece::Content(ContentRecord::new(key.clone(), row)))
        }
        RowKey::Day(of) => days::day_of(&tx.open_table(AUDIT_DAYS)?, *of)?.map(Piece::Day),
        RowKey::Count(feed, day) => {
            let (of, content_type) = counting::key(*feed, *day);
            let table = tx.open_table(DELIVERED_COUNTS)?;
            let row = table.get(keys::count(of, content_type).as_slice())?;
            row.map(|row| Piece::DeliveredCount { feed: *feed, day: *day, counts: counts::from_row(row.value()) })
        }
        RowKey::Queries(tenant) => {
            let table = tx.open_table(QUERIES)?;
            let row = table.get(tenant.0.as_bytes().as_slice())?;
            row.map(|row| Ok::<_, redb::Error>(Piece::Queries { tenant: *tenant, times: decode(row.value())? }))
                .transpose()?
        }
    })
}

fn feed_record(tx: &ReadTransaction, feed: Feed, cursor: Cursor) -> Result<Option<FeedRecord>, redb::Error> {
    let key = keys::feed(feed);
    let last_start = tx.open_table(SUBSCRIPTIONS)?.get(key.as_slice())?;
    let last_start = last_start.and_then(|at| DateTime::from_timestamp_millis(at.value()));
    let webhooks = tx.open_table(WEBHOOKS)?.get(key.as_slice())?;
    let webhooks: Vec<_> = webhooks
        .iter()
        .flat_map(|addresses| addresses.value().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let is_known = cursor != Cursor::default() || last_start.is_some() || !webhooks.is_empty();
    Ok(is_known.then_some(FeedRecord { feed, cursor, last_start, webhooks }))
}
