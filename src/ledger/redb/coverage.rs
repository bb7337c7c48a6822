//! The comparison with the audit search.

use std::{collections::BTreeMap, ops::ControlFlow};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::{
    RedbLedger, counts, days, forgotten,
    rows::{ROWS_OF_A_BLOB, make_pending, row_of},
    tables::{AUDIT_DAYS, BLOBS, DELIVERED_COUNTS, OPEN_AUDIT_DAYS, QUERIES, decode, encode, parsed},
    writer::Rank,
};
use crate::{
    content::{ContentRef, TenantId},
    ledger::{
        AuditDay, BlobKey, CoverageStore, DayCoverage, DayRecord, DayRequest, DeliveredBatch, FinishedSearch,
        LedgerError, SearchStep, keys, query_budget, row::Row,
    },
};

/// For how many rows a change of a day counts: its row, and its place among the open ones.
const ROWS_OF_A_DAY: usize = 2;

#[async_trait]
impl CoverageStore for RedbLedger {
    async fn coverage(
        &self,
        tenant: Option<TenantId>,
        from: NaiveDate,
        through: NaiveDate,
    ) -> Result<Vec<DayCoverage>, LedgerError> {
        self.read(move |tx| {
            let range = from..=through;
            let mut known = BTreeMap::new();
            days::each(&tx.open_table(AUDIT_DAYS)?, tenant, &range, |_, row| {
                let record: DayRecord = decode(row)?;
                let of = record.of;
                coverage_of(&mut known, of).record = Some(record);
                Ok(ControlFlow::Continue(()))
            })?;
            days::each(&tx.open_table(DELIVERED_COUNTS)?, tenant, &range, |key, row| {
                let (of, content_type) = parsed(keys::parse_count(key))?;
                coverage_of(&mut known, of).delivered.insert(content_type, counts::from_row(row));
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(known.into_values().collect())
        })
        .await
    }

    async fn open_days(&self, tenant: Option<TenantId>) -> Result<Vec<DayRecord>, LedgerError> {
        let open = move |tx: &ReadTransaction| {
            days::open_days(&tx.open_table(OPEN_AUDIT_DAYS)?, &tx.open_table(AUDIT_DAYS)?, tenant)
        };
        self.read(open).await
    }

    async fn request_day(&self, request: DayRequest) -> Result<bool, LedgerError> {
        self.writer.write(Rank::Bulk(ROWS_OF_A_DAY), move |tx| request_day(tx, request)).await
    }

    async fn step_search(&self, of: AuditDay, number: u32, step: SearchStep) -> Result<(), LedgerError> {
        let take = move |tx: &WriteTransaction| days::change_open(tx, of, |record| record.step(number, step));
        self.writer.write(Rank::Bulk(ROWS_OF_A_DAY), take).await
    }

    async fn read_search(
        &self,
        of: AuditDay,
        number: u32,
        content: ContentRef,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        let (held, feed) = (self.held(), content.feed);
        let read = move |tx: &WriteTransaction| {
            let mut reads = false;
            days::change_open(tx, of, |record| reads = record.read(number))?;
            if reads { make_pending(tx, &content, now) } else { Ok(()) }
        };
        let rank = Rank::Bulk(ROWS_OF_A_BLOB + ROWS_OF_A_DAY);
        self.writer.write_then(rank, read, move |()| held.rewind(feed)).await
    }

    async fn complete_search(
        &self,
        key: BlobKey,
        finished: FinishedSearch,
        delivery: DeliveredBatch,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        let tenant = key.feed.tenant;
        let finish = move |tx: &WriteTransaction| finish(tx, tenant, &finished, now);
        self.complete_and(key, delivery, now, finish).await.map(|_| ())
    }

    async fn is_pending(&self, key: BlobKey) -> Result<bool, LedgerError> {
        self.read(move |tx| Ok(row_of(&tx.open_table(BLOBS)?, &key)?.is_some_and(|row: Row| row.is_pending()))).await
    }

    async fn spend_query(
        &self,
        tenant: TenantId,
        at: DateTime<Utc>,
        most: u32,
    ) -> Result<Result<(), DateTime<Utc>>, LedgerError> {
        self.writer.write(Rank::Bulk(1), move |tx| spend_query(tx, tenant, at, most)).await
    }

    async fn refund_query(&self, tenant: TenantId, at: DateTime<Utc>) -> Result<(), LedgerError> {
        self.writer.write(Rank::Bulk(1), move |tx| refund_query(tx, tenant, at)).await
    }

    async fn ids_forgotten_before(&self) -> Result<Option<NaiveDate>, LedgerError> {
        self.read(forgotten::before).await
    }
}

fn coverage_of(known: &mut BTreeMap<AuditDay, DayCoverage>, of: AuditDay) -> &mut DayCoverage {
    known.entry(of).or_insert_with(|| DayCoverage { of, record: None, delivered: BTreeMap::new() })
}

fn request_day(tx: &WriteTransaction, request: DayRequest) -> Result<bool, redb::Error> {
    let known = days::day_of(&tx.open_table(AUDIT_DAYS)?, request.of)?;
    match known.filter(DayRecord::is_open) {
        Some(open) if open.heals || !request.heals => Ok(false),
        Some(open) => days::put(tx, &DayRecord { heals: true, ..open }).map(|()| false),
        None => days::put(tx, &DayRecord::begin(request)).map(|()| true),
    }
}

/// Finishes the search that reads a query.
fn finish(
    tx: &WriteTransaction,
    tenant: TenantId,
    finished: &FinishedSearch,
    now: DateTime<Utc>,
) -> Result<(), redb::Error> {
    let open = days::open_days(&tx.open_table(OPEN_AUDIT_DAYS)?, &tx.open_table(AUDIT_DAYS)?, Some(tenant))?;
    if let Some(mut record) = open.into_iter().find(|record| record.reading(&finished.query).is_some()) {
        record.finish(finished, now);
        if !record.is_open() {
            record.delivered = counts::of_day(tx, record.of)?;
        }
        days::put(tx, &record)?;
    }
    Ok(())
}

fn spend_query(
    tx: &WriteTransaction,
    tenant: TenantId,
    at: DateTime<Utc>,
    most: u32,
) -> Result<Result<(), DateTime<Utc>>, redb::Error> {
    let mut queries = tx.open_table(QUERIES)?;
    let key = tenant.0.as_bytes().as_slice();
    let known = queries.get(key)?.map(|row| decode::<Vec<_>>(row.value())).transpose()?.unwrap_or_default();
    let mut times = known.clone();
    let spent = query_budget::spend(&mut times, at, most);
    if times.is_empty() {
        queries.remove(key)?;
    } else if times != known {
        queries.insert(key, encode(&times)?.as_slice())?;
    }
    Ok(spent)
}

fn refund_query(tx: &WriteTransaction, tenant: TenantId, at: DateTime<Utc>) -> Result<(), redb::Error> {
    let mut queries = tx.open_table(QUERIES)?;
    let key = tenant.0.as_bytes().as_slice();
    let known = queries.get(key)?.map(|row| decode::<Vec<_>>(row.value())).transpose()?;
    let Some(mut times) = known else { return Ok(()) };
    query_budget::refund(&mut times, at);
    if times.is_empty() {
        queries.remove(key)?;
    } else {
        queries.insert(key, encode(&times)?.as_slice())?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "coverage_tests.rs"]
mod tests;
