//! Where events end.
//!
//! A sink is a small thing that can write; everything they have in common (taking what waits as one group, trying again,
//! acknowledging, counting) is in `driver`.

mod console;
mod driver;
mod error;
mod file;
mod ndjson;
mod tail;

use std::io;

use async_trait::async_trait;

pub(super) use self::driver::drive;
pub use self::{error::SinkError, file::check_sink};
use super::{delivery::Delivery, telemetry::SinkLabels};
use crate::config::SinkConfig;

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

/// A sink that can be written to.
pub(super) struct OpenSink {
    pub(super) labels: SinkLabels,
    pub(super) sink: Box<dyn Sink>,
}

/// Opens the sink `name`.
///
/// # Errors
///
/// When it cannot be written to as configured.
pub(super) async fn open(name: &str, config: &SinkConfig) -> Result<OpenSink, SinkError> {
    let (component_type, sink): (_, Box<dyn Sink>) = match config {
        SinkConfig::Console(_) => ("console", Box::new(console::ConsoleSink::stdout(name))),
        SinkConfig::File(config) => ("file", Box::new(file::FileSink::open(name, &config.path).await?)),
    };
    Ok(OpenSink { labels: SinkLabels { id: name.to_owned(), component_type }, sink })
}
