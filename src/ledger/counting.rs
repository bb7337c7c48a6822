//! How delivered events are counted by day.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveTime};

use super::{AuditDay, DeliveredCounts, EventCount, transfer::is_storable};
use crate::content::{ContentType, Feed};

/// What is counted together: the events of one content type of a tenant's day.
pub(super) type CountKey = (AuditDay, ContentType);

/// Adds up what is to be counted, so that each row is changed once.
///
/// Events of a day that is no day of an audit log are left out: records can have any time, and no search is for such a day.
pub(super) fn by_day(counts: &[EventCount]) -> BTreeMap<CountKey, DeliveredCounts> {
    let mut days = BTreeMap::<CountKey, DeliveredCounts>::new();
    for EventCount { feed, day, events, healed } in counts {
        if is_day(*day) {
            let counts = days.entry(key(*feed, *day)).or_default();
            let count = if *healed { &mut counts.healed } else { &mut counts.live };
            *count = count.saturating_add(*events);
        }
    }
    days
}

pub(super) const fn key(feed: Feed, day: NaiveDate) -> CountKey {
    (AuditDay { tenant: feed.tenant, day }, feed.content_type)
}

/// Whether a day is one that a ledger has keys for.
pub(super) fn is_day(day: NaiveDate) -> bool {
    is_storable(day.and_time(NaiveTime::MIN).and_utc())
}

impl DeliveredCounts {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { live: self.live.saturating_add(other.live), healed: self.healed.saturating_add(other.healed) }
    }
}
