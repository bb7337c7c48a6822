//! The sample records of tests/records as events: what they become, and that whatever is wrong with a record, it becomes one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use chrono::{DateTime, Utc};
use office365_source::{
    component::{JsonObject, LogEvent},
    normalize::{Damages, NormalizeOptions, Normalizer, Origin, RecordMembers, Schema},
};
use proptest::{prelude::*, sample::Index};
use serde_json::Value;

const FAMILIES: [&str; 12] = [
    "copilot",
    "dlp",
    "entra",
    "exchange",
    "labels",
    "other",
    "power_bi",
    "security",
    "sharepoint",
    "teams",
    "threat_intelligence",
    "viva_engage",
];

const HOSTILE: &str = "hostile";

/// The texts of the records of a file, as they stand there.
fn records(family: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/records/{family}.json"));
    let text = fs::read_to_string(path).unwrap();
    let records: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(&text).unwrap();
    records.into_iter().map(|record| record.get().to_owned()).collect()
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

fn event(schema: Schema, record: &str) -> (LogEvent, Damages) {
    event_with(NormalizeOptions::new(schema), record)
}

fn event_with(options: NormalizeOptions, record: &str) -> (LogEvent, Damages) {
    let mut members = RecordMembers::default();
    let (record, _) =
        JsonObject::parse_repairing(record.to_owned().into(), |name, raw| members.visit(name, raw)).unwrap();
    let normalizer = Normalizer::new(options);
    let made = normalizer.event(record, &members, &Origin::outside(Some("contoso.com")), now());
    (made.event, made.damages)
}

fn tree(event: &LogEvent) -> Value {
    let json = event.to_json();
    assert!(!json.contains('\n'), "one line an event");
    serde_json::from_str(&json).unwrap()
}

#[test]
fn every_sample_becomes_the_ecs_event_of_its_snapshot() {
    for family in FAMILIES {
        let events: Vec<Value> = records(family).iter().map(|record| tree(&event(Schema::Ecs, record).0)).collect();
        assert!(events.len() >= 3, "{family}");
        insta::assert_json_snapshot!(format!("ecs_{family}"), events);
    }
}

#[test]
fn every_sample_becomes_the_ocsf_event_of_its_snapshot() {
    for family in FAMILIES {
        let events: Vec<Value> = records(family).iter().map(|record| tree(&event(Schema::Ocsf, record).0)).collect();
        insta::assert_json_snapshot!(format!("ocsf_{family}"), events);
    }
}

#[test]
fn what_cannot_be_read_is_named_and_nothing_else_is() {
    let mut told = Vec::new();
    for family in FAMILIES.into_iter().chain([HOSTILE]) {
        for (index, record) in records(family).iter().enumerate() {
            let (_, damages) = event(Schema::Ecs, record);
            if !damages.is_empty() {
                told.push(format!("{family} {index}: {damages}"));
            }
        }
    }
    insta::assert_snapshot!("damages", told.join("\n"));
}

/// What every ECS event has, whatever the record was.
fn assert_sound(record: &str, event: &LogEvent, damages: &Damages) {
    let event = tree(event);
    for field in
        ["/@timestamp", "/event/kind", "/event/category", "/event/type", "/event/outcome", "/event/ingested", "/o365"]
    {
        assert!(event.pointer(field).is_some(), "{field} is missing for {record}");
    }
    assert_eq!(event["event"]["dataset"], "o365.audit");
    assert_eq!(event.pointer("/error/message").is_some(), !damages.is_empty());
    for address in ["/client/ip", "/source/ip", "/server/ip", "/destination/ip"] {
        if let Some(ip) = event.pointer(address) {
            ip.as_str().unwrap().parse::<std::net::IpAddr>().unwrap_or_else(|_| panic!("{address} of {record}"));
        }
    }
    for list in ["/related/ip", "/related/user", "/related/hosts", "/event/category", "/event/type"] {
        if let Some(list) = event.pointer(list) {
            let list: Vec<_> = list.as_array().unwrap().iter().map(|element| element.as_str().unwrap()).collect();
            let distinct: std::collections::HashSet<_> = list.iter().collect();
            assert_eq!(distinct.len(), list.len(), "{list:?}");
        }
    }
}

#[test]
fn a_hostile_record_passes_and_says_what_is_wrong_with_it() {
    let records = records(HOSTILE);
    let mut with_damage = 0;
    for record in &records {
        let (event, damages) = event(Schema::Ecs, record);
        assert_sound(record, &event, &damages);
        with_damage += usize::from(!damages.is_empty());
    }
    assert!(with_damage * 3 > records.len(), "only {with_damage} of {} records have damage", records.len());
}

#[test]
fn nothing_of_a_record_is_lost() {
    const MARK: &str = "kept-mark";
    for family in FAMILIES {
        for record in records(family) {
            let tree: Value = serde_json::from_str(&record).unwrap();
            // The record itself stays an object.
            for place in 1..count(&tree) {
                let mut marked = tree.clone();
                replace(&mut marked, &mut place.clone(), &Value::from(MARK));
                let marked = marked.to_string();
                for schema in [Schema::Ecs, Schema::Ocsf] {
                    let options =
                        NormalizeOptions { redact: false, user_agents: false, ..NormalizeOptions::new(schema) };
                    let text = event_with(options, &marked).0.to_json();
                    assert!(text.contains(MARK), "{family}, {schema:?}, value {place}: {marked}\n{text}");
                }
            }
        }
    }
}

/// Replaces the `nth` value within `value`, counting all, by `new`.
fn replace(value: &mut Value, nth: &mut usize, new: &Value) {
    if *nth == 0 {
        *value = new.clone();
    }
    *nth = nth.wrapping_sub(1);
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| replace(value, nth, new)),
        Value::Object(map) => map.values_mut().for_each(|value| replace(value, nth, new)),
        _ => {}
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0_usize,
    }
}

fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "<null>",
            "undefined",
            "{",
            "[]",
            "{\"a\":",
            "a@b",
            "@",
            "::1",
            "1e400",
            "2020-02-30T00:00:00"
        ])
        .prop_map(Value::from),
        prop::collection::vec("\\PC{0,4}", 0..3).prop_map(Value::from),
        Just(serde_json::json!({"Name": ["x"], "Value": {"deep": [[{}]]}})),
        Just(serde_json::json!([{"Name": "a.b c", "Value": null}, "text", 7])),
        Just(Value::from("x".repeat(100_000))),
        Just(Value::from(vec![1; 10_000])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_mutated_record_passes(
        family in prop::sample::select(FAMILIES.to_vec()),
        record: Index,
        changes in prop::collection::vec((any::<Index>(), anything()), 1..6),
    ) {
        let records = records(family);
        let mut tree: Value = serde_json::from_str(record.get::<String>(&records)).unwrap();
        for (place, new) in changes {
            // The record itself stays an object.
            let mut nth = 1 + place.index(count(&tree).saturating_sub(1).max(1));
            replace(&mut tree, &mut nth, &new);
        }
        let text = tree.to_string();
        let (event, damages) = event(Schema::Ecs, &text);
        assert_sound(&text, &event, &damages);
    }
}
