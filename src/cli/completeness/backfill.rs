//! `office365-source backfill`

use std::process::ExitCode;

use tokio::runtime::Builder;

use super::{alone, require_search, show, task, watch};
use crate::{
    audit_search::{Report, SearchTask},
    cli::{
        args::BackfillArgs,
        asking::{choose, load},
        exit,
        output::complain,
    },
    config::TopologyConfig,
    host,
    tenancy::{ConfiguredSource, Question, ask_source},
};

pub(in crate::cli) fn backfill(args: &BackfillArgs) -> ExitCode {
    let days = &args.days;
    let topology = match load(&days.source.config) {
        Ok(topology) => topology,
        Err(refused) => return refused,
    };
    let source = match choose(&topology, days.source.source.as_deref()) {
        Ok(source) => source,
        Err(refused) => return refused,
    };
    let task = match require_search(source).and_then(|()| task(days, true, false)) {
        Ok(task) => task,
        Err(refused) => return refused,
    };
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return super::super::asking::failure(&error),
    };
    let report = runtime.block_on(fill(&topology, source, task, args.to_stdout));
    runtime.shutdown_timeout(alone::LAST_WRITE);
    match report {
        // The standard output has the events.
        Ok(report) if args.to_stdout => {
            complain(&super::coverage_table(&report));
            super::code(&report)
        }
        Ok(report) => show(&report, days.json),
        Err(error) => {
            complain(&error);
            exit::FAILURE
        }
    }
}

/// Has missing events delivered by the source that runs, or without one.
async fn fill(
    topology: &TopologyConfig,
    source: ConfiguredSource<'_>,
    task: SearchTask,
    to_stdout: bool,
) -> crate::Result<Report> {
    let stop = host::stop_signal()?;
    let runs = alone::runs(source).await?;
    if runs && to_stdout {
        let name = source.name;
        return Err(
            format!("the source {name} runs and has the ledger; stop it first, or leave --to-stdout out").into()
        );
    }
    if runs {
        watch::reported(ask_source(source, &Question::Compare { task }).await)?;
        return tokio::select! {
            report = watch::until_compared(source, task) => report,
            () = stop => Ok(watch::coverage(source, task).await?.0),
        };
    }
    if to_stdout {
        alone::print(source, task, stop).await?;
    } else {
        alone::deliver(topology, source, task, stop).await?;
    }
    Ok(watch::coverage(source, task).await?.0)
}
