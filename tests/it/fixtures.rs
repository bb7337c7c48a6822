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
const DEVIATIONS: &[(&str, &str, &str)] = &[
    (
        "sec-comp-alerts-events",
        "message",
        "the file is of 2022, when the message was the comment; since 2025 it is the alert's name",
    ),
    (
        "stringly-json-events",
        "event.outcome",
        "`InProgress` says that nothing has ended yet; a word that is neither success nor failure is unknown",
    ),
];

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

/// Fields that SEKOIA's dialect has in common with ours, and why some of them differ nevertheless. Others of its fields are
/// its own: they are counted, not compared.
const SEKOIA: &[(&str, &str)] = &[
    ("@timestamp", "theirs has no milliseconds; compared as a time"),
    ("event.action", "theirs has no dot at the end; ours is renamed for some operations, as Elastic's"),
    (
        "source.ip",
        "of two addresses theirs is `ClientIP`, ours `ClientIPAddress`, as Elastic's; theirs is in lower case",
    ),
    ("source.port", ""),
    ("related.ip", "as source.ip; and theirs has addresses of its own fields"),
    ("url.original", "of alerts and investigations theirs also has the entities' links"),
    ("file.name", "theirs is also filled from the records of threat intelligence and mail"),
    ("file.directory", ""),
    ("file.extension", ""),
    ("rule.id", "of a DLP match ours are the rules, theirs is the policy"),
    ("user_agent.original", ""),
    ("email.to.address", "of alerts and investigations theirs also has the entities' mailboxes and reporters"),
    ("email.subject", "theirs is one text, ours a list"),
    ("email.message_id", "theirs is without angle brackets, and one text"),
    ("event.outcome", "theirs takes the text of `ResultStatus` of other records as it is"),
    ("user.id", "theirs is `UserKey`"),
    ("user.name", "theirs is the whole address"),
    ("user.email", "theirs has no prefix of guests"),
    ("organization.id", "ours is in lower case"),
    ("event.code", "theirs is the number"),
];

/// Whether a value says the same as ours, spelling aside.
fn agrees(field: &str, expected: &Value, actual: Option<&Value>) -> bool {
    let text = |value: &Value| value.as_str().map(str::to_lowercase);
    match (field, actual) {
        (_, None) => false,
        ("@timestamp", Some(actual)) => {
            let time = |value: &Value| DateTime::parse_from_rfc3339(value.as_str()?).ok().map(|time| time.timestamp());
            time(expected) == time(actual)
        }
        ("event.action", Some(actual)) => {
            text(expected) == text(actual).map(|action| action.trim_end_matches('.').to_owned())
        }
        ("organization.id" | "source.ip", Some(actual)) => text(expected) == text(actual),
        (_, Some(Value::Array(list))) if !expected.is_array() => list.contains(expected),
        (_, actual) => is_in(expected, actual),
    }
}

#[test]
fn sekoias_second_opinion_is_told() {
    let Some(directory) = directory("sekoia") else { return };
    let mut table: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut others = 0;
    for path in files(&directory).into_iter().filter(|path| path.extension().is_some_and(|found| found == "json")) {
        let file = read(&path);
        let actual = ecs(file["input"]["message"].as_str().unwrap(), None);
        let (mut wanted, mut have) = (BTreeMap::new(), BTreeMap::new());
        leaves("", &file["expected"], &mut wanted);
        leaves("", &actual, &mut have);
        for (field, value) in wanted {
            let Some((name, _)) = SEKOIA.iter().find(|(name, _)| *name == field) else {
                others += 1;
                continue;
            };
            let (equal, all) = table.entry(name).or_default();
            *all += 1;
            *equal += usize::from(agrees(&field, &value, have.get(&field)));
        }
    }
    println!("{:<22} {:>5} of {:>3}   why the others differ", "field", "equal", "all");
    for (field, reason) in SEKOIA {
        let (equal, all) = table.get(field).copied().unwrap_or_default();
        println!("{field:<22} {equal:>5} of {all:>3}   {reason}");
        assert!(equal == all || !reason.is_empty(), "{field} differs without a reason");
    }
    println!("{others} values of fields that only SEKOIA's dialect has");
    let equal = |field: &str| table.get(field).copied().unwrap_or_default();
    for field in ["@timestamp", "source.port", "user_agent.original", "organization.id"] {
        let (equal, all) = equal(field);
        assert!(all > 0 && equal == all, "{field}: {equal} of {all}");
    }
}
