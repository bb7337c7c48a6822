//! The ids of delivered events.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{NatsLedger, change::Change, queue::counted};
use crate::{
    content::TenantId,
    ledger::{DeliveredBatch, DeliveredEvents, EventKey, LedgerError},
};

#[async_trait]
impl DeliveredEvents for NatsLedger {
    async fn delivered(&self, events: Vec<EventKey>) -> Result<Vec<bool>, LedgerError> {
        self.local.delivered(events).await
    }

    async fn deliver(&self, tenant: TenantId, delivery: DeliveredBatch, now: DateTime<Utc>) -> Result<(), LedgerError> {
        let rows = Change::of(counted(&delivery.counts));
        let change = rows.with_delivered(tenant, now.date_naive(), delivery.events.clone());
        let local = self.local();
        self.settle(async move { Ok((local.deliver(tenant, delivery, now).await?, change)) }).await
    }
}
