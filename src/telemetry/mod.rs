//! What the source tells about itself: metrics and log lines, after Vector's component specification
//! (docs/specs/component.md and instrumentation.md in Vector's repository), and the progress a program can read.
//!
//! Every function here counts and logs one thing that happened, so that nothing is counted without a line in the log or
//! the other way round.

mod events;
mod geoip;
mod progress;
mod refusals;
mod webhook;

pub(crate) use self::events::{count, count_error};
pub use self::{
    events::{
        FoundBy, announced_content_gone, announcements_paused, bytes_received, content_dead, content_delivered,
        content_found, content_retried, events_discarded, events_duplicate, events_received, events_rejected,
        feed_failed, feed_recovered, fetch_failed, gap, other_content_type, record_damaged, record_redacted,
        record_repaired, records_behind_array, sensitive_types_failed, sensitive_types_read, subscription_started,
        throttled, trailing_bytes, unusable_entry,
    },
    geoip::{GeoipFile, geoip_loaded, geoip_reload_failed},
    progress::{FeedProgress, Progress, Stage, Totals, WebhookProgress},
    refusals::Refusals,
    webhook::{
        WebhookAnswer, certificate_loaded, connections_open, listening, no_tenant, notifications_failed, reload_failed,
        service_tags_loaded, tenant_changed, tenant_forgotten, webhook_answered, webhook_fails, webhook_not_removed,
        webhook_works,
    },
};
