//! The ids of delivered events.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{EventKey, LedgerError};

/// Which events were delivered, within the window of de-duplication and up to a day longer.
#[async_trait]
pub trait DeliveredEvents: fmt::Debug + Send + Sync {
    /// Which of these events were delivered, in the order of `events`.
    async fn delivered(&self, events: Vec<EventKey>) -> Result<Vec<bool>, LedgerError>;

    /// Notes events as delivered whose blob is not done yet.
    async fn deliver(&self, events: Vec<EventKey>, now: DateTime<Utc>) -> Result<(), LedgerError>;
}
