//! The Forward protocol of Fluentd and Fluent Bit.

use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Compression, NetworkConfig, SinkOptions,
    network::{check_address, check_tls_is_spoken},
};
use crate::config::{SecretRef, error::Problems};

/// Two of them fit into the 1,023 bytes in which Fluent Bit takes what a client says about itself.
const NAME_BYTES: RangeInclusive<usize> = 1..=255;

/// Events go to Fluentd or Fluent Bit over the Forward protocol, and every chunk is acknowledged.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FluentSinkConfig {
    /// What all sinks over the network have in common.
    #[serde(flatten)]
    pub network: NetworkConfig,
    /// The servers: `tls` with TLS, `tcp` without. The first that answers gets the events; the others take over when it
    /// fails.
    #[schemars(length(min = 1), example = ["tcp://127.0.0.1:24224"])]
    pub servers: Vec<Url>,
    /// The tag of the events.
    #[serde(default = "default_tag")]
    pub tag: String,
    /// How what is sent is compressed. Every server reads gzip; zstd is read by Fluent Bit, and by Fluentd from 1.19.
    #[serde(default)]
    pub compression: Compression,
    /// What the server asks for before it takes events. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<FluentAuthConfig>,
}

/// The handshake of the Forward protocol.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FluentAuthConfig {
    /// The key that this program shares with the server.
    pub shared_key: SecretRef,
    /// The name by which this program calls itself. It must differ from the server's `self_hostname`: were they the same,
    /// a server that does not know the key could repeat this program's proof.
    #[serde(default = "default_self_hostname")]
    pub self_hostname: String,
    /// The user, for servers with user authentication. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"office365")]
    pub username: Option<String>,
    /// The user's password. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
}

fn default_tag() -> String {
    "office365".to_owned()
}

fn default_self_hostname() -> String {
    "office365-source".to_owned()
}

impl SinkOptions for FluentSinkConfig {
    fn inputs(&self) -> &[String] {
        &self.network.inputs
    }

    fn destination(&self) -> String {
        let servers: Vec<_> = self.servers.iter().map(Url::as_str).collect();
        format!("fluent {}, tag {}", servers.join(" or "), self.tag)
    }

    fn network(&self) -> Option<&NetworkConfig> {
        Some(&self.network)
    }

    fn check(&self, problems: &mut Problems) {
        if self.servers.is_empty() {
            problems.add("servers", "is empty", "Write servers = [\"tcp://127.0.0.1:24224\"].");
        }
        for (index, server) in self.servers.iter().enumerate() {
            check_address(problems, &format!("servers[{index}]"), server, ["tcp", "tls"], false, 24_224);
        }
        check_tls_is_spoken(problems, &self.network.tls, &self.servers, "tls");
        let with_tls = self.servers.iter().filter(|server| server.scheme() == "tls").count();
        if with_tls > 0 && with_tls < self.servers.len() {
            problems.add(
                "servers",
                "has servers with TLS and servers without: when one fails, events would go in the clear",
                "Write tls:// everywhere, or tcp:// everywhere.",
            );
        }
        if self.tag.is_empty() || self.tag.chars().any(|c| c.is_whitespace() || c.is_control()) {
            problems.add("tag", "is not a tag", "Write letters, digits and dots, such as tag = \"office365\".");
        }
        let Some(auth) = &self.auth else { return };
        auth.shared_key.check(problems, "auth.shared_key", "FLUENT_SHARED_KEY");
        for (key, name) in [("self_hostname", Some(&auth.self_hostname)), ("username", auth.username.as_ref())] {
            if name.is_some_and(|name| !NAME_BYTES.contains(&name.len()) || name.contains(char::is_control)) {
                problems.add(
                    &format!("auth.{key}"),
                    "is not a name",
                    format!("Write {} to {} letters, digits and dots.", NAME_BYTES.start(), NAME_BYTES.end()),
                );
            }
        }
        match (&auth.username, &auth.password) {
            (Some(_), None) => {
                problems.add("auth.password", "is missing", "Write password = { env = \"FLUENT_PASSWORD\" }.");
            }
            (None, Some(_)) => problems.add("auth.username", "is missing", "Write the user's name."),
            _ => {}
        }
        if let Some(password) = &auth.password {
            password.check(problems, "auth.password", "FLUENT_PASSWORD");
        }
    }
}
