//! What discovery brings: content that is listed or announced, and how far listings have come.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::LedgerError;
use crate::content::{ContentRef, Feed};

/// How far the listing of a feed has come.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Cursor {
    /// All content created before this time is recorded, except what appears late. `None` before the first listing.
    pub listed_through: Option<DateTime<Utc>>,
    /// When the last reconciliation (a listing that goes back to a day before the one before it) ended.
    pub reconciled_at: Option<DateTime<Utc>>,
    /// Content created before this time was never asked for. `None` in ledgers of versions that did not note it, until the next
    /// reconciliation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<DateTime<Utc>>,
    /// How far the current round of relisting has come; `None` before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relisted: Option<Relisted>,
    /// What was too old to be listed when the source came to it, the last time that this happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Skipped>,
}

/// Content created in this time was never listed: Microsoft no longer listed it when the source came to it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Skipped {
    /// Inclusive.
    pub from: DateTime<Utc>,
    /// Exclusive.
    pub until: DateTime<Utc>,
}

/// How far a round of relisting has come. A round lists all that Microsoft holds once more, a day at a time.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Relisted {
    /// All content created before this time has been listed again in this round.
    pub through: DateTime<Utc>,
    /// When that was done.
    pub at: DateTime<Utc>,
}

/// How far back a reconciliation goes before the one before it.
pub const RECONCILED: TimeDelta = TimeDelta::hours(24);

/// How a listing moves its feed's cursor. A cursor never moves back, unless it is anchored on purpose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CursorMove {
    /// A window that ends here has been listed.
    ListedThrough(DateTime<Utc>),
    /// What lies in between is too old to be listed.
    Skipped(Skipped),
    /// A reconciliation ended at this time.
    Reconciled(DateTime<Utc>),
    /// A window was listed again.
    Relisted(Relisted),
    /// Nothing has been listed after this time, whatever the cursor said before.
    Anchored(DateTime<Utc>),
}

impl Cursor {
    /// The cursor after a move.
    #[must_use]
    pub(super) fn moved(self, step: CursorMove) -> Self {
        match step {
            CursorMove::ListedThrough(time) => Self { listed_through: self.listed_through.max(Some(time)), ..self },
            CursorMove::Skipped(skipped) => Self {
                listed_through: self.listed_through.max(Some(skipped.until)),
                // One that goes on from the last is one with it.
                skipped: Some(match self.skipped {
                    Some(last) if last.until >= skipped.from => {
                        Skipped { from: last.from.min(skipped.from), ..skipped }
                    }
                    _ => skipped,
                }),
                ..self
            },
            CursorMove::Reconciled(time) => Self {
                reconciled_at: self.reconciled_at.max(Some(time)),
                began: self.began.or(Some(time - RECONCILED)),
                ..self
            },
            CursorMove::Relisted(relisted) => Self { relisted: Some(relisted), ..self },
            CursorMove::Anchored(time) => Self {
                listed_through: Some(time),
                reconciled_at: None,
                began: Some(self.began.map_or(time, |began| began.min(time))),
                relisted: None,
                skipped: self.skipped,
            },
        }
    }
}

/// What became of content that a notification announced.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Announced {
    /// So many blobs were new and are pending.
    pub added: usize,
    /// So many were new and found no room: they wait for the listing that names them.
    pub postponed: usize,
}

/// Content that discovery has found, and the cursors of its listings.
#[async_trait]
pub trait ContentIntake: fmt::Debug + Send + Sync {
    /// Records content that a listing names, and then moves the cursor of `feed`. Returns how many references were new or are
    /// pending again.
    ///
    /// What is known stays as it is, with these exceptions: pending content gets the newest URI and expiration; content that
    /// was dead-lettered, or delivered under the URI of other content, is pending again; announced content is confirmed.
    async fn record(
        &self,
        feed: Feed,
        refs: Vec<ContentRef>,
        cursor: Option<CursorMove>,
        now: DateTime<Utc>,
    ) -> Result<usize, LedgerError>;

    /// Records content that a notification announces, as long as fewer than `most` blobs of the feed are pending that no
    /// listing has named. What is known stays as it is, without exception: anybody who has the AuthID can announce anything.
    async fn announce(
        &self,
        feed: Feed,
        refs: Vec<ContentRef>,
        most: usize,
        now: DateTime<Utc>,
    ) -> Result<Announced, LedgerError>;

    /// Those of `refs` that are news when a listing names them: not recorded, only announced so far, or pending or
    /// dead-lettered under another URI.
    async fn unknown(&self, refs: Vec<ContentRef>) -> Result<Vec<ContentRef>, LedgerError>;

    /// The cursor of a feed.
    async fn cursor(&self, feed: Feed) -> Result<Cursor, LedgerError>;

    /// The cursors of all feeds that have one, in the order of feeds.
    async fn cursors(&self) -> Result<Vec<(Feed, Cursor)>, LedgerError>;
}
