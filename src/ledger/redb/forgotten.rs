//! Which ids of delivered events have been forgotten: an event of such a day counts as new, whether it was delivered or not.

use chrono::{NaiveDate, Utc};
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::{
    events::{self, BATCHES},
    recent::Day,
    tables::{CURSORS, META},
};

/// Its name in [`META`].
const BEFORE: &str = "ids_forgotten_before";

/// Before which day ids have been forgotten.
pub(super) fn before(tx: &ReadTransaction) -> Result<Option<NaiveDate>, redb::Error> {
    let day = tx.open_table(META)?.get(BEFORE)?.map(|day| day.value());
    Ok(day.and_then(|day| events::date(Day::try_from(day).ok()?)))
}

/// Notes that ids of the days before this one have been forgotten.
pub(super) fn note(tx: &WriteTransaction, day: Day) -> Result<(), redb::Error> {
    // Before 1970 nothing was delivered.
    let day = u64::try_from(day).unwrap_or(0);
    let mut meta = tx.open_table(META)?;
    let known = meta.get(BEFORE)?.map(|day| day.value());
    if known.is_none_or(|known| known < day) {
        meta.insert(BEFORE, day)?;
    }
    Ok(())
}

/// Notes what a version before may have forgotten, which took no note: all before the first day that is there, and all to this day
/// when there is none. A ledger without a cursor has never listed anything, and so has forgotten nothing.
pub(super) fn note_for_earlier_version(tx: &WriteTransaction) -> Result<(), redb::Error> {
    let first = events::first_day(tx.list_tables()?, &tx.open_table(BATCHES)?)?;
    let has_listed = tx.open_table(CURSORS)?.first()?.is_some();
    match first.or_else(|| has_listed.then(|| events::day(Utc::now()))) {
        Some(day) => note(tx, day),
        None => Ok(()),
    }
}
