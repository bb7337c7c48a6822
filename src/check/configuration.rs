//! What a configuration refers to: secrets, files, directories.

use std::{
    collections::BTreeSet,
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{TimeDelta, Utc};

use tokio::time::timeout;

use super::{listener_files, no_answer};
use crate::{
    config::{self, AuditSearchConfig, EventSchema, GeoipConfig, Mode, SourceEntry, TopologyConfig},
    credentials::{ConfiguredCredential, Credentials},
    geoip::GeoipFiles,
    host,
    transport::{ClientFiles, client_config},
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
    /// The keys of the credentials that cannot be used, such as `sources.m365.auth`.
    pub unusable: BTreeSet<String>,
    stores: AskStores,
}

/// Whether secrets are read that a command or a store gives.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AskStores {
    /// They are; each may take so long.
    Within(Duration),
    /// Runs no command and sends no request.
    #[default]
    No,
}

impl ConfigurationFindings {
    /// Looks at everything that a configuration refers to on this machine, and leaves nothing behind. Connects to nothing, unless
    /// stores of secrets are asked.
    pub async fn of(topology: &TopologyConfig, stores: AskStores) -> Self {
        let mut findings = Self { stores, ..Self::default() };
        findings.check(check_data_dir(&topology.data_dir));
        for (name, SourceEntry::Office365(source)) in &topology.sources {
            for (_, credential) in Credentials::new(source, &format!("sources.{name}")).iter() {
                if !findings.check_credential(credential).await {
                    findings.unusable.insert(credential.key().to_owned());
                }
            }
            let files = ClientFiles { ca_file: source.tls.ca_file.as_deref(), identity: None };
            findings.check(client_config(files).map_err(|error| format!("sources.{name}.{error}")));
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
            let cloud = source.effective_cloud();
            if source.audit_search.is_some() && !AuditSearchConfig::is_in(cloud) {
                findings.hints.push(format!(
                    "sources.{name}.audit_search: has no effect with cloud = \"{}\": Microsoft Graph has the audit search in the global \
                     cloud and GCC only.",
                    cloud.as_str()
                ));
            }
            if let Some(host) = source.audit_search.as_ref().and_then(AuditSearchConfig::of_another_cloud) {
                findings.hints.push(format!(
                    "sources.{name}.audit_search.endpoint: {host} is Microsoft Graph of another cloud, which has no audit search; leave endpoint \
                     out for that of the global cloud."
                ));
            }
            if source.mode == Mode::Webhook {
                listener_files::check(&mut findings, &format!("sources.{name}.webhook"), &source.webhook).await;
            }
        }
        for (name, sink) in &topology.sinks {
            findings.check(host::check_sink(name, sink));
        }
        if let Some(telemetry) = &topology.telemetry {
            let asks = stores != AskStores::No;
            findings.check(host::check_telemetry(telemetry, asks).await);
        }
        findings.check(host::check_resources(&host::components(topology), topology.telemetry.as_ref()));
        findings
    }

    /// Returns whether the credential can be used, as far as that is known here.
    async fn check_credential(&mut self, credential: &ConfiguredCredential) -> bool {
        let (key, now) = (credential.key(), Utc::now());
        let result = match self.stores {
            _ if credential.is_at_hand() => credential.check(now).await.map_err(|error| error.to_string()),
            AskStores::No => {
                // Files on this machine are checked nevertheless.
                return self.check(credential.check_files()).is_some();
            }
            AskStores::Within(patience) => match timeout(patience, credential.check(now)).await {
                Ok(result) => result.map_err(|error| error.to_string()),
                Err(_) => Err(format!("{key}: {}", no_answer(patience, &format!("look at {}", credential.place())))),
            },
        };
        if self.check(result).is_none() {
            return false;
        }
        let hint = credential.secret_hint().await;
        self.hints.extend(hint.map(|hint| format!("{key}.client_secret: {hint}.")));
        if let Ok(Some(expires)) = credential.expires().await
            && expires - now < SOON
        {
            self.hints.push(format!(
                "{key}: {} expires at {}. Make a new one in the Entra admin center under App registrations > your app > \
                 Certificates & secrets before.",
                credential.place(),
                expires.format("%Y-%m-%d %H:%M:%S UTC"),
            ));
        }
        true
    }

    /// How long a store of secrets may take; `None` when none is asked.
    pub(super) const fn patience_with_stores(&self) -> Option<Duration> {
        match self.stores {
            AskStores::Within(patience) => Some(patience),
            AskStores::No => None,
        }
    }

    pub(super) fn check<T>(&mut self, result: Result<T, impl Display>) -> Option<T> {
        result.map_err(|error| self.problems.push(error.to_string())).ok()
    }
}

/// Checks the data directory, and removes it again if it was not there: if it were made by the user who validates (for
/// example root), it would not belong to the user that runs the program.
fn check_data_dir(path: &Path) -> Result<(), config::DataDirError> {
    let missing: Vec<PathBuf> = path.ancestors().take_while(|path| !path.exists()).map(Path::to_owned).collect();
    let result = config::check_data_dir(path);
    for directory in missing {
        // Removes empty directories only.
        let _ = fs::remove_dir(directory);
    }
    result
}
