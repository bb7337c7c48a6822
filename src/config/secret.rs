//! Where a secret is, and how it is read without ever being shown.

use std::{
    borrow::Cow,
    env, fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};
use serde_json::Value;
use snafu::{OptionExt, ResultExt, Snafu, ensure};
use uuid::Uuid;

use super::error::Problems;

/// What a printed configuration shows in place of a secret. Refused as a secret: a user who loads a printed configuration
/// must learn of it from the configuration, not from Microsoft's refusal of the token request.
const REDACTED: &str = "[redacted]";

/// Far above any secret, far below what would hurt; keeps `file = "/dev/zero"` from filling the memory.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// A secret, or where to read it: `"…"`, `{ env = "NAME" }` or `{ file = "/path" }`.
#[derive(Clone)]
pub enum SecretRef {
    /// The secret itself, in the configuration.
    Inline(SecretString),
    /// The name of an environment variable that holds it.
    Env(String),
    /// A file that holds it; line ends after the secret are not part of it.
    File(PathBuf),
}

/// Why a secret cannot be had. Never holds any part of the secret.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub enum SecretError {
    /// The environment variable is not set.
    #[snafu(display("{key}: the environment variable {name} is not set. Set it, or write {{ file = \"…\" }}."))]
    Unset {
        /// The full path of the key.
        key: String,
        /// The variable.
        name: String,
    },
    /// The file cannot be read.
    #[snafu(display(
        "{key}: cannot read the file {}: {source}. Write the path of a file that this process may read.", path.display()
    ))]
    Unreadable {
        /// The full path of the key.
        key: String,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file or variable holds something that cannot be a secret.
    #[snafu(display("{key}: {place} {problem}. Store the secret's value there, and nothing else."))]
    NoSecret {
        /// The full path of the key.
        key: String,
        /// Where the secret was looked for.
        place: String,
        /// What is there instead.
        problem: &'static str,
    },
}

impl SecretRef {
    /// Reads the secret. Reads anew at each call, so that a rotated secret is picked up without a restart.
    ///
    /// `key` is the full path of this key in the configuration; it is for the error only.
    pub fn resolve(&self, key: &str) -> Result<SecretString, SecretError> {
        let text = match self {
            Self::Inline(secret) => secret.expose_secret().to_owned(),
            Self::Env(name) => from_environment(key, name)?,
            Self::File(path) => from_file(key, path)?,
        };
        // `echo` writes a line end into files and into orchestrators' secret stores alike; no client secret has one.
        let text = text.trim_end_matches(['\r', '\n']);
        let no_secret = |problem| NoSecretSnafu { key, place: self.place(), problem };
        ensure!(!text.trim().is_empty(), no_secret("is empty"));
        ensure!(text != REDACTED, no_secret("is the placeholder that a printed configuration shows"));
        Ok(SecretString::from(text))
    }

    /// Names where the secret is, never the secret: for messages.
    pub fn place(&self) -> String {
        match self {
            Self::Inline(_) => "the text in the configuration".to_owned(),
            Self::Env(name) => format!("the environment variable {name}"),
            Self::File(path) => format!("the file {}", path.display()),
        }
    }

    /// Adds what can be said against the reference without reading what it refers to. `variable` is a name that fits
    /// what the secret is for.
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
                }
            }
            Self::Env(name) if name.is_empty() || name.contains(['=', '\0']) => {
                problems.add(&format!("{key}.env"), "is not the name of an environment variable", help);
            }
            Self::File(path) if path.as_os_str().is_empty() => {
                problems.add(&format!("{key}.file"), "is empty", help);
            }
            Self::Env(_) | Self::File(_) => {}
        }
    }
}

fn from_environment(key: &str, name: &str) -> Result<String, SecretError> {
    // `var_os` panics on no name; a name that no variable can have is just not set.
    let value = env::var_os(name).context(UnsetSnafu { key, name })?;
    // The error of `env::var` would carry the value.
    value.into_string().ok().context(NoSecretSnafu {
        key,
        place: format!("the environment variable {name}"),
        problem: "is not UTF-8 text",
    })
}

fn from_file(key: &str, path: &Path) -> Result<String, SecretError> {
    let no_secret = |problem| NoSecretSnafu { key, place: format!("the file {}", path.display()), problem };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .context(UnreadableSnafu { key, path })?;
    ensure!(bytes.len() as u64 <= MAX_FILE_BYTES, no_secret("is larger than 64 KiB"));
    let text = String::from_utf8(bytes).ok().context(no_secret("is not UTF-8 text"))?;
    // Windows editors put a byte order mark in front.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Advice on a secret that was read but will hardly work, for a report that Microsoft refused it.
///
/// Not an error: secrets set by old command line tools could be GUIDs.
pub fn secret_hint(secret: &SecretString) -> Option<&'static str> {
    Uuid::parse_str(secret.expose_secret()).ok().map(|_| {
        "the client secret looks like a GUID: the Secret ID was probably pasted instead of the Value (Microsoft Entra \
         admin center > App registrations > your app > Certificates & secrets shows both; the Value only once)"
    })
}

impl From<&str> for SecretRef {
    fn from(secret: &str) -> Self {
        Self::Inline(SecretString::from(secret))
    }
}

impl PartialEq for SecretRef {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Inline(one), Self::Inline(two)) => one.expose_secret() == two.expose_secret(),
            (Self::Env(one), Self::Env(two)) => one == two,
            (Self::File(one), Self::File(two)) => one == two,
            _ => false,
        }
    }
}

impl Eq for SecretRef {}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str(REDACTED),
            Self::Env(name) => f.debug_struct("Env").field("env", name).finish(),
            Self::File(path) => f.debug_struct("File").field("file", path).finish(),
        }
    }
}

impl Serialize for SecretRef {
    /// Writes references as they are and an inline secret as `"[redacted]"`, which fits the schema but is refused when
    /// it is used.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Inline(_) => serializer.serialize_str(REDACTED),
            Self::Env(name) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("env", name)?;
                map.end()
            }
            Self::File(path) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("file", path)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    /// By hand, because serde's own errors would quote the value.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer).map_err(|_| de::Error::custom("is not a secret reference"))?;
        let read = match value {
            Value::String(secret) => Some(Self::Inline(SecretString::from(secret))),
            Value::Object(map) if map.len() == 1 => match (map.get("env"), map.get("file")) {
                (Some(Value::String(name)), None) => Some(Self::Env(name.clone())),
                (None, Some(Value::String(path))) => Some(Self::File(PathBuf::from(path))),
                _ => None,
            },
            _ => None,
        };
        read.ok_or_else(|| {
            de::Error::custom(
                "is not a secret reference; write a string, { env = \"NAME\" } or { file = \"/path/to/secret\" }",
            )
        })
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
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
                }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const KEY: &str = "sources.m365.auth.client_secret";

    #[test]
    fn a_file_is_read_anew_and_without_its_line_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let secret = SecretRef::File(path.clone());
        for (content, expected) in [("one\n", "one"), ("two\r\n", "two"), ("\u{feff} three ", " three ")] {
            fs::write(&path, content).unwrap();
            assert_eq!(secret.resolve(KEY).unwrap().expose_secret(), expected);
        }
    }

    #[test]
    fn an_unreadable_secret_names_the_key_and_the_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none");
        let error = SecretRef::File(path.clone()).resolve(KEY).unwrap_err().to_string();
        assert!(error.contains(KEY) && error.contains(&path.display().to_string()), "{error}");
        let error = SecretRef::Env("OFFICE365_SOURCE_UNSET".to_owned()).resolve(KEY).unwrap_err().to_string();
        assert!(error.contains(KEY) && error.contains("OFFICE365_SOURCE_UNSET is not set"), "{error}");
        for (content, problem) in [(&b""[..], "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "not UTF-8")] {
            fs::write(&path, content).unwrap();
            let error = SecretRef::File(path.clone()).resolve(KEY).unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains(KEY), "{error}");
        }
        fs::write(&path, vec![b'a'; 65 * 1024]).unwrap();
        assert!(SecretRef::File(path).resolve(KEY).unwrap_err().to_string().contains("64 KiB"));
    }

    #[test]
    fn an_environment_variable_is_read() {
        // Any variable that every test run has.
        let expected = env::var("PATH").unwrap();
        assert_eq!(SecretRef::Env("PATH".to_owned()).resolve(KEY).unwrap().expose_secret(), expected);
        assert!(SecretRef::Env(String::new()).resolve(KEY).is_err());
    }

    #[test]
    fn a_secret_is_never_shown_and_its_placeholder_never_used() {
        let secret = SecretRef::from("hunter2");
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"[redacted]\"");
        let again: SecretRef = serde_json::from_str("\"[redacted]\"").unwrap();
        assert!(again.resolve(KEY).unwrap_err().to_string().contains("placeholder"));
        for bad in ["123456", "[\"hunter2\"]", "{\"env\":\"A\",\"file\":\"hunter2\"}", "{\"hunter2\":\"hunter2\"}"] {
            let error = serde_json::from_str::<SecretRef>(bad).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && !error.contains("123456"), "{error}");
            assert!(error.contains("{ env = \"NAME\" }"), "{error}");
        }
    }

    #[test]
    fn a_guid_is_recognised_as_the_secret_id() {
        let hint = secret_hint(&SecretString::from("6a98b5da-7b3c-4486-bb0b-66a048c6da62")).unwrap();
        assert!(hint.contains("Secret ID") && hint.contains("Value"));
        assert_eq!(secret_hint(&SecretString::from("abc8Q~xyz")), None);
    }
}
