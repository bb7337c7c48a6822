//! Where a source keeps what it must not forget.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{error::Problems, limits::Bounds, secret::SecretRef};

/// JetStream keeps an odd number of copies, up to five.
const REPLICAS: Bounds = Bounds { min: 1, max: 5 };

/// The longest prefix: it is part of the name of a directory on the servers.
const LONGEST_PREFIX: usize = 32;

/// Where the source keeps what it must not forget: how far it has listed, what is pending, and what was delivered.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct StateConfig {
    /// Where that is. All other keys of this table are for "nats".
    #[serde(rename = "type")]
    pub kind: StateKind,
    /// The URLs of the NATS servers; one that answers is enough. They must be version 2.12 or later, with JetStream.
    #[schemars(example = ["nats://n1:4222", "nats://n2:4222", "nats://n3:4222"])]
    pub servers: Vec<Url>,
    /// How many servers hold each row. With 3, one of them can fail. Unit: servers.
    #[schemars(range(min = REPLICAS.min, max = REPLICAS.max), extend("x-unit" = "servers"))]
    pub replicas: u32,
    /// What the name of the bucket begins with: `<prefix>_state`. Collectors with the same prefix are one cluster.
    pub prefix: String,
    /// A file of credentials that `nsc` has made. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/office365-source/nats.creds")]
    pub credentials_file: Option<PathBuf>,
    /// A token. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = SecretRef::env("NATS_TOKEN"))]
    pub token: Option<SecretRef>,
    /// A user, who has a `password`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"office365")]
    pub user: Option<String>,
    /// The password of `user`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = SecretRef::env("NATS_PASSWORD"))]
    pub password: Option<SecretRef>,
    /// The seed of an NKey of a user, which begins with `SU`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = SecretRef::env("NATS_NKEY"))]
    pub nkey: Option<SecretRef>,
    /// TLS towards the servers. Default: what the servers ask for, with the certificate authorities of this system.
    pub tls: NatsTlsConfig,
}

/// TLS towards NATS servers.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct NatsTlsConfig {
    /// A PEM file of certificate authorities to trust besides the system's. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/office365-source/nats-ca.pem")]
    pub ca_file: Option<PathBuf>,
    /// A PEM file with the certificate to show to the servers. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/office365-source/nats.crt")]
    pub crt_file: Option<PathBuf>,
    /// A PEM file with the private key of `crt_file`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/office365-source/nats.key")]
    pub key_file: Option<PathBuf>,
}

/// Where the state of a source can be.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StateKind {
    /// In a file below `data_dir`, of this collector alone.
    #[default]
    Embedded,
    /// In NATS JetStream, where several collectors share it. They divide the tenants among themselves, and take over those of a collector
    /// that is gone.
    Nats,
}

impl Default for StateConfig {
    fn default() -> Self {
        Self {
            kind: StateKind::default(),
            servers: Vec::new(),
            replicas: 3,
            prefix: "o365".to_owned(),
            credentials_file: None,
            token: None,
            user: None,
            password: None,
            nkey: None,
            tls: NatsTlsConfig::default(),
        }
    }
}

impl StateConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        if self.kind == StateKind::Embedded {
            if *self != Self::default() {
                problems.add(
                    "state.type",
                    "is \"embedded\", beside keys that say how NATS is reached",
                    "Write \"nats\", or leave the other keys out.",
                );
            }
            return;
        }
        if !cfg!(feature = "nats") {
            problems.add(
                "state.type",
                "is \"nats\", which this build cannot",
                "Build with the feature nats, or leave the table out.",
            );
        }
        self.check_servers(problems);
        REPLICAS.check(problems, "state.replicas", self.replicas.into());
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if self.prefix.is_empty() || self.prefix.len() > LONGEST_PREFIX || !self.prefix.chars().all(is_name) {
            problems.add(
                "state.prefix",
                format!("{:?} cannot be part of the name of a bucket", self.prefix),
                format!("Write up to {LONGEST_PREFIX} letters, digits, \"-\" and \"_\", such as prefix = \"o365\"."),
            );
        }
        self.check_login(problems);
        if self.tls.crt_file.is_some() != self.tls.key_file.is_some() {
            problems.add(
                "state.tls",
                "has one of crt_file and key_file without the other",
                "Write both files, or neither.",
            );
        }
    }

    fn check_servers(&self, problems: &mut Problems) {
        if self.servers.is_empty() {
            problems.add("state.servers", "is empty", "Write at least one, such as servers = [\"nats://n1:4222\"].");
        }
        for (index, url) in self.servers.iter().enumerate() {
            let key = format!("state.servers[{index}]");
            if !matches!(url.scheme(), "nats" | "tls") || url.host().is_none() {
                problems.add(
                    &key,
                    "is no URL of a NATS server",
                    "Write \"nats://n1:4222\", or \"tls://n1:4222\" for TLS.",
                );
            }
            if !url.username().is_empty() || url.password().is_some() {
                problems.add(
                    &key,
                    "has credentials in it",
                    "Write them as state.user and state.password, or as state.token, where they can be references to secrets.",
                );
            }
        }
    }

    fn check_login(&self, problems: &mut Problems) {
        let ways = [self.credentials_file.is_some(), self.token.is_some(), self.user.is_some(), self.nkey.is_some()];
        if ways.into_iter().filter(|is_there| *is_there).count() > 1 {
            problems.add(
                "state",
                "has several ways to log in",
                "Write one of credentials_file, token, user with password, and nkey.",
            );
        }
        if self.user.is_some() != self.password.is_some() {
            problems.add("state", "has one of user and password without the other", "Write both, or neither.");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Format, parse};

    fn problems(state: &str) -> String {
        let text = format!(
            "[sources.m365]\ntype = \"office365\"\ntenants = [{{ id = \"0a54d1c5-7a10-4c5e-9d3f-c04705000001\" }}]\n\
             auth = {{ client_id = \"11111111-2222-4333-8444-555555555555\", client_secret = \"x\" }}\n\
             [sources.m365.state]\n{state}\n[sinks.out]\ntype = \"console\"\ninputs = [\"m365\"]\n"
        );
        parse(&text, Format::Toml).map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn each_problem_says_what_to_write() {
        assert_eq!(problems("type = \"embedded\""), "");
        assert_eq!(problems("type = \"nats\"\nservers = [\"nats://n1:4222\", \"tls://n2\"]"), "");
        for (state, expected) in [
            ("type = \"nats\"\nservers = []", "state.servers"),
            ("type = \"nats\"\nservers = [\"http://n1\"]", "state.servers[0]: is no URL of a NATS server"),
            ("type = \"nats\"\nservers = [\"nats://u:p@n1\"]", "state.servers[0]: has credentials in it"),
            ("type = \"nats\"\nservers = [\"nats://n1\"]\nreplicas = 7", "state.replicas"),
            ("type = \"nats\"\nservers = [\"nats://n1\"]\nprefix = \"a.b\"", "state.prefix"),
            ("type = \"nats\"\nservers = [\"nats://n1\"]\nuser = \"u\"", "one of user and password"),
            ("type = \"nats\"\nservers = [\"nats://n1\"]\ntoken = \"t\"\nnkey = \"n\"", "several ways to log in"),
            ("type = \"redis\"", "state"),
            ("servers = [\"nats://n1\"]", "state.type: is \"embedded\", beside keys that say how NATS is reached"),
        ] {
            let found = problems(state);
            assert!(found.contains(expected), "{state}: {found}");
        }
    }
}
