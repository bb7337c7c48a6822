//! What every blob's task needs.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{body::BodyLimits, decode::BatchLimits, dedupe::Reservations, sensitive_types::SensitiveTypesReader};
use crate::{
    RunMode,
    activity::ActivityClient,
    announcements::Announcements,
    backoff,
    component::{ComponentKey, SourceSender},
    content::{ContentType, Feed},
    geoip::Geoip,
    ledger::{BlobKey, Ledger},
    normalize::{Normalizer, SensitiveTypes},
    telemetry::Progress,
    tenants::Tenants,
};

/// How long a blob stands back that failed for a reason of its feed or tenant: longer than the longest pause of a feed, or
/// it would be the oldest again when the pause is over.
const BEHIND_THE_OTHERS: TimeDelta = TimeDelta::minutes(20);

/// In a run that should end, the longest wait for another answer than an odd one. Shorter than what it does not stay for.
const LONGEST_WAIT_ODD: Duration = Duration::from_secs(20);

/// So often a run that should end sends what the pipeline rejects.
const REJECTIONS_ONCE: u32 = 5;

/// So many failures make a wait for which a run that should end does not stay.
const LEFT_FOR_THE_NEXT_RUN: u32 = 6;

/// Settings of a collector.
#[derive(Clone, Debug)]
pub struct CollectorOptions {
    /// Downloads at a time, over all tenants.
    pub concurrency: usize,
    /// How bodies are received.
    pub body: BodyLimits,
    /// How large batches are.
    pub batch: BatchLimits,
    /// How many bytes of events may wait for acknowledgement.
    pub max_buffered_bytes: usize,
    /// Whether to wait for the pipeline's acknowledgement.
    pub acknowledgements: bool,
    /// Whether the run should end when there is nothing left.
    pub mode: RunMode,
    /// Where large bodies go.
    pub spool_directory: PathBuf,
}

/// What a collector works with.
#[derive(Debug)]
pub struct Shared {
    /// What is pending.
    pub ledger: Arc<dyn Ledger>,
    /// Where it is fetched.
    pub client: ActivityClient,
    /// Where it goes.
    pub out: SourceSender,
    /// The name of this component.
    pub component: Arc<ComponentKey>,
    /// What notifications were worth.
    pub announcements: Announcements,
    /// Whose content is collected, with the domains for their events.
    pub tenants: Tenants,
    /// What makes events of records.
    pub normalizer: Normalizer,
    /// What names sensitive information types, unless nobody wants that.
    pub sensitive_types: Option<SensitiveTypesReader>,
    /// What tells where addresses are, if there are databases.
    pub geoip: Option<Geoip>,
    /// Settings.
    pub options: CollectorOptions,
    /// What has been done.
    pub progress: Progress,
    /// What the tasks share among themselves.
    pub state: State,
}

/// What the tasks of a collector share among themselves.
#[derive(Debug)]
pub struct State {
    pub(super) reservations: Reservations,
    /// Set when the source shuts down: downloads are given back, what is being emitted is finished.
    pub(super) stop_fetching: CancellationToken,
    budget: Arc<Semaphore>,
    /// In a run that should end, what failed in it.
    failing: Mutex<HashMap<BlobKey, Failing>>,
}

/// How soon a blob is tried again, which makes a difference in a run that should end only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pace {
    /// As soon as the run has patience for.
    Prompt,
    /// No sooner than in a run that does not end: what the API served is odd, and believed when it stays so. A fault that
    /// passes needs time to.
    Odd,
    /// As often as may be in one run: what the pipeline rejects is given up after a number of times.
    Rejected,
    /// In another run: people must change something first.
    Slow,
}

/// A blob that fails.
#[derive(Debug)]
struct Failing {
    attempts: u32,
    since: Instant,
}

impl State {
    /// The state of a collector that has not begun.
    pub fn new(options: &CollectorOptions) -> Self {
        let budget = options.max_buffered_bytes.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            reservations: Reservations::default(),
            stop_fetching: CancellationToken::new(),
            budget: Arc::new(Semaphore::new(budget)),
            failing: Mutex::default(),
        }
    }
}

impl Shared {
    /// The time by Microsoft's clock: what content's times are compared with.
    pub fn now(&self) -> DateTime<Utc> {
        self.client.clock().now()
    }

    /// The names of sensitive information types for the records of a feed. Only the first content of data loss prevention
    /// waits for them, and not when the source shuts down.
    pub async fn sensitive_types(&self, feed: Feed) -> Option<Arc<SensitiveTypes>> {
        let reader = self.sensitive_types.as_ref().filter(|_| feed.content_type == ContentType::Dlp)?;
        tokio::select! {
            biased;
            types = reader.of(feed.tenant) => types,
            () = self.state.stop_fetching.cancelled() => None,
        }
    }

    /// Waits until so many bytes of events may be held. More than the whole budget is let through alone.
    pub async fn hold(&self, bytes: usize) -> Option<Arc<OwnedSemaphorePermit>> {
        let wanted = bytes.min(self.options.max_buffered_bytes);
        let permits = Arc::clone(&self.state.budget).acquire_many_owned(u32::try_from(wanted).unwrap_or(u32::MAX));
        // `None` cannot happen: the semaphore is never closed.
        permits.await.ok().map(Arc::new)
    }

    /// How many bytes of events wait for the pipeline's acknowledgement.
    pub fn unacknowledged_bytes(&self) -> usize {
        let budget = self.options.max_buffered_bytes.clamp(1, Semaphore::MAX_PERMITS);
        budget.saturating_sub(self.state.budget.available_permits())
    }

    /// When a blob that has failed `attempts` times, this one included, is tried again.
    pub fn next_attempt(&self, key: &BlobKey, attempts: u32, pace: Pace) -> (DateTime<Utc>, Duration) {
        let Some(patience) = self.options.mode.patience().filter(|_| pace != Pace::Slow) else {
            return self.after(backoff::BLOB.wait(attempts));
        };
        let in_run = self.again_in_this_run(key, patience, pace);
        self.after(in_run.unwrap_or_else(|| backoff::BLOB.wait(attempts.max(LEFT_FOR_THE_NEXT_RUN))))
    }

    /// When a blob is tried again that failed for a reason of its feed or tenant.
    pub fn behind_the_others(&self, key: &BlobKey) -> DateTime<Utc> {
        let patience = self.options.mode.patience();
        let soon = patience.and_then(|patience| self.again_in_this_run(key, patience, Pace::Prompt));
        soon.map_or_else(|| self.now() + BEHIND_THE_OTHERS, |wait| self.after(wait).0)
    }

    /// How long a blob that has failed waits in a run that should end; `None` once it has failed for longer than the run's
    /// patience, or as often as it may.
    fn again_in_this_run(&self, key: &BlobKey, patience: Duration, pace: Pace) -> Option<Duration> {
        let mut failing = self.state.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let blob = failing.entry(key.clone()).or_insert_with(|| Failing { attempts: 0, since: Instant::now() });
        blob.attempts += 1;
        let (wait, most) = match pace {
            Pace::Odd => (backoff::BLOB.wait(blob.attempts).min(LONGEST_WAIT_ODD), u32::MAX),
            Pace::Rejected => (backoff::BLOB_ONCE.wait(blob.attempts), REJECTIONS_ONCE),
            Pace::Prompt | Pace::Slow => (backoff::BLOB_ONCE.wait(blob.attempts), u32::MAX),
        };
        let wait = wait.min(patience / 4);
        (blob.attempts < most && blob.since.elapsed() + wait < patience).then_some(wait)
    }

    fn after(&self, wait: Duration) -> (DateTime<Utc>, Duration) {
        (self.now() + TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX), wait)
    }
}
