//! What every blob's task needs.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{
    announcements::Announcements, body::Limits, decode::BatchLimits, dedupe::InFlight,
    sensitive_types::SensitiveTypesReader,
};
use crate::{
    RunMode,
    activity::ActivityClient,
    backoff,
    component::{ComponentKey, SourceSender},
    content::{ContentType, Feed},
    geoip::Geoip,
    ledger::{BlobKey, Ledger},
    normalize::{Normalizer, SensitiveTypes},
    telemetry::Progress,
    tenants::Tenants,
};

/// In a run that should end, a blob that failed this often is left for the next run.
pub const ATTEMPTS_ONCE: u32 = 5;

/// Settings of a collector.
#[derive(Clone, Debug)]
pub struct CollectorOptions {
    /// Downloads at a time, over all tenants.
    pub concurrency: usize,
    /// How bodies are received.
    pub body: Limits,
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
    /// What is owed.
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
    pub(super) in_flight: InFlight,
    /// Set when the source shuts down: downloads are given back, what is being emitted is finished.
    pub(super) stop_fetching: CancellationToken,
    budget: Arc<Semaphore>,
    attempts_in_run: Mutex<HashMap<BlobKey, u32>>,
}

impl State {
    /// The state of a collector that has not begun.
    pub fn new(options: &CollectorOptions) -> Self {
        let budget = options.max_buffered_bytes.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            in_flight: InFlight::default(),
            stop_fetching: CancellationToken::new(),
            budget: Arc::new(Semaphore::new(budget)),
            attempts_in_run: Mutex::default(),
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

    /// When a blob that has failed `attempts` times, this one included, is tried again.
    pub fn next_attempt(&self, key: &BlobKey, attempts: u32) -> (DateTime<Utc>, Duration) {
        let wait = match self.options.mode {
            RunMode::Continuous => backoff::BLOB.wait(attempts),
            RunMode::Once => {
                let mut in_run = self.state.attempts_in_run.lock().unwrap_or_else(PoisonError::into_inner);
                let attempt = in_run.entry(key.clone()).or_default();
                *attempt += 1;
                if *attempt < ATTEMPTS_ONCE {
                    backoff::BLOB_ONCE.wait(*attempt)
                } else {
                    backoff::BLOB.wait(attempts.max(ATTEMPTS_ONCE + 1))
                }
            }
        };
        (self.now() + TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX), wait)
    }
}
