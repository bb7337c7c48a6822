//! The arguments of `subscriptions`, `state` and `migrate`.

use std::path::PathBuf;

#[cfg(feature = "nats")]
use clap::ValueEnum;
use clap::{Args, Subcommand};

use super::{Day, SourceArgs};
use crate::{
    content::{ContentType, TenantId},
    tenancy::Selection,
};

/// Which feeds are meant.
#[derive(Args, Debug)]
pub(in crate::cli) struct SelectionArgs {
    #[command(flatten)]
    pub(in crate::cli) source: SourceArgs,
    /// The Directory (tenant) ID of the tenant that is meant. Default: all tenants.
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) tenant: Option<TenantId>,
    /// A content type that is meant, such as Audit.Exchange; can be given several times. Default: those that are collected.
    #[arg(long = "content-type", value_name = "TYPE", value_delimiter = ',')]
    pub(in crate::cli) content_types: Vec<ContentType>,
}

impl SelectionArgs {
    /// What to ask a source for.
    pub(in crate::cli) fn selection(&self) -> Selection {
        Selection { tenant: self.tenant, content_types: self.content_types.clone() }
    }
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SubscriptionsCommand {
    /// Show the subscriptions and their webhooks, as Microsoft tells them, also those that are not collected.
    List {
        #[command(flatten)]
        selection: SelectionArgs,
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Start subscriptions that are missing or disabled, or whose webhook is not as it should be. Microsoft accepts a start
    /// every 15 minutes.
    ///
    /// In mode "poll" they are started without a webhook, in mode "webhook" with that of the source, which must be running for
    /// that.
    Start {
        #[command(flatten)]
        selection: SelectionArgs,
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Stop subscriptions. What becomes available until they are started again is lost.
    Stop {
        #[command(flatten)]
        selection: SelectionArgs,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum StateCommand {
    /// Show how far each feed has been listed, what is pending and dead, and how far delivery is behind.
    Show {
        #[command(flatten)]
        source: SourceArgs,
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Show day by day what was delivered, and what comparisons with the audit search say about it.
    Coverage {
        #[command(flatten)]
        source: SourceArgs,
        /// The first day: a date, or how long ago.
        #[arg(long, value_name = "DATE|DURATION", default_value = "30d")]
        since: Day,
        /// The Directory (tenant) ID of the tenant that is meant. Default: all tenants.
        #[arg(long, value_name = "ID")]
        tenant: Option<TenantId>,
        /// Print the report as a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Try content again that was given up, as long as Microsoft holds it.
    RetryDead {
        #[command(flatten)]
        selection: SelectionArgs,
    },
    /// Write the state of a source, for `state import` on another machine: one JSON object a line.
    ///
    /// Stop the source first, unless the export is only looked at: what it delivers afterwards, the other one delivers again.
    Export {
        /// Where to; a file that does not exist yet, or `-` for the standard output.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        source: SourceArgs,
    },
    /// Make the ledger of a source from what `state export` wrote. There must be none yet.
    Import {
        /// Where from; `-` is the standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        source: SourceArgs,
    },
}

/// Where state is.
#[cfg(feature = "nats")]
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum StatePlace {
    /// In a ledger below `data_dir`
    Embedded,
    /// In NATS JetStream, as the table `state` of the source says
    Nats,
}

#[cfg(feature = "nats")]
#[derive(Args, Debug)]
pub(in crate::cli) struct MigrateArgs {
    /// Where it is now.
    #[arg(long, value_enum)]
    pub(in crate::cli) from: StatePlace,
    /// Where it is to go; there must be none yet.
    #[arg(long, value_enum)]
    pub(in crate::cli) to: StatePlace,
    #[command(flatten)]
    pub(in crate::cli) source: SourceArgs,
}
