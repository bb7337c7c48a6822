//! Content that discovery has found, and cursors.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::{NatsLedger, change::Change};
use crate::{
    content::{ContentRef, Feed},
    ledger::{Announced, BlobKey, ContentIntake, Cursor, CursorMove, LedgerError, row_key::RowKey},
};

/// What a move skips at most that may be on this machine only for a minute.
const SMALL: TimeDelta = TimeDelta::hours(1);

#[async_trait]
impl ContentIntake for NatsLedger {
    async fn record(
        &self,
        feed: Feed,
        refs: Vec<ContentRef>,
        cursor: Option<CursorMove>,
        now: DateTime<Utc>,
    ) -> Result<usize, LedgerError> {
        let local = self.local();
        self.change(async move {
            let mut change = Change::of(rows(&refs));
            let before = local.cursor(feed).await?;
            let news = local.record(feed, refs, cursor, now).await?;
            if local.cursor(feed).await? != before {
                let waits = change.rows.is_empty() && cursor.is_some_and(|step| is_small(before, step));
                // After the content that was recorded with it.
                (if waits { &mut change.noted } else { &mut change.rows }).push(RowKey::Feed(feed));
            }
            Ok((news, change))
        })
        .await
    }

    async fn announce(
        &self,
        feed: Feed,
        refs: Vec<ContentRef>,
        most: usize,
        now: DateTime<Utc>,
    ) -> Result<Announced, LedgerError> {
        if self.owned.revision(feed.tenant).is_none() {
            return self.announce_to_owner(feed, refs, most, now).await;
        }
        let local = self.local();
        self.change(async move {
            let rows = rows(&refs);
            let announced = local.announce(feed, refs, most, now).await?;
            Ok((announced, if announced.added > 0 { Change::of(rows) } else { Change::default() }))
        })
        .await
    }

    async fn unknown(&self, refs: Vec<ContentRef>) -> Result<Vec<ContentRef>, LedgerError> {
        self.local.unknown(refs).await
    }

    async fn cursor(&self, feed: Feed) -> Result<Cursor, LedgerError> {
        self.local.cursor(feed).await
    }

    async fn cursors(&self) -> Result<Vec<(Feed, Cursor)>, LedgerError> {
        self.local.cursors().await
    }
}

fn rows(refs: &[ContentRef]) -> Vec<RowKey> {
    refs.iter().map(|content| RowKey::Content(BlobKey::from(content))).collect()
}

fn is_small(before: Cursor, step: CursorMove) -> bool {
    match (before.listed_through, step) {
        (Some(before), CursorMove::ListedThrough(through)) => through - before <= SMALL,
        _ => false,
    }
}
