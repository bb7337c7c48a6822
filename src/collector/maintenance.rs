//! What is done now and then: forgetting what is over, and telling how much is owed.

use std::{sync::Arc, time::Duration};

use metrics::gauge;
use tokio::time::{MissedTickBehavior, interval};

use super::{error::CollectorError, shared::Shared};
use crate::telemetry;

const EVERY: Duration = Duration::from_secs(300);

/// Runs for ever.
///
/// # Errors
///
/// When the ledger fails.
pub async fn maintain(shared: Arc<Shared>) -> Result<(), CollectorError> {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let pruned = shared.ledger.prune(shared.now()).await?;
        for dead in &pruned.expired {
            telemetry::content_dead(&shared.progress, dead);
        }
        for (feed, summary) in shared.ledger.summary().await? {
            let labels = [("tenant", feed.tenant.to_string()), ("content_type", feed.content_type.to_string())];
            // A gauge is a float; counts of blobs are far below where that loses precision.
            #[expect(clippy::cast_precision_loss, reason = "see above")]
            gauge!("office365_content_owed", &labels).set(summary.owed as f64);
            let lag = summary.oldest_owed.map_or(0, |oldest| (shared.now() - oldest).num_seconds().max(0));
            #[expect(clippy::cast_precision_loss, reason = "seconds of at most some weeks")]
            gauge!("office365_oldest_owed_seconds", &labels).set(lag as f64);
        }
    }
}
