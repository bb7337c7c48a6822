//! The arguments.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

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
    /// Print the JSON Schema of the configuration.
    Schema,
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
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) config: ConfigArgs,
    /// Deliver everything that can be listed now, print a summary to the standard error and exit: 1 if something stayed
    /// undelivered. For cron and for retrieval by hand.
    #[arg(long)]
    pub(super) once: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Log (on the standard error)")]
pub(super) struct LogArgs {
    /// How much this program logs. Default: info. The environment variable `OFFICE365_LOG` takes filters of finer grain,
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
}
