//! The interface of a source component.

use std::{fmt, net::SocketAddr, time::Duration};

use async_trait::async_trait;
use dyn_clone::DynClone;
use futures::future::BoxFuture;

use super::SourceContext;

/// A running source: polled by the host until it ends.
///
/// `Ok(())` after a shutdown (or when there is nothing left to do), `Err(())` when it cannot go on; why has been logged.
pub type Source = BoxFuture<'static, Result<(), ()>>;

/// Describes and builds a source component.
#[async_trait]
pub trait SourceConfig: DynClone + fmt::Debug + Send + Sync {
    /// Builds the source.
    ///
    /// # Errors
    ///
    /// When the source cannot run at all as configured: a secret is unreadable, the data directory is taken by another
    /// process, a port is in use. A condition that may end by itself (no network, missing consent) is not an error
    /// here.
    async fn build(&self, cx: SourceContext) -> crate::Result<Source>;

    /// The outputs of the source.
    fn outputs(&self, global_log_namespace: LogNamespace) -> Vec<SourceOutput>;

    /// What the source needs for itself alone, such as ports, so that a host can order a reload.
    fn resources(&self) -> Vec<Resource> {
        Vec::new()
    }

    /// Whether the source waits for its events to be delivered.
    fn can_acknowledge(&self) -> bool;

    /// How long the source waits for a full pipeline before it gives up a batch; `None` waits indefinitely. Only Vector uses
    /// it: this source always waits.
    fn send_timeout(&self) -> Option<Duration> {
        None
    }
}

dyn_clone::clone_trait_object!(SourceConfig);

/// Something only one component can have at a time.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Resource {
    /// A TCP port on an address.
    Tcp(SocketAddr),
    /// A file or directory, by its path or a name. Only other components of Vector have one.
    File(String),
}

impl Resource {
    /// A TCP port on an address.
    pub const fn tcp(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// The kinds of events an output carries. Only Vector has more than one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DataType {
    /// Log events.
    Log,
}

/// Where a source puts metadata: beside the event's own fields, or apart from them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogNamespace {
    /// Metadata is among the event's fields.
    #[default]
    Legacy,
    /// Metadata is separate, under `%vector` and `%office365`.
    Vector,
}

impl From<bool> for LogNamespace {
    fn from(vector: bool) -> Self {
        if vector { Self::Vector } else { Self::Legacy }
    }
}

/// One output of a source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceOutput {
    /// The output's name; `None` for the default output.
    pub port: Option<String>,
    /// What it carries.
    pub ty: DataType,
    /// Where it puts metadata.
    pub log_namespace: LogNamespace,
}

impl SourceOutput {
    /// The default output, carrying logs.
    pub const fn new_logs(log_namespace: LogNamespace) -> Self {
        Self { port: None, ty: DataType::Log, log_namespace }
    }
}
