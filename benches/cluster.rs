//! What sharing the state costs: a backlog of six tenants is drained by one collector with a ledger of its own, and by one, two and three
//! that share theirs in NATS JetStream.
//!
//! Needs a nats-server in the PATH or in the variable `NATS_SERVER`. CPU seconds are those of the collectors, as the Linux kernel counts
//! them; those of the server stand beside them. The ids in the files are compared with those that exist.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench may fail loudly and prints its result, of some hundred thousand events"
)]

#[path = "../tests/support/nats_server.rs"]
mod nats_server;
#[path = "../tests/support/topology.rs"]
mod topology;

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use office365_source::{
    clock::Clock,
    content::TenantId,
    simulator::{Backlog, SimulatedTenant, Simulator, SimulatorConfig},
};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use self::{
    nats_server::{NatsServer, obstacle},
    topology::topology,
};

const TENANTS: u128 = 6;
const BLOBS_PER_FEED: u64 = 80;
const EVENTS: u32 = 50;

/// Linux counts CPU time for `/proc` in hundredths of a second (`proc_pid_stat(5)`, `USER_HZ`).
const TICK: f64 = 0.01;

fn main() {
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    if let Some(obstacle) = obstacle() {
        println!("skipped: {obstacle}");
        return;
    }
    println!(
        "{:<22} {:>7} {:>7} {:>13} {:>13} {:>12} {:>8} {:>8}",
        "collectors", "wall s", "CPU s", "events/CPU s", "server CPU s", "bytes/event", "missing", "repeated"
    );
    for collectors in 0..=3 {
        drain(collectors);
    }
}

fn contoso(number: u128) -> SimulatedTenant {
    SimulatedTenant {
        id: TenantId(Uuid::from_u128(0x0a54_d1c5_7a10_4c5e_9d3f_c047_0500_0000 + number)),
        ..SimulatedTenant::contoso().subscribed_since(Duration::from_hours(30 * 24))
    }
}

/// Has so many collectors deliver everything; none stands for one with a ledger of its own.
fn drain(collectors: usize) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let tenants: Vec<_> = (1..=TENANTS).map(contoso).collect();
    let simulated = SimulatorConfig {
        tenants: tenants.clone(),
        requests_per_minute: 1_000_000_000,
        backlog: Backlog {
            reaches_back: Duration::from_hours(12),
            blobs_per_feed: BLOBS_PER_FEED,
            events_per_blob: EVENTS..=EVENTS,
        },
        ..SimulatorConfig::default()
    };
    let simulator = Simulator::new(simulated, Clock::system());
    let service = runtime.block_on(simulator.serve(([127, 0, 0, 1], 0).into())).unwrap();
    let expected: BTreeSet<_> = simulator.oracle().expected_ids().into_iter().map(|(_, id)| id).collect();
    let (server, directory) = (NatsServer::start(), TempDir::new().unwrap());
    let state = match collectors {
        0 => "type = \"embedded\"".to_owned(),
        _ => format!("type = \"nats\"\nservers = [{:?}]\nreplicas = 1", server.url()),
    };
    let members: Vec<_> = (0..collectors.max(1)).map(|member| directory.path().join(member.to_string())).collect();
    let began = Instant::now();
    let processes: Vec<_> =
        members.iter().map(|member| start(member, service.base_url().as_str(), &tenants, &state)).collect();
    let lines = || members.iter().map(|member| lines(member)).sum::<usize>();
    while lines() < expected.len() {
        thread::sleep(Duration::from_millis(200));
        assert!(began.elapsed() < Duration::from_mins(5), "{} of {} events", lines(), expected.len());
    }
    let wall = began.elapsed().as_secs_f64();
    let cpu: f64 = processes.iter().map(|process| cpu_seconds(process.id())).sum();
    let of_server = cpu_seconds(server.id());
    for mut process in processes {
        assert!(Command::new("kill").args(["-s", "TERM", &process.id().to_string()]).status().unwrap().success());
        assert!(process.wait().unwrap().success());
    }
    let ids: Vec<_> = members.iter().flat_map(|member| ids(member)).collect();
    let different: BTreeSet<_> = ids.iter().cloned().collect();
    let name = match collectors {
        0 => "1 with its own ledger".to_owned(),
        _ => format!("{collectors} sharing"),
    };
    println!(
        "{name:<22} {wall:>7.2} {cpu:>7.2} {:>13.0} {of_server:>13.2} {:>12.1} {:>8} {:>8}",
        expected.len() as f64 / cpu,
        if collectors == 0 { 0.0 } else { server.stored() as f64 / expected.len() as f64 },
        expected.difference(&different).count(),
        ids.len() - different.len(),
    );
}

fn start(directory: &Path, base: &str, tenants: &[SimulatedTenant], state: &str) -> Child {
    fs::create_dir_all(directory).unwrap();
    let rest = format!(
        r#"content_types = ["Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All"]
        request = {{ requests_per_minute = 1000000 }}
        [sources.m365.state]
        {state}"#
    );
    let config = topology(directory, base, tenants, &rest);
    fs::write(directory.join("config.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_office365-source"));
    command.args(["run", "--config"]).arg(directory.join("config.toml"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn cpu_seconds(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name before the parenthesis may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) * TICK
}

fn read(directory: &Path) -> Vec<u8> {
    fs::read(directory.join("events.ndjson")).unwrap_or_default()
}

fn lines(directory: &Path) -> usize {
    memchr::memchr_iter(b'\n', &read(directory)).count()
}

fn ids(directory: &Path) -> Vec<String> {
    let events = read(directory);
    let events = events.split_inclusive(|byte| *byte == b'\n');
    events
        .map(|line| serde_json::from_slice::<Value>(line).unwrap()["event"]["id"].as_str().unwrap().to_owned())
        .collect()
}
