//! Where metrics, health, state and the page are served.

use std::{net::SocketAddr, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SecretRef, error::Problems};

/// Where metrics, health, state and the page are served.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    /// Address and port of `/metrics`, `/health`, `/status` and the page `/`. On an address that is no loopback address the page
    /// needs `token` or `basic_auth`, and `tls`.
    #[schemars(example = &"127.0.0.1:9598")]
    pub listen: SocketAddr,

    /// Who sends it sees the page and `/status`, as a bearer token, or as the password of any user. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretRef>,

    /// Who sends this user and password sees the page and `/status`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<TelemetryBasicAuthConfig>,

    /// The certificate with which everything is served over TLS. Default: none, and plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TelemetryTlsConfig>,
}

/// A user and a password.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryBasicAuthConfig {
    /// The name of the user, without a colon.
    #[schemars(length(min = 1), example = &"operator")]
    pub user: String,
    /// The password.
    pub password: SecretRef,
}

/// The certificate of the server.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryTlsConfig {
    /// A PEM file with the certificate of the server and the intermediate certificates behind it.
    #[schemars(example = &"/etc/office365-source/telemetry.crt")]
    pub crt_file: PathBuf,
    /// A PEM file with the private key of the certificate, not encrypted.
    #[schemars(example = &"/etc/office365-source/telemetry.key")]
    pub key_file: PathBuf,
}

impl TelemetryConfig {
    /// Without authentication and without TLS.
    pub const fn plain(listen: SocketAddr) -> Self {
        Self { listen, token: None, basic_auth: None, tls: None }
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback()
    }

    /// Whether the page and `/status` need a secret.
    pub const fn has_secret(&self) -> bool {
        self.token.is_some() || self.basic_auth.is_some()
    }

    /// Whether the page can be shown: to this machine, or to who sends a secret.
    pub fn shows_page(&self) -> bool {
        self.is_loopback() || self.has_secret()
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        if let Some(token) = &self.token {
            token.check(problems, "telemetry.token", "TELEMETRY_TOKEN");
        }
        if let Some(basic_auth) = &self.basic_auth {
            if basic_auth.user.is_empty() || basic_auth.user.contains(':') {
                let help = "Write a name without a colon, such as operator.";
                problems.add("telemetry.basic_auth.user", "is empty or has a colon in it", help);
            }
            basic_auth.password.check(problems, "telemetry.basic_auth.password", "TELEMETRY_PASSWORD");
        }
        if let Some(tls) = &self.tls {
            for (key, path) in [("crt_file", &tls.crt_file), ("key_file", &tls.key_file)] {
                if path.as_os_str().is_empty() {
                    problems.add(&format!("telemetry.tls.{key}"), "is empty", "Write the path of a PEM file.");
                }
            }
        } else if self.has_secret() && !self.is_loopback() {
            let key = if self.token.is_some() { "telemetry.token" } else { "telemetry.basic_auth" };
            let help = "Write telemetry.tls.crt_file and telemetry.tls.key_file, or listen on 127.0.0.1.";
            problems.add(key, "would cross the network without encryption", help);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Format, parse};

    fn problems(telemetry: &str) -> String {
        let text = format!(
            r#"
            [sources.m365]
            type = "office365"
            auth = {{ client_id = "11111111-2222-4333-8444-555555555555", client_secret = {{ env = "S" }} }}
            tenants = [{{ id = "6a98b5da-7b3c-4486-bb0b-66a048c6da62" }}]
            [sinks.out]
            type = "console"
            inputs = ["m365"]
            [telemetry]
            {telemetry}
            "#
        );
        parse(&text, Format::Toml).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_secret_does_not_cross_the_network_in_clear() {
        let tls = r#"tls = { crt_file = "/a.crt", key_file = "/a.key" }"#;
        for (good, listen) in [
            (r#"token = { env = "T" }"#, "127.0.0.1"),
            (&format!("token = {{ env = \"T\" }}\n{tls}"), "0.0.0.0"),
            ("", "0.0.0.0"),
            (tls, "[::]"),
        ] {
            assert_eq!(problems(&format!("listen = \"{listen}:9598\"\n{good}")), "", "{good}");
        }
        for (bad, expected) in [
            (r#"token = { env = "T" }"#, "telemetry.token"),
            (r#"basic_auth = { user = "a", password = { env = "T" } }"#, "telemetry.basic_auth"),
            (r#"tls = { crt_file = "", key_file = "/a.key" }"#, "telemetry.tls.crt_file"),
            (
                &format!("basic_auth = {{ user = \"a:b\", password = {{ env = \"T\" }} }}\n{tls}"),
                "telemetry.basic_auth.user",
            ),
            (r#"token = "hunter2-hunter2""#, "telemetry.tls.key_file"),
        ] {
            let problems = problems(&format!("listen = \"0.0.0.0:9598\"\n{bad}"));
            assert!(problems.contains(expected) && !problems.contains("hunter2"), "{bad}: {problems}");
        }
    }
}
