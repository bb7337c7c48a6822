//! Secrets on this machine. What opens a store of secrets is one of them: it cannot be in a store itself.

use std::{borrow::Cow, fmt, path::PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use super::{REDACTED, exec::ExecSecret, from_value, one_entry};
use crate::config::error::Problems;

/// What to write.
pub(super) const FORMS: &str =
    "write a string, { env = \"NAME\" }, { file = \"/path/to/secret\" }, { exec = [\"command\"] }";

/// A secret on this machine.
#[derive(Clone)]
pub enum LocalSecret {
    /// `"…"`: the secret itself, in the configuration.
    Inline(SecretString),
    /// `{ env = "NAME" }`: the name of an environment variable that holds it.
    Env(String),
    /// `{ file = "/path" }`: a file that holds it; line ends after the secret are not part of it.
    File(PathBuf),
    /// `{ exec = ["command"] }`: a command that prints it.
    Exec(ExecSecret),
}

impl LocalSecret {
    /// Names where the secret is, never the secret: for messages.
    pub fn place(&self) -> String {
        match self {
            Self::Inline(_) => "the text in the configuration".to_owned(),
            Self::Env(name) => format!("the environment variable {name}"),
            Self::File(path) => format!("the file {}", path.display()),
            Self::Exec(secret) => {
                format!("what the command {} prints", secret.exec.first().map_or("", String::as_str))
            }
        }
    }

    pub(super) fn check(&self, problems: &mut Problems, key: &str, variable: &str) {
        let help = format!("Write {key} = {{ env = \"{variable}\" }} or {key} = {{ file = \"/path/to/secret\" }}.");
        match self {
            Self::Inline(secret) => {
                let text = secret.expose_secret();
                if text.trim().is_empty() {
                    problems.add(key, "is empty", help);
                } else if text == REDACTED {
                    problems.add(key, "is the placeholder that a printed configuration shows", help);
                } else if text.starts_with("${") && text.ends_with('}') {
                    problems.add(key, "is a variable reference that nothing has replaced", help);
                } else if text.starts_with("SECRET[") {
                    problems.add(
                        key,
                        "looks like a reference to a secrets backend, SECRET[backend.key], that nothing has replaced",
                        format!(
                            "Backends are a host's: write [secret.…] at the top of the standalone program's file. Or {}",
                            help.replacen("Write", "write", 1)
                        ),
                    );
                }
            }
            Self::Env(name) if name.is_empty() || name.contains(['=', '\0']) => {
                problems.add(&format!("{key}.env"), "is not the name of an environment variable", help);
            }
            Self::File(path) if path.as_os_str().is_empty() => {
                problems.add(&format!("{key}.file"), "is empty", help);
            }
            Self::Env(_) | Self::File(_) => {}
            Self::Exec(secret) => secret.check(problems, key),
        }
    }

    /// Reads a reference; `None` when it is one of another kind, or none.
    pub(super) fn from_json<E: de::Error>(value: Value) -> Result<Option<Self>, E> {
        Ok(match value {
            Value::String(secret) => Some(Self::Inline(SecretString::from(secret))),
            Value::Object(map) if map.contains_key("exec") => Some(Self::Exec(from_value(Value::Object(map), None)?)),
            Value::Object(map) if map.len() == 1 => match (map.get("env"), map.get("file")) {
                (Some(Value::String(name)), _) => Some(Self::Env(name.clone())),
                (_, Some(Value::String(path))) => Some(Self::File(PathBuf::from(path))),
                _ => None,
            },
            _ => None,
        })
    }
}

impl PartialEq for LocalSecret {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Inline(one), Self::Inline(two)) => one.expose_secret() == two.expose_secret(),
            (Self::Env(one), Self::Env(two)) => one == two,
            (Self::File(one), Self::File(two)) => one == two,
            (Self::Exec(one), Self::Exec(two)) => one == two,
            _ => false,
        }
    }
}

impl Eq for LocalSecret {}

impl fmt::Debug for LocalSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str(REDACTED),
            Self::Env(name) => f.debug_struct("Env").field("env", name).finish(),
            Self::File(path) => f.debug_struct("File").field("file", path).finish(),
            Self::Exec(secret) => secret.fmt(f),
        }
    }
}

impl Serialize for LocalSecret {
    /// Writes references as they are and an inline secret as `"[redacted]"`, which fits the schema but is refused when
    /// it is used.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Inline(_) => serializer.serialize_str(REDACTED),
            Self::Env(name) => one_entry(serializer, "env", name),
            Self::File(path) => one_entry(serializer, "file", path),
            Self::Exec(secret) => secret.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for LocalSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer).map_err(|_| de::Error::custom("is not a secret reference"))?;
        Self::from_json(value)?.ok_or_else(|| {
            de::Error::custom(format_args!("is not a secret on this machine, which opens the store; {FORMS}"))
        })
    }
}

impl JsonSchema for LocalSecret {
    fn schema_name() -> Cow<'static, str> {
        "LocalSecretRef".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A secret, or where to read it.",
            // Tells every reader of the schema, our own error messages among them, that nothing below may be shown.
            "writeOnly": true,
            "oneOf": [
                {
                    "description": "The secret itself. Keep it out of files that others may read.",
                    "type": "string",
                    "minLength": 1
                },
                {
                    "type": "object",
                    "properties": {
                        "env": {
                            "description": "The environment variable that holds the secret.",
                            "type": "string",
                            "minLength": 1,
                            "examples": ["M365_CLIENT_SECRET"]
                        }
                    },
                    "required": ["env"],
                    "additionalProperties": false
                },
                {
                    "type": "object",
                    "properties": {
                        "file": {
                            "description": "The file that holds the secret. Line ends after the secret are ignored.",
                            "type": "string",
                            "minLength": 1,
                            "examples": ["/run/secrets/m365-client-secret"]
                        }
                    },
                    "required": ["file"],
                    "additionalProperties": false
                },
                generator.subschema_for::<ExecSecret>()
            ]
        })
    }
}
