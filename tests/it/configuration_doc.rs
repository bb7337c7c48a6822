//! docs/configuration.md says what the schema says: every key, its default, its bounds, and nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use office365_source::config::json_schema;
use serde_json::{Map, Value};

const DOCUMENT: &str = "docs/configuration.md";

/// What the document has to say of a key.
#[derive(Debug, Default)]
struct Key {
    /// The default as the document writes it: a TOML value, `required`, `table` or `none`.
    default: String,
    /// What the column for units and bounds has to name.
    limits: Vec<String>,
    /// The values that are allowed, where only some are.
    choices: Vec<String>,
}

/// A row of a table of the document.
#[derive(Debug)]
struct Row {
    line: usize,
    default: String,
    limits: String,
    /// The whole line.
    text: String,
}

fn document() -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT)).unwrap()
}

/// Every row that begins with a key, by the key's full path.
fn rows(document: &str) -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    for (index, text) in document.lines().enumerate() {
        let cells: Vec<_> = text.trim_matches('|').split(" | ").map(str::trim).collect();
        let [key, _, default, limits, _] = cells.as_slice() else { continue };
        let Some(key) = code(key) else { continue };
        let default = code(default).unwrap_or(default).to_owned();
        let row = Row { line: index + 1, default, limits: limits.replace(',', ""), text: text.to_owned() };
        let earlier = rows.insert(key.to_owned(), row);
        assert!(earlier.is_none(), "{DOCUMENT}:{}: {key} has a row already: {earlier:?}", index + 1);
    }
    rows
}

fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`')
}

/// Every key of the file by its full path, `<name>` for a name that the user gives and `[]` for an item of a list. What stands
/// below any secret has the path `<secret>`.
fn keys() -> BTreeMap<String, Key> {
    let schema = json_schema();
    let mut keys = BTreeMap::new();
    walk(&schema, &[&schema], "", &mut keys);
    walk(&schema, &[&schema["$defs"]["SecretRef"]], "<secret>", &mut keys);
    keys
}

/// Whether what is below a key is documented elsewhere: the forms of a secret, and a tenant's own `auth`, which is as the
/// source's.
fn is_told_elsewhere(path: &str, nodes: &[&Value]) -> bool {
    let refers_to = |node: &Value, name: &str| {
        let refers = |node: &Value| node["$ref"].as_str().is_some_and(|reference| reference.ends_with(name));
        refers(node) || node["anyOf"].as_array().is_some_and(|nodes| nodes.iter().any(refers))
    };
    nodes.iter().any(|node| refers_to(node, "SecretRef")) || path.ends_with("tenants[].auth")
}

/// Adds the keys below `path`, whose value has to fit one of `nodes`.
fn walk(root: &Value, nodes: &[&Value], path: &str, keys: &mut BTreeMap<String, Key>) {
    let parts = parts(root, nodes);
    let mut children: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for part in &parts {
        for (name, child) in part.get("properties").and_then(Value::as_object).into_iter().flatten() {
            children.entry(name).or_default().push(child);
        }
    }
    // A value that may be a text as well needs none of its keys.
    let is_table = parts.iter().all(|part| part.get("type").is_none_or(|kind| kind == "object" || kind == "null"));
    for (name, nodes) in children {
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let mut homes = parts.iter().filter(|part| part.get("properties").is_some_and(|keys| keys.get(name).is_some()));
        let required = is_table && homes.all(|part| requires(part, name));
        keys.insert(path.clone(), key(root, &nodes, required));
        if !is_told_elsewhere(&path, &nodes) {
            walk(root, &nodes, &path, keys);
        }
    }
    for (keyword, suffix) in [("additionalProperties", ".<name>"), ("items", "[]")] {
        let below: Vec<_> = parts.iter().filter_map(|part| part.get(keyword)).collect();
        if !below.is_empty() && !is_told_elsewhere(path, &below) {
            walk(root, &below, &format!("{path}{suffix}"), keys);
        }
    }
}

/// The nodes themselves, what they refer to, and their alternatives.
fn parts<'s>(root: &'s Value, nodes: &[&'s Value]) -> Vec<&'s Map<String, Value>> {
    let mut parts = Vec::new();
    for node in nodes {
        let Value::Object(map) = node else { continue };
        parts.push(map);
        if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
            let target = root.pointer(reference.strip_prefix('#').unwrap()).unwrap();
            parts.extend(self::parts(root, &[target]));
        }
        for alternatives in ["oneOf", "anyOf", "allOf"] {
            let alternatives = map.get(alternatives).and_then(Value::as_array).into_iter().flatten();
            parts.extend(self::parts(root, &alternatives.collect::<Vec<_>>()));
        }
    }
    parts
}

fn requires(part: &Map<String, Value>, name: &str) -> bool {
    part.get("required").and_then(Value::as_array).is_some_and(|required| required.iter().any(|key| key == name))
}

fn key(root: &Value, nodes: &[&Value], required: bool) -> Key {
    let parts = parts(root, nodes);
    let keyword = |name: &str| parts.iter().find_map(|part| part.get(name));
    let default = match keyword("default").filter(|default| !default.is_null()) {
        _ if required => "required".to_owned(),
        Some(Value::Object(_)) => "table".to_owned(),
        Some(default) => as_toml(default),
        None => "none".to_owned(),
    };
    let bounds = ["minimum", "maximum"].iter().filter_map(|name| keyword(name)).map(Value::to_string);
    let unit = keyword("x-unit").and_then(Value::as_str).map(str::to_owned);
    // The integer form of sizes and durations has a minimum of its own, which says nothing.
    let bounds: Vec<_> = if keyword("maximum").is_some() { bounds.collect() } else { Vec::new() };
    let choices = parts.iter().flat_map(|part| {
        let many = part.get("enum").and_then(Value::as_array).into_iter().flatten();
        part.get("const").into_iter().chain(many).filter_map(Value::as_str).map(str::to_owned)
    });
    Key { default, limits: bounds.into_iter().chain(unit).collect(), choices: choices.collect() }
}

fn as_toml(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(as_toml).collect::<Vec<_>>().join(", ")),
        plain => plain.to_string(),
    }
}

#[test]
fn every_key_is_documented_and_every_documented_key_exists() {
    let (document, keys) = (document(), keys());
    let rows = rows(&document);
    assert!(keys.len() > 40, "the walk has found {} keys only", keys.len());
    let missing: Vec<_> = keys.keys().filter(|key| !rows.contains_key(*key)).collect();
    let unknown: Vec<_> = rows.iter().filter(|(key, _)| !keys.contains_key(*key)).collect();
    assert!(missing.is_empty(), "not in {DOCUMENT}: {missing:#?}");
    assert!(unknown.is_empty(), "in {DOCUMENT}, but no key of the file: {unknown:#?}");
}

#[test]
fn defaults_units_bounds_and_choices_are_those_of_the_schema() {
    let (document, keys) = (document(), keys());
    let mut problems = Vec::new();
    for (path, row) in rows(&document) {
        let Some(key) = keys.get(&path) else { continue };
        let place = format!("{DOCUMENT}:{}: {path}", row.line);
        if row.default != key.default {
            problems.push(format!("{place}: the default is {}, not {}", key.default, row.default));
        }
        for limit in key.limits.iter().filter(|limit| !row.limits.contains(*limit)) {
            problems.push(format!("{place}: the column of units and bounds does not name {limit}"));
        }
        for choice in key.choices.iter().filter(|choice| !row.text.contains(&format!("\"{choice}\""))) {
            problems.push(format!("{place}: does not name \"{choice}\""));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Whether a document has a heading with this anchor, as GitHub makes them.
fn has_heading(document: &Path, anchor: &str) -> bool {
    let text = fs::read_to_string(document).unwrap_or_default();
    text.lines().filter_map(|line| line.strip_prefix('#')).any(|heading| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).eq(anchor.chars())
    })
}

/// Links between the documents lead somewhere.
#[test]
fn links_lead_to_files_and_headings() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    let others = [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "docs/api-behaviour.md",
        "docs/architecture.md",
        "docs/commands.md",
        "docs/completeness.md",
        "docs/credentials.md",
        "docs/fields.md",
        "docs/getting-started.md",
        "docs/graph-behaviour.md",
        "docs/guarantees.md",
        "docs/install.md",
        "docs/integrations.md",
        "docs/monitoring.md",
        "docs/operations.md",
        "docs/permissions.md",
        "docs/webhook.md",
        "docs/webhook-reference.md",
        "integrations/fluent-bit/README.md",
        "integrations/vector/README.md",
    ];
    for name in others.into_iter().chain([DOCUMENT]) {
        let path = root.join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if file.contains("://") {
                continue;
            }
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let anchor = link.split_once('#').map(|(_, anchor)| anchor);
            if !target.exists() || anchor.is_some_and(|anchor| !has_heading(&target, anchor)) {
                broken.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
