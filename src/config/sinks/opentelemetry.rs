//! OTLP logs.

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

/// Events go to an OpenTelemetry Collector, or to anything else that takes OTLP logs.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OpentelemetrySinkConfig {
    /// What all sinks over the network have in common.
    #[serde(flatten)]
    pub network: NetworkConfig,
    /// The HTTP proxy on the way to the peer; what is left out is taken from the top-level `proxy`.
    #[serde(default)]
    pub proxy: ProxyConfig,
    /// How OTLP is spoken.
    #[serde(default)]
    pub protocol: OpentelemetryProtocol,
    /// Scheme, host and port of the collector: `https` with TLS, `http` without. With `protocol = "http"` a path may
    /// follow; without one it is `/v1/logs`.
    #[schemars(example = &"http://127.0.0.1:4317")]
    pub endpoint: Url,
    /// How what is sent is compressed.
    #[serde(default)]
    pub compression: Compression,
    /// Headers (with gRPC: metadata) of every request; the values may be secrets.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretRef>,
    /// Attributes of the resource, besides `service.name` and the like, which they may replace.
    #[serde(default)]
    pub resource: BTreeMap<String, String>,
}

/// How OTLP is spoken.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OpentelemetryProtocol {
    /// gRPC, port 4317 by convention.
    #[default]
    Grpc,
    /// Protobuf over HTTP, port 4318 by convention.
    Http,
}

impl SinkOptions for OpentelemetrySinkConfig {
    fn inputs(&self) -> &[String] {
        &self.network.inputs
    }

    fn destination(&self) -> String {
        format!("opentelemetry {}", without_query(&self.endpoint))
    }

    fn network(&self) -> Option<&NetworkConfig> {
        Some(&self.network)
    }

    fn check(&self, problems: &mut Problems) {
        let (paths, port) = match self.protocol {
            OpentelemetryProtocol::Grpc => (false, 4_317),
            OpentelemetryProtocol::Http => (true, 4_318),
        };
        self.proxy.check(problems);
        check_address(problems, "endpoint", &self.endpoint, ["http", "https"], paths, port);
        check_tls_is_spoken(problems, &self.network.tls, std::slice::from_ref(&self.endpoint), "https");
        check_headers(problems, &self.headers);
        if !self.headers.is_empty() {
            check_secret_in_clear(problems, "headers", &self.endpoint, "https");
        }
        if self.resource.keys().any(String::is_empty) {
            problems.add(
                "resource",
                "has an attribute without a name",
                "Write names such as \"deployment.environment.name\".",
            );
        }
    }
}
