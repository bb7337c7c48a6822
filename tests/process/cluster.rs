//! Several collectors that share their state through a real NATS server: killed, stopped, and cut off from it.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![cfg(all(unix, feature = "cli", feature = "nats", feature = "simulator"))]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use assert_cmd::cargo::cargo_bin;
use office365_source::{
    clock::Clock,
    content::TenantId,
    simulator::{Backlog, Faults, Live, RunningSimulator, SimulatedTenant, Simulator, SimulatorConfig},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::{Mutex, watch},
};

use crate::{
    nats_server::{NatsServer, obstacle},
    program::{Process, read_lines},
    support::patience,
};

/// So many tenants; each has five content types.
const TENANTS: usize = 6;

/// So many blobs of a member may be waiting for their end to be in the bucket, 64 for each of its two slots; and a blob has so many
/// events at most. So many events can come twice by each interruption.
const IN_FLIGHT: usize = 64 * 2 * 60;

const REQUESTS_PER_MINUTE: u32 = 12_000;

/// A NATS server, Microsoft, and a configuration for each member.
struct World {
    directory: TempDir,
    servers: Vec<NatsServer>,
    simulator: Simulator,
    tenants: Vec<SimulatedTenant>,
    base: String,
    _service: RunningSimulator,
}

impl World {
    async fn new(servers: Vec<NatsServer>) -> Self {
        let contoso = SimulatedTenant::contoso().subscribed_since(Duration::from_hours(30 * 24));
        let tenants: Vec<_> = (1..=TENANTS as u128)
            .map(|number| SimulatedTenant {
                id: TenantId(uuid::Uuid::from_u128(0x0a54_d1c5_7a10_4c5e_9d3f_c047_0500_0000 + number)),
                domain: format!("tenant{number}.example"),
                ..contoso.clone()
            })
            .collect();
        let latency = Some(Duration::from_millis(5)..=Duration::from_millis(40));
        let simulated = SimulatorConfig {
            tenants: tenants.clone(),
            requests_per_minute: REQUESTS_PER_MINUTE,
            backlog: Backlog { reaches_back: Duration::from_hours(12), blobs_per_feed: 15, events_per_blob: 1..=60 },
            live: Some(Live { every: Duration::from_secs(20), events_per_blob: 1..=5 }),
            page_size: 10,
            faults: Faults { latency, error_rate: 0.01, reset_rate: 0.01, ..Faults::default() },
            ..SimulatorConfig::default()
        };
        let simulator = Simulator::new(simulated, Clock::system());
        let service = simulator.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
        let base = service.base_url().to_string().trim_end_matches('/').to_owned();
        Self { directory: TempDir::new().unwrap(), servers, simulator, tenants, base, _service: service }
    }

    fn path(&self, member: &str, name: &str) -> PathBuf {
        self.directory.path().join(member).join(name)
    }

    /// Starts a member, with a file of its own for its events.
    fn start(&self, member: &str) -> Process {
        let urls: Vec<_> = self.servers.iter().map(NatsServer::url).collect();
        self.start_with(member, &urls)
    }

    /// Starts a member that reaches NATS by these URLs.
    fn start_with(&self, member: &str, urls: &[String]) -> Process {
        let directory = self.directory.path().join(member);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("config.toml"), self.config(&directory, urls)).unwrap();
        let log = File::options().create(true).append(true).open(directory.join("log")).unwrap();
        let mut command = Command::new(cargo_bin!("office365-source"));
        command.args(["run", "-v", "--config"]).arg(directory.join("config.toml"));
        Process::from(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    fn config(&self, directory: &Path, urls: &[String]) -> String {
        let tenant = |tenant: &SimulatedTenant| format!("{{ id = \"{}\", domain = \"{}\" }}", tenant.id, tenant.domain);
        let tenants: Vec<_> = self.tenants.iter().map(tenant).collect();
        let (path, base) = (directory.display(), &self.base);
        format!(
            r#"
            data_dir = "{path}/data"
            [sinks.out]
            type = "file"
            inputs = ["m365"]
            path = "{path}/events.ndjson"
            [sources.m365]
            type = "office365"
            endpoint = "{base}"
            auth_endpoint = "{base}"
            auth = {{ client_id = "{}", client_secret = "{}" }}
            publisher_identifier = "{}"
            tenants = [{}]
            poll = {{ interval_secs = 1 }}
            request = {{ requests_per_minute = {REQUESTS_PER_MINUTE}, concurrency = 2 }}
            content_types = ["Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All"]
            batch = {{ max_events = 25, max_bytes = "64KiB" }}
            memory = {{ spool_threshold = "64KiB", max_buffered_bytes = "256KiB" }}
            normalize = {{ parse_user_agent = false }}
            [sources.m365.state]
            type = "nats"
            servers = {urls:?}
            replicas = {}
            "#,
            self.tenants[0].client_id,
            self.tenants[0].client_secret,
            self.tenants[0].id,
            tenants.join(", "),
            self.servers.len(),
        )
    }

    fn log(&self, member: &str) -> String {
        fs::read_to_string(self.path(member, "log")).unwrap_or_default()
    }

    fn logs(&self) -> String {
        let members = ["one", "two", "three"].map(|member| format!("== {member}\n{}", self.log(member)));
        members.join("\n")
    }

    /// How many tenants a member has, as it says.
    fn holds(&self, member: &str) -> usize {
        let log = self.log(member);
        let count = |text: &str| log.matches(text).count();
        count(TOOK) - count(GAVE_BACK) - count(LOST)
    }

    async fn until(&self, what: &str, is_so: impl FnMut() -> bool) {
        patience::until(what, is_so, || self.logs()).await;
    }

    fn lines(&self, member: &str) -> usize {
        read_lines(&self.path(member, "events.ndjson")).len()
    }

    /// How often each event was written by any member, and how many were written more than once.
    fn written(&self) -> (BTreeMap<String, u32>, usize) {
        let mut times = BTreeMap::<String, u32>::new();
        for member in ["one", "two", "three"] {
            let text = fs::read_to_string(self.path(member, "events.ndjson")).unwrap_or_default();
            // The last line of a member that was killed, or that writes now, may not be whole.
            for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
                let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
                *times.entry(event["event"]["id"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
        let repeated = times.values().filter(|times| **times > 1).count();
        (times, repeated)
    }

    /// Waits until all events that exist now are written.
    async fn until_all_is_written(&self) {
        let expected = self.simulator.oracle().expected_ids();
        assert!(expected.len() > 5_000, "{}", expected.len());
        let is_written = || {
            let written = self.written().0;
            expected.iter().all(|(_, id)| written.contains_key(id))
        };
        self.until("all is written", is_written).await;
    }
}

/// Held by the test that runs: each has several processes busy.
static TURN: Mutex<()> = Mutex::const_new(());

/// Says why this cannot be tested here, if so.
fn skips() -> bool {
    if let Some(obstacle) = obstacle() {
        eprintln!("skipped: {obstacle}");
        return true;
    }
    false
}

const TOOK: &str = "This member collects a tenant now.";
const GAVE_BACK: &str = "This member no longer collects a tenant.";
const LOST: &str = "Another member has taken a tenant.";

#[tokio::test(flavor = "multi_thread")]
async fn members_share_the_tenants_and_take_over_those_of_one_that_is_killed_or_stopped() {
    if skips() {
        return;
    }
    let _turn = TURN.lock().await;
    let world = World::new(vec![NatsServer::start()]).await;
    let members = ["one", "two", "three"];
    let mut processes: BTreeMap<_, _> = members.iter().map(|member| (*member, world.start(member))).collect();
    // Each has a share, and delivers events of it.
    for member in members {
        world.until(&format!("{member} delivers"), || world.lines(member) > 50).await;
    }

    let has = |member: &str| world.holds(member);
    processes["one"].signal("KILL");
    world.until("the others take its tenants", || has("two") + has("three") == TENANTS).await;

    // It sleeps for longer than its lease, in the middle of its work.
    processes["two"].signal("STOP");
    world.until("the last one takes its tenants", || has("three") == TENANTS).await;
    processes["two"].signal("CONT");
    world.until("it knows that it has lost them", || world.log("two").contains(LOST)).await;

    // It comes back, and gets a share again.
    let before = world.log("one").matches(TOOK).count();
    processes.insert("one", world.start("one"));
    world.until("it has a share again", || world.log("one").matches(TOOK).count() > before).await;

    world.until_all_is_written().await;
    for (member, process) in &mut processes {
        process.signal("TERM");
        assert_eq!(process.wait(&|| world.logs()).await, 0, "{member}");
    }
    let (_, repeated) = world.written();
    assert!(repeated <= 2 * IN_FLIGHT, "{repeated} events were written twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_costs_nothing() {
    if skips() {
        return;
    }
    let _turn = TURN.lock().await;
    let mut world = World::new(vec![NatsServer::start()]).await;
    let mut process = world.start("one");
    world.until("it delivers", || world.lines("one") > 200).await;
    world.servers[0].restart();
    world.until_all_is_written().await;
    process.signal("TERM");
    assert_eq!(process.wait(&|| world.logs()).await, 0);
    let (written, repeated) = world.written();
    assert_eq!(repeated, 0);

    // Another machine goes on where it has ended.
    let mut other = world.start("two");
    world.until_all_is_written().await;
    other.signal("TERM");
    assert_eq!(other.wait(&|| world.logs()).await, 0);
    let (all, repeated) = world.written();
    assert_eq!(repeated, 0);
    assert!(all.len() > written.len(), "{}", written.len());
}

/// A way to a server that can be cut.
struct Link {
    address: SocketAddr,
    is_open: watch::Sender<bool>,
}

impl Link {
    async fn to(server: &NatsServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, to) = (listener.local_addr().unwrap(), server.address().to_owned());
        let (is_open, watched) = watch::channel(true);
        tokio::spawn(async move {
            loop {
                let (mut from, _) = listener.accept().await.unwrap();
                let (mut open, to) = (watched.clone(), to.clone());
                tokio::spawn(async move {
                    if let Ok(mut to) = TcpStream::connect(to).await {
                        tokio::select! {
                            _ = copy_bidirectional(&mut from, &mut to) => {}
                            _ = open.wait_for(|open| !open) => {}
                        }
                    }
                });
            }
        });
        Self { address, is_open }
    }

    fn url(&self) -> String {
        format!("nats://{}", self.address)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_cut_off_from_nats_leaves_its_tenants_to_the_others_until_it_is_back() {
    if skips() {
        return;
    }
    let _turn = TURN.lock().await;
    let world = World::new(vec![NatsServer::start()]).await;
    let link = Link::to(&world.servers[0]).await;
    let mut processes = [world.start("one"), world.start_with("two", &[link.url()])];
    for member in ["one", "two"] {
        world.until(&format!("{member} delivers"), || world.lines(member) > 50).await;
    }
    let before = world.log("two").matches(TOOK).count();
    link.is_open.send_replace(false);
    world.until("it stops", || world.log("two").contains("has not renewed the lease")).await;
    world.until("the other takes its tenants", || world.holds("one") == TENANTS).await;
    link.is_open.send_replace(true);
    world.until("it has a share again", || world.log("two").matches(TOOK).count() > before).await;
    world.until_all_is_written().await;
    for process in &mut processes {
        process.signal("TERM");
        assert_eq!(process.wait(&|| world.logs()).await, 0);
    }
    let (_, repeated) = world.written();
    assert!(repeated <= IN_FLIGHT, "{repeated} events were written twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_servers_can_be_lost() {
    if skips() {
        return;
    }
    let _turn = TURN.lock().await;
    let mut world = World::new(NatsServer::cluster(3)).await;
    let members = ["one", "two", "three"];
    let mut processes = members.map(|member| world.start(member));
    for member in members {
        world.until(&format!("{member} delivers"), || world.lines(member) > 50).await;
    }
    world.servers[0].stop();
    world.until_all_is_written().await;
    for process in &mut processes {
        process.signal("TERM");
        assert_eq!(process.wait(&|| world.logs()).await, 0);
    }
    assert_eq!(world.written().1, 0);
}
