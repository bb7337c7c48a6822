//! Secrets in HashiCorp Vault or OpenBao.
//!
//! Vault's HTTP API: `POST /v1/auth/<mount>/login`, `GET /v1/sys/internal/ui/mounts/<path>` for the mount and the version of
//! the engine, as `vault kv get` asks it, and `GET /v1/<path>`.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use snafu::ensure;
use tokio::time::Instant;
use url::Url;

use super::{
    Secret,
    error::{NoSecretSnafu, SecretError, ServiceProblem},
    local,
    service::{Answer, Service, said},
};
use crate::config::{LocalSecret, VaultAppRole, VaultKubernetes, VaultLogin, VaultSecret};

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// Wanted by agents and proxies that guard against forged requests.
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

/// Tokens of logins, by address, namespace and login, so that not every secret logs in anew.
#[derive(Clone, Default)]
pub(super) struct Sessions(Arc<std::sync::Mutex<HashMap<String, Session>>>);

#[derive(Clone)]
struct Session {
    token: SecretString,
    until: Instant,
}

/// A request to `/v1/auth/<mount>/login`.
struct Login {
    mount: String,
    body: Value,
    /// What proves it, which no message may hold.
    secret: SecretString,
}

impl Login {
    async fn by_approle(role: &VaultAppRole, key: &str) -> Result<Self, SecretError> {
        let secret = header_text(&role.secret_id, &format!("{key}.vault.approle.secret_id")).await?;
        let body = json!({ "role_id": role.role_id, "secret_id": secret.expose_secret() });
        Ok(Self { mount: role.mount.clone(), body, secret })
    }

    fn by_kubernetes(role: &VaultKubernetes, key: &str) -> Result<Self, SecretError> {
        let token = local::from_file(&format!("{key}.vault.kubernetes.token_file"), &role.token_file)?;
        let secret = SecretString::from(token.trim());
        let body = json!({ "role": role.role, "jwt": secret.expose_secret() });
        Ok(Self { mount: role.mount.clone(), body, secret })
    }
}

/// A secret that fits a header: one that does not would be left out of requests without a word.
async fn header_text(secret: &LocalSecret, key: &str) -> Result<SecretString, SecretError> {
    let text = local::read(secret, key).await?;
    let text = text.trim();
    let problem = "holds a line end or another character that no header of a request can carry";
    ensure!(text.bytes().all(|byte| byte.is_ascii_graphic()), NoSecretSnafu { key, place: secret.place(), problem });
    Ok(SecretString::from(text))
}

/// The way to Vault.
pub(super) fn service<'a>(secret: &'a VaultSecret, key: &'a str) -> Result<Service<'a>, SecretError> {
    Service::new(key, ("Vault", "vault"), &secret.address, secret.ca_file.clone(), None)
}

/// Reads the secret's field.
pub(super) async fn read(secret: &VaultSecret, key: &str, sessions: &Sessions) -> Result<Secret, SecretError> {
    let vault = Vault { service: service(secret, key)?, secret };
    match secret.login() {
        Some(VaultLogin::Token(token)) => vault.field(&header_text(token, &format!("{key}.vault.token")).await?).await,
        Some(VaultLogin::AppRole(role)) => vault.field_after(&Login::by_approle(role, key).await?, sessions).await,
        Some(VaultLogin::Kubernetes(role)) => vault.field_after(&Login::by_kubernetes(role, key)?, sessions).await,
        // Validation has seen to it that there is one; Vault refuses who has none.
        None => vault.field(&SecretString::default()).await,
    }
}

struct Vault<'a> {
    service: Service<'a>,
    secret: &'a VaultSecret,
}

impl Vault<'_> {
    /// Reads the field with the token of a login. Logs in when there is no session yet, and once more when it is refused.
    async fn field_after(&self, login: &Login, sessions: &Sessions) -> Result<Secret, SecretError> {
        let Some(token) = sessions.get(&self.session_key(login)) else {
            return self.field(&self.log_in(login, sessions).await?).await;
        };
        match self.field(&token).await {
            Err(SecretError::Service {
                problem: ServiceProblem::Refused { status: StatusCode::FORBIDDEN, .. },
                ..
            }) => self.field(&self.log_in(login, sessions).await?).await,
            result => result,
        }
    }

    fn session_key(&self, Login { mount, body, .. }: &Login) -> String {
        let role = body.get("role_id").or_else(|| body.get("role")).and_then(Value::as_str).unwrap_or_default();
        let namespace = self.secret.namespace.as_deref().unwrap_or_default();
        [self.secret.address.as_str(), namespace, mount, role].join("\n")
    }

    async fn log_in(&self, login: &Login, sessions: &Sessions) -> Result<SecretString, SecretError> {
        let Login { mount, body, secret } = login;
        let path = format!("auth/{}/login", mount.trim_matches('/'));
        let answer = self.service.ask(Method::POST, self.url(&path), self.headers(None), Some(body)).await?;
        let said = errors(&answer, &[secret.expose_secret()]);
        let auth = answer.body.as_ref().and_then(|body| body.get("auth"));
        let token = auth.and_then(|auth| auth.get("client_token")).and_then(Value::as_str);
        match token {
            Some(token) if answer.status.is_success() => {
                let lease =
                    auth.and_then(|auth| auth.get("lease_duration")).and_then(Value::as_u64).unwrap_or_default();
                let token = SecretString::from(token);
                // A lease of zero has no end; a session is short all the same, as policies change.
                let life = Duration::from_secs(if lease == 0 { 3_600 } else { lease.min(3_600) });
                sessions.put(
                    self.session_key(login),
                    Session { token: token.clone(), until: Instant::now() + life * 9 / 10 },
                );
                Ok(token)
            }
            _ => Err(self.refusal(
                &answer,
                said,
                format!("Check the role and what proves it, and that the auth method is mounted at {mount}."),
            )),
        }
    }

    async fn field(&self, token: &SecretString) -> Result<Secret, SecretError> {
        let path = self.api_path(token).await?;
        let answer = self.service.ask(Method::GET, self.url(&path), self.headers(Some(token)), None).await?;
        let said = errors(&answer, &[token.expose_secret()]);
        let data = answer.body.as_ref().and_then(|body| body.get("data")).filter(|_| answer.status.is_success());
        let Some(data) = data else {
            let advice = match answer.status {
                StatusCode::NOT_FOUND => format!(
                    "There is no secret at {path}, or its last version is deleted: compare with `vault kv get {}`.",
                    self.secret.path
                ),
                _ => format!(
                    "The token's policy needs the capability read on {path}, and the token must not have expired."
                ),
            };
            return Err(self.refusal(&answer, said, advice));
        };
        let is_versioned = data.get("metadata").is_some_and(|metadata| metadata.get("version").is_some());
        let (fields, metadata) = match data.get("data") {
            Some(fields) if is_versioned => (fields, data.get("metadata")),
            _ => (data, None),
        };
        let field = &self.secret.field;
        let no_secret = |problem| Err(self.service.problem(ServiceProblem::Empty { problem }));
        match fields.get(field) {
            Some(Value::String(text)) if !text.trim().is_empty() => {
                Ok(Secret { value: SecretString::from(text.as_str()), expires: metadata.and_then(expiry) })
            }
            Some(Value::String(_)) => no_secret(format!("the field {field} of {path} is empty.")),
            Some(_) => no_secret(format!("the field {field} of {path} is not a text.")),
            None => no_secret(format!("{path} has no field {field}. {}", names(fields))),
        }
    }

    /// The path of the secret in the API. An engine of version 2 has `data` behind its mount.
    async fn api_path(&self, token: &SecretString) -> Result<String, SecretError> {
        let path = self.secret.path.trim_matches('/');
        let about = self.url(&format!("sys/internal/ui/mounts/{path}"));
        let answer = self.service.ask(Method::GET, about, self.headers(Some(token)), None).await?;
        if answer.is_busy() {
            let said = errors(&answer, &[token.expose_secret()]);
            return Err(self.refusal(&answer, said, String::new()));
        }
        // Who may not ask this may still read the secret, by the path as it is.
        let data = answer.body.as_ref().and_then(|body| body.get("data")).filter(|_| answer.status.is_success());
        let version = data.and_then(|data| data.get("options")?.get("version")?.as_str());
        let mount = data.and_then(|data| data.get("path")?.as_str()).unwrap_or_default();
        let rest = path.strip_prefix(mount.trim_end_matches('/')).map(|rest| rest.trim_start_matches('/'));
        Ok(match (version, rest) {
            (Some("2"), Some(rest)) if !rest.starts_with("data/") => {
                format!("{}/data/{rest}", mount.trim_end_matches('/'))
            }
            _ => path.to_owned(),
        })
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.secret.address.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().push("v1").extend(path.split('/'));
        }
        url
    }

    fn headers(&self, token: Option<&SecretString>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST, HeaderValue::from_static("true"));
        let namespace = self.secret.namespace.as_deref().and_then(|namespace| HeaderValue::from_str(namespace).ok());
        headers.extend(namespace.map(|namespace| (NAMESPACE, namespace)));
        if let Some(mut token) = token.and_then(|token| HeaderValue::from_str(token.expose_secret()).ok()) {
            token.set_sensitive(true);
            headers.insert(TOKEN, token);
        }
        headers
    }

    fn refusal(&self, answer: &Answer, said: String, advice: String) -> SecretError {
        let status = answer.status;
        self.service.problem(match &answer.body {
            _ if answer.is_busy() => ServiceProblem::Busy { status, said },
            Some(_) => ServiceProblem::Refused { status, said, advice },
            None => ServiceProblem::Foreign {
                expected: "Vault's JSON",
                status,
                advice: "Check that address leads to Vault, and what stands in between.",
            },
        })
    }
}

impl Sessions {
    fn get(&self, key: &str) -> Option<SecretString> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(key).filter(|session| Instant::now() < session.until).map(|session| session.token.clone())
    }

    fn put(&self, key: String, session: Session) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, session);
    }
}

/// When this version of the secret is deleted by itself (`delete_version_after`).
fn expiry(metadata: &Value) -> Option<DateTime<Utc>> {
    let time = metadata.get("deletion_time")?.as_str()?;
    DateTime::parse_from_rfc3339(time).ok().map(|time| time.to_utc())
}

fn errors(answer: &Answer, sent: &[&str]) -> String {
    let errors = answer.body.as_ref().and_then(|body| body.get("errors")).and_then(Value::as_array);
    let errors: Vec<_> = errors.into_iter().flatten().filter_map(Value::as_str).collect();
    said(&errors.join("; "), sent)
}

/// The names of the fields that there are. Names are no secrets.
fn names(fields: &Value) -> String {
    let names: Vec<_> =
        fields.as_object().into_iter().flat_map(|fields| fields.keys().map(String::as_str)).take(10).collect();
    if names.is_empty() { "It has none.".to_owned() } else { format!("It has: {}.", said(&names.join(", "), &[])) }
}
