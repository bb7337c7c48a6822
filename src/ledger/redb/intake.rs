//! What discovery brings.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use redb::{ReadableTable, WriteTransaction};

use super::{
    RedbLedger, cursors,
    rows::{change, insert, row_of},
    tables::{ANNOUNCED_PENDING, BLOBS},
    writer::Rank,
};
use crate::{
    content::{ContentRef, Feed},
    ledger::{Announced, BlobKey, ContentIntake, Cursor, CursorMove, LedgerError, keys, row::Row},
};

#[async_trait]
impl ContentIntake for RedbLedger {
    async fn record(
        &self,
        feed: Feed,
        refs: Vec<ContentRef>,
        cursor: Option<CursorMove>,
        now: DateTime<Utc>,
    ) -> Result<usize, LedgerError> {
        if refs.is_empty() {
            self.move_cursor(feed, cursor).await?;
            return Ok(0);
        }
        let held = self.held();
        let record = move |tx: &WriteTransaction| {
            let mut added = 0;
            for content in &refs {
                added += usize::from(insert_or_confirm(tx, content, now)?);
            }
            Ok(added)
        };
        // Content that is not new may have moved to another queue.
        let added = self.writer.write_then(Rank::Urgent, record, move |_| held.rewind(feed)).await?;
        // A crash in between lists this page again.
        self.move_cursor(feed, cursor).await?;
        Ok(added)
    }

    async fn announce(
        &self,
        feed: Feed,
        refs: Vec<ContentRef>,
        most: usize,
        now: DateTime<Utc>,
    ) -> Result<Announced, LedgerError> {
        let held = self.held();
        let announce = move |tx: &WriteTransaction| {
            let pending = tx.open_table(ANNOUNCED_PENDING)?.get(keys::feed(feed).as_slice())?.map_or(0, |n| n.value());
            let mut room = most.saturating_sub(usize::try_from(pending).unwrap_or(usize::MAX));
            let mut announced = Announced::default();
            for content in &refs {
                let key = BlobKey::from(content);
                if row_of(&tx.open_table(BLOBS)?, &key)?.is_some() {
                    continue;
                }
                if room == 0 {
                    announced.postponed += 1;
                    continue;
                }
                insert(tx, &key, &Row::announced(content, now))?;
                announced.added += 1;
                room -= 1;
            }
            Ok(announced)
        };
        self.writer.write_then(Rank::Urgent, announce, move |_| held.rewind(feed)).await
    }

    async fn unknown(&self, refs: Vec<ContentRef>) -> Result<Vec<ContentRef>, LedgerError> {
        if refs.is_empty() {
            return Ok(refs);
        }
        self.read(move |tx| {
            let blobs = tx.open_table(BLOBS)?;
            let mut unknown = Vec::new();
            for content in refs {
                let row = row_of(&blobs, &BlobKey::from(&content))?;
                if row.is_none_or(|row| row.is_news(&content.content_uri)) {
                    unknown.push(content);
                }
            }
            Ok(unknown)
        })
        .await
    }

    async fn cursor(&self, feed: Feed) -> Result<Cursor, LedgerError> {
        Ok(self.cursors.get(feed))
    }

    async fn cursors(&self) -> Result<Vec<(Feed, Cursor)>, LedgerError> {
        Ok(self.cursors.all())
    }
}

impl RedbLedger {
    async fn move_cursor(&self, feed: Feed, step: Option<CursorMove>) -> Result<(), LedgerError> {
        // A move that stays in memory must not hide that there is nothing to write to any more.
        if let Some(failure) = self.writer.failure() {
            return Err(failure);
        }
        self.file.check().map_err(|error| self.writer.failed(error))?;
        if step.is_some_and(|step| self.cursors.step(feed, step)) {
            let (cursors, moved) = (Arc::clone(&self.cursors), [(feed, self.cursors.get(feed))]);
            let write = move |tx: &WriteTransaction| cursors::write(tx, &moved);
            self.writer.write_then(Rank::Urgent, write, move |()| cursors.written(&moved)).await?;
        }
        Ok(())
    }
}

/// Takes what a listing names. Returns whether it is new or pending again.
fn insert_or_confirm(tx: &WriteTransaction, content: &ContentRef, now: DateTime<Utc>) -> Result<bool, redb::Error> {
    let key = BlobKey::from(content);
    // A statement of its own: redb opens a table once at a time, and `change` opens it again.
    let known = row_of(&tx.open_table(BLOBS)?, &key)?;
    match known {
        None => insert(tx, &key, &Row::listed(content, now)).map(|()| true),
        Some(row) if row.is_news(&content.content_uri) => {
            let mut again = false;
            change(tx, &key, |row| again = row.confirm(content))?;
            Ok(again)
        }
        Some(_) => Ok(false),
    }
}
