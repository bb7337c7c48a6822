//! The life of one claimed blob: fetched, emitted in batches, acknowledged, done.

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use snafu::ResultExt;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    task::JoinSet,
};

use super::{
    body::{Body, PIECE},
    decode::{Batch, Decoder},
    dedupe::{Dependencies, Flight},
    error::{CollectorError, SpoolSnafu},
    fetch::fetch,
    lanes::Outcome,
    shared::Shared,
};
use crate::{
    RunMode,
    activity::{ActivityError, Failure},
    component::{BatchNotifier, BatchStatus, BatchStatusReceiver, LogEvent},
    content::Feed,
    ledger::{BlobKey, Claim, DeadBlob, EventKey, Retry},
    normalize::{Origin, Raw},
    telemetry::{self, Stage},
};

/// What a blob's task tells the scheduler.
#[derive(Clone, Copy, Debug)]
pub enum Message {
    /// The download's slot is free.
    SlotFree(Feed),
    /// How the download went.
    Went(Feed, Outcome),
    /// The blob lies in the queue again.
    Back(Feed),
    /// The blob waits until this time.
    Deferred(DateTime<Utc>),
}

/// A task's way to the scheduler.
#[derive(Clone, Debug)]
pub struct Reporter {
    feed: Feed,
    messages: mpsc::UnboundedSender<Message>,
}

/// A download's slot, given back when dropped.
#[derive(Debug)]
pub struct Slot(Reporter);

impl Reporter {
    fn tell(&self, message: Message) {
        // The scheduler is gone only when the source has been dropped.
        let _ = self.messages.send(message);
    }

    fn went(&self, outcome: Outcome) {
        self.tell(Message::Went(self.feed, outcome));
    }
}

impl Slot {
    /// Takes a slot for a download of `feed`.
    pub fn new(feed: Feed, messages: mpsc::UnboundedSender<Message>) -> Self {
        Self(Reporter { feed, messages })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.tell(Message::SlotFree(self.0.feed));
    }
}

/// Memory that events hold.
type Held = Option<Arc<OwnedSemaphorePermit>>;

/// New events that are ready to be sent together.
struct Ready {
    events: Vec<LogEvent>,
    bytes: usize,
    flight: Flight,
}

/// Events that the pipeline has.
struct Sent {
    events: u64,
    flight: Flight,
    status: Option<BatchStatusReceiver>,
    /// Given back only when the ledger has the events, so that what a crash could send twice is bounded, too.
    #[expect(dead_code, reason = "held for its drop")]
    held: Held,
}

/// What became of the batches of a blob, from good to bad.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Verdict {
    Delivered,
    Rejected,
    /// Worst, as something is left to do: what was rejected is rejected again, what errored may be delivered.
    Errored,
}

/// Handles one claimed blob to its end.
///
/// # Errors
///
/// Only with what ends the collector.
pub async fn handle(shared: Arc<Shared>, claim: Claim, slot: Slot) -> Result<(), CollectorError> {
    let key = BlobKey::from(&claim.content);
    let fetched = tokio::select! {
        fetched = fetch(&shared, &claim.content) => fetched?,
        () = shared.state.stop_fetching.cancelled() => {
            shared.ledger.release(&key);
            return Ok(());
        }
    };
    let body = match fetched {
        Ok(body) => body,
        Err(error) => return failed(&shared, &claim, &key, &slot.0, &error).await,
    };
    telemetry::bytes_received(&shared.progress, body.len());
    if body.trailing() > 0 {
        telemetry::trailing_bytes(&key, body.trailing());
    }
    let reporter = slot.0.clone();
    let emitted = Emission::new(&shared, &claim, &key).run(body).await?;
    drop(slot);
    match emitted {
        Ok(emitted) => {
            reporter.went(Outcome::Served);
            telemetry::feed_recovered(&shared.progress, key.feed, Stage::Fetching);
            if claim.attempts > 0 {
                telemetry::feed_recovered(&shared.progress, key.feed, Stage::SetAside);
            }
            emitted.settle(&shared, &claim, &key, &reporter).await
        }
        // Found out only now that the body is an error message instead of content.
        Err(error) => failed(&shared, &claim, &key, &reporter, &error).await,
    }
}

/// Decides what a failed download means: for the blob, for its feed, for its tenant.
async fn failed(
    shared: &Shared,
    claim: &Claim,
    key: &BlobKey,
    reporter: &Reporter,
    error: &ActivityError,
) -> Result<(), CollectorError> {
    telemetry::fetch_failed(error);
    let failure = &*error.failure;
    if failure.is_permanent() {
        // The API has answered as it should: whatever kept the feed's content from being fetched is over.
        telemetry::feed_recovered(&shared.progress, key.feed, Stage::Fetching);
        return bury(shared, claim, key, error.to_string()).await;
    }
    match failure {
        Failure::Throttled { wait } => {
            telemetry::throttled(key.feed, wait.as_secs());
            if shared.options.mode == RunMode::Once {
                // Nothing is sent to the tenant for a while; but a run that should end does not wait for ever.
                reporter.went(Outcome::Failed);
            }
        }
        // The blob had no part in it: there was no request.
        Failure::Token(_) => {
            telemetry::feed_failed(&shared.progress, key.feed, Stage::Fetching, failure.code(), &error.to_string());
            reporter.went(Outcome::TenantInTrouble);
        }
        _ if failure.concerns_the_tenant()
            || failure.concerns_the_subscription()
            || matches!(failure, Failure::PermissionMissing { .. }) =>
        {
            telemetry::feed_failed(&shared.progress, key.feed, Stage::Fetching, failure.code(), &error.to_string());
            let tenant = failure.concerns_the_tenant();
            reporter.went(if tenant { Outcome::TenantInTrouble } else { Outcome::FeedInTrouble });
            // Most likely not the blob's fault. But if it is (a proxy that objects to its contents), the next try must be
            // another blob's.
            let not_before = shared.now() + BEHIND_THE_OTHERS;
            shared.ledger.fail(key.clone(), Retry { not_before, reason: error.to_string(), counts: false }).await?;
            reporter.tell(Message::Deferred(not_before));
            return Ok(());
        }
        _ => {
            reporter.went(Outcome::Failed);
            if failure.needs_an_administrator() {
                telemetry::feed_failed(&shared.progress, key.feed, Stage::SetAside, failure.code(), &error.to_string());
            }
            return retry(shared, claim, key, reporter, error.to_string(), failure.needs_an_administrator()).await;
        }
    }
    shared.ledger.release(key);
    reporter.tell(Message::Back(key.feed));
    Ok(())
}

/// How long a blob stands back that failed for a reason of its feed or tenant: longer than the longest pause of a feed, or
/// it would be the oldest again when the pause is over.
const BEHIND_THE_OTHERS: TimeDelta = TimeDelta::minutes(20);

/// Puts a blob back for later. When its content has expired, the API says so; no clock is trusted with that.
async fn retry(
    shared: &Shared,
    claim: &Claim,
    key: &BlobKey,
    reporter: &Reporter,
    reason: String,
    slowly: bool,
) -> Result<(), CollectorError> {
    // What waits for an administrator need not be tried often; with the tenth attempt's wait from the first.
    let attempts = claim.attempts.saturating_add(if slowly { 10 } else { 1 });
    let (not_before, wait) = shared.next_attempt(key, attempts);
    telemetry::content_retried(key, &reason, attempts, wait.as_secs());
    shared.ledger.fail(key.clone(), Retry { not_before, reason, counts: true }).await?;
    reporter.tell(Message::Deferred(not_before));
    Ok(())
}

async fn bury(shared: &Shared, claim: &Claim, key: &BlobKey, reason: String) -> Result<(), CollectorError> {
    let now = shared.now();
    shared.ledger.bury(key.clone(), reason.clone(), now).await?;
    let dead = DeadBlob { key: key.clone(), created: claim.content.created, since: now, reason };
    telemetry::content_dead(&shared.progress, &dead);
    Ok(())
}

/// A blob "contains one or more actions or events" (Microsoft's reference). One that has none so often in a row has none.
const EMPTY_ATTEMPTS: u32 = 3;

/// Turns a body into batches and sends them.
struct Emission<'a> {
    shared: &'a Arc<Shared>,
    key: &'a BlobKey,
    origin: Origin,
    /// Whether a blob without a single element counts as complete.
    accepts_nothing: bool,
    events: u64,
    dependencies: Dependencies,
    confirmations: JoinSet<Result<Verdict, CollectorError>>,
}

/// A blob whose every batch is with the pipeline.
struct Emitted {
    last: Option<Sent>,
    events: u64,
    dependencies: Dependencies,
    confirmations: JoinSet<Result<Verdict, CollectorError>>,
}

impl<'a> Emission<'a> {
    fn new(shared: &'a Arc<Shared>, claim: &Claim, key: &'a BlobKey) -> Self {
        let domain = shared.domains.get(&key.feed.tenant).map(String::as_str);
        Self {
            shared,
            key,
            origin: Origin::new(&shared.component, domain, &claim.content),
            accepts_nothing: claim.attempts >= EMPTY_ATTEMPTS,
            events: 0,
            dependencies: Dependencies::default(),
            confirmations: JoinSet::new(),
        }
    }

    async fn run(mut self, body: Body) -> Result<Result<Emitted, ActivityError>, CollectorError> {
        // A body in memory stays there until its last event is acknowledged. It waits for room while it holds none.
        let whole = if body.held() > 0 { self.shared.hold(body.held()).await } else { None };
        let alone = body.is_single_object();
        let mut decoder = Decoder::new(body, self.shared.options.batch);
        // Sent only when the next one is known: the last batch is confirmed together with the blob.
        let mut pending: Option<Ready> = None;
        let mut is_empty = true;
        loop {
            let batch = decoder
                .next_batch()
                .await
                .with_context(|_| SpoolSnafu { directory: &self.shared.options.spool_directory })?;
            let Some(batch) = batch else { break };
            is_empty = false;
            if alone && !looks_like_a_record(&batch) {
                let problem = "an object that is no audit record".to_owned();
                return Ok(Err(self.shared.client.retrieval_error(self.key.feed, Failure::Malformed { problem })));
            }
            if let Some(ready) = self.prepare(batch).await?
                && let Some(previous) = pending.replace(ready)
            {
                let sent = self.send(previous, &whole).await?;
                self.confirmations.spawn(confirm(Arc::clone(self.shared), self.key.clone(), sent));
            }
        }
        if is_empty && !self.accepts_nothing {
            let problem = "an empty array; content has at least one event".to_owned();
            return Ok(Err(self.shared.client.retrieval_error(self.key.feed, Failure::Malformed { problem })));
        }
        let last = match pending {
            Some(ready) => Some(self.send(ready, &whole).await?),
            None => None,
        };
        let Self { events, dependencies, confirmations, .. } = self;
        Ok(Ok(Emitted { last, events, dependencies, confirmations }))
    }

    /// Makes events of what is new in a batch: neither delivered before nor in flight elsewhere.
    async fn prepare(&mut self, batch: Batch) -> Result<Option<Ready>, CollectorError> {
        let shared = self.shared;
        if let Some(reason) = batch.discarded.first() {
            telemetry::events_discarded(&shared.progress, self.key, batch.discarded.len() as u64, reason);
        }
        for record in batch.records.iter().filter(|record| record.repair.is_needed()) {
            telemetry::record_repaired(self.key, record.repair);
        }
        let event_key = |id: &str| EventKey::new(self.key.feed.tenant, id);
        let keys: Vec<_> = batch.records.iter().map(|record| record.members.id.as_deref().map(event_key)).collect();
        let named: Vec<EventKey> = keys.iter().copied().flatten().collect();

        let mut flight = shared.state.in_flight.take_off();
        let boarded = flight.board(&named, &mut self.dependencies);
        let known = shared.ledger.delivered(flight.keys().to_vec()).await?;
        let delivered: HashSet<EventKey> =
            flight.keys().iter().zip(known).filter_map(|(key, known)| known.then_some(*key)).collect();
        flight.disembark(|key| delivered.contains(key));

        let total = batch.records.len();
        let mut boarded = boarded.into_iter();
        let mut events = Vec::with_capacity(total);
        for (record, key) in batch.records.into_iter().zip(keys) {
            let is_new = match key {
                // An event without id is never taken for a copy of another.
                None => true,
                Some(key) => boarded.next() == Some(true) && !delivered.contains(&key),
            };
            if is_new {
                events.push(Raw.event(record.object, &record.members, &self.origin));
            }
        }
        if total > events.len() {
            telemetry::events_duplicate(&shared.progress, self.key.feed, (total - events.len()) as u64);
        }
        if events.is_empty() {
            // Whoever waits for this batch waits for events that are delivered.
            flight.landed();
            return Ok(None);
        }
        let size: usize = events.iter().map(LogEvent::json_size).sum();
        telemetry::events_received(events.len() as u64, size as u64);
        Ok(Some(Ready { events, bytes: batch.bytes, flight }))
    }

    async fn send(&mut self, ready: Ready, whole: &Held) -> Result<Sent, CollectorError> {
        let Ready { mut events, bytes, flight } = ready;
        let held = match whole {
            Some(whole) => Some(Arc::clone(whole)),
            // Records of a spooled body hold the pieces they were read in, also for neighbours that were dropped.
            None => self.shared.hold(bytes + 2 * PIECE).await,
        };
        let count = events.len() as u64;
        self.events += count;
        let status = BatchNotifier::maybe_apply_to(self.shared.options.acknowledgements, &mut events);
        let sent = self.shared.out.clone().send_batch(events).await;
        sent.map_err(|_| CollectorError::PipelineClosed)?;
        Ok(Sent { events: count, flight, status, held })
    }
}

/// Whether the only object of a body is an audit record and not, say, an error message.
fn looks_like_a_record(batch: &Batch) -> bool {
    batch.records.first().is_some_and(|record| record.members.id.is_some() || record.members.creation_time.is_some())
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
    fn landed(self, shared: &Shared) {
        shared.progress.add_events(self.events);
        self.flight.landed();
    }
}

/// Waits for one batch of several and makes its events durable.
async fn confirm(shared: Arc<Shared>, key: BlobKey, mut sent: Sent) -> Result<Verdict, CollectorError> {
    let verdict = sent.verdict(&key).await;
    if verdict == Verdict::Delivered {
        shared.ledger.deliver(sent.flight.keys().to_vec(), shared.now()).await?;
        sent.landed(&shared);
    }
    Ok(verdict)
}

impl Emitted {
    /// Waits for every batch and marks the blob done, or puts it back.
    async fn settle(
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
        let keys = self.last.as_ref().map(|last| last.flight.keys().to_vec()).unwrap_or_default();
        if verdict == Verdict::Delivered && self.dependencies.is_empty() {
            shared.ledger.complete(key.clone(), keys, now).await?;
            if let Some(last) = self.last {
                last.landed(shared);
            }
            telemetry::content_delivered(&shared.progress, key, self.events);
            return Ok(());
        }
        // The last batch must not wait for other blobs: they may be waiting for it.
        if let Some(last) = self.last.filter(|_| last_delivered) {
            shared.ledger.deliver(keys, now).await?;
            last.landed(shared);
        }
        match verdict {
            Verdict::Delivered if self.dependencies.all_delivered().await => {
                shared.ledger.complete(key.clone(), Vec::new(), shared.now()).await?;
                telemetry::content_delivered(&shared.progress, key, self.events);
                Ok(())
            }
            Verdict::Delivered => {
                // A copy that this blob relied on did not arrive. What is left of the blob is sent with its next turn.
                let reason = "a copy of its events in another blob could not be delivered".to_owned();
                let not_before = shared.now() + TimeDelta::seconds(1);
                shared.ledger.fail(key.clone(), Retry { not_before, reason, counts: false }).await?;
                // Told only now: the scheduler looks for it in the ledger.
                reporter.tell(Message::Deferred(not_before));
                Ok(())
            }
            Verdict::Errored => {
                let reason = "the pipeline could not deliver its events".to_owned();
                retry(shared, claim, key, reporter, reason, false).await
            }
            Verdict::Rejected => bury(shared, claim, key, "the pipeline rejected its events for good".to_owned()).await,
        }
    }
}
