//! The days that are compared with the audit search, the index of those that are open, and rows that belong to days.

use std::ops::{Bound, ControlFlow, RangeInclusive};

use chrono::NaiveDate;
use redb::{ReadTransaction, ReadableTable, Table, Value, WriteTransaction};

use super::{
    rows::SWEEP,
    tables::{AUDIT_DAYS, Bytes, DELIVERED_COUNTS, OPEN_AUDIT_DAYS, QUERIES, decode, encode, existing, parsed},
};
use crate::{
    content::TenantId,
    ledger::{AuditDay, DayRecord, keys},
};

/// All days.
pub(super) const ALL: RangeInclusive<NaiveDate> = NaiveDate::MIN..=NaiveDate::MAX;

/// Whether a visit goes on.
pub(super) type Visited = Result<ControlFlow<()>, redb::Error>;

/// Visits the rows of some days, of one tenant or of all, in the order of tenants and days. What is between the days of one tenant
/// and those of the next is passed without being read.
pub(super) fn each<V: Value + 'static>(
    table: &impl ReadableTable<Bytes, V>,
    tenant: Option<TenantId>,
    days: &RangeInclusive<NaiveDate>,
    mut visit: impl FnMut(&[u8], V::SelfType<'_>) -> Visited,
) -> Result<(), redb::Error> {
    let mut begin = tenant.map(|tenant| keys::audit_day(AuditDay { tenant, day: *days.start() }));
    loop {
        let mut next = None;
        for entry in table.range(begin.as_deref().unwrap_or_default()..)? {
            let (key, value) = entry?;
            let of = parsed(keys::parse_audit_day(key.value()))?;
            if tenant.is_some_and(|tenant| tenant != of.tenant) {
                return Ok(());
            }
            if of.day < *days.start() {
                next = Some(keys::audit_day(AuditDay { day: *days.start(), ..of }));
                break;
            }
            if of.day > *days.end() {
                next = keys::after_tenant(of.tenant).map(|key| key.to_vec());
                break;
            }
            if visit(key.value(), value.value())?.is_break() {
                return Ok(());
            }
        }
        if next.is_none() {
            return Ok(());
        }
        begin = next;
    }
}

pub(super) fn day_of(days: &impl ReadableTable<Bytes, Bytes>, of: AuditDay) -> Result<Option<DayRecord>, redb::Error> {
    days.get(keys::audit_day(of).as_slice())?.map(|value| decode(value.value())).transpose()
}

/// Writes a day in place of what was known of it, and keeps the index true.
pub(super) fn put(tx: &WriteTransaction, record: &DayRecord) -> Result<(), redb::Error> {
    let key = keys::audit_day(record.of);
    tx.open_table(AUDIT_DAYS)?.insert(key.as_slice(), encode(record)?.as_slice())?;
    let mut open = tx.open_table(OPEN_AUDIT_DAYS)?;
    if record.is_open() {
        open.insert(key.as_slice(), ())?;
    } else {
        open.remove(key.as_slice())?;
    }
    Ok(())
}

/// Changes a day that is open. One that is not stays as it is.
pub(super) fn change_open(
    tx: &WriteTransaction,
    of: AuditDay,
    with: impl FnOnce(&mut DayRecord),
) -> Result<(), redb::Error> {
    // A statement of its own: redb opens a table once at a time, and `put` opens it again.
    let known = day_of(&tx.open_table(AUDIT_DAYS)?, of)?;
    let Some(mut record) = known.filter(DayRecord::is_open) else { return Ok(()) };
    with(&mut record);
    put(tx, &record)
}

/// The open days of one tenant or of all.
pub(super) fn open_days(
    open: &impl ReadableTable<Bytes, ()>,
    days: &impl ReadableTable<Bytes, Bytes>,
    tenant: Option<TenantId>,
) -> Result<Vec<DayRecord>, redb::Error> {
    let mut records = Vec::new();
    each(open, tenant, &ALL, |key, ()| {
        records.push(existing(day_of(days, parsed(keys::parse_audit_day(key))?)?)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(records)
}

/// Whether there is anything that [`forget_before`] forgets.
pub(super) fn are_any_before(tx: &ReadTransaction, oldest_kept: NaiveDate) -> Result<bool, redb::Error> {
    let settled = settled_before(&tx.open_table(AUDIT_DAYS)?, &tx.open_table(OPEN_AUDIT_DAYS)?, oldest_kept, 1)?;
    Ok(!settled.is_empty() || !keys_before(&tx.open_table(DELIVERED_COUNTS)?, oldest_kept, 1)?.is_empty())
}

/// Forgets settled days and counts before a day, [`SWEEP`] of each.
pub(super) fn forget_before(tx: &WriteTransaction, oldest_kept: NaiveDate) -> Result<(), redb::Error> {
    let mut days = tx.open_table(AUDIT_DAYS)?;
    let settled = settled_before(&days, &tx.open_table(OPEN_AUDIT_DAYS)?, oldest_kept, SWEEP)?;
    for key in settled {
        days.remove(key.as_slice())?;
    }
    let mut counts = tx.open_table(DELIVERED_COUNTS)?;
    for key in keys_before(&counts, oldest_kept, SWEEP)? {
        counts.remove(key.as_slice())?;
    }
    Ok(())
}

fn settled_before(
    days: &impl ReadableTable<Bytes, Bytes>,
    open: &impl ReadableTable<Bytes, ()>,
    oldest_kept: NaiveDate,
    most: usize,
) -> Result<Vec<Vec<u8>>, redb::Error> {
    let mut settled = Vec::new();
    each_before(days, oldest_kept, |key| {
        if open.get(key)?.is_none() {
            settled.push(key.to_vec());
        }
        Ok(go_on(settled.len() < most))
    })?;
    Ok(settled)
}

fn keys_before<V: Value + 'static>(
    table: &impl ReadableTable<Bytes, V>,
    oldest_kept: NaiveDate,
    most: usize,
) -> Result<Vec<Vec<u8>>, redb::Error> {
    let mut keys = Vec::new();
    each_before(table, oldest_kept, |key| {
        keys.push(key.to_vec());
        Ok(go_on(keys.len() < most))
    })?;
    Ok(keys)
}

fn each_before<V: Value + 'static>(
    table: &impl ReadableTable<Bytes, V>,
    oldest_kept: NaiveDate,
    mut visit: impl FnMut(&[u8]) -> Visited,
) -> Result<(), redb::Error> {
    let Some(last) = oldest_kept.pred_opt() else { return Ok(()) };
    each(table, None, &(NaiveDate::MIN..=last), |key, _| visit(key))
}

const fn go_on(wanted: bool) -> ControlFlow<()> {
    if wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

/// Forgets the days, counts and queries of a tenant.
pub(super) fn forget_tenant(tx: &WriteTransaction, tenant: TenantId) -> Result<(), redb::Error> {
    remove_all(&mut tx.open_table(AUDIT_DAYS)?, tenant)?;
    remove_all(&mut tx.open_table(OPEN_AUDIT_DAYS)?, tenant)?;
    remove_all(&mut tx.open_table(DELIVERED_COUNTS)?, tenant)?;
    tx.open_table(QUERIES)?.remove(tenant.0.as_bytes().as_slice())?;
    Ok(())
}

fn remove_all<V: Value + 'static>(table: &mut Table<'_, Bytes, V>, tenant: TenantId) -> Result<(), redb::Error> {
    let begin = Bound::Included(tenant.0.as_bytes().as_slice());
    let after = keys::after_tenant(tenant);
    let end = after.as_ref().map_or(Bound::Unbounded, |after| Bound::Excluded(after.as_slice()));
    table.retain_in::<&[u8], _>((begin, end), |_, _| false)?;
    Ok(())
}
