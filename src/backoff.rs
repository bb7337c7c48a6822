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

/// Between attempts at one blob.
pub const BLOB: Backoff = Backoff { first: Duration::from_secs(5), longest: Duration::from_secs(900) };

/// Between attempts at one blob in a run that should end.
pub const BLOB_ONCE: Backoff = Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(10) };

/// While a feed fails as a whole.
pub const FEED: Backoff = Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(60) };

/// Between attempts at one page of a listing.
pub const PAGE: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(15) };

/// Between passes over a feed while the service is in trouble.
pub const UNAVAILABLE: Backoff = Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(300) };

/// While a tenant or a content type waits for an administrator, or for Microsoft's 15 minutes between starts.
pub const TROUBLE: Backoff = Backoff { first: Duration::from_secs(30), longest: Duration::from_secs(900) };

/// Between attempts to read the names of sensitive information types, which only make events better.
pub const SENSITIVE_TYPES: Backoff = Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(3_600) };

impl Backoff {
    /// The wait after so many failures in a row: between half and all of the doubled time, so that what failed together
    /// does not come back together.
    pub fn wait(self, failures: u32) -> Duration {
        let doubled = self.first.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        let full = doubled.min(self.longest);
        full / 2 + (full / 2).mul_f64(rand::rng().random::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        for (failures, upper) in [(0, 5), (1, 5), (2, 10), (3, 20), (9, 900), (u32::MAX, 900)] {
            for _ in 0..20 {
                let wait = BLOB.wait(failures);
                let upper = Duration::from_secs(upper);
                assert!(wait >= upper / 2 && wait <= upper, "{failures}: {wait:?}");
            }
        }
    }
}
