//! The ids of delivered events.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use super::{EventKey, LedgerError};
use crate::content::Feed;

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

    /// Notes events as delivered whose blob is not done yet, and counts them by day.
    async fn deliver(&self, delivery: DeliveredBatch, now: DateTime<Utc>) -> Result<(), LedgerError>;
}
