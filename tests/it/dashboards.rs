//! The dashboards and alerts of config-examples: that they are what their script and their tests say, and that they name
//! fields and metrics that there are.
//!
//! Dashboards are read by Grafana's foundation SDK, which makes them, and their queries are evaluated by
//! `tests/support/grafana_dashboards.py` over the events of tests/records. Those tests are skipped, aloud, where Python has no such
//! SDK: `pip install -r tests/support/grafana-requirements.txt`, for another Python than `python3` with `GRAFANA_PYTHON` set to it.
//! Alerts are tried by Prometheus' own `promtool`, if there is one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::mmdb;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use chrono::DateTime;
use mmdb::Database;
use office365_source::{
    component::JsonObject,
    content::{ContentRef, ContentType, Feed},
    normalize::{CityDatabase, GeoipDatabases, NormalizeOptions, Normalizer, Origin, RecordMembers, Schema},
};
use serde_json::{Value, json, value::RawValue};

const DASHBOARDS: &str = "config-examples/grafana";
const ALERTS: &str = "config-examples/alerts.yml";
const ALERT_TESTS: &str = "config-examples/alerts.test.yml";
const SCRIPT: &str = "tests/support/grafana_dashboards.py";

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(at(path)).unwrap()
}

/// Files of a directory whose names end so, in the order of their names.
fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    files.sort();
    files
}

/// The dashboards of a store, by the names of their files.
fn dashboards(ending: &str) -> BTreeMap<String, Value> {
    let files = files(&at(DASHBOARDS), ending);
    assert!(!files.is_empty(), "no {ending} in {DASHBOARDS}");
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())).collect()
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
}

fn targets(panel: &Value) -> impl Iterator<Item = &Value> {
    panel["targets"].as_array().unwrap().iter()
}

/// The texts of every member with this name, however deep.
fn members<'a>(name: &str, value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| members(name, value, found)),
        Value::Object(map) => {
            for (key, value) in map {
                if let (true, Value::String(text)) = (key == name, value) {
                    found.push(text);
                }
                members(name, value, found);
            }
        }
        _ => {}
    }
}

/// A query without its texts in quotes.
fn unquoted(query: &str) -> String {
    let mut rest = query;
    let mut text = String::new();
    while let Some(start) = rest.find(['"', '`']) {
        let quote = char::from(rest.as_bytes()[start]);
        text.push_str(&rest[..start]);
        text.push(' ');
        rest = rest[start + 1..].split_once(quote).map_or("", |(_, behind)| behind);
    }
    text + rest
}

/// The words of a query, of letters, digits and underscores.
fn words(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_'))
}

/// The names between backticks in the first column of a document's tables.
fn first_column(document: &str) -> BTreeSet<String> {
    let text = read(document);
    let cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

// Alerts

fn promtool(arguments: &[&str], folder: &Path) {
    let output = Command::new("promtool").args(arguments).current_dir(folder).output().unwrap();
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "promtool {arguments:?}: {told}");
}

fn has_promtool() -> bool {
    let found = Command::new("promtool").arg("--version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: there is no promtool (Debian: package prometheus)");
    }
    found
}

#[test]
fn alerts_fire_on_what_they_should() {
    if has_promtool() {
        promtool(&["check", "rules", "alerts.yml"], &at("config-examples"));
        promtool(&["test", "rules", "alerts.test.yml"], &at("config-examples"));
    }
}

#[test]
fn prometheus_can_read_the_queries_of_dashboards() {
    let mut rules = Vec::new();
    for panel in dashboards(".prometheus.json").values().flat_map(panels) {
        for target in targets(panel) {
            let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "5m");
            rules.push(json!({"record": format!("query_{}", rules.len()), "expr": query}));
        }
    }
    assert!(rules.len() > 30, "only {} queries were found", rules.len());
    if has_promtool() {
        let folder = tempfile::tempdir().unwrap();
        // JSON is YAML.
        let text = json!({"groups": [{"name": "queries", "rules": rules}]}).to_string();
        fs::write(folder.path().join("queries.yml"), text).unwrap();
        promtool(&["check", "rules", "queries.yml"], folder.path());
    }
}

/// The link of a heading, as renderers of Markdown make it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

#[test]
fn each_alert_says_what_to_do_and_is_tested() {
    let rules: Value = serde_yaml_ng::from_str(&read(ALERTS)).unwrap();
    let tests = read(ALERT_TESTS);
    let mut names = BTreeSet::new();
    for rule in rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()) {
        let name = rule["alert"].as_str().unwrap();
        assert!(names.insert(name), "{name} comes twice");
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: {severity}");
        let text = |name: &str| rule["annotations"][name].as_str().unwrap_or_default();
        assert!(!text("summary").is_empty() && !text("description").is_empty(), "{name} lacks a text");
        let (file, heading) = text("docs").split_once('#').unwrap_or((text("docs"), ""));
        let document = read(file);
        let mut headings = document.lines().filter(|line| line.starts_with('#')).map(anchor);
        assert!(heading.is_empty() || headings.any(|found| found == heading), "{name}: {file} has no {heading}");
        assert!(tests.contains(&format!("alertname=\"{name}\"")), "{ALERT_TESTS} does not have {name} fire");
    }
    assert!(names.len() > 20, "only {} alerts were found", names.len());
    let tested = tests.split("alertname=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let unknown: Vec<_> = tested.filter(|name| !names.contains(name)).collect();
    assert!(unknown.is_empty(), "{ALERT_TESTS} has fire what is no alert: {unknown:?}");
}

fn metrics(query: &str) -> Vec<String> {
    let is_label = |word: &str| matches!(word, "component_id" | "component_kind" | "component_type");
    let is_metric = |word: &&str| (word.starts_with("office365_") || word.starts_with("component_")) && !is_label(word);
    words(&unquoted(query)).filter(is_metric).map(str::to_owned).collect()
}

#[test]
fn alerts_and_dashboards_name_metrics_that_are_documented() {
    let mut documented = first_column("docs/monitoring.md");
    documented.extend(first_column("docs/webhook-reference.md"));
    let mut named = BTreeSet::new();
    let rules: Value = serde_yaml_ng::from_str(&read(ALERTS)).unwrap();
    let mut queries = Vec::new();
    members("expr", &rules, &mut queries);
    let boards = dashboards(".prometheus.json");
    for board in boards.values() {
        members("expr", board, &mut queries);
        members("query", &board["templating"], &mut queries);
    }
    named.extend(queries.into_iter().flat_map(metrics));
    assert!(named.len() > 30, "only {} metrics were found", named.len());
    let is_documented = |metric: &String| {
        let of_histogram = ["_bucket", "_count", "_sum"].iter().find_map(|ending| metric.strip_suffix(ending));
        documented.contains(metric) || of_histogram.is_some_and(|metric| documented.contains(metric))
    };
    let unknown: Vec<_> = named.iter().filter(|metric| !is_documented(metric)).collect();
    assert!(unknown.is_empty(), "docs/monitoring.md has no {unknown:#?}");
}

// Dashboards over events

/// Records of kinds that tests/records does not have.
fn more_records() -> Vec<(String, String)> {
    let record = |name: &str, more: Value| {
        let mut record = json!({
            "CreationTime": "2026-03-02T12:00:00", "Id": name, "OrganizationId": "2f6a4b1e-93d7-4c58-8e21-5b0d9a7c6f34",
            "UserId": "amelia.hart@contoso.com", "UserKey": "k", "UserType": 0, "Version": 1,
        });
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        (name.to_owned(), record.to_string())
    };
    let mailbox = |name: &str, result: &str| {
        let more = json!({
            "RecordType": 2, "Operation": "MailboxLogin", "Workload": "Exchange", "ResultStatus": result, "LogonType": 0,
            "ClientIPAddress": "203.0.113.9",
        });
        record(name, more)
    };
    let link = |operation: &str, scope: &str| {
        let more = json!({
            "RecordType": 14, "Operation": operation, "Workload": "SharePoint", "SharingLinkScope": scope,
            "ObjectId": "https://contoso.sharepoint.com/sites/finance/Shared Documents/Offer.pdf", "SourceFileName": "Offer.pdf",
            "ClientIP": "203.0.113.9",
        });
        record(&format!("{operation} {scope}"), more)
    };
    let sign_in = json!({
        "RecordType": 15, "Operation": "UserLoggedIn", "Workload": "AzureActiveDirectory", "ErrorNumber": "new",
        "ClientIP": "203.0.113.9",
    });
    let label = json!({
        "RecordType": 6, "Operation": "FileSensitivityLabelRemoved", "Workload": "SharePoint", "SourceFileName": "Offer.pdf",
        "OldSensitivityLabelId": "73c34fb7-868e-5944-8dad-6d3b68379734",
        "ObjectId": "https://contoso.sharepoint.com/sites/finance/Shared Documents/Offer.pdf",
    });
    vec![
        mailbox("mailbox succeeded", "Succeeded"),
        mailbox("mailbox failed", "Failed"),
        record("sign-in unknown", sign_in),
        link("SharingLinkCreated", "Anyone"),
        link("SharingLinkCreated", "Organization"),
        link("SharingLinkCreated", "Users"),
        link("SharingLinkUpdated", "Anyone"),
        link("SharingLinkUsed", "Anonymous"),
        link("SharingLinkUsed", "SpecificPeople"),
        link("CompanyLinkUsed", "Organization"),
        link("SecureLinkUsed", "SpecificPeople"),
        record("label removed", label),
    ]
}

fn event(normalizer: &Normalizer, origin: &Origin, record: String) -> Value {
    let mut members = RecordMembers::default();
    let (record, _) = JsonObject::parse_repairing(record.into(), |name, raw| members.visit(name, raw)).unwrap();
    let made = normalizer.event(record, &members, origin, DateTime::UNIX_EPOCH);
    serde_json::from_str(&made.event.to_json()).unwrap()
}

/// The events of the samples and of a few more records, by name, with what is known of some addresses.
fn events() -> Vec<(String, Value)> {
    let country = json!({"country": {"iso_code": "CH", "names": {"en": "Switzerland"}}});
    let city = Database::new("GeoLite2-City", 6).with("203.0.113.0/24", &country).bytes();
    let databases = GeoipDatabases { city: Some(CityDatabase::new(city).unwrap().into()), asn: None };
    let tenant = "2f6a4b1e-93d7-4c58-8e21-5b0d9a7c6f34".parse().unwrap();
    let content = ContentRef {
        feed: Feed { tenant, content_type: ContentType::General },
        content_id: "id".to_owned(),
        content_uri: String::new(),
        created: DateTime::UNIX_EPOCH,
        expiration: None,
    };
    let origin = Origin::new(&Arc::new("m365".into()), Some("contoso.com"), &content).with_geoip(Arc::new(databases));
    let normalizer = Normalizer::new(NormalizeOptions::new(Schema::Ecs));
    let mut events = Vec::new();
    for path in files(&at("tests/records"), ".json") {
        let family = path.file_stem().unwrap().to_string_lossy().into_owned();
        let records: Vec<Box<RawValue>> = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for (index, record) in records.iter().enumerate() {
            events.push((format!("{family} {index}"), event(&normalizer, &origin, record.get().to_owned())));
        }
    }
    events.extend(more_records().into_iter().map(|(name, record)| (name, event(&normalizer, &origin, record))));
    events
}

/// The paths of all members, with dots.
fn paths(path: &str, value: &Value, found: &mut BTreeSet<String>) {
    if let Value::Object(map) = value {
        for (name, value) in map {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            paths(&path, value, found);
            found.insert(path);
        }
    }
}

/// Fields that docs/fields.md has, and what is left of the records of the samples.
fn known_fields() -> BTreeSet<String> {
    let mut known = first_column("docs/fields.md");
    let mut found = BTreeSet::new();
    for (_, event) in events() {
        paths("", &event, &mut found);
    }
    known.extend(found.into_iter().filter(|path| path.starts_with("o365.audit.")));
    known
}

/// The fields that a query of Lucene's syntax names.
fn lucene_fields(query: &str) -> Vec<String> {
    let text = unquoted(query);
    let words = text.split(|letter: char| letter.is_whitespace() || matches!(letter, '(' | ')'));
    let terms = words.filter_map(|word| word.split_once(':'));
    terms.map(|(name, value)| if name == "_exists_" { value } else { name }.to_owned()).collect()
}

#[test]
fn dashboards_of_elasticsearch_name_fields_that_are_documented() {
    let known = known_fields();
    let mut named = BTreeSet::new();
    for board in dashboards(".elasticsearch.json").values() {
        for panel in panels(board) {
            let mut fields = Vec::new();
            members("field", &panel["targets"], &mut fields);
            members("timeField", &panel["targets"], &mut fields);
            let mut queries = Vec::new();
            members("query", &panel["targets"], &mut queries);
            named.extend(fields.into_iter().map(str::to_owned));
            named.extend(queries.into_iter().flat_map(lucene_fields));
            let changes = panel["transformations"].as_array().into_iter().flatten();
            let columns = changes.filter_map(|change| change["options"]["include"]["names"].as_array()).flatten();
            named.extend(columns.map(|name| name.as_str().unwrap().to_owned()));
        }
        for variable in board["templating"]["list"].as_array().unwrap() {
            let query = variable["query"].as_str().and_then(|query| serde_json::from_str::<Value>(query).ok());
            named.extend(query.map(|query| query["field"].as_str().unwrap().to_owned()));
        }
    }
    assert!(named.len() > 15, "only {} fields were found: {named:?}", named.len());
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(unknown.is_empty(), "docs/fields.md has no {unknown:?}");
}

#[test]
fn dashboards_of_loki_name_labels_that_fields_become() {
    let of_logql: BTreeSet<_> =
        "sum by count_over_time topk json line_format or and vector __error__ __range __auto".split(' ').collect();
    let label = |field: &String| field.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
    let known: BTreeSet<_> = known_fields().iter().map(label).collect();
    let mut named = BTreeSet::new();
    for panel in dashboards(".loki.json").values().flat_map(panels) {
        for query in targets(panel).map(|target| target["expr"].as_str().unwrap()) {
            let text = unquoted(&query.replace("{${stream:raw}}", ""));
            named.extend(words(&text).filter(|word| !of_logql.contains(word)).map(str::to_owned));
            let in_lines = query.split("{{.").skip(1).map(|rest| rest.split("}}").next().unwrap());
            named.extend(in_lines.map(str::to_owned));
        }
    }
    assert!(named.len() > 15, "only {} labels were found: {named:?}", named.len());
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(unknown.is_empty(), "no field of docs/fields.md becomes {unknown:?}");
}

#[test]
fn each_panel_has_the_chosen_source_and_says_what_it_needs() {
    let mut ids = BTreeSet::new();
    for (name, board) in dashboards(".json") {
        assert!(ids.insert(board["uid"].as_str().unwrap().to_owned()), "{name}: its uid is that of another");
        for panel in panels(&board) {
            let title = panel["title"].as_str().unwrap();
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{name}: {title}");
            let none = panel["fieldConfig"]["defaults"]["noValue"].as_str().unwrap_or_default();
            assert!(!none.is_empty(), "{name}: {title} does not say what it needs");
        }
    }
}

// With Python

/// The Python that has the SDK and a parser of Lucene's syntax.
struct Grafana {
    python: String,
}

impl Grafana {
    /// `None`, aloud, if there is none.
    fn found() -> Option<Self> {
        let grafana = Self { python: env::var("GRAFANA_PYTHON").unwrap_or_else(|_| "python3".to_owned()) };
        let probe = grafana.command(SCRIPT).arg("probe").output();
        if probe.is_ok_and(|output| output.status.success()) {
            return Some(grafana);
        }
        eprintln!("SKIPPED: {} lacks what tests/support/grafana-requirements.txt names", grafana.python);
        None
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(at(script)).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

#[test]
fn dashboards_are_what_their_script_makes() {
    let Some(grafana) = Grafana::found() else { return };
    let folder = tempfile::tempdir().unwrap();
    let output = grafana.command("config-examples/grafana/generate.py").arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let texts = |folder: &Path| -> BTreeMap<_, _> {
        let name = |path: &Path| path.file_name().unwrap().to_owned();
        files(folder, ".json").iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
    };
    let (made, checked_in) = (texts(folder.path()), texts(&at(DASHBOARDS)));
    assert_eq!(made.keys().collect::<Vec<_>>(), checked_in.keys().collect::<Vec<_>>());
    for (name, text) in &made {
        assert!(checked_in[name] == *text, "{} is another: run generate.py", name.display());
    }
}

#[test]
fn dashboards_have_the_form_that_the_sdk_declares() {
    let Some(grafana) = Grafana::found() else { return };
    let output = grafana.command(SCRIPT).arg("validate").args(files(&at(DASHBOARDS), ".json")).output().unwrap();
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{told}");
}

/// The events that each panel and part chooses, by dashboard, panel and part.
fn chosen(grafana: &Grafana, ending: &str, events: &[(String, Value)]) -> Vec<String> {
    let mut child = grafana
        .command(SCRIPT)
        .arg("select")
        .args(files(&at(DASHBOARDS), ending))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<_> = events.iter().map(|(name, event)| format!("{name}\t{event}\n")).collect();
    // All of it is read before anything is printed.
    let written = child.stdin.take().unwrap().write_all(lines.concat().as_bytes());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && written.is_ok(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).unwrap();
    told.lines().map(|line| line.replace(ending.trim_end_matches(".json"), "").replace('\t', " | ")).collect()
}

#[test]
fn dashboards_choose_the_events_that_they_should() {
    let Some(grafana) = Grafana::found() else { return };
    let events = events();
    let by_elasticsearch = chosen(&grafana, ".elasticsearch.json", &events);
    insta::assert_snapshot!("dashboards", by_elasticsearch.join("\n"));
    let idle: Vec<_> = by_elasticsearch.iter().filter(|line| line.ends_with("| ")).collect();
    assert!(idle.is_empty(), "these choose nothing: {idle:#?}");
    // The same panels, over labels instead of fields.
    assert_eq!(chosen(&grafana, ".loki.json", &events), by_elasticsearch);
}

#[test]
fn each_logon_has_one_outcome() {
    let Some(grafana) = Grafana::found() else { return };
    let lines = chosen(&grafana, ".elasticsearch.json", &events());
    let of = |panel: &str| -> Vec<String> {
        let lines = lines.iter().filter_map(|line| line.strip_prefix(panel)?.split_once(" | "));
        let mut names: Vec<_> = lines.flat_map(|(_, events)| events.split(", ").map(str::to_owned)).collect();
        names.sort();
        names
    };
    let by_outcome = of("logon-audit | Logons by outcome | ");
    assert!(by_outcome.len() > 15, "{by_outcome:?}");
    assert_eq!(by_outcome, of("logon-audit | Logons by service | "));
}
