//! How many different texts there were: `HyperLogLog` with 4096 registers, of 4 KiB, and a standard error of 1.6 %.
//!
//! The estimate is that of Otmar Ertl, "New cardinality estimation algorithms for `HyperLogLog` sketches" (arXiv:1702.01284), section 4:
//! without tables, and without the bias of the first formula for small numbers. Crates were looked at: `cardinality-estimator` is for
//! 64-bit machines only, `hyperloglogplus` is no longer developed, and either is more code than this.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

/// Bits of the hash that choose the register.
const BITS: u32 = 12;

const REGISTERS: usize = 1 << BITS;

/// The most that a register can hold: the bits that are left, and one.
const MOST: usize = (u64::BITS - BITS) as usize + 1;

/// Of this process, so that nobody can choose texts that fall together.
static HASHES: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A set of which only the size is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Distinct(Option<Box<[u8; REGISTERS]>>);

impl Distinct {
    pub(super) fn add(&mut self, text: &str) {
        let hash = HASHES.hash_one(text);
        let registers = self.0.get_or_insert_with(|| Box::new([0; REGISTERS]));
        let place = usize::try_from(hash >> (u64::BITS - BITS)).unwrap_or_default();
        // Leading zeros of the other bits, and one; the bit below them ends the count.
        let rank = ((hash << BITS) | (1 << (BITS - 1))).leading_zeros() + 1;
        let rank = u8::try_from(rank).unwrap_or(u8::MAX);
        if let Some(register) = registers.get_mut(place) {
            *register = rank.max(*register);
        }
    }

    /// About how many different texts are in any of these sets.
    pub(super) fn count<'a>(sets: impl Iterator<Item = &'a Self>) -> u64 {
        let mut union = [0u8; REGISTERS];
        for registers in sets.filter_map(|set| set.0.as_ref()) {
            for (most, register) in union.iter_mut().zip(registers.iter()) {
                *most = (*most).max(*register);
            }
        }
        estimate(&union)
    }

    pub(super) fn bytes(&self) -> usize {
        if self.0.is_some() { REGISTERS } else { 0 }
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate")]
fn estimate(registers: &[u8; REGISTERS]) -> u64 {
    let mut counts = [0u32; MOST + 1];
    for register in registers {
        counts[usize::from(*register).min(MOST)] += 1;
    }
    let m = REGISTERS as f64;
    let mut z = m * tau(1.0 - f64::from(counts[MOST]) / m);
    for count in counts[1..MOST].iter().rev() {
        z = 0.5 * (z + f64::from(*count));
    }
    z += m * sigma(f64::from(counts[0]) / m);
    (m * m / (2.0 * std::f64::consts::LN_2 * z)).round() as u64
}

/// Ertl's σ; infinite for 1, which is an empty set.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

/// Ertl's τ.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(range: std::ops::Range<u32>) -> Distinct {
        let mut set = Distinct::default();
        range.for_each(|n| set.add(&n.to_string()));
        set
    }

    #[test]
    fn sizes_are_right_within_five_standard_errors() {
        for n in [0, 1, 2, 10, 100, 1_000, 5_000, 10_000, 20_000, 100_000, 300_000] {
            let found = Distinct::count([set(0..n)].iter());
            let off = (f64::from(u32::try_from(found).unwrap()) - f64::from(n)).abs();
            // Small sets are nearly exact; 1.6 % is the standard error.
            assert!(
                off <= (f64::from(n) * 0.016 * 5.0).max(if n < 100 { 0.5 + f64::from(n) * 0.1 } else { 0.0 }),
                "{n}: {found}"
            );
        }
    }

    #[test]
    fn the_same_texts_in_several_hours_count_once() {
        let found = Distinct::count([set(0..3_000), set(1_500..4_000), Distinct::default()].iter());
        assert!((3_680..=4_320).contains(&found), "{found}");
    }
}
