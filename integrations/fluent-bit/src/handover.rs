//! What Fluent Bit is given, and when that counts as delivered.
//!
//! Fluent Bit does not say what becomes of a chunk. It copies what a callback returns into a ring buffer of the input, which
//! its main thread empties every quarter of a second into a chunk (`flb_input_chunk_ring_buffer_collector`), but not
//! while the input is paused; what is in the ring buffer when it stops is gone. So events count as delivered at the first
//! callback that comes [`SETTLED`] or more after both their own callback and the end of a pause.

use std::time::{Duration, Instant};

use office365_source::component::{EventFinalizers, EventStatus};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Twenty times the quarter of a second after which Fluent Bit empties the ring buffer. It has 1,024 places, one for each
/// callback, and the thread that empties it also does filters and the writing of chunks, so that large chunks and slow
/// filters let it fall behind. The longer, the more comes twice after a sudden end, and the more waits within the source's
/// `memory.max_buffered_bytes`: what some ten callbacks give, with what is in the queue.
pub(crate) const SETTLED: Duration = Duration::from_secs(5);

/// Events that nobody has taken yet. Dropped like that, they are errored: without a status they would count as delivered.
#[derive(Debug, Default)]
pub(crate) struct Unsettled(EventFinalizers);

impl Unsettled {
    /// What waits for an event.
    pub(crate) fn of(event: EventFinalizers) -> Self {
        Self(event)
    }

    /// Takes over what waits for others.
    pub(crate) fn add(&mut self, mut other: Self) {
        self.0.merge(std::mem::take(&mut other.0));
    }

    fn delivered(mut self) {
        self.0.update_status(EventStatus::Delivered);
        self.0 = EventFinalizers::default();
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        self.0.update_status(EventStatus::Errored);
    }
}

/// Records, ready for Fluent Bit.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    /// `MessagePack`, record after record.
    pub(crate) bytes: Vec<u8>,
    /// Their events.
    pub(crate) events: Unsettled,
    /// Its room in the queue.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

/// The callbacks' end of the queue of pieces.
#[derive(Debug)]
pub(crate) struct Handover {
    queue: mpsc::UnboundedReceiver<Piece>,
    /// Taken off the queue, but too large for the callback before.
    next: Option<Piece>,
    /// Collected, but never given.
    again: Option<Piece>,
    /// How many of `given` are of the last callback.
    last_given: usize,
    most_bytes: usize,
    given: Vec<(Instant, Unsettled)>,
    /// Since when Fluent Bit empties the ring buffer; `None` while it is paused.
    flowing_since: Option<Instant>,
}

impl Handover {
    pub(crate) fn new(queue: mpsc::UnboundedReceiver<Piece>, most_bytes: usize, now: Instant) -> Self {
        Self { queue, next: None, again: None, last_given: 0, most_bytes, given: Vec::new(), flowing_since: Some(now) }
    }

    /// A callback has come: settles what was given before, and returns what is to be given now.
    ///
    /// Several pieces together have `most_bytes` at most; one may be larger, if it is a single event.
    pub(crate) fn collect(&mut self, now: Instant) -> Option<Vec<u8>> {
        let flowing_since = self.flowing_since?;
        for (at, events) in std::mem::take(&mut self.given) {
            if now.saturating_duration_since(at.max(flowing_since)) >= SETTLED {
                events.delivered();
            } else {
                self.given.push((at, events));
            }
        }
        let mut bytes = Vec::new();
        self.last_given = 0;
        while let Some(mut piece) = self.waiting() {
            if !bytes.is_empty() && bytes.len() + piece.bytes.len() > self.most_bytes {
                self.next = Some(piece);
                break;
            }
            if bytes.is_empty() {
                bytes = piece.bytes;
            } else {
                bytes.append(&mut piece.bytes);
            }
            self.given.push((now, piece.events));
            self.last_given += 1;
        }
        if bytes.is_empty() { None } else { Some(bytes) }
    }

    fn waiting(&mut self) -> Option<Piece> {
        self.again.take().or_else(|| self.next.take()).or_else(|| self.queue.try_recv().ok())
    }

    /// What the last callback was to give could not be given: the next one gives it.
    pub(crate) fn take_back(&mut self, bytes: Vec<u8>) {
        let mut events = Unsettled::default();
        let first = self.given.len().saturating_sub(std::mem::take(&mut self.last_given));
        for (_, given) in self.given.drain(first..) {
            events.add(given);
        }
        self.again = Some(Piece { bytes, events, room: None });
    }

    /// Fluent Bit takes nothing for now; or it is about to stop, which look the same.
    pub(crate) fn pause(&mut self) {
        self.flowing_since = None;
    }

    /// Fluent Bit goes on.
    pub(crate) fn resume(&mut self, now: Instant) {
        self.flowing_since.get_or_insert(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use office365_source::component::{BatchNotifier, BatchStatus, EventFinalizer};

    /// A piece of `size` bytes; the future resolves to what became of it.
    fn piece(size: usize) -> (Piece, impl Future<Output = BatchStatus> + Unpin) {
        let (notifier, status) = BatchNotifier::new_with_receiver();
        let events = Unsettled::of(EventFinalizers::new(EventFinalizer::new(notifier)));
        (Piece { bytes: vec![0; size], events, room: None }, status)
    }

    fn settled(status: &mut (impl Future<Output = BatchStatus> + Unpin)) -> Option<BatchStatus> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(status).poll(&mut context) {
            std::task::Poll::Ready(status) => Some(status),
            std::task::Poll::Pending => None,
        }
    }

    struct World {
        start: Instant,
        queue: mpsc::UnboundedSender<Piece>,
        handover: Handover,
    }

    impl World {
        fn new() -> Self {
            let (queue, pieces) = mpsc::unbounded_channel();
            let start = Instant::now();
            Self { start, queue, handover: Handover::new(pieces, 100, start) }
        }

        fn put(&self, size: usize) -> impl Future<Output = BatchStatus> + Unpin + use<> {
            let (piece, status) = piece(size);
            self.queue.send(piece).unwrap();
            status
        }

        fn at(&self, millis: u64) -> Instant {
            self.start + Duration::from_millis(millis)
        }

        /// How many bytes a callback gives.
        fn collect(&mut self, millis: u64) -> usize {
            let now = self.at(millis);
            self.handover.collect(now).map_or(0, |bytes| bytes.len())
        }
    }

    #[test]
    fn what_was_given_is_delivered_when_fluent_bit_comes_back() {
        let mut world = World::new();
        let (mut one, mut two) = (world.put(10), world.put(20));
        assert_eq!(world.collect(1_000), 30);
        let mut three = world.put(5);
        assert_eq!((settled(&mut one), settled(&mut two)), (None, None), "not at the callback itself");
        assert_eq!(world.collect(2_000), 5);
        assert_eq!(world.collect(5_900), 0);
        assert_eq!(settled(&mut one), None, "too soon");
        assert_eq!(world.collect(6_000), 0);
        assert_eq!(
            (settled(&mut one), settled(&mut two)),
            (Some(BatchStatus::Delivered), Some(BatchStatus::Delivered))
        );
        assert_eq!(settled(&mut three), None);
        world.collect(7_000);
        assert_eq!(settled(&mut three), Some(BatchStatus::Delivered));
    }

    #[test]
    fn a_callback_gives_no_more_than_it_may_but_always_one_piece() {
        let mut world = World::new();
        let statuses = [world.put(60), world.put(40), world.put(1), world.put(500), world.put(2)];
        let given: Vec<_> = (1..=4).map(|second| world.collect(second * 1_000)).collect();
        assert_eq!(given, [100, 1, 500, 2]);
        drop(statuses);
    }

    #[test]
    fn a_pause_gives_nothing_and_settles_nothing() {
        let mut world = World::new();
        let mut given = world.put(10);
        assert_eq!(world.collect(1_000), 10);
        world.handover.pause();
        world.handover.pause();
        let mut waiting = world.put(10);
        for second in 2..9 {
            assert_eq!(world.collect(second * 1_000), 0);
        }
        assert_eq!((settled(&mut given), settled(&mut waiting)), (None, None));
        world.handover.resume(world.at(9_000));
        assert_eq!(world.collect(9_100), 10);
        assert_eq!(settled(&mut given), None, "it was in the ring buffer when the pause ended");
        world.collect(14_100);
        assert_eq!(
            (settled(&mut given), settled(&mut waiting)),
            (Some(BatchStatus::Delivered), Some(BatchStatus::Delivered))
        );
    }

    #[test]
    fn a_second_resume_does_not_put_off_what_waits() {
        let mut world = World::new();
        let mut given = world.put(10);
        world.collect(1_000);
        world.handover.resume(world.at(5_900));
        world.collect(6_000);
        assert_eq!(settled(&mut given), Some(BatchStatus::Delivered));
    }

    #[test]
    fn what_could_not_be_given_is_given_by_the_next_callback() {
        let mut world = World::new();
        let mut before = world.put(100);
        assert_eq!(world.collect(1_000), 100);
        let (mut one, mut two, mut three) = (world.put(60), world.put(30), world.put(20));
        let bytes = world.handover.collect(world.at(2_000)).unwrap();
        assert_eq!(bytes.len(), 90);
        world.handover.take_back(bytes);
        assert_eq!(world.collect(8_000), 90);
        assert_eq!(settled(&mut before), Some(BatchStatus::Delivered), "it was given before");
        assert_eq!((settled(&mut one), settled(&mut two)), (None, None), "they were not given until now");
        assert_eq!(world.collect(9_000), 20);
        world.collect(13_000);
        assert_eq!(
            (settled(&mut one), settled(&mut two), settled(&mut three)),
            (Some(BatchStatus::Delivered), Some(BatchStatus::Delivered), None)
        );
    }

    #[test]
    fn what_is_left_at_the_end_is_errored() {
        let mut world = World::new();
        let mut statuses = [world.put(100), world.put(100), world.put(100)];
        world.collect(1_000);
        world.handover.pause();
        drop(world);
        for status in &mut statuses {
            assert_eq!(settled(status), Some(BatchStatus::Errored));
        }
    }
}
