//! Forgetting what is over, and counting what is there.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use redb::{ReadableTable, WriteTransaction};

use super::{
    RedbLedger, days,
    events::{self, BATCHES},
    held::Held,
    rows::{SWEEP, change, first_until, remove, row_of},
    tables::{ANNOUNCED, BLOBS, DEAD, DEFERRED, EXPIRY, READY, parsed},
    writer::Rank,
};
use crate::{
    content::Feed,
    ledger::{
        BlobKey, DeadBlob, FeedSummary, LedgerError, Pruned, Upkeep, keys,
        row::{BlobState, Row},
        upkeep::{COVERAGE, EXPIRED},
    },
};

#[async_trait]
impl Upkeep for RedbLedger {
    async fn prune(&self, now: DateTime<Utc>) -> Result<Pruned, LedgerError> {
        let oldest_kept = events::day_of(self.retention.oldest_kept(self, now).await?);
        let first = self.read(|tx| events::first_day(tx.list_tables()?, &tx.open_table(BATCHES)?)).await?;
        if first.is_some_and(|first| first < oldest_kept) {
            let recent = self.recent();
            let forget = move |tx: &WriteTransaction| events::forget_before(tx, oldest_kept);
            self.writer.write_then(Rank::Bulk(SWEEP), forget, move |()| recent.forget_before(oldest_kept)).await?;
        }
        let oldest_kept = (now - COVERAGE).date_naive();
        while self.read(move |tx| days::are_any_before(tx, oldest_kept)).await? {
            let forget = move |tx: &WriteTransaction| days::forget_before(tx, oldest_kept);
            self.writer.write(Rank::Bulk(SWEEP), forget).await?;
        }
        let mut pruned = Pruned::default();
        loop {
            let held = self.held();
            let (handled, mut some) =
                self.writer.write(Rank::Bulk(SWEEP), move |tx| prune_some(tx, now, &held)).await?;
            pruned.forgotten += some.forgotten;
            pruned.expired.append(&mut some.expired);
            if handled < SWEEP {
                return Ok(pruned);
            }
        }
    }

    fn size(&self) -> Option<u64> {
        self.file.length()
    }

    async fn summary(&self) -> Result<Vec<(Feed, FeedSummary)>, LedgerError> {
        self.read(|tx| {
            let mut feeds = BTreeMap::<Feed, FeedSummary>::new();
            let mut pending = |key: BlobKey, created: Option<DateTime<Utc>>| {
                let summary = feeds.entry(key.feed).or_default();
                summary.pending += 1;
                summary.oldest_pending = [summary.oldest_pending, created].into_iter().flatten().min();
            };
            for queue in [READY, ANNOUNCED] {
                for entry in tx.open_table(queue)?.iter()? {
                    let (key, created) = parsed(keys::parse_in_feed_order(entry?.0.value()))?;
                    pending(key, Some(created));
                }
            }
            let blobs = tx.open_table(BLOBS)?;
            for entry in tx.open_table(DEFERRED)?.iter()? {
                let (key, _) = parsed(keys::parse_in_time_order(entry?.0.value()))?;
                let created = row_of(&blobs, &key)?.map(|row| row.created);
                pending(key, created);
            }
            for entry in tx.open_table(DEAD)?.iter()? {
                let (key, _) = parsed(keys::parse_in_time_order(entry?.0.value()))?;
                feeds.entry(key.feed).or_default().dead += 1;
            }
            Ok(feeds.into_iter().collect())
        })
        .await
    }
}

/// Handles up to [`SWEEP`] rows whose time is over; returns how many were looked at. Whether a row is held is asked within
/// the transaction: it may be claimed while this waits for its turn.
fn prune_some(tx: &WriteTransaction, now: DateTime<Utc>, held: &Arc<Held>) -> Result<(usize, Pruned), redb::Error> {
    let over = first_until(&tx.open_table(EXPIRY)?, now)?;
    let mut pruned = Pruned::default();
    let mut handled = 0;
    for (key, time) in over {
        if held.contains(&key) {
            continue;
        }
        handled += 1;
        let row = row_of(&tx.open_table(BLOBS)?, &key)?;
        // Keys have milliseconds.
        let due = |row: &Row| row.keep_until().timestamp_millis() == time.timestamp_millis();
        let Some(row) = row.filter(due) else {
            // Left by a version that kept rows for another time.
            tx.open_table(EXPIRY)?.remove(keys::in_time_order(&key, time).as_slice())?;
            continue;
        };
        if row.is_pending() {
            change(tx, &key, |row| row.state = BlobState::Dead { at: now, reason: EXPIRED.to_owned() })?;
            pruned.expired.push(DeadBlob { key, created: row.created, since: now, reason: EXPIRED.to_owned() });
        } else {
            remove(tx, &key, &row)?;
            pruned.forgotten += 1;
        }
    }
    Ok((handled, pruned))
}
