//! Pieces of the whole file, out and in.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate};
use redb::{ReadTransaction, ReadableTable, Value, WriteTransaction};
use uuid::Uuid;

use super::{
    RedbLedger, counts,
    cursors::{self, Cursors},
    days as day_rows, events, forgotten,
    recent::Day,
    rows::{ROWS_OF_A_BLOB, insert, remove, row_of},
    tables::{
        AUDIT_DAYS, BLOBS, Bytes, DELIVERED_COUNTS, QUERIES, SUBSCRIPTIONS, TENANTS, WEBHOOKS, decode, encode, parsed,
    },
    writer::Rank,
};
use crate::{
    content::{Feed, TenantId},
    ledger::{
        AuditDay, BlobKey, ContentRecord, Cursor, DayRecord, DeliveredRecord, EventKey, ExportPage, ExportPosition,
        FeedRecord, LedgerError, Piece, Transfer, counting, keys,
        transfer::{MOST_IDS, MOST_ROWS},
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
            ExportPosition::Queries { after } => queries(tx, after),
            ExportPosition::Days { after } => days(tx, after),
            ExportPosition::DeliveredCounts { after } => delivered_counts(tx, after),
            ExportPosition::Content { after } => content(tx, after),
            ExportPosition::Delivered { day, after } => delivered(tx, day, after),
            ExportPosition::Forgotten => {
                Ok(ExportPage { pieces: vec![Piece::Forgotten { before: forgotten::before(tx)? }], next: None })
            }
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
                    Piece::Queries { tenant, times } => {
                        tx.open_table(QUERIES)?.insert(tenant.0.as_bytes().as_slice(), encode(&times)?.as_slice())?;
                    }
                    Piece::Day(record) => day_rows::put(tx, &record)?,
                    Piece::DeliveredCount { feed, day, counts } => counts::set(tx, counting::key(feed, day), counts)?,
                    Piece::Forgotten { before: Some(before) } => forgotten::note(tx, events::day_of(before))?,
                    Piece::Forgotten { before: None } => {}
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
    Ok(ExportPage { pieces, next: Some(ExportPosition::Queries { after: None }) })
}

fn queries(tx: &ReadTransaction, after: Option<TenantId>) -> Result<ExportPage, redb::Error> {
    let after = after.map(|tenant| tenant.0.into_bytes().to_vec());
    page(&tx.open_table(QUERIES)?, after.as_deref(), ExportPosition::Days { after: None }, |key, row| {
        let tenant = TenantId(parsed(Uuid::from_slice(key).ok())?);
        let piece = Piece::Queries { tenant, times: decode(row)? };
        Ok((piece, ExportPosition::Queries { after: Some(tenant) }, row.len()))
    })
}

fn days(tx: &ReadTransaction, after: Option<AuditDay>) -> Result<ExportPage, redb::Error> {
    let then = ExportPosition::DeliveredCounts { after: None };
    page(&tx.open_table(AUDIT_DAYS)?, after.map(keys::audit_day).as_deref(), then, |_, row| {
        let record: DayRecord = decode(row)?;
        let position = ExportPosition::Days { after: Some(record.of) };
        Ok((Piece::Day(record), position, row.len()))
    })
}

fn delivered_counts(tx: &ReadTransaction, after: Option<(Feed, NaiveDate)>) -> Result<ExportPage, redb::Error> {
    let after = after.map(|(feed, day)| {
        let (of, content_type) = counting::key(feed, day);
        keys::count(of, content_type)
    });
    page(&tx.open_table(DELIVERED_COUNTS)?, after.as_deref(), ExportPosition::Content { after: None }, |key, row| {
        let (AuditDay { tenant, day }, content_type) = parsed(keys::parse_count(key))?;
        let feed = Feed { tenant, content_type };
        let piece = Piece::DeliveredCount { feed, day, counts: counts::from_row(row) };
        Ok((piece, ExportPosition::DeliveredCounts { after: Some((feed, day)) }, 0))
    })
}

fn content(tx: &ReadTransaction, after: Option<BlobKey>) -> Result<ExportPage, redb::Error> {
    let then = ExportPosition::Delivered { day: NaiveDate::default(), after: None };
    page(&tx.open_table(BLOBS)?, after.map(|key| keys::blob(&key)).as_deref(), then, |key, row| {
        let size = key.len() + row.len();
        let key = parsed(keys::parse_blob(key))?;
        let piece = Piece::Content(ContentRecord::new(key.clone(), decode(row)?));
        Ok((piece, ExportPosition::Content { after: Some(key) }, size))
    })
}

/// The pieces of a table after a key; `then` is where it goes on after its last one. `piece` makes one of a row, and says where it goes
/// on after it, and how large it is.
fn page<V: Value + 'static>(
    table: &impl ReadableTable<Bytes, V>,
    after: Option<&[u8]>,
    then: ExportPosition,
    mut piece: impl FnMut(&[u8], V::SelfType<'_>) -> Result<(Piece, ExportPosition, usize), redb::Error>,
) -> Result<ExportPage, redb::Error> {
    let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
    let (mut pieces, mut bytes) = (Vec::new(), 0);
    for entry in table.range::<&[u8]>((begin, Bound::Unbounded))? {
        let (key, row) = entry?;
        let (piece, position, size) = piece(key.value(), row.value())?;
        pieces.push(piece);
        bytes += size;
        if pieces.len() == MOST_ROWS || bytes > LARGEST_PAGE {
            return Ok(ExportPage { pieces, next: Some(position) });
        }
    }
    Ok(ExportPage { pieces, next: Some(then) })
}

fn delivered(tx: &ReadTransaction, from: NaiveDate, after: Option<EventKey>) -> Result<ExportPage, redb::Error> {
    let next = events::next_day(tx, events::day_of(from))?;
    let Some((number, day)) = next.and_then(|next| Some((next, events::date(next)?))) else {
        return Ok(ExportPage { pieces: Vec::new(), next: Some(ExportPosition::Forgotten) });
    };
    let after = after.filter(|_| day == from);
    let events = events::of_day(tx, number, after, MOST_IDS)?;
    let next = match events.last() {
        Some(last) if events.len() == MOST_IDS => Some(ExportPosition::Delivered { day, after: Some(*last) }),
        _ => {
            Some(day.succ_opt().map_or(ExportPosition::Forgotten, |day| ExportPosition::Delivered { day, after: None }))
        }
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
