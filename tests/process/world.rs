//! A simulated Microsoft 365 on a socket, and the program's commands around it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(unix, feature = "cli", feature = "simulator"))]

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use assert_cmd::cargo::cargo_bin;
use chrono::{DateTime, TimeDelta};
use office365_source::{
    clock::Clock,
    ledger::{RedbLedger, TenantRecord, TenantStore},
    simulator::{Backlog, GraphConfig, RunningSimulator, SimulatedTenant, Simulator, SimulatorConfig},
};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use url::Url;

use crate::support::patience::GUARD;

pub const SECRET: &str = "secret-of-contoso.com";

/// A simulated Microsoft 365 whose tenant has been subscribed to for long, and a configuration for it.
pub struct World {
    directory: TempDir,
    pub simulator: Simulator,
    _service: RunningSimulator,
    pub base: String,
    pub tenant: SimulatedTenant,
}

impl World {
    pub async fn new(tenant: SimulatedTenant) -> Self {
        assert_eq!(tenant.client_secret, SECRET);
        let at_once = Duration::ZERO..=Duration::ZERO;
        let config = SimulatorConfig {
            tenants: vec![tenant.clone()],
            graph: GraphConfig { queued: at_once.clone(), running: at_once, ..GraphConfig::default() },
            backlog: Backlog { reaches_back: Duration::from_hours(3), blobs_per_feed: 12, events_per_blob: 1..=3 },
            page_size: 2,
            ..SimulatorConfig::default()
        };
        let simulator = Simulator::new(config, Clock::system());
        let service = simulator.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
        let base = service.base_url().to_string().trim_end_matches('/').to_owned();
        Self { directory: TempDir::new().unwrap(), simulator, _service: service, base, tenant }
    }

    pub async fn subscribed() -> Self {
        Self::new(SimulatedTenant::contoso().subscribed_since(Duration::from_hours(30 * 24))).await
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a configuration of mode "poll" that is good but for what `change` does to it.
    pub fn poll(&self, change: impl FnOnce(String) -> String) {
        let Self { base, tenant, .. } = self;
        let text = format!(
            r#"
data_dir = "{data_dir}"
[sources.m365]
type = "office365"
mode = "poll"
content_types = ["Audit.AzureActiveDirectory", "Audit.Exchange", "DLP.All"]
endpoint = "{base}"
auth_endpoint = "{base}"
publisher_identifier = "{id}"
auth = {{ client_id = "{client_id}", client_secret = {{ env = "TEST_CLIENT_SECRET" }} }}
tenants = [{{ id = "{id}", domain = "contoso.com" }}]
[sinks.out]
type = "console"
inputs = ["m365"]
"#,
            data_dir = self.path("data").display(),
            id = tenant.id,
            client_id = tenant.client_id,
        );
        fs::write(self.path("config.toml"), change(text)).unwrap();
    }

    /// Writes a configuration of mode "webhook" without tenants, and a ledger in which one has registered. `tls` is the
    /// block of that name. Returns the public URL.
    pub async fn webhook(&self, scheme: &str, tls: &str) -> Url {
        // Free a moment ago, and hardly taken by another process since.
        let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let public_url = format!("{scheme}://{listen}/wh/o365/");
        let webhook = format!(
            "[sources.m365.webhook]\nlisten = \"{listen}\"\npublic_url = \"{public_url}\"\n[sources.m365.webhook.tls]\n{tls}\n"
        );
        self.poll(|text| {
            let tenants = text.lines().find(|line| line.starts_with("tenants = ")).unwrap();
            text.replace("mode = \"poll\"", "mode = \"webhook\"").replace(tenants, &webhook)
        });
        let directory = self.path("data/m365");
        fs::create_dir_all(&directory).unwrap();
        let ledger = RedbLedger::open(&directory, TimeDelta::days(7)).await.unwrap();
        let registered = DateTime::from_timestamp(1_760_000_000, 0);
        ledger.put_tenant(TenantRecord { id: self.tenant.id, domain: None, registered }).await.unwrap();
        public_url.parse().unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(cargo_bin!("office365-source"));
        command.args(arguments).arg("--config").arg(self.path("config.toml"));
        command.env("TEST_CLIENT_SECRET", SECRET).env_remove("OFFICE365_LOG").stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts the source and waits until it can be asked.
    pub async fn start(&self) -> Source {
        let log = fs::File::create(self.path("log")).unwrap();
        // One that a killed source has left behind.
        let _ = fs::remove_file(self.path("data/m365/control.sock"));
        let child = self.command(&["run"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut source = Source(child);
        let log = || fs::read_to_string(self.path("log")).unwrap();
        let starting = async {
            while !self.path("data/m365/control.sock").exists() {
                assert_eq!(source.0.try_wait().unwrap(), None, "{}", log());
                sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(timeout(GUARD, starting).await.is_ok(), "it does not start:\n{}", log());
        source
    }

    pub fn subscriptions_started(&self) -> u64 {
        self.simulator.stats().start_calls()
    }
}

/// A source that runs until this is dropped.
pub struct Source(Child);

impl Source {
    pub fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The lines of the standard output, after a look at what no output may hold.
pub fn lines(output: &Output, code: i32) -> Vec<String> {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}{stderr}");
    for bad in ["panicked", SECRET, "Some(", "Error {"] {
        assert!(!stdout.contains(bad) && !stderr.contains(bad), "{bad}: {stdout}{stderr}");
    }
    stdout.lines().map(|line| without_elapsed(line).to_owned()).collect()
}

/// A line of `check` without how long it took.
fn without_elapsed(line: &str) -> &str {
    let is_elapsed = |end: &str| end.strip_suffix(" s)").is_some_and(|time| time.parse::<f64>().is_ok());
    line.rsplit_once(" (").filter(|(_, end)| is_elapsed(end)).map_or(line, |(line, _)| line)
}

pub fn with<'a>(lines: &'a [String], beginning: &str) -> Vec<&'a str> {
    lines.iter().map(String::as_str).filter(|line| line.starts_with(beginning)).collect()
}
