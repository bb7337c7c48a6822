//! The program as a process, on a simulator that listens on a socket.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{PipeReader, pipe},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use assert_cmd::cargo::cargo_bin;
use office365_source::{
    clock::Clock,
    simulator::{Backlog, Faults, RunningSimulator, SimulatedTenant, Simulator, SimulatorConfig},
};
use tempfile::TempDir;

use crate::{
    moment::{Seen, Watch},
    support::patience,
    topology::topology,
};

/// A simulator on a socket, and a configuration that collects from it into a file.
pub struct World {
    directory: TempDir,
    pub simulator: Simulator,
    pub tenant: SimulatedTenant,
    /// Where the simulator is, without a slash at the end.
    pub base: String,
    _service: RunningSimulator,
}

/// What may be in flight: so much can be sent twice by each kill.
pub const IN_FLIGHT: usize = 256 * 1024;

/// Above Microsoft's quota, which only costs time here.
const REQUESTS_PER_MINUTE: u32 = 12_000;

impl World {
    /// A backlog that takes a while.
    pub async fn new(faults: Faults) -> Self {
        let config = SimulatorConfig {
            backlog: Backlog { reaches_back: Duration::from_hours(12), blobs_per_feed: 120, events_per_blob: 1..=60 },
            // Listing takes a while, too.
            page_size: 10,
            faults,
            ..SimulatorConfig::default()
        };
        let source = format!(
            r#"
            content_types = ["Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All"]
            batch = {{ max_events = 25, max_bytes = "64KiB" }}
            memory = {{ spool_threshold = "64KiB", max_buffered_bytes = "{IN_FLIGHT}B" }}
            "#
        );
        Self::of(config, &source).await
    }

    /// A world whose configuration has the lines `source` in the block of the source.
    pub async fn of(simulated: SimulatorConfig, source: &str) -> Self {
        // Subscribed long ago: a kill between a start and its answer rightly costs 15 minutes before the next start.
        let tenant = SimulatedTenant::contoso().subscribed_since(Duration::from_hours(30 * 24));
        let simulated =
            SimulatorConfig { tenants: vec![tenant.clone()], requests_per_minute: REQUESTS_PER_MINUTE, ..simulated };
        let simulator = Simulator::new(simulated, Clock::system());
        let service = simulator.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
        let directory = TempDir::new().unwrap();
        let base = service.base_url().as_str().trim_end_matches('/').to_owned();
        // Compiling the patterns takes longer in a debug build than a process lives here.
        let rest = format!(
            "request = {{ requests_per_minute = {REQUESTS_PER_MINUTE} }}\n\
             normalize = {{ parse_user_agent = false }}\n\
             {source}"
        );
        let text = topology(directory.path(), &base, std::slice::from_ref(&tenant), &rest);
        fs::write(directory.path().join("config.toml"), text).unwrap();
        Self { directory, simulator, tenant, base, _service: service }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn start(&self, arguments: &[&str]) -> Process {
        self.spawn(Command::new(cargo_bin!("office365-source")).args(self.arguments()).args(arguments))
    }

    /// A command other than `run`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(cargo_bin!("office365-source"));
        command.args(arguments).arg("--config").arg(self.path("config.toml")).stdin(Stdio::null());
        command
    }

    pub fn start_command(&self, arguments: &[&str]) -> Process {
        self.spawn(&mut self.command(arguments))
    }

    /// Starts it in a shell, which does to it what `script` says: `"$@"` stands for the program and its arguments.
    pub fn start_in_shell(&self, script: &str, arguments: &[&str]) -> Process {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).arg(cargo_bin!("office365-source"));
        self.spawn(shell.args(self.arguments()).args(arguments))
    }

    /// Starts it with its standard output in a pipe.
    pub fn start_piped(&self, arguments: &[&str]) -> (Process, PipeReader) {
        let (reader, writer) = pipe().unwrap();
        let mut command = Command::new(cargo_bin!("office365-source"));
        command.args(self.arguments()).args(arguments).stdin(Stdio::null()).stdout(writer).stderr(self.log_file());
        (Process(command.spawn().unwrap()), reader)
    }

    /// A command other than `run`, with another standard output.
    pub fn start_command_into(&self, arguments: &[&str], out: impl Into<Stdio>) -> Process {
        Process(self.command(arguments).stdout(out).stderr(self.log_file()).spawn().unwrap())
    }

    fn log_file(&self) -> File {
        File::options().create(true).append(true).open(self.path("log")).unwrap()
    }

    fn arguments(&self) -> [PathBuf; 3] {
        ["run".into(), "--config".into(), self.path("config.toml")]
    }

    fn spawn(&self, command: &mut Command) -> Process {
        Process(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(self.log_file()).spawn().unwrap())
    }

    /// Changes the configuration.
    pub fn configure(&self, change: impl FnOnce(String) -> String) {
        let path = self.path("config.toml");
        fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
    }

    /// What the program has logged and said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Waits for the end of a process and returns its exit code: -1 for the one of a signal.
    pub async fn wait(&self, process: &mut Process) -> i32 {
        process.wait(&|| self.log()).await
    }

    /// Waits until something is so.
    pub async fn until(&self, what: &str, is_so: impl FnMut() -> bool) {
        patience::until(what, is_so, || self.log()).await;
    }

    /// Counts from now on.
    pub fn watch(&self, seen: Seen) -> Watch<'_> {
        let file = match seen {
            Seen::Written => self.path("events.ndjson"),
            Seen::Logged(_) | Seen::Asked(_) => self.path("log"),
        };
        Watch::new(seen, &self.simulator, file)
    }

    /// How often each event was written, and how many bytes were written more than once. Every line must be whole.
    pub fn written(&self) -> (BTreeMap<String, u32>, usize) {
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

    pub fn missing(&self, written: &BTreeMap<String, u32>) -> usize {
        let expected = self.simulator.oracle().expected_ids();
        assert!(expected.len() > 5_000, "{}", expected.len());
        expected.iter().filter(|(_, id)| !written.contains_key(id)).count()
    }
}

pub fn read_lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// A process that ends with the test.
pub struct Process(Child);

impl From<Child> for Process {
    fn from(child: Child) -> Self {
        Self(child)
    }
}

impl Process {
    /// Waits for its end and returns its exit code: -1 for the one of a signal.
    pub async fn wait(&mut self, tell: &dyn Fn() -> String) -> i32 {
        let mut status = None;
        let ends = || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        };
        patience::until("it ends", ends, tell).await;
        status.unwrap().code().unwrap_or(-1)
    }

    pub fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
