//! Events of all sample records, held against what the classes require.

use std::{fs, path::Path, sync::OnceLock};

use chrono::DateTime;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

/// At least one of the second has to be in objects that stand under a name, and all of the third (`objects/*.json`).
const OBJECTS: &[(&str, &[&str], &[&str])] = &[
    ("metadata", &[], &["product", "version"]),
    ("product", &["name", "uid"], &[]),
    ("feature", &["name", "uid"], &[]),
    ("actor", &["process", "user", "session", "app_name", "app_uid"], &[]),
    ("user", &["account", "name", "uid"], &[]),
    ("owner", &["account", "name", "uid"], &[]),
    ("src_endpoint", &["ip", "uid", "name", "hostname", "svc_name", "domain"], &[]),
    ("dst_endpoint", &["ip", "uid", "name", "hostname", "svc_name", "domain"], &[]),
    ("device", &["ip", "uid", "name", "hostname"], &["type_id"]),
    ("os", &[], &["name", "type_id"]),
    ("cloud", &[], &["provider"]),
    ("account", &["name", "uid"], &[]),
    ("org", &["name", "uid"], &[]),
    ("service", &["name", "uid"], &[]),
    ("group", &["name", "uid"], &[]),
    ("entity", &["name", "uid"], &[]),
    ("api", &[], &["operation"]),
    ("request", &[], &["uid"]),
    ("file", &[], &["name", "type_id"]),
    ("files", &[], &["name", "type_id"]),
    ("file_result", &[], &["name", "type_id"]),
    ("hashes", &[], &["algorithm_id", "value"]),
    ("web_resources", &["name", "uid"], &[]),
    ("resources", &["name", "uid"], &[]),
    ("url", &["url_string", "path"], &[]),
    ("email", &["from", "to"], &[]),
    ("finding_info", &[], &["uid"]),
    ("analytic", &["name", "uid"], &["type_id"]),
    ("malware", &["name", "uid"], &["classification_ids"]),
    ("policy", &["name", "type", "uid"], &[]),
    ("data_security", &["data_lifecycle_state_id", "detection_pattern", "detection_system_id", "policy"], &[]),
    ("evidences", &["actor", "device", "email", "file", "src_endpoint", "url", "user"], &[]),
    ("observables", &[], &["type_id"]),
];

type Captions = (&'static str, &'static str, &'static str, &'static [(i64, &'static str)]);

/// Numbers and their captions, by the object that they stand in (empty for the event itself) and their name.
const CAPTIONS: &[Captions] = &[
    (
        "",
        "severity_id",
        "severity",
        &[(0, "Unknown"), (1, "Informational"), (2, "Low"), (3, "Medium"), (4, "High"), (5, "Critical")],
    ),
    (
        "",
        "disposition_id",
        "disposition",
        &[(1, "Allowed"), (2, "Blocked"), (3, "Quarantined"), (11, "Corrected"), (14, "Delayed"), (15, "Detected")],
    ),
    ("", "action_id", "action", &[(1, "Allowed"), (2, "Denied"), (3, "Observed")]),
    ("", "direction_id", "direction", &[(0, "Unknown"), (1, "Inbound"), (2, "Outbound"), (3, "Internal")]),
    ("", "auth_protocol_id", "auth_protocol", &[(5, "SAML"), (6, "OAUTH 2.0")]),
    ("user", "type_id", "type", &[(1, "User"), (2, "Admin"), (3, "System"), (4, "Service")]),
    ("file", "type_id", "type", &[(1, "Regular File"), (2, "Folder")]),
    ("files", "type_id", "type", &[(1, "Regular File")]),
    ("file_result", "type_id", "type", &[(1, "Regular File"), (2, "Folder")]),
    ("device", "type_id", "type", &[(0, "Unknown")]),
    ("os", "type_id", "type", &[(100, "Windows"), (200, "Linux"), (201, "Android"), (300, "macOS"), (301, "iOS")]),
    ("account", "type_id", "type", &[(17, "M365 Tenant")]),
    ("entity", "type_id", "type", &[(1, "Device"), (2, "User"), (3, "Group"), (4, "Organization"), (5, "Policy")]),
    ("analytic", "type_id", "type", &[(1, "Rule")]),
    ("hashes", "algorithm_id", "algorithm", &[(2, "SHA-1"), (3, "SHA-256")]),
    (
        "observables",
        "type_id",
        "type",
        &[
            (1, "Hostname"),
            (2, "IP Address"),
            (4, "User Name"),
            (5, "Email Address"),
            (6, "URL String"),
            (7, "File Name"),
            (8, "Hash"),
        ],
    ),
    ("data_security", "detection_system_id", "detection_system", &[(1, "Endpoint"), (10, "Application-Level DLP")]),
    (
        "data_security",
        "data_lifecycle_state_id",
        "data_lifecycle_state",
        &[(1, "Data at-Rest"), (2, "Data in-Transit"), (3, "Data in-Use")],
    ),
];

/// Attributes of these names are times or numbers; of all others that are scalars, strings or flags.
const NUMBERS: &[&str] = &["time", "port", "size"];

fn samples() -> &'static [Map<String, Value>] {
    static SAMPLES: OnceLock<Vec<Map<String, Value>>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records");
        let files = fs::read_dir(&folder).unwrap_or_else(|_| panic!("there are no sample records in {folder:?}"));
        let paths =
            files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "json"));
        let records: Vec<_> = paths
            .flat_map(|path| serde_json::from_slice::<Vec<Map<_, _>>>(&fs::read(path).unwrap()).unwrap())
            .collect();
        assert!(!records.is_empty(), "there are no sample records in {folder:?}");
        records
    })
}

fn event_of(record: &Map<String, Value>) -> Value {
    let record = JsonObject::parse(serde_json::to_string(record).unwrap().into()).unwrap();
    let context = Context {
        domain: Some("contoso.example"),
        content: r#"{"type":"Audit.General","id":"a$b","created":"2026-03-02T09:00:00Z"}"#,
        created: DateTime::from_timestamp_millis(1_772_442_000_000),
        ingested: DateTime::from_timestamp_millis(1_772_442_060_000).unwrap(),
        original: None,
        user_agents: None,
        sensitive_types: None,
        geoip: None,
        namespace: "default",
    };
    let mut text = Vec::new();
    event(&record, &context, &mut text);
    serde_json::from_slice(&text).unwrap()
}

fn class_of(event: &Value) -> &'static Class {
    CLASSES.into_iter().find(|class| event["class_uid"] == class.uid).expect("a class that is known")
}

/// What is wrong with an event.
fn faults(event: &Value) -> Vec<String> {
    let class = class_of(event);
    let mut faults: Vec<_> = BASE
        .iter()
        .chain(class.required)
        .filter(|name| event[**name].is_null())
        .map(|name| format!("no {name}"))
        .collect();
    if !class.at_least_one.is_empty() && class.at_least_one.iter().all(|name| event[*name].is_null()) {
        faults.push(format!("none of {:?}", class.at_least_one));
    }
    let activity = event["activity_id"].as_u64().and_then(|id| u8::try_from(id).ok()).unwrap();
    match class.activity_name(activity) {
        Some(name) => {
            let expected = [
                ("class_name", json!(class.name)),
                ("category_uid", json!(class.category_uid)),
                ("category_name", json!(class.category_name)),
                ("type_uid", json!(u64::from(class.uid) * 100 + u64::from(activity))),
                ("type_name", json!(format!("{}: {name}", class.name))),
            ];
            faults
                .extend(expected.iter().filter(|(key, value)| event[*key] != *value).map(|(key, _)| (*key).to_owned()));
            if activity != classes::OTHER && event["activity_name"] != name {
                faults.push("activity_name".to_owned());
            }
        }
        None => faults.push(format!("no activity {activity}")),
    }
    let status = (event["status_id"].as_u64().unwrap(), event["status"].as_str().unwrap());
    if !class.statuses.iter().any(|(id, name)| (u64::from(*id), *name) == status) {
        faults.push(format!("status {status:?}"));
    }
    for (name, node) in event.as_object().unwrap().iter().filter(|(name, _)| *name != "unmapped") {
        check(name, node, &mut faults);
    }
    check_captions("", event, &mut faults);
    faults
}

/// Looks at everything in the event, by the name that it stands under.
fn check(name: &str, node: &Value, faults: &mut Vec<String>) {
    match node {
        Value::Array(list) => {
            if list.is_empty() {
                faults.push(format!("{name} is empty"));
            }
            for node in list {
                check(name, node, faults);
            }
        }
        Value::Object(object) => {
            match OBJECTS.iter().find(|(known, ..)| *known == name) {
                Some((_, any, all)) => {
                    if !any.is_empty() && !any.iter().any(|name| object.contains_key(*name)) {
                        faults.push(format!("{name} has none of {any:?}"));
                    }
                    faults.extend(
                        all.iter().filter(|part| !object.contains_key(**part)).map(|part| format!("{name}: no {part}")),
                    );
                }
                // `session` and `http_request` require nothing.
                None if matches!(name, "session" | "http_request") => {}
                None => faults.push(format!("{name} is an object that nobody knows")),
            }
            check_captions(name, node, faults);
            object.iter().for_each(|(name, node)| check(name, node, faults));
        }
        Value::Number(number) => {
            let is_id = name.ends_with("_id") || name.ends_with("_ids");
            let is_number = NUMBERS.contains(&name)
                || name.ends_with("_time")
                || matches!(name, "category_uid" | "class_uid" | "type_uid");
            if !(is_id || is_number) || number.as_i64().is_none() {
                faults.push(format!("{name} is {number}"));
            }
        }
        Value::String(text) => {
            if text.is_empty() || name.ends_with("_id") || NUMBERS.contains(&name) {
                faults.push(format!("{name} is {text:?}"));
            }
        }
        Value::Bool(_) => {}
        Value::Null => faults.push(format!("{name} is null")),
    }
}

/// Whether numbers and captions beside each other say the same.
fn check_captions(object: &str, node: &Value, faults: &mut Vec<String>) {
    let ids = node.as_object().unwrap().iter().filter(|(name, _)| name.ends_with("_id"));
    for (name, id) in ids {
        if matches!(name.as_str(), "activity_id" | "status_id") {
            continue;
        }
        let Some((.., caption, values)) = CAPTIONS.iter().find(|(known, id, ..)| *known == object && id == name) else {
            faults.push(format!("nobody knows {object}.{name}"));
            continue;
        };
        let found = node[*caption].as_str();
        let agrees = match id.as_i64() {
            Some(99) => found.is_some(),
            Some(id) => values.iter().any(|(known, name)| *known == id && found == Some(name)),
            None => false,
        };
        if !agrees {
            faults.push(format!("{object}.{name} is {id}, {found:?}"));
        }
    }
}

#[test]
fn all_samples_make_events_as_their_class_requires() {
    let found: Vec<_> = samples()
        .iter()
        .filter_map(|record| {
            let event = event_of(record);
            let faults = faults(&event);
            (!faults.is_empty()).then(|| format!("{} {}: {faults:?}", record["RecordType"], event["activity_name"]))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn all_classes_have_samples() {
    let mut missing: Vec<_> = CLASSES.iter().map(|class| class.name).collect();
    for record in samples() {
        let class = class_of(&event_of(record));
        missing.retain(|name| *name != class.name);
    }
    assert!(missing.is_empty(), "{missing:?}");
}

/// What is not a name of a member, so that a change of it is a change of a value.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}|<null>|a@b\\.example|https://x/y|\\{\"a\":1\\}|192\\.0\\.2\\.1:80".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("Name|Value|ID|Type|NewValue|OldValue|[a-z]{1,3}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// All texts and numbers of a value, as texts.
fn scalars(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| scalars(value, found)),
        Value::Object(object) => object.values().for_each(|value| scalars(value, found)),
        Value::Null => {}
        Value::String(text) => found.push(text.clone()),
        other => found.push(other.to_string()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_member_holds_the_event_is_as_its_class_requires(
        record in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::option::weighted(0.9, json_value())), 1..4),
    ) {
        let mut record = samples()[record.index(samples().len())].clone();
        for (member, value) in changes {
            let Some(name) = record.keys().nth(member.index(record.len().max(1))).cloned() else { continue };
            match value {
                Some(value) => record.insert(name, value),
                None => record.remove(&name),
            };
        }
        let event = event_of(&record);
        let faults = faults(&event);
        prop_assert!(faults.is_empty(), "{record:?}\n{event}\n{faults:?}");
    }

    #[test]
    fn what_a_member_held_is_somewhere_in_the_event(
        record in any::<prop::sample::Index>(),
        member in any::<prop::sample::Index>(),
        mark in "[a-z]{12}",
        form in 0..4_usize,
    ) {
        let mut record = samples()[record.index(samples().len())].clone();
        let Some(name) = record.keys().nth(member.index(record.len().max(1))).cloned() else { return Ok(()) };
        let value = match form {
            0 => json!(mark),
            1 => json!([mark]),
            2 => json!([mark, { "x": [mark] }]),
            _ => json!({ "x": { "y": mark } }),
        };
        record.insert(name.clone(), value);
        let event = event_of(&record);
        let mut found = Vec::new();
        scalars(&event, &mut found);
        prop_assert!(found.iter().any(|text| text.contains(&mark)), "{name} of {event}");
    }
}
