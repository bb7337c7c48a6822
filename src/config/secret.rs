//! Where a secret is. What reads it is `crate::secrets`.

mod cyberark;
mod exec;
mod local;
mod vault;

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};
use serde_json::{Value, json};
use uuid::Uuid;

pub use self::{
    cyberark::{CyberarkCcpSecret, CyberarkCpSecret},
    exec::ExecSecret,
    local::LocalSecret,
    vault::{VaultAppRole, VaultKubernetes, VaultLogin, VaultSecret},
};
use super::{
    decode::{WITHIN, url_problem, wrong_type},
    error::Problems,
    schema,
};

/// What a printed configuration shows in place of a secret. Refused as a secret: a user who loads a printed configuration
/// must learn of it from the configuration, not from Microsoft's refusal of the token request.
pub(crate) const REDACTED: &str = "[redacted]";

/// The keys of a reference, by which tables that are one are known.
pub(super) const REFERENCE_KEYS: [&str; 7] = ["env", "file", "exec", "field", "cyberark_ccp", "cyberark_cp", "vault"];

/// A secret, or where to read it.
#[derive(Clone, Eq, PartialEq)]
pub enum SecretRef {
    /// On this machine: a text, an environment variable, a file or a command.
    Local(LocalSecret),
    /// `{ cyberark_ccp = { … } }`: CyberArk's Central Credential Provider.
    CyberarkCcp(Box<CyberarkCcpSecret>),
    /// `{ cyberark_cp = { … } }`: CyberArk's Credential Provider on this machine.
    CyberarkCp(Box<CyberarkCpSecret>),
    /// `{ vault = { … } }`: HashiCorp Vault or OpenBao.
    Vault(Box<VaultSecret>),
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(secret) => secret.fmt(f),
            Self::CyberarkCcp(secret) => secret.fmt(f),
            Self::CyberarkCp(secret) => secret.fmt(f),
            Self::Vault(secret) => secret.fmt(f),
        }
    }
}

impl SecretRef {
    /// The environment variable of this name.
    pub fn env(name: &str) -> Self {
        Self::Local(LocalSecret::Env(name.to_owned()))
    }

    /// Names where the secret is, never the secret: for messages.
    pub fn place(&self) -> String {
        match self {
            Self::Local(secret) => secret.place(),
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

    /// Whether it is read at once, so that it may be read again and again.
    pub const fn is_at_hand(&self) -> bool {
        matches!(self, Self::Local(LocalSecret::Inline(_) | LocalSecret::Env(_) | LocalSecret::File(_)))
    }

    /// Adds what can be said against the reference without reading what it refers to. `variable` is a name that fits
    /// what the secret is for.
    pub(super) fn check(&self, problems: &mut Problems, key: &str, variable: &str) {
        match self {
            Self::Local(secret) => secret.check(problems, key, variable),
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
        Self::Local(LocalSecret::Inline(SecretString::from(secret)))
    }
}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Local(secret) => secret.serialize(serializer),
            Self::CyberarkCcp(secret) => one_entry(serializer, "cyberark_ccp", secret),
            Self::CyberarkCp(secret) => one_entry(serializer, "cyberark_cp", secret),
            Self::Vault(secret) => one_entry(serializer, "vault", secret),
        }
    }
}

/// A table with one key.
fn one_entry<S: Serializer>(serializer: S, key: &str, value: &impl Serialize) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(key, value)?;
    map.end()
}

impl<'de> Deserialize<'de> for SecretRef {
    /// By hand, because serde's own errors would quote the value.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer).map_err(|_| de::Error::custom("is not a secret reference"))?;
        match store_of(&value) {
            Some(key @ "cyberark_ccp") => from_value(value, Some(key)).map(Self::CyberarkCcp),
            Some(key @ "cyberark_cp") => from_value(value, Some(key)).map(Self::CyberarkCp),
            Some(key) => from_value(value, Some(key)).map(Self::Vault),
            None => LocalSecret::from_json(value)?.map(Self::Local).ok_or_else(|| {
                de::Error::custom(format_args!(
                    "is not a secret reference; {local}, {{ cyberark_ccp = {{ … }} }}, {{ cyberark_cp = {{ … }} }} or {{ vault = \
                     {{ … }} }}",
                    local = local::FORMS
                ))
            }),
        }
    }
}

/// The store that a table refers to.
fn store_of(value: &Value) -> Option<&'static str> {
    let table = value.as_object().filter(|table| table.len() == 1)?;
    ["cyberark_ccp", "cyberark_cp", "vault"].into_iter().find(|store| table.contains_key(*store))
}

/// Reads a table of references, the whole one or what stands below a key.
fn from_value<T: de::DeserializeOwned, E: de::Error>(mut value: Value, key: Option<&str>) -> Result<T, E> {
    let value = match key {
        Some(key) => value.get_mut(key).map(Value::take).unwrap_or_default(),
        None => value,
    };
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = [key.unwrap_or_default(), &error.path().to_string()].join(".");
        let path = path.trim_matches('.').to_owned();
        if path.split('.').any(|name| !schema::has_key(name)) {
            // What stands in a key's place may be the secret itself.
            return E::custom(format_args!("{WITHIN}that is not known here"));
        }
        // What serde says of a wrong value may quote it; what our own types say does not.
        let text = error.into_inner().to_string();
        let own = text.split(": ").next().filter(|problem| problem.starts_with("is ")).map(str::to_owned);
        let said = own
            .or_else(|| url_problem(&text))
            .or_else(|| wrong_type(&text))
            .unwrap_or_else(|| "is of another kind than needed".to_owned());
        E::custom(format_args!("{WITHIN}{path} that {said}"))
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
        let mut schema = LocalSecret::json_schema(generator);
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
            assert!(
                error.contains("secret reference") || error.contains("has a key") || error.contains("on this machine"),
                "{bad}: {error}"
            );
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
        assert!(error.contains("vault.token that is not a secret on this machine"), "{error}");
    }

    #[test]
    fn a_guid_is_recognised_as_the_secret_id() {
        let hint = secret_hint(&SecretString::from("6a98b5da-7b3c-4486-bb0b-66a048c6da62")).unwrap();
        assert!(hint.contains("Secret ID") && hint.contains("Value"));
        assert_eq!(secret_hint(&SecretString::from("abc8Q~xyz")), None);
    }
}
