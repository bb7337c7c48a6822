//! The file of the standalone host: sources, sinks, and which feeds which.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    error::{ConfigErrors, Problems},
    key_path,
    limits::Bounds,
    network::ProxyConfig,
    secret_backend::{self, SecretBackend},
    sinks::SinkConfig,
    source::{AcknowledgementsConfig, Office365Config},
    structure,
    telemetry::TelemetryConfig,
};

const SHUTDOWN_TIMEOUT: Bounds = Bounds { min: 0, max: 3_600 };

/// The configuration file of office365-source: what is collected, and where it goes.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TopologyConfig {
    /// The directory of what must survive a restart: which content was delivered, which is pending. One process at a time
    /// uses it.
    #[serde(default = "default_data_dir")]
    pub data_dir: PathBuf,

    /// The sources by name: a table `[sources.<name>]` for each, such as `[sources.m365]` with `type = "office365"`.
    pub sources: BTreeMap<String, SourceEntry>,

    /// The sinks by name: a table `[sinks.<name>]` for each, such as `[sinks.out]` with `type = "console"` and
    /// `inputs = ["m365"]`.
    pub sinks: BTreeMap<String, SinkConfig>,

    /// Whether events count as delivered only once the sinks say so; a source's own setting goes before.
    #[serde(default)]
    pub acknowledgements: AcknowledgementsConfig,

    /// The HTTP proxy on the way to Microsoft and to the peers of sinks that speak HTTP; what a source or sink sets itself
    /// goes before.
    #[serde(default)]
    pub proxy: ProxyConfig,

    /// Stores of secrets by name: a table `[secret.<name>]` for each. `SECRET[<name>.<key>]` anywhere else in the file is replaced
    /// by a secret of the store when the file is loaded. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secret: BTreeMap<String, SecretBackend>,

    /// Where metrics, health, state and a page are served. Default: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<TelemetryConfig>,

    /// How long a shutdown waits for events to be delivered. What is not delivered by then is fetched again after the
    /// next start. Unit: seconds.
    #[serde(default = "default_shutdown_timeout_secs")]
    #[schemars(
        range(min = SHUTDOWN_TIMEOUT.min, max = SHUTDOWN_TIMEOUT.max),
        extend("x-unit" = "seconds")
    )]
    pub shutdown_timeout_secs: u64,
}

/// A source, by its type.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SourceEntry {
    /// The audit logs of Microsoft 365 tenants.
    Office365(Office365Config),
}

fn default_data_dir() -> PathBuf {
    PathBuf::from("/var/lib/office365-source")
}

const fn default_shutdown_timeout_secs() -> u64 {
    30
}

impl TopologyConfig {
    /// How long a shutdown waits for events to be delivered.
    pub const fn shutdown_timeout(&self) -> Duration {
        Duration::from_secs(self.shutdown_timeout_secs)
    }

    /// Checks every rule of the file and of each source, and reports every problem.
    pub fn validate(&self) -> Result<(), ConfigErrors> {
        let mut problems = Problems::below("");
        if self.data_dir.as_os_str().is_empty() {
            problems.add("data_dir", "is empty", "Write data_dir = \"/var/lib/office365-source\".");
        }
        SHUTDOWN_TIMEOUT.check(&mut problems, "shutdown_timeout_secs", self.shutdown_timeout_secs);
        self.proxy.check(&mut problems);
        for name in self.secret.keys() {
            let path = key_path::child("secret", name);
            check_name(&mut problems, &path, name);
        }
        problems.extend(secret_backend::check(&self.secret));
        if let Some(telemetry) = &self.telemetry {
            telemetry.check(&mut problems);
        }
        self.check_sources(&mut problems);
        self.check_sinks(&mut problems);
        problems.finish()
    }

    fn check_sources(&self, problems: &mut Problems) {
        if self.sources.is_empty() {
            problems.add("sources", "is empty", "Write a table [sources.m365] with type = \"office365\".");
        }
        for (name, SourceEntry::Office365(source)) in &self.sources {
            let path = key_path::child("sources", name);
            check_name(problems, &path, name);
            problems.extend(source.validate(&path));
            if !self.sinks.is_empty() && !self.sinks.values().any(|sink| sink.inputs().contains(name)) {
                problems.add(&path, "no sink takes its events", format!("Write inputs = [\"{name}\"] in a sink."));
            }
        }
    }

    fn check_sinks(&self, problems: &mut Problems) {
        if self.sinks.is_empty() {
            problems.add(
                "sinks",
                "is empty",
                "Write a table [sinks.out] with type = \"console\" and the names of the sources as inputs.",
            );
        }
        let mut files = HashMap::new();
        for (name, sink) in &self.sinks {
            let path = key_path::child("sinks", name);
            check_name(problems, &path, name);
            self.check_inputs(problems, &path, sink.inputs());
            problems.extend(sink.check(&path));
            let Some((key, file)) = sink.file(name, &self.data_dir) else { continue };
            if file.as_os_str().is_empty() {
                continue;
            }
            // The same file by two relative paths is one.
            let file = std::path::absolute(&file).unwrap_or(file);
            if let Some(other) = files.insert(file, name) {
                let help = "Write another path, or one sink with the inputs of both.";
                problems.add(&key_path::join(&path, key), format!("the sink {other} writes the same file"), help);
            }
        }
    }

    fn check_inputs(&self, problems: &mut Problems, path: &str, inputs: &[String]) {
        let names: Vec<_> = self.sources.keys().map(String::as_str).collect();
        let help = format!("The sources of this file: {}.", names.join(", "));
        let key = key_path::join(path, "inputs");
        if inputs.is_empty() {
            problems.add(&key, "is empty", help.as_str());
        }
        for (index, input) in inputs.iter().enumerate() {
            let key = key_path::item(&key, index);
            if !self.sources.contains_key(input) {
                let near = structure::nearest(input, names.iter().copied());
                let near = near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
                problems.add(&key, format!("there is no source {input:?}{near}"), help.as_str());
            } else if inputs.iter().take(index).any(|other| other == input) {
                problems.add(&key, format!("{input:?} is in the list twice"), "Write each source once.");
            }
        }
    }
}

/// Names become directories, metric labels and parts of key paths.
fn check_name(problems: &mut Problems, path: &str, name: &str) {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if !plain || !(1..=64).contains(&name.len()) {
        problems.add(path, "is not a usable name", "Write up to 64 letters, digits, `_` and `-`, such as m365.");
    }
}
