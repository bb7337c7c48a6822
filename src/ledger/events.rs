//! The ids of delivered events.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::{CoverageStore, EventKey, LedgerError};
use crate::content::{Feed, TenantId};

/// Events that were delivered together.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DeliveredBatch {
    /// Which.
    pub events: Vec<EventKey>,
    /// How many of which day. Empty where that is not counted.
    pub counts: Vec<EventCount>,
}

impl From<Vec<EventKey>> for DeliveredBatch {
    fn from(events: Vec<EventKey>) -> Self {
        Self { events, counts: Vec::new() }
    }
}

/// For how long ids of delivered events are kept, by the day of their delivery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IdRetention {
    /// In any case.
    pub window: TimeDelta,
    /// As long as a day whose events they may be is not proved complete: no comparison has come to its end, or it has found something
    /// missing.
    pub while_needed: TimeDelta,
}

impl From<TimeDelta> for IdRetention {
    fn from(window: TimeDelta) -> Self {
        Self { window, while_needed: window }
    }
}

impl IdRetention {
    /// The first day whose ids stay. `coverage` tells what is known of days.
    pub(super) async fn oldest_kept(
        self,
        coverage: &dyn CoverageStore,
        now: DateTime<Utc>,
    ) -> Result<NaiveDate, LedgerError> {
        let oldest = (now - self.window).date_naive();
        let floor = (now - self.while_needed).date_naive();
        if floor >= oldest {
            return Ok(oldest);
        }
        // Events are delivered on their day or later.
        let known = coverage.coverage(None, floor, oldest).await?;
        let needed = known.iter().filter(|day| day.has_live() && !day.is_proved()).map(|day| day.of.day).min();
        Ok(needed.map_or(oldest, |needed| needed.min(oldest)))
    }
}

/// So many events of a feed, by the day of the events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EventCount {
    /// Of which tenant and content type.
    pub feed: Feed,
    /// The day (UTC) of the events' own time.
    pub day: NaiveDate,
    /// How many.
    pub events: u64,
    /// Whether a search has brought them, and not live collection.
    pub healed: bool,
}

/// Which events were delivered, within the window of de-duplication and up to a day longer.
#[async_trait]
pub trait DeliveredEvents: fmt::Debug + Send + Sync {
    /// Which of these events were delivered, in the order of `events`.
    async fn delivered(&self, events: Vec<EventKey>) -> Result<Vec<bool>, LedgerError>;

    /// Notes events of a tenant as delivered whose blob is not done yet, and counts them by day.
    async fn deliver(&self, tenant: TenantId, delivery: DeliveredBatch, now: DateTime<Utc>) -> Result<(), LedgerError>;
}
