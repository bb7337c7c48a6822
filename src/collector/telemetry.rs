//! What the collector reports: one function for each fact, so that each is both counted and logged.

use std::time::Duration;

use metrics::counter;
use tracing::{debug, error, info, trace, warn};

use super::CollectorError;
pub(super) use crate::telemetry::{feed_failed, feed_recovered, fetch_failed, throttled};
use crate::{
    activity::ActivityError,
    component::{ComponentKey, Repair},
    content::{Feed, TenantId},
    ledger::{BlobKey, DeadBlob},
    normalize::Damages,
    telemetry::{Progress, count, count_error},
};

/// Collecting cannot go on.
pub fn source_failed(component: &ComponentKey, error: &CollectorError) {
    let (error_type, code) = (error.error_type(), error.code());
    count_error(error_type, "processing", code);
    error!(
        message = "Source stops.",
        component_id = %component, %error, error_code = code, error_type, stage = "processing"
    );
}

/// A blob's body has arrived.
pub(super) fn bytes_received(progress: &Progress, bytes: u64) {
    counter!("component_received_bytes_total", "protocol" => "http").increment(bytes);
    progress.add_bytes(bytes);
    trace!(message = "Bytes received.", byte_size = bytes, protocol = "http");
}

/// Events were made of records.
pub(super) fn events_received(events: u64, bytes: u64) {
    counter!("component_received_events_total").increment(events);
    counter!("component_received_event_bytes_total").increment(bytes);
    trace!(message = "Events received.", count = events, byte_size = bytes);
}

/// Every event of a blob was delivered.
pub(super) fn content_delivered(progress: &Progress, key: &BlobKey, events: u64) {
    count("office365_content_delivered_total", key.feed, 1);
    progress.add_delivered();
    debug!(
        message = "Content delivered.",
        tenant = %key.feed.tenant, content_type = %key.feed.content_type, content_id = %key.content_id, count = events
    );
}

/// A blob could not be fetched or delivered, and will be tried again.
pub(super) fn content_retried(key: &BlobKey, reason: &str, attempts: u32, wait_secs: u64) {
    count("office365_content_retries_total", key.feed, 1);
    let tried_often = attempts >= 4;
    let (tenant, content_type) = (key.feed.tenant, key.feed.content_type);
    // One failure is everyday life with this API.
    if tried_often {
        warn!(
            message = "Content still cannot be delivered; trying again.",
            %tenant, %content_type, content_id = %key.content_id, reason, attempts, wait_secs
        );
    } else {
        debug!(
            message = "Content will be tried again.",
            %tenant, %content_type, content_id = %key.content_id, reason, attempts, wait_secs
        );
    }
}

/// Content that only a notification announced cannot be fetched. It was forgotten.
pub(super) fn announced_content_gone(key: &BlobKey, uri: &str, error: &ActivityError) {
    count("office365_announced_content_gone_total", key.feed, 1);
    debug!(
        message = "Announced content cannot be had; if there is such content, a listing names it.",
        tenant = %key.feed.tenant, content_type = %key.feed.content_type, content_id = %key.content_id, uri, %error
    );
}

/// Announcements of a feed lead nowhere.
pub(super) fn announcements_paused(feed: Feed, pause: Duration) {
    count("office365_announcement_pauses_total", feed, 1);
    warn!(
        message = "Notifications tell of content that is not there; content is taken from listings meanwhile. If this goes on, \
                   somebody else knows the webhook's auth_id: change it.",
        tenant = %feed.tenant, content_type = %feed.content_type, wait_secs = pause.as_secs()
    );
}

/// A blob was given up.
pub(super) fn content_dead(progress: &Progress, dead: &DeadBlob) {
    count("office365_content_dead_total", dead.key.feed, 1);
    count_error("request_failed", "receiving", "content_dead");
    progress.add_dead();
    error!(
        message = "Content was given up; its events are lost to this pipeline.",
        tenant = %dead.key.feed.tenant, content_type = %dead.key.feed.content_type,
        content_id = %dead.key.content_id, created = %dead.created, reason = %dead.reason,
        error_code = "content_dead", error_type = "request_failed", stage = "receiving"
    );
}

/// Events had been delivered before.
pub(super) fn events_duplicate(progress: &Progress, feed: Feed, events: u64) {
    count("office365_duplicate_events_total", feed, events);
    progress.add_duplicates(events);
    trace!(message = "Duplicates dropped.", tenant = %feed.tenant, content_type = %feed.content_type, count = events);
}

/// Elements of a blob are no events; `reason` is the first one's.
pub(super) fn events_discarded(progress: &Progress, key: &BlobKey, events: u64, reason: &str) {
    counter!("component_discarded_events_total", "intentional" => "false").increment(events);
    count_error("parser_failed", "processing", "invalid_record");
    progress.add_discarded(events);
    error!(
        message = "Elements of a content blob are no events and were discarded.",
        tenant = %key.feed.tenant, content_type = %key.feed.content_type, content_id = %key.content_id, count = events,
        reason, error_code = "invalid_record", error_type = "parser_failed", stage = "processing", intentional = false
    );
}

/// The pipeline refused events. Whichever of its components did so has counted them as discarded. What becomes of their
/// blob is reported by [`content_retried`] and [`content_dead`].
pub(super) fn events_rejected(key: &BlobKey, events: u64) {
    count_error("request_failed", "sending", "rejected");
    error!(
        message = "The pipeline rejected events; they are sent again for about a day, then given up.",
        tenant = %key.feed.tenant, content_type = %key.feed.content_type, content_id = %key.content_id, count = events,
        error_code = "rejected", error_type = "request_failed", stage = "sending", intentional = false
    );
}

/// A record had to be repaired before it could be read.
pub(super) fn record_repaired(key: &BlobKey, repair: Repair) {
    counter!("office365_repaired_records_total").increment(1);
    debug!(
        message = "A record was repaired.",
        tenant = %key.feed.tenant, content_type = %key.feed.content_type, content_id = %key.content_id,
        invalid_utf8 = repair.invalid_utf8, lone_surrogates = repair.lone_surrogates,
        control_characters = repair.control_characters
    );
}

/// Fields of a record could not be read; its event has them as they came.
pub(super) fn record_damaged(key: &BlobKey, damages: &Damages) {
    for (_, damage) in damages.iter() {
        counter!("office365_damaged_fields_total", "reason" => damage.as_str()).increment(1);
    }
    debug!(
        message = "Fields of a record could not be read; its event has them as they came.",
        tenant = %key.feed.tenant, content_type = %key.feed.content_type, content_id = %key.content_id,
        fields = %damages
    );
}

/// A record held values that data loss prevention had detected; its event does not.
pub(super) fn record_redacted(key: &BlobKey) {
    counter!("office365_redacted_records_total").increment(1);
    trace!(
        message = "Detected values of a record were redacted.",
        tenant = %key.feed.tenant, content_type = %key.feed.content_type, content_id = %key.content_id
    );
}

/// The names of a tenant's sensitive information types were read; `again` after that had failed.
pub(super) fn sensitive_types_read(tenant: TenantId, types: usize, again: bool) {
    if again {
        info!(message = "The names of sensitive information types can be read again.", %tenant, count = types);
    } else {
        debug!(message = "Names of sensitive information types read.", %tenant, count = types);
    }
}

/// The names of a tenant's sensitive information types could not be read; `first` for the first time in a row.
pub(super) fn sensitive_types_failed(error: &ActivityError, first: bool, wait: Duration) {
    let (tenant, code, wait_secs) = (error.tenant, error.failure.code(), wait.as_secs());
    count_error("request_failed", "receiving", code);
    if first {
        warn!(
            message = "Cannot read the names of sensitive information types; events of data loss prevention have those known \
                       before, or none. Trying again.",
            %tenant, %error, error_code = code, error_type = "request_failed", stage = "receiving", wait_secs
        );
    } else {
        debug!(message = "Still cannot read the names of sensitive information types.", %tenant, error_code = code, wait_secs);
    }
}

/// Something follows the array of a blob.
pub(super) fn trailing_bytes(key: &BlobKey, bytes: u64) {
    counter!("office365_trailing_bytes_total").increment(bytes);
    warn!(
        message = "Bytes follow the array of a content blob; ignored.",
        tenant = %key.feed.tenant, content_type = %key.feed.content_type, content_id = %key.content_id, byte_size = bytes
    );
}

/// Records follow the array of a blob, where nothing should, and are taken.
pub(super) fn records_behind_array(key: &BlobKey) {
    warn!(
        message = "Records follow the array of a content blob, each time that it is fetched; they are collected, too.",
        tenant = %key.feed.tenant, content_type = %key.feed.content_type, content_id = %key.content_id
    );
}
