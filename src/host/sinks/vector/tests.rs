//! What is written straight into bytes, against messages built field by field.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use proptest::prelude::*;
use prost::Message;
use vrl::value::{ObjectMap, Value};

use super::{
    event,
    proto::{self, Event, EventWrapper, Kind, Log, Metadata, Timestamp, ValueArray, ValueMap, ValueNull},
};
use crate::component::{ComponentKey, Field, JsonObject, LogEvent, SharedFields};

fn log_event(json: &str) -> LogEvent {
    LogEvent::from(JsonObject::parse(Bytes::copy_from_slice(json.as_bytes())).unwrap())
}

fn with_source(mut event: LogEvent) -> LogEvent {
    *event.metadata_mut() = event.metadata().clone().with_source(Arc::new(ComponentKey::from("m365")), "office365");
    event
}

/// The simple way: the tree, and then the message.
fn message(value: Value) -> proto::Value {
    let kind = match value {
        Value::Bytes(text) => Kind::RawBytes(text.to_vec()),
        Value::String(text) => Kind::RawBytes(text.as_bytes().to_vec()),
        Value::Integer(value) => Kind::Integer(value),
        Value::Float(value) => Kind::Float(value.into_inner()),
        Value::Boolean(value) => Kind::Boolean(value),
        Value::Timestamp(time) => {
            Kind::Timestamp(Timestamp { seconds: time.timestamp(), nanos: time.timestamp_subsec_nanos().cast_signed() })
        }
        Value::Object(object) => Kind::Map(ValueMap { fields: fields(object) }),
        Value::Array(values) => Kind::Array(ValueArray { items: values.into_iter().map(message).collect() }),
        Value::Null => Kind::Null(ValueNull::NullValue as i32),
        Value::Regex(_) => unreachable!("is not JSON"),
    };
    proto::Value { kind: Some(kind) }
}

fn fields(object: ObjectMap) -> BTreeMap<String, proto::Value> {
    object.into_iter().map(|(name, value)| (name.to_string(), message(value))).collect()
}

fn simple(event: &LogEvent) -> EventWrapper {
    let Value::Object(object) = event.value() else { panic!("{event:?}") };
    let metadata = Metadata {
        value: None,
        source_id: event.metadata().source_id().map(ToString::to_string),
        source_type: event.metadata().source_type().map(str::to_owned),
    };
    let log = Log { fields: fields(object), metadata_full: Some(metadata), ..Log::default() };
    EventWrapper { event: Some(Event::Log(log)) }
}

fn encode(event: &LogEvent) -> Vec<u8> {
    let mut out = Vec::new();
    event::write(&mut out, event);
    out
}

fn decode(bytes: &[u8]) -> EventWrapper {
    EventWrapper::decode(bytes).unwrap()
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "\\PC{0,200}".prop_map(Into::into),
        "[\\u{0}-\\u{7f}]{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
            prop::collection::btree_map("\\PC{0,8}", inner, 0..8)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_bytes_are_those_of_the_simple_way(
        members in prop::collection::btree_map("[a-d]{0,2}|\\PC{0,5}", json(), 0..8),
        seconds in -10_000_000_000_i64..100_000_000_000,
        nanos in 0_u32..1_000_000_000,
        has_time: bool,
        has_shared: bool,
        pretty: bool,
    ) {
        let text = if pretty { serde_json::to_string_pretty(&members) } else { serde_json::to_string(&members) };
        let mut event = with_source(log_event(&text.unwrap()));
        if has_time {
            event = event.with_timestamp("a", DateTime::<Utc>::from_timestamp(seconds, nanos).unwrap());
        }
        if has_shared {
            let time = Field::Timestamp(DateTime::<Utc>::from_timestamp(seconds, nanos).unwrap());
            let inner = Field::object([("c", "x".into()), ("created", time)]);
            event = event.with_shared(SharedFields::new(crate::component::fields([("b", inner), ("a", "wins".into())])));
        }
        let bytes = encode(&event);
        prop_assert_eq!(decode(&bytes), simple(&event));
    }
}

#[test]
fn a_member_that_comes_twice_is_the_last_one() {
    let event = log_event(r#"{"a":1,"a":{"b":1,"b":2},"\u0061":3}"#);
    assert_eq!(decode(&encode(&event)), simple(&event));
}

#[test]
fn numbers_beyond_all_floats_cost_their_member_the_structure_only() {
    let event = log_event(r#"{"a":{"n":[1e999]},"b":{"c":2},"d":-1E+400}"#);
    assert_eq!(decode(&encode(&event)), simple(&event));
    let Some(Event::Log(log)) = decode(&encode(&event)).event else { panic!() };
    assert_eq!(log.fields["a"].kind, Some(Kind::RawBytes(br#"{"n":[1e999]}"#.to_vec())));
    assert!(matches!(log.fields["b"].kind, Some(Kind::Map(_))));
}

#[test]
fn whole_numbers_keep_every_digit() {
    let text = |text: &str| Some(Kind::RawBytes(text.as_bytes().to_vec()));
    let event = log_event(
        r#"{"most":9223372036854775807,"more":9223372036854775808,"least":-9223372036854775808,
            "less":-9223372036854775809,"many":123456789012345678901234567890,"float":1.2345678901234567890e30,
            "text":"1e999","in":[{"n":18446744073709551615}],"beyond":[1e999,18446744073709551615]}"#,
    );
    assert_eq!(decode(&encode(&event)), simple(&event));
    let Some(Event::Log(log)) = decode(&encode(&event)).event else { panic!() };
    assert_eq!(log.fields["most"].kind, Some(Kind::Integer(i64::MAX)));
    assert_eq!(log.fields["least"].kind, Some(Kind::Integer(i64::MIN)));
    assert_eq!(log.fields["more"].kind, text("9223372036854775808"));
    assert_eq!(log.fields["less"].kind, text("-9223372036854775809"));
    assert_eq!(log.fields["many"].kind, text("123456789012345678901234567890"));
    assert_eq!(log.fields["float"].kind, Some(Kind::Float(1.234_567_890_123_456_7e30)));
    assert_eq!(log.fields["beyond"].kind, text("[1e999,18446744073709551615]"));
    assert_eq!(as_json(log.fields["in"].clone()), r#"[{"n":"18446744073709551615"}]"#);
}

#[test]
fn what_is_nested_deeper_than_decoders_go_is_text_and_nothing_is_lost() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"a":[0,"#, "]}]")] {
        for depth in [1, 28, 29, 30, 31, 44, 45, 46, 60, 127, 128, 129, 5_000] {
            let text = format!("{{\"deep\":{}7{},\"n\":7}}", open.repeat(depth), close.repeat(depth));
            let request = {
                let mut out = Vec::new();
                let wrapper = crate::host::sinks::protobuf::open(&mut out, super::EVENTS);
                event::write(&mut out, &log_event(&text));
                crate::host::sinks::protobuf::close(&mut out, wrapper);
                out
            };
            let mut request = proto::PushEventsRequest::decode(&*request).unwrap();
            let Some(Event::Log(mut log)) = request.events.remove(0).event else { panic!() };
            assert_eq!(log.fields["n"].kind, Some(Kind::Integer(7)));
            let deep = as_json(log.fields.remove("deep").unwrap());
            // Text in the message is text in the JSON: without its quotes and escapes it is what came.
            let plain: String = deep.chars().filter(|c| !matches!(c, '"' | '\\')).collect();
            let came: String = text.chars().filter(|c| !matches!(c, '"' | '\\')).collect();
            assert_eq!(format!("{{deep:{plain},n:7}}"), came, "{open} {depth}");
        }
    }
}

fn as_json(value: proto::Value) -> String {
    match value.kind.unwrap() {
        Kind::RawBytes(text) => serde_json::Value::from(String::from_utf8(text).unwrap()).to_string(),
        Kind::Integer(value) => value.to_string(),
        Kind::Map(map) => {
            let members: Vec<_> =
                map.fields.into_iter().map(|(name, value)| format!("\"{name}\":{}", as_json(value))).collect();
            format!("{{{}}}", members.join(","))
        }
        Kind::Array(array) => {
            let items: Vec<_> = array.items.into_iter().map(as_json).collect();
            format!("[{}]", items.join(","))
        }
        other => panic!("{other:?}"),
    }
}

/// One event, byte by byte; what `protoc` makes of the same event is the same.
#[test]
fn golden_bytes() {
    let time = DateTime::parse_from_rfc3339("2026-08-01T12:00:00.5Z").unwrap().to_utc();
    let text = r#"{"@timestamp":"2026-08-01T12:00:00.500Z","n":-1,"ok":true,"f":0.5,"user":{"name":"Zoë"},"l":[null]}"#;
    let event = with_source(log_event(text)).with_timestamp("@timestamp", time);
    #[rustfmt::skip]
    let golden = [
        "0a8601", // EventWrapper.log, 134 bytes; then Log.fields, an entry each: key (0a) and value (12)
        "0a10", "0a016e", "120b", "20ffffffffffffffffff01", // "n": integer (4) -1
        "0a08", "0a026f6b", "1202", "3001", // "ok": boolean (6) true
        "0a0e", "0a0166", "1209", "29000000000000e03f", // "f": float (5) 0.5
        "0a1a", "0a0475736572", "1212", "3a10", // "user": map (7)
        "0a0e", "0a046e616d65", "1206", "0a045a6fc3ab", // its fields: "name": raw_bytes (1) "Zoë"
        "0a0b", "0a016c", "1206", "4204", "0a02", "4800", // "l": array (8) of one item: null (9)
        "0a1c", "0a0a4074696d657374616d70", "120e", "120c", // "@timestamp": timestamp (2)
        "08c0bfb7d306", "1080cab5ee01", // its seconds (1) and nanos (2)
        "2211", "1a046d333635", "22096f6666696365333635", // Log.metadata_full: source_id "m365", source_type "office365"
    ]
    .concat();
    let byte = |at: usize| u8::from_str_radix(&golden[at..at + 2], 16).unwrap();
    assert_eq!(encode(&event), (0..golden.len()).step_by(2).map(byte).collect::<Vec<_>>());
    assert_eq!(decode(&encode(&event)), simple(&event));
}
