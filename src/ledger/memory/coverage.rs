//! The comparison with the audit search, in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use super::{MemoryLedger, Stored};
use crate::{
    content::{ContentRef, TenantId},
    ledger::{
        AuditDay, BlobKey, ContentQueue, CoverageStore, DayCoverage, DayRecord, DayRequest, DeliveredBatch,
        FinishedSearch, LedgerError, SearchStep, query_budget, row::Row,
    },
};

#[async_trait]
impl CoverageStore for MemoryLedger {
    async fn coverage(
        &self,
        tenant: Option<TenantId>,
        from: NaiveDate,
        through: NaiveDate,
    ) -> Result<Vec<DayCoverage>, LedgerError> {
        let stored = self.stored();
        let mut known = BTreeMap::<AuditDay, DayCoverage>::new();
        let unknown = |of| DayCoverage { of, record: None, delivered: BTreeMap::new() };
        for (of, record) in &stored.days {
            known.entry(*of).or_insert_with(|| unknown(*of)).record = Some(record.clone());
        }
        for ((of, content_type), counts) in &stored.counts {
            known.entry(*of).or_insert_with(|| unknown(*of)).delivered.insert(*content_type, *counts);
        }
        let is_wanted =
            |of: &AuditDay| tenant.is_none_or(|tenant| tenant == of.tenant) && (from..=through).contains(&of.day);
        Ok(known.into_values().filter(|day| is_wanted(&day.of)).collect())
    }

    async fn open_days(&self, tenant: Option<TenantId>) -> Result<Vec<DayRecord>, LedgerError> {
        let stored = self.stored();
        let open =
            stored.days.values().filter(|day| day.is_open() && tenant.is_none_or(|tenant| tenant == day.of.tenant));
        Ok(open.cloned().collect())
    }

    async fn request_day(&self, request: DayRequest) -> Result<bool, LedgerError> {
        let mut stored = self.stored();
        if let Some(open) = stored.days.get_mut(&request.of).filter(|day| day.is_open()) {
            open.heals |= request.heals;
            return Ok(false);
        }
        stored.days.insert(request.of, DayRecord::begin(request));
        Ok(true)
    }

    async fn step_search(&self, of: AuditDay, number: u32, step: SearchStep) -> Result<(), LedgerError> {
        if let Some(open) = self.stored().days.get_mut(&of).filter(|day| day.is_open()) {
            open.step(number, step);
        }
        Ok(())
    }

    async fn read_search(
        &self,
        of: AuditDay,
        number: u32,
        content: ContentRef,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        let mut stored = self.stored();
        if stored.days.get_mut(&of).is_some_and(|day| day.is_open() && day.read(number)) {
            let key = BlobKey::from(&content);
            let row = Row::pending(stored.blobs.remove(&key), &content, now);
            stored.blobs.insert(key, row);
        }
        Ok(())
    }

    async fn complete_search(
        &self,
        key: BlobKey,
        finished: FinishedSearch,
        delivery: DeliveredBatch,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        let tenant = key.feed.tenant;
        self.complete(key, delivery, now).await?;
        let mut stored = self.stored();
        let Stored { days, counts, .. } = &mut *stored;
        let mut open = days.values_mut().filter(|day| day.is_open() && day.of.tenant == tenant);
        if let Some(day) = open.find(|day| day.reading(&finished.query).is_some()) {
            day.finish(&finished, now);
            if !day.is_open() {
                let of_day = counts.iter().filter(|((of, _), _)| *of == day.of);
                day.delivered = of_day.map(|((_, content_type), count)| (*content_type, *count)).collect();
            }
        }
        Ok(())
    }

    async fn is_pending(&self, key: BlobKey) -> Result<bool, LedgerError> {
        Ok(self.stored().blobs.get(&key).is_some_and(Row::is_pending))
    }

    async fn spend_query(
        &self,
        tenant: TenantId,
        at: DateTime<Utc>,
        most: u32,
    ) -> Result<Result<(), DateTime<Utc>>, LedgerError> {
        let mut stored = self.stored();
        let times = stored.queries.entry(tenant).or_default();
        let spent = query_budget::spend(times, at, most);
        if times.is_empty() {
            stored.queries.remove(&tenant);
        }
        Ok(spent)
    }

    async fn refund_query(&self, tenant: TenantId, at: DateTime<Utc>) -> Result<(), LedgerError> {
        let mut stored = self.stored();
        if let Some(times) = stored.queries.get_mut(&tenant) {
            query_budget::refund(times, at);
            if times.is_empty() {
                stored.queries.remove(&tenant);
            }
        }
        Ok(())
    }

    async fn ids_forgotten_before(&self) -> Result<Option<NaiveDate>, LedgerError> {
        Ok(self.stored().forgotten_before)
    }
}
