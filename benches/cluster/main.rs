//! What sharing the state costs.
//!
//! `cargo bench --bench cluster` has a backlog of six tenants drained by one collector with a ledger of its own, and by one, two and three
//! that share theirs in NATS JetStream. `cargo bench --bench cluster -- plan` has two collectors share 5,000 tenants with nothing new (or
//! as many as a number after it says), each with 200 blobs that are known, and kills one.
//!
//! Needs a nats-server in the PATH or in the variable `NATS_SERVER`. CPU seconds are those of processes, as the Linux kernel counts them.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench may fail loudly and prints its result, of some hundred thousand events"
)]

#[path = "../../tests/support/nats_server.rs"]
mod nats_server;
#[path = "../../tests/support/topology.rs"]
mod topology;

mod drain;
mod plan;
mod processes;

use std::time::Duration;

use office365_source::{content::TenantId, simulator::SimulatedTenant};
use uuid::Uuid;

use self::nats_server::obstacle;

/// Of the plan, unless another number is given.
const MANY: u128 = 5_000;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    if let Some(obstacle) = obstacle() {
        println!("skipped: {obstacle}");
        return;
    }
    if arguments.iter().any(|argument| argument == "plan") {
        plan::measure(arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(MANY));
    } else {
        drain::measure();
    }
}

fn contoso(number: u128) -> SimulatedTenant {
    SimulatedTenant {
        id: TenantId(Uuid::from_u128(0x0a54_d1c5_7a10_4c5e_9d3f_c047_0500_0000 + number)),
        ..SimulatedTenant::contoso().subscribed_since(Duration::from_hours(30 * 24))
    }
}
