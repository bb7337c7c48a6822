//! From the source's batches to pieces for Fluent Bit, in the source's own runtime.

use std::sync::Arc;

use chrono::Utc;
use office365_source::{
    component::{Finalizable, LogEvent, SourceReceiver},
    encoding::msgpack,
};
use tokio::sync::{Semaphore, mpsc};

use crate::handover::{Piece, Unsettled};

/// So many pieces make what a callback gives: the more, the less of it stays empty.
const PIECES: usize = 8;

/// The source's end of the queue of pieces: bounded in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pieces: mpsc::UnboundedSender<Piece>,
    room: Arc<Semaphore>,
    most: u32,
    piece: usize,
}

impl Queue {
    /// A queue that holds what two callbacks give.
    pub(crate) fn new(per_callback: usize) -> (Self, mpsc::UnboundedReceiver<Piece>) {
        let most = u32::try_from(per_callback.saturating_mul(2)).unwrap_or(u32::MAX);
        let (pieces, receiver) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(most as usize));
        (Self { pieces, room, most, piece: per_callback.div_ceil(PIECES) }, receiver)
    }

    /// Nothing enters any more; what would is errored.
    pub(crate) fn close(&self) {
        self.room.close();
    }

    /// Adds a piece as soon as there is room. One that is larger than the whole queue waits until it is empty.
    async fn put(&self, mut piece: Piece) {
        let size = u32::try_from(piece.bytes.len()).unwrap_or(u32::MAX).clamp(1, self.most);
        // Closed, it drops the piece, whose events are then errored; so does a receiver that is gone.
        if let Ok(room) = Arc::clone(&self.room).acquire_many_owned(size).await {
            piece.room = Some(room);
            let _ = self.pieces.send(piece);
        }
    }
}

/// Takes batches until the source is gone.
pub(crate) async fn pump(mut batches: SourceReceiver, queue: Queue) {
    while let Some(batch) = batches.recv().await {
        // All at once, so that the events are errored wherever this stops.
        for piece in pieces(batch.events, queue.piece) {
            queue.put(piece).await;
        }
    }
}

/// The pieces of a batch, each of `limit` bytes at most unless a single event is larger.
fn pieces(events: Vec<LogEvent>, limit: usize) -> Vec<Piece> {
    let mut done = Vec::new();
    let mut piece = Piece::default();
    let mut record = Vec::new();
    // Taken off before anything may go wrong: an event that is dropped with them would count as delivered.
    let events: Vec<_> = events.into_iter().map(|mut event| (Unsettled::of(event.take_finalizers()), event)).collect();
    for (unsettled, event) in events {
        record.clear();
        write_record(&event, &mut record);
        if !piece.bytes.is_empty() && piece.bytes.len() + record.len() > limit {
            done.push(std::mem::take(&mut piece));
        }
        piece.bytes.extend_from_slice(&record);
        piece.events.add(unsettled);
    }
    if !piece.bytes.is_empty() {
        done.push(piece);
    }
    done
}

/// Appends a record of Fluent Bit's: `[[time, {}], {body}]`. Metadata would show up in its outputs beside the body.
///
/// Source: `src/flb_log_event_decoder.c` in Fluent Bit's source code.
fn write_record(event: &LogEvent, out: &mut Vec<u8>) {
    const PAIR: u8 = 0x92;
    const EMPTY_MAP: u8 = 0x80;
    out.extend_from_slice(&[PAIR, PAIR]);
    msgpack::write_event_time(event.timestamp().unwrap_or_else(Utc::now), out);
    out.push(EMPTY_MAP);
    msgpack::write_event(event, out);
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use office365_source::component::{
        BatchNotifier, BatchStatus, JsonObject, LogNamespace, SourceOutput, SourceSender,
    };

    use super::*;

    fn event(json: &str) -> LogEvent {
        LogEvent::from(JsonObject::parse(json.to_owned().into()).unwrap())
    }

    fn events(n: usize) -> Vec<LogEvent> {
        (0..n).map(|n| event(&format!("{{\"n\":{n}}}"))).collect()
    }

    #[test]
    fn a_record_has_the_event_s_time_no_metadata_and_the_body() {
        let time = DateTime::from_timestamp(1_435_608_199, 250_000_000).unwrap();
        let mut bytes = Vec::new();
        write_record(&event(r#"{"a":1}"#).with_time(time), &mut bytes);
        let expected = [
            &[0x92, 0x92, 0xd7, 0x00][..],
            &1_435_608_199_u32.to_be_bytes(),
            &250_000_000_u32.to_be_bytes(),
            &[0x80, 0x81, 0xa1, b'a', 0x01],
        ];
        assert_eq!(bytes, expected.concat());
    }

    #[test]
    fn a_record_without_time_has_the_present_one() {
        let before = Utc::now().timestamp();
        let mut bytes = Vec::new();
        write_record(&event("{}"), &mut bytes);
        let seconds = u32::from_be_bytes(bytes[4..8].try_into().unwrap());
        assert!((before..=Utc::now().timestamp()).contains(&i64::from(seconds)));
    }

    #[test]
    fn pieces_keep_their_limit_and_their_events() {
        let size = pieces(events(1), 1)[0].bytes.len();
        let mut batch = events(10);
        let status = BatchNotifier::apply_to(&mut batch);
        let pieces = pieces(batch, 4 * size);
        assert_eq!(pieces.iter().map(|piece| piece.bytes.len() / size).collect::<Vec<_>>(), [4, 4, 2]);
        for piece in &pieces {
            let mut rest = &piece.bytes[..];
            while !rest.is_empty() {
                rmpv::decode::read_value(&mut rest).unwrap();
            }
        }
        drop(pieces);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(status), BatchStatus::Errored, "nobody took them");
    }

    #[test]
    fn a_full_queue_holds_the_source_back_and_a_closed_one_lets_it_go() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (queue, mut waiting) = Queue::new(100);
            let mut builder = SourceSender::builder().with_buffer(1);
            let batches = builder.add_source_output(SourceOutput::new_logs(LogNamespace::Legacy), "test".into());
            let mut sender = builder.build();
            let pump = tokio::spawn(pump(batches, queue.clone()));
            let mut statuses = Vec::new();
            let source = tokio::spawn(async move {
                for _ in 0..100 {
                    let mut batch = events(1);
                    statuses.push(BatchNotifier::apply_to(&mut batch));
                    sender.send_batch(batch).await.unwrap();
                }
                drop(sender);
                statuses
            });
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
            assert!(!source.is_finished() && waiting.len() < 20, "{} wait", waiting.len());
            let (bytes, taken): (usize, Vec<_>) = {
                let taken: Vec<_> = std::iter::from_fn(|| waiting.try_recv().ok()).collect();
                (taken.iter().map(|piece| piece.bytes.len()).sum(), taken)
            };
            assert!(bytes <= 200);
            queue.close();
            drop(taken);
            for status in source.await.unwrap() {
                assert_eq!(status.await, BatchStatus::Errored);
            }
            pump.await.unwrap();
        });
    }
}
