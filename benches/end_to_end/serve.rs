//! The simulator, as a process of its own.

use std::{
    collections::HashSet,
    fmt, fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use office365_source::{
    clock::Clock,
    simulator::{Backlog, SimulatedTenant, Simulator, SimulatorConfig},
};
use tempfile::TempDir;

use super::expected;

/// The argument that makes this program the simulator.
pub const COMMAND: &str = "--serve";

const CONTENT_TYPES: u64 = 5;

/// How many blobs there are, and events in each.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub name: &'static str,
    blobs_per_feed: u64,
    events: u32,
}

impl Size {
    pub const SMALL: Self = Self { name: "small", blobs_per_feed: 400, events: 50 };
    pub const LARGE: Self = Self { name: "large", blobs_per_feed: 4, events: 5_000 };

    pub const fn events_in_all(self) -> u64 {
        self.blobs_per_feed * CONTENT_TYPES * self.events as u64
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} × {}", self.blobs_per_feed * CONTENT_TYPES, self.events))
    }
}

/// A simulator that runs until this is dropped.
pub struct Served {
    child: Child,
    base: String,
    /// Of all events that exist.
    pub ids: HashSet<String>,
}

impl Served {
    pub fn start(size: Size) -> Self {
        let directory = TempDir::new().unwrap();
        let ids = directory.path().join("ids");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(COMMAND)
            .args([size.blobs_per_feed.to_string(), size.events.to_string()])
            .arg(&ids)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut base = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut base).unwrap();
        Self { child, base: base.trim().trim_end_matches('/').to_owned(), ids: expected(&ids) }
    }

    /// The configuration of a source that drains it into a file.
    pub fn configuration(&self, schema: &str, data_dir: &Path, output: &Path) -> String {
        let (base, tenant) = (&self.base, SimulatedTenant::contoso());
        let [data_dir, output] = [data_dir, output].map(|path| path.display().to_string());
        format!(
            r#"data_dir = {data_dir:?}

[sources.m365]
type = "office365"
mode = "poll"
schema = "{schema}"
content_types = ["Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All"]
endpoint = "{base}"
auth_endpoint = "{base}"

[sources.m365.auth]
client_id = "{client_id}"
client_secret = "{client_secret}"

[[sources.m365.tenants]]
id = "{id}"

[sources.m365.request]
requests_per_minute = 1000000

[sinks.out]
type = "file"
inputs = ["m365"]
path = {output:?}
"#,
            client_id = tenant.client_id,
            client_secret = tenant.client_secret,
            id = tenant.id,
        )
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // The simulator ends with its standard input.
        drop(self.child.stdin.take());
        let _ended = self.child.wait();
    }
}

/// What the process of the simulator does: it writes down the ids, says where it listens, and serves.
pub fn main(arguments: &[String]) {
    let [blobs_per_feed, events, ids] = arguments else { panic!("{COMMAND} BLOBS EVENTS IDS") };
    let events: u32 = events.parse().unwrap();
    let config = SimulatorConfig {
        tenants: vec![SimulatedTenant::contoso().subscribed_since(Duration::from_hours(48))],
        backlog: Backlog {
            reaches_back: Duration::from_hours(12),
            blobs_per_feed: blobs_per_feed.parse().unwrap(),
            events_per_blob: events..=events,
        },
        page_size: 200,
        requests_per_minute: 1_000_000_000,
        ..SimulatorConfig::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let simulator = Simulator::new(config, Clock::system());
        let expected: Vec<String> = simulator.oracle().expected_ids().into_iter().map(|(_, id)| id).collect();
        fs::write(ids, expected.join("\n")).unwrap();
        let running = simulator.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
        println!("{}", running.base_url());
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    });
}
