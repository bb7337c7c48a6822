//! Where events end.
//!
//! A sink on this machine implements only the write. The shared part of these sinks (grouping what waits, trying again,
//! acknowledging, counting) is in `driver`. The shared part of the sinks that send over the network is in `network`.

mod append;
mod compression;
mod console;
mod driver;
mod error;
mod file;
mod fluent;
mod grpc;
mod http;
mod http_client;
mod json_value;
mod ndjson;
mod network;
mod opentelemetry;
mod protobuf;
mod request_headers;
mod size_limit;
mod splunk_hec;
mod stdout;
mod tail;
mod vector;

use std::io;

use async_trait::async_trait;
use tokio::sync::mpsc;

use self::network::{Access, NetworkSink, Peer};
pub use self::{error::SinkError, file::check_sink};
use super::{delivery::Delivery, telemetry::SinkLabels};
use crate::{
    RunMode,
    config::{NetworkConfig, ProxyConfig, SinkConfig, SinkTlsConfig, TopologyConfig, for_each_sink},
};

/// Something events can be written to.
#[async_trait]
pub(super) trait Sink: Send {
    /// Writes the events of `group`, all of them in their order, and returns how many bytes that took.
    ///
    /// `Ok` means that they are stored: they are acknowledged next. After an error none of them counts as written, and
    /// the same group comes again if the error may be temporary.
    async fn write(&mut self, group: &[Delivery]) -> Result<u64, WriteError>;

    /// The error of a sink that cannot be written to any more, after `attempts` at the same events.
    fn failure(&self, error: io::Error, attempts: u32) -> SinkError;
}

/// Why a group could not be written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// Trying the same group again may help.
    MayPass(io::Error),
    /// It will not.
    Final(io::Error),
}

/// A sink that takes what arrives until nothing more can, or until it has failed for good.
#[async_trait]
pub(super) trait Run: Send {
    /// Runs until the inbox is closed and everything in it is delivered.
    async fn run(self: Box<Self>, labels: SinkLabels, inbox: mpsc::Receiver<Delivery>) -> Result<(), SinkError>;
}

/// A sink that can be written to.
pub(super) struct OpenSink {
    pub(super) labels: SinkLabels,
    pub(super) sink: Box<dyn Run>,
}

/// How a type of sink is built; each has it in its own file, for its options.
#[async_trait]
trait Build {
    /// Builds the sink.
    ///
    /// # Errors
    ///
    /// When it cannot be written to as configured. A peer that does not answer is no error: it is waited for.
    async fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Run>, SinkError>;
}

macro_rules! define_build {
    ($($(#[$doc:meta])* $kind:literal => $variant:ident($options:ident),)*) => {
        async fn build(config: &SinkConfig, cx: &BuildContext<'_>) -> Result<Box<dyn Run>, SinkError> {
            match config {
                $(SinkConfig::$variant(options) => options.build(cx).await,)*
            }
        }
    };
}
for_each_sink!(define_build);

/// Opens the sink `name`.
///
/// # Errors
///
/// When it cannot be written to as configured. A peer that does not answer is no error: it is waited for.
pub(super) async fn open(
    name: &str,
    config: &SinkConfig,
    topology: &TopologyConfig,
    mode: RunMode,
) -> Result<OpenSink, SinkError> {
    let labels = SinkLabels { id: name.to_owned(), component_type: config.component_type() };
    let cx = BuildContext { labels, topology, mode };
    let sink = build(config, &cx).await?;
    Ok(OpenSink { labels: cx.labels, sink })
}

/// What a sink is built with besides its options.
struct BuildContext<'a> {
    labels: SinkLabels,
    topology: &'a TopologyConfig,
    mode: RunMode,
}

/// In a run that should end, the longest pause of a sink is so small a part of its patience: there is little time to see that
/// a peer is back.
const PAUSES_IN_PATIENCE: u32 = 8;

impl BuildContext<'_> {
    /// The sink's name.
    fn name(&self) -> &str {
        &self.labels.id
    }

    /// The way to the peer of a sink with this `tls` and this `proxy`.
    fn access<'c>(&'c self, tls: &'c SinkTlsConfig, proxy: &ProxyConfig) -> Access<'c> {
        Access { name: self.name(), tls, proxy: proxy.or(&self.topology.proxy) }
    }

    /// A sink that sends to `peer`.
    fn network_sink<P: Peer>(&self, peer: P, network: &NetworkConfig) -> Box<dyn Run> {
        let mut sink = NetworkSink::new(peer, self.name(), network, &self.topology.data_dir);
        if let Some(patience) = self.mode.patience() {
            sink = sink.with_pauses_up_to(patience / PAUSES_IN_PATIENCE);
        }
        Box::new(sink)
    }
}
