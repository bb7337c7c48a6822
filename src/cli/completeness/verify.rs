//! `office365-source verify`

use std::process::ExitCode;

use tokio::runtime::Builder;

use super::{Refusal, alone, require_search, show, task, watch};
use crate::{
    audit_search::{Report, SearchTask},
    cli::{
        args::VerifyArgs,
        asking::{choose, load},
        exit,
    },
    host,
    tenancy::{ConfiguredSource, Question, ask_source},
};

pub(in crate::cli) fn verify(args: &VerifyArgs) -> ExitCode {
    let days = &args.days;
    let topology = match load(&days.source.config) {
        Ok(topology) => topology,
        Err(refused) => return refused,
    };
    let source = match choose(&topology, days.source.source.as_deref()) {
        Ok(source) => source,
        Err(refused) => return refused,
    };
    let task = match require_search(source).and_then(|()| task(days, false, args.again)) {
        Ok(task) => task,
        Err(refused) => return refused,
    };
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(Refusal::from);
    match runtime.and_then(|runtime| runtime.block_on(find_out(source, task, args.no_wait))) {
        Ok(report) => show(&report, days.json),
        Err(refusal) => refusal.end(exit::unknown()),
    }
}

/// Has the days compared by the source that runs, or without one, and waits for that.
async fn find_out(source: ConfiguredSource<'_>, task: SearchTask, no_wait: bool) -> Result<Report, Refusal> {
    let runs = alone::runs(source, task).await?;
    if no_wait {
        return Ok(watch::coverage(source, task).await?.0);
    }
    let stop = host::stop_signal()?;
    if !runs {
        alone::compare(source, task, stop).await?;
        return Ok(watch::coverage(source, task).await?.0);
    }
    watch::reported(ask_source(source, &Question::Compare { task }).await)?;
    tokio::select! {
        report = watch::until_compared(source, task) => Ok(report?),
        () = stop => Ok(watch::coverage(source, task).await?.0),
    }
}
