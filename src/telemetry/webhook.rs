//! What happens at the webhook.

use metrics::gauge;
use tracing::{debug, error, info, warn};

use super::{
    Progress,
    events::{count, count_error, labels},
};
use crate::{content::Feed, discovery::WebhookFlaw};

/// What was wrong with a webhook, or with its removal, is right again.
pub fn webhook_mended(feed: Feed, flaw: &WebhookFlaw) {
    count("office365_webhooks_mended_total", feed, 1);
    info!(
        message = "The subscription's webhook was set right.",
        tenant = %feed.tenant, content_type = %feed.content_type, %flaw
    );
}

/// Notifications of a feed arrive, as far as can be told.
pub fn webhook_works(progress: &Progress, feed: Feed) {
    webhook_gauge(feed, true);
    if progress.set_webhook(feed, None) {
        info!(message = "Notifications arrive again.", tenant = %feed.tenant, content_type = %feed.content_type);
    }
}

/// Notifications of a feed do not arrive; it is polled meanwhile. The same problem is logged once.
pub fn webhook_fails(progress: &Progress, feed: Feed, code: &'static str, problem: &str) {
    webhook_gauge(feed, false);
    count_error("request_failed", "receiving", code);
    let (tenant, content_type) = (feed.tenant, feed.content_type);
    if progress.set_webhook(feed, Some((code, problem))) {
        error!(
            message = "The webhook does not work; polling until it does.",
            %tenant, %content_type, error = %problem, error_code = code, error_type = "request_failed", stage = "receiving"
        );
    } else {
        debug!(message = "The webhook still does not work.", %tenant, %content_type, error_code = code);
    }
}

fn webhook_gauge(feed: Feed, healthy: bool) {
    gauge!("office365_webhook_healthy", &labels(feed)).set(if healthy { 1.0 } else { 0.0 });
}

/// A webhook that is not wanted any more cannot be removed now.
pub fn webhook_not_removed(feed: Feed, problem: &str) {
    count_error("request_failed", "receiving", "webhook_left_over");
    warn!(
        message = "A webhook of this source is still set; trying again to remove it.",
        tenant = %feed.tenant, content_type = %feed.content_type, problem
    );
}

/// Microsoft reports notifications that failed.
pub fn notifications_failed(feed: Feed, failed: u64, of: u64) {
    count("office365_notifications_failed_total", feed, failed);
    warn!(
        message = "Microsoft could not deliver notifications to the webhook; what they told of was listed instead.",
        tenant = %feed.tenant, content_type = %feed.content_type, failed, of
    );
}
