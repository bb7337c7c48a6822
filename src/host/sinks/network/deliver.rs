//! Delivers one batch: until the peer or the file of dead letters has it.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::time::{sleep, timeout};

use super::{Accepted, Batch, DeadLetters, Failure, Peer, Rejected, record::Record};
use crate::{
    backoff::Backoff,
    component::LogEvent,
    host::telemetry::{self, SinkLabels},
};

/// So many refusals in a row are accepted at once. After more of them, with nothing accepted in between, it is more
/// likely that something is wrong with the sink's settings than with every event.
const BELIEVED_REFUSALS: u32 = 20;

/// So often the same request is sent when refusals are not accepted at once, or when it is not clear what is refused.
const ATTEMPTS_IN_DOUBT: u32 = 5;

/// How a sink delivers.
pub(super) struct Courier<P> {
    pub(super) peer: P,
    pub(super) labels: SinkLabels,
    pub(super) timeout: Duration,
    pub(super) backoff: Backoff,
    pub(super) dead_letters: DeadLetters,
    pub(super) record: Record,
}

impl<P: Peer> Courier<P> {
    /// Delivers `batch`, however long that takes. Dropping the future leaves the batch undelivered.
    pub(super) fn deliver(self: Arc<Self>, batch: Batch) -> BoxFuture<'static, ()> {
        // Boxed because a batch may be delivered as two.
        Box::pin(async move {
            let outcome = if batch.len() > 1 && self.record.is_too_large(batch.json_size()) {
                Outcome::TooLarge(String::new())
            } else {
                match self.peer.encode(&batch) {
                    Ok(request) => self.send(&request, &batch).await,
                    Err(reason) => Outcome::NotAsOne(reason),
                }
            };
            match outcome {
                Outcome::Accepted(Accepted { byte_size, rejected }) => {
                    telemetry::bytes_sent(&self.labels, byte_size);
                    self.accepted(batch, rejected).await;
                }
                // One event that the peer does not take must not take all the others with it.
                Outcome::TooLarge(_) | Outcome::NotAsOne(_) if batch.len() > 1 => {
                    let (first, second) = batch.halves();
                    Arc::clone(&self).deliver(first).await;
                    self.deliver(second).await;
                }
                Outcome::TooLarge(reason) => {
                    let size: usize = batch.events().map(LogEvent::json_size).sum();
                    let reason = format!("one event of {size} bytes (as JSON) is more than the peer takes: {reason}");
                    self.dead_letter(batch, 1, &reason).await;
                }
                // Dropped, so that it counts as undelivered.
                Outcome::Abandoned => {}
                Outcome::NotAsOne(reason) => self.dead_letter(batch, 1, &reason).await,
                Outcome::Lost(reason) => {
                    let count = batch.len() as u64;
                    self.dead_letter(batch, count, &reason).await;
                }
            }
        })
    }

    async fn send(&self, request: &P::Request, batch: &Batch) -> Outcome {
        let json_size = batch.json_size();
        let limit = self.peer.timeout(self.timeout);
        let accepted_before = self.record.accepted();
        let mut failures = 0;
        loop {
            // A source that has given up sends the events again when it runs next.
            if batch.is_abandoned() {
                return Outcome::Abandoned;
            }
            let result = timeout(limit, self.peer.send(request)).await.unwrap_or_else(|_| {
                Err(Failure::may_pass(format!("the peer has not acknowledged within {} seconds", limit.as_secs())))
            });
            failures += 1;
            let (reason, after) = match result {
                Ok(accepted) => {
                    self.record.has_accepted();
                    return Outcome::Accepted(accepted);
                }
                Err(Failure::TooLarge { reason }) if batch.len() > 1 => {
                    self.record.has_found_too_large(json_size);
                    return Outcome::TooLarge(reason);
                }
                // As a refusal: something in between may find every request too large.
                Err(Failure::TooLarge { reason }) => {
                    if self.is_believed(failures) {
                        return Outcome::TooLarge(reason);
                    }
                    (in_doubt(&reason), Duration::ZERO)
                }
                Err(Failure::Lost { reason }) => return Outcome::Lost(reason),
                Err(Failure::Refused { reason }) => {
                    if self.is_believed(failures) {
                        return Outcome::NotAsOne(reason);
                    }
                    (in_doubt(&reason), Duration::ZERO)
                }
                Err(Failure::Denied { reason }) => {
                    // Others have come through meanwhile: it is these events.
                    if failures >= ATTEMPTS_IN_DOUBT && self.record.accepted() > accepted_before {
                        return Outcome::NotAsOne(reason);
                    }
                    (reason, Duration::ZERO)
                }
                Err(Failure::MayPass { reason, after }) => (reason, after.unwrap_or_default()),
            };
            let wait = self.backoff.wait(failures).max(after);
            telemetry::request_retried(&self.labels, &reason, failures, wait);
            sleep(wait).await;
        }
    }

    /// Whether one more refusal, of a request that was sent so often, is that of its events.
    fn is_believed(&self, attempts: u32) -> bool {
        self.record.has_refused() <= BELIEVED_REFUSALS || attempts >= ATTEMPTS_IN_DOUBT
    }

    async fn accepted(&self, batch: Batch, rejected: Option<Rejected>) {
        let events = batch.len() as u64;
        match rejected {
            Some(Rejected { count, reason }) if count > 0 => {
                let reason =
                    format!("{count} of these {events} events were rejected, without a word on which: {reason}");
                self.dead_letter(batch, count.min(events), &reason).await;
            }
            warning => {
                if let Some(Rejected { reason, .. }) = warning {
                    telemetry::peer_warned(&self.labels, &reason);
                }
                let event_bytes = batch.events().map(|event| event.json_size() as u64).sum();
                telemetry::events_sent(&self.labels, events, event_bytes);
                batch.delivered();
            }
        }
    }

    /// Writes the events, of which `count` were refused, to the file of dead letters. Then they count as delivered:
    /// sending them again would not help, and the disk has them.
    async fn dead_letter(&self, batch: Batch, count: u64, reason: &str) {
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

fn in_doubt(reason: &str) -> String {
    format!("{reason} (it refuses everything: see to the sink's configuration)")
}

enum Outcome {
    Accepted(Accepted),
    /// No source waits for it any more.
    Abandoned,
    /// Taken, but not all of it kept.
    Lost(String),
    /// More than the peer takes at once.
    TooLarge(String),
    /// Not these events together, and not a single one of them if it is one.
    NotAsOne(String),
}
