//! What discovery reports: one function for each fact.

use chrono::{DateTime, Utc};
use metrics::{counter, gauge};
use tracing::{debug, error, info, warn};
use url::Url;

use super::WebhookFlaw;
pub(super) use crate::telemetry::{content_found, feed_failed, feed_recovered, fetch_failed, throttled};
use crate::{
    activity::{ActivityError, TimeWindow},
    content::{ContentRef, Feed},
    telemetry::{Progress, count, count_error, labels, webhook_is_healthy},
};

/// A window of a feed was listed to its end, and the cursor moved.
pub(super) fn listed(feed: Feed, at: DateTime<Utc>) {
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact in a float")]
    gauge!("office365_last_listing_timestamp_seconds", &labels(feed)).set(at.timestamp() as f64);
}

/// An element of a listing cannot be used.
pub(super) fn unusable_entry(feed: Feed, problem: &str, element: &str) {
    count("office365_unusable_entries_total", feed, 1);
    count_error("parser_failed", "receiving", "unusable_entry");
    error!(
        message = "A listing has an entry that cannot be used.",
        tenant = %feed.tenant, content_type = %feed.content_type, problem, element,
        error_code = "unusable_entry", error_type = "parser_failed", stage = "receiving"
    );
}

/// An entry of a listing names another content type than was asked for.
pub(super) fn other_content_type(feed: Feed, named: &str) {
    count("office365_other_content_type_total", feed, 1);
    warn!(
        message = "A listing has an entry of another content type; it is collected all the same.",
        tenant = %feed.tenant, content_type = %feed.content_type, named
    );
}

/// A subscription was started.
pub(super) fn subscription_started(feed: Feed, webhook: Option<&Url>) {
    count("office365_subscriptions_started_total", feed, 1);
    let (tenant, content_type) = (feed.tenant, feed.content_type);
    if let Some(webhook) = webhook {
        info!(message = "Subscription started with a webhook.", %tenant, %content_type, %webhook);
    } else {
        info!(
            message = "Subscription started. The first content of a new subscription can take up to 12 hours.",
            %tenant, %content_type
        );
    }
}

/// A subscription that worked is disabled or gone, and this program has not stopped it.
pub(super) fn subscription_lost(feed: Feed) {
    count("office365_subscriptions_lost_total", feed, 1);
    warn!(
        message = "The subscription was stopped by somebody else: another program or administrator with this application's \
                   credential, or Microsoft. It is started again; content from the time between may be missing.",
        tenant = %feed.tenant, content_type = %feed.content_type
    );
}

/// Content shows up that no listing named within a day of its creation.
pub(super) fn late_content(feed: Feed, content: &ContentRef, now: DateTime<Utc>) {
    let days = (now - content.created).num_days();
    let [tenant, content_type] = labels(feed);
    counter!("office365_late_content_total", &[tenant, content_type, ("days", days.to_string())]).increment(1);
    info!(
        message = "Content has shown up days after its creation; it is collected.",
        tenant = %feed.tenant, content_type = %feed.content_type, content_id = %content.content_id,
        created = %content.created, days
    );
}

/// A window could not be listed once more; `first` for the first time in a row.
pub(super) fn relisting_failed(feed: Feed, error: &ActivityError, first: bool) {
    let (tenant, content_type, error_code) = (feed.tenant, feed.content_type, error.failure.code());
    count_error("request_failed", "receiving", error_code);
    if first {
        warn!(
            message = "Cannot list older content once more; trying again. New content is listed all the same.",
            %tenant, %content_type, %error, error_code, error_type = "request_failed", stage = "receiving"
        );
    } else {
        debug!(message = "Still cannot list older content once more.", %tenant, %content_type, error_code);
    }
}

/// Content became unlistable before it was listed.
pub(super) fn gap(progress: &Progress, feed: Feed, gap: TimeWindow) {
    let seconds = u64::try_from((gap.end - gap.start).num_seconds()).unwrap_or_default();
    count("office365_gap_seconds_total", feed, seconds);
    progress.add_gap(seconds);
    count_error("timed_out", "receiving", "gap");
    error!(
        message = "Content of this time can no longer be listed (Microsoft lists 7 days back) and is lost to this pipeline.",
        tenant = %feed.tenant, content_type = %feed.content_type, from = %gap.start, to = %gap.end,
        error_code = "gap", error_type = "timed_out", stage = "receiving"
    );
}

/// Notifications of a feed arrive, as far as is known.
pub(super) fn webhook_works(progress: &Progress, feed: Feed) {
    webhook_is_healthy(feed, true);
    if progress.set_webhook(feed, None) {
        info!(message = "Notifications arrive again.", tenant = %feed.tenant, content_type = %feed.content_type);
    }
}

/// Notifications of a feed do not arrive; it is polled meanwhile. The same problem is logged once.
pub(super) fn webhook_fails(progress: &Progress, feed: Feed, code: &'static str, problem: &str) {
    webhook_is_healthy(feed, false);
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

/// A webhook that is not wanted any more cannot be removed now.
pub(super) fn webhook_not_removed(feed: Feed, problem: &str) {
    count_error("request_failed", "receiving", "webhook_left_over");
    warn!(
        message = "A webhook of this source is still set; trying again to remove it.",
        tenant = %feed.tenant, content_type = %feed.content_type, problem
    );
}

/// Microsoft reports notifications that failed.
pub(super) fn notifications_failed(feed: Feed, failed: u64, of: u64) {
    count("office365_notifications_failed_total", feed, failed);
    warn!(
        message = "Microsoft could not deliver notifications to the webhook; what they told of was listed instead.",
        tenant = %feed.tenant, content_type = %feed.content_type, failed, of
    );
}

/// What was wrong with a webhook, or with its removal, is right again.
pub(super) fn webhook_set_right(feed: Feed, flaw: &WebhookFlaw) {
    count("office365_webhooks_repaired_total", feed, 1);
    info!(
        message = "The subscription's webhook was set right.",
        tenant = %feed.tenant, content_type = %feed.content_type, %flaw
    );
}
