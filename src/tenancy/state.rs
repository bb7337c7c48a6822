//! What the ledger knows of feeds, as the command line shows it, and dead content that is tried again.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Administration, Selection, TenancyError};
use crate::{
    content::{ContentType, Feed, TenantId, with_searches},
    ledger::{Cursor, FeedSummary, LedgerError, Revived},
};

/// How far a feed has come.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FeedState {
    /// Whose.
    pub tenant: TenantId,
    /// The tenant's display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Of what. The queue of searches is among them while it has content.
    #[serde(deserialize_with = "with_searches")]
    pub content_type: ContentType,
    /// Whether the configuration names tenant and content type, or the tenant has registered.
    pub collected: bool,
    /// Until when content has been listed.
    pub listed_through: Option<DateTime<Utc>>,
    /// When the last reconciliation ended.
    pub reconciled_at: Option<DateTime<Utc>>,
    /// Blobs that are known and not delivered yet.
    pub pending: u64,
    /// Blobs that were given up and are still remembered.
    pub dead: u64,
    /// When the oldest pending blob was created.
    pub oldest_pending: Option<DateTime<Utc>>,
    /// How old the oldest content may be that is not delivered yet. `None` before the first listing.
    pub lag_seconds: Option<u64>,
}

impl FeedState {
    fn new(feed: Feed, cursor: Cursor, summary: FeedSummary, now: DateTime<Utc>) -> Self {
        let FeedSummary { pending, dead, oldest_pending } = summary;
        // What is listed and delivered is behind both.
        let delivered_through = [cursor.listed_through, oldest_pending].into_iter().flatten().min();
        let lag = |from: DateTime<Utc>| u64::try_from((now - from).num_seconds()).unwrap_or_default();
        Self {
            tenant: feed.tenant,
            domain: None,
            content_type: feed.content_type,
            collected: false,
            listed_through: cursor.listed_through,
            reconciled_at: cursor.reconciled_at,
            pending,
            dead,
            oldest_pending,
            lag_seconds: delivered_through.map(lag),
        }
    }
}

impl Administration {
    /// How far the feeds have come: those that are collected, and those that are not any more but still have rows.
    ///
    /// # Errors
    ///
    /// When the ledger fails.
    pub(super) async fn state(&self) -> Result<Vec<FeedState>, LedgerError> {
        let now = self.tenancy.client.clock().now();
        let cursors: BTreeMap<_, _> = self.ledger.cursors().await?.into_iter().collect();
        let summaries: BTreeMap<_, _> = self.ledger.summary().await?.into_iter().collect();
        let collected = self.tenancy.own.feeds(&self.tenancy.content_types);
        let known = collected.iter().chain(cursors.keys()).chain(summaries.keys());
        let state = |feed: &Feed| {
            let cursor = cursors.get(feed).copied().unwrap_or_default();
            let summary = summaries.get(feed).copied().unwrap_or_default();
            FeedState {
                domain: self.tenancy.tenants.domain(feed.tenant).as_deref().map(str::to_owned),
                collected: collected.contains(feed),
                ..FeedState::new(*feed, cursor, summary, now)
            }
        };
        Ok(known.collect::<BTreeSet<_>>().into_iter().map(state).collect())
    }

    /// Makes dead content pending again, as long as Microsoft holds it.
    ///
    /// # Errors
    ///
    /// When the tenant that is meant is not collected, or the ledger fails.
    pub(super) async fn retry_dead(&self, selection: &Selection) -> Result<Revived, TenancyError> {
        let feeds = self.feeds(selection)?;
        let revived = self.ledger.revive(feeds, self.tenancy.client.clock().now()).await?;
        for feed in &revived.feeds {
            self.work.announce(*feed);
        }
        Ok(revived)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_lag_is_the_age_of_the_oldest_content_that_may_be_undelivered() {
        let at = |secs: i64| DateTime::from_timestamp(1_760_000_000 + secs, 0).unwrap();
        let feed = Feed { tenant: TenantId(Uuid::from_u128(1)), content_type: ContentType::Exchange };
        let lag = |listed: Option<i64>, oldest: Option<i64>| {
            let cursor = Cursor { listed_through: listed.map(at), ..Cursor::default() };
            let summary = FeedSummary { pending: 1, dead: 0, oldest_pending: oldest.map(at) };
            FeedState::new(feed, cursor, summary, at(100)).lag_seconds
        };
        assert_eq!(lag(None, None), None);
        assert_eq!(lag(Some(95), None), Some(5));
        assert_eq!(lag(Some(95), Some(40)), Some(60));
        assert_eq!(lag(Some(30), Some(40)), Some(70));
        assert_eq!(lag(Some(200), None), Some(0), "clocks differ");
    }
}
