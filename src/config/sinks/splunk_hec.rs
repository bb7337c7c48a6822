//! Splunk's HTTP Event Collector.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Compression, NetworkConfig, SinkOptions,
    network::{check_address, check_secret_in_clear, check_tls_is_spoken},
};
use crate::config::{ProxyConfig, SecretRef, error::Problems, limits::Bounds};

const QUERY_INTERVAL: Bounds = Bounds { min: 1, max: 300 };
const MAX_PENDING: Bounds = Bounds { min: 1, max: 1_024 };
const ACK_TIMEOUT: Bounds = Bounds { min: 5, max: 3_600 };

/// Events go to the HTTP Event Collector of Splunk, and count as delivered when the indexers have them.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SplunkHecSinkConfig {
    /// What all sinks over the network have in common.
    #[serde(flatten)]
    pub network: NetworkConfig,
    /// The HTTP proxy on the way to the peer; what is left out is taken from the top-level `proxy`.
    #[serde(default)]
    pub proxy: ProxyConfig,
    /// Scheme, host and port of the collector: `https` with TLS, `http` without.
    #[schemars(example = &"https://splunk.contoso.com:8088")]
    pub endpoint: Url,
    /// The token: Splunk Web > Settings > Data inputs > HTTP Event Collector.
    pub token: SecretRef,
    /// The index. Default: the token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"m365")]
    pub index: Option<String>,
    /// The value of `host`. Default: what Splunk makes of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"contoso.com")]
    pub host: Option<String>,
    /// The value of `source`.
    #[serde(default = "default_source")]
    pub source: String,
    /// The value of `sourcetype`. Splunk's add-on for Microsoft 365 knows events of schema "raw" as
    /// `o365:management:activity`. Default: the token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"o365:management:activity")]
    pub sourcetype: Option<String>,
    /// How what is sent is compressed. Splunk reads gzip only.
    #[serde(default)]
    pub compression: Compression,
    /// Whether and how to wait for the indexers.
    #[serde(default)]
    pub indexer_acknowledgements: IndexerAcknowledgementsConfig,
}

/// Whether and how to wait for the indexers.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct IndexerAcknowledgementsConfig {
    /// `false` takes the collector's answer for delivery, as a token without indexer acknowledgement needs.
    pub enabled: bool,
    /// How often the indexers are asked. Unit: seconds.
    #[schemars(range(min = QUERY_INTERVAL.min, max = QUERY_INTERVAL.max), extend("x-unit" = "seconds"))]
    pub query_interval_secs: u64,
    /// How many batches wait for the indexers at once. Each is kept until then, in order to be sent again.
    /// Unit: batches.
    #[schemars(range(min = MAX_PENDING.min, max = MAX_PENDING.max), extend("x-unit" = "batches"))]
    pub max_pending_acks: u64,
    /// How long the indexers may take, before a batch is sent again. Unit: seconds.
    #[schemars(range(min = ACK_TIMEOUT.min, max = ACK_TIMEOUT.max), extend("x-unit" = "seconds"))]
    pub timeout_secs: u64,
}

impl Default for IndexerAcknowledgementsConfig {
    fn default() -> Self {
        Self { enabled: true, query_interval_secs: 2, max_pending_acks: 64, timeout_secs: 300 }
    }
}

impl IndexerAcknowledgementsConfig {
    /// How often the indexers are asked.
    pub const fn query_interval(&self) -> Duration {
        Duration::from_secs(self.query_interval_secs)
    }

    /// How long the indexers may take.
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_secs)
    }
}

fn default_source() -> String {
    "office365".to_owned()
}

impl SinkOptions for SplunkHecSinkConfig {
    fn inputs(&self) -> &[String] {
        &self.network.inputs
    }

    fn destination(&self) -> String {
        format!("splunk_hec {}, with the token from {}", self.endpoint, self.token.place())
    }

    fn network(&self) -> Option<&NetworkConfig> {
        Some(&self.network)
    }

    fn check(&self, problems: &mut Problems) {
        self.proxy.check(problems);
        check_address(problems, "endpoint", &self.endpoint, ["http", "https"], false, 8_088);
        check_tls_is_spoken(problems, &self.network.tls, std::slice::from_ref(&self.endpoint), "https");
        check_secret_in_clear(problems, "token", &self.endpoint, "https");
        self.token.check(problems, "token", "SPLUNK_HEC_TOKEN");
        if self.compression == Compression::Zstd {
            problems.add("compression", "\"zstd\" is not read by Splunk", "Write \"gzip\" or \"none\".");
        }
        let IndexerAcknowledgementsConfig { query_interval_secs, max_pending_acks, timeout_secs, .. } =
            self.indexer_acknowledgements;
        QUERY_INTERVAL.check(problems, "indexer_acknowledgements.query_interval_secs", query_interval_secs);
        MAX_PENDING.check(problems, "indexer_acknowledgements.max_pending_acks", max_pending_acks);
        ACK_TIMEOUT.check(problems, "indexer_acknowledgements.timeout_secs", timeout_secs);
    }
}
