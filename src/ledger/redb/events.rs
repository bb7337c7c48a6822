//! The ids of delivered events: one table a day.

use std::ops::Bound;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use redb::{ReadTransaction, TableDefinition, TableHandle, WriteTransaction};

use super::{RedbLedger, writer::Rank};
use crate::ledger::{DeliveredEvents, EventKey, LedgerError};

type EventTable<'a> = TableDefinition<'a, [u8; 16], ()>;

/// How the names of the tables begin.
const EVENTS: &str = "events_";

/// How many event ids one transaction notes for one caller.
pub(super) const MOST_EVENTS: usize = 2_000;

#[async_trait]
impl DeliveredEvents for RedbLedger {
    async fn delivered(&self, events: Vec<EventKey>) -> Result<Vec<bool>, LedgerError> {
        self.read(move |tx| {
            let mut delivered = vec![false; events.len()];
            for name in tables(tx.list_tables()?) {
                let table = tx.open_table(EventTable::new(&name))?;
                for (event, known) in events.iter().zip(&mut delivered) {
                    if !*known {
                        *known = table.get(event.0)?.is_some();
                    }
                }
            }
            Ok(delivered)
        })
        .await
    }

    async fn deliver(&self, events: Vec<EventKey>, now: DateTime<Utc>) -> Result<(), LedgerError> {
        for some in chunks(events, MOST_EVENTS).into_iter().filter(|some| !some.is_empty()) {
            self.writer.write(Rank::Bulk(some.len()), move |tx| remember(tx, &some, now)).await?;
        }
        Ok(())
    }
}

pub(super) fn remember(tx: &WriteTransaction, events: &[EventKey], now: DateTime<Utc>) -> Result<(), redb::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let name = format!("{EVENTS}{}", day(now));
    let mut table = tx.open_table(EventTable::new(&name))?;
    for event in events {
        table.insert(event.0, ())?;
    }
    Ok(())
}

/// Forgets the events of all days before that of `oldest_kept`.
pub(super) fn forget_before(tx: &WriteTransaction, oldest_kept: DateTime<Utc>) -> Result<(), redb::Error> {
    let oldest_kept = day(oldest_kept);
    for name in tables(tx.list_tables()?) {
        let day = name.strip_prefix(EVENTS).and_then(|day| day.parse::<i64>().ok());
        if day.is_some_and(|day| day < oldest_kept) {
            tx.delete_table(EventTable::new(&name))?;
        }
    }
    Ok(())
}

/// The days of which there are events, in their order.
pub(super) fn days(tx: &ReadTransaction) -> Result<Vec<NaiveDate>, redb::Error> {
    let day = |name: String| {
        let days = TimeDelta::try_days(name.strip_prefix(EVENTS)?.parse().ok()?)?;
        NaiveDate::default().checked_add_signed(days)
    };
    let mut days: Vec<_> = tables(tx.list_tables()?).into_iter().filter_map(day).collect();
    days.sort_unstable();
    Ok(days)
}

/// Up to `most` events of a day, in the order of their keys.
pub(super) fn of_day(
    tx: &ReadTransaction,
    day: NaiveDate,
    after: Option<EventKey>,
    most: usize,
) -> Result<Vec<EventKey>, redb::Error> {
    let name = format!("{EVENTS}{}", (day - NaiveDate::default()).num_days());
    let begin = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.0));
    let mut events = Vec::new();
    for entry in tx.open_table(EventTable::new(&name))?.range::<[u8; 16]>((begin, Bound::Unbounded))?.take(most) {
        events.push(EventKey(entry?.0.value()));
    }
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

fn tables(tables: impl Iterator<Item = impl TableHandle>) -> Vec<String> {
    tables.map(|table| table.name().to_owned()).filter(|name| name.starts_with(EVENTS)).collect()
}

/// Days since 1970 began.
fn day(time: DateTime<Utc>) -> i64 {
    time.timestamp().div_euclid(86_400)
}
