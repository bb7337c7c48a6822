//! From the tree to the types, with errors that name the key's full path and what to write instead.
//!
//! Each source and sink is read on its own: serde would buffer a tagged block, forget where in it an error is, and stop
//! at the first.

use std::{collections::BTreeMap, mem};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;
use url::ParseError;

use super::{
    error::{ConfigError, ConfigErrors},
    key_path,
    schema::{self, Node},
    secret_backend::SecretBackend,
    sinks::SinkConfig,
    source::Office365Config,
    structure,
    topology::{SourceEntry, TopologyConfig},
};

pub(super) fn topology(mut document: Value) -> Result<TopologyConfig, ConfigErrors> {
    let root = Node::root(schema::file());
    let (sources, sinks) = (take_table(&mut document, "sources"), take_table(&mut document, "sinks"));
    let mut errors = Vec::new();
    let sources = blocks(sources, &root, "sources", &mut errors, |kind, block| match kind {
        "office365" => Some(block.read().map(SourceEntry::Office365)),
        _ => None,
    });
    let sinks = blocks(sinks, &root, "sinks", &mut errors, SinkConfig::read);
    match (Block { path: String::new(), node: Some(root), value: document }).read::<TopologyConfig>() {
        Ok(top) => ConfigErrors::check(errors).map(|()| TopologyConfig { sources, sinks, ..top }),
        Err(own) => Err(own.then(errors)),
    }
}

/// Reads the stores of secrets alone, before what refers to them is in its place.
pub(super) fn secret_backends(document: &Value) -> Result<BTreeMap<String, SecretBackend>, ConfigErrors> {
    let Some(table) = document.get("secret") else { return Ok(BTreeMap::new()) };
    // What the rest of the file lacks is reported later.
    structure::check_below(document, "secret")?;
    let node = Node::root(schema::file()).property("secret");
    Block { path: "secret".to_owned(), node, value: table.clone() }.read()
}

/// Reads one source block without its `type`, which stands at `path`.
pub(super) fn source(block: Value, path: &str) -> Result<Office365Config, ConfigErrors> {
    Block { path: path.to_owned(), node: Some(Node::root(schema::source())), value: block }.read()
}

/// Takes a table's content out and leaves it empty. What is no table stays, to be complained about.
fn take_table(document: &mut Value, key: &str) -> Map<String, Value> {
    document.get_mut(key).and_then(Value::as_object_mut).map(mem::take).unwrap_or_default()
}

/// Reads the named blocks below `key` by their `type`.
fn blocks<T>(
    blocks: Map<String, Value>,
    root: &Node<'_>,
    key: &str,
    errors: &mut Vec<ConfigError>,
    read: impl Fn(&str, Block<'_>) -> Option<Result<T, ConfigErrors>>,
) -> BTreeMap<String, T> {
    let node = root.property(key).and_then(|blocks| blocks.property(""));
    let mut done = BTreeMap::new();
    for (name, mut value) in blocks {
        let path = key_path::child(key, &name);
        let result = match value.as_object_mut().map(|table| table.remove("type")) {
            Some(Some(Value::String(kind))) => {
                let unknown = ConfigError::new(key_path::join(&path, "type"), "is not known here", "");
                read(&kind, Block { path, node: node.clone(), value }).unwrap_or_else(|| Err(unknown.into()))
            }
            Some(_) => Err(ConfigError::new(key_path::join(&path, "type"), "is not a text", "").into()),
            None => Err(ConfigError::new(path, format!("is {} where a table is expected", kind_of(&value)), "").into()),
        };
        match result {
            Ok(block) => {
                done.insert(name, block);
            }
            Err(all) => errors.extend(all),
        }
    }
    done
}

/// How many wrong values of one block are told at most.
const MAX_ERRORS: usize = 32;

/// A part of the file that is read at once.
pub(super) struct Block<'s> {
    path: String,
    node: Option<Node<'s>>,
    value: Value,
}

impl Block<'_> {
    /// Reads the block. serde stops at the first wrong value; putting a right one in its place and reading again finds
    /// the next, until all are found.
    fn read<T: DeserializeOwned>(mut self) -> Result<T, ConfigErrors> {
        self.read_and_repair()
    }

    /// Reads a block `T` into which the keys of `F` are flattened. serde forgets where in these an error is; so they are read
    /// by themselves first, and for `T` they are right or repaired.
    pub(super) fn read_with_flattened<F: DeserializeOwned, T: DeserializeOwned>(mut self) -> Result<T, ConfigErrors> {
        let Err(errors) = self.read_and_repair::<F>() else { return self.read() };
        if F::deserialize(&self.value).is_err() {
            return Err(errors);
        }
        Err(match self.read::<T>() {
            Ok(_) => errors,
            Err(own) => errors.then(own.into_iter().collect()),
        })
    }

    /// The same as [`Self::read`], and leaves right values in the place of wrong ones.
    fn read_and_repair<T: DeserializeOwned>(&mut self) -> Result<T, ConfigErrors> {
        let first = match serde_path_to_error::deserialize(self.value.clone()) {
            Ok(block) => return Ok(block),
            Err(error) => error,
        };
        let told = ConfigErrors::from(self.explain(&first));
        let mut errors = Vec::new();
        let mut wrong = first;
        while errors.len() < MAX_ERRORS && self.repair(wrong.path()) {
            match serde_path_to_error::deserialize::<_, T>(self.value.clone()) {
                Err(error) if error.path().to_string() != wrong.path().to_string() => {
                    errors.push(self.explain(&error));
                    wrong = error;
                }
                _ => break,
            }
        }
        Err(told.then(errors))
    }

    /// Puts a value that the schema has as an example in the place of a wrong one.
    fn repair(&mut self, path: &serde_path_to_error::Path) -> bool {
        let mut place = Some(&mut self.value);
        let mut node = self.node.clone();
        for segment in path {
            match segment {
                Segment::Seq { index } => {
                    place = place.and_then(|place| place.get_mut(*index));
                    node = node.and_then(|node| node.item());
                }
                Segment::Map { key } => {
                    place = place.and_then(|place| place.get_mut(key));
                    node = node.and_then(|node| node.property(key));
                }
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        let (Some(place), Some(sample)) = (place, node.and_then(|node| node.sample())) else { return false };
        *place = sample;
        true
    }

    fn explain(&self, error: &serde_path_to_error::Error<serde_json::Error>) -> ConfigError {
        let mut path = self.path.clone();
        let mut node = self.node.clone();
        let mut name = "";
        let mut list = None;
        for segment in error.path() {
            match segment {
                Segment::Seq { index } => {
                    path = key_path::item(&path, *index);
                    list.clone_from(&node);
                    node = node.and_then(|node| node.item());
                }
                Segment::Map { key } => {
                    path = key_path::child(&path, key);
                    node = node.and_then(|node| node.property(key));
                    name = key;
                }
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        let message = error.inner().to_string();
        let (problem, advice) = problem(&message, node.as_ref());
        // The schema has examples of lists, not of what is in them.
        let helps = || [&node, &list].into_iter().flatten().map(|node| node.help(name));
        let help = || helps().find(|help| !help.is_empty()).unwrap_or_default();
        ConfigError::new(path, problem, advice.unwrap_or_else(help))
    }
}

/// How messages begin that are about a key within a reference to a secret.
pub(super) const WITHIN: &str = "has a key ";

/// What serde says of a value of another kind than needed, without the value.
pub(super) fn wrong_type(message: &str) -> Option<String> {
    let (found, expected) = message.strip_prefix("invalid type: ")?.rsplit_once(", expected ")?;
    Some(format!("is {} where {} is expected", found_kind(found), expected_kind(expected)))
}

/// What `Url` says of a text that is none, without the text, which it appends.
pub(super) fn url_problem(message: &str) -> Option<String> {
    let reason = message.split(": ").next()?;
    if reason == ParseError::RelativeUrlWithoutBase.to_string() {
        return Some("is not a URL (it begins with no scheme, such as https:// or tcp://)".to_owned());
    }
    let known = [
        ParseError::EmptyHost,
        ParseError::IdnaError,
        ParseError::InvalidPort,
        ParseError::InvalidIpv4Address,
        ParseError::InvalidIpv6Address,
        ParseError::InvalidDomainCharacter,
        ParseError::Overflow,
    ];
    known.iter().any(|known| known.to_string() == reason).then(|| format!("is not a URL ({reason})"))
}

/// Rewrites serde's message for people, without the value where serde quotes one on its own account: it may be a secret
/// in a wrong place. The types of this crate quote what can be quoted, and end their message with `; ` and advice.
fn problem(message: &str, node: Option<&Node<'_>>) -> (String, Option<String>) {
    if let Some(problem) = wrong_type(message) {
        return (problem, None);
    }
    if let Some((found, expected)) =
        message.strip_prefix("invalid value: ").and_then(|rest| rest.rsplit_once(", expected "))
    {
        let problem = match found.strip_prefix("integer ") {
            Some(number) => format!("{} is out of range", number.trim_matches('`')),
            None => format!("is not {}", expected_kind(expected)),
        };
        return (problem, None);
    }
    if let Some(given) = message.strip_prefix("unknown variant `").and_then(|rest| rest.split('`').next()) {
        let near = structure::nearest(given, node.map(Node::choices).unwrap_or_default());
        let near = near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
        return (format!("{given:?} is not known here{near}"), None);
    }
    if node.is_some_and(Node::is_secret) {
        // What our own types say of a key shows no value. The schema knows a variable that fits the key.
        if message.starts_with(WITHIN) {
            return (message.to_owned(), None);
        }
        return ("is not a secret reference".to_owned(), None);
    }
    match node.and_then(Node::format) {
        Some("uuid") if message.starts_with("UUID") => return ("is not a GUID".to_owned(), None),
        Some("uri") => {
            let reason = message.split(": ").next().unwrap_or_default();
            let reason = reason.strip_prefix("is not a URL (").map_or(reason, |rest| rest.trim_end_matches(')'));
            return (url_problem(reason).unwrap_or_else(|| format!("is not a URL ({reason})")), None);
        }
        _ => {}
    }
    match message.rsplit_once("; ") {
        Some((problem, advice)) => {
            let mut letters = advice.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            (problem.to_owned(), Some(format!("{}{}.", first.map(String::from).unwrap_or_default(), letters.as_str())))
        }
        None => (message.to_owned(), None),
    }
}

fn found_kind(found: &str) -> &'static str {
    match found.split(' ').next().unwrap_or_default() {
        "string" | "character" => "a text",
        "integer" => "a whole number",
        "floating" => "a number with a fraction",
        "boolean" => "true or false",
        "map" => "a table",
        "sequence" => "a list",
        "null" | "unit" | "Option" => "empty",
        _ => "something",
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

fn expected_kind(expected: &str) -> &str {
    match expected {
        "u16" | "u32" | "u64" | "usize" | "i64" => "a whole number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        "a string" | "path string" | "a formatted UUID string" | "a string representing an URL" | "string or map" => {
            "a text"
        }
        "socket address" => "an address and port",
        _ if expected.starts_with("struct ") || expected.contains("tagged enum") => "a table",
        _ if expected.starts_with("enum ") || expected.contains("UUID") => "a text",
        other => other,
    }
}
