//! What the collector reports: one function for each fact, so that each is both counted and logged.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use metrics::{counter, gauge, histogram};
use tracing::{debug, error, info, trace, warn};

use super::{CollectorError, tally::Fate};
pub(super) use crate::telemetry::{feed_failed, feed_recovered, fetch_failed, throttled};
use crate::{
    activity::ActivityError,
    component::{ComponentKey, Repair},
    content::{Feed, TenantId},
    graph::GraphError,
    ledger::{BlobKey, DeadBlob, FeedSummary, Found, FoundByType},
    normalize::{AuditingReduced, Damages},
    telemetry::{Progress, count, count_error, labels},
};

/// For how long Microsoft holds content ("content is available for 7 days", Management Activity API reference).
const HELD_FOR: TimeDelta = TimeDelta::days(7);

/// The most characters of a record's text in a line of a log.
const LONGEST_TEXT: usize = 256;

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
pub(super) fn content_delivered(progress: &Progress, key: &BlobKey, events: u64, lag: TimeDelta) {
    count("office365_content_delivered_total", key.feed, 1);
    histogram!("office365_content_lag_seconds", &labels(key.feed)).record(seconds(lag));
    progress.add_delivered();
    debug!(
        message = "Content delivered.",
        tenant = %key.feed.tenant, content_type = %key.feed.content_type, content_id = %key.content_id, count = events
    );
}

/// How old events were when they were made. Those with a time to come count as new.
pub(super) fn events_aged(feed: Feed, lags: impl Iterator<Item = TimeDelta>) {
    let histogram = histogram!("office365_event_lag_seconds", &labels(feed));
    lags.for_each(|lag| histogram.record(seconds(lag)));
}

fn seconds(lag: TimeDelta) -> f64 {
    lag.max(TimeDelta::zero()).as_seconds_f64()
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

/// A blob was given up. `has_expired`: because Microsoft no longer holds it.
pub(super) fn content_dead(progress: &Progress, dead: &DeadBlob, has_expired: bool) {
    count("office365_content_dead_total", dead.key.feed, 1);
    count("office365_content_expired_total", dead.key.feed, u64::from(has_expired));
    count_error("request_failed", "receiving", "content_dead");
    progress.add_dead();
    error!(
        message = "Content was given up; its events are lost to this pipeline.",
        tenant = %dead.key.feed.tenant, content_type = %dead.key.feed.content_type,
        content_id = %dead.key.content_id, created = %dead.created, reason = %dead.reason,
        error_code = "content_dead", error_type = "request_failed", stage = "receiving"
    );
}

/// The records of a body that has come in whole.
pub(super) fn records_received(progress: &Progress, feed: Feed, records: u64) {
    count("office365_records_received_total", feed, records);
    progress.add_records(records);
}

/// What became of records.
pub(super) fn records_accounted(progress: &Progress, feed: Feed, fate: Fate, records: u64) {
    let [tenant, content_type] = labels(feed);
    let outcome = fate.as_str();
    counter!("office365_records_total", &[tenant, content_type, ("outcome", outcome.to_owned())]).increment(records);
    match fate {
        Fate::Emitted => progress.add_emitted(records),
        Fate::Repeated => progress.add_duplicates(records),
        Fate::Missing => progress.add_missing(records),
        Fate::Discarded => progress.add_discarded(records),
        Fate::Filtered => progress.add_filtered(records),
        Fate::Abandoned => progress.add_abandoned(records),
    }
    trace!(
        message = "Records processed.",
        tenant = %feed.tenant, content_type = %feed.content_type, outcome, count = records
    );
}

/// Records were lost, or made, between the arrival of a body and its events.
pub(super) fn records_unaccounted(feed: Feed, records: u64) {
    count("office365_unaccounted_records_total", feed, records);
    count_error("processing_failed", "processing", "records_unaccounted");
    error!(
        message = "The records of a content blob do not add up; it is fetched again. Please report this.",
        tenant = %feed.tenant, content_type = %feed.content_type, count = records,
        error_code = "records_unaccounted", error_type = "processing_failed", stage = "processing"
    );
}

/// Records that the configured filters leave out.
pub(super) fn events_filtered(feed: Feed, events: u64) {
    counter!("component_discarded_events_total", "intentional" => "true").increment(events);
    trace!(
        message = "Events discarded by filters.",
        tenant = %feed.tenant, content_type = %feed.content_type, count = events, intentional = true
    );
}

/// Elements of a blob are no events; `reason` is the first one's.
pub(super) fn records_discarded(key: &BlobKey, events: u64, reason: &str) {
    counter!("component_discarded_events_total", "intentional" => "false").increment(events);
    count_error("parser_failed", "processing", "invalid_record");
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

/// Somebody has turned auditing off. Only what is audited can be collected.
pub(super) fn auditing_reduced(key: &BlobKey, change: &AuditingReduced) {
    let [tenant, content_type] = labels(key.feed);
    let labels = [tenant, content_type, ("operation", change.cmdlet.to_owned())];
    counter!("office365_auditing_reduced_total", &labels).increment(1);
    warn!(
        message = "An administrator has turned auditing off, or tried to; what is not audited cannot be collected. Make sure that \
                   this was intended.",
        tenant = %key.feed.tenant, content_type = %key.feed.content_type, cmdlet = change.cmdlet,
        parameter = change.parameter, user = printable(change.user.as_deref()), object = printable(change.object.as_deref())
    );
}

/// A text of a record, fit for a line of a log.
fn printable(text: Option<&str>) -> String {
    text.map(|text| crate::printable::printable(text, LONGEST_TEXT)).unwrap_or_default()
}

/// How much of each feed is pending.
pub(super) fn backlog(feed: Feed, summary: FeedSummary, now: DateTime<Utc>) {
    let labels = labels(feed);
    gauge!("office365_content_pending", &labels).set(number(summary.pending));
    gauge!("office365_content_dead", &labels).set(number(summary.dead));
    let age = summary.oldest_pending.map_or(TimeDelta::zero(), |oldest| now - oldest);
    gauge!("office365_oldest_pending_seconds", &labels).set(seconds(age));
    // Without anything pending, as far away as for content that was created just now.
    gauge!("office365_content_expiry_seconds", &labels).set((HELD_FOR - age.max(TimeDelta::zero())).as_seconds_f64());
}

/// How much room the ledger takes.
pub(super) fn ledger_size(bytes: u64) {
    gauge!("office365_ledger_bytes").set(number(bytes));
}

/// So many bytes more of bodies are on disk.
pub(super) fn spooled(bytes: u64) {
    gauge!("office365_spool_bytes").increment(number(bytes));
}

/// So many bytes less of bodies are on disk.
pub(super) fn unspooled(bytes: u64) {
    gauge!("office365_spool_bytes").decrement(number(bytes));
}

#[expect(clippy::cast_precision_loss, reason = "counts and bytes are far below where a float loses precision")]
const fn number(number: u64) -> f64 {
    number as f64
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

/// A page of the records of a query is asked for again.
pub(super) fn search_page_retried(error: &GraphError, attempt: u32) {
    let code = error.failure.code();
    count_error("request_failed", "receiving", code);
    debug!(message = "A page of the audit search is asked for again.", tenant = %error.tenant, %error, attempt);
}

/// Two passes over the records of the same finished query differ.
pub(super) fn passes_disagree(tenant: TenantId, query: &str, pass: u8, records: usize, all: usize) {
    counter!("office365_search_disagreements_total", "tenant" => tenant.to_string()).increment(1);
    debug!(
        message = "The audit search has shown other records than before for the same query; all of them count.",
        %tenant, query, pass, records, all
    );
}

/// Microsoft Graph's name of a record type and its number, which no table has together.
pub(super) fn record_type_pair(name: &str, number: i64) {
    counter!("office365_unknown_record_types_total").increment(1);
    info!(
        message = "The audit search names a record type that is not in the table of names; please report both.",
        audit_log_record_type = crate::printable::printable(name, LONGEST_TEXT),
        record_type = number
    );
}

/// The records of a search cannot be read now, or not at all.
pub(super) fn search_failed(key: &BlobKey, problem: &str) {
    count_error("request_failed", "receiving", "search");
    debug!(
        message = "The records of an audit log query cannot be read; trying again.",
        tenant = %key.feed.tenant, content_id = %key.content_id, problem, error_type = "request_failed", stage = "receiving"
    );
}

/// The records of a search have been compared with what was delivered.
pub(super) fn search_compared(key: &BlobKey, found: &FoundByType, healed: u64) {
    let all = found.values().fold(Found::default(), |all, some| all.and(*some));
    let tenant = || ("tenant", key.feed.tenant.to_string());
    counter!("office365_search_records_total", &[tenant()]).increment(all.records);
    counter!("office365_search_missing_records_total", &[tenant()]).increment(all.missing);
    counter!("office365_search_healed_events_total", &[tenant()]).increment(healed);
    if all.missing > 0 {
        warn!(
            message = "The audit search has records that were not delivered.",
            tenant = %key.feed.tenant, content_id = %key.content_id, records = all.records, missing = all.missing
        );
    } else {
        info!(
            message = "Records of the audit search compared with what was delivered.",
            tenant = %key.feed.tenant, content_id = %key.content_id, records = all.records, healed
        );
    }
}
