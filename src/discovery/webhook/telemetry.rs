//! What the webhook reports: one function for each fact.

use std::{net::SocketAddr, path::Path, time::Duration};

use metrics::{counter, gauge, histogram};
use tracing::{debug, error, info, warn};

pub(super) use crate::telemetry::content_found;
use crate::telemetry::count_error;

/// What a request to the webhook was answered with, if not refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum WebhookAnswer {
    /// Notifications are durable.
    Accepted,
    /// Microsoft has validated the webhook.
    Validated,
    /// A probe: a GET without a query.
    Probed,
    /// An administrator came back from Entra.
    Registered,
    /// A visitor without an invitation.
    Refused,
}

/// A request to the webhook was answered.
pub(super) fn webhook_answered(answer: WebhookAnswer, after: Duration) {
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
pub(super) fn listening(address: SocketAddr, path: &str, tls: bool) {
    info!(message = "Webhook: listening.", %address, path, tls);
    if !tls {
        warn!(
            message = "Webhook: listening without TLS. A proxy in front of it must speak TLS to Microsoft, and nobody else may \
                       reach this port."
        );
    }
}

/// So many connections are open.
pub(super) fn connections_open(open: usize) {
    #[expect(clippy::cast_precision_loss, reason = "far below where a float loses precision")]
    gauge!("office365_webhook_connections").set(open as f64);
}

/// A certificate is in use from now on.
pub(super) fn certificate_loaded(crt_file: &Path) {
    counter!("office365_webhook_certificates_loaded_total").increment(1);
    info!(message = "Webhook: certificate loaded.", crt_file = %crt_file.display());
}

/// Ranges of service tags are in use from now on.
pub(super) fn service_tags_loaded(file: &Path, ranges: usize) {
    info!(message = "Webhook: service tags loaded.", file = %file.display(), ranges);
}

/// A file that has changed cannot be used; what was loaded before stays in use.
pub(super) fn reload_failed(problem: &str) {
    count_error("configuration_failed", "receiving", "reload");
    error!(
        message = "Webhook: a changed file cannot be used; the one before it stays in use.",
        error = problem,
        error_code = "reload",
        error_type = "configuration_failed",
        stage = "receiving"
    );
}
