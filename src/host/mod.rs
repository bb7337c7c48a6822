//! The standalone host: the pipeline around the sources when there is no Vector or Fluent Bit to be one.
//!
//! ```text
//! source ──► SourceSender ──► fan-out ──► inbox ──► sink          one inbox and one task per sink, all bounded
//!            (bounded)           └──────► inbox ──► sink
//! ```
//!
//! It promises what the sources build on: an event is delivered when *every* sink that takes it has it for good (a file
//! sink: on disk), and an event that anything else happened to is errored, so that its source sends it again. See
//! `delivery` for how that holds for events that are dropped on the way.
//!
//! The host knows sources by [`SourceConfig`](crate::component::SourceConfig) only.

mod access;
mod components;
mod delivery;
mod error;
mod fan_out;
mod metrics;
mod page;
mod pipeline;
mod reload;
mod report;
mod resources;
mod run;
mod serve_page;
mod server;
mod signals;
mod sinks;
mod site;
mod start;
mod status;
mod telemetry;

#[cfg(test)]
mod tests;

pub(crate) use self::metrics::span_labels;
pub use self::{
    components::{Component, components},
    error::HostError,
    reload::{ReloadSignal, run_reloading},
    report::{Ended, Report, SourceReport},
    resources::check_resources,
    run::{Options, run, run_components},
    serve_page::{PageServer, check_telemetry},
    signals::stop_signal,
    sinks::{SinkError, check_sink},
};
