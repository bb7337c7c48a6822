//! One event as an `event.EventWrapper` of Vector's lib/vector-core/proto/event.proto.

use crate::{
    component::LogEvent,
    host::sinks::{
        json_value::{Dialect, entry},
        protobuf::{bytes, close, open},
    },
};

/// `oneof kind` of `event.Value`.
pub(super) const VALUE: Dialect = Dialect {
    text: 1,            // bytes raw_bytes
    timestamp: Some(2), // google.protobuf.Timestamp timestamp
    integer: 4,         // int64 integer
    float: 5,           // double float
    boolean: 6,         // bool boolean
    object: 7,          // ValueMap map
    array: 8,           // ValueArray array
    null: Some(9),      // ValueNull null
    unique_names: false,
};

/// `Log log` of `EventWrapper`.
const LOG: u32 = 1;
/// `Metadata metadata_full` of `Log`.
const METADATA_FULL: u32 = 4;
/// `string source_id` of `Metadata`.
const SOURCE_ID: u32 = 3;
/// `string source_type` of `Metadata`.
const SOURCE_TYPE: u32 = 4;

/// Appends the content of the wrapper of `event`.
///
/// The members are in `fields` (1), as Vector itself sends events that are objects, and not in `value` (2), which it
/// only uses for others: every Vector reads them there. Of the metadata, there is what a Vector would send for an event
/// of this source; the rest does not apply to this source (secrets, Datadog's origins) or is Vector's own
/// (`upstream_id`, `source_event_id`).
pub(super) fn write(out: &mut Vec<u8>, event: &LogEvent) {
    let log = open(out, LOG);
    let shared = event.shared();
    let time = event.timestamp_member();
    let is_replaced = |name: &str| {
        time.is_some_and(|(member, _)| member == name) || shared.is_some_and(|fields| fields.contains_key(name))
    };
    VALUE.entries(out, event.record().as_str(), is_replaced);
    if let Some((name, time)) = time.filter(|(name, _)| shared.is_none_or(|fields| !fields.contains_key(*name))) {
        entry(out, name, |out| VALUE.time(out, time));
    }
    for (name, value) in shared.into_iter().flatten() {
        entry(out, name, |out| VALUE.field(out, value));
    }
    let metadata = open(out, METADATA_FULL);
    if let Some(id) = event.metadata().source_id() {
        bytes(out, SOURCE_ID, id.to_string().as_bytes());
    }
    if let Some(source_type) = event.metadata().source_type() {
        bytes(out, SOURCE_TYPE, source_type.as_bytes());
    }
    close(out, metadata);
    close(out, log);
}
