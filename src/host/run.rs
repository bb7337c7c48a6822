//! Running a topology from its start to its end.

use std::pin::pin;

use super::{Component, HostError, Report, components, start::start};
use crate::{config::TopologyConfig, host_services::HostServices};

/// How to run a topology.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the program gives the sources beyond the configuration. Each source gets a [`Progress`](crate::telemetry::Progress)
    /// of its own.
    pub services: HostServices,
}

/// Runs a configuration file until its sources have ended, or until `stop` resolves and what is in flight is delivered.
///
/// A shutdown takes [`TopologyConfig::shutdown_timeout`] at most; events that are not delivered by then are delivered
/// after the next start, which is no failure. A blocking write that hangs (a full pipe) may outlive this function: end
/// the runtime with [`shutdown_timeout`](tokio::runtime::Runtime::shutdown_timeout).
///
/// # Errors
///
/// When something cannot be used as configured; nothing has been collected then. What goes wrong later is in
/// [`Report::failure`].
pub async fn run(
    topology: &TopologyConfig,
    options: &Options,
    stop: impl Future<Output = ()>,
) -> Result<Report, HostError> {
    run_components(components(topology), topology, options, stop).await
}

/// As [`run`], with sources that are not in the file: the sinks' `inputs` name them by their keys.
///
/// # Errors
///
/// As [`run`].
pub async fn run_components(
    components: Vec<Component>,
    topology: &TopologyConfig,
    options: &Options,
    stop: impl Future<Output = ()>,
) -> Result<Report, HostError> {
    let mut stop = pin!(stop);
    let pipeline = tokio::select! {
        pipeline = start(components, topology, options) => pipeline?,
        () = &mut stop => return Ok(Report { sources: Vec::new(), failure: None }),
    };
    Ok(pipeline.run(stop).await)
}
