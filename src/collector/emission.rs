//! The second stage: from a body to the pipeline, in batches of what is new, sent one after the other.

use std::{collections::HashSet, io, sync::Arc};

use snafu::ResultExt;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::{
    body::{Body, PIECE},
    budget::{Held, Share},
    day_counts::DayCounts,
    decode::{Batch, Decoder, Record},
    dedupe::{Dependencies, Reservation},
    error::{BlobError, CollectorError, SpoolSnafu},
    form::judge,
    origins::Origins,
    search::{Comparison, Passes},
    settlement::{Confirmed, Emitted, Sent, confirm},
    shared::Shared,
    tally::{Fate, Tally},
    task::BlobTask,
    telemetry,
};
use crate::{
    activity::Failure,
    component::{BatchNotifier, LogEvent},
    content::ContentType,
    ledger::{BlobKey, EventCount, EventKey},
    normalize::{EventTexts, Fact, Made, auditing_reduced},
};

/// What an event takes beside its text, in bytes: the event itself and the allocator's share.
const EVENT: usize = 512;

/// New events that are ready to be sent together.
struct Ready {
    events: Vec<LogEvent>,
    counts: Vec<EventCount>,
    facts: Vec<Fact>,
    /// How many bytes they take until they are acknowledged.
    bytes: usize,
    /// The bytes of their body, if they keep it in memory.
    whole: Held,
    reservation: Reservation,
}

/// A blob "contains one or more actions or events" (Microsoft's reference), in one array. A body without records counts
/// as empty after so many attempts in a row; a body in an odd form is then taken as it is.
const ODD_ATTEMPTS: u32 = 3;

/// Sends everything new in a body, batch by batch.
pub async fn emit(task: &Arc<BlobTask>, body: Body) -> Result<Emitted, BlobError> {
    // What no listing has named is forgotten instead, and found anew when one does.
    let accepts_odd = task.claim.attempts >= ODD_ATTEMPTS && !task.claim.announced;
    let judged = judge(body, task.shared.options.batch, accepts_odd).await;
    match readable(&task.shared, judged)? {
        Ok(body) => Emission::new(task, None).send_blob(body, accepts_odd).await,
        Err(problem) => Err(malformed(task, problem)),
    }
}

/// Sends everything new that a search has found, while it is being read: events that have been delivered stay delivered when it breaks
/// off, and are known when it is read again.
pub async fn emit_search(task: &Arc<BlobTask>, records: Passes) -> Result<Emitted, BlobError> {
    let comparison = Comparison::of(&task.shared, &task.key).await?;
    Emission::new(task, comparison).send_search(records).await
}

/// Found out only now that the body is no content.
fn malformed(task: &BlobTask, problem: String) -> BlobError {
    let failure = Failure::Malformed { problem };
    task.shared.client.retrieval_error(task.key.feed, failure).into()
}

fn readable<T>(shared: &Shared, read: io::Result<T>) -> Result<T, CollectorError> {
    read.with_context(|_| SpoolSnafu { directory: &shared.options.spool_directory })
}

/// Tells when a record is of auditing that was turned off.
fn tell_of_auditing(key: &BlobKey, record: &Record) {
    if record.members.may_reduce_auditing
        && let Some(change) = auditing_reduced(&record.object)
    {
        telemetry::auditing_reduced(key, &change);
    }
}

struct Emission<'a> {
    task: &'a Arc<BlobTask>,
    origins: Origins,
    /// What a search is compared with; `None` for content of the Management Activity API.
    comparison: Option<Comparison>,
    tally: Tally,
    /// Sent only when the next one is known: the last batch of a blob is confirmed together with the blob.
    pending: Option<Ready>,
    events: u64,
    dependencies: Dependencies,
    confirmations: JoinSet<Result<Confirmed, CollectorError>>,
}

impl<'a> Emission<'a> {
    fn new(task: &'a Arc<BlobTask>, comparison: Option<Comparison>) -> Self {
        let shared = &task.shared;
        Self {
            task,
            origins: Origins::new(shared, &task.claim.content),
            comparison,
            tally: Tally::new(&shared.progress, task.key.feed, 0),
            pending: None,
            events: 0,
            dependencies: Dependencies::default(),
            confirmations: JoinSet::new(),
        }
    }

    /// Sends what is new in a blob. `accepts_empty` says whether it counts as complete without a single element.
    async fn send_blob(mut self, body: Body, accepts_empty: bool) -> Result<Emitted, BlobError> {
        let form = body.form();
        if form.goes_on {
            telemetry::records_behind_array(&self.task.key);
        }
        self.resolve_names().await;
        // A record that is cut off is no element, and is discarded all the same.
        self.tally.receive(u64::from(form.is_cut));
        let is_empty = self.send_body(body).await?;
        if form.is_cut {
            self.discard(1, "the body ends in the middle of it");
        }
        if is_empty && !accepts_empty {
            return Err(malformed(self.task, "an empty array; content has at least one event".to_owned()));
        }
        self.finish().await
    }

    /// Sends what is new in the records of a search.
    async fn send_search(mut self, mut records: Passes) -> Result<Emitted, BlobError> {
        self.resolve_names().await;
        let sent = self.send_pages(&mut records).await;
        if let Err(error) = sent {
            // It begins anew, and must know then what has been delivered.
            while let Some(confirmed) = self.confirmations.join_next().await {
                confirmed.map_err(|error| CollectorError::Defect { detail: error.to_string() })??;
            }
            return Err(error);
        }
        self.finish().await
    }

    async fn send_pages(&mut self, records: &mut Passes) -> Result<(), BlobError> {
        let shared = &self.task.shared;
        loop {
            let body = tokio::select! {
                body = records.next() => body?,
                () = shared.stop_fetching.cancelled() => return Err(BlobError::Stopped),
            };
            let Some(body) = body else { return Ok(()) };
            telemetry::bytes_received(&shared.progress, body.len());
            self.send_body(body).await?;
            // It holds memory for which the next page may have to wait.
            if let Some(last) = self.pending.take() {
                self.send_and_confirm(last).await?;
            }
        }
    }

    async fn resolve_names(&mut self) {
        self.origins.sensitive_types = self.task.shared.sensitive_types(self.task.key.feed).await;
    }

    /// Sends what is new in a body, but for the last batch, which is pending then. Returns whether it has nothing at all.
    async fn send_body(&mut self, body: Body) -> Result<bool, BlobError> {
        let shared = &self.task.shared;
        self.tally.receive(body.count());
        // Events that share a body in memory keep it there until the last of them is acknowledged. It waits for room while it
        // holds none.
        let held = if shared.normalizer.copies() { 0 } else { body.held() };
        let whole = if held > 0 { shared.budget.hold(held, self.share()).await } else { None };
        let mut decoder = Decoder::new(body, shared.options.batch);
        let mut is_empty = true;
        while let Some(batch) = readable(shared, decoder.next_batch().await)? {
            is_empty = false;
            if let Some(ready) = self.prepare(batch, &whole).await?
                && let Some(previous) = self.pending.replace(ready)
            {
                self.send_and_confirm(previous).await?;
            }
        }
        Ok(is_empty)
    }

    async fn send_and_confirm(&mut self, ready: Ready) -> Result<(), CollectorError> {
        let sent = self.send(ready).await?;
        // Its log lines and metrics carry this component.
        self.confirmations.spawn(confirm(Arc::clone(self.task), sent).in_current_span());
        Ok(())
    }

    /// Everything has been read.
    async fn finish(mut self) -> Result<Emitted, BlobError> {
        let unsent = self.pending.as_ref().map_or(0, |ready| ready.events.len() as u64);
        self.tally.check(unsent).map_err(|problem| malformed(self.task, problem))?;
        let last = match self.pending.take() {
            Some(ready) => Some(self.send(ready).await?),
            None => None,
        };
        let Self { events, dependencies, confirmations, comparison, .. } = self;
        Ok(Emitted { last, events, dependencies, confirmations, comparison })
    }

    /// Whose part of the memory its events take.
    const fn share(&self) -> Share {
        if self.comparison.is_some() { Share::Searches } else { Share::Live }
    }

    fn discard(&mut self, records: u64, reason: &str) {
        telemetry::records_discarded(&self.task.key, records, reason);
        if let Some(comparison) = &mut self.comparison {
            comparison.discard(records);
        }
        self.tally.add(Fate::Discarded, records);
    }

    /// Leaves out what is not wanted. Returns the content types of the others, if they may have several.
    fn filter(&mut self, records: &mut Vec<Record>) -> Option<Vec<ContentType>> {
        let (key, all) = (&self.task.key, records.len());
        let filter = self.task.shared.filter.as_ref();
        let admits = |record: &Record, content_type| {
            let is_wanted = filter.is_none_or(|filter| filter.admits(&record.object, content_type));
            if !is_wanted {
                // Whoever leaves out the noise of administrators still wants to know this.
                tell_of_auditing(key, record);
            }
            is_wanted
        };
        let types = self.comparison.as_ref().map(|comparison| {
            let mut types = Vec::with_capacity(all);
            records.retain(|record| {
                let content_type = comparison.content_type(&record.object);
                let wanted = content_type.filter(|content_type| admits(record, *content_type));
                types.extend(wanted);
                wanted.is_some()
            });
            types
        });
        if types.is_none() && filter.is_some() {
            records.retain(|record| admits(record, key.feed.content_type));
        }
        let filtered = (all - records.len()) as u64;
        if filtered > 0 {
            telemetry::events_filtered(self.task.key.feed, filtered);
        }
        self.tally.add(Fate::Filtered, filtered);
        types
    }

    /// Counts which of these records of a search have been delivered, and leaves it at that.
    async fn compare(&mut self, records: &[Record], types: &[ContentType]) -> Result<(), CollectorError> {
        let shared = &self.task.shared;
        let keys: Vec<_> = records.iter().filter_map(|record| self.event_key(record)).collect();
        let held = shared.reservations.hold(&keys);
        let delivered = shared.ledger.delivered(keys).await?;
        let mut missing = 0;
        for (((held, delivered), content_type), record) in held.into_iter().zip(delivered).zip(types).zip(records) {
            let is_missing = !held && !delivered;
            missing += u64::from(is_missing);
            if let Some(comparison) = &mut self.comparison {
                comparison.count(*content_type, record.members.creation_time, is_missing);
            }
        }
        self.tally.add(Fate::Missing, missing);
        self.tally.add(Fate::Repeated, records.len() as u64 - missing);
        Ok(())
    }

    fn event_key(&self, record: &Record) -> Option<EventKey> {
        record.members.id.as_deref().map(|id| EventKey::new(self.task.key.feed.tenant, id))
    }

    /// Without an id nobody can tell whether what a search finds was delivered.
    fn discard_nameless(&mut self, records: &mut Vec<Record>) {
        if self.comparison.is_some() {
            let all = records.len();
            records.retain(|record| record.members.id.is_some());
            let nameless = (all - records.len()) as u64;
            if nameless > 0 {
                self.discard(nameless, "a record of a search has no Id");
            }
        }
    }

    /// Makes events of what is new in a batch: neither delivered before nor in flight elsewhere.
    async fn prepare(&mut self, mut batch: Batch, whole: &Held) -> Result<Option<Ready>, CollectorError> {
        if let Some(reason) = batch.discarded.first() {
            self.discard(batch.discarded.len() as u64, reason);
        }
        self.discard_nameless(&mut batch.records);
        let types = self.filter(&mut batch.records);
        let (shared, key) = (&self.task.shared, &self.task.key);
        for record in batch.records.iter().filter(|record| record.repair.is_needed()) {
            telemetry::record_repaired(key, record.repair);
        }
        if let (Some(types), Some(false)) = (&types, self.comparison.as_ref().map(|comparison| comparison.heals)) {
            self.compare(&batch.records, types).await?;
            return Ok(None);
        }
        let keys: Vec<_> = batch.records.iter().map(|record| self.event_key(record)).collect();
        let named: Vec<EventKey> = keys.iter().copied().flatten().collect();

        let mut reservation = shared.reservations.begin();
        let reserved = reservation.reserve(&named, &mut self.dependencies);
        let known = shared.ledger.delivered(reservation.keys().to_vec()).await?;
        let delivered: HashSet<EventKey> =
            reservation.keys().iter().zip(known).filter_map(|(key, known)| known.then_some(*key)).collect();
        reservation.release(|key| delivered.contains(key));

        let total = batch.records.len();
        let now = shared.now();
        let mut lags = Vec::with_capacity(total);
        let mut rewritten = 0;
        let mut reserved = reserved.into_iter();
        let (mut events, mut texts) = (Vec::with_capacity(total), EventTexts::default());
        let (counts, mut facts) = (shared.insights.is_kept(), Vec::new());
        let mut days = DayCounts::new(key.feed, self.comparison.is_some());
        let content_type_of = |at: usize| types.as_ref().and_then(|types| types.get(at)).copied();
        for (at, (record, event)) in batch.records.into_iter().zip(keys).enumerate() {
            let content_type = content_type_of(at).unwrap_or(key.feed.content_type);
            if let Some(comparison) = &mut self.comparison {
                // What is new is about to be delivered.
                comparison.count(content_type, record.members.creation_time, false);
            }
            let is_new = match event {
                // An event without id is never taken for a copy of another.
                None => true,
                Some(event) => reserved.next() == Some(true) && !delivered.contains(&event),
            };
            if is_new {
                lags.extend(record.members.creation_time.map(|created| now - created));
                if shared.options.counts_days {
                    let time = record.members.creation_time;
                    days.add(
                        content_type,
                        self.comparison.as_ref().map_or(time, |comparison| comparison.time_of(time)),
                    );
                }
                tell_of_auditing(key, &record);
                let origin = self.origins.of(content_type);
                if counts {
                    facts.extend(shared.normalizer.fact(&record.object, &record.members, origin));
                }
                let Made { event, damages, redacted } =
                    shared.normalizer.event_among(&mut texts, record.object, &record.members, origin, now);
                if redacted {
                    rewritten += event.json_size();
                    telemetry::record_redacted(key);
                }
                if !damages.is_empty() {
                    telemetry::record_damaged(key, &damages);
                }
                events.push(event);
            }
        }
        telemetry::events_aged(key.feed, lags.into_iter());
        self.tally.add(Fate::Repeated, (total - events.len()) as u64);
        if events.is_empty() {
            // Blobs that wait for this batch wait for events that are delivered.
            reservation.commit();
            return Ok(None);
        }
        let size: usize = events.iter().map(LogEvent::json_size).sum();
        telemetry::events_received(events.len() as u64, size as u64);
        let bytes = if shared.normalizer.copies() {
            size + events.len() * EVENT + EventTexts::SLACK
        } else {
            // Records of a spooled body hold the pieces they were read in, also for neighbours that were dropped.
            batch.bytes + 2 * PIECE + rewritten
        };
        let bytes = bytes + facts.iter().map(Fact::size).sum::<usize>();
        Ok(Some(Ready { events, counts: days.finish(), facts, bytes, whole: whole.clone(), reservation }))
    }

    async fn send(&mut self, ready: Ready) -> Result<Sent, CollectorError> {
        let Ready { mut events, counts, facts, bytes, whole, reservation } = ready;
        let held = match whole {
            Some(whole) => Some(whole),
            None => self.task.shared.budget.hold(bytes, self.share()).await,
        };
        let count = events.len() as u64;
        self.events += count;
        let status = BatchNotifier::maybe_apply_to(self.task.shared.options.acknowledgements, &mut events);
        let sent = self.task.shared.out.clone().send_batch(events).await;
        sent.map_err(|_| CollectorError::PipelineClosed)?;
        self.tally.add(Fate::Emitted, count);
        Ok(Sent { events: count, counts, facts, reservation, status, held })
    }
}
