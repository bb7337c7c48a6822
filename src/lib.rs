//! Microsoft 365 audit logs as a log-pipeline source.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod activity;
mod announcements;
pub mod api_clients;
pub mod audit_search;
mod backoff;
#[cfg(feature = "cli")]
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
#[cfg(feature = "nats")]
pub mod cluster;
pub mod collector;
pub mod component;
pub mod config;
pub mod content;
pub mod credentials;
pub mod discovery;
pub mod encoding;
pub mod entra;
mod expected_panic;
mod file_id;
pub mod geoip;
pub mod graph;
#[cfg(feature = "cli")]
pub mod host;
mod host_services;
pub mod insights;
pub mod ledger;
#[cfg(test)]
#[path = "../tests/support/mmdb.rs"]
mod mmdb;
#[cfg(all(test, feature = "nats"))]
#[path = "../tests/support/nats_server.rs"]
mod nats_server;
pub mod normalize;
mod once;
mod pem;
mod printable;
mod record_types;
pub mod registration;
mod run_mode;
pub mod secrets;
#[cfg(feature = "nats")]
mod shared_state;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod source;
pub mod telemetry;
pub mod tenancy;
pub mod tenants;
mod throttle;
pub mod transport;
mod wake_up;
mod watched;

pub use host_services::HostServices;
pub use run_mode::RunMode;

/// An error of any kind, as hosts expect it from a source's `build`.
pub type Error = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A result whose error may be of any kind.
pub type Result<T> = std::result::Result<T, Error>;
