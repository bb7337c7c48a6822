//! Where events end.
//!
//! A sink on this machine is a small thing that can write; everything they have in common (taking what waits as one group,
//! trying again, acknowledging, counting) is in `driver`. What the sinks have in common that send over the network is in
//! `network`.

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
mod size_limit;
mod splunk_hec;
mod stdout;
mod tail;
mod vector;

use std::io;

use async_trait::async_trait;
use tokio::sync::mpsc;

use self::{
    driver::LocalSink,
    network::{NetworkSink, Peer},
};
pub use self::{error::SinkError, file::check_sink};
use super::{delivery::Delivery, telemetry::SinkLabels};
use crate::config::{SinkConfig, TopologyConfig};

/// Something events can be written to.
#[async_trait]
pub(super) trait Sink: Send {
    /// Writes the events of `group`, all of them in their order, and returns how many bytes that took.
    ///
    /// `Ok` means that they are there for good: they are acknowledged next. After an error none of them is taken as
    /// written, and the same group comes again if the error may pass.
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

/// Opens the sink `name`.
///
/// # Errors
///
/// When it cannot be written to as configured. A peer that does not answer is no error: it is waited for.
pub(super) async fn open(name: &str, config: &SinkConfig, topology: &TopologyConfig) -> Result<OpenSink, SinkError> {
    let sink: Box<dyn Run> = match config {
        SinkConfig::Console(_) => Box::new(LocalSink(console::ConsoleSink::stdout(name)?)),
        SinkConfig::File(config) => Box::new(LocalSink(file::FileSink::open(name, &config.path).await?)),
        SinkConfig::Fluent(fluent) => network(fluent::FluentPeer::new(name, fluent)?, name, config, topology),
        SinkConfig::Http(http) => network(http::HttpPeer::new(name, http)?, name, config, topology),
        SinkConfig::Opentelemetry(otlp) => {
            network(opentelemetry::OpentelemetryPeer::new(name, otlp)?, name, config, topology)
        }
        SinkConfig::SplunkHec(splunk) => network(splunk_hec::SplunkHecPeer::new(name, splunk)?, name, config, topology),
        SinkConfig::Vector(vector) => network(vector::VectorPeer::new(name, vector)?, name, config, topology),
    };
    Ok(OpenSink { labels: SinkLabels { id: name.to_owned(), component_type: config.component_type() }, sink })
}

fn network<P: Peer>(peer: P, name: &str, config: &SinkConfig, topology: &TopologyConfig) -> Box<dyn Run> {
    let Some(network) = config.network() else { unreachable!("only sinks that send over the network have peers") };
    Box::new(NetworkSink::new(peer, name, network, &topology.data_dir))
}
