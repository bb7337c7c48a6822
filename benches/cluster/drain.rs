//! A backlog, and how long collectors take for it.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use office365_source::{
    clock::Clock,
    simulator::{Backlog, Simulator, SimulatorConfig},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    contoso,
    nats_server::NatsServer,
    processes::{cpu_seconds, start},
};

const TENANTS: u128 = 6;
const BLOBS_PER_FEED: u64 = 80;
const EVENTS: u32 = 50;

/// A row for each number of collectors.
pub fn measure() {
    println!(
        "{:<22} {:>7} {:>7} {:>13} {:>13} {:>12} {:>8} {:>8}",
        "collectors", "wall s", "CPU s", "events/CPU s", "server CPU s", "bytes/event", "missing", "repeated"
    );
    for collectors in 0..=3 {
        drain(collectors);
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
