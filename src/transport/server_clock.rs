//! What time it is for Microsoft.
//!
//! Windows are compared with Microsoft's clock: a machine that is an hour ahead would move its cursors past content that
//! does not exist yet, one that is behind would ask for more than seven days. Every response says in its `Date` header
//! what time it is there.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, header::DATE};
use tracing::warn;

use crate::clock::Clock;

/// `Date` has whole seconds, and a response takes its time; a smaller difference means nothing.
const TOLERANCE: TimeDelta = TimeDelta::seconds(5);

/// From here on an administrator should look at the machine's clock.
const WORTH_A_WARNING: TimeDelta = TimeDelta::seconds(60);

/// This machine's clock, corrected by what servers say. Clones share the correction.
#[derive(Clone, Debug, Default)]
pub struct ServerClock {
    local: Clock,
    ahead_millis: Arc<AtomicI64>,
}

impl ServerClock {
    /// Starts with the local clock, uncorrected.
    pub fn new(local: Clock) -> Self {
        Self { local, ahead_millis: Arc::default() }
    }

    /// The time by the server's clock.
    pub fn now(&self) -> DateTime<Utc> {
        self.local.now() + self.correction()
    }

    /// The time by this machine's clock.
    pub fn local_now(&self) -> DateTime<Utc> {
        self.local.now()
    }

    /// How far the server is ahead of this machine.
    pub fn correction(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.ahead_millis.load(Ordering::Relaxed))
    }

    /// Learns from a response.
    pub fn observe(&self, headers: &HeaderMap) {
        let date =
            headers.get(DATE).and_then(|date| date.to_str().ok()).and_then(|date| httpdate::parse_http_date(date).ok());
        let Some(date) = date else { return };
        let ahead = DateTime::<Utc>::from(date) - self.local.now();
        let ahead = if ahead.abs() <= TOLERANCE { TimeDelta::zero() } else { ahead };
        let before = self.ahead_millis.swap(ahead.num_milliseconds(), Ordering::Relaxed);
        if ahead.abs() >= WORTH_A_WARNING && (ahead - TimeDelta::milliseconds(before)).abs() >= WORTH_A_WARNING {
            warn!(
                message = "This machine's clock differs from Microsoft's; windows follow Microsoft's clock. Check NTP.",
                server_ahead_secs = ahead.num_seconds(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(DATE, text.parse().unwrap())])
    }

    #[tokio::test(start_paused = true)]
    async fn the_servers_date_corrects_a_wrong_clock_and_small_differences_do_not() {
        let right = DateTime::parse_from_rfc3339("2026-11-22T10:00:00Z").unwrap().to_utc();
        let clock = ServerClock::new(Clock::starting_at(right + TimeDelta::hours(1)));
        assert_eq!(clock.now(), right + TimeDelta::hours(1));
        clock.observe(&date("Sun, 22 Nov 2026 10:00:00 GMT"));
        assert_eq!(clock.clone().now(), right);
        clock.observe(&date("nonsense"));
        assert_eq!(clock.now(), right);
        clock.observe(&date("Sun, 22 Nov 2026 11:00:02 GMT"));
        assert_eq!(clock.now(), right + TimeDelta::hours(1), "two seconds are the network's");
    }
}
