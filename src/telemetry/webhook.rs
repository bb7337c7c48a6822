//! What happens at the webhook.

use std::{net::SocketAddr, path::Path, time::Duration};

use metrics::{counter, gauge, histogram};
use tracing::{debug, error, info, warn};

use super::{
    Progress,
    events::{count, count_error, labels},
};
use crate::content::{ContentType, Feed, TenantId};

/// What a request to the webhook was answered with, if not refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WebhookAnswer {
    /// Notifications are durable.
    Accepted,
    /// Microsoft has validated the webhook.
    Validated,
    /// Somebody looked whether anybody is there.
    Probed,
    /// An administrator came back from Entra.
    Registered,
    /// Somebody who was not invited came in an administrator's place.
    Refused,
}

/// A request to the webhook was answered.
pub fn webhook_answered(answer: WebhookAnswer, after: Duration) {
    let kind = match answer {
        WebhookAnswer::Accepted => "notification",
        WebhookAnswer::Validated => "validation",
        WebhookAnswer::Probed => "probe",
        WebhookAnswer::Registered => "registration",
        WebhookAnswer::Refused => "registration_refused",
    };
    counter!("office365_webhook_requests_total", "kind" => kind).increment(1);
    if answer == WebhookAnswer::Accepted {
        histogram!("office365_webhook_answer_seconds").record(after.as_secs_f64());
    }
    if answer == WebhookAnswer::Validated {
        info!(message = "Webhook: Microsoft has validated it.");
    } else {
        debug!(message = "Webhook: answered.", kind);
    }
}

/// The listener has its port.
pub fn listening(address: SocketAddr, path: &str, tls: bool) {
    info!(message = "Webhook: listening.", %address, path, tls);
    if !tls {
        warn!(
            message = "Webhook: listening without TLS. A proxy in front of it must speak TLS to Microsoft, and nobody else may \
                       reach this port."
        );
    }
}

/// So many connections are open.
pub fn connections_open(open: usize) {
    #[expect(clippy::cast_precision_loss, reason = "far below where a float loses precision")]
    gauge!("office365_webhook_connections").set(open as f64);
}

/// A certificate is in use from now on.
pub fn certificate_loaded(crt_file: &Path) {
    counter!("office365_webhook_certificates_loaded_total").increment(1);
    info!(message = "Webhook: certificate loaded.", crt_file = %crt_file.display());
}

/// Ranges of service tags are in use from now on.
pub fn service_tags_loaded(file: &Path, ranges: usize) {
    info!(message = "Webhook: service tags loaded.", file = %file.display(), ranges);
}

/// A file that has changed cannot be used; what was loaded before stays in use.
pub fn reload_failed(problem: &str) {
    count_error("configuration_failed", "receiving", "reload");
    error!(
        message = "Webhook: a changed file cannot be used; the one before it stays in use.",
        error = problem,
        error_code = "reload",
        error_type = "configuration_failed",
        stage = "receiving"
    );
}

/// Nobody's audit logs are collected.
pub fn no_tenant(what_to_do: &str) {
    warn!(message = "Nothing is collected.", reason = what_to_do);
}

/// A tenant was registered, changed or removed.
pub fn tenant_changed(tenant: TenantId, change: &str) {
    info!(message = "Tenant changed.", %tenant, change);
}

/// The feeds of a tenant that was removed: gauges keep their last value, and these would say that something is amiss indefinitely.
pub fn tenant_forgotten(tenant: TenantId, content_types: &[ContentType]) {
    for content_type in content_types {
        let feed = Feed { tenant, content_type: *content_type };
        for name in ["office365_content_pending", "office365_content_dead", "office365_oldest_pending_seconds"] {
            gauge!(name, &labels(feed)).set(0.0);
        }
        webhook_gauge(feed, true);
    }
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
