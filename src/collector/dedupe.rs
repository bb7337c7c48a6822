//! Which events are on their way, so that a copy is not sent beside them.
//!
//! The ledger knows what has been delivered; this knows what is in flight. A copy of an event in flight is dropped. The
//! blob that dropped it waits for the batch with the other copy, and sends its own if that batch fails.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::watch;

use crate::ledger::EventKey;

/// All batches in flight. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Reservations(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    events: Mutex<HashMap<EventKey, Holder>>,
    next_batch: AtomicU64,
}

#[derive(Clone, Debug)]
struct Holder {
    batch: u64,
    fate: watch::Receiver<Option<bool>>,
}

/// A batch in flight. Dropped without a result, it counts as failed.
#[derive(Debug)]
pub struct Reservation {
    registry: Reservations,
    batch: u64,
    keys: Vec<EventKey>,
    fate: watch::Sender<Option<bool>>,
}

/// Batches of others that hold a copy of what a blob dropped.
#[derive(Debug, Default)]
pub struct Dependencies(HashMap<u64, watch::Receiver<Option<bool>>>);

impl Reservations {
    /// Starts a batch.
    pub fn begin(&self) -> Reservation {
        let batch = self.0.next_batch.fetch_add(1, Ordering::Relaxed);
        Reservation { registry: self.clone(), batch, keys: Vec::new(), fate: watch::channel(None).0 }
    }

    /// Which of these events are on their way. Call this before asking the ledger, as [`Reservation::reserve`].
    pub fn hold(&self, keys: &[EventKey]) -> Vec<bool> {
        let events = self.events();
        keys.iter().map(|key| events.contains_key(key)).collect()
    }

    fn events(&self) -> MutexGuard<'_, HashMap<EventKey, Holder>> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// Adds events to the batch. Returns which of them are in: those that no batch holds yet. For the others, the batches
    /// that hold them are added to `dependencies`.
    ///
    /// Call this before asking the ledger: a batch leaves the registry only after the ledger has its events.
    pub fn reserve(&mut self, keys: &[EventKey], dependencies: &mut Dependencies) -> Vec<bool> {
        let mut events = self.registry.events();
        keys.iter()
            .map(|key| match events.entry(*key) {
                Entry::Vacant(entry) => {
                    entry.insert(Holder { batch: self.batch, fate: self.fate.subscribe() });
                    self.keys.push(*key);
                    true
                }
                Entry::Occupied(entry) => {
                    let holder = entry.get();
                    if holder.batch != self.batch {
                        dependencies.0.entry(holder.batch).or_insert_with(|| holder.fate.clone());
                    }
                    false
                }
            })
            .collect()
    }

    /// Takes events off the batch again that turned out to be delivered already.
    pub fn release(&mut self, delivered: impl Fn(&EventKey) -> bool) {
        let mut events = self.registry.events();
        self.keys.retain(|key| {
            let gone = delivered(key);
            if gone {
                events.remove(key);
            }
            !gone
        });
    }

    /// The events of the batch.
    pub fn keys(&self) -> &[EventKey] {
        &self.keys
    }

    /// The events of the batch are delivered, and the ledger knows it.
    pub fn commit(self) {
        self.end(true);
    }

    fn end(&self, delivered: bool) {
        let mut events = self.registry.events();
        for key in &self.keys {
            events.remove(key);
        }
        self.fate.send_replace(Some(delivered));
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.fate.borrow().is_none() {
            self.end(false);
        }
    }
}

impl Dependencies {
    /// Whether there is nothing to wait for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Waits until every batch has ended; returns whether all were delivered.
    pub async fn all_delivered(self) -> bool {
        let mut all = true;
        for (_, mut fate) in self.0 {
            // A batch reports its end even when it is dropped, so that the channel cannot close before.
            all &= fate.wait_for(Option::is_some).await.is_ok_and(|fate| *fate == Some(true));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use uuid::Uuid;

    use super::*;
    use crate::content::TenantId;

    fn keys<const N: usize>(names: [&str; N]) -> [EventKey; N] {
        names.map(|name| EventKey::new(TenantId(Uuid::from_u128(1)), name))
    }

    #[test]
    fn the_second_copy_stays_and_waits_for_the_first() {
        let reservations = Reservations::default();
        let (mut first, mut second) = (reservations.begin(), reservations.begin());
        let mut none = Dependencies::default();
        assert_eq!(first.reserve(&keys(["a", "b", "a"]), &mut none), [true, true, false]);
        assert!(none.is_empty(), "a copy within the batch waits for nobody else");
        let mut waits = Dependencies::default();
        assert_eq!(second.reserve(&keys(["b", "c"]), &mut waits), [false, true]);
        let mut waiting = Box::pin(waits.all_delivered());
        assert!((&mut waiting).now_or_never().is_none());
        first.commit();
        assert_eq!(waiting.now_or_never(), Some(true));
        assert_eq!(second.keys(), keys(["c"]));
    }

    #[test]
    fn a_guid_in_capitals_is_a_copy() {
        let ids = ["0f9ac8b1-73e1-4f8f-a3c6-8d7a3a6d1f10", "0F9AC8B1-73E1-4F8F-A3C6-8D7A3A6D1F10", "x", "X"];
        let reserved = Reservations::default().begin().reserve(&keys(ids), &mut Dependencies::default());
        assert_eq!(reserved, [true, false, true, true]);
    }

    #[test]
    fn a_copy_of_a_batch_that_fails_is_sent_after_all() {
        let reservations = Reservations::default();
        let mut first = reservations.begin();
        first.reserve(&keys(["a"]), &mut Dependencies::default());
        let mut waits = Dependencies::default();
        reservations.begin().reserve(&keys(["a"]), &mut waits);
        drop(first);
        assert_eq!(waits.all_delivered().now_or_never(), Some(false));
        assert_eq!(reservations.begin().reserve(&keys(["a"]), &mut Dependencies::default()), [true]);
    }

    #[test]
    fn two_batches_that_wait_for_each_other_do_not_deadlock() {
        let reservations = Reservations::default();
        let (mut x, mut y) = (reservations.begin(), reservations.begin());
        let (mut of_x, mut of_y) = (Dependencies::default(), Dependencies::default());
        x.reserve(&keys(["1"]), &mut of_x);
        y.reserve(&keys(["2"]), &mut of_y);
        x.reserve(&keys(["2"]), &mut of_x);
        y.reserve(&keys(["1"]), &mut of_y);
        x.commit();
        y.commit();
        assert_eq!(
            (of_x.all_delivered().now_or_never(), of_y.all_delivered().now_or_never()),
            (Some(true), Some(true))
        );
    }

    #[test]
    fn what_was_delivered_already_makes_room() {
        let reservations = Reservations::default();
        let mut reservation = reservations.begin();
        reservation.reserve(&keys(["a", "b"]), &mut Dependencies::default());
        let [a, b] = keys(["a", "b"]);
        reservation.release(|key| *key == a);
        assert_eq!(reservation.keys(), [b]);
        assert_eq!(reservations.begin().reserve(&[a], &mut Dependencies::default()), [true]);
    }
}
