//! Where events go: one type of sink for each way out of the standalone host.

mod fluent;
mod http;
mod network;
mod opentelemetry;
mod splunk_hec;
#[cfg(test)]
mod tests;
mod vector;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

pub use self::{
    fluent::{FluentAuthConfig, FluentSinkConfig},
    http::{HttpAuthConfig, HttpFraming, HttpSinkConfig},
    network::{Compression, DeadLetterConfig, NetworkConfig, SinkBatchConfig, SinkRequestConfig, SinkTlsConfig},
    opentelemetry::{OpentelemetryProtocol, OpentelemetrySinkConfig},
    splunk_hec::{IndexerAcknowledgementsConfig, SplunkHecSinkConfig},
    vector::VectorSinkConfig,
};
use super::error::Problems;

/// A sink, by its type.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SinkConfig {
    /// Events go to the standard output, one JSON object per line.
    Console(ConsoleSinkConfig),
    /// Events go to the end of a file, one JSON object per line.
    File(FileSinkConfig),
    /// Events go to Fluentd or Fluent Bit over the Forward protocol.
    Fluent(FluentSinkConfig),
    /// Events go to an HTTP server as JSON.
    Http(HttpSinkConfig),
    /// Events go to an OpenTelemetry Collector, or to anything else that takes OTLP logs.
    Opentelemetry(OpentelemetrySinkConfig),
    /// Events go to the HTTP Event Collector of Splunk.
    SplunkHec(SplunkHecSinkConfig),
    /// Events go to the `vector` source of a Vector.
    Vector(VectorSinkConfig),
}

/// Events go to the standard output, one JSON object per line.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleSinkConfig {
    /// The names of the sources whose events come here.
    #[schemars(length(min = 1), example = ["m365"])]
    pub inputs: Vec<String>,
}

/// Events go to the end of a file, one JSON object per line.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FileSinkConfig {
    /// The names of the sources whose events come here.
    #[schemars(length(min = 1), example = ["m365"])]
    pub inputs: Vec<String>,
    /// The file. It is made when it does not exist, and synchronised to disk before events are acknowledged.
    #[schemars(example = &"/var/log/m365.ndjson")]
    pub path: PathBuf,
}

impl SinkConfig {
    /// The type, as the configuration calls it.
    pub const fn component_type(&self) -> &'static str {
        match self {
            Self::Console(_) => "console",
            Self::File(_) => "file",
            Self::Fluent(_) => "fluent",
            Self::Http(_) => "http",
            Self::Opentelemetry(_) => "opentelemetry",
            Self::SplunkHec(_) => "splunk_hec",
            Self::Vector(_) => "vector",
        }
    }

    /// The names of the sources whose events come here.
    pub fn inputs(&self) -> &[String] {
        match self {
            Self::Console(ConsoleSinkConfig { inputs })
            | Self::File(FileSinkConfig { inputs, .. })
            | Self::Fluent(FluentSinkConfig { inputs, .. })
            | Self::Http(HttpSinkConfig { inputs, .. })
            | Self::Opentelemetry(OpentelemetrySinkConfig { inputs, .. })
            | Self::SplunkHec(SplunkHecSinkConfig { inputs, .. })
            | Self::Vector(VectorSinkConfig { inputs, .. }) => inputs,
        }
    }

    /// Where the events go, for people.
    pub fn destination(&self) -> String {
        match self {
            Self::Console(_) => "standard output".to_owned(),
            Self::File(sink) => format!("file {}", sink.path.display()),
            Self::Fluent(sink) => {
                let servers: Vec<_> = sink.servers.iter().map(Url::as_str).collect();
                format!("fluent {}, tag {}", servers.join(" or "), sink.tag)
            }
            Self::Http(sink) => format!("http {}", without_query(&sink.uri)),
            Self::Opentelemetry(sink) => format!("opentelemetry {}", without_query(&sink.endpoint)),
            Self::SplunkHec(sink) => {
                format!("splunk_hec {}, with the token from {}", sink.endpoint, sink.token.place())
            }
            Self::Vector(sink) => format!("vector {}", sink.address),
        }
    }

    /// What all sinks that send over the network have in common; `None` for the others.
    pub const fn network(&self) -> Option<NetworkConfig<'_>> {
        macro_rules! common {
            ($sink:expr) => {
                Some(NetworkConfig {
                    batch: &$sink.batch,
                    request: &$sink.request,
                    tls: &$sink.tls,
                    dead_letter: &$sink.dead_letter,
                })
            };
        }
        match self {
            Self::Console(_) | Self::File(_) => None,
            Self::Fluent(sink) => common!(sink),
            Self::Http(sink) => common!(sink),
            Self::Opentelemetry(sink) => common!(sink),
            Self::SplunkHec(sink) => common!(sink),
            Self::Vector(sink) => common!(sink),
        }
    }

    /// Every problem of the sink at `path`, apart from its inputs.
    pub(super) fn check(&self, path: &str) -> Result<(), super::ConfigErrors> {
        let mut problems = Problems::below(path);
        if let Some(network) = self.network() {
            network.check(&mut problems);
        }
        match self {
            Self::File(file) if file.path.as_os_str().is_empty() => {
                problems.add("path", "is empty", "Write path = \"/var/log/m365.ndjson\".");
            }
            Self::Console(_) | Self::File(_) => {}
            Self::Fluent(sink) => sink.check(&mut problems),
            Self::Http(sink) => sink.check(&mut problems),
            Self::Opentelemetry(sink) => sink.check(&mut problems),
            Self::SplunkHec(sink) => sink.check(&mut problems),
            Self::Vector(sink) => sink.check(&mut problems),
        }
        problems.finish()
    }
}

/// A query may hold a key.
fn without_query(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.into()
}
