//! How long to wait after a failure.

use std::time::Duration;

use rand::RngExt;

/// Doubling waits with jitter.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// Never longer.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after so many failures in a row: between half and all of the doubled time, so that requests that failed
    /// together are not repeated together.
    pub fn wait(self, failures: u32) -> Duration {
        let doubled = self.first.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        let full = doubled.min(self.longest);
        full / 2 + (full / 2).mul_f64(rand::rng().random::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_secs(5), longest: Duration::from_secs(900) };

    #[test]
    fn waits_double_up_to_the_longest() {
        for (failures, upper) in [(0, 5), (1, 5), (2, 10), (3, 20), (9, 900), (u32::MAX, 900)] {
            for _ in 0..20 {
                let wait = BACKOFF.wait(failures);
                let upper = Duration::from_secs(upper);
                assert!(wait >= upper / 2 && wait <= upper, "{failures}: {wait:?}");
            }
        }
    }
}
