//! A NATS server, Microsoft, and collectors that share their state.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
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

use crate::{
    nats_server::NatsServer,
    program::{Process, read_lines},
    support::patience,
    topology::topology,
};

/// So many tenants; each has five content types.
pub const TENANTS: usize = 6;

/// So many blobs of a member may be waiting for their end to be in the bucket, 64 for each of its two slots; and a blob has so many
/// events at most. So many events can come twice by each interruption.
pub const IN_FLIGHT: usize = 64 * 2 * 60;

/// The limit of each tenant, which members that work through a backlog reach.
const REQUESTS_PER_MINUTE: u32 = 600;

/// So many requests may arrive in the minute after the one in which they were sent: what members have under way at once for a tenant.
const UNDER_WAY: usize = 2 * 10;

pub const MEMBERS: [&str; 3] = ["one", "two", "three"];

/// A NATS server, Microsoft, and a configuration for each member.
pub struct World {
    directory: TempDir,
    pub servers: Vec<NatsServer>,
    pub simulator: Simulator,
    tenants: Vec<SimulatedTenant>,
    base: String,
    /// Where Microsoft sends its notifications, for members in mode webhook.
    public_url: Option<String>,
    _service: RunningSimulator,
}

impl World {
    pub async fn new(servers: Vec<NatsServer>) -> Self {
        Self::of(servers, None).await
    }

    /// Whose members are notified at this URL.
    pub async fn of(servers: Vec<NatsServer>, public_url: Option<String>) -> Self {
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

    /// Where Microsoft is, as configurations have it.
    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn path(&self, member: &str, name: &str) -> PathBuf {
        self.directory.path().join(member).join(name)
    }

    /// Starts a member, with a file of its own for its events.
    pub fn start(&self, member: &str) -> Process {
        let urls: Vec<_> = self.servers.iter().map(NatsServer::url).collect();
        self.start_with(member, &urls)
    }

    /// Starts a member that reaches NATS by these URLs.
    pub fn start_with(&self, member: &str, urls: &[String]) -> Process {
        self.spawn(member, self.command(member, urls, &["run", "-v"]))
    }

    /// Starts a run that ends by itself, in the place of a member that reaches NATS by these URLs.
    pub fn start_once(&self, member: &str, urls: &[String]) -> Process {
        self.spawn(member, self.command(member, urls, &["run", "--once", "-v"]))
    }

    /// Starts a collector with another configuration in the place of a member.
    pub fn start_on(&self, member: &str, config: &Path) -> Process {
        let mut command = Command::new(cargo_bin!("office365-source"));
        command.args(["run", "-v", "--config"]).arg(config);
        self.spawn(member, command)
    }

    fn spawn(&self, member: &str, mut command: Command) -> Process {
        let log = File::options().create(true).append(true).open(self.path(member, "log")).unwrap();
        Process::from(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    /// What a command says in the place of a member.
    pub async fn output(&self, member: &str, arguments: &[&str]) -> Output {
        let urls: Vec<_> = self.servers.iter().map(NatsServer::url).collect();
        let mut command = self.command(member, &urls, arguments);
        tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output().unwrap()).await.unwrap()
    }

    fn command(&self, member: &str, urls: &[String], arguments: &[&str]) -> Command {
        let directory = self.directory.path().join(member);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("config.toml"), self.config(&directory, urls)).unwrap();
        let mut command = Command::new(cargo_bin!("office365-source"));
        command.args(arguments).arg("--config").arg(directory.join("config.toml"));
        command
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

    pub fn log(&self, member: &str) -> String {
        fs::read_to_string(self.path(member, "log")).unwrap_or_default()
    }

    pub fn logs(&self) -> String {
        let members = MEMBERS.map(|member| format!("== {member}\n{}", self.log(member)));
        members.join("\n")
    }

    /// How many tenants a member has, as it says.
    pub fn holds(&self, member: &str) -> usize {
        let log = self.log(member);
        let count = |text: &str| log.matches(text).count();
        count(TOOK) - count(GAVE_BACK) - count(LOST)
    }

    pub async fn until(&self, what: &str, is_so: impl FnMut() -> bool) {
        // Each look reads files, which are long in the end: the members need the processor.
        patience::until_each(Duration::from_millis(250), what, is_so, || self.logs()).await;
    }

    pub fn lines(&self, member: &str) -> usize {
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
    pub fn webhook_address(&self, member: &str) -> Option<String> {
        let log = self.log(member);
        let (_, address) = log.rsplit_once("Webhook: listening. address=")?;
        Some(address.split_whitespace().next().unwrap_or_default().to_owned())
    }

    /// How many blobs have been announced by notifications that were accepted.
    pub fn notified(&self) -> u64 {
        self.simulator.stats().blobs_notified
    }

    /// Waits until content that does not exist yet is written, too.
    pub async fn until_more_is_written(&self) {
        let before = self.simulator.oracle().expected_ids().len();
        self.until("there is more", || self.simulator.oracle().expected_ids().len() > before).await;
        self.until_all_is_written().await;
    }

    /// What holds whatever happens: no minute of a tenant has more requests than its limit, and no two members list the same. Returns
    /// how many events were written more than once.
    pub fn check(&self) -> usize {
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

    /// The ids of all events that exist now.
    pub fn existing(&self) -> Vec<String> {
        self.simulator.oracle().expected_ids().into_iter().map(|(_, id)| id).collect()
    }

    /// How many of these events no member has written.
    pub fn missing(&self, ids: &[String]) -> usize {
        let written = self.written().0;
        ids.iter().filter(|id| !written.contains_key(*id)).count()
    }

    /// Waits until all events that exist now are written.
    pub async fn until_all_is_written(&self) {
        let existing = self.existing();
        assert!(existing.len() > 5_000, "{}", existing.len());
        self.until("all is written", || self.missing(&existing) == 0).await;
    }
}

pub const TOOK: &str = "This member collects a tenant now.";
pub const GAVE_BACK: &str = "This member no longer collects a tenant.";
pub const LOST: &str = "Another member has taken a tenant.";
