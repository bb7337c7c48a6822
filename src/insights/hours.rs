//! Something for each of the last 24 hours.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::Span;

/// The current hour and those before it.
const HOURS: i64 = 24;

const SECONDS: i64 = 3_600;

/// The hours in which there was anything, by their number since 1970.
#[derive(Debug)]
pub(super) struct Hours<T> {
    hours: BTreeMap<i64, T>,
    older: u64,
}

impl<T> Default for Hours<T> {
    fn default() -> Self {
        Self { hours: BTreeMap::new(), older: 0 }
    }
}

impl<T: Default> Hours<T> {
    /// Adds what happened at a time to its hour, if that is one of the last 24. What is ahead of the clock counts as of now.
    pub(super) fn with(&mut self, time: DateTime<Utc>, now: DateTime<Utc>, add: impl FnOnce(&mut T)) {
        let (hour, current) = (number(time).min(number(now)), number(now));
        if hour <= current - HOURS {
            self.older = self.older.saturating_add(1);
            return;
        }
        // A clock that was ahead for a while leaves hours in the future, which count again when they come.
        self.hours.retain(|hour, _| (current - HOURS + 1..=current + 1).contains(hour));
        add(self.hours.entry(hour).or_default());
    }
}

impl<T> Hours<T> {
    /// The last 24 hours.
    pub(super) fn at(&self, now: DateTime<Utc>) -> impl Iterator<Item = &T> + Clone {
        self.hours.range(number(now) - HOURS + 1..=number(now)).map(|(_, hour)| hour)
    }

    pub(super) fn span(&self, now: DateTime<Utc>) -> Span {
        let begin = DateTime::from_timestamp((number(now) - HOURS + 1) * SECONDS, 0);
        Span { since: begin.unwrap_or(now - TimeDelta::hours(HOURS)), older: self.older }
    }

    pub(super) fn bytes(&self, of: impl Fn(&T) -> usize) -> usize {
        self.hours.values().map(|hour| size_of::<(i64, T)>() + of(hour)).sum()
    }
}

fn number(time: DateTime<Utc>) -> i64 {
    time.timestamp().div_euclid(SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(hour * SECONDS + 61, 0).unwrap()
    }

    #[test]
    fn the_last_24_hours_are_kept_and_older_events_are_counted() {
        let mut hours = Hours::<u32>::default();
        for (time, now) in [(99, 99), (100, 100), (77, 100), (76, 100), (101, 100)] {
            hours.with(at(time), at(now), |count| *count += 1);
        }
        assert_eq!(hours.at(at(100)).copied().collect::<Vec<_>>(), [1, 1, 2]);
        assert_eq!(hours.span(at(100)), Span { since: DateTime::from_timestamp(77 * SECONDS, 0).unwrap(), older: 1 });
        // Time alone takes hours away.
        assert_eq!(hours.at(at(123)).sum::<u32>(), 2);
        assert_eq!(hours.at(at(124)).sum::<u32>(), 0);
        hours.with(at(130), at(130), |count| *count += 1);
        assert_eq!(hours.hours.len(), 1);
    }
}
