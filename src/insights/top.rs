//! The most frequent texts of a stream, in bounded memory: the algorithm `SpaceSaving` (Metwally, Agrawal, El Abbadi, 2005).
//!
//! At most [`PLACES`] texts have a place. A new one takes the place of the least frequent, and is charged with that one's count as
//! what it may have had before. So the count of a text lies between what was counted since it has its place and that plus what was
//! missed, and what was missed is never more than the events of the hour divided by [`PLACES`]. Crates that do this keep a single
//! count for a text; the tables need one for each column.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

use super::short_text::short;

/// How many texts are counted in an hour.
pub(super) const PLACES: usize = 200;

/// How many rows a table has at most.
const ROWS: usize = 15;

/// What the allocator needs beside a text.
const ALLOCATION: usize = 16;

/// Of this process, so that nobody can choose texts that fall together.
static HASHES: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The most frequent texts, with a count for each of `N` columns.
#[derive(Clone, Debug)]
pub(super) struct Top<const N: usize> {
    /// Places by the hashes of their texts. Two texts with the same hash of 64 bits would count as one.
    index: HashMap<u64, usize>,
    counts: Vec<Count<N>>,
    /// How often the text of each place came at most: close together, because a new text looks for the least of them.
    most: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Count<const N: usize> {
    text: Box<str>,
    columns: [u32; N],
    /// How often the text may have come before it had its place.
    missed: u32,
}

/// The most frequent texts of some hours.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ranking<const N: usize> {
    /// The most frequent first.
    pub rows: Vec<Row<N>>,
}

/// A text and how often it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row<const N: usize> {
    /// The text, shortened.
    pub text: String,
    /// How often at least, by column.
    pub columns: [u64; N],
    /// How often it may have come beyond that, over all columns.
    pub missed: u64,
}

impl<const N: usize> Default for Top<N> {
    fn default() -> Self {
        Self { index: HashMap::new(), counts: Vec::new(), most: Vec::new() }
    }
}

impl<const N: usize> Row<N> {
    /// How often at least, over all columns.
    pub fn total(&self) -> u64 {
        self.columns.iter().sum()
    }
}

impl<const N: usize> Top<N> {
    /// Counts a text in a column.
    pub(super) fn add(&mut self, text: &str, column: usize) {
        let text = short(text);
        if text.is_empty() {
            return;
        }
        let hash = HASHES.hash_one(&text);
        let place = match self.index.get(&hash) {
            Some(place) => *place,
            None => self.place(hash, text.into()),
        };
        if let (Some(count), Some(most)) = (self.counts.get_mut(place), self.most.get_mut(place))
            && let Some(count) = count.columns.get_mut(column)
        {
            *count = count.saturating_add(1);
            *most = most.saturating_add(1);
        }
    }

    /// Gives a text a place: a free one, or that of the least frequent.
    fn place(&mut self, hash: u64, text: Box<str>) -> usize {
        let missed = self.floor();
        let new = Count { text, columns: [0; N], missed };
        let least = if missed == 0 { None } else { self.most.iter().position(|most| *most == missed) };
        let place = if let Some((place, count)) = least.and_then(|place| Some((place, self.counts.get_mut(place)?))) {
            self.index.remove(&HASHES.hash_one(&count.text));
            *count = new;
            place
        } else {
            self.counts.push(new);
            self.most.push(0);
            self.counts.len() - 1
        };
        self.index.insert(hash, place);
        place
    }

    /// How often a text may have come that has no place; 0 while there are free ones.
    fn floor(&self) -> u32 {
        if self.most.len() < PLACES { 0 } else { self.most.iter().copied().min().unwrap_or_default() }
    }

    /// The most frequent texts of some hours together.
    pub(super) fn ranking<'a>(hours: impl Iterator<Item = &'a Self>) -> Ranking<N> {
        let mut sums: HashMap<&str, ([u64; N], u64)> = HashMap::new();
        let mut floors = 0;
        for hour in hours {
            let floor = u64::from(hour.floor());
            floors += floor;
            for count in &hour.counts {
                let (columns, known) = sums.entry(&count.text).or_insert(([0; N], 0));
                for (sum, column) in columns.iter_mut().zip(count.columns) {
                    *sum += u64::from(column);
                }
                // What it missed counts in place of the floor of this hour, which is not less.
                *known += floor.saturating_sub(u64::from(count.missed));
            }
        }
        let row = |(text, (columns, known)): (&str, ([u64; N], u64))| Row {
            text: text.to_owned(),
            columns,
            missed: floors.saturating_sub(known),
        };
        let mut rows: Vec<_> = sums.into_iter().map(row).collect();
        rows.sort_by(|one, other| other.total().cmp(&one.total()).then_with(|| one.text.cmp(&other.text)));
        rows.truncate(ROWS);
        Ranking { rows }
    }

    /// How often a text came at least, over all columns.
    pub(super) fn count<'a>(hours: impl Iterator<Item = &'a Self>, text: &str) -> u64 {
        let hash = HASHES.hash_one(text);
        let of = |hour: &'a Self| hour.counts.get(*hour.index.get(&hash)?);
        hours.filter_map(of).flat_map(|count| count.columns).map(u64::from).sum()
    }

    pub(super) fn bytes(&self) -> usize {
        // A map has up to 8/7 of its capacity in buckets, and a byte of control for each.
        let buckets = self.index.capacity() * 8 / 7 * (size_of::<(u64, usize)>() + 1);
        let texts: usize = self.counts.iter().map(|count| count.text.len() + ALLOCATION).sum();
        buckets + self.counts.capacity() * size_of::<Count<N>>() + self.most.capacity() * size_of::<u32>() + texts
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Few texts are frequent, many are rare, over several hours.
        #[test]
        fn counts_are_within_what_is_said(
            events in prop::collection::vec((0usize..3, 0u32..4, prop_oneof![0u32..20, 0u32..2_000], 0usize..2), 1..6_000)
        ) {
            let mut hours = vec![Top::<2>::default(); 3];
            let (mut exact, mut in_hour) = (BTreeMap::<String, [u64; 2]>::new(), [0usize; 3]);
            for (hour, _, text, column) in events {
                let text = format!("user{text}@contoso.com");
                hours[hour].add(&text, column);
                exact.entry(text).or_default()[column] += 1;
                in_hour[hour] += 1;
            }
            let error: u64 = in_hour.iter().map(|events| (events / PLACES) as u64).sum();
            let ranking = Top::ranking(hours.iter());
            prop_assert!(ranking.rows.len() <= ROWS);
            for Row { text, columns, missed } in &ranking.rows {
                let truth = exact[text];
                prop_assert!(columns.iter().zip(truth).all(|(count, truth)| *count <= truth), "{text}");
                let (found, truth): (u64, u64) = (columns.iter().sum(), truth.iter().sum());
                prop_assert!(truth <= found + missed, "{}: {} > {} + {}", text, truth, found, missed);
                prop_assert!(*missed <= error, "{} > {}", missed, error);
            }
            // What is not in the table is not more frequent than its last row, by more than the error.
            if let Some(last) = ranking.rows.get(ROWS - 1) {
                for (text, truth) in &exact {
                    let is_shown = ranking.rows.iter().any(|row| row.text == *text);
                    prop_assert!(is_shown || truth.iter().sum::<u64>() <= last.total() + error, "{text}");
                }
            }
            prop_assert!(hours.iter().all(|hour| hour.counts.len() <= PLACES && hour.index.len() == hour.counts.len()));
        }
    }
}
