//! What a source has done so far, for programs that embed it: the demo's table, `--once`, a status page.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    content::{Feed, TenantId},
    ledger::FeedSummary,
};

/// A handle on a source's progress. Put one into the [`HostServices`](crate::HostServices) before building the
/// source, keep a clone.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    found: AtomicU64,
    delivered: AtomicU64,
    dead: AtomicU64,
    records: AtomicU64,
    emitted: AtomicU64,
    events: AtomicU64,
    duplicates: AtomicU64,
    missing_records: AtomicU64,
    discarded: AtomicU64,
    filtered: AtomicU64,
    abandoned: AtomicU64,
    bytes: AtomicU64,
    gap_seconds: AtomicU64,
    elsewhere: AtomicU64,
    /// All successes, in no unit: it only shows whether there are any.
    steps: AtomicU64,
    feeds: Mutex<BTreeMap<Feed, FeedState>>,
    /// When credentials expire: of the source itself (`None`) and of single tenants.
    credentials: Mutex<BTreeMap<Option<TenantId>, DateTime<Utc>>>,
    /// When the certificate of the webhook's listener expires.
    listener_certificate: Mutex<Option<DateTime<Utc>>>,
    missing: Mutex<Option<&'static str>>,
    /// The collectors that share the tenants, if any do.
    cluster: Mutex<Option<ClusterProgress>>,
}

/// The collectors that share the tenants, as one of them sees it.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct ClusterProgress {
    /// What names this run of this collector among all.
    pub session: String,
    /// All collectors that are there.
    pub members: Vec<ClusterMember>,
    /// The tenants that this one works on.
    pub tenants: Vec<TenantId>,
    /// What keeps it from sharing them now, and what to do.
    pub problem: Option<String>,
}

/// One of the collectors that share the tenants.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ClusterMember {
    /// What names its run.
    pub session: String,
    /// The name of its machine.
    pub host: String,
    /// Its version.
    pub version: String,
    /// How many tenants it works on.
    pub tenants: usize,
}

/// What of collecting a feed can fail by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Finding content.
    Listing,
    /// Fetching it.
    Fetching,
    /// Fetching single blobs, which wait for an administrator while others of the feed are fetched.
    SetAside,
}

#[derive(Debug, Default)]
struct FeedState {
    listed_through: Option<DateTime<Utc>>,
    backlog: FeedSummary,
    /// By stage, the most serious first: blobs can be served while listing fails, and vice versa.
    problems: [Option<Problem>; 3],
    past_problem: Option<PastProblem>,
    subscribed: Option<bool>,
    webhook: Option<WebhookState>,
}

#[derive(Debug, Default)]
struct WebhookState {
    /// `None` while it is not known whether notifications arrive.
    working: Option<bool>,
    problem: Option<Problem>,
    last_notification: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug)]
struct Problem {
    code: &'static str,
    text: String,
}

/// Sums over all feeds since the start of the process.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Blobs recorded in the ledger.
    pub blobs_found: u64,
    /// Blobs whose every event was delivered.
    pub blobs_delivered: u64,
    /// Blobs given up.
    pub blobs_dead: u64,
    /// Records of blobs that came in whole, each time that they did.
    pub records_received: u64,
    /// Events that the pipeline got, each time that it did.
    pub events_emitted: u64,
    /// Events delivered.
    pub events_delivered: u64,
    /// Events dropped because they had been delivered before.
    pub duplicates_dropped: u64,
    /// Records that a search has found, whose events have not been delivered and are not to be.
    pub records_missing: u64,
    /// Elements of blobs that were no events.
    pub events_discarded: u64,
    /// Records that the configured filters left out.
    pub events_filtered: u64,
    /// Records of blobs whose attempt ended early; they are received again.
    pub records_abandoned: u64,
    /// Bytes of blobs received, decompressed.
    pub bytes_received: u64,
    /// Seconds of content, over all feeds, that was too old to be listed when the source came to it.
    pub gap_seconds: u64,
}

impl Totals {
    /// Whether each record that was received is accounted for. So it is whenever no blob is in progress.
    pub const fn is_conserved(&self) -> bool {
        let left_out = self.events_discarded + self.events_filtered + self.records_missing + self.records_abandoned;
        self.records_received == self.events_emitted + self.duplicates_dropped + left_out
    }
}

/// One feed's state.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FeedProgress {
    /// Until when content has been listed.
    pub listed_through: Option<DateTime<Utc>>,
    /// Blobs that are known and not delivered yet, as of some minutes ago.
    pub blobs_pending: u64,
    /// Blobs that were given up and are still remembered, as of some minutes ago.
    pub blobs_dead: u64,
    /// When the oldest of the pending blobs was created, as of some minutes ago.
    pub oldest_pending: Option<DateTime<Utc>>,
    /// Whether there is an enabled subscription; `None` while that is not known.
    pub subscribed: Option<bool>,
    /// Why the last attempt to list or to fetch failed; `None` once one of the same kind succeeded after that.
    pub problem: Option<String>,
    /// The last problem that is over.
    pub past_problem: Option<PastProblem>,
    /// The webhook, where one is wanted.
    pub webhook: Option<WebhookProgress>,
}

/// A problem that is over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PastProblem {
    /// What was wrong, and what to do about it.
    pub text: String,
    /// Since when it is over.
    pub over_since: Instant,
}

/// The state of a feed's webhook.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WebhookProgress {
    /// Whether notifications arrive, as far as is known; while they do not, the feed is polled.
    pub healthy: bool,
    /// Why they do not.
    pub problem: Option<String>,
    /// When the last one was accepted since the start of the process.
    pub last_notification: Option<DateTime<Utc>>,
}

impl Progress {
    /// The sums.
    pub fn totals(&self) -> Totals {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Totals {
            blobs_found: get(&self.0.found),
            blobs_delivered: get(&self.0.delivered),
            blobs_dead: get(&self.0.dead),
            records_received: get(&self.0.records),
            events_emitted: get(&self.0.emitted),
            events_delivered: get(&self.0.events),
            duplicates_dropped: get(&self.0.duplicates),
            records_missing: get(&self.0.missing_records),
            events_discarded: get(&self.0.discarded),
            events_filtered: get(&self.0.filtered),
            records_abandoned: get(&self.0.abandoned),
            bytes_received: get(&self.0.bytes),
            gap_seconds: get(&self.0.gap_seconds),
        }
    }

    /// How many tenants a run that ends by itself has left to other collectors, which work on them.
    pub fn tenants_elsewhere(&self) -> u64 {
        self.0.elsewhere.load(Ordering::Relaxed)
    }

    /// Counts a tenant that is left to another collector.
    #[cfg(feature = "nats")]
    pub(crate) fn left_to_another(&self) {
        self.0.elsewhere.fetch_add(1, Ordering::Relaxed);
    }

    /// A number that changes with each success: a page is listed, a piece of content comes, events are delivered.
    pub(crate) fn steps(&self) -> u64 {
        self.0.steps.load(Ordering::Relaxed)
    }

    pub(crate) fn step(&self) {
        self.0.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// What the source still needs from an administrator before it can collect anything.
    pub fn missing(&self) -> Option<&'static str> {
        *self.0.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_missing(&self, what: Option<&'static str>) {
        *self.0.missing.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    /// Every feed's state.
    pub fn feeds(&self) -> BTreeMap<Feed, FeedProgress> {
        let feeds = self.0.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        let show = |state: &FeedState| FeedProgress {
            listed_through: state.listed_through,
            blobs_pending: state.backlog.pending,
            blobs_dead: state.backlog.dead,
            oldest_pending: state.backlog.oldest_pending,
            subscribed: state.subscribed,
            past_problem: state.past_problem.clone(),
            problem: state.problems.iter().flatten().next().map(|problem| problem.text.clone()),
            webhook: state.webhook.as_ref().map(|webhook| WebhookProgress {
                healthy: webhook.working == Some(true),
                problem: webhook.problem.as_ref().map(|problem| problem.text.clone()),
                last_notification: webhook.last_notification,
            }),
        };
        feeds.iter().map(|(feed, state)| (*feed, show(state))).collect()
    }

    pub(crate) fn listed_through(&self, feed: Feed, time: DateTime<Utc>) {
        self.with(feed, |state| state.listed_through = state.listed_through.max(Some(time)));
    }

    pub(crate) fn set_backlog(&self, feed: Feed, backlog: FeedSummary) {
        self.with(feed, |state| state.backlog = backlog);
    }

    pub(crate) fn add_gap(&self, seconds: u64) {
        self.0.gap_seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Notes that a stage of a feed fails; returns whether that is new, or its code is.
    pub(crate) fn set_problem(&self, feed: Feed, stage: Stage, code: &'static str, text: &str) -> bool {
        self.with(feed, |state| {
            let problem = &mut state.problems[stage as usize];
            let changed = problem.as_ref().is_none_or(|problem| problem.code != code);
            *problem = Some(Problem { code, text: text.to_owned() });
            changed
        })
    }

    /// Notes that a stage of a feed works; returns whether it did not before.
    pub(crate) fn clear_problem(&self, feed: Feed, stage: Stage) -> bool {
        // Not of a tenant that was removed while its last blobs were in flight.
        let mut feeds = self.0.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(found) = feeds.get_mut(&feed) else { return false };
        let Some(Problem { text, .. }) = found.problems[stage as usize].take() else { return false };
        found.past_problem = Some(PastProblem { text, over_since: Instant::now() });
        true
    }

    /// Notes whether a feed has an enabled subscription.
    pub(crate) fn set_subscribed(&self, feed: Feed, subscribed: bool) {
        self.with(feed, |state| state.subscribed = Some(subscribed));
    }

    /// Notes which collectors share the tenants, and which tenants are this one's.
    #[cfg(feature = "nats")]
    pub(crate) fn set_cluster(&self, cluster: ClusterProgress) {
        *self.0.cluster.lock().unwrap_or_else(PoisonError::into_inner) = Some(cluster);
    }

    /// The collectors that share the tenants, if any do.
    pub fn cluster(&self) -> Option<ClusterProgress> {
        self.0.cluster.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes when a credential expires: the source's own, or a tenant's.
    pub(crate) fn set_credential_expiry(&self, tenant: Option<TenantId>, expires: DateTime<Utc>) {
        self.0.credentials.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant, expires);
    }

    /// When credentials expire, of the source itself (`None`) and of tenants that have their own, as far as that is known.
    pub fn credential_expiries(&self) -> BTreeMap<Option<TenantId>, DateTime<Utc>> {
        self.0.credentials.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_listener_certificate_expiry(&self, expires: Option<DateTime<Utc>>) {
        *self.0.listener_certificate.lock().unwrap_or_else(PoisonError::into_inner) = expires;
    }

    /// When the certificate of the webhook's listener expires, if there is one.
    pub fn listener_certificate_expiry(&self) -> Option<DateTime<Utc>> {
        *self.0.listener_certificate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the state of a feed's webhook; returns whether it is news: it begins to fail, fails in another way, or
    /// works again.
    pub(crate) fn set_webhook(&self, feed: Feed, problem: Option<(&'static str, &str)>) -> bool {
        self.with(feed, |state| {
            let webhook = state.webhook.get_or_insert_default();
            let failed_with = webhook.problem.as_ref().map(|problem| problem.code);
            webhook.working = Some(problem.is_none());
            webhook.problem = problem.map(|(code, text)| Problem { code, text: text.to_owned() });
            match problem {
                Some((code, _)) => failed_with != Some(code),
                None => failed_with.is_some(),
            }
        })
    }

    pub(crate) fn notified(&self, feed: Feed, at: DateTime<Utc>) {
        self.with(feed, |state| state.webhook.get_or_insert_default().last_notification = Some(at));
    }

    /// Forgets the feeds of a tenant that is not collected any more.
    pub(crate) fn forget(&self, tenant: TenantId) {
        self.0.feeds.lock().unwrap_or_else(PoisonError::into_inner).retain(|feed, _| feed.tenant != tenant);
        self.0.credentials.lock().unwrap_or_else(PoisonError::into_inner).remove(&Some(tenant));
    }

    pub(crate) fn add_found(&self, blobs: u64) {
        self.0.found.fetch_add(blobs, Ordering::Relaxed);
    }

    pub(crate) fn add_delivered(&self) {
        self.step();
        self.0.delivered.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_dead(&self) {
        self.step();
        self.0.dead.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_events(&self, events: u64) {
        self.step();
        self.0.events.fetch_add(events, Ordering::Relaxed);
    }

    pub(crate) fn add_duplicates(&self, events: u64) {
        self.0.duplicates.fetch_add(events, Ordering::Relaxed);
    }

    pub(crate) fn add_missing(&self, records: u64) {
        self.0.missing_records.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn add_discarded(&self, events: u64) {
        self.0.discarded.fetch_add(events, Ordering::Relaxed);
    }

    pub(crate) fn add_records(&self, records: u64) {
        self.0.records.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn add_emitted(&self, events: u64) {
        self.0.emitted.fetch_add(events, Ordering::Relaxed);
    }

    pub(crate) fn add_filtered(&self, events: u64) {
        self.0.filtered.fetch_add(events, Ordering::Relaxed);
    }

    pub(crate) fn add_abandoned(&self, records: u64) {
        self.0.abandoned.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn with<T>(&self, feed: Feed, change: impl FnOnce(&mut FeedState) -> T) -> T {
        change(self.0.feeds.lock().unwrap_or_else(PoisonError::into_inner).entry(feed).or_default())
    }
}
