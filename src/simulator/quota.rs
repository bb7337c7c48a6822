//! The request quota of one tenant: a bucket that refills steadily.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

/// What is left of a tenant's quota. Full at first.
pub(super) struct Quota {
    left: f64,
    refilled: DateTime<Utc>,
}

impl Quota {
    pub fn full(per_minute: u32, now: DateTime<Utc>) -> Self {
        Self { left: f64::from(per_minute), refilled: now }
    }

    /// Takes one request out of the quota, or says how long until there is one again.
    pub fn take(&mut self, per_minute: u32, now: DateTime<Utc>) -> Result<(), TimeDelta> {
        let per_second = f64::from(per_minute) / 60.0;
        let elapsed = (now - self.refilled).as_seconds_f64().max(0.0);
        self.left = (self.left + elapsed * per_second).min(f64::from(per_minute));
        self.refilled = self.refilled.max(now);
        if self.left >= 1.0 {
            self.left -= 1.0;
            return Ok(());
        }
        // A quota of zero never refills; a minute is an arbitrary answer.
        let wait = if per_second > 0.0 { ((1.0 - self.left) / per_second).ceil() } else { 60.0 };
        #[expect(clippy::cast_possible_truncation, reason = "at most 60 seconds")]
        Err(TimeDelta::seconds(wait as i64))
    }
}

/// The requests of the last minute for one tenant.
#[derive(Default)]
pub(super) struct LastMinute(VecDeque<DateTime<Utc>>);

impl LastMinute {
    /// How many they are with one that comes now.
    pub fn with(&mut self, now: DateTime<Utc>) -> usize {
        while self.0.pop_front_if(|at| now - *at >= TimeDelta::minutes(1)).is_some() {}
        self.0.push_back(now);
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_forgets_what_was_before_it() {
        let start = DateTime::UNIX_EPOCH;
        let mut last = LastMinute::default();
        let counts = [0, 0, 30, 60, 89, 200].map(|seconds| last.with(start + TimeDelta::seconds(seconds)));
        assert_eq!(counts, [1, 2, 3, 2, 3, 1]);
    }

    #[test]
    fn the_quota_refills_with_time() {
        let start = DateTime::UNIX_EPOCH;
        let mut quota = Quota::full(60, start);
        assert!((0..60).all(|_| quota.take(60, start).is_ok()));
        assert_eq!(quota.take(60, start), Err(TimeDelta::seconds(1)));
        assert_eq!(quota.take(60, start + TimeDelta::seconds(1)), Ok(()));
        assert!(quota.take(60, start + TimeDelta::seconds(1)).is_err());
        // It never holds more than a minute's worth.
        let later = start + TimeDelta::hours(5);
        assert_eq!((0..100).filter(|_| quota.take(60, later).is_ok()).count(), 60);
    }
}
