//! How many bytes of events may wait for the pipeline's acknowledgement.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The part of a budget that searches may take: live collection must find room beside them. An eighth of it.
const SEARCHES: usize = 8;

/// A bound on the memory of events in flight.
#[derive(Debug)]
pub struct Budget {
    all: Part,
    searches: Part,
}

/// Whose events they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Share {
    /// Those of live collection.
    Live,
    /// Those that searches have found.
    Searches,
}

/// Bytes that are held until the last clone is dropped.
pub type Held = Option<Arc<Vec<OwnedSemaphorePermit>>>;

#[derive(Debug)]
struct Part {
    bytes: usize,
    free: Arc<Semaphore>,
}

impl Part {
    fn new(bytes: usize) -> Self {
        let bytes = bytes.clamp(1, Semaphore::MAX_PERMITS);
        Self { bytes, free: Arc::new(Semaphore::new(bytes)) }
    }

    /// `None` cannot happen: the semaphore is never closed.
    async fn hold(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(bytes.min(self.bytes)).unwrap_or(u32::MAX);
        Arc::clone(&self.free).acquire_many_owned(wanted).await.ok()
    }
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { all: Part::new(bytes), searches: Part::new(bytes / SEARCHES) }
    }

    /// Waits until so many bytes may be held. More than the whole is let through alone.
    pub async fn hold(&self, bytes: usize, share: Share) -> Held {
        let mut permits = Vec::with_capacity(2);
        if share == Share::Searches {
            // First: whoever waits for all would keep others waiting behind it.
            permits.extend(self.searches.hold(bytes).await);
        }
        permits.extend(self.all.hold(bytes).await);
        Some(Arc::new(permits))
    }

    /// How many bytes are held.
    pub fn held(&self) -> usize {
        self.all.bytes.saturating_sub(self.all.free.available_permits())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn what_is_larger_than_the_budget_goes_alone_and_waits_for_all_others() {
        let budget = Budget::new(10);
        let (small, other) = (budget.hold(4, Share::Live).await, budget.hold(6, Share::Live).await);
        assert_eq!(budget.held(), 10);
        let mut large = Box::pin(budget.hold(1_000, Share::Live));
        assert!(large.as_mut().now_or_never().is_none());
        drop((small, other));
        let large = large.await;
        assert_eq!(budget.held(), 10);
        assert!(budget.hold(1, Share::Live).now_or_never().is_none());
        drop(large);
        assert_eq!(budget.held(), 0);
        assert!(Budget::new(usize::MAX).hold(usize::MAX, Share::Live).now_or_never().flatten().is_some());
    }

    #[tokio::test]
    async fn searches_leave_room_for_live_collection() {
        let budget = Budget::new(40);
        let search = budget.hold(8, Share::Searches).await;
        let mut next = Box::pin(budget.hold(8, Share::Searches));
        assert!(next.as_mut().now_or_never().is_none());
        assert!(budget.hold(32, Share::Live).now_or_never().flatten().is_some());
        drop(search);
        drop(next.await);
        // Alone among searches, and beside live collection.
        let large = budget.hold(1_000, Share::Searches).now_or_never();
        assert!(large.flatten().is_some(), "all are free");
        assert_eq!(budget.held(), 0);
    }
}
