//! Where events go: one type of sink for each way out of the standalone host.
//!
//! A new type of sink is a line in [`for_each_sink`], a file here with its options, and a file in `host/sinks/` that builds it.
//! Whatever is missing then, the compiler names.

mod fluent;
mod http;
mod network;
mod opentelemetry;
mod splunk_hec;
#[cfg(test)]
mod tests;
mod vector;

use std::path::{Path, PathBuf};

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
use super::{
    decode::Block,
    error::{ConfigErrors, Problems},
};

/// Hands every type of sink to the macro `$define`: what it is, for people; its name in the configuration; the variant of
/// [`SinkConfig`]; its options.
macro_rules! for_each_sink {
    ($define:ident) => {
        $define! {
            /// Events go to the standard output, one JSON object per line.
            "console" => Console(ConsoleSinkConfig),
            /// Events go to the end of a file, one JSON object per line.
            "file" => File(FileSinkConfig),
            /// Events go to Fluentd or Fluent Bit over the Forward protocol.
            "fluent" => Fluent(FluentSinkConfig),
            /// Events go to an HTTP server as JSON.
            "http" => Http(HttpSinkConfig),
            /// Events go to an OpenTelemetry Collector, or to anything else that takes OTLP logs.
            "opentelemetry" => Opentelemetry(OpentelemetrySinkConfig),
            /// Events go to the HTTP Event Collector of Splunk.
            "splunk_hec" => SplunkHec(SplunkHecSinkConfig),
            /// Events go to the `vector` source of a Vector.
            "vector" => Vector(VectorSinkConfig),
        }
    };
}
#[cfg(feature = "cli")]
pub(crate) use for_each_sink;

macro_rules! define_config {
    ($($(#[$doc:meta])* $kind:literal => $variant:ident($options:ident),)*) => {
        /// A sink, by its type.
        #[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
        #[serde(tag = "type")]
        pub enum SinkConfig {
            $($(#[$doc])* #[serde(rename = $kind)] $variant($options),)*
        }

        impl SinkConfig {
            /// The type, as the configuration calls it.
            pub const fn component_type(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $kind,)*
                }
            }

            fn options(&self) -> &dyn SinkOptions {
                match self {
                    $(Self::$variant(options) => options,)*
                }
            }

            /// Reads the options of a sink of type `kind`; `None` when there is no such type.
            pub(super) fn read(kind: &str, block: Block<'_>) -> Option<Result<Self, ConfigErrors>> {
                match kind {
                    $($kind => Some(block.read_with_flattened::<NetworkConfig, _>().map(Self::$variant)),)*
                    _ => None,
                }
            }
        }
    };
}
for_each_sink!(define_config);

/// What every type of sink tells of itself.
trait SinkOptions {
    /// The names of the sources whose events come here.
    fn inputs(&self) -> &[String];

    /// Where the events go, for people.
    fn destination(&self) -> String;

    /// What all sinks that send over the network have in common; `None` for the others.
    fn network(&self) -> Option<&NetworkConfig> {
        None
    }

    /// The file that a sink on this machine writes, and its key.
    fn file(&self) -> Option<(&'static str, &Path)> {
        None
    }

    /// Adds every problem of the sink's own keys.
    fn check(&self, problems: &mut Problems);
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

impl SinkOptions for ConsoleSinkConfig {
    fn inputs(&self) -> &[String] {
        &self.inputs
    }

    fn destination(&self) -> String {
        "standard output".to_owned()
    }

    fn check(&self, _: &mut Problems) {}
}

impl SinkOptions for FileSinkConfig {
    fn inputs(&self) -> &[String] {
        &self.inputs
    }

    fn destination(&self) -> String {
        format!("file {}", self.path.display())
    }

    fn file(&self) -> Option<(&'static str, &Path)> {
        Some(("path", &self.path))
    }

    fn check(&self, problems: &mut Problems) {
        if self.path.as_os_str().is_empty() {
            problems.add("path", "is empty", "Write path = \"/var/log/m365.ndjson\".");
        }
    }
}

impl SinkConfig {
    /// The names of the sources whose events come here.
    pub fn inputs(&self) -> &[String] {
        self.options().inputs()
    }

    /// Where the events go, for people.
    pub fn destination(&self) -> String {
        self.options().destination()
    }

    /// What all sinks that send over the network have in common; `None` for the others.
    pub fn network(&self) -> Option<&NetworkConfig> {
        self.options().network()
    }

    /// The file that the sink `name` writes, for events or for dead letters, and its key.
    pub(super) fn file(&self, name: &str, data_dir: &Path) -> Option<(&'static str, PathBuf)> {
        let dead_letters = |network: &NetworkConfig| network.dead_letter.effective_path(name, data_dir);
        let own = self.options().file().map(|(key, path)| (key, path.to_owned()));
        own.or_else(|| Some(("dead_letter.path", dead_letters(self.network()?))))
    }

    /// Every problem of the sink at `path`, apart from its inputs.
    pub(super) fn check(&self, path: &str) -> Result<(), ConfigErrors> {
        let mut problems = Problems::below(path);
        if let Some(network) = self.network() {
            network.check(&mut problems);
        }
        self.options().check(&mut problems);
        problems.finish()
    }
}

/// A query may hold a key.
fn without_query(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.into()
}
