//! What memory holds of delivered events: those that are in no table yet, and for each table a filter that says which events
//! it cannot have.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use fastbloom::BloomFilter;

use crate::ledger::EventKey;

/// How many events of all days wait at most before they are moved to the tables. Larger moves cost less for each event; this
/// many take some 4 MiB of memory.
const MOST_WAITING: usize = if cfg!(test) { 300 } else { 200_000 };

/// Which share of the events that a table does not have is looked up there all the same. This one takes 19.2 bits an event.
const FALSE_POSITIVES: f64 = 0.0001;

/// How many events the first filter of a day has room for; each further one has room for twice as many.
const FIRST_FILTER: usize = 1 << 18;

/// Days since 1970 began.
pub(super) type Day = i64;

/// Which events were delivered, as far as memory knows.
#[derive(Debug, Default)]
pub(super) struct RecentEvents {
    days: Mutex<BTreeMap<Day, DayEvents>>,
    next_batch: AtomicU64,
}

#[derive(Debug, Default)]
struct DayEvents {
    /// Those that are in batches and in no table.
    waiting: HashSet<u128, BuildHasherDefault<Folded>>,
    /// The number of the newest batch that they are of.
    newest_batch: u64,
    /// Of those that are in the table since this process has opened the ledger.
    filters: Vec<Filter>,
    /// Of those that were in the table before; `None` as long as nobody knows.
    earlier: Option<Filter>,
    has_earlier: bool,
}

/// A filter of a part of a table.
#[derive(Debug)]
pub(super) struct Filter {
    bits: BloomFilter<BuildHasherDefault<Folded>>,
    room: usize,
    capacity: usize,
}

/// What memory knows of some events.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Looked {
    /// Which of them were delivered, as far as memory knows.
    pub delivered: Vec<bool>,
    /// Of which others a table has to be asked: their place, and the day of the table.
    pub perhaps: Vec<(usize, Day)>,
}

impl RecentEvents {
    /// A number for a batch, greater than those of all batches before. Numbers are never given twice while the ledger is open,
    /// so that removing the batches up to one removes no younger one.
    pub fn next_batch(&self) -> u64 {
        self.next_batch.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes events of a batch that is durable. Batches are added in the order of their numbers.
    pub fn add(&self, day: Day, batch: u64, events: &[EventKey]) {
        self.next_batch.fetch_max(batch + 1, Ordering::Relaxed);
        let mut days = self.days();
        let day = days.entry(day).or_default();
        day.newest_batch = day.newest_batch.max(batch);
        day.waiting.extend(events.iter().map(number));
    }

    /// Whether so many events wait that they should be moved.
    pub fn are_many(&self) -> bool {
        self.days().values().map(|day| day.waiting.len()).sum::<usize>() >= MOST_WAITING
    }

    /// Says that the file has a table for a day, of which there is no filter yet.
    pub fn add_table(&self, day: Day) {
        self.days().entry(day).or_default().has_earlier = true;
    }

    /// Gives the table that was there when the ledger was opened its filter.
    pub fn add_filter(&self, day: Day, filter: Filter) {
        // The day may have been forgotten meanwhile.
        if let Some(events) = self.days().get_mut(&day) {
            events.earlier = Some(filter);
        }
    }

    /// Whether there are tables without a filter.
    pub fn lacks_filters(&self) -> bool {
        self.days().values().any(|day| day.has_earlier && day.earlier.is_none())
    }

    /// What memory knows of these events.
    pub fn look(&self, events: &[EventKey]) -> Looked {
        let days = self.days();
        let delivered: Vec<bool> =
            events.iter().map(|event| days.values().any(|day| day.waiting.contains(&number(event)))).collect();
        let mut perhaps = Vec::new();
        for (day, of_day) in &*days {
            let unknown = events.iter().enumerate().filter(|(at, _)| !delivered.get(*at).is_some_and(|known| *known));
            perhaps.extend(unknown.filter(|(_, event)| of_day.table_may_have(event)).map(|(at, _)| (at, *day)));
        }
        Looked { delivered, perhaps }
    }

    /// The events of a day that wait, in their order, and the number of the newest batch that they are of.
    pub fn waiting(&self, day: Day) -> (Vec<EventKey>, u64) {
        let days = self.days();
        let Some(day) = days.get(&day) else { return (Vec::new(), 0) };
        let mut events: Vec<_> = day.waiting.iter().map(key).collect();
        let newest = day.newest_batch;
        drop(days);
        events.sort_unstable();
        (events, newest)
    }

    /// The days of which events wait.
    pub fn waiting_days(&self) -> Vec<Day> {
        self.days().iter().filter(|(_, events)| !events.waiting.is_empty()).map(|(day, _)| *day).collect()
    }

    /// To be called before these events are written to their table.
    pub fn moving(&self, day: Day, events: &[EventKey]) {
        let mut days = self.days();
        // A day has about as many events as the one before. Each filter of a day costs a look-up more.
        let usual = days.range(..day).next_back().map_or(0, |(_, before)| before.in_table());
        let filters = &mut days.entry(day).or_default().filters;
        if filters.last().is_none_or(|filter| filter.room < events.len()) {
            let room = filters.last().map_or(FIRST_FILTER.max(usual), |filter| filter.capacity * 2);
            filters.push(Filter::new(room.max(events.len())));
        }
        if let Some(filter) = filters.last_mut() {
            for event in events {
                filter.insert(event);
            }
        }
    }

    /// To be called when these events are durable in their table.
    pub fn moved(&self, day: Day, events: &[EventKey]) {
        if let Some(day) = self.days().get_mut(&day) {
            for event in events {
                day.waiting.remove(&number(event));
            }
            // A day that is over would keep the room for as long as it is remembered.
            day.waiting.shrink_to_fit();
        }
    }

    /// Forgets the days before this one.
    pub fn forget_before(&self, oldest_kept: Day) {
        let mut days = self.days();
        *days = days.split_off(&oldest_kept);
    }

    fn days(&self) -> MutexGuard<'_, BTreeMap<Day, DayEvents>> {
        // Nothing panics while it is locked, and nothing in it is ever half done.
        self.days.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DayEvents {
    fn table_may_have(&self, event: &EventKey) -> bool {
        let in_earlier = match &self.earlier {
            Some(filter) => filter.may_have(event),
            None => self.has_earlier,
        };
        in_earlier || self.filters.iter().any(|filter| filter.may_have(event))
    }

    /// How many events its table has, as far as filters tell.
    fn in_table(&self) -> usize {
        self.earlier.iter().chain(&self.filters).map(|filter| filter.capacity - filter.room).sum()
    }
}

impl Filter {
    /// A filter with room for so many events.
    pub fn new(capacity: usize) -> Self {
        let bits = BloomFilter::with_false_pos(FALSE_POSITIVES)
            .hasher(BuildHasherDefault::default())
            .expected_items(capacity.max(1));
        Self { bits, room: capacity, capacity }
    }

    pub fn insert(&mut self, event: &EventKey) {
        self.room = self.room.saturating_sub(1);
        self.bits.insert_hash(fold(number(event)));
    }

    fn may_have(&self, event: &EventKey) -> bool {
        self.bits.contains_hash(fold(number(event)))
    }
}

/// The keys are hashes: any 64 bits of one are as good as a hash of it.
#[derive(Clone, Copy, Debug, Default)]
struct Folded(u64);

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u128(&mut self, number: u128) {
        self.0 = fold(number);
    }

    fn write(&mut self, bytes: &[u8]) {
        // Not used: only numbers are hashed.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "half of the bits are enough")]
const fn fold(number: u128) -> u64 {
    number as u64
}

const fn number(event: &EventKey) -> u128 {
    u128::from_be_bytes(event.0)
}

fn key(number: &u128) -> EventKey {
    EventKey(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(numbers: std::ops::Range<u128>) -> Vec<EventKey> {
        // Spread over all bits, as hashes are.
        numbers.map(|n| key(&(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)))).collect()
    }

    fn are_delivered(recent: &RecentEvents, events: &[EventKey]) -> bool {
        let looked = recent.look(events);
        looked.perhaps.is_empty() && looked.delivered.iter().all(|known| *known)
    }

    /// Which share of them a table has to be asked for.
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    fn perhaps(recent: &RecentEvents, events: &[EventKey]) -> f64 {
        let looked = recent.look(events);
        assert!(!looked.delivered.contains(&true));
        looked.perhaps.len() as f64 / events.len() as f64
    }

    #[test]
    fn events_are_known_while_they_wait_and_perhaps_known_when_they_have_moved() {
        let recent = RecentEvents::default();
        let (some, others) = (keys(1..201), keys(5_000..55_000));
        recent.add(7, 0, &some);
        assert!(!recent.are_many());
        assert!(are_delivered(&recent, &some));
        assert_eq!(recent.waiting_days(), [7]);
        recent.moving(7, &some);
        assert!(are_delivered(&recent, &some));
        recent.moved(7, &some);
        let expected: Vec<_> = (0..some.len()).map(|at| (at, 7)).collect();
        assert_eq!(recent.look(&some).perhaps, expected);
        assert!(recent.waiting_days().is_empty() && recent.waiting(7).0.is_empty());
        assert!(perhaps(&recent, &others) < 0.001);
        recent.forget_before(8);
        assert!(perhaps(&recent, &some) < f64::EPSILON);
    }

    #[test]
    fn a_table_without_a_filter_has_to_be_asked_for_everything() {
        let recent = RecentEvents::default();
        let (some, others) = (keys(1..10), keys(10..20));
        recent.add_table(3);
        assert!(perhaps(&recent, &others) >= 1.0);
        let mut filter = Filter::new(some.len());
        for event in &some {
            filter.insert(event);
        }
        recent.add_filter(3, filter);
        assert!(perhaps(&recent, &some) >= 1.0);
        assert!(perhaps(&recent, &others) < f64::EPSILON);
        // A day that was forgotten while its filter was made stays forgotten.
        recent.forget_before(4);
        recent.add_filter(3, Filter::new(1));
        assert!(perhaps(&recent, &some) < f64::EPSILON);
    }

    #[test]
    fn filters_grow_with_their_table_and_begin_as_large_as_that_of_the_day_before() {
        let recent = RecentEvents::default();
        let mut all = Vec::new();
        for part in 0..5 {
            let some = keys(part * 200_000..(part + 1) * 200_000);
            recent.moving(1, &some);
            all.extend(some);
        }
        assert!(perhaps(&recent, &all) >= 1.0);
        assert!(perhaps(&recent, &keys(10_000_000..10_100_000)) < 0.001);
        assert!(recent.days()[&1].filters.len() > 1);
        recent.moving(2, &all);
        assert_eq!(recent.days()[&2].filters.len(), 1);
    }
}
