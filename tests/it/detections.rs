//! The Sigma rules and pipelines of config-examples/detections over the events of tests/records, and the fields that all
//! detections name.
//!
//! Rules are read by pySigma, the library that converts them, and evaluated by `tests/support/sigma_rules.py`. Those tests are
//! skipped, aloud, where Python has no pySigma: `pip install -r tests/support/sigma-requirements.txt`, for another Python than
//! `python3` with `SIGMA_PYTHON` set to it.
//!
//! The configurations of Vector bring their own tests: `vector test config-examples/detections/*.yaml`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use chrono::DateTime;
use office365_source::{
    component::JsonObject,
    normalize::{NormalizeOptions, Normalizer, Origin, RecordMembers, Schema, ecs},
};
use serde_json::{Value, json, value::RawValue};

const RULES: &str = "config-examples/detections/sigma";
const RULES_OVER_RECORDS: &str = "tests/support/sigma";
const PIPELINES: &str = "config-examples/detections/pipelines";

/// The targets that the README offers, and the pipelines that it gives them.
const TARGETS: &[(&str, &[&str])] = &[
    ("lucene", &["elasticsearch"]),
    ("esql", &["elasticsearch"]),
    ("eql", &[]),
    ("splunk", &[]),
    ("kusto", &["underscores"]),
    ("loki", &["underscores", "loki"]),
];

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(at(directory)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

fn pipeline(name: &str) -> PathBuf {
    at(PIPELINES).join(name).with_extension("yml")
}

/// A record of the samples and the ECS event that is made of it.
struct Sample {
    /// Its family and its number there.
    name: String,
    record: Value,
    event: Value,
}

fn samples() -> Vec<Sample> {
    let normalizer = Normalizer::new(NormalizeOptions::new(Schema::Ecs));
    let origin = Origin::outside(Some("contoso.com"));
    let mut samples = Vec::new();
    for path in files("tests/records", "json") {
        let text = fs::read_to_string(&path).unwrap();
        for (index, record) in serde_json::from_str::<Vec<Box<RawValue>>>(&text).unwrap().into_iter().enumerate() {
            let mut members = RecordMembers::default();
            let raw = record.get().to_owned().into();
            let (parsed, _) = JsonObject::parse_repairing(raw, |name, raw| members.visit(name, raw)).unwrap();
            let made = normalizer.event(parsed, &members, &origin, DateTime::UNIX_EPOCH);
            samples.push(Sample {
                name: format!("{} {index}", stem(&path)),
                record: serde_json::from_str(record.get()).unwrap(),
                event: serde_json::from_str(&made.event.to_json()).unwrap(),
            });
        }
    }
    samples
}

/// The Python that has pySigma.
struct Sigma {
    python: String,
}

impl Sigma {
    /// `None`, aloud, if there is none or if it lacks one of the backends.
    fn found() -> Option<Self> {
        let sigma = Self { python: env::var("SIGMA_PYTHON").unwrap_or_else(|_| "python3".to_owned()) };
        let probe = Command::new(&sigma.python).arg(at("tests/support/sigma_rules.py")).arg("probe").output();
        let backends = match probe {
            Ok(output) if output.status.success() => String::from_utf8(output.stdout).unwrap(),
            _ => String::new(),
        };
        let missing: Vec<_> = TARGETS
            .iter()
            .map(|(target, _)| *target)
            .filter(|target| !backends.split_whitespace().any(|backend| backend == *target))
            .collect();
        if missing.is_empty() {
            return Some(sigma);
        }
        eprintln!("SKIPPED: {} has no pySigma with the backends {}", sigma.python, missing.join(", "));
        None
    }

    fn run(&self, arguments: &[&str], pipelines: &[&str], rules: &[PathBuf], input: &str) -> String {
        let mut command = Command::new(&self.python);
        command.arg(at("tests/support/sigma_rules.py")).args(arguments);
        for name in pipelines {
            command.arg("--pipeline").arg(pipeline(name));
        }
        let mut child = command
            .args(rules)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        // What converts does not read it.
        let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Which rule chooses which event.
    fn matches<'a>(
        &self,
        options: &[&str],
        pipelines: &[&str],
        rules: &[PathBuf],
        events: impl IntoIterator<Item = (&'a str, &'a Value)>,
    ) -> Vec<(String, String)> {
        let lines: Vec<_> = events.into_iter().map(|(name, event)| format!("{name}\t{event}\n")).collect();
        let arguments: Vec<_> = ["match"].iter().chain(options).copied().collect();
        let told = self.run(&arguments, pipelines, rules, &lines.concat());
        let pairs = told.lines().map(|line| line.split_once('\t').unwrap());
        pairs.map(|(rule, event)| (rule.to_owned(), event.to_owned())).collect()
    }
}

#[test]
fn sigma_rules_choose_what_they_should() {
    let Some(sigma) = Sigma::found() else { return };
    let samples = samples();
    let events = || samples.iter().map(|sample| (sample.name.as_str(), &sample.event));
    let by_name: BTreeMap<_, _> = events().collect();
    let rules = files(RULES, "yml");
    let matches = sigma.matches(&[], &[], &rules, events());
    let told: Vec<_> = matches
        .iter()
        .map(|(rule, name)| {
            let text = |pointer| by_name[name.as_str()].pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            format!("{rule}: {name} {} {}", text("/event/code"), text("/event/action"))
        })
        .collect();
    insta::assert_snapshot!("sigma", told.join("\n"));
    // Elasticsearch compares with regard to case, and its pipeline makes up for it.
    assert_eq!(sigma.matches(&["--exact"], &["elasticsearch"], &rules, events()), matches);
}

#[test]
fn rules_over_records_choose_the_same_in_events() {
    let Some(sigma) = Sigma::found() else { return };
    let samples = samples();
    let rules = files(RULES_OVER_RECORDS, "yml");
    let records = samples.iter().map(|sample| (sample.name.as_str(), &sample.record));
    let events = || samples.iter().map(|sample| (sample.name.as_str(), &sample.event));
    let in_records = sigma.matches(&[], &[], &rules, records);
    let chosen: BTreeSet<_> = in_records.iter().map(|(rule, _)| rule.clone()).collect();
    assert_eq!(chosen, rules.iter().map(|path| stem(path)).collect(), "each rule chooses a record");
    // What is broken in a record can be whole in its event, so that a rule chooses the event only.
    let sound = |matches: Vec<(String, String)>| -> Vec<_> {
        matches.into_iter().filter(|(_, name)| !name.starts_with("hostile")).collect()
    };
    let in_records = sound(in_records);
    assert_eq!(sound(sigma.matches(&[], &["record-members"], &rules, events())), in_records);
    let exact = sigma.matches(&["--exact"], &["record-members", "elasticsearch"], &rules, events());
    assert_eq!(sound(exact), in_records);
    assert!(sigma.matches(&[], &[], &rules, events()).is_empty(), "without the pipeline no rule finds its members");
}

#[test]
fn names_that_others_give_to_members_find_events() {
    let Some(sigma) = Sigma::found() else { return };
    let samples = samples();
    let events = || samples.iter().map(|sample| (sample.name.as_str(), &sample.event));
    let rules = files("tests/support/sigma/names_of_others", "yml");
    let found = sigma.matches(&[], &["record-members"], &rules, events());
    let found: BTreeSet<_> = found.iter().map(|(rule, event)| format!("{rule}: {event}")).collect();
    let expected = [
        "alert_event_name: security 6",
        "azure_activity: entra 12",
        "azure_activity: entra 17",
        "azure_activity: hostile 9",
        "azure_sign_in: entra 2",
        "azure_sign_in: entra 3",
        "azure_sign_in: entra 4",
        "azure_sign_in: hostile 7",
    ];
    assert_eq!(found, expected.map(str::to_owned).into());
    let exact = sigma.matches(&["--exact"], &["record-members", "elasticsearch"], &rules, events());
    assert_eq!(exact.len(), found.len());
}

#[test]
fn names_that_users_write_are_found_in_any_case() {
    let Some(sigma) = Sigma::found() else { return };
    let rules = [at(RULES).join("office365_suspicious_file_uploaded.yml")];
    let uploaded = |extension: &str| json!({"event": {"action": "FileUploaded"}, "file": {"extension": extension}});
    let events = ["exe", "EXE", "Exe", "eXe", "exec", "xexe", "docx"].map(|extension| (extension, uploaded(extension)));
    let find = |options: &[&str], pipelines: &[&str]| -> Vec<_> {
        let found = sigma.matches(options, pipelines, &rules, events.iter().map(|(name, event)| (*name, event)));
        found.into_iter().map(|(_, name)| name).collect()
    };
    let all = ["exe", "EXE", "Exe", "eXe"];
    assert_eq!(find(&[], &[]), all);
    assert_eq!(find(&["--exact"], &["elasticsearch"]), all);
    assert_eq!(find(&["--exact"], &[]), ["exe"], "what the pipeline is for");
    let mut asked = 0;
    for (target, pipelines) in TARGETS {
        let told = sigma.run(&["convert", target], pipelines, &rules, "");
        let form = match *target {
            "lucene" => "file.extension:/[eE][xX][eE]/",
            "esql" => r#"file.extension rlike "[eE][xX][eE]""#,
            "eql" => "file.extension like~ (",
            "kusto" => "file_extension in~ (",
            "loki" => "file_extension=~`(?i)^exe$`",
            // Splunk compares values of fields in any case.
            "splunk" => "file.extension IN (",
            other => panic!("{other} has no form here"),
        };
        assert!(told.contains(form), "{target}: {told}");
        asked += 1;
    }
    assert_eq!(asked, TARGETS.len());
}

#[test]
fn a_list_is_equal_to_what_one_of_its_elements_is_equal_to() {
    let Some(sigma) = Sigma::found() else { return };
    let rules = [at(RULES).join("office365_risky_sign_in.yml")];
    let alert = |names: Value| json!({"event": {"code": "MCASAlerts"}, "rule": {"name": names}});
    let events = [
        ("one", alert(json!("Atypical travel"))),
        ("list", alert(json!(["Something else", "Atypical travel"]))),
        ("other", alert(json!(["Something else"]))),
        ("empty", alert(json!([]))),
    ];
    let found = sigma.matches(&[], &[], &rules, events.iter().map(|(name, event)| (*name, event)));
    assert_eq!(found.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["one", "list"]);
}

#[test]
fn rules_become_queries_that_can_be_true() {
    let Some(sigma) = Sigma::found() else { return };
    let ours = files(RULES, "yml");
    let over_records = files(RULES_OVER_RECORDS, "yml");
    for (target, pipelines) in TARGETS {
        let told = sigma.run(&["convert", target], pipelines, &ours, "");
        assert_eq!(told.lines().filter(|line| line.contains('\t')).count(), ours.len(), "{target}: {told}");
        let with_members: Vec<_> = ["record-members"].iter().chain(*pipelines).copied().collect();
        let told = told + &sigma.run(&["convert", target], &with_members, &over_records, "");
        match *target {
            // A text in the place of a name, or a name of several parts that is none.
            "kusto" => {
                assert!(!told.contains("'event.") && !told.contains("'o365.") && !told.contains("'file."), "{told}");
                assert!(told.contains(r#"ipv4_is_in_range(source_ip, "192.0.2.0/24")"#), "{told}");
            }
            "loki" => {
                assert!(!told.contains("source.ip") && !told.contains("logfmt"), "{told}");
                assert!(told.contains(r#"source_ip=ip("192.0.2.0/24")"#), "{told}");
            }
            // Quotes have a meaning in Lucene's regular expressions.
            "lucene" => assert!(told.contains(r#"OldValue:*\"State\"\:*"#), "{told}"),
            _ => {}
        }
    }
}

fn mappings(name: &str) -> BTreeMap<String, Vec<String>> {
    let file: Value = serde_yaml_ng::from_str(&fs::read_to_string(pipeline(name)).unwrap()).unwrap();
    let items = file["transformations"].as_array().unwrap().iter();
    let mappings =
        items.filter(|item| item["type"] == "field_name_mapping").filter_map(|item| item["mapping"].as_object());
    let texts = |value: &Value| match value {
        Value::Array(list) => list.iter().map(|text| text.as_str().unwrap().to_owned()).collect(),
        text => vec![text.as_str().unwrap().to_owned()],
    };
    mappings.flatten().map(|(from, to)| (from.clone(), texts(to))).collect()
}

#[test]
fn pipelines_know_all_fields() {
    let underscores = mappings("underscores");
    for path in ecs::Field::ALL.iter().map(|field| field.path()).filter(|path| path.contains('.')) {
        assert_eq!(underscores.get(path), Some(&vec![path.replace('.', "_")]), "underscores.yml: {path}");
    }
    let members = mappings("record-members");
    for field in members.values().flatten().filter(|field| field.matches('.').count() > 2) {
        assert!(underscores.contains_key(field), "underscores.yml: {field}");
    }
    let mut moved = 0;
    for line in ecs::families().flat_map(ecs::Family::lines) {
        let Some((from, _)) = line.from.split_once(" (moved)") else { continue };
        let Some(from) = from.split(", in ").next().filter(|from| from.starts_with('`')) else { continue };
        for member in from.split(", else ").map(|member| member.trim_matches('`')) {
            moved += 1;
            let to = members.get(member);
            let path = line.field.path().to_owned();
            assert!(to.is_some_and(|to| to.contains(&path)), "record-members.yml: {member} has moved to {path}");
        }
    }
    assert!(moved > 30, "only {moved} members that moved were found");
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
    for sample in samples() {
        paths("", &sample.event, &mut known);
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
