//! What is done now and then: forgetting what is over, and reporting how much is pending.

use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use metrics::gauge;
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
                telemetry::content_dead(&shared.progress, dead);
            }
        }
        let summaries: HashMap<_, _> = shared.ledger.summary().await?.into_iter().collect();
        // Feeds with nothing pending are reported, too: a gauge keeps its last value.
        let feeds: BTreeSet<Feed> = shared.progress.feeds().into_keys().chain(summaries.keys().copied()).collect();
        for feed in feeds {
            let summary = summaries.get(&feed).copied().unwrap_or_default();
            shared.progress.set_backlog(feed, summary);
            let labels = [("tenant", feed.tenant.to_string()), ("content_type", feed.content_type.to_string())];
            #[expect(
                clippy::cast_precision_loss,
                reason = "counts of blobs are far below where a float loses precision"
            )]
            gauge!("office365_content_pending", &labels).set(summary.pending as f64);
            #[expect(clippy::cast_precision_loss, reason = "as above")]
            gauge!("office365_content_dead", &labels).set(summary.dead as f64);
            let lag = summary.oldest_pending.map_or(0, |oldest| (shared.now() - oldest).num_seconds().max(0));
            #[expect(clippy::cast_precision_loss, reason = "seconds of at most some weeks")]
            gauge!("office365_oldest_pending_seconds", &labels).set(lag as f64);
        }
    }
}
