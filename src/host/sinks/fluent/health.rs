//! Whether a server works, and when one that does not is tried again.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::backoff::Backoff;

/// Whether a server works: a circuit breaker.
#[derive(Debug)]
pub(super) struct Health {
    backoff: Backoff,
    state: Mutex<HealthState>,
}

#[derive(Debug, Default)]
struct HealthState {
    /// In a row.
    failures: u32,
    /// `None` for a server that works, as far as is known.
    rests_until: Option<Instant>,
    /// Whether a batch is finding out if it works again.
    is_tried: bool,
}

/// Leave to send one batch to a server. Dropping it says nothing about the server.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    health: &'a Health,
    /// Whether others wait for how this one ends.
    is_probe: bool,
}

impl Health {
    pub(super) fn new(backoff: Backoff) -> Self {
        Self { backoff, state: Mutex::default() }
    }

    /// Leave to send to a server that works; to one that has failed once its rest is over, for a single batch.
    pub(super) fn admit(&self) -> Option<Trial<'_>> {
        let mut state = self.state();
        let is_probe = match state.rests_until {
            None => false,
            Some(until) if state.is_tried || until > Instant::now() => return None,
            Some(_) => true,
        };
        state.is_tried |= is_probe;
        Some(Trial { health: self, is_probe })
    }

    /// Leave to send to a server nevertheless.
    pub(super) const fn insist(&self) -> Trial<'_> {
        Trial { health: self, is_probe: false }
    }

    /// How long the server is not used; `None` if it works.
    pub(super) fn rests_until(&self) -> Option<Instant> {
        self.state().rests_until
    }

    fn state(&self) -> MutexGuard<'_, HealthState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trial<'_> {
    /// The server works. Returns whether that is news.
    pub(super) fn succeeded(self) -> bool {
        let mut state = self.health.state();
        state.failures = 0;
        state.rests_until.take().is_some()
    }

    /// The server does not work. Returns for how long it is not used; `None` if that was settled while this batch was on
    /// its way.
    pub(super) fn failed(self) -> Option<Duration> {
        let mut state = self.health.state();
        let now = Instant::now();
        if state.rests_until.is_some_and(|until| until > now) {
            return None;
        }
        state.failures = state.failures.saturating_add(1);
        let wait = self.health.backoff.wait(state.failures);
        state.rests_until = Some(now + wait);
        Some(wait)
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.health.state().is_tried = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn health() -> Health {
        Health::new(Backoff { first: SECOND, longest: 30 * SECOND })
    }

    #[tokio::test(start_paused = true)]
    async fn one_batch_tries_a_server_whose_rest_is_over() {
        let health = health();
        let wait = health.admit().unwrap().failed().unwrap();
        assert!(wait <= SECOND && wait >= SECOND / 2);
        assert!(health.admit().is_none());
        advance(wait).await;
        let probe = health.admit().unwrap();
        assert!(health.admit().is_none(), "one is enough to find out");
        assert!(probe.succeeded());
        let (first, second) = (health.admit().unwrap(), health.admit().unwrap());
        assert!(!first.succeeded() && !second.succeeded(), "no news");
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_grows_with_failures_in_a_row_and_not_with_batches_that_fail_together() {
        let health = health();
        let together: Vec<_> = (0..4).map(|_| health.admit().unwrap()).collect();
        let waits: Vec<_> = together.into_iter().map(Trial::failed).collect();
        assert_eq!(waits.iter().flatten().count(), 1);
        for failures in 2_u32..10 {
            advance(30 * SECOND).await;
            let wait = health.admit().unwrap().failed().unwrap();
            let full = (2_u32.pow(failures - 1) * SECOND).min(30 * SECOND);
            assert!(wait <= full && wait >= full / 2, "{failures}: {wait:?}");
        }
        advance(30 * SECOND).await;
        health.admit().unwrap().succeeded();
        assert!(health.admit().unwrap().failed().unwrap() <= SECOND, "success forgets");
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_was_given_up_leaves_the_place_to_another() {
        let health = health();
        health.admit().unwrap().failed();
        advance(SECOND).await;
        drop(health.admit().unwrap());
        assert!(health.admit().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn insisting_needs_no_leave_and_takes_none() {
        let health = health();
        health.admit().unwrap().failed();
        assert_eq!(health.insist().failed(), None);
        assert!(health.insist().succeeded());
        assert_eq!(health.rests_until(), None);
    }
}
