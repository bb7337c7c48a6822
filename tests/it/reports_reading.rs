//! Exports as users have them: how many events each gives, and with which exit code. The files are not part of this project; without
//! them there is nothing to read, and the test says so. `tests/cli_normalize.rs` has our own.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// The file, how many events it gives, the exit code, and what the standard error says of what is bad.
const INPUTS: &[(&str, usize, i32, &[&str])] = &[
    ("16-polymorphic.ndjson", 8, 0, &[]),
    ("18-odd-json.ndjson", 8, 1, &["line 6: ", "line 7: "]),
    ("20-purview-bom.csv", 3, 0, &[]),
    ("21-graph-csv-multiline.csv", 3, 0, &[]),
    ("22-csv-double-encoded.csv", 3, 0, &[]),
    ("23-jsonl-of-strings.jsonl", 3, 0, &[]),
    ("24-wrapper-double-encoded.json", 3, 0, &[]),
    ("25-array-of-strings.json", 3, 0, &[]),
    ("27-exportcsv-utf16.csv", 3, 0, &[]),
    ("28-excel-truncated.csv", 2, 1, &["line 3: the record was cut after 32767 characters"]),
    ("29-truncated-3060.csv", 2, 1, &["line 3: AuditData: the record is not valid JSON"]),
    ("30-converttojson-shallow.json", 2, 0, &["element 1: the export is damaged", "element 2: the export is damaged"]),
    ("31-graph-page-empty-auditdata.json", 3, 0, &[]),
    ("34-csv-other-header.csv", 3, 0, &[]),
    ("35-results-wrapper.json", 3, 0, &[]),
    ("36-records-wrapper.json", 3, 0, &[]),
    ("37-value-after-other.json", 3, 0, &[]),
    ("38-event-original.ndjson", 5, 0, &[]),
];

fn directory() -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reports");
    if !directory.is_dir() {
        eprintln!("SKIPPED: {} is not there", directory.display());
        return None;
    }
    Some(directory)
}

fn normalize(schema: &str, files: impl IntoIterator<Item = PathBuf>) -> Output {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("office365-source"));
    command.args(["normalize", "--schema", schema]).args(files).env_remove("OFFICE365_LOG").output().unwrap()
}

fn count(output: &Output) -> usize {
    std::str::from_utf8(&output.stdout).unwrap().lines().count()
}

/// The events, but for those with numbers that are too large for `serde_json`.
fn events(output: &Output) -> Vec<Value> {
    let stdout = std::str::from_utf8(&output.stdout).unwrap();
    stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn exports_give_their_events_in_every_schema() {
    let Some(directory) = directory() else { return };
    for (file, events, code, said) in INPUTS {
        let output = normalize("raw", [directory.join(file)]);
        let stderr = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!((count(&output), output.status.code()), (*events, Some(*code)), "{file}: {stderr}");
        let told: Vec<&str> = stderr.lines().filter(|line| line.contains(file)).collect();
        assert_eq!(told.len(), said.len(), "{file}: {stderr}");
        for (told, said) in told.iter().zip(*said) {
            assert!(told.contains(said), "{said:?} is expected and not {told:?}");
        }
    }
    let all: usize = INPUTS.iter().map(|(_, events, ..)| events).sum();
    for schema in ["ecs", "ocsf"] {
        let output = normalize(schema, INPUTS.iter().map(|(file, ..)| directory.join(file)));
        assert_eq!((count(&output), output.status.code()), (all, Some(1)), "{schema}");
    }
}

#[test]
fn events_have_the_time_the_id_and_the_operation_of_their_record() {
    let Some(directory) = directory() else { return };
    for event in events(&normalize("ecs", INPUTS.iter().map(|(file, ..)| directory.join(file)))) {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        assert!(text("/@timestamp").starts_with("2026-03-04T05:06:"), "{event}");
        assert!(!text("/event/id").is_empty() && !text("/event/action").is_empty(), "{event}");
    }
    let graph = events(&normalize("ecs", [directory.join("31-graph-page-empty-auditdata.json")]));
    for (event, id) in graph.iter().zip(["g-1", "g-2", "00000000-0000-4000-8000-000000002006"]) {
        assert_eq!(event["event"]["id"], id);
        assert_eq!(event["user"]["email"], "ana.lee@fabrikam.example");
    }
    let lower = events(&normalize("ecs", [directory.join("18-odd-json.ndjson")]));
    let lower = lower.iter().find(|event| event["event"]["id"] == "lower-1").unwrap();
    assert_eq!(
        (&lower["source"]["ip"], &lower["event"]["code"]),
        (&"198.51.100.9".into(), &"AzureActiveDirectoryStsLogon".into())
    );
}
