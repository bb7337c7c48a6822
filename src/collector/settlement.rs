//! From the pipeline back to the ledger: what is acknowledged becomes durable, and the blob is done or goes back.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::{sync::OwnedSemaphorePermit, task::JoinSet};

use super::{
    blob::{Message, REJECTIONS, Reporter, dead_letter, retry, retry_rejected},
    dedupe::{Dependencies, Reservation},
    error::CollectorError,
    shared::{Pace, Shared},
};
use crate::{
    component::{BatchStatus, BatchStatusReceiver},
    ledger::{BlobKey, Claim, Counts, Retry},
    telemetry,
};

/// Memory that events hold.
pub type Held = Option<Arc<OwnedSemaphorePermit>>;

/// Events that the pipeline has.
pub struct Sent {
    pub events: u64,
    pub reservation: Reservation,
    pub status: Option<BatchStatusReceiver>,
    /// Given back only when the ledger has the events, so that what a crash could send twice is bounded, too.
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
    fn commit(self, shared: &Shared) {
        shared.progress.add_events(self.events);
        self.reservation.commit();
    }
}

/// Waits for one batch of several and makes its events durable.
pub async fn confirm(shared: Arc<Shared>, key: BlobKey, mut sent: Sent) -> Result<Verdict, CollectorError> {
    let verdict = sent.verdict(&key).await;
    if verdict == Verdict::Delivered {
        shared.ledger.deliver(sent.reservation.keys().to_vec(), shared.now()).await?;
        sent.commit(&shared);
    }
    Ok(verdict)
}

impl Emitted {
    /// Waits for every batch and marks the blob done, or puts it back.
    pub async fn settle(
        mut self,
        shared: &Shared,
        claim: &Claim,
        key: &BlobKey,
        reporter: &Reporter,
    ) -> Result<(), CollectorError> {
        let mut verdict = Verdict::Delivered;
        if let Some(last) = &mut self.last {
            verdict = last.verdict(key).await;
        }
        let last_delivered = verdict == Verdict::Delivered;
        while let Some(confirmed) = self.confirmations.join_next().await {
            let confirmed = confirmed.map_err(|error| CollectorError::Defect { detail: error.to_string() })?;
            verdict = verdict.max(confirmed?);
        }
        let now = shared.now();
        let keys = self.last.as_ref().map(|last| last.reservation.keys().to_vec()).unwrap_or_default();
        if verdict == Verdict::Delivered && self.dependencies.is_empty() {
            let done = shared.ledger.complete(key.clone(), keys, now).await?;
            if let Some(last) = self.last {
                last.commit(shared);
            }
            completed(shared, key, reporter, self.events, done);
            return Ok(());
        }
        // The last batch must not wait for other blobs: they may be waiting for it.
        if let Some(last) = self.last.filter(|_| last_delivered) {
            shared.ledger.deliver(keys, now).await?;
            last.commit(shared);
        }
        if verdict == Verdict::Errored {
            let reason = "the pipeline could not deliver its events".to_owned();
            return retry(shared, claim, key, reporter, reason, Pace::Prompt).await;
        }
        if verdict == Verdict::Rejected && claim.rejections.saturating_add(1) < REJECTIONS {
            return retry_rejected(shared, claim, key, reporter).await;
        }
        if !self.dependencies.all_delivered().await {
            // A copy that this blob relied on did not arrive. What is left of the blob is sent with its next turn.
            let reason = "a copy of its events in another blob could not be delivered".to_owned();
            let not_before = shared.now() + TimeDelta::seconds(1);
            shared.ledger.fail(key.clone(), Retry { not_before, reason, counts: Counts::Nothing }).await?;
            // Told only now: the scheduler looks for it in the ledger.
            reporter.tell(Message::Deferred(not_before));
            return Ok(());
        }
        if verdict == Verdict::Rejected {
            return dead_letter(shared, claim, key, format!("the pipeline rejected its events {REJECTIONS} times"))
                .await;
        }
        let done = shared.ledger.complete(key.clone(), Vec::new(), shared.now()).await?;
        completed(shared, key, reporter, self.events, done);
        Ok(())
    }
}

fn completed(shared: &Shared, key: &BlobKey, reporter: &Reporter, events: u64, done: bool) {
    if done {
        telemetry::content_delivered(&shared.progress, key, events);
    } else {
        // What was delivered came from a URI that only a notification told; a listing has named another meanwhile.
        reporter.tell(Message::Back(key.feed));
    }
}
