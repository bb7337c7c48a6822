//! The ids of delivered events: a table a day, and batches of those that no table has yet.
//!
//! Ids are hashes and land all over a table, so that each one dirties a page of it. So they are written in batches at first, one
//! row after the other, together with the blob that they are of. When many wait, they move to the table of their day in the
//! order of their keys, where neighbours share pages. Until then memory knows them; of the tables, it has filters.

use std::{
    ops::{Bound, RangeBounds},
    sync::{Arc, Weak},
};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, TableError,
    TableHandle, WriteTransaction,
};

use super::{
    RedbLedger,
    counts::{self, Counts},
    forgotten,
    recent::{Day, Filter, Looked, RecentEvents},
    tables::{Bytes, corrupt},
    writer::Rank,
};
use crate::{
    content::TenantId,
    ledger::{DeliveredBatch, DeliveredEvents, EventKey, LedgerError, counting::by_day},
};

type EventTable<'a> = TableDefinition<'a, [u8; 16], ()>;

/// Ids that no table has yet, one after the other. The key is the day and a number that rises with each batch.
pub(super) const BATCHES: TableDefinition<(Day, u64), Bytes> = TableDefinition::new("event_batches");

/// How the names of the tables begin.
const EVENTS: &str = "events_";

/// How many ids a batch has at most.
const MOST_IN_BATCH: usize = 2_000;

/// How many ids one transaction notes for one caller.
pub(super) const MOST_EVENTS: usize = 20_000;

/// How many ids one transaction moves to their table.
const MOST_MOVED: usize = if cfg!(test) { 70 } else { 4_000 };

/// How many entries are read between two looks at whether the ledger is still wanted.
const STEP: usize = 10_000;

#[async_trait]
impl DeliveredEvents for RedbLedger {
    async fn delivered(&self, events: Vec<EventKey>) -> Result<Vec<bool>, LedgerError> {
        let Looked { mut delivered, perhaps } = self.recent.look(&events);
        if perhaps.is_empty() {
            return Ok(delivered);
        }
        self.read(move |tx| {
            for asked in perhaps.chunk_by(|one, next| one.1 == next.1) {
                let Some((_, day)) = asked.first() else { continue };
                let name = table_of(*day);
                let table = match tx.open_table(EventTable::new(&name)) {
                    Ok(table) => table,
                    // Its filter has events that are about to be written there, or the day was forgotten a moment ago.
                    Err(TableError::TableDoesNotExist(_)) => continue,
                    Err(error) => return Err(error.into()),
                };
                for (at, _) in asked {
                    if let (Some(event), Some(delivered)) = (events.get(*at), delivered.get_mut(*at)) {
                        *delivered |= table.get(event.0)?.is_some();
                    }
                }
            }
            Ok(delivered)
        })
        .await
    }

    async fn deliver(&self, _: TenantId, delivery: DeliveredBatch, now: DateTime<Utc>) -> Result<(), LedgerError> {
        let (mut chunks, counts) = (chunks(delivery.events, MOST_EVENTS), by_day(&delivery.counts));
        let last = chunks.pop().unwrap_or_default();
        for some in chunks {
            self.note(some, Counts::new(), day(now)).await?;
        }
        if last.is_empty() && counts.is_empty() {
            return Ok(());
        }
        self.note(last, counts, day(now)).await
    }
}

impl RedbLedger {
    /// Notes events that were delivered on one day, and counts, durably.
    pub(super) async fn note(&self, events: Vec<EventKey>, counts: Counts, day: Day) -> Result<(), LedgerError> {
        let events: Arc<[EventKey]> = events.into();
        let (rank, recent, noted) = (Rank::Bulk(rows_of(&events) + counts.len()), self.recent(), self.recent());
        let those = Arc::clone(&events);
        let note = move |tx: &WriteTransaction| {
            counts::add(tx, &counts)?;
            remember(tx, &recent, &those, day)
        };
        self.writer.write_then(rank, note, move |batch| noted.add(day, *batch, &events)).await?;
        self.move_if_many().await
    }

    /// Moves what waits to the tables, if it is much. One caller does it, and the others go on.
    pub(super) async fn move_if_many(&self) -> Result<(), LedgerError> {
        if self.recent.are_many()
            && let Ok(_moving) = self.moving.try_lock()
        {
            self.move_to_tables().await?;
        }
        Ok(())
    }

    /// Moves what waits to the tables. A crash in between repeats what was done: ids are in their batches until all of them are
    /// in the table.
    async fn move_to_tables(&self) -> Result<(), LedgerError> {
        for day in self.recent.waiting_days() {
            let (events, newest_batch) = self.recent.waiting(day);
            for some in events.chunks(MOST_MOVED) {
                self.recent.moving(day, some);
                let some = some.to_vec();
                self.writer.write(Rank::Bulk(some.len()), move |tx| insert(tx, &some, day)).await?;
            }
            let recent = self.recent();
            let remove = move |tx: &WriteTransaction| remove_batches(tx, (day, 0)..=(day, newest_batch));
            self.writer.write_then(Rank::Bulk(MOST_MOVED), remove, move |()| recent.moved(day, &events)).await?;
        }
        Ok(())
    }
}

/// Writes events of one day in batches; returns the number of the last one.
pub(super) fn remember(
    tx: &WriteTransaction,
    recent: &RecentEvents,
    events: &[EventKey],
    day: Day,
) -> Result<u64, redb::Error> {
    let mut last = 0;
    if events.is_empty() {
        return Ok(last);
    }
    let mut batches = tx.open_table(BATCHES)?;
    for some in events.chunks(MOST_IN_BATCH) {
        last = recent.next_batch();
        let bytes: Vec<u8> = some.iter().flat_map(|event| event.0).collect();
        batches.insert((day, last), bytes.as_slice())?;
    }
    Ok(last)
}

/// For how many rows so many events count that are written in batches: a page has some 250 of them.
pub(super) const fn rows_of(events: &[EventKey]) -> usize {
    1 + events.len() / 64
}

fn insert(tx: &WriteTransaction, events: &[EventKey], day: Day) -> Result<(), redb::Error> {
    let name = table_of(day);
    let mut table = tx.open_table(EventTable::new(&name))?;
    for event in events {
        table.insert(event.0, ())?;
    }
    Ok(())
}

fn remove_batches(tx: &WriteTransaction, which: impl RangeBounds<(Day, u64)>) -> Result<(), redb::Error> {
    tx.open_table(BATCHES)?.retain_in(which, |_, _| false)?;
    Ok(())
}

/// Forgets the events of all days before that of `oldest_kept`, and takes note of that.
pub(super) fn forget_before(tx: &WriteTransaction, oldest_kept: Day) -> Result<(), redb::Error> {
    let batches = tx.open_table(BATCHES)?;
    let mut last = batches.range(..(oldest_kept, 0))?.next_back().transpose()?.map(|(key, _)| key.value().0);
    drop(batches);
    for name in tables(tx.list_tables()?) {
        let Some(day) = day_of_table(&name).filter(|day| *day < oldest_kept) else { continue };
        tx.delete_table(EventTable::new(&name))?;
        last = last.max(Some(day));
    }
    remove_batches(tx, ..(oldest_kept, 0))?;
    match last {
        Some(last) => forgotten::note(tx, last + 1),
        None => Ok(()),
    }
}

/// The first day of which there are events.
pub(super) fn first_day(
    names: impl Iterator<Item = impl TableHandle>,
    batches: &impl ReadableTable<(Day, u64), Bytes>,
) -> Result<Option<Day>, redb::Error> {
    let in_tables = tables(names).iter().filter_map(|name| day_of_table(name)).min();
    let in_batches = batches.first()?.map(|(key, _)| key.value().0);
    Ok(in_tables.into_iter().chain(in_batches).min())
}

/// What memory has to know of the file.
pub(super) fn recent_of(tx: &ReadTransaction) -> Result<RecentEvents, redb::Error> {
    let recent = RecentEvents::default();
    for day in tables(tx.list_tables()?).iter().filter_map(|name| day_of_table(name)) {
        recent.add_table(day);
    }
    for entry in tx.open_table(BATCHES)?.iter()? {
        let (key, batch) = entry?;
        let (day, number) = key.value();
        recent.add(day, number, &keys_of(batch.value())?);
    }
    Ok(recent)
}

/// Makes the filters of the tables that are there, for as long as the ledger is open.
///
/// It takes a second for some twenty million events; until then the tables are asked.
pub(super) fn make_filters(database: &Database, recent: &Weak<RecentEvents>) -> Result<(), redb::Error> {
    let tx = database.begin_read()?;
    for name in tables(tx.list_tables()?) {
        let Some(day) = day_of_table(&name) else { continue };
        let table = tx.open_table(EventTable::new(&name))?;
        let mut filter = Filter::new(usize::try_from(table.len()?).unwrap_or(usize::MAX));
        for (step, entry) in table.iter()?.enumerate() {
            filter.insert(&EventKey(entry?.0.value()));
            if step % STEP == 0 && recent.strong_count() == 0 {
                return Ok(());
            }
        }
        if let Some(recent) = recent.upgrade() {
            recent.add_filter(day, filter);
        }
    }
    Ok(())
}

/// The first day of which there are events that is not before `from`.
pub(super) fn next_day(tx: &ReadTransaction, from: Day) -> Result<Option<Day>, redb::Error> {
    let of_tables =
        tables(tx.list_tables()?).iter().filter_map(|name| day_of_table(name)).filter(|day| *day >= from).min();
    let of_batches = tx.open_table(BATCHES)?.range((from, 0)..)?.next().transpose()?.map(|(key, _)| key.value().0);
    Ok(of_tables.into_iter().chain(of_batches).min())
}

/// Up to `most` events of a day, in the order of their keys.
pub(super) fn of_day(
    tx: &ReadTransaction,
    day: Day,
    after: Option<EventKey>,
    most: usize,
) -> Result<Vec<EventKey>, redb::Error> {
    let mut events = Vec::new();
    for entry in tx.open_table(BATCHES)?.range((day, 0)..=(day, u64::MAX))? {
        events.extend(keys_of(entry?.1.value())?.into_iter().filter(|key| after.is_none_or(|after| *key > after)));
    }
    let name = table_of(day);
    match tx.open_table(EventTable::new(&name)) {
        Ok(table) => {
            let begin = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.0));
            for entry in table.range::<[u8; 16]>((begin, Bound::Unbounded))?.take(most) {
                events.push(EventKey(entry?.0.value()));
            }
        }
        Err(TableError::TableDoesNotExist(_)) => {}
        Err(error) => return Err(error.into()),
    }
    events.sort_unstable();
    // After a crash some are in their batch and in the table.
    events.dedup();
    events.truncate(most);
    Ok(events)
}

/// At least one chunk, the last one first.
pub(super) fn chunks(mut events: Vec<EventKey>, most: usize) -> Vec<Vec<EventKey>> {
    let mut chunks = Vec::new();
    while events.len() > most {
        chunks.push(events.split_off(events.len() - most));
    }
    chunks.push(events);
    chunks
}

fn keys_of(batch: &[u8]) -> Result<Vec<EventKey>, redb::Error> {
    let (keys, rest) = batch.as_chunks();
    if !rest.is_empty() {
        return Err(corrupt("a batch of event ids cannot be read".to_owned()));
    }
    Ok(keys.iter().copied().map(EventKey).collect())
}

fn tables(tables: impl Iterator<Item = impl TableHandle>) -> Vec<String> {
    tables.map(|table| table.name().to_owned()).filter(|name| day_of_table(name).is_some()).collect()
}

fn table_of(day: Day) -> String {
    format!("{EVENTS}{day}")
}

fn day_of_table(name: &str) -> Option<Day> {
    name.strip_prefix(EVENTS)?.parse().ok()
}

/// Days since 1970 began.
pub(super) fn day(time: DateTime<Utc>) -> Day {
    time.timestamp().div_euclid(86_400)
}

pub(super) fn day_of(date: NaiveDate) -> Day {
    // The default is the first day of 1970.
    (date - NaiveDate::default()).num_days()
}

/// A day as a date, if it is one.
pub(super) fn date(day: Day) -> Option<NaiveDate> {
    NaiveDate::default().checked_add_signed(TimeDelta::try_days(day)?)
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
