//! `office365-source validate`

mod webhook;

use std::process::ExitCode;

use tokio::runtime::Builder;
use url::Url;

use super::{
    args::ConfigArgs,
    exit,
    output::{complain, print},
};
use crate::{
    check::{AskStores, ConfigurationFindings},
    config::{
        AuditSearchConfig, AuthConfig, FiltersConfig, Mode, Office365Config, SourceEntry, StateConfig, StateKind,
        TenantConfig, TopologyConfig, VerifyRhythm,
    },
    credentials::ConfiguredCredential,
    secrets,
};

pub(super) fn validate(args: &ConfigArgs) -> ExitCode {
    let topology = match secrets::load(&args.config) {
        Ok(topology) => topology,
        Err(errors) => {
            complain(&errors);
            return exit::FAILURE;
        }
    };
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error);
            return exit::FAILURE;
        }
    };
    let findings = ConfigurationFindings::of(&topology, AskStores::No);
    let ConfigurationFindings { problems, hints, .. } = runtime.block_on(findings);
    for line in problems.iter().chain(&hints) {
        complain(line);
    }
    if problems.is_empty() { print(&summary(&topology).join("\n")) } else { exit::FAILURE }
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
        lines.push(format!("sinks.{name}: {}, from {inputs}", sink.destination()));
    }
    if let Some(telemetry) = &topology.telemetry {
        let scheme = if telemetry.tls.is_some() { "https" } else { "http" };
        let page = if telemetry.shows_page() { ", and a page at /" } else { "" };
        lines.push(format!("telemetry: {scheme}://{} with /metrics, /health and /status{page}", telemetry.listen));
    }
    lines
}

fn application(auth: &AuthConfig) -> String {
    let credential = ConfiguredCredential::new(auth, "").place();
    auth.application_id().map_or_else(|| credential.clone(), |id| format!("{id}, with {credential}"))
}

fn events_summary(source: &Office365Config) -> String {
    let values = if source.normalize.redact_detected_values { "redacted" } else { "IN CLEAR" };
    format!("  events: schema {}, values that data loss prevention has detected are {values}", source.schema.as_str())
}

fn search_summary(source: &Office365Config) -> Option<String> {
    let search = source.audit_search.as_ref()?;
    if !AuditSearchConfig::is_in(source.effective_cloud()) {
        return Some("  audit search: none in this cloud".to_owned());
    }
    let AuditSearchConfig { verify, heal, budget_per_day, max_gap, .. } = search;
    let what = match (verify, heal) {
        (VerifyRhythm::Daily, true) => {
            format!(
                "each day is compared once it is 72 hours old, and what is missing is delivered, as far back as {max_gap}"
            )
        }
        (VerifyRhythm::Daily, false) => {
            format!(
                "each day is compared once it is 72 hours old, as far back as {max_gap}; what is missing is told, and delivered by `backfill`"
            )
        }
        (VerifyRhythm::Off, true) => {
            format!(
                "days of outages of more than seven days are compared, and what is missing is delivered, as far back as {max_gap}; others when somebody asks"
            )
        }
        (VerifyRhythm::Off, false) => {
            "days are compared when somebody asks, and what is missing is delivered by `backfill`".to_owned()
        }
    };
    let queries = if *budget_per_day == 1 { "query" } else { "queries" };
    Some(format!(
        "  audit search: {what}; {budget_per_day} {queries} per tenant and 24 hours, at {}",
        search.endpoint()
    ))
}

fn state_summary(source: &Office365Config) -> Option<String> {
    let StateConfig { kind: StateKind::Nats, servers, replicas, prefix, .. } = &source.state else { return None };
    let servers: Vec<_> = servers.iter().map(Url::as_str).collect();
    Some(format!(
        "  state: shared by all collectors with prefix {prefix}, in {replicas} replicas, in NATS at {}",
        servers.join(", ")
    ))
}

fn source_summary(name: &str, source: &Office365Config) -> Vec<String> {
    let content_types: Vec<_> = source.content_types.iter().map(|content_type| content_type.as_str()).collect();
    let mut lines = vec![
        format!("sources.{name}:"),
        format!("  endpoint: {} (cloud {})", source.api_endpoint(), source.effective_cloud().as_str()),
        format!("  tokens: {}", source.authority()),
        format!("  app: {}", application(&source.auth)),
        format!("  content types: {}", content_types.join(", ")),
        events_summary(source),
    ];
    let FiltersConfig { include, exclude } = &source.filters;
    if !include.is_empty() || !exclude.is_empty() {
        lines.push(format!(
            "  filters: {} of include (0: all records), {} of exclude; what they leave out reaches no sink",
            include.len(),
            exclude.len()
        ));
    }
    lines.extend(state_summary(source));
    lines.extend(search_summary(source));
    lines.extend(source.tenants.iter().map(|TenantConfig { id, domain, auth }| {
        let domain = domain.as_ref().map_or_else(String::new, |domain| format!(" ({domain})"));
        let app = auth.as_ref().map_or_else(String::new, |auth| format!(", app: {}", application(auth)));
        format!("  tenant: {id}{domain}{app}")
    }));
    if source.mode == Mode::Webhook {
        if source.tenants.is_empty() {
            lines.push("  tenants: those that register".to_owned());
        }
        lines.extend(webhook::summary(&source.webhook));
    }
    lines
}
