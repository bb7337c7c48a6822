//! Real processes on real sockets and files: killed, asked to stop, started twice.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![cfg(all(unix, feature = "cli", feature = "simulator"))]

use crate::program;

use std::{fs, time::Duration};

use office365_source::simulator::Faults;
use program::{IN_FLIGHT, World, read_lines, signal};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_at_random_moments_lose_nothing_and_repeat_only_what_was_in_flight() {
    let latency = Some(Duration::from_millis(5)..=Duration::from_millis(60));
    let world = World::new(Faults { latency, error_rate: 0.02, reset_rate: 0.02, ..Faults::default() }).await;
    let mut random = StdRng::seed_from_u64(7);
    let mut progressed = 0;
    for _ in 0..10 {
        let before = read_lines(&world.path("events.ndjson")).len();
        let mut child = world.start(&[]);
        sleep(Duration::from_millis(random.random_range(150..900))).await;
        child.kill().unwrap();
        child.wait().unwrap();
        progressed += usize::from(read_lines(&world.path("events.ndjson")).len() > before);
    }
    assert!(progressed >= 3, "the kills came before anything happened");
    assert!(world.missing(&world.written().0) > 0, "the backlog was over before the last kill");

    let mut last = world.start(&["--once"]);
    assert_eq!(world.wait(&mut last).await, 0, "{}", world.log());
    let (written, repeated) = world.written();
    assert_eq!(world.missing(&written), 0);
    assert!(repeated <= 10 * IN_FLIGHT, "{repeated} bytes were written twice");

    let lines = read_lines(&world.path("events.ndjson")).len();
    let mut again = world.start(&["--once"]);
    assert_eq!(world.wait(&mut again).await, 0);
    assert_eq!(read_lines(&world.path("events.ndjson")).len(), lines, "a second run of once emits nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_cleanly_and_the_next_start_repeats_nothing() {
    let latency = Some(Duration::from_millis(5)..=Duration::from_millis(30));
    let world = World::new(Faults { latency, ..Faults::default() }).await;
    for name in ["TERM", "INT", "TERM"] {
        let mut child = world.start(&[]);
        sleep(Duration::from_millis(700)).await;
        signal(&child, name);
        assert_eq!(world.wait(&mut child).await, 0);
    }
    let mut last = world.start(&["--once"]);
    assert_eq!(world.wait(&mut last).await, 0);
    let (written, repeated) = world.written();
    assert_eq!((world.missing(&written), repeated), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_data_dir_is_refused() {
    let world = World::new(Faults::default()).await;
    let mut first = world.start(&[]);
    // The first has the ledger as soon as it has written something.
    while read_lines(&world.path("events.ndjson")).is_empty() {
        sleep(Duration::from_millis(20)).await;
    }
    // A file of its own: only the data_dir is shared.
    let config = fs::read_to_string(world.path("config.toml")).unwrap().replace("events.ndjson", "other.ndjson");
    fs::write(world.path("config.toml"), config).unwrap();
    let mut second = world.start(&[]);
    assert_eq!(world.wait(&mut second).await, 1);
    let log = world.log();
    assert!(log.contains("in use by another process"), "{log}");
    signal(&first, "TERM");
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
    // Nobody listens on a port that was taken a moment ago.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (before, _) = good.split_once("[sinks.out]").unwrap();
    let sink = format!("[sinks.out]\ntype = \"http\"\ninputs = [\"m365\"]\nuri = \"http://{nobody}/\"\n");
    fs::write(world.path("config.toml"), format!("{before}{sink}")).unwrap();
    assert_eq!(world.wait(&mut world.start(&["--once", "--patience", "2s"])).await, 1);
    let log = fs::read_to_string(world.path("log")).unwrap();
    assert!(log.contains("no sink has acknowledged anything"), "{log}");
    assert!(log.contains("sources.m365: 0 events delivered from 0 content blobs"), "{log}");

    // The ledger is free again, and owes everything.
    fs::write(world.path("config.toml"), good).unwrap();
    assert_eq!(world.wait(&mut world.start(&["--once"])).await, 0);
    let (times, _) = world.written();
    let expected = world.simulator.oracle().expected_ids();
    assert_eq!(times.len(), expected.len());
    assert!(times.values().all(|times| *times == 1));
}
