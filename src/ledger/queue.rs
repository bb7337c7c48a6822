//! What the collector works off: pending content, blob by blob.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{BlobKey, DeliveredBatch, LedgerError};
use crate::content::{ContentRef, Feed};

/// A pending blob that its caller holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
    /// What to fetch.
    pub content: ContentRef,
    /// Whether only a notification announced it: no listing has named it yet.
    pub announced: bool,
    /// How many attempts have failed so far.
    pub attempts: u32,
    /// How many times the pipeline has rejected events of it. Not among `attempts`.
    pub rejections: u32,
}

/// Which pending blobs a claim may return.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// Those that a listing has named.
    Listed,
    /// Those first, then those that only a notification announced.
    Any,
}

/// What a deferral counts as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Counts {
    /// As nothing: the blob had no part in the failure.
    Nothing,
    /// As a failed attempt.
    Attempt,
    /// As a rejection by the pipeline. Only rejections are limited, so they are counted apart: a blob that failed for days
    /// for another reason still has all its tries at a pipeline that rejects it.
    Rejection,
}

/// What moving deferred blobs back into the queue found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Promoted {
    /// Feeds that have something to claim again.
    pub feeds: Vec<Feed>,
    /// When the next deferred blob is due.
    pub next_due: Option<DateTime<Utc>>,
}

/// What making dead blobs pending again came to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Revived {
    /// Blobs that are pending again.
    pub revived: u64,
    /// Blobs that stay dead: Microsoft holds their content no longer.
    pub expired: u64,
    /// Feeds that have something to claim again.
    pub feeds: Vec<Feed>,
}

/// The queue of pending blobs of each feed, oldest first.
///
/// A claimed blob is held until its holder calls `complete`, `defer`, `dead_letter`, `forget_announced` or `release`. A
/// crash releases everything.
#[async_trait]
pub trait ContentQueue: fmt::Debug + Send + Sync {
    /// Takes the oldest pending blob of a feed that is neither held nor deferred. `None` when there is none.
    async fn claim(&self, feed: Feed, wanted: Wanted) -> Result<Option<Claim>, LedgerError>;

    /// Gives a held blob back unchanged.
    fn release(&self, key: &BlobKey);

    /// Marks a blob done, notes the last of its events as delivered and counts them, in one transaction. Returns whether it is done. It is not
    /// when it was only announced at the time of the claim and a listing has named it with another URI since: then it is
    /// pending as before.
    async fn complete(&self, key: BlobKey, delivery: DeliveredBatch, now: DateTime<Utc>) -> Result<bool, LedgerError>;

    /// Puts a held blob back; it cannot be claimed before `not_before`.
    async fn defer(&self, key: BlobKey, not_before: DateTime<Utc>, counts: Counts) -> Result<(), LedgerError>;

    /// Gives a blob up for good, unless it is done. `reason` is kept with it for as long as it is remembered; it is free of secrets.
    async fn dead_letter(&self, key: BlobKey, reason: String, now: DateTime<Utc>) -> Result<(), LedgerError>;

    /// Forgets a held blob that only a notification announced. Returns whether it is forgotten: one that a listing has named
    /// meanwhile stays, and stays held.
    async fn forget_announced(&self, key: BlobKey) -> Result<bool, LedgerError>;

    /// Makes dead blobs of these feeds pending again, as if they had never been tried, as long as Microsoft holds their
    /// content.
    async fn revive(&self, feeds: Vec<Feed>, now: DateTime<Utc>) -> Result<Revived, LedgerError>;

    /// Makes deferred blobs claimable that are due. One that is due more than an hour after `now` was deferred by a wrong
    /// clock, and counts as due.
    async fn promote(&self, now: DateTime<Utc>) -> Result<Promoted, LedgerError>;
}
