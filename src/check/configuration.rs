//! What a configuration refers to: secrets, files, directories.

use std::{
    fmt::Display,
    fs,
    path::{Path, PathBuf},
};

use chrono::{TimeDelta, Utc};

use super::listener_files;
use crate::{
    config::{self, AuthConfig, CredentialConfig, EventSchema, GeoipConfig, Mode, SourceEntry, TopologyConfig},
    credentials::ConfiguredCredential,
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
}

impl ConfigurationFindings {
    /// Looks at everything that a configuration refers to on this machine; connects to nothing and leaves nothing behind.
    pub fn of(topology: &TopologyConfig) -> Self {
        let mut findings = Self::default();
        findings.check(check_data_dir(&topology.data_dir));
        for (name, SourceEntry::Office365(source)) in &topology.sources {
            findings.check_credential(&format!("sources.{name}"), &source.auth);
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
                listener_files::check(&mut findings, &format!("sources.{name}.webhook"), &source.webhook);
            }
        }
        for (name, sink) in &topology.sinks {
            findings.check(host::check_sink(name, sink));
        }
        findings.check(host::check_resources(&host::components(topology), topology.telemetry.as_ref()));
        findings
    }

    fn check_credential(&mut self, path: &str, auth: &AuthConfig) {
        let (credential, now) = (ConfiguredCredential::new(auth, path), Utc::now());
        if self.check(credential.check(now)).is_none() {
            return;
        }
        if let Some(CredentialConfig::Secret(secret)) = auth.credential() {
            let key = format!("{path}.auth.client_secret");
            let hint = secret.resolve(&key).ok().as_ref().and_then(config::secret_hint);
            self.hints.extend(hint.map(|hint| format!("{key}: {hint}.")));
        }
        if let Ok(Some(ends)) = credential.expires()
            && ends - now < SOON
        {
            self.hints.push(format!(
                "{path}.auth.certificate.crt_file: the certificate expires at {ends}. Make a new one and upload its public part \
                 before."
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
