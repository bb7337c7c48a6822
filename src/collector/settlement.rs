//! The third stage: from the pipeline back to the ledger. What is acknowledged becomes durable, and the blob is done or goes back.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{
    budget::Held,
    dedupe::{Dependencies, Reservation},
    error::CollectorError,
    retry::{REJECTIONS, Reason},
    shared::Shared,
    task::{BlobTask, Next},
    telemetry,
};
use crate::{
    component::{BatchStatus, BatchStatusReceiver},
    ledger::{BlobKey, EventKey},
    normalize::Fact,
};

/// Events that the pipeline has.
pub struct Sent {
    pub events: u64,
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
    pub confirmations: JoinSet<Result<Verdict, CollectorError>>,
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

    /// The ledger has the batch's events.
    fn commit(self, shared: &Shared, key: &BlobKey) {
        shared.progress.add_events(self.events);
        shared.insights.delivered(key.feed, self.events, self.facts, shared.now());
        self.reservation.commit();
    }
}

/// Waits for one batch of several and makes its events durable.
pub async fn confirm(task: Arc<BlobTask>, mut sent: Sent) -> Result<Verdict, CollectorError> {
    let verdict = sent.verdict(&task.key).await;
    if verdict == Verdict::Delivered {
        task.shared.ledger.deliver(sent.reservation.keys().to_vec().into(), task.shared.now()).await?;
        sent.commit(&task.shared, &task.key);
    }
    Ok(verdict)
}

/// Waits for every batch of a blob and marks it done, or says what becomes of it instead.
pub async fn settle(task: &BlobTask, emitted: Emitted) -> Result<Next, CollectorError> {
    let Emitted { mut last, events, dependencies, mut confirmations } = emitted;
    let (shared, key) = (&task.shared, &task.key);
    let mut verdict = Verdict::Delivered;
    if let Some(last) = &mut last {
        verdict = last.verdict(key).await;
    }
    let last_delivered = verdict == Verdict::Delivered;
    while let Some(confirmed) = confirmations.join_next().await {
        let confirmed = confirmed.map_err(|error| CollectorError::Defect { detail: error.to_string() })?;
        verdict = verdict.max(confirmed?);
    }
    let keys = last.as_ref().map(|last| last.reservation.keys().to_vec()).unwrap_or_default();
    if verdict == Verdict::Delivered && dependencies.is_empty() {
        let next = complete(task, keys, events).await?;
        if let Some(last) = last {
            last.commit(shared, key);
        }
        return Ok(next);
    }
    // The last batch must not wait for other blobs: they may be waiting for it.
    if let Some(last) = last.filter(|_| last_delivered) {
        shared.ledger.deliver(keys.into(), shared.now()).await?;
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
        let problem = format!("the pipeline rejected its events {REJECTIONS} times");
        return Ok(Next::DeadLetter { problem, has_expired: false });
    }
    complete(task, Vec::new(), events).await
}

/// Marks a blob done, together with the last of its events.
async fn complete(task: &BlobTask, keys: Vec<EventKey>, events: u64) -> Result<Next, CollectorError> {
    let done = task.shared.ledger.complete(task.key.clone(), keys.into(), task.shared.now()).await?;
    // Otherwise the delivered content came from a URI that only a notification announced, and a listing has named
    // another since.
    Ok(if done { Next::Done { events } } else { Next::Requeue })
}
