//! JSON over HTTP.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Compression, NetworkConfig, SinkOptions,
    network::{check_address, check_headers, check_secret_in_clear, check_tls_is_spoken},
    without_query,
};
use crate::config::{ProxyConfig, SecretRef, error::Problems};

/// Events go to an HTTP server as JSON.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSinkConfig {
    /// What all sinks over the network have in common.
    #[serde(flatten)]
    pub network: NetworkConfig,
    /// The HTTP proxy on the way to the peer; what is left out is taken from the top-level `proxy`.
    #[serde(default)]
    pub proxy: ProxyConfig,
    /// Where events are posted to.
    #[schemars(example = &"https://siem.contoso.com/ingest")]
    pub uri: Url,
    /// How the events of a batch stand in the body.
    #[serde(default)]
    pub framing: HttpFraming,
    /// How what is sent is compressed.
    #[serde(default)]
    pub compression: Compression,
    /// Headers of every request; the values may be secrets.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretRef>,
    /// What the `Authorization` header says. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<HttpAuthConfig>,
}

/// How the events of a batch stand in the body.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpFraming {
    /// One JSON object a line, as `application/x-ndjson`.
    #[default]
    Ndjson,
    /// One array of JSON objects, as `application/json`.
    JsonArray,
}

/// What the `Authorization` header says: a bearer token, or a user with a password.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HttpAuthConfig {
    /// A bearer token. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretRef>,
    /// The user of basic authentication. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"office365")]
    pub user: Option<String>,
    /// The user's password. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
}

impl SinkOptions for HttpSinkConfig {
    fn inputs(&self) -> &[String] {
        &self.network.inputs
    }

    fn destination(&self) -> String {
        format!("http {}", without_query(&self.uri))
    }

    fn network(&self) -> Option<&NetworkConfig> {
        Some(&self.network)
    }

    fn check(&self, problems: &mut Problems) {
        self.proxy.check(problems);
        check_address(problems, "uri", &self.uri, ["http", "https"], true, 443);
        check_tls_is_spoken(problems, &self.network.tls, std::slice::from_ref(&self.uri), "https");
        check_headers(problems, &self.headers);
        if !self.headers.is_empty() {
            check_secret_in_clear(problems, "headers", &self.uri, "https");
        }
        let Some(auth) = &self.auth else { return };
        check_secret_in_clear(problems, "auth", &self.uri, "https");
        match auth {
            HttpAuthConfig { token: Some(token), user: None, password: None } => {
                token.check(problems, "auth.token", "HTTP_TOKEN");
            }
            HttpAuthConfig { token: None, user: Some(user), password: Some(password) } => {
                password.check(problems, "auth.password", "HTTP_PASSWORD");
                if user.contains(':') {
                    problems.add("auth.user", "has a colon in it", "Basic authentication has no way to send one.");
                }
            }
            _ => problems.add(
                "auth",
                "is neither a token nor a user with a password",
                "Write auth = { token = { env = \"HTTP_TOKEN\" } }, or user and password.",
            ),
        }
        if self.headers.keys().any(|name| name.eq_ignore_ascii_case("authorization")) {
            problems.add("headers.authorization", "is set by `auth` already", "Leave one of them out.");
        }
    }
}
