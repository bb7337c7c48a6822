//! The durable truth: which content is known, which of it is still pending to the pipeline, and which events have arrived.
//!
//! The rules everything else relies on:
//!
//! - A blob is *pending* from the moment [`Ledger::record`] returns until every event in it was acknowledged
//!   ([`Ledger::complete`]) or it can never be had ([`Ledger::dead_letter`]). A crash changes nothing about that.
//! - A cursor moves in the same transaction that records the last page of its window, never before.
//! - The ids of delivered events are durable before their blob is done, in the same transaction where both happen at once.
//! - Rows of done blobs stay until the content has expired, so that a blob which is listed again is recognised.

mod error;
mod file;
mod keys;
mod redb;
mod row;
mod tenants;
mod writer;

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

pub use self::{
    error::LedgerError,
    keys::{BlobKey, EventKey},
    redb::RedbLedger,
};
use crate::content::{ContentRef, Feed, TenantId};

/// How far the listing of a feed has come.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Cursor {
    /// All content created before this time is recorded, save what appears late. `None` before the first listing.
    pub listed_through: Option<DateTime<Utc>>,
    /// When the last reconciliation (a listing that goes back to a day before the one before it) ended.
    pub reconciled_at: Option<DateTime<Utc>>,
}

/// How a listing moves its feed's cursor. A cursor never moves back, unless it is put somewhere on purpose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CursorMove {
    /// A window that ends here has been listed.
    ListedThrough(DateTime<Utc>),
    /// A reconciliation ended at this time.
    Reconciled(DateTime<Utc>),
    /// Nothing has been listed after this time, whatever was thought before.
    Anchored(DateTime<Utc>),
}

/// A blob that is pending and now in the hands of the caller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
    /// What to fetch.
    pub content: ContentRef,
    /// Whether only a notification told of it: no listing has named it yet.
    pub announced: bool,
    /// How many attempts have failed so far.
    pub attempts: u32,
    /// How many times the pipeline has rejected events of it. Not among `attempts`.
    pub rejections: u32,
    /// Why the last one failed.
    pub last_error: Option<String>,
}

/// Which pending blobs are wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// Those that a listing has named.
    Listed,
    /// Those first, then those that only a notification told of.
    Any,
}

/// What became of content that a notification told of.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Announced {
    /// So many blobs were new and are pending.
    pub added: usize,
    /// So many were new and found no room: they wait for the listing that names them.
    pub postponed: usize,
}

/// When to try a blob again, and why it failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Retry {
    /// Not before this time.
    pub not_before: DateTime<Utc>,
    /// Why; free of secrets.
    pub reason: String,
    /// What this counts as.
    pub counts: Counts,
}

/// What it counts as that a blob was put back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Counts {
    /// As nothing: a throttled tenant is not the blob's fault.
    Nothing,
    /// As an attempt that failed.
    Attempt,
    /// As a rejection by the pipeline. Counted apart, as only these are numbered: what failed for days for another reason
    /// has all its tries at a pipeline that rejects.
    Rejection,
}

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
    /// Blobs not yet delivered, claimed ones included.
    pub pending: u64,
    /// Blobs given up, as long as they are remembered.
    pub dead: u64,
    /// Creation time of the oldest pending blob.
    pub oldest_pending: Option<DateTime<Utc>>,
}

/// What moving deferred blobs back into the queue found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Promoted {
    /// Feeds that have something to claim again.
    pub feeds: Vec<Feed>,
    /// When the next deferred blob is due.
    pub next_due: Option<DateTime<Utc>>,
}

/// What is kept of a tenant beside the configuration.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TenantRecord {
    /// Which tenant.
    pub id: TenantId,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// When it registered; `None` for one that stood in the configuration when its domain was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<DateTime<Utc>>,
}

/// What [`Ledger::prune`] removed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pruned {
    /// Rows of done and dead blobs that were forgotten.
    pub forgotten: u64,
    /// Blobs that were still pending when their content expired; they are dead now.
    pub expired: Vec<DeadBlob>,
}

/// Where the truth is kept. Every method that changes something returns after the change is durable.
///
/// # Errors
///
/// All methods fail with [`LedgerError`] when the storage fails. There is no way on from there: the source stops, and
/// the next start continues from the last durable state.
#[async_trait]
pub trait Ledger: fmt::Debug + Send + Sync {
    /// Records content that a listing names and moves the cursor of `feed`, in one transaction. Known content is left as it
    /// is, save that what is still pending gets the newest URI and expiration, and that what was given up, or delivered under
    /// the URI of other content, is pending again. What a notification told of is confirmed. Returns how many references were
    /// new or are pending again.
    async fn record(
        &self,
        feed: Feed,
        refs: Vec<ContentRef>,
        cursor: Option<CursorMove>,
        now: DateTime<Utc>,
    ) -> Result<usize, LedgerError>;

    /// Records content that a notification tells of, as long as fewer than `most` blobs of the feed are pending which no listing
    /// has named. Known content is left as it is, in any case: whoever has the AuthID can tell anything.
    async fn announce(
        &self,
        feed: Feed,
        refs: Vec<ContentRef>,
        most: usize,
        now: DateTime<Utc>,
    ) -> Result<Announced, LedgerError>;

    /// Those of `refs` that are news if a listing names them: not recorded, recorded by a notification only, or pending or
    /// given up under another URI.
    async fn unknown(&self, refs: Vec<ContentRef>) -> Result<Vec<ContentRef>, LedgerError>;

    /// The cursor of a feed.
    async fn cursor(&self, feed: Feed) -> Result<Cursor, LedgerError>;

    /// Takes up to `limit` pending blobs of a feed, oldest first, that nobody holds. Each is held until it is completed,
    /// failed, dead-lettered, forgotten or released; a crash releases all.
    async fn claim(&self, feed: Feed, limit: usize, wanted: Wanted) -> Result<Vec<Claim>, LedgerError>;

    /// Gives a claimed blob back untouched.
    fn release(&self, key: &BlobKey);

    /// Which of these events have been delivered, within the window of de-duplication. In the order of `events`.
    async fn delivered(&self, events: Vec<EventKey>) -> Result<Vec<bool>, LedgerError>;

    /// Notes events as delivered whose blob is not done yet.
    async fn deliver(&self, events: Vec<EventKey>, now: DateTime<Utc>) -> Result<(), LedgerError>;

    /// Marks a blob done and the last of its events as delivered, in one transaction. Returns whether it is done: one that was
    /// claimed when only a notification had told of it, and that a listing has named with another URI since, is pending as before.
    async fn complete(&self, key: BlobKey, events: Vec<EventKey>, now: DateTime<Utc>) -> Result<bool, LedgerError>;

    /// Puts a claimed blob back, for later.
    async fn fail(&self, key: BlobKey, retry: Retry) -> Result<(), LedgerError>;

    /// Gives a blob up for good, visibly.
    async fn dead_letter(&self, key: BlobKey, reason: String, now: DateTime<Utc>) -> Result<(), LedgerError>;

    /// Forgets a claimed blob that only a notification told of. Returns whether it is forgotten: one that a listing has named
    /// meanwhile stays, and stays claimed.
    async fn forget_announced(&self, key: BlobKey) -> Result<bool, LedgerError>;

    /// Makes deferred blobs claimable whose time has come.
    async fn promote(&self, now: DateTime<Utc>) -> Result<Promoted, LedgerError>;

    /// When a start of the feed's subscription was last attempted.
    async fn subscription_attempt(&self, feed: Feed) -> Result<Option<DateTime<Utc>>, LedgerError>;

    /// Notes that a start of the feed's subscription is being attempted.
    async fn note_subscription_attempt(&self, feed: Feed, at: DateTime<Utc>) -> Result<(), LedgerError>;

    /// The addresses of webhooks that this source gave the feed's subscription, or tried to.
    async fn webhooks(&self, feed: Feed) -> Result<Vec<String>, LedgerError>;

    /// Notes the address of a webhook that the feed's subscription is being given.
    async fn note_webhook(&self, feed: Feed, address: String) -> Result<(), LedgerError>;

    /// Forgets the addresses: the subscription has no webhook.
    async fn forget_webhooks(&self, feed: Feed) -> Result<(), LedgerError>;

    /// The AuthID of this source's webhooks. The first call decides: it keeps `fresh`, and every later call returns that.
    async fn auth_id(&self, fresh: SecretString) -> Result<SecretString, LedgerError>;

    /// The tenants that registered or whose domain was set.
    async fn tenants(&self) -> Result<Vec<TenantRecord>, LedgerError>;

    /// Notes a tenant, in place of what was noted of it.
    async fn put_tenant(&self, record: TenantRecord) -> Result<(), LedgerError>;

    /// Forgets a tenant: its record, its cursors, and its content, pending or not. Returns how much of it was pending. Ids of
    /// delivered events stay until their time is over.
    async fn forget_tenant(&self, tenant: TenantId) -> Result<u64, LedgerError>;

    /// Forgets what can no longer come back: expired rows and event ids older than the window of de-duplication.
    async fn prune(&self, now: DateTime<Utc>) -> Result<Pruned, LedgerError>;

    /// What is pending and dead, by feed.
    async fn summary(&self) -> Result<Vec<(Feed, FeedSummary)>, LedgerError>;

    /// Blobs that were given up, oldest first.
    async fn dead(&self, limit: usize) -> Result<Vec<DeadBlob>, LedgerError>;
}
