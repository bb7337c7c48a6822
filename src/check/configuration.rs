//! What a configuration refers to: secrets, files, directories.

use std::{
    fmt::Display,
    fs,
    path::{Path, PathBuf},
};

use chrono::{TimeDelta, Utc};

use super::listener_files;
use crate::{
    config::{self, EventSchema, GeoipConfig, Mode, SourceEntry, TopologyConfig},
    credentials::{ConfiguredCredential, credentials_of},
    geoip::GeoipFiles,
    host,
};

/// A certificate that expires within this time is worth a hint.
const SOON: TimeDelta = TimeDelta::days(30);

/// What is to be said against a configuration that is right in itself.
#[derive(Debug, Default)]
pub struct ConfigurationFindings {
    /// What keeps it from running, with what to do about it.
    pub problems: Vec<String>,
    /// What may be meant and may not.
    pub hints: Vec<String>,
    pub(super) asks_stores: bool,
}

/// Whether secrets are read that a command or a store gives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AskStores {
    /// They are.
    Yes,
    /// Nothing is run and nobody is asked.
    No,
}

impl ConfigurationFindings {
    /// Looks at everything that a configuration refers to on this machine, and leaves nothing behind. Connects to nothing, unless
    /// stores of secrets are asked.
    pub async fn of(topology: &TopologyConfig, stores: AskStores) -> Self {
        let mut findings = Self { asks_stores: stores == AskStores::Yes, ..Self::default() };
        findings.check(check_data_dir(&topology.data_dir));
        for (name, SourceEntry::Office365(source)) in &topology.sources {
            for (_, credential) in credentials_of(source, &format!("sources.{name}")) {
                findings.check_credential(&credential).await;
            }
            let key = format!("sources.{name}.normalize.geoip");
            match source.schema {
                EventSchema::Raw if source.normalize.geoip != GeoipConfig::default() => {
                    findings.hints.push(format!("{key}: has no effect with schema = \"raw\"."));
                }
                EventSchema::Raw => {}
                EventSchema::Ecs | EventSchema::Ocsf => {
                    findings.check(GeoipFiles::open(&source.normalize.geoip, &key));
                }
            }
            if source.mode == Mode::Webhook {
                listener_files::check(&mut findings, &format!("sources.{name}.webhook"), &source.webhook).await;
            }
        }
        for (name, sink) in &topology.sinks {
            findings.check(host::check_sink(name, sink));
        }
        findings.check(host::check_resources(&host::components(topology), topology.telemetry.as_ref()));
        findings
    }

    async fn check_credential(&mut self, credential: &ConfiguredCredential) {
        if !credential.is_at_hand() && !self.asks_stores {
            return;
        }
        let now = Utc::now();
        let key = credential.key();
        if self.check(credential.check(now).await).is_none() {
            return;
        }
        let hint = credential.secret_hint().await;
        self.hints.extend(hint.map(|hint| format!("{key}.client_secret: {hint}.")));
        if let Ok(Some(expires)) = credential.expires().await
            && expires - now < SOON
        {
            self.hints.push(format!(
                "{key}: {} expires at {expires}. Make a new one in the Entra admin center under App registrations > your app > \
                 Certificates & secrets before.",
                credential.place()
            ));
        }
    }

    pub(super) fn check<T>(&mut self, result: Result<T, impl Display>) -> Option<T> {
        result.map_err(|error| self.problems.push(error.to_string())).ok()
    }
}

/// Checks the data directory, and removes it again if it was not there: made by the user who validates (root, say), it would
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
