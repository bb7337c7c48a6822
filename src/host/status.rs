//! What `/status` shows.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Component;
use crate::{
    RunMode,
    component::ComponentKey,
    telemetry::{FeedProgress, Progress, Totals, WebhookProgress},
};

/// What `/status` shows about a running host.
#[derive(Debug)]
pub(super) struct Status {
    mode: RunMode,
    since: Instant,
    sources: Vec<(ComponentKey, Progress)>,
}

impl Status {
    pub(super) fn of(components: &[Component], mode: RunMode) -> Self {
        let sources = components.iter().map(|component| (component.key.clone(), component.progress.clone())).collect();
        Self::of_sources(sources, mode)
    }

    pub(super) fn of_sources(sources: Vec<(ComponentKey, Progress)>, mode: RunMode) -> Self {
        Self { mode, since: Instant::now(), sources }
    }

    /// The state of now.
    pub(super) fn to_json(&self) -> Value {
        let sources = self.sources.iter().map(|(key, progress)| (key.to_string(), source(progress)));
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "mode": match self.mode {
                RunMode::Continuous => "continuous",
                RunMode::Once { .. } => "once",
            },
            "uptime_secs": self.since.elapsed().as_secs(),
            "sources": sources.collect::<serde_json::Map<_, _>>(),
        })
    }
}

fn source(progress: &Progress) -> Value {
    let feeds = progress.feeds().into_iter().map(|(feed, state)| {
        let FeedProgress { listed_through, blobs_pending, blobs_dead, problem, webhook, .. } = state;
        let mut feed = json!({
            "tenant": feed.tenant,
            "content_type": feed.content_type,
            "listed_through": listed_through,
            "blobs_pending": blobs_pending,
            "blobs_dead": blobs_dead,
            "problem": problem,
        });
        if let Some(WebhookProgress { healthy, problem, last_notification }) = webhook {
            feed["webhook"] = json!({ "healthy": healthy, "problem": problem, "last_notification": last_notification });
        }
        feed
    });
    let mut source = json!({
        "totals": totals(progress.totals()),
        "missing": progress.missing(),
        "feeds": feeds.collect::<Vec<_>>(),
    });
    if let Some(cluster) = progress.cluster() {
        source["cluster"] = json!(cluster);
    }
    source
}

fn totals(totals: Totals) -> Value {
    // Taken apart, so that a new total cannot be forgotten here.
    let Totals {
        blobs_found,
        blobs_delivered,
        blobs_dead,
        records_received,
        events_emitted,
        events_delivered,
        duplicates_dropped,
        events_discarded,
        events_filtered,
        records_missing,
        records_abandoned,
        bytes_received,
        gap_seconds,
    } = totals;
    json!({
        "blobs_found": blobs_found,
        "blobs_delivered": blobs_delivered,
        "blobs_dead": blobs_dead,
        "records_received": records_received,
        "events_emitted": events_emitted,
        "events_delivered": events_delivered,
        "duplicates_dropped": duplicates_dropped,
        "events_discarded": events_discarded,
        "events_filtered": events_filtered,
        "records_missing": records_missing,
        "records_abandoned": records_abandoned,
        "bytes_received": bytes_received,
        "gap_seconds": gap_seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        content::{ContentType, Feed, TenantId},
        host::tests::TestSource,
        telemetry,
    };

    #[test]
    fn every_feed_and_its_problem_are_shown() {
        let component = Component::new("m365", "test", Box::new(TestSource::default()));
        let feed = Feed { tenant: TenantId(uuid::Uuid::from_u128(1)), content_type: ContentType::Exchange };
        telemetry::feed_failed(&component.progress, feed, telemetry::Stage::Listing, "AF10001", "no permission");
        telemetry::content_found(&component.progress, feed, 3, telemetry::FoundBy::Listing);
        let status = Status::of(&[component], RunMode::ONCE).to_json();
        assert_eq!(status["mode"], "once");
        let source = &status["sources"]["m365"];
        assert_eq!(source["totals"]["blobs_found"], 3);
        assert_eq!(
            source["feeds"][0],
            json!({
                "tenant": "00000000-0000-0000-0000-000000000001",
                "content_type": "Audit.Exchange",
                "listed_through": null,
                "blobs_pending": 0,
                "blobs_dead": 0,
                "problem": "no permission",
            })
        );
    }
}
