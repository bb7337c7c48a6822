//! Forgetting what is over, and counting what is there.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use super::{
    NatsLedger,
    bucket::Message,
    change::{Change, message},
    subject,
    transfer::json,
};
use crate::{
    content::Feed,
    ledger::{CoverageStore, FeedSummary, LedgerError, Piece, Pruned, Upkeep, row_key::RowKey},
};

#[async_trait]
impl Upkeep for NatsLedger {
    async fn prune(&self, now: DateTime<Utc>) -> Result<Pruned, LedgerError> {
        let (local, first) = (self.local(), self.local.first_event_day().await?);
        let pruned = self
            .settle(async move {
                let pruned = local.prune(now).await?;
                let rows = pruned.expired.iter().map(|dead| RowKey::Content(dead.key.clone()));
                let change = Change::of(rows);
                Ok((pruned, change))
            })
            .await?;
        if let (Some(first), Some(before)) = (first, self.local.ids_forgotten_before().await?)
            && first < before
        {
            self.forget_ids(first, before).await?;
        }
        Ok(pruned)
    }

    async fn summary(&self) -> Result<Vec<(Feed, FeedSummary)>, LedgerError> {
        self.local.summary().await
    }

    fn size(&self) -> Option<u64> {
        None
    }
}

impl NatsLedger {
    /// Forgets ids of these days in the bucket, as the copy has done: of this member's tenants, and imported ones.
    async fn forget_ids(&self, first: NaiveDate, before: NaiveDate) -> Result<(), LedgerError> {
        let note = json(&Piece::Forgotten { before: Some(before) });
        let mut owners = vec!["shared".to_owned()];
        self.bucket.put(message(subject::SHARED_FORGOTTEN.to_owned(), Some(note.clone()), None)).await?;
        for tenant in self.owned.all() {
            // It says that they are forgotten before they are.
            let fence = self.owned.fence(tenant);
            let noted = Message { fence, ..message(subject::forgotten(tenant), Some(note.clone()), None) };
            if self.bucket.put(noted).await?.is_some() {
                owners.push(tenant.to_string());
            }
        }
        for owner in owners {
            for day in first.iter_days().take_while(|day| *day < before) {
                self.bucket.purge(&format!("{owner}.ids.{day}.>")).await?;
            }
        }
        Ok(())
    }
}
