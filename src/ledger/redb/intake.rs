//! What discovery brings.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use redb::{ReadableTable, WriteTransaction};

use super::{
    RedbLedger,
    rows::{change, insert, row_of},
    tables::{ANNOUNCED_PENDING, BLOBS, CURSORS, decode, encode, parsed},
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
        let held = self.held();
        let record = move |tx: &WriteTransaction| {
            let mut added = 0;
            for content in &refs {
                added += usize::from(insert_or_confirm(tx, content, now)?);
            }
            if let Some(step) = cursor {
                move_cursor(tx, feed, step)?;
            }
            Ok(added)
        };
        // Content that is not new may have moved to another queue.
        self.writer.write_then(Rank::Urgent, record, move |_| held.rewind(feed)).await
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
        self.read(move |tx| {
            let cursors = tx.open_table(CURSORS)?;
            cursors.get(keys::feed(feed).as_slice())?.map_or(Ok(Cursor::default()), |value| decode(value.value()))
        })
        .await
    }

    async fn cursors(&self) -> Result<Vec<(Feed, Cursor)>, LedgerError> {
        self.read(|tx| {
            let mut cursors = Vec::new();
            for entry in tx.open_table(CURSORS)?.iter()? {
                let (key, value) = entry?;
                cursors.push((parsed(keys::parse_feed(key.value()))?, decode(value.value())?));
            }
            Ok(cursors)
        })
        .await
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

fn move_cursor(tx: &WriteTransaction, feed: Feed, step: CursorMove) -> Result<(), redb::Error> {
    let mut cursors = tx.open_table(CURSORS)?;
    let key = keys::feed(feed);
    let cursor: Cursor = match cursors.get(key.as_slice())? {
        Some(value) => decode(value.value())?,
        None => Cursor::default(),
    };
    cursors.insert(key.as_slice(), encode(&cursor.moved(step))?.as_slice())?;
    Ok(())
}
