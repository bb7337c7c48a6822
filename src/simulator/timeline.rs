//! When the content of one feed comes into being.
//!
//! Blobs are numbered from 0. The backlog's are spread over its period, one to each equal step with a random offset inside
//! it; live ones follow at a fixed interval. Everything about a blob is computed from its number, and the numbers of a
//! time range by arithmetic, so a feed of a million blobs takes no memory and its listing no search.

use std::{ops::Range, time::Duration};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::{Backlog, Faults, Late, Live, dice::Dice};
use crate::content::Feed;

/// The blobs of one feed that follow from the configuration.
pub(super) struct Timeline {
    pub feed: Feed,
    pub dice: Dice,
    start: DateTime<Utc>,
    backlog: Backlog,
    live: Option<Live>,
    late: Option<Late>,
    unlisted: f64,
}

impl Timeline {
    pub fn new(
        feed: Feed,
        seed: Dice,
        start: DateTime<Utc>,
        backlog: Backlog,
        live: Option<Live>,
        faults: &Faults,
    ) -> Self {
        let dice = seed.of_uuid("tenant", feed.tenant.0).of(feed.content_type.as_str(), 0);
        let Faults { late, unlisted, .. } = faults.clone();
        Self { feed, dice, start, backlog, live, late, unlisted }
    }

    /// The numbers of the blobs created within a half-open range of time. They are in the order of creation.
    pub fn numbers(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Range<u64> {
        let first = self.first_at_or_after(from);
        first..self.first_at_or_after(until).max(first)
    }

    /// When a blob was made available: `contentCreated`, in milliseconds as the API gives it.
    pub fn created(&self, number: u64) -> DateTime<Utc> {
        // Two blobs may share one creation time, and a client that takes the time for an identity loses the second (FB).
        let number = if number % 7 == 6 && number < self.backlog.blobs_per_feed { number - 1 } else { number };
        let offset = match number.checked_sub(self.backlog.blobs_per_feed) {
            None => {
                let step = self.backlog_step();
                let jitter = self.dice.of("created", number).below(nanos(step));
                let before_start = self.backlog.reaches_back.saturating_sub(mul(step, number));
                span(Duration::from_nanos(jitter)) - span(before_start)
            }
            Some(live) => span(mul(self.live_step(), live)) + span(self.live_phase()),
        };
        self.start.checked_add_signed(offset).unwrap_or(DateTime::<Utc>::MAX_UTC).trunc_subsecs(3)
    }

    /// From when on a blob is listed: its creation, unless it is one of the late ones. `None`: never.
    pub fn available_from(&self, number: u64) -> Option<DateTime<Utc>> {
        if self.dice.of("unlisted", number).chance(self.unlisted) {
            return None;
        }
        let created = self.created(number);
        let delay = self.late.as_ref().and_then(|late| {
            let dice = self.dice.of("late", number);
            dice.chance(late.share).then(|| dice.of("by", number).duration(&late.by))
        });
        Some(delay.and_then(|delay| created.checked_add_signed(span(delay))).unwrap_or(created))
    }

    /// How many events a blob holds.
    pub fn events(&self, number: u64) -> u32 {
        let range = match &self.live {
            Some(live) if number >= self.backlog.blobs_per_feed => &live.events_per_blob,
            _ => &self.backlog.events_per_blob,
        };
        let spread = u64::from(range.end().saturating_sub(*range.start())) + 1;
        // Below a u32 by construction.
        range.start() + u32::try_from(self.dice.of("events", number).below(spread)).unwrap_or_default()
    }

    /// The first number whose blob was not created before `time`.
    fn first_at_or_after(&self, time: DateTime<Utc>) -> u64 {
        // A guess by division is off by at most two (jitter, shared times, rounding to milliseconds), so step from below.
        let mut number = self.guess(time).saturating_sub(2);
        while number < self.total() && self.created(number) < time {
            number += 1;
        }
        number
    }

    fn guess(&self, time: DateTime<Utc>) -> u64 {
        let backlog = self.backlog.blobs_per_feed;
        if let Ok(after) = (time - self.start).to_std() {
            match u64::try_from(after.as_nanos() / self.live_step().as_nanos().max(1)) {
                Ok(live) if self.live.is_some() => backlog.saturating_add(live),
                _ => backlog,
            }
        } else {
            let before = (self.start - time).to_std().unwrap_or_default();
            let into = self.backlog.reaches_back.saturating_sub(before);
            u64::try_from(into.as_nanos() / self.backlog_step().as_nanos().max(1)).unwrap_or(backlog).min(backlog)
        }
    }

    fn total(&self) -> u64 {
        if self.live.is_some() { u64::MAX } else { self.backlog.blobs_per_feed }
    }

    fn backlog_step(&self) -> Duration {
        Duration::from_nanos(nanos(self.backlog.reaches_back) / self.backlog.blobs_per_feed.max(1))
    }

    fn live_step(&self) -> Duration {
        self.live.as_ref().map_or(Duration::MAX, |live| live.every.max(Duration::from_millis(1)))
    }

    /// Feeds do not produce in step: each has its own place within the interval.
    fn live_phase(&self) -> Duration {
        Duration::from_nanos(self.dice.of("phase", 0).below(nanos(self.live_step())))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn mul(duration: Duration, by: u64) -> Duration {
    Duration::from_nanos(nanos(duration).saturating_mul(by))
}

/// Far beyond any calendar the largest span stands for all others.
pub(super) fn span(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{content::ContentType, simulator::SimulatedTenant};

    fn timeline(blobs: u64, live: Option<Live>) -> Timeline {
        Timeline::new(
            Feed { tenant: SimulatedTenant::contoso().id, content_type: ContentType::General },
            Dice::new(1),
            DateTime::from_timestamp(1_780_000_000, 0).unwrap(),
            Backlog { reaches_back: Duration::from_hours(24), blobs_per_feed: blobs, events_per_blob: 2..=4 },
            live,
            &Faults {
                late: Some(Late { share: 0.5, by: Duration::from_mins(1)..=Duration::from_mins(2) }),
                unlisted: 0.1,
                ..Faults::default()
            },
        )
    }

    #[test]
    fn the_numbers_of_a_range_are_those_a_search_would_find() {
        let timeline = timeline(1000, Some(Live { every: Duration::from_secs(30), events_per_blob: 1..=1 }));
        let created: Vec<_> = (0..1200).map(|number| timeline.created(number)).collect();
        assert!(created.is_sorted());
        assert!(created[999] < timeline.start && timeline.start <= created[1000]);
        for offset in (-90_000..4000).step_by(613) {
            let from = timeline.start + TimeDelta::seconds(offset);
            let until = from + TimeDelta::seconds(1700);
            let searched =
                created.partition_point(|at| *at < from) as u64..created.partition_point(|at| *at < until) as u64;
            assert_eq!(timeline.numbers(from, until), searched, "{offset}");
        }
        // Also where a range starts at exactly a blob's creation.
        for number in 0..1100 {
            let at = created[number];
            let searched = created.partition_point(|other| *other < at) as u64;
            assert_eq!(timeline.numbers(at, at + TimeDelta::hours(1)).start, searched);
        }
    }

    #[test]
    fn some_blobs_share_a_creation_time_some_are_late_and_some_never_listed() {
        let timeline = timeline(1000, None);
        assert_eq!(timeline.created(6), timeline.created(5));
        let listed: Vec<_> =
            (0..1000).filter_map(|number| Some((timeline.created(number), timeline.available_from(number)?))).collect();
        assert!((850..950).contains(&listed.len()), "{}", listed.len());
        let late = listed.iter().filter(|(created, available)| available > created).count();
        assert!((300..600).contains(&late), "{late}");
        assert!((0..1000).all(|number| (2..=4).contains(&timeline.events(number))));
    }

    #[test]
    fn a_feed_without_content_is_empty() {
        let timeline = timeline(0, None);
        assert!(timeline.numbers(timeline.start - TimeDelta::days(1), timeline.start).is_empty());
    }
}
