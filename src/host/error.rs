//! Why the host could not start or had to stop.

use std::{io, net::SocketAddr};

use snafu::Snafu;

use super::SinkError;
use crate::{component::ComponentKey, config::DataDirError, secrets::SecretError, transport::ServerTlsError};

/// Why the host could not start or had to stop. Every message begins with the key it is about and ends with what to do.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub enum HostError {
    /// The data directory cannot be used.
    #[snafu(transparent)]
    DataDir {
        /// Why.
        source: DataDirError,
    },
    /// A sink cannot be opened, or can no longer be written to.
    #[snafu(transparent)]
    Sink {
        /// Which, and why.
        source: SinkError,
    },
    /// The address of the telemetry server cannot be used.
    #[snafu(display(
        "telemetry.listen: cannot listen on {address}: {source}. {}",
        match source.kind() {
            io::ErrorKind::AddrInUse => "Stop the program that has this port, or write another port.",
            _ => "Write an address of this machine and a port that this process may use, such as 127.0.0.1:9598.",
        }
    ))]
    Listen {
        /// The address as configured.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The certificate of the telemetry server cannot be used.
    #[snafu(display("{source}"))]
    Tls {
        /// Why.
        source: ServerTlsError,
    },
    /// A secret of the page cannot be read.
    #[snafu(display("{source}"))]
    PageSecret {
        /// Why.
        source: SecretError,
    },
    /// Other code in this process collects the metrics.
    #[snafu(display(
        "telemetry.listen: this process has another recorder of metrics already. Leave the table [telemetry] out, and \
         read the metrics there."
    ))]
    Recorder,
    /// Two components want what only one can have.
    #[snafu(display("{first} and {second} both need {resource}. Give one of them another."))]
    ResourceConflict {
        /// A component's key path.
        first: String,
        /// The other's.
        second: String,
        /// What they both need.
        resource: String,
    },
    /// A source cannot run as configured.
    #[snafu(display("sources.{key}: cannot start: {source}"))]
    Build {
        /// The source.
        key: ComponentKey,
        /// Why.
        source: crate::Error,
    },
    /// A source has given up. It has logged why.
    #[snafu(display("sources.{key}: stopped with an error; its log says why, and what to do."))]
    SourceFailed {
        /// The source.
        key: ComponentKey,
    },
}
