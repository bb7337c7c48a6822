//! docs/fields.md and docs/audit-operations.md are made from the tables of the mapping, and docs/fields.md says what the events of
//! the samples have.
//!
//! `UPDATE_DOCS=1 cargo test --test it fields_doc` writes the tables anew.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::mmdb;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::DateTime;
use mmdb::Database;
use office365_source::{
    component::JsonObject,
    normalize::{
        CityDatabase, GeoipDatabases, NetworkDatabase, NormalizeOptions, Normalizer, OperationRow, Origin,
        RecordMembers, Schema,
        ecs::{self, Field},
        ocsf, operations, outcome_words, outcomes, verbs,
    },
};
use serde_json::{Value, json, value::RawValue};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Fields that every event has, and those of the configuration; no row of a family fills them.
const ALWAYS: &[(Field, &str)] = &[
    (Field::ECS_VERSION, "the version of ECS"),
    (Field::EVENT_MODULE, "`o365`"),
    (Field::EVENT_DATASET, "`o365.audit`"),
    (Field::DATA_STREAM_TYPE, "`logs`"),
    (Field::DATA_STREAM_DATASET, "`o365.audit`"),
    (Field::DATA_STREAM_NAMESPACE, "`normalize.data_stream_namespace`"),
    (Field::EVENT_INGESTED, "when the event was made"),
    (Field::EVENT_ORIGINAL, "the record as Microsoft sent it; only with `normalize.keep_original`"),
    (Field::ERROR_MESSAGE, "a sentence about each field that could not be read, and stayed under `o365.audit`"),
    (Field::META_SRC_HOST, "the tenant's `domain` of the configuration"),
];

/// The rows of the mapping, by field.
fn rows() -> BTreeMap<&'static str, Vec<(String, String)>> {
    let mut rows: BTreeMap<&'static str, Vec<(String, String)>> = BTreeMap::new();
    for (field, from) in ALWAYS {
        rows.entry(field.path()).or_default().push(((*from).to_owned(), String::new()));
    }
    for family in ecs::families() {
        for line in family.lines() {
            let family = if family.codes.is_empty() { "" } else { family.name };
            let when = [family, &line.when].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
            rows.entry(line.field.path()).or_default().push((line.from, when));
        }
    }
    rows
}

fn fields_table() -> String {
    let rows = rows();
    let mut text = "| field | type | from | when |\n|---|---|---|---|\n".to_owned();
    for field in Field::ALL {
        for (index, (from, when)) in rows.get(field.path()).unwrap_or(&Vec::new()).iter().enumerate() {
            let (name, kind) = match index {
                0 => (format!("`{}`", field.path()), field.field_type().as_str()),
                _ => (String::new(), ""),
            };
            writeln!(text, "| {name} | {kind} | {from} | {when} |").unwrap();
        }
    }
    text
}

fn categories_table() -> String {
    let mut text =
        "| record type: operations | `event.category` | `event.type` | `event.action` becomes |\n|---|---|---|---|\n"
            .to_owned();
    for [when, category, types, action] in ecs::categories() {
        writeln!(text, "| {when} | {category} | {types} | {action} |").unwrap();
    }
    text
}

fn classes_table() -> String {
    let mut text = "| record type | operations | class | activity |\n|---|---|---|---|\n".to_owned();
    for row in ocsf::classes() {
        let (class, activity) = (row.class, row.activity);
        writeln!(
            text,
            "| {} | {} | {} {} | {} {activity} |",
            row.record_types, row.operations, class.name, class.uid, row.activity_id
        )
        .unwrap();
    }
    text
}

/// A table for each area of operations.
fn operations_tables() -> String {
    let list = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let line = |row: &OperationRow, operations: &str| {
        format!("| {operations} | {} | {} | {} |\n", row.category, row.types, row.class)
    };
    let mut text = String::new();
    for area in operations() {
        writeln!(text, "### {}\n\nRecord types: {}.\n", area.name, list(area.record_types)).unwrap();
        writeln!(text, "Source: {}.\n", area.source).unwrap();
        text += "| operations | category | type | class and activity |\n|---|---|---|---|\n";
        for row in &area.rows {
            text += &line(row, &list(&row.operations));
        }
        text += &line(&area.otherwise, "any other of which the name says nothing");
        text.push('\n');
    }
    text
}

fn verbs_table() -> String {
    let mut text =
        "| a name begins with | or has within it | type | activity of API Activity |\n|---|---|---|---|\n".to_owned();
    for row in verbs() {
        writeln!(text, "| {} | {} | {} | {} |", row.first, row.within, row.types, row.activity).unwrap();
    }
    text
}

fn outcomes_table() -> String {
    let mut text = "| the first that is true | `event.outcome` |\n|---|---|\n".to_owned();
    for (when, outcome) in outcomes() {
        writeln!(text, "| {when} | `{outcome}` |").unwrap();
    }
    let list = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let [successes, failures] = outcome_words();
    writeln!(text, "\nWords of success: {}. Numbers: 1, 100 to 399.", list(successes)).unwrap();
    writeln!(text, "\nA word of failure is, begins with or ends in: {}. Numbers: 2, 3, 400 to 599.", list(failures))
        .unwrap();
    text
}

fn families_table() -> String {
    let mut text = "| family | record types |\n|---|---|\n".to_owned();
    for family in ecs::families().filter(|family| !family.codes.is_empty()) {
        let codes: Vec<_> = family.codes.iter().map(|code| format!("`{code}`")).collect();
        writeln!(text, "| {} | {} |", family.name, codes.join(", ")).unwrap();
    }
    text
}

/// The fields that ECS does not define.
fn own_table() -> String {
    let mut text = "| field | from |\n|---|---|\n".to_owned();
    for (field, from) in ecs::OWN {
        writeln!(text, "| `{}` | {from} |", field.path()).unwrap();
    }
    text
}

/// Puts `table` between the marks of its name.
fn replace(text: &str, name: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("the document has no mark {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("the document has no mark {end}"));
    format!("{before}{begin}\n{table}\n{end}{after}")
}

/// Puts tables into a document of docs/, or reports that the document has others.
fn check(document: &str, tables: &[(&str, String)]) {
    let path = root().join("docs").join(document);
    let text = fs::read_to_string(&path).unwrap();
    let made = tables.iter().fold(text.clone(), |text, (name, table)| replace(&text, name, table));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &made).unwrap();
        return;
    }
    assert!(text == made, "docs/{document} is out of date; run: UPDATE_DOCS=1 cargo test --test it fields_doc");
}

#[test]
fn the_tables_are_those_of_the_mapping() {
    check(
        "fields.md",
        &[
            ("families", families_table()),
            ("fields", fields_table()),
            ("outcomes", outcomes_table()),
            ("own fields", own_table()),
            ("categories", categories_table()),
            ("classes", classes_table()),
        ],
    );
}

#[test]
fn the_operations_are_those_of_the_table() {
    check("audit-operations.md", &[("operations", operations_tables()), ("verbs", verbs_table())]);
}

#[test]
fn every_field_is_one_of_ecs_or_is_named_as_another_s() {
    // All names of `generated/ecs/ecs_flat.yml` in the repository of ECS, at the tag of the version.
    let path = root().join(format!("tests/ecs/fields-{}.txt", ecs::ECS_VERSION));
    let text = fs::read_to_string(&path).unwrap();
    let defined: BTreeSet<&str> = text.lines().collect();
    let own: BTreeSet<&str> = ecs::OWN.iter().map(|(field, _)| field.path()).collect();
    assert!(own.len() == ecs::OWN.len() && defined.len() > 1_000);
    let fields: BTreeSet<&str> = Field::ALL.iter().map(|field| field.path()).collect();
    let undefined: BTreeSet<&str> = fields.difference(&defined).copied().collect();
    assert_eq!(undefined, own, "src/normalize/ecs/own.rs names what ECS {} does not define", ecs::ECS_VERSION);
}

/// Databases that know where all addresses of IPv4 and IPv6 are.
fn everywhere() -> GeoipDatabases {
    let place = json!({
        "city": {"names": {"en": "Lausanne"}},
        "continent": {"code": "EU", "names": {"en": "Europe"}},
        "country": {"iso_code": "CH", "names": {"en": "Switzerland"}},
        "location": {"latitude": 46.516, "longitude": 6.6328, "time_zone": "Europe/Zurich"},
        "postal": {"code": "1000"},
        "subdivisions": [{"iso_code": "VD", "names": {"en": "Vaud"}}],
    });
    let network = json!({"autonomous_system_number": 64_496, "autonomous_system_organization": "Example"});
    let of = |row: &Value| Database::new("of a test", 6).with("::/1", row).with("8000::/1", row).bytes();
    GeoipDatabases {
        city: Some(CityDatabase::new(of(&place)).unwrap().into()),
        asn: Some(NetworkDatabase::new(of(&network)).unwrap().into()),
    }
}

/// The paths of all leaves; `o365.audit` and `o365.content` as a whole.
fn paths(path: &str, value: &Value, found: &mut BTreeSet<String>) {
    let known = Field::ALL.iter().any(|field| field.path() == path);
    match value {
        Value::Object(map) if !known && !["o365.audit", "o365.content"].contains(&path) => {
            for (name, value) in map {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                paths(&path, value, found);
            }
        }
        _ => drop(found.insert(path.to_owned())),
    }
}

#[test]
fn events_have_the_documented_fields_and_no_others() {
    let normalizer = Normalizer::new(NormalizeOptions { keep_original: true, ..NormalizeOptions::new(Schema::Ecs) });
    let origin = Origin::outside(Some("contoso.com")).with_geoip(Arc::new(everywhere()));
    let now = DateTime::UNIX_EPOCH;
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(root().join("tests/records")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        for record in serde_json::from_str::<Vec<Box<RawValue>>>(&text).unwrap() {
            let mut members = RecordMembers::default();
            let record = record.get().to_owned();
            let (record, _) = JsonObject::parse_repairing(record.into(), |name, raw| members.visit(name, raw)).unwrap();
            let event = normalizer.event(record, &members, &origin, now).event;
            paths("", &serde_json::from_str(&event.to_json()).unwrap(), &mut found);
        }
    }
    let rows = rows();
    let documented: BTreeSet<String> =
        rows.keys().map(|path| (*path).to_owned()).chain(["o365.audit".to_owned()]).collect();
    let undocumented: Vec<_> = found.difference(&documented).collect();
    assert!(undocumented.is_empty(), "no row says where these come from: {undocumented:?}");
    let unseen: Vec<_> = documented.difference(&found).collect();
    assert!(unseen.is_empty(), "no sample shows these: {unseen:?}");
}
