//! The JSON Schema: the reference of every key, and what the checks and the help of this module are driven by, so that
//! documentation and behaviour cannot drift apart.

use std::{collections::BTreeSet, sync::LazyLock};

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

use super::{source::Office365Config, topology::TopologyConfig};

static FILE: LazyLock<Value> = LazyLock::new(|| {
    let mut schema = generate::<TopologyConfig>();
    entitle(&mut schema, "office365-source configuration file");
    schema
});

static SOURCE: LazyLock<Value> = LazyLock::new(|| {
    let mut schema = generate::<Office365Config>();
    entitle(&mut schema, "office365 source");
    schema
});

static KEYS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let mut keys = BTreeSet::new();
    collect_keys(&FILE, &|_| true, &mut keys);
    keys
});

static SECRET_KEYS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let mut keys = BTreeSet::new();
    collect_keys(&FILE, &|schema| Node { root: &FILE, parts: Vec::new() }.with(schema).is_secret(), &mut keys);
    keys
});

static SECRET_TABLES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let mut keys = BTreeSet::new();
    let holds_secrets = |schema: &Value| {
        let node = Node { root: &FILE, parts: Vec::new() }.with(schema);
        node.parts.iter().any(|part| {
            part.get("additionalProperties")
                .is_some_and(|values| Node { root: &FILE, parts: Vec::new() }.with(values).is_secret())
        })
    };
    collect_keys(&FILE, &holds_secrets, &mut keys);
    keys
});

/// The JSON Schema (draft 2020-12) of the standalone host's configuration file.
pub fn json_schema() -> Value {
    FILE.clone()
}

/// The JSON Schema (draft 2020-12) of one source block, without its `type`.
pub fn source_json_schema() -> Value {
    SOURCE.clone()
}

/// The JSON Schema of one source block without references, for hosts that put it into a schema of their own. Whether keys
/// beside those of the block are allowed is the host's to say, as it may have some.
pub fn embedded_source_json_schema() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<Office365Config>().to_value();
    join_lines(&mut schema);
    if let Value::Object(map) = &mut schema {
        map.remove("additionalProperties");
    }
    schema
}

pub(super) fn file() -> &'static Value {
    &FILE
}

pub(super) fn source() -> &'static Value {
    &SOURCE
}

/// Whether some table of the file has a key of this name.
pub(super) fn has_key(name: &str) -> bool {
    KEYS.contains(name)
}

/// Whether what some table of the file has below a key of this name may not be shown.
pub(super) fn is_secret_key(name: &str) -> bool {
    SECRET_KEYS.contains(name)
}

/// Whether some table of the file has a table of this name below which every key is the user's, and every value a secret.
pub(super) fn is_secret_table(name: &str) -> bool {
    SECRET_TABLES.contains(name)
}

fn generate<T: JsonSchema>() -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value();
    join_lines(&mut schema);
    schema
}

/// Undoes the line breaks of the source code in descriptions; paragraphs stay apart.
fn join_lines(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if key == "description" => {
                        *text =
                            text.split("\n\n").map(|lines| lines.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
                    }
                    _ => join_lines(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(join_lines),
        _ => {}
    }
}

fn entitle(schema: &mut Value, title: &str) {
    if let Value::Object(map) = schema {
        map.insert("title".to_owned(), Value::String(title.to_owned()));
    }
}

/// Adds the names of the keys whose schema is one of those meant.
fn collect_keys(schema: &Value, meant: &impl Fn(&Value) -> bool, keys: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get("properties") {
                keys.extend(properties.iter().filter(|(_, schema)| meant(schema)).map(|(key, _)| key.clone()));
            }
            map.values().for_each(|value| collect_keys(value, meant, keys));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_keys(item, meant, keys)),
        _ => {}
    }
}

/// A place in the schema: everything that is said about one value, references followed and alternatives side by side.
#[derive(Clone)]
pub(super) struct Node<'s> {
    root: &'s Value,
    /// The nearest first, so that what a field says goes before what its type says.
    parts: Vec<&'s Map<String, Value>>,
}

/// The shapes that a table can have.
pub(super) struct Shapes<'s> {
    pub(super) shapes: Vec<&'s Map<String, Value>>,
    /// The key whose value matches no shape, such as the `type` of a sink that does not exist.
    pub(super) unknown_tag: Option<&'s str>,
}

impl<'s> Node<'s> {
    pub(super) fn root(schema: &'s Value) -> Self {
        Self { root: schema, parts: Vec::new() }.with(schema)
    }

    fn with(mut self, schema: &'s Value) -> Self {
        let Value::Object(map) = schema else { return self };
        self.parts.push(map);
        if let Some(target) = map.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'))
            && let Some(target) = self.root.pointer(target)
        {
            self = self.with(target);
        }
        for alternatives in ["oneOf", "anyOf", "allOf"] {
            for alternative in map.get(alternatives).and_then(Value::as_array).into_iter().flatten() {
                self = self.with(alternative);
            }
        }
        self
    }

    fn below(&self, children: impl Iterator<Item = &'s Value>) -> Option<Self> {
        let node = children.fold(Self { root: self.root, parts: Vec::new() }, Self::with);
        if node.parts.is_empty() { None } else { Some(node) }
    }

    /// The node of a key: one that the schema names, else that of any name.
    pub(super) fn property(&self, key: &str) -> Option<Self> {
        self.below(self.parts.iter().filter_map(|part| part.get("properties")?.get(key)))
            .or_else(|| self.below(self.parts.iter().filter_map(|part| part.get("additionalProperties"))))
    }

    /// The node of an item of a list.
    pub(super) fn item(&self) -> Option<Self> {
        self.below(self.parts.iter().filter_map(|part| part.get("items")))
    }

    /// Whether only a list of tables can be right.
    pub(super) fn is_list_of_tables(&self) -> bool {
        !self.may_be_table() && self.item().is_some_and(|item| item.is_table())
    }

    /// Whether a table can be right, and no list.
    pub(super) fn is_table(&self) -> bool {
        self.keyword("items").is_none() && self.may_be_table()
    }

    fn may_be_table(&self) -> bool {
        self.keyword("properties").is_some() || self.keyword("additionalProperties").is_some_and(Value::is_object)
    }

    /// The names of the keys, whatever the shape.
    pub(super) fn keys(&self) -> BTreeSet<&'s str> {
        self.parts.iter().flat_map(|part| keys(part)).collect()
    }

    /// The shapes that `table` can be meant to have: a key with a constant tells them apart.
    pub(super) fn shapes(&self, table: &Map<String, Value>) -> Shapes<'s> {
        let all: Vec<_> = self.parts.iter().copied().filter(|part| part.contains_key("properties")).collect();
        let other_tag = |shape: &&'s Map<String, Value>| {
            let properties = shape.get("properties")?.as_object()?;
            properties.iter().find_map(|(key, schema)| {
                let other = table.get(key)? != schema.get("const")?;
                other.then_some(key.as_str())
            })
        };
        let shapes: Vec<_> = all.iter().copied().filter(|shape| other_tag(shape).is_none()).collect();
        if shapes.is_empty() {
            Shapes { unknown_tag: all.iter().find_map(other_tag), shapes: all }
        } else {
            Shapes { shapes, unknown_tag: None }
        }
    }

    fn keyword(&self, name: &str) -> Option<&'s Value> {
        self.parts.iter().find_map(|part| part.get(name))
    }

    /// Whether nothing below may be shown.
    pub(super) fn is_secret(&self) -> bool {
        self.keyword("writeOnly").is_some()
    }

    pub(super) fn is_required_table(&self) -> bool {
        self.parts.iter().any(|part| part.contains_key("properties")) && self.keyword("examples").is_none()
    }

    pub(super) fn format(&self) -> Option<&'s str> {
        self.keyword("format")?.as_str()
    }

    /// The texts that are allowed, when only some are.
    pub(super) fn choices(&self) -> Vec<&'s str> {
        let one = self.parts.iter().filter_map(|part| part.get("const"));
        let many = self.parts.iter().filter_map(|part| part.get("enum")?.as_array()).flatten();
        one.chain(many).filter_map(Value::as_str).collect()
    }

    /// A value that is right here.
    pub(super) fn sample(&self) -> Option<Value> {
        let example = self.keyword("examples").and_then(|examples| examples.get(0));
        let known = example.or_else(|| self.keyword("default").filter(|default| !default.is_null()));
        known.cloned().or_else(|| self.choices().first().map(|choice| Value::from(*choice)))
    }

    /// What to write for `key`, in whole sentences.
    pub(super) fn help(&self, key: &str) -> String {
        let example = self.keyword("examples").and_then(|examples| examples.get(0));
        let default = self.keyword("default").filter(|default| !default.is_null());
        let range = (self.keyword("minimum"), self.keyword("maximum"));
        let choices = self.choices();
        let write = if let Some(example) = example {
            let or =
                if self.is_secret() { format!(" or {key} = {{ file = \"/path/to/secret\" }}") } else { String::new() };
            format!("Write {key} = {}{or}.", as_toml(example))
        } else if !choices.is_empty() {
            let choices: Vec<_> = choices.iter().map(|choice| format!("{key} = \"{choice}\"")).collect();
            format!("Write {}.", choices.join(" or "))
        } else if let (Some(default), (Some(min), Some(max))) = (default, range) {
            format!("Write a whole number from {min} to {max}, such as {key} = {}.", as_toml(default))
        } else if let Some(default) = default.filter(|default| !default.is_object()) {
            format!("Write {key} = {}, for instance.", as_toml(default))
        } else {
            String::new()
        };
        let description = self.keyword("description").and_then(Value::as_str).unwrap_or_default();
        let description = description.split_whitespace().collect::<Vec<_>>().join(" ");
        [write, description].iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join(" ")
    }
}

/// The names of the keys of one shape.
pub(super) fn keys(shape: &Map<String, Value>) -> impl Iterator<Item = &str> {
    shape.get("properties").and_then(Value::as_object).into_iter().flat_map(|keys| keys.keys().map(String::as_str))
}

/// The keys that every one of the shapes requires.
pub(super) fn required<'s>(shapes: &[&'s Map<String, Value>]) -> Vec<&'s str> {
    let of = |shape: &&'s Map<String, Value>| -> Vec<&'s str> {
        let names = shape.get("required").and_then(Value::as_array);
        names.into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let Some((first, others)) = shapes.split_first() else { return Vec::new() };
    of(first).into_iter().filter(|name| others.iter().all(|other| of(other).contains(name))).collect()
}

/// A value the way a user would write it in TOML.
fn as_toml(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(as_toml).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries: Vec<_> = map.iter().map(|(key, value)| format!("{key} = {}", as_toml(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        plain => plain.to_string(),
    }
}
