//! One batch on its way, until the peer or the disk has it.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::time::{sleep, timeout};

use super::{Accepted, Batch, DeadLetters, Failure, Peer, Rejected};
use crate::{
    backoff::Backoff,
    host::telemetry::{self, SinkLabels},
};

/// How a sink delivers.
pub(super) struct Courier<P> {
    pub(super) peer: P,
    pub(super) labels: SinkLabels,
    pub(super) timeout: Duration,
    pub(super) backoff: Backoff,
    pub(super) dead_letters: DeadLetters,
}

impl<P: Peer> Courier<P> {
    /// Delivers `batch`, however long that takes. Dropping the future leaves the batch undelivered.
    pub(super) fn deliver(self: Arc<Self>, batch: Batch) -> BoxFuture<'static, ()> {
        // Boxed because a batch that is too large is delivered as two.
        Box::pin(async move {
            let outcome = match self.peer.encode(&batch) {
                Ok(request) => self.send(&request).await,
                Err(reason) => Outcome::Refused(reason),
            };
            match outcome {
                Outcome::Accepted(Accepted { byte_size, rejected }) => {
                    telemetry::bytes_sent(&self.labels, byte_size);
                    match rejected {
                        None => self.accepted(batch),
                        Some(Rejected { count: 0, reason }) => {
                            telemetry::peer_warned(&self.labels, &reason);
                            self.accepted(batch);
                        }
                        Some(Rejected { count, reason }) => {
                            let reason = format!(
                                "{count} of these {} events were rejected, without a word on which: {reason}",
                                batch.len()
                            );
                            self.bury(batch, count, &reason).await;
                        }
                    }
                }
                Outcome::TooLarge(_) if batch.len() > 1 => {
                    let (first, second) = batch.halves();
                    Arc::clone(&self).deliver(first).await;
                    self.deliver(second).await;
                }
                Outcome::Refused(reason) | Outcome::TooLarge(reason) => {
                    let count = batch.len() as u64;
                    self.bury(batch, count, &reason).await;
                }
            }
        })
    }

    async fn send(&self, request: &P::Request) -> Outcome {
        let limit = self.peer.timeout(self.timeout);
        let mut failures = 0;
        loop {
            let result = timeout(limit, self.peer.send(request)).await.unwrap_or_else(|_| {
                Err(Failure::may_pass(format!("the peer has not acknowledged within {} seconds", limit.as_secs())))
            });
            let (reason, after) = match result {
                Ok(accepted) => return Outcome::Accepted(accepted),
                Err(Failure::Refused { reason }) => return Outcome::Refused(reason),
                Err(Failure::TooLarge { reason }) => return Outcome::TooLarge(reason),
                Err(Failure::MayPass { reason, after }) => (reason, after.unwrap_or_default()),
            };
            failures += 1;
            let wait = self.backoff.wait(failures).max(after);
            telemetry::request_retried(&self.labels, &reason, failures, wait);
            sleep(wait).await;
        }
    }

    fn accepted(&self, batch: Batch) {
        let event_bytes = batch.events().map(|event| event.json_size() as u64).sum();
        telemetry::events_sent(&self.labels, batch.len() as u64, event_bytes);
        batch.delivered();
    }

    /// Puts the events, of which `count` were refused, where an administrator finds them. They are delivered then: sending
    /// them again would not help, and the disk has them.
    async fn bury(&self, batch: Batch, count: u64, reason: &str) {
        let mut failures = 0;
        while let Err(error) = self.dead_letters.add(&batch, reason).await {
            failures += 1;
            let wait = self.backoff.wait(failures);
            telemetry::dead_letters_unwritable(&self.labels, self.dead_letters.path(), &error, wait);
            sleep(wait).await;
        }
        telemetry::events_refused(&self.labels, count, reason, self.dead_letters.path());
        batch.delivered();
    }
}

enum Outcome {
    Accepted(Accepted),
    TooLarge(String),
    Refused(String),
}
