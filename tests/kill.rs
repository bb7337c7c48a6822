//! Real processes on real sockets and files: killed, asked to stop, started twice.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![cfg(all(unix, feature = "cli", feature = "simulator"))]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use assert_cmd::cargo::cargo_bin;
use office365_source::{
    clock::Clock,
    simulator::{Backlog, Faults, RunningSimulator, SimulatedTenant, Simulator, SimulatorConfig},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tempfile::TempDir;
use tokio::time::sleep;

/// A simulator with a backlog that takes a while, and a configuration that collects it into a file.
struct World {
    directory: TempDir,
    simulator: Simulator,
    _service: RunningSimulator,
}

/// What may be in flight: so much can be sent twice by each kill.
const IN_FLIGHT: usize = 256 * 1024;

impl World {
    async fn new(faults: Faults) -> Self {
        // Subscribed long ago: a kill between a start and its answer rightly costs 15 minutes before the next start.
        let tenant = SimulatedTenant::contoso().subscribed_since(Duration::from_hours(30 * 24));
        let config = SimulatorConfig {
            tenants: vec![tenant],
            backlog: Backlog { reaches_back: Duration::from_hours(12), blobs_per_feed: 120, events_per_blob: 1..=60 },
            faults,
            ..SimulatorConfig::default()
        };
        let simulator = Simulator::new(config.clone(), Clock::system());
        let service = simulator.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
        let directory = TempDir::new().unwrap();
        let base = service.base_url().to_string();
        let (base, tenant, path) = (base.trim_end_matches('/'), &config.tenants[0], directory.path().display());
        let text = format!(
            r#"
            data_dir = "{path}/data"
            [sources.m365]
            type = "office365"
            content_types = ["Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All"]
            endpoint = "{base}"
            auth_endpoint = "{base}"
            auth = {{ client_id = "{}", client_secret = "{}" }}
            tenants = [{{ id = "{}", domain = "{}" }}]
            batch = {{ max_events = 25, max_bytes = "64KiB" }}
            memory = {{ spool_threshold = "64KiB", max_buffered_bytes = "{IN_FLIGHT}B" }}
            # Compiling the patterns takes longer in a debug build than a process lives here.
            normalize = {{ parse_user_agent = false }}
            [sinks.out]
            type = "file"
            inputs = ["m365"]
            path = "{path}/events.ndjson"
            "#,
            tenant.client_id, tenant.client_secret, tenant.id, tenant.domain,
        );
        fs::write(directory.path().join("config.toml"), text).unwrap();
        Self { directory, simulator, _service: service }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        Command::new(cargo_bin!("office365-source"))
            .args(["run", "--config"])
            .arg(self.path("config.toml"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    async fn wait(&self, child: &mut Child) -> i32 {
        for _ in 0..1_200 {
            if let Some(status) = child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            sleep(Duration::from_millis(100)).await;
        }
        let _ = child.kill();
        panic!("it does not end:\n{}", fs::read_to_string(self.path("log")).unwrap());
    }

    /// How often each event was written, and how many bytes were written more than once. Every line must be whole.
    fn written(&self) -> (BTreeMap<String, u32>, usize) {
        let (mut times, mut repeated) = (BTreeMap::<String, u32>::new(), 0);
        for line in read_lines(&self.path("events.ndjson")) {
            let event: serde_json::Value =
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let seen = times.entry(event["event"]["id"].as_str().unwrap().to_owned()).or_default();
            *seen += 1;
            repeated += if *seen > 1 { line.len() } else { 0 };
        }
        (times, repeated)
    }

    fn missing(&self, written: &BTreeMap<String, u32>) -> usize {
        let expected = self.simulator.oracle().expected_ids();
        assert!(expected.len() > 5_000, "{}", expected.len());
        expected.iter().filter(|(_, id)| !written.contains_key(id)).count()
    }
}

fn read_lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
}

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
    assert_eq!(world.wait(&mut last).await, 0, "{}", fs::read_to_string(world.path("log")).unwrap());
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
    let log = fs::read_to_string(world.path("log")).unwrap();
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
    let log = fs::read_to_string(world.path("log")).unwrap();
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
