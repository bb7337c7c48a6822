//! The collector's loop: gives slots to feeds, listens to tasks, and stops cleanly.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use tracing::Instrument;

use super::{
    error::CollectorError,
    maintenance::maintain,
    scheduler::Scheduler,
    shared::{CollectorOptions, CollectorParts, Shared},
    slot::{Message, Reporter, Slot},
    task::BlobTask,
};

use crate::{
    component::ShutdownSignal,
    content::{ContentType, Feed, TenantId},
    ledger::{Claim, LedgerError, Wanted},
    tenants::Tenant,
    wake_up::WakeUp,
};

/// Blobs that are emitted but not acknowledged yet hold no slot; so many times the slots may wait.
const WAITING_PER_SLOT: usize = 64;

/// Content that only notifications announced gets one of this many slots, and at least one: anybody who has the
/// AuthID can announce any amount of it.
const SLOTS_PER_ANNOUNCED: usize = 4;

/// In a run that should end, a blob that is due later than this is left for the next run.
const WORTH_WAITING: Duration = Duration::from_secs(30);

/// A run that should end makes a pause no longer than so small a part of its patience.
const PAUSES_IN_PATIENCE: u32 = 8;

/// Longer than any blob waits, also one that waits by a clock that was wrong.
const WHATEVER_PAUSE: TimeDelta = TimeDelta::days(36_500);

/// Collects what is pending.
pub struct Collector {
    shared: Arc<Shared>,
    work: WakeUp,
    tenants: watch::Receiver<BTreeMap<TenantId, Tenant>>,
    content_types: Vec<ContentType>,
    scheduler: Scheduler,
    tasks: JoinSet<Result<(), CollectorError>>,
    reporter: Reporter,
    messages: mpsc::UnboundedReceiver<Message>,
    next_due: Option<DateTime<Utc>>,
    /// Downloads of what no listing has named.
    announced_in_flight: usize,
    /// Feeds that may have more of it.
    with_announced: BTreeSet<Feed>,
    draining: bool,
}

/// How many bytes of events wait for the pipeline's acknowledgement.
#[derive(Debug)]
pub struct Unacknowledged(Arc<Shared>);

impl Unacknowledged {
    /// As it is now.
    pub fn bytes(&self) -> usize {
        self.0.budget.held()
    }
}

impl Collector {
    /// A collector for the feeds of the content types that are collected, and of searches, woken through `work`.
    ///
    /// Feeds of tenants that come later get their queues when their first content is announced; those of tenants that leave
    /// lose them.
    pub fn new(parts: CollectorParts, options: CollectorOptions, work: WakeUp) -> Self {
        let searches = parts.search.as_ref().map(|_| ContentType::AuditLogQuery);
        let listed = options.content_types.iter().copied().filter(|_| !options.searches_only);
        let content_types: Vec<_> = listed.chain(searches).collect();
        let shared = Arc::new(Shared::new(parts, options));
        // Watched from before the feeds are read, so that no change is missed.
        let tenants = shared.tenants.watch();
        let mut scheduler = Scheduler::new(shared.tenants.feeds(&content_types), shared.options.concurrency);
        if let Some(patience) = shared.options.mode.patience() {
            scheduler = scheduler.with_pauses_up_to(patience / PAUSES_IN_PATIENCE);
        }
        for feed in shared.tenants.feeds(&content_types) {
            scheduler.has_work(feed);
        }
        let (reports, messages) = mpsc::unbounded_channel();
        Self {
            shared,
            work,
            tenants,
            content_types,
            scheduler,
            tasks: JoinSet::new(),
            reporter: Reporter::new(reports),
            messages,
            next_due: None,
            announced_in_flight: 0,
            with_announced: BTreeSet::new(),
            draining: false,
        }
    }

    /// Forgets what is over, and reports how much is pending; runs indefinitely.
    ///
    /// # Errors
    ///
    /// When the ledger fails.
    pub fn maintenance(&self) -> impl Future<Output = Result<Infallible, CollectorError>> + Send + use<> {
        maintain(Arc::clone(&self.shared))
    }

    /// Returns how many bytes of events wait for the pipeline's acknowledgement.
    pub fn unacknowledged(&self) -> Unacknowledged {
        Unacknowledged(Arc::clone(&self.shared))
    }

    /// Runs until shutdown, when what is in flight has been finished; or, in a run that should end, until nothing is left
    /// that could be delivered now.
    ///
    /// # Errors
    ///
    /// See [`CollectorError`].
    pub async fn run(mut self, mut shutdown: ShutdownSignal) -> Result<(), CollectorError> {
        self.promote(self.first_look()).await?;
        loop {
            if !self.draining {
                self.fill_slots().await?;
            }
            if self.is_finished() {
                return Ok(());
            }
            let wake = self.next_wake();
            tokio::select! {
                _ = &mut shutdown, if !self.draining => {
                    self.draining = true;
                    self.shared.stop_fetching.cancel();
                }
                Some(message) = self.messages.recv() => self.handle(message),
                Some(ended) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    ended.map_err(|error| CollectorError::Defect { detail: error.to_string() })??;
                }
                feeds = self.work.changed(), if !self.draining => {
                    self.note_work(feeds);
                }
                Ok(()) = self.tenants.changed() => {
                    {
                        let tenants = self.tenants.borrow_and_update();
                        self.scheduler.retain(|tenant| tenants.contains_key(&tenant));
                        self.shared.announcements.retain(|tenant| tenants.contains_key(&tenant));
                    }
                    // A tenant that another collector had may have content that is deferred.
                    if !self.draining {
                        self.promote(self.shared.now()).await?;
                    }
                }
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() && !self.draining => {
                    self.promote(self.shared.now()).await?;
                    self.look_for_announced();
                }
            }
        }
    }

    async fn fill_slots(&mut self) -> Result<(), CollectorError> {
        while self.tasks.len() < self.shared.options.concurrency.saturating_mul(WAITING_PER_SLOT) {
            let client = &self.shared.client;
            let Some(feed) = self.scheduler.next(Instant::now(), |tenant| client.paused_until(tenant).is_some()) else {
                break;
            };
            let Some(claim) = self.claim(feed).await? else {
                self.scheduler.exhausted(feed);
                continue;
            };
            self.scheduler.started(feed);
            self.announced_in_flight += usize::from(claim.announced);
            let slot = Slot::new(&claim, self.reporter.clone());
            let task = BlobTask::new(Arc::clone(&self.shared), claim, self.reporter.clone());
            self.tasks.spawn(task.run(slot).in_current_span());
        }
        Ok(())
    }

    /// The oldest pending blob of a feed: listed blobs first, then blobs that were only announced, as far as those have
    /// slots.
    async fn claim(&mut self, feed: Feed) -> Result<Option<Claim>, LedgerError> {
        let share = (self.shared.options.concurrency / SLOTS_PER_ANNOUNCED).max(1);
        let any = self.announced_in_flight < share && self.shared.announcements.are_heard(feed);
        let wanted = if any { Wanted::Any } else { Wanted::Listed };
        let claim = self.shared.ledger.claim(feed, wanted).await?;
        if claim.is_none() && !any {
            self.with_announced.insert(feed);
        }
        Ok(claim)
    }

    /// There is room for announced content again.
    fn look_for_announced(&mut self) {
        for feed in std::mem::take(&mut self.with_announced) {
            self.scheduler.has_work(feed);
        }
    }

    fn note_work(&mut self, feeds: impl IntoIterator<Item = Feed>) {
        for feed in feeds {
            // What is pending of a content type that is not configured any more stays in the ledger.
            if self.content_types.contains(&feed.content_type) && self.shared.tenants.contains(feed.tenant) {
                self.scheduler.add(feed);
            }
            self.scheduler.has_work(feed);
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::SlotFree { feed, announced } => {
                self.scheduler.finished(feed);
                if announced {
                    self.announced_in_flight -= 1;
                    self.look_for_announced();
                }
            }
            Message::Went(feed, outcome) => self.scheduler.report(feed, outcome, Instant::now()),
            Message::Back(feed) => self.scheduler.has_work(feed),
            Message::Deferred(due) => self.next_due = Some(self.next_due.map_or(due, |next| next.min(due))),
        }
    }

    /// Blobs that are deferred until this time are due at the start: a run that should end tries everything, whatever
    /// pause an earlier run set.
    fn first_look(&self) -> DateTime<Utc> {
        let now = self.shared.now();
        if self.shared.options.mode.patience().is_some() { now + WHATEVER_PAUSE } else { now }
    }

    /// Makes deferred blobs claimable that are due at `time`.
    async fn promote(&mut self, time: DateTime<Utc>) -> Result<(), CollectorError> {
        if self.next_due.is_some_and(|due| due > time) {
            return Ok(());
        }
        let promoted = self.shared.ledger.promote(time).await?;
        self.next_due = promoted.next_due;
        self.note_work(promoted.feeds);
        Ok(())
    }

    /// When something changes by itself: a deferred blob is due, a feed's pause is over, a throttled tenant may go on.
    fn next_wake(&self) -> Option<Instant> {
        let now = Instant::now();
        let due = self.next_due.map(|due| now + (due - self.shared.now()).to_std().unwrap_or_default());
        let paused = self.scheduler.tenants_with_work().filter_map(|tenant| self.shared.client.paused_until(tenant));
        let announced = self.with_announced.iter().filter_map(|feed| self.shared.announcements.paused_until(*feed));
        due.into_iter().chain(self.scheduler.next_try(now)).chain(paused).chain(announced).min()
    }

    fn is_finished(&self) -> bool {
        if !self.tasks.is_empty() || !self.messages.is_empty() {
            return false;
        }
        if self.draining {
            return true;
        }
        self.shared.options.mode.patience().is_some()
            && self.work.is_complete()
            && self.work.is_empty()
            && self.scheduler.hopeless()
            && self.next_due.is_none_or(|due| due > self.shared.now() + WORTH_WAITING)
    }
}
