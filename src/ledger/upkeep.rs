//! Forgetting what is over, and counting what is there.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::{BlobKey, LedgerError};
use crate::content::Feed;

/// A blob that was given up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeadBlob {
    /// Which.
    pub key: BlobKey,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// When it was given up.
    pub since: DateTime<Utc>,
    /// Why.
    pub reason: String,
}

/// What the ledger holds of one feed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FeedSummary {
    /// Blobs not yet delivered, held ones included.
    pub pending: u64,
    /// Blobs given up, as long as they are remembered.
    pub dead: u64,
    /// Creation time of the oldest pending blob.
    pub oldest_pending: Option<DateTime<Utc>>,
}

/// What [`Upkeep::prune`] removed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pruned {
    /// Rows of done and dead blobs that were forgotten.
    pub forgotten: u64,
    /// Blobs that were still pending when their content expired; they are dead now.
    pub expired: Vec<DeadBlob>,
}

/// The reason of a blob in [`Pruned::expired`].
pub(super) const EXPIRED: &str = "its content expired before it could be delivered";

/// For how long it is remembered what came of the comparison of a day, and how many events of it were delivered. Purview Audit
/// (Premium) keeps records for a year, so that older days cannot be compared again.
pub(super) const COVERAGE: TimeDelta = TimeDelta::days(400);

/// What is done to the whole ledger from time to time.
#[async_trait]
pub trait Upkeep: fmt::Debug + Send + Sync {
    /// Forgets what can no longer come back: expired rows, event ids older than the window of de-duplication, and days that were
    /// compared more than 400 days ago, with their counts. What is held stays: its holder decides what becomes of it. So does a
    /// day of which searches are under way.
    async fn prune(&self, now: DateTime<Utc>) -> Result<Pruned, LedgerError>;

    /// What is pending and dead, by feed; feeds with neither are left out.
    async fn summary(&self) -> Result<Vec<(Feed, FeedSummary)>, LedgerError>;

    /// How many bytes it takes on a disk of this machine; `None` if it is elsewhere, or that is not known.
    fn size(&self) -> Option<u64>;
}
