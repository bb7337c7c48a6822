//! What time it is for Microsoft.
//!
//! Windows are compared with Microsoft's clock: a machine that is an hour ahead would move its cursors past content that
//! does not exist yet, one that is behind would ask for more than seven days. Every response says in its `Date` header
//! what time it is there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, header::DATE};
use tracing::warn;

use crate::clock::Clock;

/// `Date` has whole seconds, and a response takes its time; a smaller difference means nothing.
const TOLERANCE: TimeDelta = TimeDelta::seconds(5);

/// From here on an administrator should look at the machine's clock.
const WORTH_A_WARNING: TimeDelta = TimeDelta::seconds(60);

/// A larger correction is taken only when two responses in a row agree on it: one of them may come from a proxy whose
/// clock is wrong.
const BELIEVABLE: TimeDelta = TimeDelta::hours(2);

/// This machine's clock, corrected by what servers say. Clones share the correction.
#[derive(Clone, Debug, Default)]
pub struct ServerClock {
    local: Clock,
    state: Arc<Mutex<Reading>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    /// How far the server is ahead of this machine; `None` before the first response.
    ahead: Option<TimeDelta>,
    /// A large correction that one response has asked for.
    unconfirmed: Option<TimeDelta>,
}

impl ServerClock {
    /// Starts with the local clock, uncorrected.
    pub fn new(local: Clock) -> Self {
        Self { local, state: Arc::default() }
    }

    /// The time by the server's clock.
    pub fn now(&self) -> DateTime<Utc> {
        self.local.now() + self.state().ahead.unwrap_or_default()
    }

    /// Whether a server has sent its time. Before that, nothing should be forgotten because of its age.
    pub fn is_synchronised(&self) -> bool {
        self.state().ahead.is_some()
    }

    /// Learns from a response of Microsoft's (not from a proxy's error page).
    pub fn observe(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        let Some(date) = date.map(DateTime::<Utc>::from) else { return };
        let ahead = date.signed_duration_since(self.local.now());
        let ahead = if ahead.abs() <= TOLERANCE { TimeDelta::zero() } else { ahead };
        let mut state = self.state();
        let known = state.ahead.unwrap_or_default();
        let same = |other: TimeDelta| (ahead - other).abs() <= TOLERANCE;
        if (ahead - known).abs() > BELIEVABLE && !state.unconfirmed.is_some_and(same) {
            state.unconfirmed = Some(ahead);
            return;
        }
        *state = Reading { ahead: Some(ahead), unconfirmed: None };
        drop(state);
        if ahead.abs() >= WORTH_A_WARNING && (ahead - known).abs() >= WORTH_A_WARNING {
            warn!(
                message = "This machine's clock differs from Microsoft's; windows follow Microsoft's clock. Check NTP.",
                server_ahead_secs = ahead.num_seconds(),
            );
        }
    }

    fn state(&self) -> MutexGuard<'_, Reading> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[tokio::test(start_paused = true)]
    async fn a_single_response_from_another_age_is_not_believed() {
        let right = DateTime::parse_from_rfc3339("2026-11-22T10:00:00Z").unwrap().to_utc();
        let clock = ServerClock::new(Clock::starting_at(right));
        assert!(!clock.is_synchronised());
        clock.observe(&date("Fri, 01 Jan 2100 00:00:00 GMT"));
        assert!(!clock.is_synchronised());
        clock.observe(&date("Sun, 22 Nov 2026 10:00:00 GMT"));
        assert!(clock.is_synchronised());
        clock.observe(&date("Thu, 01 Jan 1970 00:00:00 GMT"));
        clock.observe(&date("Sun, 22 Nov 2026 10:00:00 GMT"));
        clock.observe(&date("Thu, 01 Jan 1970 00:00:00 GMT"));
        assert_eq!(clock.now(), right);
        clock.observe(&date("Tue, 24 Nov 2026 10:00:00 GMT"));
        clock.observe(&date("Tue, 24 Nov 2026 10:00:01 GMT"));
        assert_eq!(clock.now(), right + TimeDelta::seconds(2 * 86_400 + 1), "the machine is two days behind");
    }
}
