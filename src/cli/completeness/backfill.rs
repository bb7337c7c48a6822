//! `office365-source backfill`

use std::process::ExitCode;

use tokio::runtime::Builder;

use super::{Refusal, alone, events_out, require_search, show, task, watch};
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
    tenancy::{Comparing, ConfiguredSource, Question, ask_source},
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
    let filled = runtime.block_on(fill(&topology, source, task, args.to_stdout));
    runtime.shutdown_timeout(alone::LAST_WRITE);
    match filled {
        Ok(Filled { report, has_failed }) => {
            let shown = if args.to_stdout {
                // The standard output has the events.
                complain(&super::coverage_table(&report));
                super::code(&report)
            } else {
                show(&report, days.json)
            };
            if has_failed { exit::FAILURE } else { shown }
        }
        Err(refusal) => refusal.end(exit::FAILURE),
    }
}

/// What came of a backfill.
struct Filled {
    report: Report,
    /// Whether a sink, or the source, has failed.
    has_failed: bool,
}

/// Has missing events delivered by the source that runs, or without one.
async fn fill(
    topology: &TopologyConfig,
    source: ConfiguredSource<'_>,
    task: SearchTask,
    to_stdout: bool,
) -> Result<Filled, Refusal> {
    if to_stdout && events_out::is_lost() {
        let problem = "the standard output is the null device, or closed: the events would count as delivered and be lost; write > FILE";
        return Err(Refusal::Usage(problem.to_owned()));
    }
    let stop = host::stop_signal()?;
    let runs = alone::runs(source, task).await?;
    if runs && to_stdout {
        return Err(in_use(source, task).await);
    }
    if runs {
        watch::reported(ask_source(source, &Question::Compare { task }).await)?;
        let report = tokio::select! {
            report = watch::until_compared(source, task) => report?,
            () = stop => watch::coverage(source, task).await?.0,
        };
        return Ok(Filled { report, has_failed: false });
    }
    let has_failed = if to_stdout {
        alone::print(source, task, stop).await?
    } else {
        alone::deliver(topology, source, task, stop).await?
    };
    Ok(Filled { report: watch::coverage(source, task).await?.0, has_failed })
}

/// Why events cannot be printed while another process has the ledger.
async fn in_use(source: ConfiguredSource<'_>, task: SearchTask) -> Refusal {
    let name = source.name;
    let problem = match watch::coverage(source, task).await {
        Ok((_, Comparing::Command)) => {
            format!(
                "another `verify` or `backfill` has the ledger of the source {name}; run this again when that has ended"
            )
        }
        _ => format!("the source {name} runs and has the ledger; stop it first, or leave --to-stdout out"),
    };
    Refusal::Failure(problem.into())
}
