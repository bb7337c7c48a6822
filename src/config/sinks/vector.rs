//! Vector's own protocol.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Compression, NetworkConfig, SinkOptions,
    network::{check_address, check_tls_is_spoken},
};
use crate::config::{ProxyConfig, error::Problems};

/// Events go to the `vector` source of a Vector, over gRPC.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VectorSinkConfig {
    /// What all sinks over the network have in common.
    #[serde(flatten)]
    pub network: NetworkConfig,
    /// The HTTP proxy on the way to the peer; what is left out is taken from the top-level `proxy`.
    #[serde(default)]
    pub proxy: ProxyConfig,
    /// Scheme, host and port of Vector's `vector` source: `https` with TLS, `http` without.
    #[schemars(example = &"http://127.0.0.1:6000")]
    pub address: Url,
    /// How what is sent is compressed.
    #[serde(default)]
    pub compression: Compression,
}

impl SinkOptions for VectorSinkConfig {
    fn inputs(&self) -> &[String] {
        &self.network.inputs
    }

    fn destination(&self) -> String {
        format!("vector {}", self.address)
    }

    fn network(&self) -> Option<&NetworkConfig> {
        Some(&self.network)
    }

    fn check(&self, problems: &mut Problems) {
        self.proxy.check(problems);
        check_address(problems, "address", &self.address, ["http", "https"], false, 6_000);
        check_tls_is_spoken(problems, &self.network.tls, std::slice::from_ref(&self.address), "https");
    }
}
