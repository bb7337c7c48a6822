//! What is done now and then: forgetting what is over, and reporting how much is pending.

use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};

use super::{error::CollectorError, shared::Shared, telemetry};
use crate::content::Feed;

const EVERY: Duration = Duration::from_secs(300);

/// Runs indefinitely.
///
/// # Errors
///
/// When the ledger fails.
pub async fn maintain(shared: Arc<Shared>) -> Result<Infallible, CollectorError> {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Nothing is forgotten by a clock that no server has confirmed.
        if shared.client.clock().is_synchronised() {
            let pruned = shared.ledger.prune(shared.now()).await?;
            for dead in &pruned.expired {
                telemetry::content_dead(&shared.progress, dead, true);
            }
        }
        if let Some(bytes) = shared.ledger.size() {
            telemetry::ledger_size(bytes);
        }
        let summaries: HashMap<_, _> = shared.ledger.summary().await?.into_iter().collect();
        // Feeds with nothing pending are reported, too: a gauge keeps its last value.
        let feeds: BTreeSet<Feed> = shared.progress.feeds().into_keys().chain(summaries.keys().copied()).collect();
        for feed in feeds {
            let summary = summaries.get(&feed).copied().unwrap_or_default();
            shared.progress.set_backlog(feed, summary);
            telemetry::backlog(feed, summary, shared.now());
        }
    }
}
