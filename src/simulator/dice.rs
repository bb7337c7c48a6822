//! Choices that follow from the seed and a name alone, in whatever order they are asked for.
//!
//! Content is computed when it is requested rather than stored. For that, the tenth event of the thousandth blob has to be
//! the same event whether or not anything before it was ever looked at; a generator that is drawn from in sequence cannot
//! give that.

use std::{hash::Hasher, ops::RangeInclusive, time::Duration};

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use siphasher::sip::SipHasher13;
use uuid::Uuid;

/// A point in the tree of all choices.
#[derive(Clone, Copy)]
pub(super) struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The dice for the `number`th thing of a kind.
    pub fn of(self, kind: &str, number: u64) -> Self {
        let mut hasher = SipHasher13::new_with_keys(self.0, number);
        hasher.write(kind.as_bytes());
        Self(hasher.finish())
    }

    pub fn of_uuid(self, kind: &str, id: Uuid) -> Self {
        let (high, low) = id.as_u64_pair();
        self.of(kind, high).of(kind, low)
    }

    pub fn value(self) -> u64 {
        self.0
    }

    /// A generator for choices that are always needed together.
    pub fn rng(self) -> SmallRng {
        SmallRng::seed_from_u64(self.0)
    }

    pub fn chance(self, probability: f64) -> bool {
        chance(&mut self.rng(), probability)
    }

    /// A number below `limit`; zero when `limit` is zero.
    pub fn below(self, limit: u64) -> u64 {
        self.0.checked_rem(limit).unwrap_or_default()
    }

    pub fn duration(self, range: &RangeInclusive<Duration>) -> Duration {
        duration(&mut self.rng(), range)
    }

    /// A version 4 GUID, as all of Microsoft's are.
    pub fn uuid(self) -> Uuid {
        uuid(&mut self.rng())
    }
}

/// Whether something of this probability happens.
pub(super) fn chance(rng: &mut SmallRng, probability: f64) -> bool {
    probability > 0.0 && rng.random_bool(probability.min(1.0))
}

/// A duration from the range; its start when the range is empty.
pub(super) fn duration(rng: &mut SmallRng, range: &RangeInclusive<Duration>) -> Duration {
    if range.is_empty() { *range.start() } else { rng.random_range(range.clone()) }
}

/// A random version 4 GUID.
pub(super) fn uuid(rng: &mut SmallRng) -> Uuid {
    uuid::Builder::from_random_bytes(rng.random()).into_uuid()
}
