//! What `packaging/` says of paths, ports, users and times is what the program and its configuration say, and other tools read it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod container;
mod debian;
mod kubernetes;
mod systemd;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use office365_source::config::{self, SinkConfig, TopologyConfig};

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A configuration that comes with a package: its text, and what the program makes of it.
struct Packaged {
    text: toml::Table,
    topology: TopologyConfig,
}

impl Packaged {
    fn load(path: &str) -> Self {
        let topology = config::load(&at(path)).unwrap_or_else(|errors| panic!("{path}:\n{errors}"));
        Self { text: toml::from_str(&read(path)).unwrap(), topology }
    }

    /// The files that its file sinks write.
    fn outputs(&self) -> Vec<&Path> {
        let paths = self.topology.sinks.values().filter_map(|sink| match sink {
            SinkConfig::File(file) => Some(file.path.as_path()),
            _ => None,
        });
        paths.collect()
    }

    /// The files that its secrets are in: `{ file = "…" }`.
    fn secret_files(&self) -> Vec<PathBuf> {
        fn find(value: &toml::Value, found: &mut Vec<PathBuf>) {
            match value {
                toml::Value::Table(table) => match table.get("file").and_then(toml::Value::as_str) {
                    Some(path) if table.len() == 1 => found.push(path.into()),
                    _ => table.values().for_each(|value| find(value, found)),
                },
                toml::Value::Array(list) => list.iter().for_each(|value| find(value, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        self.text.values().for_each(|value| find(value, &mut found));
        found
    }
}

/// The value of an option among arguments.
fn option<'a>(arguments: &'a [String], name: &str) -> &'a str {
    let at = arguments.iter().position(|argument| argument == name).unwrap_or_else(|| panic!("{name}: {arguments:?}"));
    &arguments[at + 1]
}

/// The program takes these arguments: it refuses a wrong one before it prints its help.
fn assert_arguments(arguments: &[String]) {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("office365-source"));
    let output = command.args(arguments).arg("--help").output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
