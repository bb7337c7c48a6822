//! Thousands of tenants with nothing new: what a cluster takes that does no more than list, and how fast another collector takes over.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use chrono::{TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use office365_source::{
    clock::Clock,
    content::{ContentType, Feed, TenantId},
    ledger::{ContentRecord, ContentState, IdRetention, NatsLedger, NatsOptions, Piece, Transfer},
    simulator::{Backlog, Operation, SimulatedTenant, Simulator, SimulatorConfig},
};
use tempfile::TempDir;

use crate::{
    contoso,
    nats_server::NatsServer,
    processes::{cpu_seconds, memory, start},
};

/// What was delivered of a tenant in the days for which Microsoft may list it again.
const BLOBS: usize = 200;

/// For how long idle collectors are measured.
const IDLE: Duration = Duration::from_mins(2);

/// The members, in the order in which they start.
const MEMBERS: [&str; 2] = ["first", "second"];

/// Prints what so many tenants take.
pub fn measure(count: u128) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let tenants: Vec<_> = (1..=count).map(contoso).collect();
    let simulated = SimulatorConfig {
        tenants: tenants.clone(),
        requests_per_minute: 1_000_000_000,
        backlog: Backlog { blobs_per_feed: 0, ..SimulatorConfig::default().backlog },
        live: None,
        ..SimulatorConfig::default()
    };
    let simulator = Simulator::new(simulated, Clock::system());
    let service = runtime.block_on(simulator.serve(([127, 0, 0, 1], 0).into())).unwrap();
    let (server, directory) = (NatsServer::start(), TempDir::new().unwrap());
    let empty = memory(server.id());
    let rows = tenants.len() * BLOBS;
    let took = timed(|| runtime.block_on(write(&server, directory.path(), &tenants)));
    println!("{rows} rows of {count} tenants written in {took:.0} s");
    println!("  bytes a row on the server's disk: {:.0}", server.stored() as f64 / rows as f64);
    println!("  bytes a row in the server's memory: {:.0}", (memory(server.id()) - empty) * 1_048_576.0 / rows as f64);

    let state = format!("type = \"nats\"\nservers = [{:?}]\nreplicas = 1", server.url());
    let member = |name: &str| directory.path().join(name);
    let holds = |name: &str| {
        let log = fs::read_to_string(member(name).join("log")).unwrap_or_default();
        let count = |text: &str| log.matches(text).count();
        count("This member collects a tenant now.") - count("This member no longer collects a tenant.")
    };
    let base = service.base_url().to_string();
    let mut first = start(&member(MEMBERS[0]), &base, &tenants, &state);
    let took = timed(|| until(|| holds(MEMBERS[0]) == tenants.len()));
    println!("one collector takes all tenants in {took:.1} s");
    let mut second = start(&member(MEMBERS[1]), &base, &tenants, &state);
    let half = tenants.len() / 2;
    let took = timed(|| until(|| holds(MEMBERS[1]) >= half && holds(MEMBERS[0]) <= tenants.len() - half));
    println!("a second one has its half after {took:.1} s");

    // Each feed has been listed once by now, and a minute later again.
    let listings = || simulator.stats().requests_for(Operation::Content);
    let each = tenants.len() as u64 * ContentType::ALL.len() as u64;
    let began = listings();
    until(|| listings() >= began + each);
    let (before, listed, at) = ([first.id(), second.id(), server.id()].map(cpu_seconds), listings(), Instant::now());
    thread::sleep(IDLE);
    let after = [first.id(), second.id(), server.id()].map(cpu_seconds);
    let (listed, elapsed) = ((listings() - listed) as f64, at.elapsed().as_secs_f64());
    let of = |process: usize| after[process] - before[process];
    println!("idle, {:.0} listings a second:", listed / elapsed);
    println!(
        "  CPU of both collectors: {:.2} ms a listing, {:.1} % of a core",
        (of(0) + of(1)) / listed * 1e3,
        (of(0) + of(1)) / elapsed * 100.0
    );
    println!(
        "  CPU of the server: {:.2} ms a listing, {:.1} % of a core",
        of(2) / listed * 1e3,
        of(2) / elapsed * 100.0
    );
    println!(
        "  MiB in memory: {:.0}, {:.0}, server {:.0}",
        memory(first.id()),
        memory(second.id()),
        memory(server.id())
    );

    second.kill().unwrap();
    second.wait().unwrap();
    let took = timed(|| until(|| holds(MEMBERS[0]) == tenants.len()));
    println!("the first one has all tenants {took:.1} s after the second was killed");
    first.kill().unwrap();
    first.wait().unwrap();
}

/// Writes blobs that are done.
async fn write(server: &NatsServer, directory: &Path, tenants: &[SimulatedTenant]) {
    let options = NatsOptions::new(vec![server.url()], "o365");
    let ledger = NatsLedger::open(&options, directory, IdRetention::from(TimeDelta::days(7))).await.unwrap();
    let writing = stream::iter(tenants).map(|tenant| ledger.import(blobs(tenant.id)));
    writing.buffer_unordered(32).try_collect::<()>().await.unwrap();
    for tenant in tenants {
        ledger.give_back(tenant.id).await.unwrap();
    }
}

fn blobs(tenant: TenantId) -> Vec<Piece> {
    let now = Utc::now();
    let blob = |number: usize| {
        let content_type = ContentType::ALL[number % ContentType::ALL.len()];
        let created = now - TimeDelta::minutes(i64::try_from(number).unwrap() * 40);
        Piece::Content(ContentRecord {
            feed: Feed { tenant, content_type },
            content_id: format!("20261128010000000$20261128010000000${number:012}$audit$Audit$na0001"),
            content_uri: String::new(),
            created,
            expiration: Some(created + TimeDelta::days(7)),
            recorded: created,
            announced: false,
            state: ContentState::Done { at: created },
        })
    };
    (0..BLOBS).map(blob).collect()
}

/// How long something takes. Unit: seconds.
fn timed(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64()
}

fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        thread::sleep(Duration::from_millis(100));
        assert!(began.elapsed() < Duration::from_mins(15), "it does not come");
    }
}
