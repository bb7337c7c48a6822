//! What several modules report, and how it is counted.

use metrics::{counter, gauge};
use tracing::{debug, error, info};

use super::{Progress, Stage};
use crate::{activity::ActivityError, content::Feed};

pub(crate) fn labels(feed: Feed) -> [(&'static str, String); 2] {
    [("tenant", feed.tenant.to_string()), ("content_type", feed.content_type.to_string())]
}

pub(crate) fn count(name: &'static str, feed: Feed, n: u64) {
    counter!(name, &labels(feed)).increment(n);
}

pub(crate) fn count_error(error_type: &'static str, stage: &'static str, error_code: &'static str) {
    counter!("component_errors_total", "error_type" => error_type, "stage" => stage, "error_code" => error_code)
        .increment(1);
}

/// New content was recorded.
pub fn content_found(progress: &Progress, feed: Feed, blobs: u64, by: FoundBy) {
    let [tenant, content_type] = labels(feed);
    counter!("office365_content_found_total", &[tenant, content_type, ("found_by", by.as_str().to_owned())])
        .increment(blobs);
    progress.add_found(blobs);
    debug!(
        message = "Content found.",
        tenant = %feed.tenant, content_type = %feed.content_type, count = blobs, found_by = by.as_str()
    );
}

/// How content was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FoundBy {
    /// By listing it.
    Listing,
    /// By listing it once more, days after its creation.
    Relisting,
    /// Microsoft notified the webhook.
    Notification,
}

impl FoundBy {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Listing => "listing",
            Self::Relisting => "relisting",
            Self::Notification => "notification",
        }
    }
}

/// A fetch failed.
pub fn fetch_failed(error: &ActivityError) {
    count_error("request_failed", "receiving", error.failure.code());
}

/// A feed cannot be listed or fetched. The same problem is logged once, however often it comes up.
pub fn feed_failed(progress: &Progress, feed: Feed, failing: Stage, code: &'static str, problem: &str) {
    count_error("request_failed", "receiving", code);
    let (tenant, content_type) = (feed.tenant, feed.content_type);
    if progress.set_problem(feed, failing, code, problem) {
        error!(
            message = "Cannot collect; trying again.",
            %tenant, %content_type, error = %problem, error_code = code, error_type = "request_failed", stage = "receiving"
        );
    } else {
        debug!(message = "Still cannot collect.", %tenant, %content_type, error_code = code);
    }
}

/// A feed works (again).
pub fn feed_recovered(progress: &Progress, feed: Feed, working: Stage) {
    if progress.clear_problem(feed, working) {
        info!(message = "Collecting again.", tenant = %feed.tenant, content_type = %feed.content_type);
    }
}

/// A tenant is being throttled.
pub fn throttled(feed: Feed, wait_secs: u64) {
    count("office365_throttled_total", feed, 1);
    debug!(message = "Throttled.", tenant = %feed.tenant, content_type = %feed.content_type, wait_secs);
}

/// Whether notifications of a feed arrive, as far as is known.
pub(crate) fn webhook_is_healthy(feed: Feed, healthy: bool) {
    gauge!("office365_webhook_healthy", &labels(feed)).set(if healthy { 1.0 } else { 0.0 });
}
