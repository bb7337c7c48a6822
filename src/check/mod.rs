//! Tries whether everything works that collecting needs, and says of each failure what to change.
//!
//! Changes nothing: not in the tenants, not in the ledger. It can run beside the source that it checks.

mod certificate;
mod configuration;
mod finding;
mod listener_files;
mod public_url;
mod tenants;

use std::{fmt::Display, time::Duration};

use futures::{StreamExt, stream};
use secrecy::SecretString;
use tokio::time::timeout;

pub use self::{
    configuration::{AskStores, ConfigurationFindings},
    finding::{Finding, Outcome},
};
use self::{
    public_url::PublicUrl,
    tenants::{TenantCheck, Webhook},
};
use crate::{
    RunMode,
    api_clients::{ApiClients, Environment},
    config::{HumanDuration, Mode, TopologyConfig},
    discovery::webhook::{AuthId, configured_auth_id},
    secrets::SecretReader,
    tenancy::{Answer, Answered, ConfiguredSource, NO_TENANT, Question, TenantEntry, UNEXPECTED, ask_source},
};

/// How many tenants are asked about at a time.
const TENANTS: usize = 8;

/// What a configuration refers to, as findings.
pub async fn check_configuration(topology: &TopologyConfig) -> Vec<Finding> {
    let ConfigurationFindings { problems, hints, .. } = ConfigurationFindings::of(topology, AskStores::Yes).await;
    let valid = problems.is_empty().then(|| Outcome::ok("the configuration is valid, and so is what it refers to"));
    let outcomes = valid.into_iter().chain(problems.into_iter().map(Outcome::Failed));
    outcomes.chain(hints.into_iter().map(Outcome::Note)).map(|outcome| Finding::new("configuration", outcome)).collect()
}

/// Tries everything that a source needs, and hands over each finding as soon as those before it are there. Each step that
/// waits for somebody else ends after `patience`.
pub async fn check_source(source: ConfiguredSource<'_>, patience: Duration, found: &mut (dyn FnMut(Finding) + Send)) {
    let key = source.key();
    let (tenants, running) = known_tenants(source, patience, found).await;
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
    let connection = match ApiClients::new(source.config, &key, source.proxy, Environment::default()) {
        Ok(connection) => connection,
        Err(error) => return found(Finding::new(key.as_str(), Outcome::failed(error))),
    };
    let webhook = webhook(source).await;
    let check = TenantCheck { key: &key, config: source.config, connection: &connection, webhook, patience };
    let mut findings = stream::iter(&tenants).map(|tenant| check.check(tenant)).buffered(TENANTS);
    while let Some(findings) = findings.next().await {
        findings.into_iter().for_each(&mut *found);
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
        Ok(Ok(Answered { answer, running })) => {
            match answer {
                Answer::Tenants { tenants: known } => merge(&mut tenants, known),
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
