//! Secrets in HashiCorp Vault or OpenBao.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::local::LocalSecret;
use crate::config::{error::Problems, origin};

/// A field of a secret in HashiCorp Vault or OpenBao, in an engine KV of version 1 or 2. There is exactly one way to log in:
/// `token`, `approle` or `kubernetes`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VaultSecret {
    /// The server's address.
    #[schemars(example = &"https://vault.contoso.com:8200")]
    pub address: Url,
    /// The secret's path, with the engine's mount in front, as `vault kv get` takes it. `data` behind the mount, as in the API's
    /// paths, may be there or left out.
    #[schemars(example = &"secret/m365")]
    pub path: String,
    /// The field of the secret.
    #[schemars(example = &"client_secret")]
    pub field: String,
    /// A token of Vault's. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = LocalSecret::Env("VAULT_TOKEN".to_owned()))]
    pub token: Option<LocalSecret>,
    /// Log in by `AppRole`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approle: Option<VaultAppRole>,
    /// Log in as a service account of Kubernetes. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<VaultKubernetes>,
    /// The namespace (Vault Enterprise, OpenBao). Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"security")]
    pub namespace: Option<String>,
    /// A PEM file of certificate authorities to trust besides the system's. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/office365-source/vault-ca.pem")]
    pub ca_file: Option<PathBuf>,
}

/// The auth method `AppRole`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VaultAppRole {
    /// The `RoleID`.
    #[schemars(example = &"6f1b0f3c-8f1e-4b43-a1a8-6b9d6f0b4a57")]
    pub role_id: String,
    /// The `SecretID`.
    #[schemars(example = LocalSecret::File("/run/secrets/vault-secret-id".into()))]
    pub secret_id: LocalSecret,
    /// Where the auth method is mounted.
    #[serde(default = "approle")]
    pub mount: String,
}

/// The auth method Kubernetes.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VaultKubernetes {
    /// The role.
    #[schemars(example = &"office365-source")]
    pub role: String,
    /// The file with the service account's token, read for each login.
    #[serde(default = "service_account_token")]
    pub token_file: PathBuf,
    /// Where the auth method is mounted.
    #[serde(default = "kubernetes")]
    pub mount: String,
}

/// How to log in.
#[derive(Clone, Copy, Debug)]
pub enum VaultLogin<'a> {
    /// `token`.
    Token(&'a LocalSecret),
    /// `approle`.
    AppRole(&'a VaultAppRole),
    /// `kubernetes`.
    Kubernetes(&'a VaultKubernetes),
}

fn approle() -> String {
    "approle".to_owned()
}

fn kubernetes() -> String {
    "kubernetes".to_owned()
}

fn service_account_token() -> PathBuf {
    PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount/token")
}

impl VaultSecret {
    /// How to log in; `None` unless there is exactly one way, which validation rules out.
    pub const fn login(&self) -> Option<VaultLogin<'_>> {
        match (&self.token, &self.approle, &self.kubernetes) {
            (Some(token), None, None) => Some(VaultLogin::Token(token)),
            (None, Some(role), None) => Some(VaultLogin::AppRole(role)),
            (None, None, Some(role)) => Some(VaultLogin::Kubernetes(role)),
            _ => None,
        }
    }

    pub(super) fn check(&self, problems: &mut Problems, key: &str) {
        let key = format!("{key}.vault");
        origin::check(problems, &format!("{key}.address"), &self.address, "https://vault.contoso.com:8200");
        let example = "path = \"secret/m365\"";
        check_path(problems, &format!("{key}.path"), &self.path, example);
        if !self.path.trim_matches('/').is_empty() && !self.path.trim_matches('/').contains('/') {
            problems.add(
                &format!("{key}.path"),
                "names no secret behind the engine's mount",
                format!("Write {example}."),
            );
        }
        if self.field.trim().is_empty() {
            problems.add(&format!("{key}.field"), "is empty", "Write field = \"client_secret\".");
        }
        if self.namespace.as_deref().is_some_and(|namespace| !is_header(namespace)) {
            problems.add(
                &format!("{key}.namespace"),
                "is not the path of a namespace",
                "Write namespace = \"security\".",
            );
        }
        let ways = [self.token.is_some(), self.approle.is_some(), self.kubernetes.is_some()];
        match ways.into_iter().filter(|given| *given).count() {
            1 => {}
            0 => problems.add(
                &format!("{key}.token"),
                "is missing, and there is no other way to log in",
                "Write token = { env = \"VAULT_TOKEN\" }, or approle = { role_id = \"…\", secret_id = { file = \"…\" } }, or \
                 kubernetes = { role = \"…\" }.",
            ),
            _ => problems.add(&key, "has several ways to log in", "Keep one of token, approle and kubernetes."),
        }
        if let Some(token) = &self.token {
            token.check(problems, &format!("{key}.token"), "VAULT_TOKEN");
        }
        if let Some(VaultAppRole { role_id, secret_id, mount }) = &self.approle {
            if role_id.trim().is_empty() {
                problems.add(&format!("{key}.approle.role_id"), "is empty", "Write the RoleID.");
            }
            secret_id.check(problems, &format!("{key}.approle.secret_id"), "VAULT_SECRET_ID");
            check_path(problems, &format!("{key}.approle.mount"), mount, "mount = \"approle\"");
        }
        if let Some(VaultKubernetes { role, mount, .. }) = &self.kubernetes {
            if role.trim().is_empty() {
                problems.add(&format!("{key}.kubernetes.role"), "is empty", "Write the name of the role.");
            }
            check_path(problems, &format!("{key}.kubernetes.mount"), mount, "mount = \"kubernetes\"");
        }
    }
}

/// What comes into the path of a request: no way out of it, and nothing that ends it.
fn check_path(problems: &mut Problems, key: &str, path: &str, example: &str) {
    let help = format!("Write {example}.");
    let path = path.trim_matches('/');
    let bad = |part: &str| matches!(part, "" | "." | "..") || part.contains(['?', '#', '%', '\\']);
    if path.is_empty() {
        problems.add(key, "is empty", help);
    } else if path.split('/').any(bad) || path.contains(char::is_control) {
        problems.add(key, "is not a path in Vault", help);
    }
}

fn is_header(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}
