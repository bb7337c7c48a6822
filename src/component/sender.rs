//! The bounded way from a source into the pipeline.

use std::{fmt, sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, timeout},
};

use super::{ComponentKey, EventStatus, LogEvent, SourceOutput};

/// How many events fit into a source's output when nothing else is said.
const DEFAULT_BUFFER: usize = 4_000;

/// How many events [`SourceSender::send_event_stream`] sends together.
const CHUNK: usize = 1_000;

/// Why events could not be sent. The events are gone; their batch's receiver resolves to
/// [`BatchStatus::Errored`](super::BatchStatus::Errored), never to delivered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SendError {
    /// The pipeline stayed full for longer than the source's timeout, which only Vector sets.
    Timeout,
    /// The output has no receiver any more: the host is shutting down or has failed.
    Closed,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "the pipeline stayed full for longer than the send timeout",
            Self::Closed => "the pipeline is closed",
        })
    }
}

impl std::error::Error for SendError {}

/// A batch on its way through the pipeline.
#[derive(Debug)]
pub struct SourceSenderItem {
    /// The events, each with its finalizers.
    pub events: Vec<LogEvent>,
    /// When the batch was sent.
    pub send_reference: Instant,
}

/// A batch between source and host. When nobody takes it (the host is gone, the source gave up waiting), its events are
/// errored: dropped without a status they would count as delivered.
struct Queued {
    item: Option<SourceSenderItem>,
    // Given back when the host takes the item: the queue is bounded, not what the host does with it.
    room: Option<OwnedSemaphorePermit>,
}

impl Queued {
    fn take(mut self) -> Option<SourceSenderItem> {
        self.item.take()
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        for event in self.item.iter().flat_map(|item| &item.events) {
            event.metadata().update_status(EventStatus::Errored);
        }
    }
}

/// Sends batches of events into the pipeline; waits when it is full.
#[derive(Clone, Debug)]
pub struct SourceSender {
    queue: mpsc::UnboundedSender<Queued>,
    room: Arc<Semaphore>,
    limit: usize,
    timeout: Option<Duration>,
}

/// The host's end of a source's output.
pub struct SourceReceiver {
    queue: mpsc::UnboundedReceiver<Queued>,
    room: Arc<Semaphore>,
}

/// Builds a [`SourceSender`] with its receiver.
#[derive(Debug)]
pub struct Builder {
    limit: usize,
    timeout: Option<Duration>,
    sender: Option<SourceSender>,
}

impl SourceSender {
    /// Starts a sender that holds 4,000 events.
    pub fn builder() -> Builder {
        Builder { limit: DEFAULT_BUFFER, timeout: None, sender: None }
    }

    /// Sends one event.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub async fn send_event(&mut self, event: impl Into<LogEvent>) -> Result<(), SendError> {
        self.send_batch([event]).await
    }

    /// Sends a batch in one piece. A batch larger than the whole buffer waits until the buffer is empty.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub async fn send_batch<I, E>(&mut self, events: I) -> Result<(), SendError>
    where
        E: Into<LogEvent>,
        I: IntoIterator<Item = E>,
    {
        let events: Vec<LogEvent> = events.into_iter().map(Into::into).collect();
        if events.is_empty() {
            return Ok(());
        }
        let needed = u32::try_from(events.len().min(self.limit)).unwrap_or(u32::MAX);
        let item = SourceSenderItem { events, send_reference: Instant::now() };
        let mut queued = Queued { item: Some(item), room: None };
        let room = Arc::clone(&self.room).acquire_many_owned(needed);
        let room = match self.timeout {
            None => room.await,
            Some(limit) => timeout(limit, room).await.map_err(|_| SendError::Timeout)?,
        };
        queued.room = Some(room.map_err(|_| SendError::Closed)?);
        self.queue.send(queued).map_err(|_| SendError::Closed)
    }

    /// Sends every event of a stream, in batches of what is ready.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub async fn send_event_stream<S, E>(&mut self, events: S) -> Result<(), SendError>
    where
        S: Stream<Item = E> + Unpin,
        E: Into<LogEvent>,
    {
        let mut chunks = events.ready_chunks(CHUNK);
        while let Some(chunk) = chunks.next().await {
            self.send_batch(chunk).await?;
        }
        Ok(())
    }
}

impl Builder {
    /// How many events the output holds before the source has to wait.
    #[must_use]
    pub fn with_buffer(mut self, events: usize) -> Self {
        self.limit = events.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        self
    }

    /// How long a batch may wait for room.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// Adds the output of the component `_key` and returns its receiver. Sources here have one output, so that a second
    /// call replaces the first.
    pub fn add_source_output(&mut self, _output: SourceOutput, _key: ComponentKey) -> SourceReceiver {
        let (sender, receiver) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(self.limit));
        self.sender =
            Some(SourceSender { queue: sender, room: Arc::clone(&room), limit: self.limit, timeout: self.timeout });
        SourceReceiver { queue: receiver, room }
    }

    /// The sender. Without an output it is closed from the start.
    pub fn build(mut self) -> SourceSender {
        if self.sender.is_none() {
            drop(self.add_source_output(SourceOutput::new_logs(super::LogNamespace::Legacy), ComponentKey::from("")));
        }
        match self.sender {
            Some(sender) => sender,
            None => unreachable!("set just above"),
        }
    }
}

impl SourceReceiver {
    /// The next batch; `None` when the source is gone.
    pub async fn recv(&mut self) -> Option<SourceSenderItem> {
        self.queue.recv().await.and_then(Queued::take)
    }

    /// The next batch, if one waits already.
    pub fn try_recv(&mut self) -> Option<SourceSenderItem> {
        self.queue.try_recv().ok().and_then(Queued::take)
    }
}

impl Drop for SourceReceiver {
    fn drop(&mut self) {
        // Wakes a source that waits for room, which would never come.
        self.room.close();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::component::{BatchNotifier, BatchStatus, JsonObject, LogNamespace};

    fn events(n: usize) -> Vec<LogEvent> {
        (0..n).map(|i| LogEvent::from(JsonObject::parse(format!("{{\"n\":{i}}}").into()).unwrap())).collect()
    }

    fn channel(buffer: usize, timeout: Option<Duration>) -> (SourceSender, SourceReceiver) {
        let mut builder = SourceSender::builder().with_buffer(buffer).with_timeout(timeout);
        let receiver = builder.add_source_output(SourceOutput::new_logs(LogNamespace::Legacy), "test".into());
        (builder.build(), receiver)
    }

    #[tokio::test]
    async fn a_full_output_makes_the_source_wait() {
        let (mut sender, mut receiver) = channel(3, None);
        sender.send_batch(events(2)).await.unwrap();
        assert!(sender.send_batch(events(2)).now_or_never().is_none(), "4 events do not fit into 3");
        assert_eq!(receiver.recv().await.unwrap().events.len(), 2);
        sender.send_batch(events(2)).await.unwrap();
    }

    #[tokio::test]
    async fn a_batch_larger_than_the_buffer_passes_alone() {
        let (mut sender, mut receiver) = channel(3, None);
        sender.send_batch(events(10)).await.unwrap();
        assert!(sender.send_event(events(1).remove(0)).now_or_never().is_none());
        assert_eq!(receiver.recv().await.unwrap().events.len(), 10);
    }

    #[tokio::test]
    async fn a_source_that_waits_learns_that_the_host_is_gone() {
        let (mut sender, receiver) = channel(1, None);
        sender.send_batch(events(1)).await.unwrap();
        let waiting = tokio::spawn(async move { sender.send_batch(events(1)).await });
        tokio::task::yield_now().await;
        drop(receiver);
        assert_eq!(waiting.await.unwrap(), Err(SendError::Closed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_gives_up() {
        let (mut sender, _receiver) = channel(1, Some(Duration::from_secs(5)));
        sender.send_batch(events(1)).await.unwrap();
        assert_eq!(sender.send_batch(events(1)).await, Err(SendError::Timeout));
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_nobody_took_is_never_delivered() {
        let (mut sender, receiver) = channel(1, Some(Duration::from_secs(5)));
        let acknowledged = |mut batch: Vec<LogEvent>| (BatchNotifier::apply_to(&mut batch), batch);
        let (queued, batch) = acknowledged(events(1));
        sender.send_batch(batch).await.unwrap();
        let (timed_out, batch) = acknowledged(events(1));
        assert_eq!(sender.send_batch(batch).await, Err(SendError::Timeout));
        let (cancelled, batch) = acknowledged(events(1));
        assert!(sender.send_batch(batch).now_or_never().is_none());
        drop(receiver);
        let (refused, batch) = acknowledged(events(1));
        assert_eq!(sender.send_batch(batch).await, Err(SendError::Closed));
        for (name, status) in
            [("queued", queued), ("timed out", timed_out), ("cancelled", cancelled), ("refused", refused)]
        {
            assert_eq!(status.await, BatchStatus::Errored, "{name}");
        }
    }

    #[tokio::test]
    async fn a_stream_arrives_whole_and_in_order() {
        let (mut sender, mut receiver) = channel(5_000, None);
        sender.send_event_stream(futures::stream::iter(events(2_500))).await.unwrap();
        drop(sender);
        let mut seen = 0;
        while let Some(item) = receiver.recv().await {
            for event in item.events {
                assert_eq!(event.to_json(), format!("{{\"n\":{seen}}}"));
                seen += 1;
            }
        }
        assert_eq!(seen, 2_500);
    }
}
