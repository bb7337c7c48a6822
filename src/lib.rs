//! Microsoft 365 audit logs as a log-pipeline source.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod activity;
pub mod clock;
pub mod collector;
pub mod component;
pub mod config;
pub mod content;
pub mod discovery;
pub mod entra;
pub mod ledger;
pub mod normalize;
pub mod run_mode;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod source;
pub mod telemetry;
pub mod transport;

/// An error of any kind, as hosts expect it from a source's `build`.
pub type Error = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A result whose error may be of any kind.
pub type Result<T> = std::result::Result<T, Error>;
