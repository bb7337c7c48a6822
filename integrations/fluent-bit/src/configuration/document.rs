//! From flat properties to the tree that the source's own files have.

use serde_json::{Map, Value, json};

use super::Refused;
use crate::{
    properties::{Key, Kind, Property, SHUTDOWN_TIMEOUT},
    switch::switch,
};

/// Properties that mean the same thing in different ways.
const EXCLUSIVE: &[&[&str]] = &[
    &["client_secret", "client_secret_file", "client_secret_env"],
    &["certificate_password", "certificate_password_file", "certificate_password_env"],
    &["webhook_auth_id", "webhook_auth_id_file", "webhook_auth_id_env"],
    &["state_token", "state_token_file", "state_token_env"],
    &["state_password", "state_password_file", "state_password_env"],
    &["state_nkey", "state_nkey_file", "state_nkey_env"],
    &["tenants", "tenant_id"],
    &["tenants", "tenant_domain"],
];

/// How long the end of an instance may take when nothing else is said: Fluent Bit's own grace period. Unit: seconds.
const SHUTDOWN_TIMEOUT_SECS: u64 = 5;

/// Keys of the top level whose default is another one here.
pub(super) fn defaults() -> Map<String, Value> {
    Map::from_iter([(SHUTDOWN_TIMEOUT.to_owned(), SHUTDOWN_TIMEOUT_SECS.into())])
}

/// The document of a source and its properties.
pub(super) fn document(name: &str, given: &[(&Property, String)]) -> Result<Value, Refused> {
    check_exclusive(given)?;
    let mut source = Map::new();
    let mut top = defaults();
    for (property, text) in given {
        let value = value(property, text.trim())?;
        match property.key {
            Key::Plugin => {}
            Key::Top(key) => {
                top.insert(key.to_owned(), value);
            }
            Key::Source("tenants.id") => set_tenant(&mut source, "id", value),
            Key::Source("tenants.domain") => set_tenant(&mut source, "domain", value),
            Key::Source(key) => set(&mut source, key, value),
        }
    }
    source.insert("type".to_owned(), "office365".into());
    top.insert("sources".to_owned(), json!({ name: source }));
    // A file needs somewhere for its events to go; here that is Fluent Bit.
    top.insert("sinks".to_owned(), json!({ "fluent-bit": { "type": "console", "inputs": [name] } }));
    Ok(Value::Object(top))
}

/// A whole number, or else the text.
pub(super) fn number(text: &str) -> Value {
    text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from)
}

fn value(property: &Property, text: &str) -> Result<Value, Refused> {
    Ok(match property.kind {
        Kind::Text => Value::from(text),
        Kind::Number => number(text),
        Kind::Switch => Value::from(switch(text).ok_or_else(|| not_a_switch(property))?),
        Kind::List => words(text).collect(),
        Kind::Tenants => words(text)
            .map(|tenant| match tenant.split_once('=') {
                Some((id, domain)) => json!({ "id": id, "domain": domain }),
                None => json!({ "id": tenant }),
            })
            .collect(),
    })
}

fn not_a_switch(property: &Property) -> Refused {
    let Property { name, example, .. } = property;
    Refused::from(format!("{name}: is not on or off. For instance: {name} {example}"))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty())
}

fn check_exclusive(given: &[(&Property, String)]) -> Result<(), Refused> {
    for group in EXCLUSIVE {
        let mut names = given.iter().map(|(property, _)| property.name).filter(|name| group.contains(name));
        if let (Some(one), Some(other)) = (names.next(), names.next()) {
            return Err(Refused::from(format!("{other}: stands beside {one}. Write one of the two.")));
        }
    }
    Ok(())
}

fn set_tenant(source: &mut Map<String, Value>, key: &str, value: Value) {
    let tenants = source.entry("tenants").or_insert_with(|| json!([{}]));
    if let Some(tenant) = tenants.get_mut(0).and_then(Value::as_object_mut) {
        tenant.insert(key.to_owned(), value);
    }
}

/// Sets a key by its path, making the tables on the way.
fn set(table: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let child = table.entry(first).or_insert_with(|| Value::Object(Map::new()));
            // No path goes through another's value: `EXCLUSIVE` names those that would.
            if let Some(child) = child.as_object_mut() {
                set(child, rest, value);
            }
        }
    }
}
