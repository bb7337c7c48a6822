//! Events that others have mapped, compared with ours. The files are not part of this project; without them there is nothing to
//! compare, and the test says so. tests/records.rs has our own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use chrono::DateTime;
use office365_source::{
    component::JsonObject,
    normalize::{NormalizeOptions, Normalizer, Origin, RecordMembers, Schema},
};
use serde_json::Value;

fn directory(name: &str) -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures").join(name);
    if !directory.is_dir() {
        eprintln!("SKIPPED: {} is not there", directory.display());
        return None;
    }
    Some(directory)
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn ecs(record: &str, domain: Option<&str>) -> Value {
    let normalizer = Normalizer::new(NormalizeOptions::new(Schema::Ecs));
    let mut members = RecordMembers::default();
    let record = JsonObject::parse_visiting(record.to_owned().into(), |name, raw| members.visit(name, raw)).unwrap();
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let event = normalizer.event(record, &members, &Origin::outside(domain), now).event;
    serde_json::from_str(&event.to_json()).unwrap()
}

/// All leaves of a tree by path; arrays whole.
fn leaves(path: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(&path, value, found);
            }
        }
        // Generation C leaves out what is empty.
        Value::Null | Value::Object(_) => {}
        Value::String(text) if text.is_empty() => {}
        Value::Array(list) if list.is_empty() => {}
        other => drop(found.insert(path.to_owned(), other.clone())),
    }
}

/// Whether an expected value is there: lists may have more.
fn is_in(expected: &Value, actual: Option<&Value>) -> bool {
    match (expected, actual) {
        (Value::Array(expected), Some(Value::Array(actual))) => {
            expected.iter().all(|element| actual.iter().any(|candidate| is_in(element, Some(candidate))))
        }
        (Value::Object(expected), Some(Value::Object(actual))) => expected
            .iter()
            .filter(|(_, value)| !matches!(value, Value::Null) && value.as_str() != Some(""))
            .all(|(name, value)| is_in(value, actual.get(name))),
        (expected, actual) => Some(expected) == actual,
    }
}

/// Where we differ from the stored files on purpose, by file, and why.
const DEVIATIONS: &[(&str, &str, &str)] = &[(
    "sec-comp-alerts-events",
    "message",
    "the file is of 2022, when the message was the comment; since 2025 it is the alert's name",
)];

#[test]
fn ecs_events_hold_all_that_elastics_do_but_for_the_named_deviations() {
    let Some(directory) = directory("elastic") else { return };
    let (mut compared, mut differences) = (0, Vec::new());
    for path in files(&directory).into_iter().filter(|path| path.to_string_lossy().ends_with("-expected.json")) {
        let name = path.file_name().unwrap().to_string_lossy().replace(".json-expected.json", "");
        let input = read(&path.with_file_name(format!("{name}.json")));
        let expected = read(&path);
        for (index, (input, expected)) in
            input["events"].as_array().unwrap().iter().zip(expected["expected"].as_array().unwrap()).enumerate()
        {
            let record = &input["o365audit"];
            let domain = (record["OrganizationId"] == "b86ab9d4-fcf1-4b11-8a06-7a8f91b47fbd")
                .then_some("mytenant.onmicrosoft.com");
            let actual = ecs(&record.to_string(), domain);
            let (mut wanted, mut have) = (BTreeMap::new(), BTreeMap::new());
            leaves("", expected, &mut wanted);
            leaves("", &actual, &mut have);
            for (field, value) in wanted {
                compared += 1;
                let excused = DEVIATIONS.iter().any(|(file, path, _)| name.ends_with(file) && field == *path);
                if !excused && !is_in(&value, have.get(&field)) {
                    differences.push(format!("{name} {index} {field}: expected {value}, is {:?}", have.get(&field)));
                }
            }
        }
    }
    println!("{compared} expected fields compared");
    assert!(compared > 500, "only {compared} fields were compared");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
