//! The arguments.

mod administration;
mod completeness;
mod fetch;

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

#[cfg(feature = "nats")]
pub(super) use self::administration::{MigrateArgs, StatePlace};
pub(super) use self::{
    administration::{SelectionArgs, StateCommand, SubscriptionsCommand},
    completeness::{BackfillArgs, Day, DaysArgs, VerifyArgs},
    fetch::{FetchArgs, Moment},
};

use crate::{
    config::{HumanDuration, is_data_stream_namespace, is_domain},
    content::TenantId,
    normalize::DATA_STREAM_NAMESPACE,
};

/// Collects Microsoft 365 audit logs from the Office 365 Management Activity API.
#[derive(Debug, Parser)]
#[command(name = "office365-source", version, about, max_term_width = 100)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Collect, until SIGINT or SIGTERM or, with --once, until everything there is has been delivered.
    Run(RunArgs),
    /// Check a configuration and what it refers to, without connecting to anything, and show what it says.
    Validate(ConfigArgs),
    /// Try everything that collecting needs (secrets, disk, DNS, proxy, TLS, clock, the public URL of mode "webhook", tokens,
    /// permissions, the audit log, subscriptions, content, the audit search) and say of each failure what to change. Changes nothing,
    /// but for a query of the audit search that it creates and deletes; can run beside the source.
    Check(CheckArgs),
    /// Print a link under which an administrator of a tenant can consent, so that its audit logs are collected in mode
    /// "webhook".
    Register(RegisterArgs),
    /// Show, change and remove tenants while the source runs, or while it does not.
    #[command(subcommand)]
    Tenants(TenantsCommand),
    /// Show, start and stop subscriptions: what Microsoft makes content available for. Beside a source that runs, or
    /// without.
    #[command(subcommand)]
    Subscriptions(SubscriptionsCommand),
    /// Show what the ledger knows of each feed, try dead content again, and take the state to another machine. Beside a source
    /// that runs, or without.
    #[command(subcommand)]
    State(StateCommand),
    /// Move the state of a source between the ledger of one collector and NATS JetStream, where several share it. Stop all collectors
    /// first.
    #[cfg(feature = "nats")]
    Migrate(MigrateArgs),
    /// Compare what was delivered with what the audit search of Microsoft Graph finds, day by day, and report it. Delivers nothing. Beside a
    /// source that runs, or without.
    Verify(VerifyArgs),
    /// Deliver what the audit search of Microsoft Graph finds of past days and was not delivered, however old. Beside a source that runs,
    /// or without.
    Backfill(BackfillArgs),
    /// Make events of audit records that are at hand, such as an export of the Purview portal or what Search-UnifiedAuditLog
    /// returned, and print one JSON object a line. Connects to nothing.
    Normalize(NormalizeArgs),
    /// Fetch content now and print its events, one JSON object a line, without a trace in the ledger. Changes nothing: what the
    /// source has delivered is fetched again, and is not delivered for that.
    Fetch(FetchArgs),
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Print a script that completes the arguments of this program in a shell.
    Completions {
        /// Which shell.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the manual page of this program, or of one of its commands, in the form that `man` reads.
    Man {
        /// The command, such as `state export`. Default: the program as a whole.
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Collect from a simulated Microsoft 365 with its everyday troubles, without credentials. Leaves nothing behind.
    #[cfg(feature = "simulator")]
    Demo(DemoArgs),
    /// Serve the simulated Office 365 Management Activity API (and Microsoft Entra's token endpoints) until Ctrl-C.
    #[cfg(feature = "simulator")]
    Simulate(SimulateArgs),
}

impl Command {
    /// How much the command logs when nothing else is said.
    pub(super) const fn log_level(&self) -> LogLevel {
        match self {
            // The troubles it meets are part of the show, and in its table.
            #[cfg(feature = "simulator")]
            Self::Demo(_) => LogLevel::Off,
            // What it finds is its output; the TLS library would say it twice.
            Self::Check(_) | Self::Fetch(_) | Self::Verify(_) | Self::Backfill(_) => LogLevel::Off,
            // They say themselves what they do.
            Self::Register(_) | Self::Tenants(_) | Self::Subscriptions(_) | Self::State(_) => LogLevel::Warn,
            #[cfg(feature = "nats")]
            Self::Migrate(_) => LogLevel::Warn,
            _ => LogLevel::Info,
        }
    }
}

#[cfg(feature = "simulator")]
#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// How the demo finds content. In mode webhook the second tenant registers by its administrator's consent.
    #[arg(long, value_enum, default_value_t)]
    pub(super) mode: DemoMode,
    /// How long new content is published, in seconds.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(super) seconds: u64,
    /// How many events to show.
    #[arg(long, default_value_t = 30)]
    pub(super) events: usize,
    /// Print all events as NDJSON, and the table to the standard error.
    #[arg(long)]
    pub(super) json: bool,
    /// Serve a page about the demo on this port of 127.0.0.1, by default on one that is free, and go on until Ctrl-C.
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    pub(super) page: Option<u16>,
    /// Show three collectors that share their tenants through NATS, one of which is killed. Needs nats-server in the PATH, or its path in
    /// the environment variable `NATS_SERVER`.
    #[cfg(all(unix, feature = "nats"))]
    #[arg(long, conflicts_with_all = ["mode", "page", "events"])]
    pub(super) cluster: bool,
}

#[cfg(feature = "simulator")]
#[derive(Args, Debug)]
pub(super) struct SimulateArgs {
    /// Where to listen; a loopback address.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) listen: std::net::SocketAddr,
    /// Events and faults are drawn from this seed.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// How far back content reaches at the start, in hours.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(0..=167))]
    pub(super) backlog_hours: u64,
    /// How many blobs each content type of each of the two tenants has at the start.
    #[arg(long, default_value_t = 40)]
    pub(super) blobs: u64,
    /// How many events a blob has at most.
    #[arg(long, default_value_t = 30)]
    pub(super) events_per_blob: u32,
    /// How often each content type gets new content, in seconds; 0 for never.
    #[arg(long, default_value_t = 20)]
    pub(super) live_secs: u64,
    /// Errors, resets, throttling and the like.
    #[arg(long)]
    pub(super) stormy: bool,
    /// Notify a webhook on port 8443 of this machine, too: the certificates for it are made in this directory, and the
    /// configuration that is printed is one of mode webhook.
    #[arg(long, value_name = "DIRECTORY")]
    pub(super) webhook: Option<PathBuf>,
}

#[cfg(feature = "simulator")]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(super) enum DemoMode {
    /// By listing it.
    #[default]
    Poll,
    /// By notifications to a TLS listener.
    Webhook,
}

#[derive(Args, Debug)]
pub(super) struct ConfigArgs {
    /// The configuration: TOML, or YAML or JSON by its extension.
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: PathBuf,
}

#[derive(Args, Debug)]
pub(super) struct SourceArgs {
    #[command(flatten)]
    pub(super) config: ConfigArgs,
    /// The source that is meant, by its name in the configuration: `m365` for `[sources.m365]`. Needed when there are
    /// several.
    #[arg(long, value_name = "NAME")]
    pub(super) source: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) config: ConfigArgs,
    /// Check this source only, by its name in the configuration. Default: all of them.
    #[arg(long, value_name = "NAME")]
    pub(super) source: Option<String>,
    /// Check this tenant only, by its Directory (tenant) ID. Default: all of them.
    #[arg(long, value_name = "ID")]
    pub(super) tenant: Option<TenantId>,
    /// How long each step may take that waits for somebody else, from 1s to 10m.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = timeout)]
    pub(super) timeout: HumanDuration,
    /// Print a JSON array of objects with `subject`, `outcome` ("ok", "note" or "failed"), `text` and, where somebody else was
    /// asked, `elapsed_ms`.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args, Debug)]
pub(super) struct RegisterArgs {
    #[command(flatten)]
    pub(super) source: SourceArgs,
    /// The Directory (tenant) ID of the tenant that may consent. Default: any.
    #[arg(long, value_name = "ID")]
    pub(super) tenant: Option<TenantId>,
    /// The domain that the tenant is to be shown as, such as contoso.com. It lands in `meta.src.host` of its events.
    #[arg(long, value_name = "DOMAIN", value_parser = domain)]
    pub(super) domain: Option<String>,
    /// How long the link can be used, from 1m to 30d. A renewed client secret ends it as well.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = valid_for)]
    pub(super) valid_for: HumanDuration,
    /// Ask with an authorization code, as Microsoft's "Get started with Office 365 Management APIs" describes, and not at
    /// the admin consent endpoint. The token behind the code then tells which tenant has consented.
    #[arg(long)]
    pub(super) authorization_code: bool,
    /// Open no browser.
    #[arg(long)]
    pub(super) no_browser: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum TenantsCommand {
    /// Show whose audit logs are collected.
    List {
        #[command(flatten)]
        source: SourceArgs,
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Set the domain of a tenant; its events carry it in `meta.src.host` from then on.
    SetDomain {
        /// The Directory (tenant) ID.
        #[arg(value_name = "TENANT")]
        tenant: TenantId,
        /// Its domain, such as contoso.com.
        #[arg(value_name = "DOMAIN", value_parser = domain)]
        domain: String,
        #[command(flatten)]
        source: SourceArgs,
    },
    /// Take the domain of a tenant away.
    UnsetDomain {
        /// The Directory (tenant) ID.
        #[arg(value_name = "TENANT")]
        tenant: TenantId,
        #[command(flatten)]
        source: SourceArgs,
    },
    /// Collect a registered tenant no longer: stop its subscriptions, forget it and what is pending of it.
    Remove {
        /// The Directory (tenant) ID.
        #[arg(value_name = "TENANT")]
        tenant: TenantId,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        source: SourceArgs,
    },
}

#[derive(Args, Debug)]
#[command(after_long_help = NORMALIZE_EXAMPLES)]
pub(super) struct NormalizeArgs {
    /// The form of the events.
    #[arg(long, value_enum, default_value_t)]
    pub(super) schema: EventSchema,
    /// The domain of the tenant that the records are of, such as contoso.com.
    #[arg(long, value_name = "DOMAIN", value_parser = domain)]
    pub(super) tenant_domain: Option<String>,
    /// Have events carry the record's text, in `event.original` (ECS) or `raw_data` (OCSF). Schema raw is that text anyway.
    #[arg(long)]
    pub(super) keep_original: bool,
    /// Leave the values in place that data loss prevention has detected (`DetectedValues`: card numbers and the like, in
    /// clear)
    #[arg(long)]
    pub(super) keep_detected_values: bool,
    /// Tell in ECS and OCSF where the client's address is: a MaxMind DB file of places, such as GeoLite2-City.mmdb
    #[arg(long, value_name = "FILE")]
    pub(super) geoip_city_db: Option<PathBuf>,
    /// Tell in ECS and OCSF whose network the client's address is in: a MaxMind DB file of autonomous systems, such as
    /// GeoLite2-ASN.mmdb
    #[arg(long, value_name = "FILE")]
    pub(super) geoip_asn_db: Option<PathBuf>,
    /// `data_stream.namespace` of events in ECS
    #[arg(long, value_name = "NAME", default_value = DATA_STREAM_NAMESPACE, value_parser = namespace)]
    pub(super) data_stream_namespace: String,
    /// When events say that they were made, such as 2026-08-01T12:00:00Z, so that the same input gives the same output.
    /// Default: now.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) now: Option<DateTime<Utc>>,
    /// Tell on the standard error which fields of a record could not be read. Its event is made all the same, and the exit
    /// code does not depend on it.
    #[arg(long)]
    pub(super) show_damage: bool,
    /// Where the records are; `-`, as well as no file, is the standard input.
    ///
    /// Each file may have another form, which is found out: one JSON object a line, pretty-printed objects, JSON arrays
    /// (content blobs), pages of Microsoft Graph's audit log query, a CSV export of Purview Audit, what
    /// Search-UnifiedAuditLog gives to ConvertTo-Json or Export-Csv, a table whose columns are the members of records; in UTF-8, or
    /// in UTF-16 as Windows PowerShell and Excel write it.
    ///
    /// A record may stand in other objects, as an object or as text, alone or in a list: in the documents of Elasticsearch
    /// (`_source`, `event.original`), the results of Splunk (`result._raw`), the messages of Logstash, Event Hubs' `records`, and
    /// what others have made of that.
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

const NORMALIZE_EXAMPLES: &str = "\
Examples:
  office365-source normalize --tenant-domain contoso.com AuditLog_2026-08-01.csv > events.ndjson
  office365-source normalize --schema raw < blob.json | jq .Operation

What is no record is told on the standard error, with the number of its line (of its element, in an array) and never with
its content; the rest goes on. So is a record that PowerShell has damaged, as ConvertTo-Json does with its default of -Depth 2;
its event is made of what is left. The exit code is 0, or 1 if something was no record, or could not be read or written.";

/// The form of events.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(super) enum EventSchema {
    /// The Elastic Common Schema.
    #[default]
    Ecs,
    /// The Open Cybersecurity Schema Framework.
    Ocsf,
    /// The record as Microsoft sent it.
    Raw,
}

fn time(text: &str) -> Result<DateTime<Utc>, String> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|_| "not a time of RFC 3339; write one such as 2026-08-01T12:00:00Z".to_owned())
}

fn domain(text: &str) -> Result<String, String> {
    if is_domain(text) {
        Ok(text.to_owned())
    } else {
        Err("not a domain name; write one such as contoso.com".to_owned())
    }
}

fn namespace(text: &str) -> Result<String, String> {
    if is_data_stream_namespace(text) {
        Ok(text.to_owned())
    } else {
        Err("not the namespace of a data stream; write one in lower case, without blanks and hyphens, such as default"
            .to_owned())
    }
}

fn timeout(text: &str) -> Result<HumanDuration, String> {
    within(text, HumanDuration::from_secs(1), HumanDuration::from_secs(600))
}

fn patience(text: &str) -> Result<HumanDuration, String> {
    within(text, HumanDuration::from_secs(1), HumanDuration::from_days(1))
}

fn valid_for(text: &str) -> Result<HumanDuration, String> {
    within(text, HumanDuration::from_secs(60), HumanDuration::from_days(30))
}

fn within(text: &str, least: HumanDuration, most: HumanDuration) -> Result<HumanDuration, String> {
    let duration: HumanDuration = text.parse().map_err(|error| format!("{error}"))?;
    if (least..=most).contains(&duration) {
        Ok(duration)
    } else {
        Err(format!("out of range; write a duration from {least} to {most}"))
    }
}

#[derive(Args, Debug)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) config: ConfigArgs,
    /// Deliver everything that can be listed now, print a summary to the standard error and exit: 1 if something stayed
    /// undelivered. For cron and for retrieval by hand.
    #[arg(long)]
    pub(super) once: bool,
    /// With --once: how long to ride out failures (of Microsoft, or of sinks) before giving up with exit code 1.
    #[arg(long, value_name = "DURATION", default_value = "2m", requires = "once", value_parser = patience)]
    pub(super) patience: HumanDuration,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Log (on the standard error)")]
pub(super) struct LogArgs {
    /// How much this program logs. Default: info; warn for register, tenants, subscriptions and state; off for check and fetch. The environment variable `OFFICE365_LOG` takes filters of finer grain,
    /// such as `info,office365_source::entra=debug`; this option goes before it.
    #[arg(long, global = true, value_name = "LEVEL", value_enum)]
    pub(super) log_level: Option<LogLevel>,
    /// Log more: -v is --log-level debug, -vv is --log-level trace.
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "log_level")]
    pub(super) verbose: u8,
    /// The form of the log.
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t)]
    pub(super) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_have_bounds() {
        assert_eq!(valid_for("1m").unwrap().as_secs(), 60);
        assert_eq!(valid_for("30d").unwrap(), HumanDuration::from_days(30));
        for bad in ["59s", "31d", "1", "soon"] {
            assert!(valid_for(bad).is_err(), "{bad}");
        }
        assert_eq!(time("2026-08-01T14:00:00+02:00").unwrap(), time("2026-08-01T12:00:00Z").unwrap());
        assert!(time("2026-08-01").unwrap_err().contains("2026-08-01T12:00:00Z"));
        assert_eq!(timeout("11m").unwrap_err(), "out of range; write a duration from 1s to 10m");
    }
}
