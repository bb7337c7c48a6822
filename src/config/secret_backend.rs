//! Stores of secrets that the whole file can refer to, as Vector has them: `SECRET[backend.key]`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    error::{ConfigErrors, Problems},
    key_path,
    limits::Bounds,
};

const TIMEOUT: Bounds = Bounds { min: 1, max: 300 };

/// The table of the backends, in which nothing is replaced.
pub(super) const TABLE: &str = "secret";

/// A store of secrets. `SECRET[name.key]` anywhere in the file is replaced by its secret `key`, where `name` is the store's, when
/// the file is loaded.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretBackend {
    /// A command that is asked for all secrets at once, in Vector's protocol: it reads
    /// `{"version":"1.0","secrets":["key"]}` and prints `{"key":{"value":"…","error":null}}`.
    Exec {
        /// The program and its arguments.
        #[schemars(length(min = 1), example = ["/usr/local/bin/secrets"])]
        command: Vec<String>,
        /// How long it may take. Unit: seconds.
        #[serde(default = "default_timeout")]
        #[schemars(range(min = TIMEOUT.min, max = TIMEOUT.max), extend("x-unit" = "seconds"))]
        timeout: u64,
    },
    /// A JSON file of one object, whose members are the secrets.
    File {
        /// The file.
        #[schemars(example = &"/etc/office365-source/secrets.json")]
        path: PathBuf,
    },
    /// A directory, whose files are the secrets by their names.
    Directory {
        /// The directory.
        #[schemars(example = &"/run/secrets")]
        path: PathBuf,
        /// Whether white space at the end of a file belongs to no secret.
        #[serde(default)]
        remove_trailing_whitespace: bool,
    },
}

const fn default_timeout() -> u64 {
    5
}

impl SecretBackend {
    pub(super) fn check(&self, problems: &mut Problems, path: &str) {
        match self {
            Self::Exec { command, timeout } => {
                TIMEOUT.check(problems, &key_path::join(path, "timeout"), *timeout);
                if command.first().is_none_or(|program| program.trim().is_empty()) {
                    let help = "Write command = [\"/usr/local/bin/secrets\"].";
                    problems.add(&key_path::join(path, "command"), "names no program", help);
                }
            }
            Self::File { path: file } | Self::Directory { path: file, .. } => {
                if file.as_os_str().is_empty() {
                    problems.add(&key_path::join(path, "path"), "is empty", "Write a path.");
                }
            }
        }
    }
}

/// Checks every store of secrets.
pub(super) fn check(backends: &BTreeMap<String, SecretBackend>) -> Result<(), ConfigErrors> {
    let mut problems = Problems::below(TABLE);
    for (name, backend) in backends {
        backend.check(&mut problems, name);
    }
    problems.finish()
}

/// A secret of a backend.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct SecretName {
    /// The backend.
    pub backend: String,
    /// Its secret.
    pub key: String,
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OPEN}{}.{}]", self.backend, self.key)
    }
}

/// What the backends gave.
pub type BackendSecrets = BTreeMap<SecretName, SecretString>;

const OPEN: &str = "SECRET[";

/// Every secret that the file refers to.
pub(super) fn names_in(document: &Value) -> BTreeSet<SecretName> {
    let mut names = BTreeSet::new();
    for (key, value) in document.as_object().into_iter().flatten() {
        if key != TABLE {
            collect(value, &mut names);
        }
    }
    names
}

fn collect(value: &Value, names: &mut BTreeSet<SecretName>) {
    match value {
        Value::String(text) => names.extend(pieces(text).filter_map(|piece| match piece {
            Piece::Name(name) => Some(name),
            Piece::Text(_) => None,
        })),
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        Value::Object(map) => map.values().for_each(|value| collect(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Puts the secrets where the file refers to them.
pub(super) fn replace(document: &mut Value, secrets: &BackendSecrets) {
    for (key, value) in document.as_object_mut().into_iter().flatten() {
        if key != TABLE {
            replace_in(value, secrets);
        }
    }
}

fn replace_in(value: &mut Value, secrets: &BackendSecrets) {
    match value {
        Value::String(text) if text.contains(OPEN) => {
            *text = pieces(text)
                .map(|piece| match piece {
                    Piece::Text(text) => text.to_owned(),
                    Piece::Name(name) => match secrets.get(&name) {
                        Some(secret) => secret.expose_secret().to_owned(),
                        None => name.to_string(),
                    },
                })
                .collect();
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace_in(item, secrets)),
        Value::Object(map) => map.values_mut().for_each(|value| replace_in(value, secrets)),
        _ => {}
    }
}

enum Piece<'a> {
    Text(&'a str),
    Name(SecretName),
}

/// A text, cut where it refers to secrets.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut from = 0;
        while let Some(start) = rest.get(from..)?.find(OPEN).map(|found| from + found) {
            if let Some((name, end)) = name_at(rest, start) {
                if start > 0 {
                    let (before, after) = rest.split_at(start);
                    rest = after;
                    return Some(Piece::Text(before));
                }
                rest = rest.get(end..).unwrap_or_default();
                return Some(Piece::Name(name));
            }
            from = start + OPEN.len();
        }
        Some(Piece::Text(std::mem::take(&mut rest)))
    })
}

/// The reference that begins at `start`, and where it ends.
fn name_at(text: &str, start: usize) -> Option<(SecretName, usize)> {
    let inside = text.get(start + OPEN.len()..)?;
    let end = inside.find(']')?;
    let (backend, key) = inside.get(..end)?.split_once('.')?;
    let is_word = |text: &str, others: &[char]| {
        !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_' || others.contains(&c))
    };
    let good = is_word(backend, &['-']) && is_word(key, &['.', '-', '/']);
    good.then(|| (SecretName { backend: backend.to_owned(), key: key.to_owned() }, start + OPEN.len() + end + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn name(backend: &str, key: &str) -> SecretName {
        SecretName { backend: backend.to_owned(), key: key.to_owned() }
    }

    #[test]
    fn references_are_found_and_replaced_everywhere_but_in_the_backends() {
        let mut document = json!({
            "secret": { "a": { "type": "file", "path": "SECRET[x.y]" } },
            "sources": { "m365": { "auth": { "client_secret": "SECRET[a.client/secret-1.v2]" } } },
            "list": ["http://me:SECRET[b.password]@SECRET[b.host]:3128", "SECRET[", "SECRET[a]", "SECRET[a.b c]", 5],
        });
        let names = names_in(&document);
        assert_eq!(names, [name("a", "client/secret-1.v2"), name("b", "password"), name("b", "host")].into());
        let secrets: BackendSecrets =
            names.into_iter().map(|name| (name.clone(), SecretString::from(name.key.to_uppercase()))).collect();
        replace(&mut document, &secrets);
        assert_eq!(document["sources"]["m365"]["auth"]["client_secret"], "CLIENT/SECRET-1.V2");
        let list = json!(["http://me:PASSWORD@HOST:3128", "SECRET[", "SECRET[a]", "SECRET[a.b c]", 5]);
        assert_eq!((&document["list"], &document["secret"]["a"]["path"]), (&list, &json!("SECRET[x.y]")));
    }

    proptest! {
        #[test]
        fn a_text_is_its_pieces(text in "(SECRET|\\[|\\]|a|\\.|é| |SECRET\\[a\\.b\\]){0,12}") {
            let whole: String = pieces(&text)
                .map(|piece| match piece {
                    Piece::Text(text) => text.to_owned(),
                    Piece::Name(name) => name.to_string(),
                })
                .collect();
            prop_assert_eq!(whole, text);
        }
    }
}
