//! Where a secret is. What reads it is `crate::secrets`.

mod cyberark;
mod exec;
mod local;
mod vault;

use std::{borrow::Cow, fmt, path::PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub use self::{
    cyberark::{CyberarkCcpSecret, CyberarkCpSecret},
    exec::ExecSecret,
    local::LocalSecretRef,
    vault::{VaultAppRole, VaultKubernetes, VaultLogin, VaultSecret},
};
use super::{error::Problems, schema};

/// What a printed configuration shows in place of a secret. Refused as a secret: a user who loads a printed configuration
/// must learn of it from the configuration, not from Microsoft's refusal of the token request.
pub(crate) const REDACTED: &str = "[redacted]";

/// The keys of a reference, by which tables that are one are known.
pub(super) const REFERENCE_KEYS: [&str; 7] = ["env", "file", "exec", "field", "cyberark_ccp", "cyberark_cp", "vault"];

const FORMS: &str = "write a string, { env = \"NAME\" }, { file = \"/path/to/secret\" }, { exec = [\"command\"] }, \
                     { cyberark_ccp = { … } }, { cyberark_cp = { … } } or { vault = { … } }";

/// A secret, or where to read it.
#[derive(Clone)]
pub enum SecretRef {
    /// `"…"`: the secret itself, in the configuration.
    Inline(SecretString),
    /// `{ env = "NAME" }`: the name of an environment variable that holds it.
    Env(String),
    /// `{ file = "/path" }`: a file that holds it; line ends after the secret are not part of it.
    File(PathBuf),
    /// `{ exec = ["command"] }`: a command that prints it.
    Exec(ExecSecret),
    /// `{ cyberark_ccp = { … } }`: CyberArk's Central Credential Provider.
    CyberarkCcp(Box<CyberarkCcpSecret>),
    /// `{ cyberark_cp = { … } }`: CyberArk's Credential Provider on this machine.
    CyberarkCp(Box<CyberarkCpSecret>),
    /// `{ vault = { … } }`: HashiCorp Vault or OpenBao.
    Vault(Box<VaultSecret>),
}

impl SecretRef {
    /// Names where the secret is, never the secret: for messages.
    pub fn place(&self) -> String {
        match self {
            Self::Inline(_) => "the text in the configuration".to_owned(),
            Self::Env(name) => format!("the environment variable {name}"),
            Self::File(path) => format!("the file {}", path.display()),
            Self::Exec(secret) => {
                format!("what the command {} prints", secret.exec.first().map_or("", String::as_str))
            }
            Self::CyberarkCcp(secret) => match (&secret.object, &secret.safe) {
                (Some(object), Some(safe)) => {
                    format!("CyberArk's account {object} in the safe {safe} ({})", secret.url)
                }
                _ => format!("CyberArk's account that meets the query ({})", secret.url),
            },
            Self::CyberarkCp(secret) => {
                format!("CyberArk's account {} in the safe {}", secret.object, secret.safe)
            }
            Self::Vault(secret) => {
                format!("the field {} of {} in Vault ({})", secret.field, secret.path, secret.address)
            }
        }
    }

    /// Whether it is on this machine and is read at once, so that it may be read again and again.
    pub const fn is_at_hand(&self) -> bool {
        matches!(self, Self::Inline(_) | Self::Env(_) | Self::File(_))
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
            Self::CyberarkCcp(secret) => secret.check(problems, key),
            Self::CyberarkCp(secret) => secret.check(problems, key),
            Self::Vault(secret) => secret.check(problems, key),
        }
    }
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
            (Self::Exec(one), Self::Exec(two)) => one == two,
            (Self::CyberarkCcp(one), Self::CyberarkCcp(two)) => one == two,
            (Self::CyberarkCp(one), Self::CyberarkCp(two)) => one == two,
            (Self::Vault(one), Self::Vault(two)) => one == two,
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
            Self::Exec(secret) => secret.fmt(f),
            Self::CyberarkCcp(secret) => secret.fmt(f),
            Self::CyberarkCp(secret) => secret.fmt(f),
            Self::Vault(secret) => secret.fmt(f),
        }
    }
}

impl Serialize for SecretRef {
    /// Writes references as they are and an inline secret as `"[redacted]"`, which fits the schema but is refused when
    /// it is used.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fn one<S: Serializer>(serializer: S, key: &str, value: &impl Serialize) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry(key, value)?;
            map.end()
        }
        match self {
            Self::Inline(_) => serializer.serialize_str(REDACTED),
            Self::Env(name) => one(serializer, "env", name),
            Self::File(path) => one(serializer, "file", path),
            Self::Exec(secret) => secret.serialize(serializer),
            Self::CyberarkCcp(secret) => one(serializer, "cyberark_ccp", secret),
            Self::CyberarkCp(secret) => one(serializer, "cyberark_cp", secret),
            Self::Vault(secret) => one(serializer, "vault", secret),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    /// By hand, because serde's own errors would quote the value.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer).map_err(|_| de::Error::custom("is not a secret reference"))?;
        let no_reference = || de::Error::custom(format_args!("is not a secret reference; {FORMS}"));
        match value {
            Value::String(secret) => Ok(Self::Inline(SecretString::from(secret))),
            Value::Object(mut map) if map.contains_key("exec") => from_value(&mut map, None).map(Self::Exec),
            Value::Object(mut map) if map.len() == 1 => {
                let Some(key) = map.keys().next().cloned() else { return Err(no_reference()) };
                match (key.as_str(), map.get(&key)) {
                    ("env", Some(Value::String(name))) => Ok(Self::Env(name.clone())),
                    ("file", Some(Value::String(path))) => Ok(Self::File(PathBuf::from(path))),
                    ("cyberark_ccp", _) => from_value(&mut map, Some(&key)).map(Self::CyberarkCcp),
                    ("cyberark_cp", _) => from_value(&mut map, Some(&key)).map(Self::CyberarkCp),
                    ("vault", _) => from_value(&mut map, Some(&key)).map(Self::Vault),
                    _ => Err(no_reference()),
                }
            }
            _ => Err(no_reference()),
        }
    }
}

/// Reads a table of references, the whole one or what stands below a key.
fn from_value<T: de::DeserializeOwned, E: de::Error>(map: &mut Map<String, Value>, key: Option<&str>) -> Result<T, E> {
    let value = match key {
        Some(key) => map.remove(key).unwrap_or_default(),
        None => Value::Object(std::mem::take(map)),
    };
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = [key.unwrap_or_default(), &error.path().to_string()].join(".");
        let path = path.trim_matches('.').to_owned();
        if path.split('.').any(|name| !schema::has_key(name)) {
            // What stands in a key's place may be the secret itself.
            return E::custom(format_args!("has a key that is not known; {FORMS}"));
        }
        // What serde says of a wrong value may quote it; what our own types say does not.
        let text = error.into_inner().to_string();
        let said = if text.starts_with("is ") { text } else { "is of another kind than needed".to_owned() };
        E::custom(format_args!("has a key {path} that {said}"))
    })
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let stores = [
            store(
                "cyberark_ccp",
                "An account of CyberArk's Central Credential Provider.",
                generator.subschema_for::<CyberarkCcpSecret>(),
            ),
            store(
                "cyberark_cp",
                "An account of CyberArk's Credential Provider on this machine.",
                generator.subschema_for::<CyberarkCpSecret>(),
            ),
            store(
                "vault",
                "A field of a secret in HashiCorp Vault or OpenBao.",
                generator.subschema_for::<VaultSecret>(),
            ),
        ];
        let mut schema = local_schema(generator);
        if let Some(Value::Array(forms)) = schema.get_mut("oneOf") {
            forms.extend(stores);
        }
        schema
    }
}

fn store(key: &str, description: &str, mut schema: Schema) -> Value {
    schema.insert("description".to_owned(), description.into());
    json!({
        "type": "object",
        "properties": { key: schema },
        "required": [key],
        "additionalProperties": false
    })
}

/// The forms that a secret on this machine has.
fn local_schema(generator: &mut SchemaGenerator) -> Schema {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<SecretRef, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = SecretRef::from("hunter2");
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"[redacted]\"");
        for bad in [
            "123456",
            "[\"hunter2\"]",
            "{\"env\":\"A\",\"file\":\"hunter2\"}",
            "{\"hunter2\":\"hunter2\"}",
            "{\"exec\":\"hunter2\"}",
            "{\"exec\":[\"a\"],\"hunter2\":\"hunter2\"}",
            "{\"vault\":\"hunter2\"}",
            "{\"vault\":{\"address\":\"hunter2\",\"path\":\"a\",\"field\":\"b\"}}",
            "{\"vault\":{\"address\":\"https://v\",\"path\":\"a\",\"field\":\"b\",\"token\":[\"hunter2\"]}}",
        ] {
            let error = read(bad).unwrap_err();
            assert!(!error.contains("hunter2") && !error.contains("123456"), "{error}");
            assert!(error.contains("secret reference") || error.contains("has a key"), "{bad}: {error}");
        }
    }

    #[test]
    fn references_are_written_as_they_were_read() {
        for reference in [
            r#"{"env":"A"}"#,
            r#"{"file":"/a"}"#,
            r#"{"exec":["/bin/a","b"],"field":"c.d"}"#,
            r#"{"cyberark_ccp":{"url":"https://ccp.contoso.com/","app_id":"a","safe":"s","object":"o"}}"#,
            r#"{"cyberark_cp":{"app_id":"a","safe":"s","folder":"Root","object":"o","cli_path":"/x"}}"#,
            r#"{"vault":{"address":"https://vault:8200/","path":"secret/m365","field":"f","token":{"env":"VAULT_TOKEN"}}}"#,
        ] {
            assert_eq!(serde_json::to_string(&read(reference).unwrap()).unwrap(), reference);
        }
    }

    #[test]
    fn what_opens_a_store_is_not_in_one() {
        let vault = |token: &str| {
            read(&format!(r#"{{"vault":{{"address":"https://v","path":"a/b","field":"f","token":{token}}}}}"#))
        };
        for good in [r#""s.1234""#, r#"{"env":"A"}"#, r#"{"file":"/a"}"#, r#"{"exec":["a"]}"#] {
            assert!(vault(good).is_ok(), "{good}");
        }
        let error = vault(r#"{"vault":{"address":"https://v","path":"a/b","field":"f","token":"x"}}"#).unwrap_err();
        assert!(error.contains("vault.token that is in a store of secrets itself"), "{error}");
    }

    #[test]
    fn a_guid_is_recognised_as_the_secret_id() {
        let hint = secret_hint(&SecretString::from("6a98b5da-7b3c-4486-bb0b-66a048c6da62")).unwrap();
        assert!(hint.contains("Secret ID") && hint.contains("Value"));
        assert_eq!(secret_hint(&SecretString::from("abc8Q~xyz")), None);
    }
}
