//! The third stage: from the pipeline back to the ledger. What is acknowledged becomes durable, and the blob is done or goes back.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{
    budget::Held,
    dedupe::{Dependencies, Reservation},
    error::CollectorError,
    retry::{REJECTIONS, Reason},
    search::{self, Comparison},
    shared::Shared,
    task::{BlobTask, Next},
    telemetry,
};
use crate::{
    component::{BatchStatus, BatchStatusReceiver},
    ledger::{BlobKey, DeliveredBatch, EventCount},
    normalize::Fact,
};

/// Events that the pipeline has.
pub struct Sent {
    pub events: u64,
    /// How many of which day.
    pub counts: Vec<EventCount>,
    /// What they say, for a page to count.
    pub facts: Vec<Fact>,
    pub reservation: Reservation,
    pub status: Option<BatchStatusReceiver>,
    /// Given back only when the ledger has the events, so that the number of events that a crash could send twice is
    /// bounded, too.
    #[expect(dead_code, reason = "held for its drop")]
    pub held: Held,
}

/// What became of the batches of a blob, from good to bad.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    Delivered,
    Rejected,
    /// Worst, as it is no reason to give up, however often.
    Errored,
}

/// A blob whose every batch is with the pipeline.
pub struct Emitted {
    pub last: Option<Sent>,
    pub events: u64,
    pub dependencies: Dependencies,
    pub confirmations: JoinSet<Result<Confirmed, CollectorError>>,
    /// What a search is compared with.
    pub comparison: Option<Comparison>,
}

/// What became of a batch.
pub struct Confirmed {
    verdict: Verdict,
    /// Its events, if the pipeline has rejected them.
    rejected: Vec<EventCount>,
}

impl Sent {
    /// Waits until the pipeline is done with the batch.
    async fn verdict(&mut self, key: &BlobKey) -> Verdict {
        let status = match self.status.take() {
            Some(status) => status.await,
            // Without acknowledgements, what the pipeline took counts as delivered.
            None => BatchStatus::Delivered,
        };
        match status {
            BatchStatus::Delivered => Verdict::Delivered,
            BatchStatus::Errored => Verdict::Errored,
            BatchStatus::Rejected => {
                telemetry::events_rejected(key, self.events);
                Verdict::Rejected
            }
        }
    }

    /// What the ledger notes of it.
    fn batch(&self) -> DeliveredBatch {
        DeliveredBatch { events: self.reservation.keys().to_vec(), counts: self.counts.clone() }
    }

    /// The ledger has the batch's events.
    fn commit(self, shared: &Shared, key: &BlobKey) {
        shared.progress.add_events(self.events);
        shared.insights.delivered(key.feed, self.events, self.facts, shared.now());
        self.reservation.commit();
    }
}

/// Waits for one batch of several and makes its events durable.
pub async fn confirm(task: Arc<BlobTask>, mut sent: Sent) -> Result<Confirmed, CollectorError> {
    let verdict = sent.verdict(&task.key).await;
    let rejected = if verdict == Verdict::Rejected { sent.counts.clone() } else { Vec::new() };
    if verdict == Verdict::Delivered {
        task.shared.ledger.deliver(task.key.feed.tenant, sent.batch(), task.shared.now()).await?;
        sent.commit(&task.shared, &task.key);
    }
    Ok(Confirmed { verdict, rejected })
}

/// Waits for every batch of a blob and marks it done, or says what becomes of it instead.
pub async fn settle(task: &BlobTask, emitted: Emitted) -> Result<Next, CollectorError> {
    let Emitted { mut last, events, dependencies, mut confirmations, mut comparison } = emitted;
    let (shared, key) = (&task.shared, &task.key);
    let (mut verdict, mut rejected) = (Verdict::Delivered, Vec::new());
    if let Some(last) = &mut last {
        verdict = last.verdict(key).await;
        if verdict == Verdict::Rejected {
            rejected.clone_from(&last.counts);
        }
    }
    let last_delivered = verdict == Verdict::Delivered;
    while let Some(confirmed) = confirmations.join_next().await {
        let confirmed = confirmed.map_err(|error| CollectorError::Defect { detail: error.to_string() })?;
        let confirmed = confirmed?;
        verdict = verdict.max(confirmed.verdict);
        rejected.extend(confirmed.rejected);
    }
    let batch = last.as_ref().map(Sent::batch).unwrap_or_default();
    if verdict == Verdict::Delivered && dependencies.is_empty() {
        let next = complete(task, batch, comparison, events).await?;
        if let Some(last) = last {
            last.commit(shared, key);
        }
        return Ok(next);
    }
    // The last batch must not wait for other blobs: they may be waiting for it.
    if let Some(last) = last.filter(|_| last_delivered) {
        shared.ledger.deliver(key.feed.tenant, batch, shared.now()).await?;
        last.commit(shared, key);
    }
    if verdict == Verdict::Errored {
        let problem = "the pipeline could not deliver its events".to_owned();
        return Ok(Next::Retry { reason: Reason::Failed, problem });
    }
    if verdict == Verdict::Rejected && task.claim.rejections.saturating_add(1) < REJECTIONS {
        let problem = format!("the pipeline rejected its events; after {REJECTIONS} times they are given up");
        return Ok(Next::Retry { reason: Reason::Rejected, problem });
    }
    if !dependencies.all_delivered().await {
        let problem = "a copy of its events in another blob could not be delivered".to_owned();
        return Ok(Next::Retry { reason: Reason::CopyFailed, problem });
    }
    if verdict == Verdict::Rejected {
        let Some(comparison) = &mut comparison else {
            let problem = format!("the pipeline rejected its events {REJECTIONS} times");
            return Ok(Next::DeadLetter { problem, has_expired: false });
        };
        // The rest of a search counts all the same, and these as missing.
        comparison.reject(&rejected);
    }
    complete(task, DeliveredBatch::default(), comparison, events).await
}

/// Marks a blob done, together with the last of its events.
async fn complete(
    task: &BlobTask,
    batch: DeliveredBatch,
    comparison: Option<Comparison>,
    events: u64,
) -> Result<Next, CollectorError> {
    let (shared, key) = (&task.shared, &task.key);
    if let Some(finished) = comparison.map(Comparison::finish) {
        telemetry::search_compared(key, &finished.found, events);
        let query = finished.query.clone();
        shared.ledger.complete_search(key.clone(), finished, batch, shared.now()).await?;
        search::delete(shared, key.feed.tenant, &query).await;
        return Ok(Next::Done { events });
    }
    let done = shared.ledger.complete(key.clone(), batch, shared.now()).await?;
    // Otherwise the delivered content came from a URI that only a notification announced, and a listing has named
    // another since.
    Ok(if done { Next::Done { events } } else { Next::Requeue })
}
