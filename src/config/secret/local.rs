//! Secrets that open another store of secrets.

use std::{borrow::Cow, path::PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{SecretRef, local_schema};
use crate::config::error::Problems;

/// A secret that is on this machine: a text, an environment variable, a file or a command. What opens a store of secrets cannot
/// be in one.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct LocalSecretRef(SecretRef);

impl LocalSecretRef {
    /// The environment variable of this name.
    pub fn env(name: &str) -> Self {
        Self(SecretRef::Env(name.to_owned()))
    }

    /// The file at this path.
    pub fn file(path: &str) -> Self {
        Self(SecretRef::File(PathBuf::from(path)))
    }

    /// The reference, for those who read any.
    pub const fn as_ref(&self) -> &SecretRef {
        &self.0
    }

    pub(super) fn check(&self, problems: &mut Problems, key: &str, variable: &str) {
        self.0.check(problems, key, variable);
    }
}

impl<'de> Deserialize<'de> for LocalSecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let secret = SecretRef::deserialize(deserializer)?;
        match secret {
            SecretRef::Inline(_) | SecretRef::Env(_) | SecretRef::File(_) | SecretRef::Exec(_) => Ok(Self(secret)),
            SecretRef::CyberarkCcp(_) | SecretRef::CyberarkCp(_) | SecretRef::Vault(_) => Err(de::Error::custom(
                "is in a store of secrets itself; write a string, { env = \"NAME\" }, { file = \"/path/to/secret\" } or { exec = \
                 [\"command\"] }",
            )),
        }
    }
}

impl JsonSchema for LocalSecretRef {
    fn schema_name() -> Cow<'static, str> {
        "LocalSecretRef".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        local_schema(generator)
    }
}
