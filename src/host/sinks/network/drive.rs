//! From the inbox to the batches on their way.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    Batch, DeadLetters, Peer,
    batch::{BatchLimits, Batcher},
    deliver::Courier,
    record::Record,
};
use crate::{
    backoff::Backoff,
    config::NetworkConfig,
    host::{
        delivery::Delivery,
        sinks::{Run, SinkError},
        telemetry::SinkLabels,
    },
};

/// A sink that sends what arrives to a peer.
pub(in crate::host::sinks) struct NetworkSink<P> {
    peer: P,
    limits: BatchLimits,
    concurrency: usize,
    timeout: Duration,
    backoff: Backoff,
    dead_letters: PathBuf,
}

impl<P: Peer> NetworkSink<P> {
    /// The sink `name` for `peer`. `data_dir` is where dead letters go without a path of their own.
    pub(in crate::host::sinks) fn new(peer: P, name: &str, config: &NetworkConfig, data_dir: &Path) -> Self {
        let NetworkConfig { batch, request, dead_letter, .. } = config;
        Self {
            limits: BatchLimits {
                events: usize::try_from(batch.max_events).unwrap_or(usize::MAX),
                bytes: batch.max_bytes.as_usize(),
                age: Duration::from_secs(batch.timeout_secs),
            },
            concurrency: peer.concurrency(usize::try_from(request.concurrency).unwrap_or(usize::MAX)),
            timeout: request.timeout(),
            backoff: Backoff {
                first: Duration::from_secs(request.retry_initial_backoff_secs),
                longest: Duration::from_secs(request.retry_max_duration_secs),
            },
            dead_letters: dead_letter.effective_path(name, data_dir),
            peer,
        }
    }

    /// The same with pauses between attempts of no more than `longest`.
    pub(in crate::host::sinks) fn with_pauses_up_to(mut self, longest: Duration) -> Self {
        self.backoff.longest = self.backoff.longest.min(longest);
        self.backoff.first = self.backoff.first.min(longest);
        self
    }
}

#[async_trait]
impl<P: Peer> Run for NetworkSink<P> {
    /// Never fails by itself: a peer that is away is waited for, whatever it refuses is kept on disk.
    async fn run(self: Box<Self>, labels: SinkLabels, mut inbox: mpsc::Receiver<Delivery>) -> Result<(), SinkError> {
        let Self { peer, limits, concurrency, timeout, backoff, dead_letters } = *self;
        let dead_letters = DeadLetters::new(&labels.id, &dead_letters);
        let courier = Arc::new(Courier { peer, labels, timeout, backoff, dead_letters, record: Record::default() });
        let mut batcher = Batcher::new(limits);
        let mut ready: VecDeque<Batch> = VecDeque::new();
        // Dropped, and with it every batch, when the host gives up waiting.
        let mut on_their_way = JoinSet::new();
        let mut is_open = true;
        while is_open || !ready.is_empty() || !on_their_way.is_empty() {
            while on_their_way.len() < concurrency
                && let Some(batch) = ready.pop_front()
            {
                on_their_way.spawn(Arc::clone(&courier).deliver(batch));
            }
            let deadline = batcher.deadline();
            tokio::select! {
                Some(delivered) = on_their_way.join_next() => if delivered.is_err() {
                    return Err(SinkError::Crashed { key: format!("sinks.{}", courier.labels.id) });
                },
                // What is ready has to leave before more is taken.
                delivery = inbox.recv(), if is_open && ready.is_empty() => if let Some(delivery) = delivery {
                    ready.extend(batcher.add(delivery));
                } else {
                    is_open = false;
                    ready.extend(batcher.flush());
                },
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    ready.extend(batcher.flush());
                }
            }
        }
        Ok(())
    }
}
