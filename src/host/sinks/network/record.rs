//! What a peer has done so far, over all batches.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// How long a size stays too large. A peer's limit may be raised, and not everything that looks like a limit is one.
const REMEMBERED: Duration = Duration::from_mins(10);

/// What a peer has done so far.
#[derive(Debug, Default)]
pub(super) struct Record {
    accepted: AtomicU64,
    refused_in_a_row: AtomicU32,
    too_large: Mutex<Option<(usize, Instant)>>,
}

impl Record {
    /// How many requests it has accepted.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// It has accepted a request.
    pub(super) fn has_accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.refused_in_a_row.store(0, Ordering::Relaxed);
    }

    /// It has refused a request: returns how many it has refused since it last accepted one.
    pub(super) fn has_refused(&self) -> u32 {
        self.refused_in_a_row.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// It does not take so many bytes at once.
    pub(super) fn has_found_too_large(&self, bytes: usize) {
        let mut known = self.too_large.lock().unwrap_or_else(PoisonError::into_inner);
        let least = known.map_or(bytes, |(least, _)| least.min(bytes));
        *known = Some((least, Instant::now() + REMEMBERED));
    }

    /// Whether it need not be asked to take so many bytes at once.
    pub(super) fn is_too_large(&self, bytes: usize) -> bool {
        let mut known = self.too_large.lock().unwrap_or_else(PoisonError::into_inner);
        *known = known.filter(|(_, until)| *until > Instant::now());
        known.is_some_and(|(least, _)| bytes >= least)
    }
}
