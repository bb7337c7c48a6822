//! A log event: the record's own text and what normalisation adds to it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
#[cfg(feature = "vrl")]
use vrl::value::{KeyString, ObjectMap, Value};

use super::{
    AddBatchNotifier, BatchNotifier, ComponentKey, EventFinalizer, EventFinalizers, EventStatus, Fields, Finalizable,
    JsonObject,
};

/// A log event.
///
/// It holds the record's JSON text, shared with its neighbours, and members that were added to it. Writing it as JSON
/// copies text; a tree is only built when a host asks for one with `LogEvent::value`,
/// which feature `vrl` has.
#[derive(Clone, Debug)]
pub struct LogEvent {
    record: JsonObject,
    timestamp: Option<(Option<&'static str>, DateTime<Utc>)>,
    shared: Option<Arc<SharedFields>>,
    metadata: EventMetadata,
}

/// Top-level members that many events have in common, such as where they come from; made once, shared by all of them.
///
/// They win over members of a record with the same name.
#[derive(Debug)]
pub struct SharedFields {
    fields: Fields,
    /// The same, without the outer braces.
    json: String,
    /// The same, each with its own JSON value, in the order of the names.
    members: Vec<(String, String)>,
}

/// What an event carries beside its fields.
#[derive(Clone, Debug, Default)]
pub struct EventMetadata {
    finalizers: EventFinalizers,
    source_id: Option<Arc<ComponentKey>>,
    source_type: Option<&'static str>,
}

impl SharedFields {
    /// Fields to add to events.
    pub fn new(fields: Fields) -> Arc<Self> {
        // Texts, times and objects always serialise.
        let json = |value| serde_json::to_string(value).unwrap_or_default();
        let members: Vec<_> = fields.iter().map(|(name, value)| (name.clone(), json(value))).collect();
        let texts = members.iter().map(|(name, value)| format!("{}:{value}", serde_json::Value::from(name.as_str())));
        Arc::new(Self { json: texts.collect::<Vec<_>>().join(","), fields, members })
    }
}

impl LogEvent {
    /// Gives the event its time, found in the member `name`, which then is a timestamp in `LogEvent::value`.
    #[must_use]
    pub fn with_timestamp(mut self, name: &'static str, time: DateTime<Utc>) -> Self {
        self.timestamp = Some((Some(name), time));
        self
    }

    /// Gives the event its time, which none of its members holds as a timestamp.
    #[must_use]
    pub fn with_time(mut self, time: DateTime<Utc>) -> Self {
        self.timestamp = Some((None, time));
        self
    }

    /// Adds fields that many events share.
    #[must_use]
    pub fn with_shared(mut self, shared: Arc<SharedFields>) -> Self {
        self.shared = Some(shared);
        self
    }

    /// The record as it came.
    pub const fn record(&self) -> &JsonObject {
        &self.record
    }

    /// The event's own time, if the record has one that can be read.
    pub fn timestamp(&self) -> Option<DateTime<Utc>> {
        self.timestamp.map(|(_, time)| time)
    }

    /// The event's own time and the member that holds it as text, if one does; in a tree, that is a timestamp.
    #[cfg(feature = "cli")]
    pub(crate) fn timestamp_member(&self) -> Option<(&'static str, DateTime<Utc>)> {
        self.timestamp.and_then(|(name, time)| Some((name?, time)))
    }

    /// The fields that were added; they win over the record's members.
    #[cfg(feature = "cli")]
    pub(crate) fn shared(&self) -> Option<&Fields> {
        self.shared.as_deref().map(|shared| &shared.fields)
    }

    /// Finalizers and origin.
    pub const fn metadata(&self) -> &EventMetadata {
        &self.metadata
    }

    /// Finalizers and origin, to change.
    pub const fn metadata_mut(&mut self) -> &mut EventMetadata {
        &mut self.metadata
    }

    /// About how many bytes the event has as JSON.
    pub fn json_size(&self) -> usize {
        self.record.as_bytes().len() + self.shared.as_ref().map_or(0, |shared| shared.json.len() + 1)
    }

    /// Appends the event as one JSON object, the record's members first and as they came, without a line end.
    ///
    /// No line break within the record survives: NDJSON needs one line an event.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let Some(shared) = self.shared.as_ref().filter(|shared| !shared.json.is_empty()) else {
            self.push_record(out, self.record.as_str().trim_ascii());
            return;
        };
        out.push(b'{');
        let start = out.len();
        if self.overrides_a_member(shared) {
            self.record.for_each_member(|name, value| {
                if !shared.fields.contains_key(name) {
                    if out.len() > start {
                        out.push(b',');
                    }
                    push_single_line(out, &serde_json::Value::from(name).to_string());
                    out.push(b':');
                    push_single_line(out, value);
                }
            });
        } else {
            self.push_record(out, self.record.inner());
        }
        if out.len() > start {
            out.push(b',');
        }
        out.extend_from_slice(shared.json.as_bytes());
        out.push(b'}');
    }

    /// Appends the record or what is within its braces, as one line.
    fn push_record(&self, out: &mut Vec<u8>, text: &str) {
        if self.record.may_have_line_breaks() {
            push_single_line(out, text);
        } else {
            out.extend_from_slice(text.as_bytes());
        }
    }

    /// The event as JSON text.
    pub fn to_json(&self) -> String {
        let mut out = Vec::with_capacity(self.json_size() + 2);
        self.write_json(&mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    /// The event as a tree, for hosts that need one. The timestamp's member is a [`Value::Timestamp`]; a member nested
    /// so deeply that no tree can be built safely keeps its JSON text, and so does a whole number that is no [`i64`]: a
    /// float would lose digits of it.
    #[cfg(feature = "vrl")]
    pub fn value(&self) -> Value {
        let mut object = ObjectMap::new();
        self.record.for_each_member(|name, raw| {
            object.insert(KeyString::from(name), tree(raw));
        });
        if let Some((Some(name), time)) = self.timestamp {
            object.insert(KeyString::from(name), Value::Timestamp(time));
        }
        if let Some(shared) = &self.shared {
            object.extend(shared.fields.iter().map(|(name, value)| (name.as_str().into(), value.clone().into())));
        }
        Value::Object(object)
    }

    /// Shows `visit` each top-level member of [`LogEvent::to_json`], in its order: name and raw JSON value.
    pub(crate) fn for_each_member(&self, mut visit: impl FnMut(&str, &str)) {
        self.record.for_each_member(|name, value| {
            if !self.shared.as_ref().is_some_and(|shared| shared.fields.contains_key(name)) {
                visit(name, value);
            }
        });
        self.for_each_shared_member(visit);
    }

    /// Shows `visit` each member that was added to the record: name and raw JSON value.
    pub(crate) fn for_each_shared_member(&self, mut visit: impl FnMut(&str, &str)) {
        for (name, value) in self.shared.iter().flat_map(|shared| &shared.members) {
            visit(name.as_str(), value);
        }
    }

    /// Whether all members of the record are members of the event.
    pub(crate) fn overrides_nothing(&self) -> bool {
        !self.shared.as_ref().is_some_and(|shared| self.overrides_a_member(shared))
    }

    fn overrides_a_member(&self, shared: &SharedFields) -> bool {
        // A name can only be a member if its text occurs somewhere; records hardly ever hold ours.
        let text = self.record.as_bytes();
        let may = self.record.may_have_backslash_u()
            || shared.fields.keys().any(|name| memchr::memmem::find(text, name.as_str().as_bytes()).is_some());
        may && {
            let mut overrides = false;
            self.record.for_each_member(|name, _| overrides |= shared.fields.contains_key(name));
            overrides
        }
    }
}

/// `serde_json` refuses to build what is nested deeper than 128; such text stays text, so that the event is not lost.
#[cfg(feature = "vrl")]
fn tree(raw: &str) -> Value {
    use super::whole_number::{Integers, quote_others};
    serde_json::from_str(&quote_others(raw, Integers::Signed))
        .unwrap_or_else(|_| Value::from(bytes::Bytes::copy_from_slice(raw.as_bytes())))
}

/// JSON allows line breaks between tokens and nowhere else, so that dropping them changes nothing.
fn push_single_line(out: &mut Vec<u8>, json: &str) {
    let mut rest = json.as_bytes();
    while let Some(at) = memchr::memchr2(b'\n', b'\r', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

impl From<JsonObject> for LogEvent {
    fn from(record: JsonObject) -> Self {
        Self { record, timestamp: None, shared: None, metadata: EventMetadata::default() }
    }
}

impl EventMetadata {
    /// Says which component made the event.
    #[must_use]
    pub fn with_source(mut self, id: Arc<ComponentKey>, source_type: &'static str) -> Self {
        self.source_id = Some(id);
        self.source_type = Some(source_type);
        self
    }

    /// The name of the component that made the event.
    pub fn source_id(&self) -> Option<&ComponentKey> {
        self.source_id.as_deref()
    }

    /// The type of the component that made the event.
    pub const fn source_type(&self) -> Option<&'static str> {
        self.source_type
    }

    /// Whether the source that waited for the event has gone: see [`EventFinalizers::are_abandoned`].
    pub fn is_abandoned(&self) -> bool {
        self.finalizers.are_abandoned()
    }

    /// Worsens the event's delivery status.
    pub fn update_status(&self, status: EventStatus) {
        self.finalizers.update_status(status);
    }

    /// Reports the event's delivery status at once instead of when it is dropped.
    pub fn update_sources(&mut self) {
        self.finalizers.update_sources();
    }
}

impl AddBatchNotifier for LogEvent {
    fn add_batch_notifier(&mut self, notifier: BatchNotifier) {
        self.metadata.finalizers.add(EventFinalizer::new(notifier));
    }
}

impl Finalizable for LogEvent {
    fn take_finalizers(&mut self) -> EventFinalizers {
        self.metadata.finalizers.take_finalizers()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::component::{Field, fields};

    fn event(text: &str) -> LogEvent {
        LogEvent::from(JsonObject::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap())
    }

    fn shared() -> Arc<SharedFields> {
        SharedFields::new(fields([("meta", Field::object([("host", "contoso.com".into())]))]))
    }

    #[test]
    fn a_record_is_written_as_it_came_followed_by_what_is_added() {
        let event = event("{\r\n \"n\": 1e9,\n \"m\": 12345678901234567890123 }").with_shared(shared());
        assert_eq!(event.to_json(), r#"{"n": 1e9, "m": 12345678901234567890123,"meta":{"host":"contoso.com"}}"#);
        assert_eq!(super::super::LogEvent::from(event.record().clone()).to_json().lines().count(), 1);
    }

    #[test]
    fn an_empty_record_and_a_member_of_the_same_name_stay_valid_json() {
        assert_eq!(event("{}").with_shared(shared()).to_json(), r#"{"meta":{"host":"contoso.com"}}"#);
        let clash = event(r#"{"a":"meta","meta":[1],"met\u0061":2,"b":3}"#).with_shared(shared());
        assert_eq!(clash.to_json(), r#"{"a":"meta","b":3,"meta":{"host":"contoso.com"}}"#);
    }

    #[test]
    fn the_tree_has_the_timestamp_and_survives_deep_nesting() {
        let time = DateTime::from_timestamp(1_435_608_199, 0).unwrap();
        let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
        let event = event(&format!(r#"{{"CreationTime":"2015-06-29T20:03:19","d":{deep},"s":"x"}}"#))
            .with_timestamp("CreationTime", time)
            .with_shared(shared());
        let value = event.value();
        let object = value.as_object().unwrap();
        assert_eq!(object["CreationTime"], Value::Timestamp(time));
        assert_eq!(object["d"].to_string_lossy(), deep);
        assert_eq!(object["s"], Value::from("x"));
        assert_eq!(object["meta"].as_object().unwrap()["host"], Value::from("contoso.com"));
    }

    #[test]
    fn the_tree_has_every_digit_of_a_whole_number() {
        for (number, expected) in [
            ("9223372036854775807", Value::Integer(i64::MAX)),
            ("-9223372036854775808", Value::Integer(i64::MIN)),
            ("9223372036854775808", Value::from("9223372036854775808")),
            ("18446744073709551615", Value::from("18446744073709551615")),
            ("-9223372036854775809", Value::from("-9223372036854775809")),
            ("123456789012345678901234567890", Value::from("123456789012345678901234567890")),
            // Measures.
            ("12345678901234567890.5", Value::from_f64_or_zero(12_345_678_901_234_567_890.5)),
            ("1e20", Value::from_f64_or_zero(1e20)),
        ] {
            let event = event(&format!(r#"{{"n":{number},"in":[{{"n":{number}}}]}}"#));
            let value = event.value();
            let object = value.as_object().unwrap();
            assert_eq!(object["n"], expected);
            let Value::Array(items) = &object["in"] else { panic!("{object:?}") };
            assert_eq!(items[0].as_object().unwrap()["n"], expected);
        }
        // Not even a float has room for the other one, and the text is the record's own.
        let text = r#"{"n":[1e999,12345678901234567890]}"#;
        assert_eq!(event(text).value().as_object().unwrap()["n"], Value::from("[1e999,12345678901234567890]"));
    }

    proptest! {
        #[test]
        fn json_and_tree_say_the_same(members in prop::collection::btree_map("[a-z]{1,5}", "\\PC*", 0..5)) {
            let text = serde_json::to_string(&members).unwrap();
            let event = event(&text).with_shared(shared());
            let reread: Value = serde_json::from_str(&event.to_json()).unwrap();
            prop_assert_eq!(reread, event.value());
        }
    }
}
