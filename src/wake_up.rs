//! How the collector learns that there is something to do.

use std::{
    collections::BTreeSet,
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

use crate::content::Feed;

/// Notifies the collector of newly recorded content. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct WakeUp(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    feeds: Mutex<BTreeSet<Feed>>,
    complete: AtomicBool,
    changed: Notify,
}

impl WakeUp {
    /// There is new content of a feed in the ledger.
    pub fn announce(&self, feed: Feed) {
        self.0.feeds.lock().unwrap_or_else(PoisonError::into_inner).insert(feed);
        self.0.changed.notify_one();
    }

    /// No more content will be announced: in a run that should end, everything available has been listed.
    pub fn complete(&self) {
        self.0.complete.store(true, Ordering::Release);
        self.0.changed.notify_one();
    }

    /// Whether no more content will be announced.
    pub fn is_complete(&self) -> bool {
        self.0.complete.load(Ordering::Acquire)
    }

    /// Whether nothing is announced that was not taken.
    pub fn is_empty(&self) -> bool {
        self.0.feeds.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Waits for a change and takes the feeds announced since the last call.
    pub async fn changed(&self) -> BTreeSet<Feed> {
        self.0.changed.notified().await;
        mem::take(&mut self.0.feeds.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
