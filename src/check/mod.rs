//! Tests everything that collecting needs, and says for each failure what to change.
//!
//! Changes nothing: not in the tenants, not in the ledger, but for a query of the audit search that is created and deleted. It can run
//! beside the source that it checks.

mod audit_search;
mod blob;
mod certificate;
mod configuration;
mod connection;
mod data_dir;
mod finding;
mod listener_files;
mod public_url;
#[cfg(feature = "nats")]
mod state;
mod tenants;

use std::{collections::BTreeSet, fmt::Display, time::Duration};

use chrono::Utc;
use futures::{StreamExt, stream};
use secrecy::SecretString;
use tokio::time::timeout;

pub use self::{
    configuration::{AskStores, ConfigurationFindings},
    finding::{Finding, Outcome},
};
use self::{
    connection::ConnectionCheck,
    public_url::PublicUrl,
    tenants::{TenantCheck, Webhook},
};
use crate::{
    RunMode,
    api_clients::{ApiClients, Environment},
    config::{AuditSearchConfig, HumanDuration, Mode, TopologyConfig},
    content::TenantId,
    credentials::Credentials,
    discovery::webhook::{AuthId, configured_auth_id},
    normalize::Normalizer,
    secrets::SecretReader,
    tenancy::{Answer, Answered, ConfiguredSource, NO_TENANT, Question, TenantEntry, UNEXPECTED, ask_source},
};

/// How many tenants are asked about at a time.
const TENANTS: usize = 8;

/// What a configuration refers to, as findings.
///
/// Also reports which credentials cannot be used, by their keys. Stores of secrets may take as long as `patience` each.
pub async fn check_configuration(topology: &TopologyConfig, patience: Duration) -> (Vec<Finding>, BTreeSet<String>) {
    let findings = ConfigurationFindings::of(topology, AskStores::Within(patience)).await;
    let ConfigurationFindings { problems, hints, unusable, .. } = findings;
    let valid = problems.is_empty().then(|| Outcome::ok("the configuration is valid, and so is what it refers to"));
    let outcomes = valid.into_iter().chain(problems.into_iter().map(Outcome::Failed));
    let outcomes = outcomes.chain(hints.into_iter().map(Outcome::Note));
    (outcomes.map(|outcome| Finding::new("configuration", outcome)).collect(), unusable)
}

/// Tries everything that a source needs, and hands over each finding as soon as those before it are there. Each step
/// that waits for a remote service ends after `patience`.
///
/// With `only`, of that tenant alone. Steps that need one of the `unusable` credentials are skipped.
pub async fn check_source(
    source: ConfiguredSource<'_>,
    only: Option<TenantId>,
    unusable: &BTreeSet<String>,
    patience: Duration,
    found: &mut (dyn FnMut(Finding) + Send),
) {
    let key = source.key();
    found(Finding::new(format!("{key}, disk"), data_dir::free_space(&source.directory())));
    #[cfg(feature = "nats")]
    if let Some(outcome) = state::shared_state(&source.config.state, &format!("{key}.state"), patience).await {
        found(Finding::new(format!("{key}, state"), outcome));
    }
    let (mut tenants, running) = known_tenants(source, patience, found).await;
    if let Some(only) = only {
        tenants.retain(|tenant| tenant.id == only);
        if tenants.is_empty() {
            let text = format!("{only} is not one of them; `office365-source tenants list` shows all");
            return found(Finding::new(format!("{key}, tenants"), Outcome::Failed(text)));
        }
    }
    let connection = match ApiClients::new(source.config, &key, source.proxy, Environment::default()) {
        Ok(connection) => connection,
        Err(error) => return found(Finding::new(key.as_str(), Outcome::failed(error))),
    };
    check_credentials(&connection.credentials, only, unusable, found).await;
    check_connections(source, patience, found).await;
    if source.config.mode == Mode::Webhook {
        if running == Some(false) {
            let text = "does not run, so that nobody answers at public_url and nobody takes an administrator's consent";
            found(Finding::new(key.as_str(), Outcome::note(text)));
        }
        if let Some(url) = source.config.webhook.public_url() {
            let findings = PublicUrl { key: &key, url, running, patience }.check().await;
            findings.into_iter().for_each(&mut *found);
        }
        if tenants.is_empty() {
            found(Finding::new(format!("{key}, tenants"), Outcome::note(NO_TENANT)));
        }
    }
    let normalizer = Normalizer::new(source.config.normalize_options());
    let check = TenantCheck {
        key: &key,
        config: source.config,
        connection: &connection,
        webhook: webhook(source).await,
        patience,
        normalizer: &normalizer,
        unusable,
    };
    let mut findings = stream::iter(&tenants).map(|tenant| check.check(tenant)).buffered(TENANTS);
    while let Some(findings) = findings.next().await {
        findings.into_iter().for_each(&mut *found);
    }
}

/// What the credentials are, and when they expire. Whether they can be used is in the configuration's findings.
async fn check_credentials(
    credentials: &Credentials,
    only: Option<TenantId>,
    unusable: &BTreeSet<String>,
    found: &mut (dyn FnMut(Finding) + Send),
) {
    for (tenant, credential) in credentials.iter() {
        if unusable.contains(credential.key()) || (tenant.is_some() && only.is_some() && tenant != only) {
            continue;
        }
        let expires = match credential.expires().await {
            Ok(Some(time)) => format!(", expires {}", time.format("%Y-%m-%d")),
            // A client secret's end is known to Entra alone.
            Ok(None) => String::new(),
            // A problem of the configuration, and reported there.
            Err(_) => continue,
        };
        found(Finding::new(credential.key(), Outcome::ok(format!("{}{expires}", credential.place()))));
    }
}

/// The way to Microsoft Entra and to the API, and Microsoft's clock.
async fn check_connections(source: ConfiguredSource<'_>, patience: Duration, found: &mut (dyn FnMut(Finding) + Send)) {
    let (key, config) = (source.key(), source.config);
    let options = connection::options(config.proxy.or(source.proxy), config.tls.ca_file.clone(), patience);
    let mut clock = None;
    let graph = config.audit_search.as_ref().filter(|_| AuditSearchConfig::is_in(config.effective_cloud()));
    let graph = graph.map(|search| ("Microsoft Graph", search.endpoint()));
    let servers = [("Microsoft Entra", config.authority()), ("the API", config.api_endpoint())];
    for (name, url) in servers.into_iter().chain(graph) {
        let mut findings = Vec::new();
        let check = ConnectionCheck { key: &key, name, url, options: &options, patience };
        let time = check.check(&mut findings).await;
        findings.into_iter().for_each(&mut *found);
        clock = clock.or(time.map(|time| connection::clock(Utc::now(), time)));
    }
    if let Some(outcome) = clock {
        found(Finding::new(format!("{key}, this machine's clock"), outcome));
    }
}

/// The tenants in the order of the configuration, then those that registered; and whether the source runs.
async fn known_tenants(
    source: ConfiguredSource<'_>,
    patience: Duration,
    found: &mut (dyn FnMut(Finding) + Send),
) -> (Vec<TenantEntry>, Option<bool>) {
    let mut tenants: Vec<_> = source
        .config
        .tenants
        .iter()
        .map(|tenant| TenantEntry { id: tenant.id, domain: tenant.domain.clone(), configured: true, registered: None })
        .collect();
    let subject = format!("{}, tenants", source.key());
    let unknown = |problem: &dyn Display| {
        Outcome::failed(format_args!("those that registered are not known here and not checked: {problem}"))
    };
    let running = match timeout(patience, ask_source(source, &Question::List)).await {
        Ok(Ok(Answered { answer, running, .. })) => {
            match answer {
                Answer::Tenants { tenants: known } => {
                    let text = if running {
                        "the source runs, and answers"
                    } else {
                        "can be read, or is still to be made; the source does not run"
                    };
                    found(Finding::new(format!("{}, ledger", source.key()), Outcome::ok(text)));
                    merge(&mut tenants, known);
                }
                Answer::Refused { problem } => found(Finding::new(subject, unknown(&problem))),
                _ => found(Finding::new(subject, unknown(&UNEXPECTED))),
            }
            Some(running)
        }
        Ok(Err(error)) => {
            found(Finding::new(subject, unknown(&error)));
            None
        }
        Err(_) => {
            found(Finding::new(subject, unknown(&no_answer(patience, "the running source hangs; look at its log"))));
            None
        }
    };
    (tenants, running)
}

/// What a ledger says of the domain of a tenant goes with it.
fn merge(tenants: &mut Vec<TenantEntry>, known: Vec<TenantEntry>) {
    for entry in known {
        match tenants.iter_mut().find(|tenant| tenant.id == entry.id) {
            Some(tenant) => tenant.domain = entry.domain,
            None => tenants.push(entry),
        }
    }
}

/// The webhook that subscriptions should have.
async fn webhook(source: ConfiguredSource<'_>) -> Option<Webhook> {
    let auth_id = configured_auth_id(&source.config.webhook, &SecretReader::default(), "").await.ok().flatten();
    let auth_id_known = auth_id.is_some();
    let auth_id = AuthId::from(auth_id.unwrap_or_else(|| SecretString::from("")));
    let policy = source.config.webhook_policy(RunMode::Continuous, &auth_id);
    policy.target().map(|target| Webhook { target: target.as_ref().clone(), auth_id_known })
}

fn no_answer(patience: Duration, advice: &str) -> String {
    format!("no answer within {}; {advice}", HumanDuration::from_secs(patience.as_secs()))
}
