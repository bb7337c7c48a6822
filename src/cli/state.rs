//! `office365-source state`

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, ErrorKind, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use chrono::{DateTime, Utc};
use tokio::runtime::{Builder, Runtime};

use super::{
    args::{SourceArgs, StateCommand},
    asking::{ask, choose, failure, load, tell_of_others, unexpected},
    columns::columns,
    completeness::{self, coverage_table},
    exit,
    output::{complain, print},
};
use crate::{
    component::GlobalOptions,
    config::{HumanDuration, StateKind},
    tenancy::{
        Answer, Answered, Comparing, ConfiguredSource, Connection, ExportError, FeedState, Imported, Question,
        export_state, import_state,
    },
};

/// Of days that are being compared.
const NOBODY: &str =
    "No process compares these days now: they go on when the source runs, or with `verify` or `backfill`.";

pub(super) fn state(command: StateCommand) -> ExitCode {
    match command {
        StateCommand::Show { source, json } => ask(&source, &Question::State, |Answered { answer, .. }| match answer {
            Answer::State { feeds } if json => match serde_json::to_string_pretty(&feeds) {
                Ok(text) => print(&text),
                Err(error) => failure(&error),
            },
            Answer::State { feeds } => print(&table(&feeds)),
            _ => unexpected(),
        }),
        StateCommand::Coverage { source, since, tenant, json } => {
            let now = Utc::now();
            let Some(from) = since.before(now) else {
                complain(&"--since is further away than any calendar goes");
                return exit::usage();
            };
            let through = now.date_naive();
            if let Err(problem) = completeness::check_days(from, through) {
                complain(&problem);
                return exit::usage();
            }
            let question = Question::Coverage { range: (from, through), tenant };
            ask(&source, &question, |Answered { answer, .. }| match answer {
                Answer::Coverage { report, .. } if json => match serde_json::to_string_pretty(&report) {
                    Ok(text) => print(&text),
                    Err(error) => failure(&error),
                },
                Answer::Coverage { report, comparing } if report.is_open() && comparing == Comparing::Nobody => {
                    print(&format!("{}\n{NOBODY}", coverage_table(&report)))
                }
                Answer::Coverage { report, .. } => print(&coverage_table(&report)),
                _ => unexpected(),
            })
        }
        StateCommand::RetryDead { selection } => {
            let question = Question::RetryDead { selection: selection.selection() };
            ask(&selection.source, &question, |Answered { answer, running, .. }| match answer {
                Answer::Revived { revived, expired } => print(&revival(revived, expired, running)),
                _ => unexpected(),
            })
        }
        StateCommand::Export { file, source } => with_source(&source, |source| export(source, &file)),
        StateCommand::Import { file, source } => with_source(&source, |source| import(source, &file)),
    }
}

pub(super) fn with_source(args: &SourceArgs, run: impl FnOnce(ConfiguredSource<'_>) -> ExitCode) -> ExitCode {
    let topology = match load(&args.config) {
        Ok(topology) => topology,
        Err(refused) => return refused,
    };
    match choose(&topology, args.source.as_deref()) {
        Ok(source) => run(source),
        Err(refused) => refused,
    }
}

/// The directory of a source, which is made if it is not there, and what runs the work in it.
pub(super) fn directory_of(source: ConfiguredSource<'_>) -> Result<(PathBuf, Runtime), ExitCode> {
    let globals = GlobalOptions { data_dir: Some(source.data_dir.to_owned()), ..GlobalOptions::default() };
    let directory = globals.resolve_and_make_data_subdir(None, source.name).map_err(|error| failure(&error))?;
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(|error| failure(&error))?;
    Ok((directory, runtime))
}

fn revival(revived: u64, expired: u64, running: bool) -> String {
    let blobs = |count: u64| if count == 1 { "1 blob".to_owned() } else { format!("{count} blobs") };
    let mut lines = vec![format!("Pending again: {}.", blobs(revived))];
    if revived > 0 {
        lines.push(
            if running { "The source fetches them now." } else { "The source fetches them when it runs." }.to_owned(),
        );
    }
    if expired > 0 {
        lines.push(format!("Past their time, and lost to this pipeline: {}.", blobs(expired)));
    }
    lines.join("\n")
}

/// One feed a line, in columns.
fn table(feeds: &[FeedState]) -> String {
    let time = |time: Option<DateTime<Utc>>| {
        time.map_or_else(|| "-".to_owned(), |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string())
    };
    let row = |feed: &FeedState| {
        let note = if feed.collected { "" } else { " (not collected)" };
        [
            feed.domain.clone().unwrap_or_else(|| feed.tenant.to_string()),
            format!("{}{note}", feed.content_type),
            time(feed.listed_through),
            feed.pending.to_string(),
            feed.dead.to_string(),
            time(feed.oldest_pending),
            feed.lag_seconds.map_or_else(|| "-".to_owned(), |lag| HumanDuration::from_secs(lag).to_string()),
        ]
    };
    let rows: Vec<_> = feeds.iter().map(row).collect();
    columns(["TENANT", "CONTENT TYPE", "LISTED THROUGH", "PENDING", "DEAD", "OLDEST PENDING", "LAG"], &rows)
}

/// Whether a path stands for the standard output or input.
fn is_standard(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn export(source: ConfiguredSource<'_>, file: &Path) -> ExitCode {
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure(&error),
    };
    let mut connection = Connection::new(source);
    runtime.block_on(async {
        let code = export_to(&mut connection, file).await;
        if code == exit::OK && connection.runs() {
            tell_of_others(source, &Question::State);
        }
        connection.close().await;
        code
    })
}

async fn export_to(connection: &mut Connection<'_>, file: &Path) -> ExitCode {
    if is_standard(file) {
        let mut out = BufWriter::new(io::stdout());
        let exported = export_state(connection, |line| writeln!(out, "{line}")).await;
        return match exported.map(|_| out.flush()) {
            Ok(Ok(())) => exit::OK,
            // A reader that had enough is no failure.
            Ok(Err(error)) | Err(ExportError::Write { source: error }) if error.kind() == ErrorKind::BrokenPipe => {
                exit::OK
            }
            Ok(Err(error)) => failure(&format_args!("The state cannot be written to the standard output: {error}")),
            Err(error) => failure(&error),
        };
    }
    let created = match create(file) {
        Ok(created) => created,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            complain(&format_args!("{}: the file exists; remove it, or write another name", file.display()));
            return exit::usage();
        }
        Err(error) => return failure(&format_args!("{}: {error}", file.display())),
    };
    let mut out = BufWriter::new(created);
    let exported = export_state(connection, |line| writeln!(out, "{line}")).await;
    let written = exported.map(|pieces| (pieces, out.into_inner().map_err(io::IntoInnerError::into_error)));
    let written = written.map(|(pieces, file)| (pieces, file.and_then(|file| file.sync_all())));
    match written {
        Ok((pieces, Ok(()))) => {
            complain(&format_args!("{}: {pieces} lines of state", file.display()));
            exit::OK
        }
        Ok((_, Err(error))) => abandoned(file, &format_args!("{}: {error}", file.display())),
        Err(error @ ExportError::Write { .. }) => abandoned(file, &format_args!("{}: {error}", file.display())),
        Err(error) => abandoned(file, &error),
    }
}

/// A part of an export is none.
fn abandoned(file: &Path, problem: &dyn std::fmt::Display) -> ExitCode {
    let _ = fs::remove_file(file);
    failure(problem)
}

/// What is known of a tenant's audit log is for this program's user only.
fn create(file: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

fn import(source: ConfiguredSource<'_>, file: &Path) -> ExitCode {
    if source.config.state.kind == StateKind::Nats {
        complain(&format_args!(
            "{}.state.type is \"nats\", and state is imported into a ledger of this machine only. Import it with state.type = \"embedded\"; \
             then write \"nats\", and run `migrate --from embedded --to nats`.",
            source.key()
        ));
        return exit::usage();
    }
    let input: Box<dyn io::Read> = if is_standard(file) {
        Box::new(io::stdin())
    } else {
        match File::open(file) {
            Ok(file) => Box::new(file),
            Err(error) => {
                complain(&format_args!("{}: {error}", file.display()));
                return exit::usage();
            }
        }
    };
    let (directory, runtime) = match directory_of(source) {
        Ok(there) => there,
        Err(refused) => return refused,
    };
    match runtime.block_on(import_state(&directory, BufReader::new(input))) {
        Ok(Imported { header, tenants, feeds, content, events }) => {
            complain(&format_args!(
                "{}: {feeds} feeds, {content} content blobs, {events} ids of delivered events and {tenants} records of tenants are in \
                 the new ledger, as source {} had them at {}.",
                directory.display(),
                header.source,
                header.exported.format("%Y-%m-%d %H:%M:%S UTC"),
            ));
            exit::OK
        }
        Err(error @ crate::tenancy::ImportError::File { .. }) => {
            complain(&format_args!("{}: {error}. Nothing was imported.", file.display()));
            exit::usage()
        }
        Err(error) => failure(&error),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::content::{ContentType, TenantId};

    #[test]
    fn feeds_are_shown_in_columns() {
        let time = DateTime::from_timestamp(1_760_000_000, 0);
        let feed = FeedState {
            tenant: TenantId(Uuid::from_u128(1)),
            domain: Some("contoso.com".to_owned()),
            content_type: ContentType::Exchange,
            collected: true,
            listed_through: time,
            reconciled_at: time,
            pending: 12,
            dead: 1,
            oldest_pending: time,
            lag_seconds: Some(3_661),
        };
        let other = FeedState {
            domain: None,
            collected: false,
            listed_through: None,
            pending: 0,
            oldest_pending: None,
            lag_seconds: None,
            ..feed.clone()
        };
        let table = table(&[feed, other]);
        let lines: Vec<_> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines[1], "contoso.com Audit.Exchange 2025-10-09 08:53:20 UTC 12 1 2025-10-09 08:53:20 UTC 1h1m1s");
        assert_eq!(lines[2], "00000000-0000-0000-0000-000000000001 Audit.Exchange (not collected) - 0 1 - -");
    }

    #[test]
    fn a_revival_tells_what_is_lost() {
        assert_eq!(revival(0, 0, true), "Pending again: 0 blobs.");
        assert_eq!(
            revival(1, 2, false),
            "Pending again: 1 blob.\nThe source fetches them when it runs.\nPast their time, and lost to this pipeline: 2 blobs."
        );
    }
}
