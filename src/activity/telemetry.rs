//! How requests to the API are counted.

use metrics::counter;

use super::Operation;
use crate::content::TenantId;

impl Operation {
    /// The value of the label `operation`.
    const fn label(self) -> &'static str {
        match self {
            Self::ListSubscriptions => "list_subscriptions",
            Self::StartSubscription => "start_subscription",
            Self::StopSubscription => "stop_subscription",
            Self::ListContent => "list_content",
            Self::ListNotifications => "list_notifications",
            Self::RetrieveContent => "retrieve_content",
            Self::ListSensitiveTypes => "list_sensitive_types",
        }
    }
}

/// A request was answered with a status, or, without one, not at all.
pub(super) fn requested(tenant: TenantId, operation: Operation, status: Option<http::StatusCode>) {
    let status = status.map_or_else(|| "none".to_owned(), |status| status.as_u16().to_string());
    let labels = [("tenant", tenant.to_string()), ("operation", operation.label().to_owned()), ("status", status)];
    counter!("office365_requests_total", &labels).increment(1);
}
