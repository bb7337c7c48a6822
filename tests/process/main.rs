//! Tests of the program: started, stopped, killed, with its arguments, files and outputs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![cfg(feature = "cli")]

#[cfg(all(unix, feature = "simulator"))]
#[path = "../support/moment.rs"]
mod moment;
#[cfg(all(unix, feature = "nats", feature = "simulator"))]
#[path = "../support/nats_server.rs"]
mod nats_server;
#[cfg(all(unix, feature = "simulator"))]
#[path = "../support/topology.rs"]
mod topology;

#[path = "../support/program.rs"]
mod program;
#[cfg(feature = "simulator")]
#[path = "../support/mod.rs"]
mod support;

mod cli;
mod cli_check;
mod cli_fetch;
mod cli_normalize;
mod cli_secrets;
mod cli_state;
mod cli_subscriptions;
mod cli_webhook;
mod cluster;
mod completeness;
mod disks;
mod kill;
mod metrics;
mod reload;
mod webhook_kill;
mod world;
