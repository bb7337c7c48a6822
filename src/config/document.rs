//! From text to one tree, whatever the format: TOML, YAML and JSON files have the same schema.
//!
//! Parsers like to quote the source line, and a secret may stand in it. So an error here is made of a position and of
//! words that are the parser's own.

use std::{fmt, path::Path};

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Number, Value};

use super::schema;

/// How a configuration file is written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Format {
    /// `.toml`
    Toml,
    /// `.yaml` or `.yml`
    Yaml,
    /// `.json`
    Json,
}

impl Format {
    /// The format that the name of a file promises.
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Where a text stops being TOML, YAML or JSON.
pub(super) struct SyntaxError {
    /// Line and column, from one; unknown for an error of the text as a whole.
    pub(super) position: Option<(usize, usize)>,
    pub(super) message: String,
}

impl SyntaxError {
    /// Where to look, for people.
    pub(super) fn place(&self) -> String {
        self.position.map_or_else(String::new, |(line, column)| format!("line {line}, column {column}"))
    }
}

pub(super) fn read(text: &str, format: Format) -> Result<Value, SyntaxError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value = match format {
        Format::Toml => from_toml(text)?,
        Format::Yaml => from_yaml(text)?,
        Format::Json => from_json(text)?,
    };
    match value {
        Value::Object(_) => Ok(value),
        // What an empty YAML file is.
        Value::Null => Ok(Value::Object(Map::new())),
        _ => Err(SyntaxError { position: None, message: "the file is not a table of keys and values".to_owned() }),
    }
}

fn from_toml(text: &str) -> Result<Value, SyntaxError> {
    match toml::from_str::<toml::Table>(text) {
        Ok(table) => Ok(Value::Object(table.into_iter().map(|(key, value)| (key, plain(value))).collect())),
        Err(error) => Err(SyntaxError {
            position: error.span().map(|span| position(text, span.start)),
            message: without_names(error.message()),
        }),
    }
}

/// No key of the configuration is a date or an unusual number; as text they get a good error later.
fn plain(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::Number(number.into()),
        toml::Value::Float(number) => float(number),
        toml::Value::Boolean(boolean) => Value::Bool(boolean),
        toml::Value::Datetime(datetime) => Value::String(datetime.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        toml::Value::Table(table) => Value::Object(table.into_iter().map(|(key, value)| (key, plain(value))).collect()),
    }
}

fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
}

/// Line and column of a byte, both from one, the column in characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before.get(line_start..).unwrap_or_default().chars().count() + 1)
}

fn from_yaml(text: &str) -> Result<Value, SyntaxError> {
    serde_yaml_ng::from_str::<Tree>(text).map(|tree| tree.0).map_err(|error| {
        let text = error.to_string();
        SyntaxError {
            position: error.location().map(|location| (location.line(), location.column())),
            message: parser_s_own_words(&text),
        }
    })
}

fn from_json(text: &str) -> Result<Value, SyntaxError> {
    serde_json::from_str::<Tree>(text).map(|tree| tree.0).map_err(|error| SyntaxError {
        position: Some((error.line(), error.column())),
        message: parser_s_own_words(&error.to_string()),
    })
}

/// The message without the position, which is told apart, and without the path that `serde_yaml_ng` puts in front of
/// our own `Tree`'s messages, which is made of the file's keys.
fn parser_s_own_words(message: &str) -> String {
    if let Some(start) = message.find(DUPLICATE) {
        return without_names(message.get(start..).unwrap_or(DUPLICATE));
    }
    if message.contains("invalid type: ") || message.contains("invalid value: ") {
        return "this kind of key or value has no place in a configuration".to_owned();
    }
    message.split(" at line ").next().unwrap_or_default().to_owned()
}

/// Leaves a quoted name in a message only when the schema has it: a secret in a wrong place can look like a key.
fn without_names(message: &str) -> String {
    let mut kept = String::new();
    for (index, part) in message.split('`').enumerate() {
        if index % 2 == 0 {
            kept.push_str(part);
        } else if part.len() <= 2 || schema::has_key(part) {
            kept.push('`');
            kept.push_str(part);
            kept.push('`');
        } else {
            kept.push('…');
        }
    }
    kept.split(" at line ").next().unwrap_or_default().to_owned()
}

const DUPLICATE: &str = "duplicate key `";

/// Any value, but no table with the same key twice: the last one would win without a word.
struct Tree(Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor).map(Self)
    }
}

struct TreeVisitor;

impl<'de> de::Visitor<'de> for TreeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a configuration value")
    }

    fn visit_bool<E>(self, boolean: bool) -> Result<Value, E> {
        Ok(Value::Bool(boolean))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Tree(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(de::Error::custom(format_args!("{DUPLICATE}{key}`")));
            }
            let Tree(value) = entries.next_value()?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
