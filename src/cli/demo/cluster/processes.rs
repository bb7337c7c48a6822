//! A collector in a process of its own: this program's `run`.

use std::{
    collections::BTreeSet,
    env, fs,
    fs::File,
    io::Write as _,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use http::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};
use url::Url;

use super::super::{Arrived, count, fields::Fields, lock};
use crate::{
    Result,
    content::TenantId,
    transport::{Request, Transport},
};

/// How long its end may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// More than `/status` of a few tenants has.
const STATUS: usize = 1 << 20;

pub(super) struct Collector {
    child: Child,
    status: Url,
    transport: Arc<dyn Transport>,
    events: JoinHandle<()>,
}

impl Collector {
    /// Starts one with its files in `home`. Its events are counted in `arrived`, and printed if `prints`.
    pub fn start(
        home: &Path,
        configuration: &str,
        transport: &Arc<dyn Transport>,
        arrived: &Arrived,
        prints: bool,
    ) -> Result<Self> {
        fs::create_dir_all(home)?;
        // Another process may take the port before the collector does; then the collector reports it.
        let listen = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let file = home.join("config.toml");
        fs::write(&file, format!("{configuration}\n[telemetry]\nlisten = \"{listen}\"\n"))?;
        let mut child = Command::new(env::current_exe()?)
            .args(["run", "--config"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(home.join("log"))?)
            .kill_on_drop(true)
            .spawn()?;
        let events = child.stdout.take().ok_or("a collector has no standard output")?;
        let arrived = Arc::clone(arrived);
        let events = tokio::spawn(async move {
            let mut lines = BufReader::new(events).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                // The last line of one that is killed may not be whole.
                let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
                count(&mut lock(&arrived), &Fields::from(event));
                if prints {
                    let _ = writeln!(std::io::stdout(), "{line}");
                }
            }
        });
        let status = Url::parse(&format!("http://{listen}/status"))?;
        Ok(Self { child, status, transport: Arc::clone(transport), events })
    }

    /// Which tenants it collects, as its `/status` says.
    pub async fn tenants(&self) -> BTreeSet<TenantId> {
        self.ask().await.unwrap_or_default()
    }

    async fn ask(&self) -> Result<BTreeSet<TenantId>> {
        let response = self.transport.send(Request::new(Method::GET, self.status.clone())).await?;
        let status: Value = serde_json::from_slice(&response.read_up_to(STATUS).await?)?;
        let tenants = status.pointer("/sources/m365/cluster/tenants").cloned().unwrap_or_default();
        Ok(serde_json::from_value(tenants)?)
    }

    /// Ends it as `kill -9` does. What it has written is read to its end.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(self.events.await?)
    }

    /// Ends it as a service manager does. Returns whether it ended well.
    pub async fn stop(mut self) -> Result<bool> {
        if let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            kill_process(id, Signal::TERM)?;
        }
        let status = timeout(PATIENCE, self.child.wait()).await.map_err(|_| "a collector does not end")??;
        self.events.await?;
        Ok(status.success())
    }
}
