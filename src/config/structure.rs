//! Are all keys known, and are all required keys there? Answered for the whole file at once, before anything is read.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{
    error::{ConfigError, ConfigErrors},
    key_path,
    schema::{self, Node, Shapes},
};

/// How alike two names must be for one to be offered for the other.
const ALIKE: f64 = 0.85;

pub(super) fn check(document: &Value) -> Result<(), ConfigErrors> {
    let mut walk = Walk { errors: Vec::new() };
    walk.value(&Place { path: String::new(), node: Node::root(schema::file()), outer: None }, document);
    ConfigErrors::check(walk.errors)
}

/// The same for one table of the file.
pub(super) fn check_below(document: &Value, key: &str) -> Result<(), ConfigErrors> {
    let mut walk = Walk { errors: Vec::new() };
    if let (Some(value), Some(node)) = (document.get(key), Node::root(schema::file()).property(key)) {
        walk.value(&Place { path: key.to_owned(), node, outer: None }, value);
    }
    ConfigErrors::check(walk.errors)
}

/// The same for one source block without its `type`, which stands at `path`.
pub(super) fn check_source(block: &Value, path: &str) -> Result<(), ConfigErrors> {
    let mut walk = Walk { errors: Vec::new() };
    walk.value(&Place { path: path.to_owned(), node: Node::root(schema::source()), outer: None }, block);
    ConfigErrors::check(walk.errors)
}

/// A value's place in the file and in the schema.
struct Place<'a, 's> {
    path: String,
    node: Node<'s>,
    outer: Option<&'a Place<'a, 's>>,
}

impl<'s> Place<'_, 's> {
    fn key(&self, key: &str, node: Node<'s>) -> Place<'_, 's> {
        Place { path: key_path::child(&self.path, key), node, outer: Some(self) }
    }
}

struct Walk {
    errors: Vec<ConfigError>,
}

impl Walk {
    fn value(&mut self, place: &Place<'_, '_>, value: &Value) {
        match value {
            Value::Object(_) if place.node.is_list_of_tables() => {
                let help = format!("Write [[{}]] above each table of the list.", place.path);
                self.errors.push(ConfigError::new(&place.path, "is a table where a list is expected", help));
            }
            Value::Object(table) => self.table(place, table),
            // serde would take the items for the values of the keys, in the order of the program's source.
            Value::Array(_) if place.node.is_table() && !place.node.is_secret() => {
                let help = format!("Write [{}] above its keys.", place.path);
                self.errors.push(ConfigError::new(&place.path, "is a list where a table is expected", help));
            }
            Value::Array(items) => {
                let Some(node) = place.node.item() else { return };
                for (index, item) in items.iter().enumerate() {
                    let path = key_path::item(&place.path, index);
                    self.value(&Place { path, node: node.clone(), outer: Some(place) }, item);
                }
            }
            // A value of another kind than the schema has is reported by the step that reads it.
            _ => {}
        }
    }

    fn table(&mut self, place: &Place<'_, '_>, table: &Map<String, Value>) {
        let Shapes { shapes, unknown_tag } = place.node.shapes(table);
        if let Some(tag) = unknown_tag {
            self.unknown_tag(place, tag, table);
        }
        let named: HashSet<_> = shapes.iter().flat_map(|shape| schema::keys(shape)).collect();
        let mut meant = HashSet::new();
        for (key, value) in table {
            // A table with no shape is one of names that the user chooses, such as `sources`.
            match place.node.property(key).filter(|_| shapes.is_empty() || named.contains(key.as_str())) {
                Some(node) => self.value(&place.key(key, node), value),
                None => meant.extend(self.unknown_key(place, key, &named)),
            }
        }
        for key in schema::required(&shapes) {
            // A misspelt key is one problem, not two.
            if table.contains_key(key) || meant.contains(key) {
                continue;
            }
            let Some(node) = place.node.property(key) else { continue };
            let missing = place.key(key, node);
            if missing.node.is_required_table() {
                // The keys that it would have to have say more.
                let told = self.errors.len();
                self.table(&missing, &Map::new());
                if self.errors.len() == told {
                    self.errors.push(ConfigError::new(&missing.path, "is missing", missing.node.help(key)));
                }
            } else {
                self.errors.push(ConfigError::new(missing.path, "is missing", missing.node.help(key)));
            }
        }
    }

    fn unknown_tag(&mut self, place: &Place<'_, '_>, tag: &str, table: &Map<String, Value>) {
        let Some(node) = place.node.property(tag) else { return };
        let problem = match table.get(tag).and_then(Value::as_str) {
            Some(given) => match nearest(given, node.choices()) {
                Some(near) => format!("{given:?} is not known here; did you mean \"{near}\"?"),
                None => format!("{given:?} is not known here"),
            },
            None => "is not a text".to_owned(),
        };
        self.errors.push(ConfigError::new(key_path::child(&place.path, tag), problem, node.help(tag)));
    }

    /// Reports an unknown key and says which known key of the same table was meant, if one was.
    fn unknown_key<'s>(&mut self, place: &Place<'_, 's>, key: &str, named: &HashSet<&'s str>) -> Option<&'s str> {
        let near = nearest(key, named.iter().copied());
        if place.node.is_secret() && near.is_none() {
            // What stands in a key's place may be the secret itself: YAML reads `{s3cret}` as a table.
            let name = place.path.rsplit('.').next().unwrap_or_default();
            let help = place.node.help(name);
            self.errors.push(ConfigError::new(&place.path, "is a table with an unknown key", help));
            return None;
        }
        let path = key_path::child(&place.path, key);
        let elsewhere = elsewhere(place, key, named);
        let (problem, help) = match (&elsewhere, near) {
            (Some(home), _) => (format!("is not a key of this table; did you mean `{home}`?"), String::new()),
            (None, Some(near)) => (format!("unknown key; did you mean `{near}`?"), String::new()),
            (None, None) => {
                let mut known: Vec<_> = named.iter().copied().collect();
                known.sort_unstable();
                ("unknown key".to_owned(), format!("Known here: {}.", known.join(", ")))
            }
        };
        self.errors.push(ConfigError::new(path, problem, help));
        if elsewhere.is_some() { None } else { near }
    }
}

/// The one table nearby, above or below, that does have such a key: a key below the wrong header is TOML's classic.
fn elsewhere(place: &Place<'_, '_>, key: &str, named: &HashSet<&str>) -> Option<String> {
    let has = |node: &Node<'_>| node.keys().contains(key);
    let mut below = named.iter().filter_map(|child| Some((child, place.node.property(child).filter(has)?)));
    let above = place.outer.filter(|outer| has(&outer.node));
    match (below.next(), below.next(), above) {
        (Some((child, _)), None, None) => Some(key_path::join(&key_path::child(&place.path, child), key)),
        (None, None, Some(outer)) => Some(key_path::join(&outer.path, key)),
        _ => None,
    }
}

pub(super) fn nearest<'s>(given: &str, known: impl IntoIterator<Item = &'s str>) -> Option<&'s str> {
    let given = given.to_lowercase();
    // Names that are never typed on purpose; also a bound on the work for a hostile file.
    if given.len() > 64 {
        return None;
    }
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&given, name), name))
        .filter(|(alike, name)| *alike >= ALIKE || strsim::damerau_levenshtein(&given, name) <= 1)
        .max_by(|(one, _), (two, _)| one.total_cmp(two))
        .map(|(_, name)| name)
}
