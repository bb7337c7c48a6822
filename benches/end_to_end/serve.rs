//! The simulator, as a process of its own.

use std::{
    collections::HashSet,
    fmt, fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use chrono::{Days, NaiveDate, NaiveTime, Utc};
use office365_source::{
    clock::Clock,
    simulator::{Backlog, GraphConfig, SimulatedTenant, Simulator, SimulatorConfig},
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
    pub const MILLION: Self = Self { name: "million", blobs_per_feed: 4_000, events: 50 };
}

/// How events come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// `run --once` lists content and fetches it.
    Live,
    /// `backfill` has them from the audit search: some of two days.
    Backfill,
}

impl Way {
    pub const ALL: [Self; 2] = [Self::Live, Self::Backfill];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Backfill => "backfill",
        }
    }

    /// How far back the backlog reaches. A backfill is for days that are three days old: two of six.
    const fn reaches_back(self) -> Duration {
        match self {
            Self::Live => Duration::from_hours(12),
            Self::Backfill => Duration::from_hours(6 * 24),
        }
    }

    /// So much more there has to be.
    const fn factor(self) -> u64 {
        match self {
            Self::Live => 1,
            Self::Backfill => 3,
        }
    }
}

/// The first and the last day of a backfill.
fn days() -> (NaiveDate, NaiveDate) {
    let today = Utc::now().date_naive();
    (today - Days::new(5), today - Days::new(4))
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
    way: Way,
    /// Of all events that exist.
    pub ids: HashSet<String>,
}

impl Served {
    pub fn start(size: Size, way: Way) -> Self {
        let directory = TempDir::new().unwrap();
        let ids = directory.path().join("ids");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(COMMAND)
            .args([(size.blobs_per_feed * way.factor()).to_string(), size.events.to_string()])
            .arg(way.name())
            .arg(&ids)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut base = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut base).unwrap();
        Self { child, way, base: base.trim().trim_end_matches('/').to_owned(), ids: expected(&ids) }
    }

    /// The arguments of a program that drains it.
    pub fn arguments(&self) -> Vec<String> {
        let (from, through) = days();
        match self.way {
            Way::Live => ["run", "--once"].map(str::to_owned).to_vec(),
            Way::Backfill => {
                ["backfill", "--since", &from.to_string(), "--until", &through.to_string()].map(str::to_owned).to_vec()
            }
        }
    }

    /// The configuration of a source that drains it into a file.
    pub fn configuration(&self, schema: &str, data_dir: &Path, output: &Path) -> String {
        let (base, tenant) = (&self.base, SimulatedTenant::contoso());
        let [data_dir, output] = [data_dir, output].map(|path| path.display().to_string());
        // Programs of before do not know the table.
        let search = match self.way {
            Way::Live => String::new(),
            Way::Backfill => format!("[sources.m365.audit_search]\nendpoint = \"{base}\"\n"),
        };
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

{search}
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
    let [blobs_per_feed, events, way, ids] = arguments else { panic!("{COMMAND} BLOBS EVENTS WAY IDS") };
    let way = Way::ALL.into_iter().find(|known| known.name() == way).unwrap();
    let events: u32 = events.parse().unwrap();
    let config = SimulatorConfig {
        tenants: vec![SimulatedTenant::contoso().subscribed_since(Duration::from_hours(30 * 24))],
        backlog: Backlog {
            reaches_back: way.reaches_back(),
            blobs_per_feed: blobs_per_feed.parse().unwrap(),
            events_per_blob: events..=events,
        },
        page_size: 200,
        graph: GraphConfig {
            page_size: 1_000,
            queued: Duration::ZERO..=Duration::ZERO,
            running: Duration::ZERO..=Duration::ZERO,
            ..GraphConfig::default()
        },
        requests_per_minute: 1_000_000_000,
        ..SimulatorConfig::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let simulator = Simulator::new(config, Clock::system());
        let expected: Vec<String> = match way {
            Way::Live => simulator.oracle().expected_ids().into_iter().map(|(_, id)| id).collect(),
            Way::Backfill => {
                let (from, through) = days();
                let start = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
                let range = (start(from), start(through + Days::new(1)));
                simulator.oracle().searchable_ids(SimulatedTenant::contoso().id, range.0, range.1).into_iter().collect()
            }
        };
        fs::write(ids, expected.join("\n")).unwrap();
        let running = simulator.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
        println!("{}", running.base_url());
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    });
}
