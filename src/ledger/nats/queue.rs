//! The queues of pending blobs.

use std::{sync::atomic::Ordering, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::time::sleep;

use super::{NatsLedger, change::Change};
use crate::{
    content::Feed,
    ledger::{
        BlobKey, Claim, ContentQueue, Counts, DeliveredBatch, EventCount, LedgerError, Promoted, Revived, Wanted,
        counting, row_key::RowKey,
    },
};

/// How often it is looked whether the lease was renewed.
const LOOK: Duration = Duration::from_millis(200);

#[async_trait]
impl ContentQueue for NatsLedger {
    async fn claim(&self, feed: Feed, wanted: Wanted) -> Result<Option<Claim>, LedgerError> {
        // A member that was suspended for longer than its lease must not begin what another has begun meanwhile.
        while !self.owned.may_begin(feed.tenant) {
            // A run that ends when nothing is left waits until it is known whether the tenant is still its own.
            if !self.waits.load(Ordering::Relaxed) || self.owned.revision(feed.tenant).is_none() {
                return Ok(None);
            }
            sleep(LOOK).await;
        }
        self.local.claim(feed, wanted).await
    }

    fn release(&self, key: &BlobKey) {
        self.local.release(key);
    }

    async fn complete(&self, key: BlobKey, delivery: DeliveredBatch, now: DateTime<Utc>) -> Result<bool, LedgerError> {
        let (local, change) = (self.local(), completed(&key, &delivery, now));
        self.settle(async move { Ok((local.complete(key, delivery, now).await?, change)) }).await
    }

    async fn defer(&self, key: BlobKey, not_before: DateTime<Utc>, counts: Counts) -> Result<(), LedgerError> {
        let (local, change) = (self.local(), of_blob(&key));
        self.settle(async move { Ok((local.defer(key, not_before, counts).await?, change)) }).await
    }

    async fn dead_letter(&self, key: BlobKey, reason: String, now: DateTime<Utc>) -> Result<(), LedgerError> {
        let (local, change) = (self.local(), of_blob(&key));
        self.settle(async move { Ok((local.dead_letter(key, reason, now).await?, change)) }).await
    }

    async fn forget_announced(&self, key: BlobKey) -> Result<bool, LedgerError> {
        let (local, change) = (self.local(), of_blob(&key));
        self.settle(async move {
            let forgotten = local.forget_announced(key).await?;
            Ok((forgotten, if forgotten { change } else { Change::default() }))
        })
        .await
    }

    async fn revive(&self, feeds: Vec<Feed>, now: DateTime<Utc>) -> Result<Revived, LedgerError> {
        let local = self.local();
        self.settle(async move {
            let dead = local.dead(&feeds).await?;
            let revived = local.revive(feeds, now).await?;
            Ok((revived, Change::of(dead.into_iter().map(RowKey::Content))))
        })
        .await
    }

    async fn promote(&self, now: DateTime<Utc>) -> Result<Promoted, LedgerError> {
        let local = self.local();
        self.settle(async move {
            let due = local.due(now).await?;
            Ok((local.promote(now).await?, Change::of(due.into_iter().map(RowKey::Content))))
        })
        .await
    }
}

fn of_blob(key: &BlobKey) -> Change {
    Change::of([RowKey::Content(key.clone())])
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
