//! Several collectors that share their state through a real NATS server: killed, stopped, and cut off from it.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![cfg(all(unix, feature = "cli", feature = "nats", feature = "simulator"))]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex as StdMutex},
    time::Duration,
};

use assert_cmd::cargo::cargo_bin;
use office365_source::{
    clock::Clock,
    content::TenantId,
    simulator::{Backlog, Faults, Live, RunningSimulator, SimulatedTenant, Simulator, SimulatorConfig},
    transport::{HttpTransport, TransportOptions},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Mutex, watch},
};

use crate::{
    nats_server::{NatsServer, obstacle},
    program::{Process, read_lines},
    support::{patience, webhook::Notifying},
    topology::topology,
};

/// So many tenants; each has five content types.
const TENANTS: usize = 6;

/// So many blobs of a member may be waiting for their end to be in the bucket, 64 for each of its two slots; and a blob has so many
/// events at most. So many events can come twice by each interruption.
const IN_FLIGHT: usize = 64 * 2 * 60;

/// The limit of each tenant, which members that work through a backlog reach.
const REQUESTS_PER_MINUTE: u32 = 600;

/// So many requests may arrive in the minute after the one in which they were sent: what members have under way at once for a tenant.
const UNDER_WAY: usize = 2 * 10;

const MEMBERS: [&str; 3] = ["one", "two", "three"];

/// A NATS server, Microsoft, and a configuration for each member.
struct World {
    directory: TempDir,
    servers: Vec<NatsServer>,
    simulator: Simulator,
    tenants: Vec<SimulatedTenant>,
    base: String,
    /// Where Microsoft sends its notifications, for members in mode webhook.
    public_url: Option<String>,
    _service: RunningSimulator,
}

impl World {
    async fn new(servers: Vec<NatsServer>) -> Self {
        Self::of(servers, None).await
    }

    /// Whose members are notified at this URL.
    async fn of(servers: Vec<NatsServer>, public_url: Option<String>) -> Self {
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
            // More than the members may send.
            requests_per_minute: 100 * REQUESTS_PER_MINUTE,
            allow_plain_webhooks: true,
            notification_interval: Duration::from_millis(100),
            notification_retry: Duration::from_millis(100)..=Duration::from_millis(500),
            // A busy machine is no reason for Microsoft to give up.
            webhook_timeout: patience::GUARD,
            webhook_disabled_after: u32::MAX,
            backlog: Backlog { reaches_back: Duration::from_hours(12), blobs_per_feed: 15, events_per_blob: 1..=60 },
            live: Some(Live { every: Duration::from_secs(20), events_per_blob: 1..=5 }),
            page_size: 10,
            faults: Faults { latency, error_rate: 0.01, reset_rate: 0.01, ..Faults::default() },
            ..SimulatorConfig::default()
        };
        let simulator = Simulator::new(simulated, Clock::system());
        let service = simulator.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
        let base = service.base_url().to_string().trim_end_matches('/').to_owned();
        Self { directory: TempDir::new().unwrap(), servers, simulator, tenants, base, public_url, _service: service }
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
        let discovery = self.public_url.as_ref().map_or_else(
            || "poll = { interval_secs = 1 }".to_owned(),
            |url| {
                format!(
                    r#"
            mode = "webhook"
            webhook = {{ listen = "127.0.0.1:0", public_url = "{url}", tls = {{ enabled = false }} }}"#
                )
            },
        );
        let rest = format!(
            r#"
            {discovery}
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
            self.servers.len(),
        );
        topology(directory, &self.base, &self.tenants, &rest)
    }

    fn log(&self, member: &str) -> String {
        fs::read_to_string(self.path(member, "log")).unwrap_or_default()
    }

    fn logs(&self) -> String {
        let members = MEMBERS.map(|member| format!("== {member}\n{}", self.log(member)));
        members.join("\n")
    }

    /// How many tenants a member has, as it says.
    fn holds(&self, member: &str) -> usize {
        let log = self.log(member);
        let count = |text: &str| log.matches(text).count();
        count(TOOK) - count(GAVE_BACK) - count(LOST)
    }

    async fn until(&self, what: &str, is_so: impl FnMut() -> bool) {
        // Each look reads files, which are long in the end: the members need the processor.
        patience::until_each(Duration::from_millis(250), what, is_so, || self.logs()).await;
    }

    fn lines(&self, member: &str) -> usize {
        read_lines(&self.path(member, "events.ndjson")).len()
    }

    /// How often each event was written by any member, and how many were written more than once.
    fn written(&self) -> (BTreeMap<String, u32>, usize) {
        let mut times = BTreeMap::<String, u32>::new();
        for member in MEMBERS {
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

    /// Where a member listens for notifications.
    fn webhook_address(&self, member: &str) -> Option<String> {
        let log = self.log(member);
        let (_, address) = log.rsplit_once("Webhook: listening. address=")?;
        Some(address.split_whitespace().next().unwrap_or_default().to_owned())
    }

    /// How many blobs have been announced by notifications that were accepted.
    fn notified(&self) -> u64 {
        self.simulator.stats().blobs_notified
    }

    /// Waits until content that does not exist yet is written, too.
    async fn until_more_is_written(&self) {
        let before = self.simulator.oracle().expected_ids().len();
        self.until("there is more", || self.simulator.oracle().expected_ids().len() > before).await;
        self.until_all_is_written().await;
    }

    /// What holds whatever happens: no minute of a tenant has more requests than its limit, and no two members list the same. Returns
    /// how many events were written more than once.
    fn check(&self) -> usize {
        let stats = self.simulator.stats();
        for (tenant, most) in &stats.most_in_a_minute {
            assert!(*most <= REQUESTS_PER_MINUTE as usize + UNDER_WAY, "{tenant}: {most} requests in a minute");
        }
        for (feed, changes) in &stats.lister_changes {
            let tenant = feed.tenant.to_string();
            let took = |member: &str| {
                self.log(member).lines().filter(|line| line.contains(TOOK) && line.contains(&tenant)).count()
            };
            let taken: usize = MEMBERS.into_iter().map(took).sum();
            // A member whose token is refused gets another one.
            assert!(*changes <= 2 * taken as u64, "{feed}: {changes} changes of who lists, {taken} of who should");
        }
        assert!(stats.violations.is_empty(), "{:?}", stats.violations);
        self.written().1
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
    let mut processes = MEMBERS.map(|member| (member, world.start(member))).into_iter().collect::<BTreeMap<_, _>>();
    // Each has a share, and delivers events of it.
    for member in MEMBERS {
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
    let repeated = world.check();
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
    assert_eq!(world.check(), 0);

    // Another machine goes on where it has ended.
    let mut other = world.start("two");
    world.until_more_is_written().await;
    other.signal("TERM");
    assert_eq!(other.wait(&|| world.logs()).await, 0);
    assert_eq!(world.check(), 0);
}

/// A way to servers that can be cut: as a load balancer, it leads to each in turn, of those that answer.
///
/// While it is cut, nothing passes and nothing is closed, as where a cable is pulled: what was sent arrives when it is whole again.
struct Link {
    address: SocketAddr,
    is_open: watch::Sender<bool>,
    leads_to: Arc<StdMutex<Vec<String>>>,
}

impl Link {
    async fn to(addresses: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let leads_to = Arc::new(StdMutex::new(addresses));
        let (is_open, watched) = watch::channel(true);
        let there = Arc::clone(&leads_to);
        tokio::spawn(async move {
            for turn in 0.. {
                let (client, _) = listener.accept().await.unwrap();
                let (mut open, mut there) = (watched.clone(), there.lock().unwrap().clone());
                tokio::spawn(async move {
                    let count = there.len().max(1);
                    there.rotate_left(turn % count);
                    open.wait_for(|open| *open).await.unwrap();
                    for server in there {
                        let Ok(server) = TcpStream::connect(server).await else { continue };
                        let (from_client, to_client) = client.into_split();
                        let (from_server, to_server) = server.into_split();
                        let _ = tokio::join!(
                            pass(from_client, to_server, open.clone()),
                            pass(from_server, to_client, open)
                        );
                        break;
                    }
                });
            }
        });
        Self { address, is_open, leads_to }
    }

    fn url(&self) -> String {
        format!("nats://{}", self.address)
    }
}

/// Passes on what comes, in one direction, whenever the way is open.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut open: watch::Receiver<bool>) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        // Its end is that of the test.
        let Ok(_) = open.wait_for(|open| *open).await else { return Ok(()) };
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_cut_off_from_nats_leaves_its_tenants_to_the_others_until_it_is_back() {
    if skips() {
        return;
    }
    let _turn = TURN.lock().await;
    let world = World::new(vec![NatsServer::start()]).await;
    let link = Link::to(vec![world.servers[0].address().to_owned()]).await;
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
    let repeated = world.check();
    assert!(repeated <= IN_FLIGHT, "{repeated} events were written twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_servers_can_be_lost_and_all_can_be_restarted() {
    if skips() {
        return;
    }
    let _turn = TURN.lock().await;
    let mut world = World::new(NatsServer::cluster(3)).await;
    let mut processes = MEMBERS.map(|member| world.start(member));
    for member in MEMBERS {
        world.until(&format!("{member} delivers"), || world.lines(member) > 50).await;
    }
    world.servers[0].stop();
    world.until_all_is_written().await;
    for server in &mut world.servers {
        server.stop();
    }
    for server in &mut world.servers {
        server.restart();
    }
    world.until_more_is_written().await;
    for process in &mut processes {
        process.signal("TERM");
        assert_eq!(process.wait(&|| world.logs()).await, 0);
    }
    assert!(world.check() <= MEMBERS.len() * IN_FLIGHT);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_member_may_be_notified_and_the_owner_collects() {
    if skips() {
        return;
    }
    let _turn = TURN.lock().await;
    let balancer = Link::to(Vec::new()).await;
    let url = format!("http://{}/wh/o365/", balancer.address);
    let world = World::of(vec![NatsServer::start()], Some(url)).await;
    let _notifying =
        Notifying::start(&world.simulator, Arc::new(HttpTransport::new(&TransportOptions::default()).unwrap()));
    let mut processes = MEMBERS.map(|member| world.start(member));
    for member in MEMBERS {
        world.until(&format!("{member} listens"), || world.webhook_address(member).is_some()).await;
    }
    *balancer.leads_to.lock().unwrap() = MEMBERS.iter().filter_map(|member| world.webhook_address(member)).collect();
    world.until("all tenants are notified of", || world.notified() > 0).await;
    world.until_all_is_written().await;
    // One that is killed leaves its tenants and its part of the notifications to the others.
    processes[0].signal("KILL");
    world.until("the others take its tenants", || world.holds("two") + world.holds("three") == TENANTS).await;
    let before = world.notified();
    world.until("more is notified", || world.notified() > before + 20).await;
    world.until_all_is_written().await;
    for process in &mut processes[1..] {
        process.signal("TERM");
        assert_eq!(process.wait(&|| world.logs()).await, 0);
    }
    assert!(world.check() <= IN_FLIGHT);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_of_a_cluster_ends_with_nothing_missing() {
    if skips() {
        return;
    }
    let _turn = TURN.lock().await;
    let directory = TempDir::new().unwrap();
    let mut command = Command::new(cargo_bin!("office365-source"));
    command.args(["demo", "--cluster", "--seconds", "1"]).env("TMPDIR", directory.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}");
    assert!(told.contains("  collector 3: "), "{told}");
    let missing = told.lines().find_map(|line| line.strip_prefix("missing")).map(str::trim);
    assert_eq!(missing, Some("0"), "{told}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left behind");
}
