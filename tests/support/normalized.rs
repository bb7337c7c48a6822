//! Records as events, and what they have at a place.

use chrono::DateTime;
use office365_source::{
    component::JsonObject,
    normalize::{NormalizeOptions, Normalizer, Origin, RecordMembers, Schema},
};
use serde_json::Value;

/// The event of a record.
pub fn event(schema: Schema, record: &str) -> Value {
    made(NormalizeOptions::new(schema), record)
}

/// The event of a record, with the record's text.
#[allow(dead_code, reason = "not every test that has this module needs it")]
pub fn event_with_original(schema: Schema, record: &str) -> Value {
    made(NormalizeOptions { keep_original: true, ..NormalizeOptions::new(schema) }, record)
}

fn made(options: NormalizeOptions, record: &str) -> Value {
    let mut members = RecordMembers::default();
    let (record, _) =
        JsonObject::parse_repairing(record.to_owned().into(), |name, raw| members.visit(name, raw)).unwrap();
    let options = NormalizeOptions { user_agents: false, ..options };
    let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    let made = Normalizer::new(options).event(record, &members, &Origin::outside(None), now);
    serde_json::from_str(&made.event.to_json()).unwrap()
}

/// The texts at a path with dots, of a list or of one value; nothing if there is none. Paths go through lists.
pub fn texts(event: &Value, path: &str) -> Vec<String> {
    match (event, path.split_once('.').unwrap_or((path, ""))) {
        (Value::Array(list), _) => list.iter().flat_map(|value| texts(value, path)).collect(),
        (Value::Object(map), (name, rest)) if !path.is_empty() => {
            map.get(name).map(|value| texts(value, rest)).unwrap_or_default()
        }
        (Value::String(text), ("", "")) => vec![text.clone()],
        (Value::Number(number), ("", "")) => vec![number.to_string()],
        (Value::Bool(flag), ("", "")) => vec![flag.to_string()],
        _ => Vec::new(),
    }
}
