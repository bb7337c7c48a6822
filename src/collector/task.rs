//! One claimed blob on its way: fetched, emitted, settled; and what becomes of it when a stage fails.

use std::sync::Arc;

use super::{
    emission::{emit, emit_search},
    error::{BlobError, CollectorError},
    failure,
    fetch::fetch,
    retry::Reason,
    scheduler::Outcome,
    search,
    settlement::settle,
    shared::Shared,
    slot::{Message, Reporter, Slot},
    telemetry,
};
use crate::{
    activity::ActivityError,
    ledger::{BlobKey, Claim, DeadBlob, DeliveredBatch},
    telemetry::Stage,
};

/// A claimed blob, with what every stage needs.
#[derive(Debug)]
pub struct BlobTask {
    pub shared: Arc<Shared>,
    pub claim: Claim,
    pub key: BlobKey,
    reporter: Reporter,
}

/// What becomes of a blob that its task is done with.
#[derive(Debug)]
pub enum Next {
    /// All its events are delivered, so many of them new, and the ledger has it as done.
    Done { events: u64 },
    /// It has been replaced, and none of its events were sent.
    Over,
    /// It goes back into the queue as it was.
    Requeue,
    /// It is tried again later; `problem` says why, free of secrets.
    Retry { reason: Reason, problem: String },
    /// It is given up.
    DeadLetter {
        problem: String,
        /// Whether Microsoft no longer holds it.
        has_expired: bool,
    },
    /// Only a notification announced it, and it cannot be fetched. If such content exists, a listing names it, and then
    /// it is given up with a log line.
    Forget { error: ActivityError },
}

impl BlobTask {
    /// The task of what is claimed.
    pub fn new(shared: Arc<Shared>, claim: Claim, reporter: Reporter) -> Self {
        let key = BlobKey::from(&claim.content);
        Self { shared, claim, key, reporter }
    }

    /// Takes the blob through all stages. `slot` is free again when everything is emitted, or the scheduler knows why not.
    ///
    /// # Errors
    ///
    /// Only with what ends the collector.
    pub async fn run(self, slot: Slot) -> Result<(), CollectorError> {
        let (task, mut slot) = (Arc::new(self), Some(slot));
        let next = match task.stages(&mut slot).await {
            Ok(next) => next,
            Err(BlobError::Stopped) => Next::Requeue,
            Err(BlobError::Failed { source }) => failure::judge(&task, source),
            Err(BlobError::Search { source }) => search::judge(&task, source).await?,
            Err(BlobError::Fatal { source }) => return Err(source),
        };
        task.conclude(next).await
    }

    async fn stages(self: &Arc<Self>, slot: &mut Option<Slot>) -> Result<Next, BlobError> {
        let emitted = match search::query_of(&self.key) {
            Some(query) => emit_search(self, search::reader(self, query)?).await?,
            None => emit(self, fetch(self).await?).await?,
        };
        drop(slot.take());
        self.served();
        Ok(settle(self, emitted).await?)
    }

    /// Reports to the scheduler how the download went.
    pub fn went(&self, outcome: Outcome) {
        self.reporter.tell(Message::Went(self.key.feed, outcome));
    }

    fn served(&self) {
        self.went(Outcome::Served);
        if self.claim.announced {
            self.shared.announcements.served(self.key.feed);
        }
        telemetry::feed_recovered(&self.shared.progress, self.key.feed, Stage::Fetching);
        if self.claim.attempts > 0 {
            telemetry::feed_recovered(&self.shared.progress, self.key.feed, Stage::SetAside);
        }
    }

    async fn conclude(&self, next: Next) -> Result<(), CollectorError> {
        match next {
            Next::Done { events } => {
                let lag = self.shared.now() - self.claim.content.created;
                telemetry::content_delivered(&self.shared.progress, &self.key, events, lag);
                Ok(())
            }
            Next::Over => {
                self.shared.ledger.complete(self.key.clone(), DeliveredBatch::default(), self.shared.now()).await?;
                Ok(())
            }
            Next::Requeue => {
                self.requeue();
                Ok(())
            }
            Next::Retry { reason, problem } => self.retry(reason, &problem).await,
            Next::DeadLetter { problem, has_expired } => self.dead_letter(problem, has_expired).await,
            Next::Forget { error } => self.forget(&error).await,
        }
    }

    fn requeue(&self) {
        self.shared.ledger.release(&self.key);
        // Reported only now: the scheduler looks for it in the ledger.
        self.reporter.tell(Message::Back(self.key.feed));
    }

    /// Puts the blob back for later. The API says when its content has expired; no clock decides that.
    async fn retry(&self, reason: Reason, problem: &str) -> Result<(), CollectorError> {
        let deferral = self.shared.retries.defer(&self.claim, &self.key, reason);
        if let Some(attempt) = deferral.attempt {
            telemetry::content_retried(&self.key, problem, attempt, deferral.wait.as_secs());
        }
        let not_before = self.shared.after(deferral.wait);
        self.shared.ledger.defer(self.key.clone(), not_before, reason.counts()).await?;
        self.reporter.tell(Message::Deferred(not_before));
        Ok(())
    }

    async fn dead_letter(&self, reason: String, has_expired: bool) -> Result<(), CollectorError> {
        let now = self.shared.now();
        self.shared.ledger.dead_letter(self.key.clone(), reason.clone(), now).await?;
        let dead = DeadBlob { key: self.key.clone(), created: self.claim.content.created, since: now, reason };
        telemetry::content_dead(&self.shared.progress, &dead, has_expired);
        Ok(())
    }

    async fn forget(&self, error: &ActivityError) -> Result<(), CollectorError> {
        if self.shared.ledger.forget_announced(self.key.clone()).await? {
            telemetry::announced_content_gone(&self.key, &self.claim.content.content_uri, error);
        } else {
            // A listing has named it meanwhile.
            self.requeue();
        }
        Ok(())
    }
}
