//! The last line of defence: whatever an error says, it does not say a secret of the file it is about.
//!
//! The steps before take care not to quote secrets where secrets belong. This one catches secrets that were also, or
//! only, pasted elsewhere.

use serde_json::Value;
use url::Url;

use super::{error::ConfigErrors, schema, secret::REFERENCE_KEYS, structure::nearest};

/// Shorter texts would blot out half the message, and are no secrets of Microsoft's.
const SHORTEST: usize = 4;

pub(super) struct Redactor {
    secrets: Vec<String>,
}

impl Redactor {
    pub(super) fn of(document: &Value) -> Self {
        let mut secrets = Vec::new();
        collect(document, false, &mut secrets);
        Self { secrets: Vec::new() }.and(secrets)
    }

    /// With other secrets.
    pub(super) fn and(self, more: Vec<String>) -> Self {
        let mut secrets = self.secrets;
        secrets.extend(more);
        // Names of keys are known to all, and messages need them.
        secrets.retain(|secret| secret.len() >= SHORTEST && !schema::has_key(secret));
        // The longest first, so that no secret is spared because a part of it was replaced before.
        secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self { secrets }
    }

    pub(super) fn clean(&self, errors: ConfigErrors) -> ConfigErrors {
        errors.rewrite(|text| {
            for secret in &self.secrets {
                // Messages quote what they show, so an escaped form counts as well.
                let escaped = format!("{secret:?}");
                let escaped = escaped.trim_matches('"');
                if text.contains(secret) || text.contains(escaped) {
                    *text = text.replace(secret, "[redacted]").replace(escaped, "[redacted]");
                }
            }
        })
    }
}

fn collect(value: &Value, secret: bool, secrets: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            if secret || looks_like_client_secret(text) {
                secrets.push(text.clone());
            }
            if let Some(password) = Url::parse(text).ok().as_ref().and_then(Url::password) {
                secrets.push(password.to_owned());
            }
        }
        Value::Number(number) if secret => secrets.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, secret, secrets)),
        Value::Object(map) => {
            for (key, value) in map {
                let reference = match key.as_str() {
                    "env" | "file" | "field" => value.is_string(),
                    "exec" => value.is_array(),
                    "cyberark_ccp" | "cyberark_cp" | "vault" => value.is_object(),
                    _ => false,
                };
                // A slip such as `envv` is worth showing; anything else in a key's place may be the secret.
                if secret && nearest(key, REFERENCE_KEYS).is_none() {
                    secrets.push(key.clone());
                }
                match value {
                    Value::Object(values) if !secret && schema::is_secret_table(key) => {
                        values.values().for_each(|value| collect(value, true, secrets));
                    }
                    _ => collect(value, (secret && !reference) || schema::is_secret_key(key), secrets),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The shape of the secrets that Microsoft Entra makes: 40 characters with a tilde in them.
fn looks_like_client_secret(text: &str) -> bool {
    (32..=48).contains(&text.len())
        && text.contains('~')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '-'))
}
