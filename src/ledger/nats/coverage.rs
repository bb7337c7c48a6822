//! The comparison with the audit search.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use super::{NatsLedger, change::Change, queue::completed};
use crate::{
    content::{ContentRef, TenantId},
    ledger::{
        AuditDay, BlobKey, CoverageStore, DayCoverage, DayRecord, DayRequest, DeliveredBatch, FinishedSearch,
        LedgerError, SearchStep, row_key::RowKey,
    },
};

#[async_trait]
impl CoverageStore for NatsLedger {
    async fn coverage(
        &self,
        tenant: Option<TenantId>,
        from: NaiveDate,
        through: NaiveDate,
    ) -> Result<Vec<DayCoverage>, LedgerError> {
        self.local.coverage(tenant, from, through).await
    }

    async fn open_days(&self, tenant: Option<TenantId>) -> Result<Vec<DayRecord>, LedgerError> {
        self.local.open_days(tenant).await
    }

    async fn request_day(&self, request: DayRequest) -> Result<bool, LedgerError> {
        let (local, of) = (self.local(), request.of);
        self.change(async move { Ok((local.request_day(request).await?, Change::of([RowKey::Day(of)]))) }).await
    }

    async fn step_search(&self, of: AuditDay, number: u32, step: SearchStep) -> Result<(), LedgerError> {
        let local = self.local();
        self.change(async move { Ok((local.step_search(of, number, step).await?, Change::of([RowKey::Day(of)]))) })
            .await
    }

    async fn read_search(
        &self,
        of: AuditDay,
        number: u32,
        content: ContentRef,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        let local = self.local();
        let change = Change::of([RowKey::Content(BlobKey::from(&content)), RowKey::Day(of)]);
        self.change(async move { Ok((local.read_search(of, number, content, now).await?, change)) }).await
    }

    async fn complete_search(
        &self,
        key: BlobKey,
        finished: FinishedSearch,
        delivery: DeliveredBatch,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        let local = self.local();
        self.settle(async move {
            let mut change = completed(&key, &delivery, now);
            let open = local.open_days(Some(key.feed.tenant)).await?;
            let of_search = open.iter().filter(|record| record.reading(&finished.query).is_some());
            change.rows.extend(of_search.map(|record| RowKey::Day(record.of)));
            Ok((local.complete_search(key, finished, delivery, now).await?, change))
        })
        .await
    }

    async fn is_pending(&self, key: BlobKey) -> Result<bool, LedgerError> {
        self.local.is_pending(key).await
    }

    async fn spend_query(
        &self,
        tenant: TenantId,
        at: DateTime<Utc>,
        most: u32,
    ) -> Result<Result<(), DateTime<Utc>>, LedgerError> {
        let (local, change) = (self.local(), Change::of([RowKey::Queries(tenant)]));
        self.change(async move { Ok((local.spend_query(tenant, at, most).await?, change)) }).await
    }

    async fn refund_query(&self, tenant: TenantId, at: DateTime<Utc>) -> Result<(), LedgerError> {
        let (local, change) = (self.local(), Change::of([RowKey::Queries(tenant)]));
        self.change(async move { Ok((local.refund_query(tenant, at).await?, change)) }).await
    }

    async fn ids_forgotten_before(&self) -> Result<Option<NaiveDate>, LedgerError> {
        self.local.ids_forgotten_before().await
    }
}
