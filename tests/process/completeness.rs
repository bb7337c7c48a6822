//! `verify`, `backfill` and `state coverage`, as real processes on real sockets and files.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![cfg(all(unix, feature = "cli", feature = "simulator"))]

use std::{collections::BTreeSet, process::Output, time::Duration};

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use office365_source::{
    content::{ContentType, Feed},
    simulator::{Backlog, BlobSpec, Faults, GraphConfig, GraphFaults, SimulatorConfig},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::{
    moment::Seen,
    program::{IN_FLIGHT, World},
    world::{lines, text},
};

/// Content of three days, which is never listed: so many events a day.
const EVENTS: usize = 4_000;

fn days() -> [NaiveDate; 3] {
    let today = Utc::now().date_naive();
    [6, 5, 4].map(|days| today - Days::new(days))
}

fn id(day: NaiveDate, number: usize) -> String {
    format!("{day}-{number}")
}

/// A tenant whose content of three days is never listed, and a source with an audit search.
async fn world_with_holes() -> World {
    let at_once = Duration::ZERO..=Duration::ZERO;
    let latency = Some(Duration::from_millis(2)..=Duration::from_millis(20));
    let graph = GraphFaults { latency, ..GraphFaults::default() };
    let simulated = SimulatorConfig {
        backlog: Backlog { blobs_per_feed: 0, ..SimulatorConfig::default().backlog },
        graph: GraphConfig { page_size: 100, queued: at_once.clone(), running: at_once, ..GraphConfig::default() },
        faults: Faults { graph, ..Faults::default() },
        ..SimulatorConfig::default()
    };
    let source = format!(
        r#"
        batch = {{ max_events = 25, max_bytes = "64KiB" }}
        memory = {{ spool_threshold = "64KiB", max_buffered_bytes = "{IN_FLIGHT}B" }}
        "#
    );
    let world = World::of(simulated, &source).await;
    let base = world.base.clone();
    world.configure(|text| format!("{text}\n[sources.m365.audit_search]\nverify = \"off\"\nendpoint = \"{base}\"\n"));
    let feed = Feed { tenant: world.tenant.id, content_type: ContentType::General };
    for day in days() {
        let start = day.and_time(NaiveTime::MIN).and_utc() + TimeDelta::hours(5);
        let event = |number: usize| {
            let time = start + TimeDelta::seconds(i64::try_from(number).unwrap());
            json!({
                "Id": id(day, number), "OrganizationId": feed.tenant.to_string(), "RecordType": 25, "Version": 1,
                "CreationTime": time.format("%Y-%m-%dT%H:%M:%S").to_string(),
                "Operation": "MessageCreatedHasLink", "Workload": "MicrosoftTeams", "UserId": "ana@contoso.com"
            })
        };
        let body = Value::from((0..EVENTS).map(event).collect::<Vec<_>>()).to_string();
        world.simulator.add_blob(feed, BlobSpec::new(body, start + TimeDelta::hours(2)).unlisted());
    }
    world
}

/// The arguments of a command about the three days.
fn about_days<'a>(command: &[&'a str], since: &'a str, until: &'a str) -> Vec<&'a str> {
    [command, &["--since", since, "--until", until]].concat()
}

fn run(world: &World, command: &[&str]) -> Output {
    let [first, _, last] = days().map(|day| day.to_string());
    world.command(&about_days(command, &first, &last)).output().unwrap()
}

/// Moments of a backfill, of which the later ones repeat as it goes on.
const MOMENTS: [(Seen, std::ops::RangeInclusive<u64>); 10] = [
    // Not while they are being created: a query that Microsoft never heard of is waited for (tests/it/audit_search.rs has that).
    (Seen::Logged("Audit log query created."), 3..=3),
    (Seen::Logged("Audit log query finished"), 1..=1),
    (Seen::Logged("Source starts."), 1..=1),
    (Seen::Logged("Bytes received."), 1..=5),
    (Seen::Logged("Events received."), 1..=5),
    (Seen::Written, 1..=200),
    (Seen::Written, 100..=400),
    (Seen::Logged("Records of the audit search compared"), 1..=1),
    (Seen::Written, 200..=600),
    (Seen::Written, 1..=100),
];

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_in_mid_backfill_lose_nothing_and_repeat_only_what_was_in_flight() {
    let world = world_with_holes().await;
    let [first, _, last] = days().map(|day| day.to_string());
    let backfill = about_days(&["backfill", "-vv"], &first, &last);
    let seed = 11;
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for (seen, times) in MOMENTS {
        let times = random.random_range(times);
        println!("KILL after {times} × {seen}");
        let mut watch = world.watch(seen);
        let mut process = world.start_command(&backfill);
        world.until(&format!("{times} × {seen}"), || watch.count() >= times).await;
        process.signal("KILL");
        assert_eq!(world.wait(&mut process).await, -1);
    }
    let expected: BTreeSet<_> = days().iter().flat_map(|day| (0..EVENTS).map(|number| id(*day, number))).collect();
    assert!(world.written().0.len() < expected.len(), "the backfill was over before the last kill");

    let mut process = world.start_command(&backfill);
    assert_eq!(world.wait(&mut process).await, 0, "{}", world.log());
    let (written, repeated) = world.written();
    assert_eq!(written.keys().cloned().collect::<BTreeSet<_>>(), expected);
    assert!(repeated <= MOMENTS.len() * IN_FLIGHT, "{repeated} bytes were written twice");
    // Every query counts, also one whose creation nobody was there to hear of.
    let budget = world.simulator.stats().graph.most_submissions_in_a_day(world.tenant.id);
    assert!(budget <= 100, "{budget}");

    // Nothing is missing any more, and asking again delivers nothing.
    assert_eq!(world.wait(&mut world.start_command(&backfill)).await, 0);
    assert_eq!(world.written().0.values().sum::<u32>(), written.values().sum::<u32>());
    let verified = run(&world, &["verify", "--json"]);
    let report: Value = serde_json::from_str(&lines(&verified, 0).join("\n")).unwrap();
    assert_eq!(report["verdict"], "complete", "{report}");
    for day in report["days"].as_array().unwrap() {
        assert_eq!(
            (&day["found"], &day["missing"], &day["only_here"]),
            (&EVENTS.into(), &0.into(), &0.into()),
            "{day}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_tells_of_holes_and_backfill_to_stdout_prints_them_once() {
    let world = world_with_holes().await;
    let table = lines(&run(&world, &["verify"]), 1).join("\n");
    assert!(table.contains(&EVENTS.to_string()), "{table}");
    assert!(world.written().0.is_empty(), "verify delivers nothing");
    let table_of_state =
        lines(&world.command(&["state", "coverage", "--since", "10d"]).output().unwrap(), 0).join("\n");
    assert!(table_of_state.contains(&days()[0].to_string()), "{table_of_state}");

    let printed = run(&world, &["backfill", "--to-stdout"]);
    let events = lines(&printed, 0);
    let ids: BTreeSet<_> = events
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["event"]["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((events.len(), ids.len()), (3 * EVENTS, 3 * EVENTS), "{}", text(&printed.stderr));
    assert!(lines(&run(&world, &["backfill", "--to-stdout"]), 0).is_empty());
    lines(&run(&world, &["verify"]), 0);
    assert!(world.written().0.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_runs_does_what_the_commands_ask_for() {
    let world = world_with_holes().await;
    let mut source = world.start(&[]);
    world.until("it can be asked", || world.path("data/m365/control.sock").exists()).await;
    lines(&run(&world, &["verify"]), 1);
    assert!(world.written().0.is_empty());
    let refused = run(&world, &["backfill", "--to-stdout"]);
    assert!(lines(&refused, 1).is_empty());
    assert!(text(&refused.stderr).contains("stop it first"), "{}", text(&refused.stderr));
    lines(&run(&world, &["backfill"]), 0);
    let (written, _) = world.written();
    assert_eq!(written.len(), 3 * EVENTS);
    assert!(written.values().all(|times| *times == 1));
    source.signal("TERM");
    assert_eq!(world.wait(&mut source).await, 0, "{}", world.log());
}
