//! How many bytes of events may wait for the pipeline's acknowledgement.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A bound on the memory of events in flight.
#[derive(Debug)]
pub struct Budget {
    bytes: usize,
    free: Arc<Semaphore>,
}

/// Bytes that are held until the last clone is dropped.
pub type Held = Option<Arc<OwnedSemaphorePermit>>;

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        let bytes = bytes.clamp(1, Semaphore::MAX_PERMITS);
        Self { bytes, free: Arc::new(Semaphore::new(bytes)) }
    }

    /// Waits until so many bytes may be held. More than the whole budget is let through alone.
    pub async fn hold(&self, bytes: usize) -> Held {
        let wanted = u32::try_from(bytes.min(self.bytes)).unwrap_or(u32::MAX);
        // `None` cannot happen: the semaphore is never closed.
        Arc::clone(&self.free).acquire_many_owned(wanted).await.ok().map(Arc::new)
    }

    /// How many bytes are held.
    pub fn held(&self) -> usize {
        self.bytes.saturating_sub(self.free.available_permits())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn what_is_larger_than_the_budget_goes_alone_and_waits_for_all_others() {
        let budget = Budget::new(10);
        let (small, other) = (budget.hold(4).await, budget.hold(6).await);
        assert_eq!(budget.held(), 10);
        let mut large = Box::pin(budget.hold(1_000));
        assert!(large.as_mut().now_or_never().is_none());
        drop((small, other));
        let large = large.await;
        assert_eq!(budget.held(), 10);
        assert!(budget.hold(1).now_or_never().is_none());
        drop(large);
        assert_eq!(budget.held(), 0);
        assert!(Budget::new(usize::MAX).hold(usize::MAX).now_or_never().flatten().is_some());
    }
}
