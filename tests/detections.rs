//! The Sigma rules of config-examples/detections over the events of tests/records, and the fields that all detections name.
//!
//! The configurations of Vector bring their own tests: `vector test config-examples/detections/*.yaml`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use chrono::DateTime;
use office365_source::{
    component::JsonObject,
    normalize::{NormalizeOptions, Normalizer, Origin, RecordMembers, Schema},
};
use serde_json::{Value, value::RawValue};

fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

/// The ECS events of all samples, by the name of their family and their number.
fn events() -> Vec<(String, Value)> {
    let normalizer = Normalizer::new(NormalizeOptions::new(Schema::Ecs));
    let origin = Origin::outside(Some("contoso.com"));
    let mut events = Vec::new();
    for path in files("tests/records", "json") {
        let text = fs::read_to_string(&path).unwrap();
        for (index, record) in serde_json::from_str::<Vec<Box<RawValue>>>(&text).unwrap().into_iter().enumerate() {
            let mut members = RecordMembers::default();
            let record = record.get().to_owned().into();
            let (record, _) = JsonObject::parse_repairing(record, |name, raw| members.visit(name, raw)).unwrap();
            let made = normalizer.event(record, &members, &origin, DateTime::UNIX_EPOCH);
            events.push((format!("{} {index}", stem(&path)), serde_json::from_str(&made.event.to_json()).unwrap()));
        }
    }
    events
}

#[test]
fn sigma_rules_choose_what_they_should() {
    let events = events();
    let mut told = Vec::new();
    for path in files("config-examples/detections/sigma", "yml") {
        let rule = sigma_rust::rule_from_yaml(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(rule.logsource.product.as_deref(), Some("m365"), "{}", path.display());
        for (name, event) in &events {
            if rule.is_match(&sigma_rust::event_from_json(&event.to_string()).unwrap()) {
                let text = |pointer| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
                told.push(format!("{}: {name} {} {}", stem(&path), text("/event/code"), text("/event/action")));
            }
        }
    }
    insta::assert_snapshot!("sigma", told.join("\n"));
}

fn paths(path: &str, value: &Value, found: &mut BTreeSet<String>) {
    found.insert(path.to_owned());
    if let Value::Object(map) = value {
        for (name, value) in map {
            paths(&if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, value, found);
        }
    }
}

#[test]
fn detections_are_tested_on_fields_that_events_have() {
    let mut known = BTreeSet::new();
    for (_, event) in events() {
        paths("", &event, &mut known);
    }
    let mut named = 0;
    for path in files("config-examples/detections", "yaml") {
        let file: Value = serde_yaml_ng::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let tests = file["tests"].as_array().map(Vec::as_slice).unwrap_or_default();
        let inputs = tests.iter().filter_map(|test| test["inputs"].as_array()).flatten();
        for field in inputs.filter_map(|input| input["log_fields"].as_object()).flat_map(|fields| fields.keys()) {
            named += 1;
            assert!(known.contains(field.as_str()), "{}: no event has {field}", path.display());
        }
    }
    assert!(named > 200, "only {named} fields were found");
}
