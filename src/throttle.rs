//! How fast a tenant may be asked.
//!
//! A token bucket per tenant, at the configured rate. Microsoft's quota depends on seats and licences and is not
//! published, so the rate halves when Microsoft throttles and recovers while it does not; in between nothing is sent
//! for the time that Microsoft asks for.

use std::{
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};
use rand::RngExt;
use tokio::time::{Instant, sleep, sleep_until};

use crate::clock::TokioClock;

/// Even a tenant that is throttled all the time is asked this often a minute.
const SLOWEST: u32 = 6;

/// Without throttling, the rate grows by a quarter of the configured one in this time.
const RECOVERY: Duration = Duration::from_secs(60);

/// The pause when Microsoft does not name one; doubles while throttling goes on.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

type Bucket = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Nanos>>;

/// One tenant's limit.
#[derive(Debug)]
pub struct Throttle {
    configured: NonZeroU32,
    state: Mutex<Allowance>,
}

#[derive(Debug)]
struct Allowance {
    rate: NonZeroU32,
    bucket: Bucket,
    changed: Instant,
    resume: Option<Instant>,
    pause: Duration,
}

impl Throttle {
    /// A limit of so many requests a minute.
    pub fn new(per_minute: NonZeroU32) -> Self {
        let state = Allowance {
            rate: per_minute,
            bucket: bucket(per_minute),
            changed: Instant::now(),
            resume: None,
            pause: FIRST_PAUSE,
        };
        Self { configured: per_minute, state: Mutex::new(state) }
    }

    /// Another process may have asked for the tenant at this rate until now: no burst is left.
    pub fn take_over(&self) {
        let mut state = self.state();
        state.bucket = emptied(bucket(state.rate));
    }

    /// Waits until a request may be sent.
    pub async fn acquire(&self) {
        loop {
            let until = {
                let mut state = self.state();
                self.recover(&mut state);
                match state.resume.filter(|resume| *resume > Instant::now()) {
                    Some(resume) => resume,
                    None => match state.bucket.check() {
                        Ok(()) => return,
                        Err(denied) => Instant::now() + denied.wait_time_from(state.bucket.clock().now()),
                    },
                }
            };
            sleep_until(until).await;
            // Those that waited must not all wake at once.
            sleep(jitter(Duration::from_millis(50))).await;
        }
    }

    /// Until when nothing is sent, if the tenant is being throttled.
    pub fn paused_until(&self) -> Option<Instant> {
        self.state().resume.filter(|resume| *resume > Instant::now())
    }

    /// The current rate, in requests a minute.
    #[cfg(test)]
    pub fn rate(&self) -> u32 {
        let mut state = self.state();
        self.recover(&mut state);
        state.rate.get()
    }

    /// Microsoft has throttled a request. Returns how long nothing will be sent.
    pub fn throttled(&self, retry_after: Option<Duration>) -> Duration {
        let mut state = self.state();
        let now = Instant::now();
        // Requests that were in flight together are throttled together: that is one event.
        let again = state.resume.is_none_or(|resume| resume <= now);
        if again {
            let slower = NonZeroU32::new((state.rate.get() / 2).max(SLOWEST)).unwrap_or(NonZeroU32::MIN);
            state.rate = slower.min(self.configured);
            state.bucket = emptied(bucket(state.rate));
            state.changed = now;
        }
        // "Retry-After: 0" on a refusal is no invitation to send at full speed.
        let wait = retry_after.map_or_else(|| state.pause + jitter(state.pause / 2), |asked| asked.max(SHORTEST_PAUSE));
        if again {
            state.pause = (state.pause * 2).min(LONGEST_PAUSE);
        }
        state.resume = state.resume.max(Some(now + wait));
        state.resume.map_or(wait, |resume| resume - now)
    }

    fn recover(&self, state: &mut Allowance) {
        if state.rate == self.configured {
            return;
        }
        let calm = Instant::now().saturating_duration_since(state.changed.max(state.resume.unwrap_or(state.changed)));
        let steps = u32::try_from(calm.as_secs() / RECOVERY.as_secs()).unwrap_or(u32::MAX);
        if steps == 0 {
            return;
        }
        let step = self.configured.get().div_ceil(4);
        state.rate = state.rate.saturating_add(step.saturating_mul(steps)).min(self.configured);
        state.bucket = emptied(bucket(state.rate));
        state.changed = Instant::now();
        state.pause = FIRST_PAUSE;
    }

    fn state(&self) -> MutexGuard<'_, Allowance> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// At most two seconds' worth of requests at once. What comes at once is taken off the rest of the minute, so that no minute has more.
fn bucket(per_minute: NonZeroU32) -> Bucket {
    let burst = NonZeroU32::new(per_minute.get() / 30).unwrap_or(NonZeroU32::MIN);
    let rate = NonZeroU32::new(per_minute.get() - burst.get()).unwrap_or(NonZeroU32::MIN);
    RateLimiter::direct_with_clock(Quota::per_minute(rate).allow_burst(burst), TokioClock::starting_now())
}

/// A new bucket is full; one that replaces another must not give its burst again.
fn emptied(bucket: Bucket) -> Bucket {
    while bucket.check().is_ok() {}
    bucket
}

fn jitter(upper: Duration) -> Duration {
    upper.mul_f64(rand::rng().random::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(per_minute: u32) -> Throttle {
        Throttle::new(NonZeroU32::new(per_minute).unwrap())
    }

    async fn requests_in(throttle: &Throttle, time: Duration) -> u32 {
        let end = Instant::now() + time;
        let mut sent = 0;
        while tokio::time::timeout_at(end, throttle.acquire()).await.is_ok() {
            sent += 1;
        }
        sent
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_kept() {
        let throttle = throttle(600);
        let sent = requests_in(&throttle, Duration::from_secs(600)).await;
        assert!((3_000..=6_000).contains(&sent), "{sent}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_minute_has_more_than_the_limit_when_another_takes_over() {
        const MINUTE: Duration = Duration::from_secs(60);
        for limit in [6, 60, 600, 2_000] {
            for at in [1, 5, 20, 40, 59].map(Duration::from_secs) {
                let sent = requests_in(&throttle(limit), at).await;
                let other = throttle(limit);
                other.take_over();
                let rest = requests_in(&other, MINUTE.saturating_sub(at)).await;
                assert!(sent + rest <= limit, "{limit} after {at:?}: {sent} and {rest}");
            }
            let sent = requests_in(&throttle(limit), MINUTE).await;
            assert!(sent <= limit, "{limit}: {sent}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_pauses_halves_and_recovers() {
        let throttle = throttle(600);
        assert_eq!(throttle.throttled(Some(Duration::from_secs(30))), Duration::from_secs(30));
        assert_eq!(throttle.rate(), 300);
        throttle.throttled(Some(Duration::from_secs(10)));
        assert_eq!(throttle.rate(), 300, "requests in flight together are one event");
        assert_eq!(requests_in(&throttle, Duration::from_secs(29)).await, 0);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(throttle.paused_until().is_none());
        throttle.throttled(None);
        assert_eq!(throttle.rate(), 150);
        tokio::time::sleep(Duration::from_secs(70)).await;
        assert_eq!(throttle.rate(), 300);
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(throttle.rate(), 600);
    }

    #[tokio::test(start_paused = true)]
    async fn endless_throttling_never_stops_the_tenant_for_good() {
        let throttle = throttle(2_000);
        for _ in 0..50 {
            let pause = throttle.throttled(None);
            assert!(pause <= LONGEST_PAUSE * 3 / 2, "{pause:?}");
            tokio::time::sleep(pause).await;
        }
        assert!(throttle.rate() >= SLOWEST);
        throttle.acquire().await;
    }
}
