//! What time it is.
//!
//! Production asks the operating system each time, so that a corrected clock or a laptop that slept is noticed at once.
//! Tests and the simulator follow tokio's clock instead: with tokio's time paused, seven days pass in seconds and every
//! part of the program agrees on the date.

use chrono::{DateTime, TimeDelta, Utc};
use governor::nanos::Nanos;
use tokio::time::Instant;

/// A source of the current UTC time.
#[derive(Clone, Debug, Default)]
pub struct Clock(Kind);

#[derive(Clone, Debug, Default)]
enum Kind {
    #[default]
    System,
    Anchored {
        origin: DateTime<Utc>,
        since: Instant,
        ahead: TimeDelta,
    },
}

impl Clock {
    /// The operating system's clock.
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// A clock that shows `origin` now and then advances with tokio's clock (and stands still while that is paused).
    pub fn starting_at(origin: DateTime<Utc>) -> Self {
        Self(Kind::Anchored { origin, since: Instant::now(), ahead: TimeDelta::zero() })
    }

    /// A clock that is `ahead` of this one (behind it, when negative): how a test gives a machine a wrong clock.
    pub fn skewed(&self, ahead: TimeDelta) -> Self {
        match &self.0 {
            Kind::System => Self::starting_at(Utc::now() + ahead),
            Kind::Anchored { origin, since, ahead: already } => {
                Self(Kind::Anchored { origin: *origin, since: *since, ahead: *already + ahead })
            }
        }
    }

    /// The current time in UTC.
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            Kind::System => Utc::now(),
            Kind::Anchored { origin, since, ahead } => {
                // Out of range only after some 290 million years of uptime; then the clock stands still.
                let elapsed = TimeDelta::from_std(since.elapsed()).unwrap_or(TimeDelta::MAX);
                origin.checked_add_signed(elapsed).and_then(|now| now.checked_add_signed(*ahead)).unwrap_or(*origin)
            }
        }
    }
}

/// tokio's clock for governor, so that paused time in tests holds for rates, too.
#[derive(Clone, Debug)]
pub(crate) struct TokioClock(Instant);

impl TokioClock {
    pub(crate) fn starting_now() -> Self {
        Self(Instant::now())
    }
}

impl governor::clock::Clock for TokioClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_anchored_clock_follows_tokios_paused_time() {
        let origin = DateTime::from_timestamp(1_760_000_000, 0).unwrap();
        let clock = Clock::starting_at(origin);
        assert_eq!(clock.now(), origin);

        tokio::time::sleep(Duration::from_hours(7 * 24)).await;
        assert_eq!(clock.now(), origin + TimeDelta::days(7));
        assert_eq!(clock.skewed(TimeDelta::hours(-1)).now(), origin + TimeDelta::hours(7 * 24 - 1));
    }
}
