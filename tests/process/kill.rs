//! Real processes on real sockets and files: killed, asked to stop, started twice.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![cfg(all(unix, feature = "cli", feature = "simulator"))]

use crate::{
    moment::Seen,
    program::{IN_FLIGHT, World, read_lines},
};

use std::{fs, ops::RangeInclusive, time::Duration};

use office365_source::simulator::{Faults, Operation};
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Starts it, waits until something has shown so often, and ends it by a signal.
async fn interrupt(world: &World, signal: &str, seen: Seen, times: u64) -> i32 {
    println!("{signal} after {times} × {seen}");
    let mut watch = world.watch(seen);
    let mut process = world.start(&["-vv"]);
    world.until(&format!("{times} × {seen}"), || watch.count() >= times).await;
    process.signal(signal);
    world.wait(&mut process).await
}

/// Every phase of a run, from its first sign to well within it. Together they are a part of the backlog, so that none waits
/// for something that does not happen any more.
const MOMENTS: [(Seen, RangeInclusive<u64>); 10] = [
    (Seen::Logged("Source starts."), 1..=1),
    // Listing, and recording what was listed.
    (Seen::Asked(Operation::Content), 1..=20),
    (Seen::Logged("Content found."), 1..=10),
    // Downloads that are asked for, and those that are in.
    (Seen::Asked(Operation::Blob), 1..=40),
    (Seen::Logged("Bytes received."), 1..=40),
    // Normalised and about to be sent, written to the file, settled.
    (Seen::Logged("Events received."), 1..=40),
    (Seen::Written, 1..=300),
    (Seen::Logged("Content delivered."), 1..=20),
    (Seen::Written, 300..=1_000),
    (Seen::Logged("Content delivered."), 1..=20),
];

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_at_random_moments_lose_nothing_and_repeat_only_what_was_in_flight() {
    let latency = Some(Duration::from_millis(5)..=Duration::from_millis(60));
    let world = World::new(Faults { latency, error_rate: 0.02, reset_rate: 0.02, ..Faults::default() }).await;
    let seed = 7;
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for (seen, times) in MOMENTS {
        assert_eq!(interrupt(&world, "KILL", seen, random.random_range(times)).await, -1);
    }
    assert!(world.missing(&world.written().0) > 0, "the backlog was over before the last kill");

    // Nothing is interrupted any more.
    world.simulator.faults().update(|faults| faults.latency = None);
    let mut last = world.start(&["--once"]);
    assert_eq!(world.wait(&mut last).await, 0, "{}", world.log());
    let (written, repeated) = world.written();
    assert_eq!(world.missing(&written), 0);
    assert!(repeated <= MOMENTS.len() * IN_FLIGHT, "{repeated} bytes were written twice");

    let lines = read_lines(&world.path("events.ndjson")).len();
    let mut again = world.start(&["--once"]);
    assert_eq!(world.wait(&mut again).await, 0);
    assert_eq!(read_lines(&world.path("events.ndjson")).len(), lines, "a second run of once emits nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_cleanly_and_the_next_start_repeats_nothing() {
    let latency = Some(Duration::from_millis(5)..=Duration::from_millis(30));
    let world = World::new(Faults { latency, ..Faults::default() }).await;
    for (signal, seen, times) in [
        ("TERM", Seen::Asked(Operation::Content), 7),
        ("INT", Seen::Logged("Bytes received."), 20),
        ("TERM", Seen::Written, 400),
        ("INT", Seen::Logged("Content delivered."), 15),
    ] {
        assert_eq!(interrupt(&world, signal, seen, times).await, 0, "{}", world.log());
    }
    assert!(world.missing(&world.written().0) > 0, "the backlog was over before the last signal");
    // Nothing is interrupted any more.
    world.simulator.faults().update(|faults| faults.latency = None);
    let mut last = world.start(&["--once"]);
    assert_eq!(world.wait(&mut last).await, 0);
    let (written, repeated) = world.written();
    assert_eq!((world.missing(&written), repeated), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_data_dir_is_refused() {
    let world = World::new(Faults::default()).await;
    let mut watch = world.watch(Seen::Written);
    let mut first = world.start(&[]);
    // The first has the ledger as soon as it has written something.
    world.until("it has written something", || watch.count() > 0).await;
    // A file of its own: only the data_dir is shared.
    world.configure(|text| text.replace("events.ndjson", "other.ndjson"));
    let mut second = world.start(&[]);
    assert_eq!(world.wait(&mut second).await, 1);
    let log = world.log();
    assert!(log.contains("in use by another process"), "{log}");
    first.signal("TERM");
    assert_eq!(world.wait(&mut first).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_ledger_stops_the_start_and_is_left_alone() {
    let world = World::new(Faults::default()).await;
    let mut first = world.start(&["--once"]);
    assert_eq!(world.wait(&mut first).await, 0);
    let ledger = world.path("data/m365/ledger.redb");
    let good = fs::read(&ledger).unwrap();
    fs::write(&ledger, &good[..good.len() / 3]).unwrap();
    let mut second = world.start(&["--once"]);
    assert_eq!(world.wait(&mut second).await, 1);
    let log = world.log();
    assert!(log.contains("is damaged") && log.contains("start over"), "{log}");
    assert_eq!(fs::read(&ledger).unwrap().len(), good.len() / 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_once_whose_sink_is_out_of_reach_ends_and_the_next_delivers_everything() {
    let world = World::new(Faults::default()).await;
    let good = fs::read_to_string(world.path("config.toml")).unwrap();
    // No process listens on a port that was taken a moment ago.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let file = format!("path = \"{}\"", world.path("events.ndjson").display());
    world.configure(|text| {
        text.replace("type = \"file\"", "type = \"http\"").replace(&file, &format!("uri = \"http://{nobody}/\""))
    });
    assert_eq!(world.wait(&mut world.start(&["--once", "--patience", "5s"])).await, 1);
    let log = world.log();
    assert!(log.contains("no sink has acknowledged anything"), "{log}");
    assert!(log.contains("sources.m365: 0 events delivered from 0 content blobs"), "{log}");

    // The ledger is free again, and everything in it is pending.
    fs::write(world.path("config.toml"), good).unwrap();
    assert_eq!(world.wait(&mut world.start(&["--once"])).await, 0);
    let (times, _) = world.written();
    let expected = world.simulator.oracle().expected_ids();
    assert_eq!(times.len(), expected.len());
    assert!(times.values().all(|times| *times == 1));
}
