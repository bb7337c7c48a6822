//! Vector's own protocol.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Compression, DeadLetterConfig, SinkBatchConfig, SinkRequestConfig, SinkTlsConfig,
    network::{check_address, check_tls_is_spoken},
};
use crate::config::error::Problems;

/// Events go to the `vector` source of a Vector, over gRPC.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VectorSinkConfig {
    /// The names of the sources whose events come here.
    #[schemars(length(min = 1), example = ["m365"])]
    pub inputs: Vec<String>,
    /// Scheme, host and port of Vector's `vector` source: `https` with TLS, `http` without.
    #[schemars(example = &"http://127.0.0.1:6000")]
    pub address: Url,
    /// How what is sent is compressed.
    #[serde(default)]
    pub compression: Compression,
    /// How many events travel together.
    #[serde(default)]
    pub batch: SinkBatchConfig,
    /// How often, how long and how many at once.
    #[serde(default)]
    pub request: SinkRequestConfig,
    /// Certificates.
    #[serde(default)]
    pub tls: SinkTlsConfig,
    /// Where events go that Vector refuses.
    #[serde(default)]
    pub dead_letter: DeadLetterConfig,
}

impl VectorSinkConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        check_address(problems, "address", &self.address, ["http", "https"], false, 6_000);
        check_tls_is_spoken(problems, &self.tls, std::slice::from_ref(&self.address), "https");
    }
}
