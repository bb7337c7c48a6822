//! How many events were delivered in each of the last minutes.

use chrono::{DateTime, Utc};

/// How many minutes are kept.
pub const MINUTES: usize = 60;

/// The same, for arithmetic with minutes since 1970.
const KEPT: i64 = 60;

/// The events of one feed. A minute has the place that is its number modulo [`MINUTES`].
#[derive(Clone, Debug)]
pub(super) struct Rates {
    places: [u32; MINUTES],
    newest: i64,
}

impl Default for Rates {
    fn default() -> Self {
        Self { places: [0; MINUTES], newest: 0 }
    }
}

impl Rates {
    pub(super) fn add(&mut self, events: u64, now: DateTime<Utc>) {
        let minute = number(now);
        if (minute - self.newest).abs() >= KEPT {
            self.places = [0; MINUTES];
            self.newest = minute;
        }
        while self.newest < minute {
            self.newest += 1;
            self.places[place(self.newest)] = 0;
        }
        let count = &mut self.places[place(minute)];
        *count = count.saturating_add(u32::try_from(events).unwrap_or(u32::MAX));
    }

    /// The last minutes, the oldest first.
    pub(super) fn minutes(&self, now: DateTime<Utc>) -> Vec<u32> {
        let now = number(now);
        let is_known = |minute: i64| minute <= self.newest && minute > self.newest - KEPT;
        (now - KEPT + 1..=now).map(|minute| if is_known(minute) { self.places[place(minute)] } else { 0 }).collect()
    }

    /// Whether there was an event within the minutes that are kept.
    pub(super) fn is_alive(&self, now: DateTime<Utc>) -> bool {
        (number(now) - self.newest).abs() < KEPT
    }
}

fn number(time: DateTime<Utc>) -> i64 {
    time.timestamp().div_euclid(60)
}

fn place(minute: i64) -> usize {
    usize::try_from(minute.rem_euclid(KEPT)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(minute * 60 + 7, 0).unwrap()
    }

    proptest! {
        #[test]
        fn the_last_hour_is_exact(steps in prop::collection::vec((0i64..90, 0u64..9), 1..40), later in 0i64..90) {
            let (mut rates, mut all, mut now) = (Rates::default(), Vec::new(), 29_000_000);
            for (step, events) in steps {
                now += step;
                rates.add(events, at(now));
                all.push((now, events));
            }
            now += later;
            let shown = rates.minutes(at(now));
            for (place, count) in (0i64..).zip(shown) {
                let minute = now - KEPT + 1 + place;
                let exact: u64 = all.iter().filter(|(at, _)| *at == minute).map(|(_, events)| events).sum();
                prop_assert_eq!(u64::from(count), exact, "minute {}", minute);
            }
        }
    }
}
