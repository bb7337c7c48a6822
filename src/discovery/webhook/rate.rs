//! How fast each source may send requests.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{StateStore, keyed::ShrinkableKeyedStateStore},
};
use tokio::time::Instant;

use super::addresses::source_of;
use crate::clock::TokioClock;

/// For how many senders of notifications their requests are counted.
const MOST_SENDERS: usize = 10_000;

/// Forgetting looks at all sources, so that it must not happen for each request.
const BETWEEN_SWEEPS: Duration = Duration::from_secs(1);

/// A token bucket for each IPv4 address and IPv6 /64, in bounded memory.
///
/// A source is remembered until its bucket is full again. When so many are remembered that there is no room, all
/// further sources share one bucket until there is: then an attack from many addresses can keep out new sources, but
/// not known ones.
#[derive(Debug)]
pub struct SourceRates {
    limiter: RateLimiter<IpAddr, Buckets, TokioClock, NoOpMiddleware<Nanos>>,
    most: usize,
    swept: Mutex<Instant>,
}

impl SourceRates {
    /// So many requests a minute from one source, at most `burst` of them at once; at most `most` sources are remembered
    /// (some 100 bytes each).
    pub fn new(per_minute: NonZeroU32, burst: NonZeroU32, most: usize) -> Self {
        let quota = Quota::per_minute(per_minute).allow_burst(burst);
        let buckets = Buckets { most, state: Mutex::default() };
        Self {
            limiter: RateLimiter::new(quota, buckets, TokioClock::starting_now()),
            most,
            swept: Mutex::new(Instant::now()),
        }
    }

    /// The rates of senders of notifications. Microsoft announces a busy hour's content in one go, so that a quarter of a
    /// minute's requests may come at once.
    pub fn of_notifications(per_minute: NonZeroU32) -> Self {
        let burst = NonZeroU32::new(per_minute.get() / 4).unwrap_or(NonZeroU32::MIN);
        Self::new(per_minute, burst, MOST_SENDERS)
    }

    /// Whether a request from an address is within its source's rate; counts it if so.
    pub fn allow(&self, address: IpAddr) -> bool {
        if self.limiter.len() >= self.most && self.is_time_to_sweep() {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&source_of(address)).is_ok()
    }

    fn is_time_to_sweep(&self) -> bool {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        let due = swept.elapsed() >= BETWEEN_SWEEPS;
        if due {
            *swept = Instant::now();
        }
        due
    }
}

/// Governor's own hash map has no limit, and does not say whether a source is in it.
#[derive(Debug)]
struct Buckets {
    most: usize,
    state: Mutex<Arrivals>,
}

#[derive(Debug, Default)]
struct Arrivals {
    own: HashMap<IpAddr, Nanos>,
    shared: Option<Nanos>,
}

impl Buckets {
    fn state(&self) -> MutexGuard<'_, Arrivals> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for Buckets {
    type Key = IpAddr;

    fn measure_and_replace<T, F, E>(&self, source: &IpAddr, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut state = self.state();
        if let Some(bucket) = state.own.get_mut(source) {
            let (outcome, after) = measure(Some(*bucket))?;
            *bucket = after;
            return Ok(outcome);
        }
        if state.own.len() < self.most {
            let (outcome, after) = measure(None)?;
            state.own.insert(*source, after);
            return Ok(outcome);
        }
        let (outcome, after) = measure(state.shared)?;
        state.shared = Some(after);
        Ok(outcome)
    }
}

impl ShrinkableKeyedStateStore<IpAddr> for Buckets {
    fn retain_recent(&self, drop_below: Nanos) {
        self.state().own.retain(|_, bucket| *bucket > drop_below);
    }

    fn len(&self) -> usize {
        self.state().own.len()
    }

    fn is_empty(&self) -> bool {
        self.state().own.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    /// One request a second, two at once.
    fn rates(most: usize) -> SourceRates {
        SourceRates::new(NonZeroU32::new(60).unwrap(), NonZeroU32::new(2).unwrap(), most)
    }

    fn address(n: u16) -> IpAddr {
        let [a, b] = n.to_be_bytes();
        IpAddr::from([192, 0, a, b])
    }

    fn allowed(rates: &SourceRates, address: IpAddr) -> usize {
        (0..10).filter(|_| rates.allow(address)).count()
    }

    #[tokio::test(start_paused = true)]
    async fn each_source_has_a_rate_of_its_own() {
        let rates = rates(10);
        assert_eq!((allowed(&rates, address(1)), allowed(&rates, address(2))), (2, 2));
        assert!(!rates.allow("::ffff:192.0.0.1".parse().unwrap()));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(allowed(&rates, address(1)), 1);
        sleep(Duration::from_secs(3600)).await;
        assert_eq!(allowed(&rates, address(1)), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_is_one_source() {
        let rates = rates(10);
        let sent = (0..10_u16).filter(|n| rates.allow(format!("2001:db8::{n}").parse().unwrap())).count();
        assert_eq!(sent, 2);
        assert!(rates.allow("2001:db8:0:1::".parse().unwrap()));
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_flood_new_sources_share_and_known_ones_do_not() {
        let rates = rates(3);
        assert!(rates.allow(address(0)));
        let sent = (1..1_000).filter(|n| rates.allow(address(*n))).count();
        assert_eq!((sent, rates.limiter.len()), (2 + 2, 3), "two more with room, then two of the shared bucket");
        assert!(rates.allow(address(0)), "who was known keeps a rate of its own");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_flood_there_is_room_again() {
        let rates = rates(3);
        for n in 0..100 {
            rates.allow(address(n));
        }
        sleep(Duration::from_secs(60)).await;
        assert_eq!(allowed(&rates, address(500)), 2);
        assert_eq!(rates.limiter.len(), 1);
    }
}
