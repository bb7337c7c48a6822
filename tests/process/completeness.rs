//! `verify`, `backfill` and `state coverage`, as real processes on real sockets and files.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![cfg(all(unix, feature = "cli", feature = "simulator"))]

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader, pipe},
    process::{Output, Stdio},
    time::Duration,
};

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use office365_source::{
    content::{ContentType, Feed},
    simulator::{Backlog, BlobSpec, Faults, GraphConfig, GraphFaults, SimulatorConfig},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::{
    moment::Seen,
    program::{IN_FLIGHT, Process, World, read_lines},
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
    world_with_holes_and(Duration::ZERO).await
}

/// The same, where Microsoft works on a query for so long.
async fn world_with_holes_and(running: Duration) -> World {
    let at_once = Duration::ZERO..=Duration::ZERO;
    let latency = Some(Duration::from_millis(2)..=Duration::from_millis(20));
    let graph = GraphFaults { latency, ..GraphFaults::default() };
    let simulated = SimulatorConfig {
        backlog: Backlog { blobs_per_feed: 0, ..SimulatorConfig::default().backlog },
        graph: GraphConfig { page_size: 100, queued: at_once, running: running..=running, ..GraphConfig::default() },
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

#[cfg(feature = "nats")]
#[tokio::test(flavor = "multi_thread")]
async fn shared_state_is_compared_and_filled_where_no_collector_runs() {
    use crate::nats_server::{NatsServer, obstacle};
    if let Some(obstacle) = obstacle() {
        eprintln!("skipped: {obstacle}");
        return;
    }
    let (world, server) = (world_with_holes().await, NatsServer::start());
    let url = server.url();
    world.configure(|text| {
        format!("{text}\n[sources.m365.state]\ntype = \"nats\"\nservers = [\"{url}\"]\nreplicas = 1\n")
    });
    for (command, code) in [("verify", 1), ("backfill", 0), ("verify", 0)] {
        let output = run(&world, &[command]);
        let told = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{command}: {told}");
    }
    assert_eq!(world.written().0.len(), EVENTS * days().len());
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

/// Longer than any test.
const FOREVER: Duration = Duration::from_hours(3);

/// Starts a command about the three days and waits until it has Microsoft work on a query.
async fn start_and_wait_for_a_query(world: &World, command: &[&str], out: Stdio) -> Process {
    let [first, _, last] = days().map(|day| day.to_string());
    let mut watch = world.watch(Seen::Logged("Audit log query created."));
    let process = world.start_command_into(&about_days(command, &first, &last), out);
    world.until("a query is created", || watch.count() > 0).await;
    process
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_ends_when_the_source_that_it_waits_for_has_ended() {
    let world = world_with_holes_and(FOREVER).await;
    let mut source = world.start(&["-vv"]);
    world.until("it can be asked", || world.path("data/m365/control.sock").exists()).await;
    let [first, _, last] = days().map(|day| day.to_string());
    let mut watch = world.watch(Seen::Logged("Audit log query created."));
    let verify = about_days(&["verify"], &first, &last);
    let mut verify = world.start_command_into(&verify, File::create(world.path("report")).unwrap());
    world.until("a query is created", || watch.count() > 0).await;
    source.signal("KILL");
    assert_eq!(world.wait(&mut source).await, -1);
    assert_eq!(world.wait(&mut verify).await, 3, "{}", world.log());
    assert!(world.log().contains("the source that compared the days has ended"), "{}", world.log());
    let report = read_lines(&world.path("report")).join("\n");
    assert!(report.contains("searching") && report.contains("Cannot be told as a whole"), "{report}");
    let coverage = lines(&world.command(&["state", "coverage"]).output().unwrap(), 0).join("\n");
    assert!(coverage.contains("No process compares these days now"), "{coverage}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_at_a_time_has_the_ledger() {
    let world = world_with_holes_and(FOREVER).await;
    let out = File::create(world.path("printed")).unwrap();
    let mut first = start_and_wait_for_a_query(&world, &["backfill", "--to-stdout", "-vv"], out.into()).await;
    for (command, code) in [(&["verify"][..], 3), (&["backfill"], 1), (&["backfill", "--to-stdout"], 1)] {
        let refused = run(&world, command);
        assert!(lines(&refused, code).is_empty(), "{command:?}");
        let said = text(&refused.stderr);
        assert!(said.contains("another `verify` or `backfill` has the ledger"), "{command:?}: {said}");
    }
    let known = lines(&run(&world, &["verify", "--no-wait"]), 3).join("\n");
    assert!(known.contains("searching"), "{known}");
    first.signal("TERM");
    assert_eq!(world.wait(&mut first).await, 3, "{}", world.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_go_only_where_somebody_reads_them() {
    let world = world_with_holes().await;
    let [first, _, last] = days().map(|day| day.to_string());
    let print = about_days(&["backfill", "--to-stdout"], &first, &last);
    let mut refused = world.start_command_into(&print, Stdio::null());
    assert_eq!(world.wait(&mut refused).await, 2);
    assert!(world.log().contains("the standard output is the null device, or closed"), "{}", world.log());
    assert!(!world.path("data/m365").exists(), "no ledger is made");

    // A reader that has enough.
    let (reader, writer) = pipe().unwrap();
    let mut printing = world.start_command_into(&print, writer);
    let read: Vec<_> = BufReader::new(reader).lines().take(300).map(Result::unwrap).collect();
    assert_eq!(world.wait(&mut printing).await, 3, "{}", world.log());
    let log = world.log();
    let said = log.lines().find(|line| line.contains("The reader of the standard output has ended")).unwrap();
    let written: usize = said.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
    assert!((read.len()..3 * EVENTS).contains(&written), "{said}");
    let rest = lines(&world.command(&print).output().unwrap(), 0);
    assert_eq!(rest.len() + written, 3 * EVENTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_not_collected_is_told_before_anything_is_made() {
    let world = world_with_holes().await;
    for command in ["verify", "backfill"] {
        let refused = run(&world, &[command, "--tenant", "11111111-2222-4333-8444-555555555555"]);
        assert!(lines(&refused, 2).is_empty());
        assert!(text(&refused.stderr).contains("is not collected"), "{}", text(&refused.stderr));
    }
    assert!(!world.path("data/m365").exists());
}
