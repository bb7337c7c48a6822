//! How many events of each day were delivered.

use std::collections::BTreeMap;

use redb::{ReadableTable, WriteTransaction};

use super::tables::DELIVERED_COUNTS;
use crate::{
    content::ContentType,
    ledger::{AuditDay, DeliveredCounts, counting::CountKey, keys},
};

/// What is added up by day, to be counted in one transaction.
pub(super) type Counts = BTreeMap<CountKey, DeliveredCounts>;

/// Adds to what was counted before.
pub(super) fn add(tx: &WriteTransaction, counts: &Counts) -> Result<(), redb::Error> {
    if counts.is_empty() {
        return Ok(());
    }
    let mut table = tx.open_table(DELIVERED_COUNTS)?;
    for ((of, content_type), more) in counts {
        let key = keys::count(*of, *content_type);
        let before = table.get(key.as_slice())?.map_or_else(DeliveredCounts::default, |row| from_row(row.value()));
        let after = before.and(*more);
        table.insert(key.as_slice(), (after.live, after.healed))?;
    }
    Ok(())
}

/// What is counted of a day.
pub(super) fn of_day(
    tx: &WriteTransaction,
    of: AuditDay,
) -> Result<BTreeMap<ContentType, DeliveredCounts>, redb::Error> {
    let table = tx.open_table(DELIVERED_COUNTS)?;
    let mut found = BTreeMap::new();
    for content_type in ContentType::ALL {
        if let Some(row) = table.get(keys::count(of, content_type).as_slice())? {
            found.insert(content_type, from_row(row.value()));
        }
    }
    Ok(found)
}

/// Sets a count, whatever it was.
pub(super) fn set(tx: &WriteTransaction, (of, content_type): CountKey, to: DeliveredCounts) -> Result<(), redb::Error> {
    tx.open_table(DELIVERED_COUNTS)?.insert(keys::count(of, content_type).as_slice(), (to.live, to.healed))?;
    Ok(())
}

pub(super) const fn from_row((live, healed): (u64, u64)) -> DeliveredCounts {
    DeliveredCounts { live, healed }
}
