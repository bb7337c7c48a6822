//! `office365-source validate`

mod webhook;

use std::{
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{
    args::ConfigArgs,
    exit,
    output::{complain, print},
};
use crate::{
    config::{self, Mode, Office365Config, SinkConfig, SourceEntry, TenantConfig, TopologyConfig},
    host,
};

pub(super) fn validate(args: &ConfigArgs) -> ExitCode {
    let topology = match config::load(&args.config) {
        Ok(topology) => topology,
        Err(errors) => {
            complain(&errors);
            return exit::FAILURE;
        }
    };
    let Findings { problems, hints } = Findings::of(&topology);
    for line in problems.iter().chain(&hints) {
        complain(line);
    }
    if problems.is_empty() { print(&summary(&topology).join("\n")) } else { exit::FAILURE }
}

/// What is to be said against a configuration that is right in itself.
#[derive(Debug, Default)]
struct Findings {
    problems: Vec<String>,
    hints: Vec<String>,
}

impl Findings {
    fn of(topology: &TopologyConfig) -> Self {
        let mut findings = Self::default();
        findings.check(check_data_dir(&topology.data_dir));
        for (name, SourceEntry::Office365(source)) in &topology.sources {
            let key = format!("sources.{name}.auth.client_secret");
            let secret = findings.check(source.auth.client_secret.resolve(&key));
            let hint = secret.as_ref().and_then(config::secret_hint);
            findings.hints.extend(hint.map(|hint| format!("{key}: {hint}.")));
            if source.mode == Mode::Webhook {
                webhook::check(&mut findings, &format!("sources.{name}.webhook"), &source.webhook);
            }
        }
        for (name, sink) in &topology.sinks {
            findings.check(host::check_sink(name, sink));
        }
        findings.check(host::check_resources(&host::components(topology), topology.telemetry.as_ref()));
        findings
    }

    fn check<T>(&mut self, result: Result<T, impl Display>) -> Option<T> {
        result.map_err(|error| self.problems.push(error.to_string())).ok()
    }
}

/// Checks the data directory, and removes it again if it was not there: made by whoever validates (root, say), it would
/// not belong to the user that runs.
fn check_data_dir(path: &Path) -> Result<(), config::DataDirError> {
    let missing: Vec<PathBuf> = path.ancestors().take_while(|path| !path.exists()).map(Path::to_owned).collect();
    let result = config::check_data_dir(path);
    for directory in missing {
        // Removes empty directories only.
        let _ = fs::remove_dir(directory);
    }
    result
}

/// What is configured, for a human to compare with what was meant.
fn summary(topology: &TopologyConfig) -> Vec<String> {
    let mut lines =
        vec!["The configuration is valid.".to_owned(), format!("data_dir: {}", topology.data_dir.display())];
    for (name, SourceEntry::Office365(source)) in &topology.sources {
        lines.extend(source_summary(name, source));
    }
    for (name, sink) in &topology.sinks {
        let inputs = sink.inputs().join(", ");
        lines.push(match sink {
            SinkConfig::Console(_) => format!("sinks.{name}: standard output, from {inputs}"),
            SinkConfig::File(file) => format!("sinks.{name}: file {}, from {inputs}", file.path.display()),
        });
    }
    if let Some(telemetry) = &topology.telemetry {
        lines.push(format!("telemetry: http://{} with /metrics, /health and /status", telemetry.listen));
    }
    lines
}

fn source_summary(name: &str, source: &Office365Config) -> Vec<String> {
    let content_types: Vec<_> = source.content_types.iter().map(|content_type| content_type.as_str()).collect();
    let mut lines = vec![
        format!("sources.{name}:"),
        format!("  endpoint: {} (cloud {})", source.api_endpoint(), source.effective_cloud().as_str()),
        format!("  tokens: {}", source.authority()),
        format!("  app: {}, with the secret from {}", source.auth.client_id, source.auth.client_secret.place()),
        format!("  content types: {}", content_types.join(", ")),
    ];
    lines.extend(source.tenants.iter().map(|TenantConfig { id, domain }| match domain {
        Some(domain) => format!("  tenant: {id} ({domain})"),
        None => format!("  tenant: {id}"),
    }));
    if source.mode == Mode::Webhook {
        if source.tenants.is_empty() {
            lines.push("  tenants: those that register".to_owned());
        }
        lines.extend(webhook::summary(&source.webhook));
    }
    lines
}
