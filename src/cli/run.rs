//! `office365-source run`

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
};
use tracing::{error, info};

use super::{args::RunArgs, exit, output::complain};
use crate::{
    RunMode,
    check::{AskStores, ConfigurationFindings},
    component::ComponentKey,
    config::TopologyConfig,
    host::{self, Ended, HostError, Options, ReloadSignal, Report, SourceReport},
    host_services::HostServices,
    secrets,
    telemetry::Totals,
};

/// How long a write in progress may take after everything else has ended. A write that hangs (a full pipe) would keep
/// the process from ending.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// How long a store of secrets may take to answer when the configuration is read again.
const STORES: Duration = Duration::from_secs(60);

pub(super) fn run(args: &RunArgs) -> ExitCode {
    let topology = match secrets::load(&args.config.config) {
        Ok(topology) => topology,
        Err(errors) => {
            complain(&errors);
            return exit::usage();
        }
    };
    let mode = if args.once { RunMode::Once { patience: args.patience.get() } } else { RunMode::Continuous };
    let result = Builder::new_multi_thread().enable_all().build().map(|runtime| {
        let result = block_on(&runtime, topology, args, mode);
        runtime.shutdown_timeout(LAST_WRITE);
        result
    });
    match result.flatten() {
        Ok(Ok(report)) => conclude(&report, mode),
        Ok(Err(error)) => {
            complain(&error);
            exit::FAILURE
        }
        Err(error) => {
            complain(&format_args!("Cannot start: {error}"));
            exit::FAILURE
        }
    }
}

fn block_on(
    runtime: &Runtime,
    topology: TopologyConfig,
    args: &RunArgs,
    mode: RunMode,
) -> io::Result<Result<Report, HostError>> {
    runtime.block_on(async {
        let stop = host::stop_signal()?;
        let options = Options { services: HostServices { run_mode: mode, ..HostServices::default() } };
        if mode.patience().is_some() {
            return Ok(host::run(&topology, &options, stop).await);
        }
        let (changed, reloads) = mpsc::channel(1);
        tokio::spawn(reload(args.config.config.clone(), ReloadSignal::listen()?, changed));
        Ok(host::run_reloading(topology, &options, reloads, stop).await)
    })
}

/// Reads the configuration again with each signal, and hands it over if it can be used.
async fn reload(path: PathBuf, mut signal: ReloadSignal, changed: mpsc::Sender<TopologyConfig>) {
    loop {
        signal.next().await;
        match read(&path).await {
            Ok(topology) => {
                info!(message = "Reloading the configuration.", path = %path.display());
                if changed.send(topology).await.is_err() {
                    return;
                }
            }
            Err(problems) => refuse(&path, &problems),
        }
    }
}

async fn read(path: &Path) -> Result<TopologyConfig, Vec<String>> {
    let file = path.to_owned();
    // Backends of secrets are waited for.
    let loaded = tokio::task::spawn_blocking(move || secrets::load(&file)).await;
    let loaded = loaded.map_err(|join| vec![join.to_string()])?;
    let topology = loaded.map_err(|errors| errors.into_iter().map(|error| error.to_string()).collect::<Vec<_>>())?;
    let ConfigurationFindings { problems, .. } = ConfigurationFindings::of(&topology, AskStores::Within(STORES)).await;
    if problems.is_empty() { Ok(topology) } else { Err(problems) }
}

fn refuse(path: &Path, problems: &[String]) {
    for problem in problems {
        error!(message = "The changed configuration cannot be used; nothing was changed.", path = %path.display(), error = %problem);
    }
}

fn conclude(report: &Report, mode: RunMode) -> ExitCode {
    if mode.patience().is_some() {
        complain(&summary(report).join("\n"));
    }
    match &report.failure {
        None => exit::OK,
        Some(failure) => {
            complain(failure);
            exit::FAILURE
        }
    }
}

/// What a run of once came to, one line a source and one a problem.
fn summary(report: &Report) -> Vec<String> {
    report.sources.iter().flat_map(source_summary).collect()
}

fn source_summary(SourceReport { key, progress, ended }: &SourceReport) -> Vec<String> {
    let end = match ended {
        Ended::Finished => "",
        Ended::Failed => " Something stayed undelivered.",
        Ended::Abandoned => " Stopped before everything was delivered; the next run goes on there.",
    };
    let elsewhere = match progress.tenants_elsewhere() {
        0 => String::new(),
        1 => " Another collector works on one tenant, which was left out.".to_owned(),
        many => format!(" Other collectors work on {many} tenants, which were left out."),
    };
    let mut lines = vec![format!("{}{elsewhere}{end}", totals(key, progress.totals()))];
    for (feed, state) in progress.feeds() {
        if let Some(problem) = state.problem {
            lines.push(format!("sources.{key}: {feed}: {problem}"));
        }
    }
    lines
}

fn totals(key: &ComponentKey, totals: Totals) -> String {
    let Totals { blobs_found, blobs_delivered, blobs_dead, events_delivered, .. } = totals;
    let Totals { duplicates_dropped, events_discarded, events_filtered, .. } = totals;
    let filtered = if events_filtered > 0 { format!(", {events_filtered} left out by filters") } else { String::new() };
    format!(
        "sources.{key}: {events_delivered} events delivered from {blobs_delivered} content blobs ({blobs_found} new), \
         {duplicates_dropped} duplicates dropped, {blobs_dead} blobs given up, {events_discarded} elements discarded{filtered}."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        content::{ContentType, Feed, TenantId},
        telemetry::{self, Progress},
    };

    #[test]
    fn the_summary_names_every_problem() {
        let progress = Progress::default();
        let feed = Feed { tenant: TenantId(uuid::Uuid::from_u128(1)), content_type: ContentType::Exchange };
        telemetry::content_found(&progress, feed, 3, telemetry::FoundBy::Listing);
        telemetry::feed_failed(
            &progress,
            feed,
            telemetry::Stage::Listing,
            "AF10001",
            "the permission set is empty (AF10001)",
        );
        let report = Report {
            sources: vec![SourceReport { key: "m365".into(), progress, ended: Ended::Failed }],
            failure: None,
        };
        assert_eq!(
            summary(&report),
            [
                "sources.m365: 0 events delivered from 0 content blobs (3 new), 0 duplicates dropped, 0 blobs given up, 0 \
                 elements discarded. Something stayed undelivered.",
                "sources.m365: Audit.Exchange of tenant 00000000-0000-0000-0000-000000000001: the permission set is \
                 empty (AF10001)",
            ]
        );
    }
}
