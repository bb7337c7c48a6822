//! Records, read back with the messages that OpenTelemetry publishes.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value},
    logs::v1::{LogRecord, SeverityNumber},
};
use proptest::prelude::*;
use prost::Message;
use serde_json::{Map, Value, json};

use super::record;
use crate::component::{Field, JsonObject, LogEvent, SharedFields, fields};

fn log_event(json: &str) -> LogEvent {
    LogEvent::from(JsonObject::parse(Bytes::copy_from_slice(json.as_bytes())).unwrap())
}

fn observed() -> DateTime<Utc> {
    "2026-08-01T12:00:01Z".parse().unwrap()
}

fn record(event: &LogEvent) -> LogRecord {
    let mut out = Vec::new();
    record::write(&mut out, event, observed());
    LogRecord::decode(out.as_slice()).unwrap()
}

fn members(list: Vec<KeyValue>) -> Value {
    let mut members = Map::new();
    for KeyValue { key, value, .. } in list {
        let before = members.insert(key.clone(), value.map_or(Value::Null, json_of));
        assert_eq!(before, None, "{key} comes twice");
    }
    members.into()
}

fn json_of(value: AnyValue) -> Value {
    match value.value {
        None => Value::Null,
        Some(any_value::Value::StringValue(text)) => text.into(),
        Some(any_value::Value::BoolValue(value)) => value.into(),
        Some(any_value::Value::IntValue(value)) => value.into(),
        Some(any_value::Value::DoubleValue(value)) => value.into(),
        Some(any_value::Value::ArrayValue(array)) => array.values.into_iter().map(json_of).collect(),
        Some(any_value::Value::KvlistValue(list)) => members(list.values),
        other => panic!("{other:?}"),
    }
}

fn body(event: &LogEvent) -> Value {
    json_of(record(event).body.unwrap())
}

fn attributes(event: &LogEvent) -> Value {
    members(record(event).attributes)
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "\\PC{0,150}".prop_map(Into::into),
        "[\\u{0}-\\u{7f}]{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
            prop::collection::btree_map("\\PC{0,8}", inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_body_is_the_event(members in prop::collection::btree_map("[a-d]{0,2}|\\PC{0,5}", json(), 0..8), has_shared: bool) {
        let mut event = log_event(&serde_json::to_string(&members).unwrap());
        if has_shared {
            event = event.with_shared(SharedFields::new(fields([("a", Field::object([("c", "x".into())]))])));
        }
        let expected: Value = serde_json::from_str(&event.to_json()).unwrap();
        prop_assert_eq!(body(&event), expected);
    }

    #[test]
    fn no_name_comes_twice_and_the_last_one_counts(
        names in prop::collection::vec("[ab]{0,3}", 0..60), values in prop::collection::vec(0_u64..9, 60), deep: bool,
    ) {
        let members: Vec<_> = names.iter().zip(values).map(|(name, value)| format!("{name:?}:{value}")).collect();
        let members = format!("{{{}}}", members.join(","));
        let text = if deep { format!("{{\"n\":[{members}]}}") } else { members };
        // As serde_json reads it, too.
        prop_assert_eq!(body(&log_event(&text)), serde_json::from_str::<Value>(&text).unwrap());
    }
}

#[test]
fn whole_numbers_keep_every_digit() {
    let event = log_event(
        r#"{"most":9223372036854775807,"more":9223372036854775808,"less":[-9223372036854775809],"float":1e20,
            "beyond":[1e999,18446744073709551616]}"#,
    );
    let expected = json!({
        "most": i64::MAX, "more": "9223372036854775808", "less": ["-9223372036854775809"], "float": 1e20,
        "beyond": "[1e999,18446744073709551616]",
    });
    assert_eq!(body(&event), expected);
}

#[test]
fn times_are_nanoseconds_and_none_is_made_up() {
    let time: DateTime<Utc> = "2026-08-01T12:00:00.5Z".parse().unwrap();
    let text = r#"{"@timestamp":"2026-08-01T12:00:00.500Z"}"#;
    let with_member = record(&log_event(text).with_timestamp("@timestamp", time));
    assert_eq!(with_member.time_unix_nano, 1_785_585_600_500_000_000);
    assert_eq!(with_member.observed_time_unix_nano, 1_785_585_601_000_000_000);
    // The body has the text, as every other output does.
    assert_eq!(json_of(with_member.body.unwrap()), json!({ "@timestamp": "2026-08-01T12:00:00.500Z" }));
    assert_eq!(record(&log_event("{}").with_time(time)).time_unix_nano, 1_785_585_600_500_000_000);
    for time in [None, Some("1969-12-31T23:59:59Z"), Some("2999-01-01T00:00:00Z")] {
        let mut event = log_event("{}");
        if let Some(time) = time {
            event = event.with_time(time.parse().unwrap());
        }
        assert_eq!(record(&event).time_unix_nano, 0, "{time:?}");
    }
}

#[test]
fn severity_is_info_unless_the_event_says_otherwise() {
    for (event, expected) in [
        (json!({}), SeverityNumber::Info),
        (json!({ "event": { "kind": "event" } }), SeverityNumber::Info),
        (json!({ "event": { "kind": "alert" } }), SeverityNumber::Warn),
        (json!({ "event": { "kind": "alert", "severity": 1 } }), SeverityNumber::Info),
        (json!({ "event": { "kind": "alert", "severity": 2 } }), SeverityNumber::Info2),
        (json!({ "event": { "severity": 4 } }), SeverityNumber::Error),
        (json!({ "event": "alert" }), SeverityNumber::Info),
        (json!({ "severity_id": 0 }), SeverityNumber::Info),
        (json!({ "severity_id": 3 }), SeverityNumber::Warn),
        (json!({ "severity_id": 5 }), SeverityNumber::Error2),
        (json!({ "severity_id": 6 }), SeverityNumber::Fatal),
        (json!({ "severity_id": 99 }), SeverityNumber::Info),
        (json!({ "severity_id": "high" }), SeverityNumber::Info),
    ] {
        assert_eq!(record(&log_event(&event.to_string())).severity_number, expected as i32, "{event}");
    }
}

#[test]
fn attributes_are_what_the_conventions_have_a_name_for() {
    let ecs = json!({
        "ecs": { "version": "8.17.0" },
        "event": { "id": "e1" },
        "client": { "address": "198.51.100.24", "ip": "198.51.100.24" },
        "user": { "id": "amelia@contoso.com", "name": "amelia", "email": "amelia@contoso.com", "domain": "contoso.com" },
        "user_agent": { "original": "Mozilla/5.0 \"x\"" },
    });
    let expected = json!({
        "log.record.uid": "e1",
        "client.address": "198.51.100.24",
        "user.id": "amelia@contoso.com",
        "user.name": "amelia",
        "user.email": "amelia@contoso.com",
        "user_agent.original": "Mozilla/5.0 \"x\"",
    });
    assert_eq!(attributes(&log_event(&ecs.to_string())), expected);
    for (event, expected) in [
        (json!({ "metadata": { "uid": "o1" }, "user": { "name": "whom" } }), json!({ "log.record.uid": "o1" })),
        (json!({ "Id": "r1", "UserId": "amelia" }), json!({ "log.record.uid": "r1" })),
        (json!({ "Id": 7, "event": [], "ecs": null }), json!({})),
    ] {
        assert_eq!(attributes(&log_event(&event.to_string())), expected, "{event}");
    }
}

#[test]
fn what_is_shared_wins_and_a_deep_value_stays_text() {
    let shared = SharedFields::new(fields([("meta", Field::object([("host", "contoso.com".into())]))]));
    let deep = format!("{}{}", "[".repeat(4_000), "]".repeat(4_000));
    let event = log_event(&format!(r#"{{"meta":1,"deep":{deep},"huge":1e999}}"#)).with_shared(shared);
    let body = body(&event);
    assert_eq!(body["meta"], json!({ "host": "contoso.com" }));
    assert_eq!(body["huge"], "1e999");
    assert_eq!(body["deep"].to_string().matches('[').count(), 4_000);
}
