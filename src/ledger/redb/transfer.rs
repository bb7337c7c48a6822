//! Pieces of the whole file, out and in.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate};
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::{
    RedbLedger,
    cursors::{self, Cursors},
    events,
    recent::Day,
    rows::{ROWS_OF_A_BLOB, insert, remove, row_of},
    tables::{BLOBS, SUBSCRIPTIONS, TENANTS, WEBHOOKS, decode, encode, parsed},
    writer::Rank,
};
use crate::{
    content::Feed,
    ledger::{
        BlobKey, ContentRecord, Cursor, DeliveredRecord, EventKey, ExportPage, ExportPosition, FeedRecord, LedgerError,
        Piece, Transfer, keys,
        transfer::{MOST_CONTENT, MOST_IDS},
    },
};

/// No page is much larger. Unit: bytes.
const LARGEST_PAGE: usize = 1024 * 1024;

#[async_trait]
impl Transfer for RedbLedger {
    async fn export(&self, from: ExportPosition) -> Result<ExportPage, LedgerError> {
        let cursors = self.cursors.all();
        self.read(move |tx| match from {
            ExportPosition::Beginning => beginning(tx, cursors),
            ExportPosition::Content { after } => content(tx, after),
            ExportPosition::Delivered { day, after } => delivered(tx, day, after),
        })
        .await
    }

    async fn import(&self, pieces: Vec<Piece>) -> Result<(), LedgerError> {
        let rows = pieces.iter().map(|piece| match piece {
            Piece::Delivered(DeliveredRecord { events, .. }) => events::rows_of(events),
            _ => ROWS_OF_A_BLOB,
        });
        let rank = Rank::Bulk(rows.sum());
        let (held, recent, noted) = (self.held(), self.recent(), self.recent());
        let cursors = Arc::clone(&self.cursors);
        let import = move |tx: &WriteTransaction| {
            let mut imported = Imported::default();
            for piece in pieces {
                match piece {
                    Piece::Tenant(record) => {
                        tx.open_table(TENANTS)?
                            .insert(record.id.0.as_bytes().as_slice(), encode(&record)?.as_slice())?;
                    }
                    Piece::Feed(record) => import_feed(tx, &cursors, &record)?,
                    Piece::Content(record) => {
                        imported.feeds.push(record.feed);
                        import_content(tx, record)?;
                    }
                    Piece::Delivered(DeliveredRecord { day, events: keys }) => {
                        let day = events::day_of(day);
                        let batch = events::remember(tx, &recent, &keys, day)?;
                        imported.batches.push((day, batch, keys));
                    }
                }
            }
            Ok(imported)
        };
        let then = move |imported: &Imported| {
            imported.feeds.iter().for_each(|feed| held.rewind(*feed));
            imported.batches.iter().for_each(|(day, batch, keys)| noted.add(*day, *batch, keys));
        };
        self.writer.write_then(rank, import, then).await?;
        self.move_if_many().await
    }
}

/// What memory has to learn of what was imported.
#[derive(Default)]
struct Imported {
    feeds: Vec<Feed>,
    /// Batches of events: their day, and the number of the last one.
    batches: Vec<(Day, u64, Vec<EventKey>)>,
}

/// Tenants and feeds.
fn beginning(tx: &ReadTransaction, cursors: Vec<(Feed, Cursor)>) -> Result<ExportPage, redb::Error> {
    let mut pieces = Vec::new();
    for entry in tx.open_table(TENANTS)?.iter()? {
        pieces.push(Piece::Tenant(decode(entry?.1.value())?));
    }
    let mut feeds = BTreeMap::<Feed, FeedRecord>::new();
    let mut record = |feed: Feed, fill: &dyn Fn(&mut FeedRecord)| {
        fill(feeds.entry(feed).or_insert_with(|| FeedRecord {
            feed,
            cursor: Cursor::default(),
            last_start: None,
            webhooks: Vec::new(),
        }));
    };
    for (feed, cursor) in cursors {
        record(feed, &|record| record.cursor = cursor);
    }
    for entry in tx.open_table(SUBSCRIPTIONS)?.iter()? {
        let (key, value) = entry?;
        let last_start = DateTime::from_timestamp_millis(value.value());
        record(parsed(keys::parse_feed(key.value()))?, &|record| record.last_start = last_start);
    }
    for entry in tx.open_table(WEBHOOKS)?.iter()? {
        let (key, value) = entry?;
        let fill = |record: &mut FeedRecord| record.webhooks = value.value().lines().map(str::to_owned).collect();
        record(parsed(keys::parse_feed(key.value()))?, &fill);
    }
    pieces.extend(feeds.into_values().map(Piece::Feed));
    Ok(ExportPage { pieces, next: Some(ExportPosition::Content { after: None }) })
}

fn content(tx: &ReadTransaction, after: Option<BlobKey>) -> Result<ExportPage, redb::Error> {
    let after = after.map(|key| keys::blob(&key));
    let begin = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let (mut pieces, mut bytes) = (Vec::new(), 0);
    for entry in tx.open_table(BLOBS)?.range::<&[u8]>((begin, Bound::Unbounded))? {
        let (key, row) = entry?;
        let key = parsed(keys::parse_blob(key.value()))?;
        bytes += row.value().len() + key.content_id.len();
        pieces.push(Piece::Content(ContentRecord::new(key.clone(), decode(row.value())?)));
        if pieces.len() == MOST_CONTENT || bytes > LARGEST_PAGE {
            return Ok(ExportPage { pieces, next: Some(ExportPosition::Content { after: Some(key) }) });
        }
    }
    Ok(ExportPage { pieces, next: Some(ExportPosition::Delivered { day: NaiveDate::default(), after: None }) })
}

fn delivered(tx: &ReadTransaction, from: NaiveDate, after: Option<EventKey>) -> Result<ExportPage, redb::Error> {
    let next = events::next_day(tx, events::day_of(from))?;
    let Some((number, day)) = next.and_then(|next| Some((next, events::date(next)?))) else {
        return Ok(ExportPage::default());
    };
    let after = after.filter(|_| day == from);
    let events = events::of_day(tx, number, after, MOST_IDS)?;
    let next = match events.last() {
        Some(last) if events.len() == MOST_IDS => Some(ExportPosition::Delivered { day, after: Some(*last) }),
        _ => day.succ_opt().map(|day| ExportPosition::Delivered { day, after: None }),
    };
    let piece = (!events.is_empty()).then_some(Piece::Delivered(DeliveredRecord { day, events }));
    Ok(ExportPage { pieces: piece.into_iter().collect(), next })
}

fn import_feed(tx: &WriteTransaction, cursors: &Cursors, record: &FeedRecord) -> Result<(), redb::Error> {
    let key = keys::feed(record.feed);
    if record.cursor != Cursor::default() {
        cursors.set(record.feed, record.cursor);
        cursors::write(tx, &[(record.feed, record.cursor)])?;
    }
    if let Some(at) = record.last_start {
        tx.open_table(SUBSCRIPTIONS)?.insert(key.as_slice(), at.timestamp_millis())?;
    }
    if !record.webhooks.is_empty() {
        tx.open_table(WEBHOOKS)?.insert(key.as_slice(), record.webhooks.join("\n").as_str())?;
    }
    Ok(())
}

fn import_content(tx: &WriteTransaction, record: ContentRecord) -> Result<(), redb::Error> {
    let (key, row) = record.into_row();
    let known = row_of(&tx.open_table(BLOBS)?, &key)?;
    if let Some(known) = known {
        remove(tx, &key, &known)?;
    }
    insert(tx, &key, &row)
}
