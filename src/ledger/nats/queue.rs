//! The queues of pending blobs.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{NatsLedger, change::Change};
use crate::{
    content::Feed,
    ledger::{
        BlobKey, Claim, ContentQueue, Counts, DeliveredBatch, EventCount, LedgerError, Promoted, Revived, Wanted,
        counting, row_key::RowKey,
    },
};

#[async_trait]
impl ContentQueue for NatsLedger {
    async fn claim(&self, feed: Feed, wanted: Wanted) -> Result<Option<Claim>, LedgerError> {
        // A member that was suspended for longer than its lease must not begin what another has begun meanwhile.
        if !self.owned.may_begin(feed.tenant) {
            return Ok(None);
        }
        self.local.claim(feed, wanted).await
    }

    fn release(&self, key: &BlobKey) {
        self.local.release(key);
    }

    async fn complete(&self, key: BlobKey, delivery: DeliveredBatch, now: DateTime<Utc>) -> Result<bool, LedgerError> {
        let change = completed(&key, &delivery, now);
        let done = self.local.complete(key, delivery, now).await?;
        self.replicator.write(change).await?;
        Ok(done)
    }

    async fn defer(&self, key: BlobKey, not_before: DateTime<Utc>, counts: Counts) -> Result<(), LedgerError> {
        self.local.defer(key.clone(), not_before, counts).await?;
        self.wrote([RowKey::Content(key)]).await
    }

    async fn dead_letter(&self, key: BlobKey, reason: String, now: DateTime<Utc>) -> Result<(), LedgerError> {
        self.local.dead_letter(key.clone(), reason, now).await?;
        self.wrote([RowKey::Content(key)]).await
    }

    async fn forget_announced(&self, key: BlobKey) -> Result<bool, LedgerError> {
        let forgotten = self.local.forget_announced(key.clone()).await?;
        if forgotten {
            self.wrote([RowKey::Content(key)]).await?;
        }
        Ok(forgotten)
    }

    async fn revive(&self, feeds: Vec<Feed>, now: DateTime<Utc>) -> Result<Revived, LedgerError> {
        let dead = self.local.dead(&feeds).await?;
        let revived = self.local.revive(feeds, now).await?;
        if revived.revived > 0 {
            self.wrote(dead.into_iter().map(RowKey::Content)).await?;
        }
        Ok(revived)
    }

    async fn promote(&self, now: DateTime<Utc>) -> Result<Promoted, LedgerError> {
        let due = self.local.due(now).await?;
        let promoted = self.local.promote(now).await?;
        if !due.is_empty() {
            self.wrote(due.into_iter().map(RowKey::Content)).await?;
        }
        Ok(promoted)
    }
}

/// What the end of a blob touches.
pub(super) fn completed(key: &BlobKey, delivery: &DeliveredBatch, now: DateTime<Utc>) -> Change {
    let rows = counted(&delivery.counts).chain([RowKey::Content(key.clone())]);
    Change::of(rows).with_delivered(key.feed.tenant, now.date_naive(), delivery.events.clone())
}

/// The rows of counts.
pub(super) fn counted(counts: &[EventCount]) -> impl Iterator<Item = RowKey> {
    let counted = counts.iter().filter(|count| counting::is_day(count.day));
    counted.map(|count| RowKey::Count(count.feed, count.day))
}
