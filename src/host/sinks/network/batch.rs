//! Events that travel together, and the deliveries they come from.

use std::{
    mem,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{component::LogEvent, host::delivery::Delivery};

/// Events that travel together. They are delivered by [`Batch::delivered`] only; a batch that is dropped in any other way
/// makes the deliveries it has a part of errored.
#[derive(Debug, Default)]
pub(in crate::host::sinks) struct Batch {
    parts: Vec<Part>,
}

/// Some events of a delivery.
#[derive(Debug)]
struct Part {
    whole: Arc<Tracked>,
    range: Range<usize>,
}

/// A delivery whose events may be in several batches.
#[derive(Debug)]
struct Tracked {
    delivery: Delivery,
    delivered: AtomicUsize,
}

impl Batch {
    /// The events in their order.
    pub(in crate::host::sinks) fn events(&self) -> impl Iterator<Item = &LogEvent> + Clone {
        self.parts.iter().flat_map(|part| part.whole.delivery.events().get(part.range.clone()).unwrap_or_default())
    }

    /// How many events there are.
    pub(in crate::host::sinks) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.range.len()).sum()
    }

    /// Whether no source waits for any of them.
    pub(super) fn is_abandoned(&self) -> bool {
        self.events().all(|event| event.metadata().is_abandoned())
    }

    /// About how many bytes they have as JSON.
    pub(in crate::host::sinks) fn json_size(&self) -> usize {
        self.events().map(|event| event.json_size() + 1).sum()
    }

    /// Two batches with half of the events each; a batch of one event has an empty half.
    pub(super) fn halves(self) -> (Self, Self) {
        let mut room = self.len().div_ceil(2);
        let (mut first, mut second) = (Self::default(), Self::default());
        for Part { whole, range } in self.parts {
            let middle = range.start + range.len().min(room);
            room -= middle - range.start;
            for (half, range) in [(&mut first, range.start..middle), (&mut second, middle..range.end)] {
                if !range.is_empty() {
                    half.parts.push(Part { whole: Arc::clone(&whole), range });
                }
            }
        }
        (first, second)
    }

    /// The peer has the events for good. A delivery of which this was the last part is delivered.
    pub(super) fn delivered(self) {
        for Part { whole, range } in self.parts {
            whole.delivered.fetch_add(range.len(), Ordering::AcqRel);
            // The holder of the last part finds out whether all of them came through.
            if let Some(Tracked { delivery, delivered }) = Arc::into_inner(whole)
                && delivered.into_inner() == delivery.events().len()
            {
                delivery.delivered();
            }
        }
    }
}

/// How large a batch may become, and how old.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchLimits {
    pub(super) events: usize,
    /// As JSON. One event that is larger makes a batch of its own.
    pub(super) bytes: usize,
    pub(super) age: Duration,
}

/// Cuts deliveries into batches.
#[derive(Debug)]
pub(super) struct Batcher {
    limits: BatchLimits,
    batch: Batch,
    events: usize,
    bytes: usize,
    deadline: Option<Instant>,
}

impl Batcher {
    pub(super) fn new(limits: BatchLimits) -> Self {
        Self { limits, batch: Batch::default(), events: 0, bytes: 0, deadline: None }
    }

    /// Adds a delivery and returns the batches that are full.
    pub(super) fn add(&mut self, delivery: Delivery) -> Vec<Batch> {
        let whole = Arc::new(Tracked { delivery, delivered: AtomicUsize::new(0) });
        let mut full = Vec::new();
        let mut start = 0;
        for (index, event) in whole.delivery.events().iter().enumerate() {
            let size = event.json_size() + 1;
            if self.events > 0 && (self.events >= self.limits.events || self.bytes + size > self.limits.bytes) {
                self.take(&whole, start..index);
                start = index;
                full.extend(self.flush());
            }
            self.events += 1;
            self.bytes += size;
        }
        self.take(&whole, start..whole.delivery.events().len());
        if self.events >= self.limits.events || self.bytes >= self.limits.bytes {
            full.extend(self.flush());
        }
        full
    }

    fn take(&mut self, whole: &Arc<Tracked>, range: Range<usize>) {
        if !range.is_empty() {
            self.batch.parts.push(Part { whole: Arc::clone(whole), range });
            self.deadline.get_or_insert_with(|| Instant::now() + self.limits.age);
        }
    }

    /// When the batch that is being filled has to go; `None` while there is none.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The batch that is being filled, full or not.
    pub(super) fn flush(&mut self) -> Option<Batch> {
        (self.events, self.bytes) = (0, 0);
        self.deadline.take().map(|_| mem::take(&mut self.batch))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        component::{BatchNotifier, BatchStatus, BatchStatusReceiver},
        host::tests::events,
    };

    fn delivery(numbers: Range<u64>) -> (Delivery, BatchStatusReceiver) {
        let mut events = events(numbers);
        let status = BatchNotifier::apply_to(&mut events);
        (Delivery::new(events), status)
    }

    fn limits(events: usize, bytes: usize) -> BatchLimits {
        BatchLimits { events, bytes, age: Duration::from_secs(1) }
    }

    fn texts(batch: &Batch) -> Vec<String> {
        batch.events().map(LogEvent::to_json).collect()
    }

    proptest! {
        #[test]
        fn every_event_is_in_one_batch_and_no_batch_is_too_large(
            sizes in prop::collection::vec(1_u64..40, 1..8), most in 1_usize..30, bytes in 1_usize..200,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _guard = runtime.enter();
            let mut batcher = Batcher::new(limits(most, bytes));
            let (mut batches, mut receivers, mut next) = (Vec::new(), Vec::new(), 0);
            for size in sizes {
                let (delivery, status) = delivery(next..next + size);
                next += size;
                receivers.push(status);
                batches.extend(batcher.add(delivery));
            }
            batches.extend(batcher.flush());
            prop_assert!(batcher.deadline().is_none() && batcher.flush().is_none());
            for batch in &batches {
                prop_assert!((1..=most).contains(&batch.len()));
                prop_assert!(batch.json_size() <= bytes || batch.len() == 1);
            }
            let all: Vec<_> = batches.iter().flat_map(texts).collect();
            prop_assert_eq!(all, (0..next).map(|n| format!("{{\"n\":{n}}}")).collect::<Vec<_>>());
            batches.into_iter().for_each(Batch::delivered);
            for status in receivers {
                prop_assert_eq!(status.now_or_never(), Some(BatchStatus::Delivered));
            }
        }

        #[test]
        fn halves_have_the_events_of_the_whole(sizes in prop::collection::vec(1_u64..10, 1..5)) {
            let mut batch = Batch::default();
            for size in &sizes {
                let whole = Arc::new(Tracked { delivery: delivery(0..*size).0, delivered: AtomicUsize::new(0) });
                batch.parts.push(Part { range: 0..whole.delivery.events().len(), whole });
            }
            let all = texts(&batch);
            let (first, second) = batch.halves();
            prop_assert!(first.len() - second.len() <= 1);
            prop_assert_eq!([texts(&first), texts(&second)].concat(), all);
        }
    }

    #[tokio::test]
    async fn a_delivery_of_which_one_part_is_lost_is_errored() {
        for lost in 0..3 {
            let mut batcher = Batcher::new(limits(2, 1_000));
            let (delivery, status) = delivery(0..6);
            for (index, batch) in batcher.add(delivery).into_iter().enumerate() {
                if index == lost { drop(batch) } else { batch.delivered() }
            }
            assert_eq!(status.await, BatchStatus::Errored, "{lost}");
        }
    }

    #[tokio::test]
    async fn a_delivery_is_not_delivered_before_its_last_part_is() {
        let mut batcher = Batcher::new(limits(2, 1_000));
        let (delivery, mut status) = delivery(0..4);
        let mut parts = batcher.add(delivery);
        parts.remove(1).delivered();
        assert_eq!((&mut status).now_or_never(), None);
        parts.remove(0).delivered();
        assert_eq!(status.await, BatchStatus::Delivered);
    }
}
