//! What a source has done so far, for programs that embed it: the demo's table, `--once`, a status page.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, Utc};

use crate::content::Feed;

/// A handle on a source's progress. Put one into the [`ExtraContext`](crate::component::ExtraContext) before building the
/// source, keep a clone.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    found: AtomicU64,
    delivered: AtomicU64,
    dead: AtomicU64,
    events: AtomicU64,
    duplicates: AtomicU64,
    discarded: AtomicU64,
    bytes: AtomicU64,
    feeds: Mutex<BTreeMap<Feed, FeedProgress>>,
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
    /// Events delivered.
    pub events_delivered: u64,
    /// Events dropped because they had been delivered before.
    pub duplicates_dropped: u64,
    /// Elements of blobs that were no events.
    pub events_discarded: u64,
    /// Bytes of blobs received, decompressed.
    pub bytes_received: u64,
}

/// One feed's state.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FeedProgress {
    /// Until when content has been listed.
    pub listed_through: Option<DateTime<Utc>>,
    /// Why the last attempt to list or fetch failed; `None` once one succeeded after that.
    pub problem: Option<String>,
}

impl Progress {
    /// The sums.
    pub fn totals(&self) -> Totals {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Totals {
            blobs_found: get(&self.0.found),
            blobs_delivered: get(&self.0.delivered),
            blobs_dead: get(&self.0.dead),
            events_delivered: get(&self.0.events),
            duplicates_dropped: get(&self.0.duplicates),
            events_discarded: get(&self.0.discarded),
            bytes_received: get(&self.0.bytes),
        }
    }

    /// Every feed's state.
    pub fn feeds(&self) -> BTreeMap<Feed, FeedProgress> {
        self.0.feeds.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn listed_through(&self, feed: Feed, time: DateTime<Utc>) {
        self.with(feed, |progress| progress.listed_through = progress.listed_through.max(Some(time)));
    }

    /// Sets or clears a feed's problem; returns whether that is a change.
    pub(super) fn set_problem(&self, feed: Feed, problem: Option<String>) -> bool {
        self.with(feed, |progress| {
            let changed = progress.problem != problem;
            progress.problem = problem;
            changed
        })
    }

    pub(super) fn add_found(&self, blobs: u64) {
        self.0.found.fetch_add(blobs, Ordering::Relaxed);
    }

    pub(super) fn add_delivered(&self) {
        self.0.delivered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_dead(&self) {
        self.0.dead.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_events(&self, events: u64) {
        self.0.events.fetch_add(events, Ordering::Relaxed);
    }

    pub(super) fn add_duplicates(&self, events: u64) {
        self.0.duplicates.fetch_add(events, Ordering::Relaxed);
    }

    pub(super) fn add_discarded(&self, events: u64) {
        self.0.discarded.fetch_add(events, Ordering::Relaxed);
    }

    pub(super) fn add_bytes(&self, bytes: u64) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn with<T>(&self, feed: Feed, change: impl FnOnce(&mut FeedProgress) -> T) -> T {
        change(self.0.feeds.lock().unwrap_or_else(PoisonError::into_inner).entry(feed).or_default())
    }
}
