//! Acknowledgement: how the source learns that an event has arrived.
//!
//! Every event carries finalizers. A host that is done with an event sets its status and drops it; when the last event of
//! a batch is gone, the batch's receiver resolves to the worst status any of them had. Nothing is acknowledged by being
//! sent, and an event that is dropped without a status counts as neither delivered nor failed (as in Vector: a filter may
//! drop it on purpose).

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
};

use tokio::sync::oneshot;

/// What became of one event.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(u8)]
pub enum EventStatus {
    /// Every copy was dropped without a status: the default.
    #[default]
    Dropped = 0,
    /// Every copy was delivered.
    Delivered = 1,
    /// At least one copy met an error that may pass.
    Errored = 2,
    /// At least one copy was refused for good.
    Rejected = 3,
    /// The status was passed on to the batch and no longer changes.
    Recorded = 4,
}

impl EventStatus {
    const fn from_u8(raw: u8) -> Self {
        match raw {
            0 => Self::Dropped,
            1 => Self::Delivered,
            2 => Self::Errored,
            3 => Self::Rejected,
            _ => Self::Recorded,
        }
    }

    /// The status after one more copy of the event met `other`: the worse of both, and `Recorded` indefinitely.
    #[must_use]
    pub const fn update(self, other: Self) -> Self {
        // The variants are declared from harmless to final, so the discriminants order them.
        if other as u8 > self as u8 { other } else { self }
    }
}

/// What became of a batch: the worst status among its events.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(u8)]
pub enum BatchStatus {
    /// Every event was accepted (or dropped on purpose): the default.
    #[default]
    Delivered = 0,
    /// At least one event met an error that may pass; the batch should be sent again.
    Errored = 1,
    /// At least one event was refused for good; sending it again is pointless.
    Rejected = 2,
}

impl BatchStatus {
    const fn from_u8(raw: u8) -> Self {
        match raw {
            0 => Self::Delivered,
            1 => Self::Errored,
            _ => Self::Rejected,
        }
    }
}

impl From<EventStatus> for BatchStatus {
    fn from(status: EventStatus) -> Self {
        match status {
            EventStatus::Errored => Self::Errored,
            EventStatus::Rejected => Self::Rejected,
            EventStatus::Dropped | EventStatus::Delivered | EventStatus::Recorded => Self::Delivered,
        }
    }
}

impl From<BatchStatus> for EventStatus {
    fn from(status: BatchStatus) -> Self {
        match status {
            BatchStatus::Delivered => Self::Delivered,
            BatchStatus::Errored => Self::Errored,
            BatchStatus::Rejected => Self::Rejected,
        }
    }
}

/// Tracks one event (and all its copies) for one batch; passes the event's status on when it is dropped.
#[derive(Debug)]
pub struct EventFinalizer {
    status: AtomicU8,
    batch: BatchNotifier,
}

impl EventFinalizer {
    /// A finalizer that reports to `batch`.
    #[must_use]
    pub fn new(batch: BatchNotifier) -> Self {
        Self { status: AtomicU8::new(EventStatus::Dropped as u8), batch }
    }

    /// Worsens the event's status to `status`; a better status changes nothing.
    pub fn update_status(&self, status: EventStatus) {
        self.status.fetch_max(status as u8, Ordering::AcqRel);
    }

    /// Reports the event's status to its batch, once; later statuses are ignored.
    pub fn update_batch(&self) {
        let status = self.status.swap(EventStatus::Recorded as u8, Ordering::AcqRel);
        self.batch.update_status(EventStatus::from_u8(status));
    }
}

impl Drop for EventFinalizer {
    fn drop(&mut self) {
        self.update_batch();
    }
}

/// The finalizers an event carries; copies of the event share them.
#[derive(Clone, Debug, Default)]
pub struct EventFinalizers(Vec<Arc<EventFinalizer>>);

impl EventFinalizers {
    /// One finalizer.
    #[must_use]
    pub fn new(finalizer: EventFinalizer) -> Self {
        Self(vec![Arc::new(finalizer)])
    }

    /// Whether nobody waits for the event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the source that waited for the event has gone, so that the event will be sent again in any case. False
    /// for an event without a waiting source from the start.
    #[must_use]
    pub fn are_abandoned(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|finalizer| finalizer.batch.is_abandoned())
    }

    /// How many batches wait for the event.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a finalizer.
    pub fn add(&mut self, finalizer: EventFinalizer) {
        self.0.push(Arc::new(finalizer));
    }

    /// Takes over the finalizers of another event, for hosts that merge events.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Worsens the status of the event in every batch it belongs to.
    pub fn update_status(&self, status: EventStatus) {
        for finalizer in &self.0 {
            finalizer.update_status(status);
        }
    }

    /// Reports the status to the batches at once instead of on drop.
    pub fn update_sources(&mut self) {
        for finalizer in mem::take(&mut self.0) {
            finalizer.update_batch();
        }
    }
}

/// What a host keeps of events while another pipeline has them, until that pipeline reports their status.
///
/// Dropped before [`Handover::settle`], as when the host is forced to stop, the events are errored and sent again. Finalizers
/// that are dropped without a status would count as delivered.
#[derive(Debug)]
#[must_use = "dropped, it says that the events met an error"]
pub struct Handover(EventFinalizers);

impl Handover {
    /// Takes the finalizers off events that are about to leave this pipeline.
    pub fn of(events: &mut impl Finalizable) -> Self {
        Self(events.take_finalizers())
    }

    /// Reports to the source what became of the events.
    pub fn settle(mut self, status: BatchStatus) {
        self.0.update_status(status.into());
        self.0.update_sources();
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        self.0.update_status(EventStatus::Errored);
    }
}

/// Things that carry finalizers which a host can take off them.
pub trait Finalizable {
    /// Takes all finalizers.
    fn take_finalizers(&mut self) -> EventFinalizers;
}

impl Finalizable for EventFinalizers {
    fn take_finalizers(&mut self) -> EventFinalizers {
        mem::take(self)
    }
}

impl<T: Finalizable> Finalizable for Vec<T> {
    fn take_finalizers(&mut self) -> EventFinalizers {
        let mut all = EventFinalizers::default();
        for item in self {
            all.merge(item.take_finalizers());
        }
        all
    }
}

/// Things that can be made part of a batch.
pub trait AddBatchNotifier {
    /// Adds a finalizer that reports to `notifier`.
    fn add_batch_notifier(&mut self, notifier: BatchNotifier);
}

/// The end of a batch that its events hold; when the last one lets go, the [`BatchStatusReceiver`] resolves.
#[derive(Clone, Debug)]
pub struct BatchNotifier(Arc<Notifier>);

#[derive(Debug)]
struct Notifier {
    status: AtomicU8,
    sender: Option<oneshot::Sender<BatchStatus>>,
}

impl BatchNotifier {
    /// A notifier and the receiver of its status.
    #[must_use]
    pub fn new_with_receiver() -> (Self, BatchStatusReceiver) {
        let (sender, receiver) = oneshot::channel();
        let notifier = Notifier { status: AtomicU8::new(BatchStatus::Delivered as u8), sender: Some(sender) };
        (Self(Arc::new(notifier)), BatchStatusReceiver(receiver))
    }

    /// Makes `items` a batch and returns the receiver of its status.
    pub fn apply_to<T: AddBatchNotifier>(items: &mut [T]) -> BatchStatusReceiver {
        let (notifier, receiver) = Self::new_with_receiver();
        for item in items {
            item.add_batch_notifier(notifier.clone());
        }
        receiver
    }

    /// [`BatchNotifier::apply_to`] when acknowledgements are `enabled`, else nothing.
    pub fn maybe_apply_to<T: AddBatchNotifier>(enabled: bool, items: &mut [T]) -> Option<BatchStatusReceiver> {
        enabled.then(|| Self::apply_to(items))
    }

    fn is_abandoned(&self) -> bool {
        self.0.sender.as_ref().is_some_and(oneshot::Sender::is_closed)
    }

    fn update_status(&self, status: EventStatus) {
        self.0.status.fetch_max(BatchStatus::from(status) as u8, Ordering::AcqRel);
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            // A source that no longer listens has been shut down; its ledger sends the batch again.
            let _ = sender.send(BatchStatus::from_u8(self.status.load(Ordering::Acquire)));
        }
    }
}

/// Resolves to the status of a batch once all its events are finalized.
pub struct BatchStatusReceiver(oneshot::Receiver<BatchStatus>);

impl fmt::Debug for BatchStatusReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BatchStatusReceiver")
    }
}

impl Future for BatchStatusReceiver {
    type Output = BatchStatus;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<BatchStatus> {
        // The sender sends when it is dropped, so a closed channel cannot happen; if it did, sending again is safe.
        Pin::new(&mut self.0).poll(cx).map(|status| status.unwrap_or(BatchStatus::Errored))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Event(EventFinalizers);

    impl AddBatchNotifier for Event {
        fn add_batch_notifier(&mut self, notifier: BatchNotifier) {
            self.0.add(EventFinalizer::new(notifier));
        }
    }

    #[test]
    fn a_batch_resolves_only_when_its_last_event_is_gone() {
        let mut events = vec![Event::default(), Event::default()];
        let mut receiver = BatchNotifier::apply_to(&mut events);
        events.pop().unwrap().0.update_status(EventStatus::Delivered);
        assert!((&mut receiver).now_or_never().is_none());
        events.clear();
        assert_eq!(receiver.now_or_never(), Some(BatchStatus::Delivered));
    }

    #[test]
    fn an_event_is_abandoned_when_nobody_who_waited_is_left() {
        let mut event = [Event::default()];
        assert!(!event[0].0.are_abandoned(), "nobody ever waited");
        let (first, second) = (BatchNotifier::apply_to(&mut event), BatchNotifier::apply_to(&mut event));
        drop(first);
        assert!(!event[0].0.are_abandoned());
        drop(second);
        assert!(event[0].0.are_abandoned());
    }

    #[test]
    fn a_copy_that_fails_fails_the_batch_whatever_the_other_copy_says() {
        let mut event = [Event::default()];
        let receiver = BatchNotifier::apply_to(&mut event);
        let copy = event[0].0.clone();
        event[0].0.update_status(EventStatus::Errored);
        copy.update_status(EventStatus::Delivered);
        drop((event, copy));
        assert_eq!(receiver.now_or_never(), Some(BatchStatus::Errored));
    }

    #[test]
    fn a_recorded_status_no_longer_changes() {
        let mut event = [Event::default()];
        let receiver = BatchNotifier::apply_to(&mut event);
        let copy = event[0].0.clone();
        event[0].0.update_status(EventStatus::Delivered);
        event[0].0.update_sources();
        for finalizer in &copy.0 {
            finalizer.update_batch();
            finalizer.update_status(EventStatus::Rejected);
        }
        drop((event, copy));
        assert_eq!(receiver.now_or_never(), Some(BatchStatus::Delivered));
    }

    impl Finalizable for Event {
        fn take_finalizers(&mut self) -> EventFinalizers {
            self.0.take_finalizers()
        }
    }

    #[test]
    fn what_another_pipeline_has_is_delivered_only_when_it_says_so() {
        for status in [BatchStatus::Delivered, BatchStatus::Errored, BatchStatus::Rejected] {
            let mut events = vec![Event::default(), Event::default()];
            let mut receiver = BatchNotifier::apply_to(&mut events);
            let handover = Handover::of(&mut events);
            drop(events);
            assert!((&mut receiver).now_or_never().is_none());
            handover.settle(status);
            assert_eq!(receiver.now_or_never(), Some(status));
        }
        let mut events = vec![Event::default()];
        let receiver = BatchNotifier::apply_to(&mut events);
        drop(Handover::of(&mut events));
        assert_eq!(receiver.now_or_never(), Some(BatchStatus::Errored));
    }

    proptest! {
        #[test]
        fn a_batch_has_the_worst_status_of_its_events(
            statuses in prop::collection::vec(
                prop::sample::select(vec![
                    EventStatus::Dropped, EventStatus::Delivered, EventStatus::Errored, EventStatus::Rejected,
                ]), 0..20)
        ) {
            let mut events: Vec<Event> = statuses.iter().map(|_| Event::default()).collect();
            let receiver = BatchNotifier::apply_to(&mut events);
            for (event, status) in events.iter().zip(&statuses) {
                event.0.update_status(*status);
            }
            drop(events);
            let expected = statuses.iter().map(|status| BatchStatus::from(*status) as u8).max().unwrap_or(0);
            prop_assert_eq!(receiver.now_or_never(), Some(BatchStatus::from_u8(expected)));
        }
    }
}
