//! Log lines of tenants that are added and removed.

use metrics::gauge;
use tracing::{info, warn};

use crate::{
    content::{ContentType, Feed, TenantId},
    telemetry::{labels, webhook_is_healthy},
};

/// No tenant is collected.
pub(super) fn no_tenant(what_to_do: &str) {
    warn!(message = "Nothing is collected.", reason = what_to_do);
}

/// A tenant was registered, changed or removed.
pub(super) fn tenant_changed(tenant: TenantId, change: &str) {
    info!(message = "Tenant changed.", %tenant, change);
}

/// The feeds of a tenant that was removed: gauges keep their last value, and these would show a problem indefinitely.
pub(super) fn tenant_forgotten(tenant: TenantId, content_types: &[ContentType]) {
    for content_type in content_types {
        let feed = Feed { tenant, content_type: *content_type };
        for name in ["office365_content_pending", "office365_content_dead", "office365_oldest_pending_seconds"] {
            gauge!(name, &labels(feed)).set(0.0);
        }
        webhook_is_healthy(feed, true);
    }
}
