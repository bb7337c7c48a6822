//! Comparing without a source that runs: this process runs it, for nothing else.

use std::{
    io::{self, ErrorKind},
    pin::pin,
    time::Duration,
};

use super::{Refusal, events_out::EventsOut, watch};
use crate::cli::output::complain;
use crate::{
    RunMode,
    audit_search::SearchTask,
    component::{
        EventStatus, ExtraContext, GlobalOptions, LogNamespace, ShutdownSignal, SourceConfig, SourceContext,
        SourceOutput, SourceSender, SourceSenderItem,
    },
    config::TopologyConfig,
    host::{self, Options},
    host_services::HostServices,
    tenancy::{Answer, Answered, ConfiguredSource, NO_TENANT, Question, TenancyError, UNEXPECTED, ask_source},
};

/// How long a write that has begun may go on after everything else has ended.
pub(super) const LAST_WRITE: Duration = Duration::from_secs(1);

/// How long failures of Microsoft, or of sinks, are ridden out. Queries that work, and a budget that is spent, are no failures.
const PATIENCE: Duration = Duration::from_mins(10);

/// Whether a source runs with this ledger. Looks whether it collects the tenant that is meant, too; never makes a ledger.
pub(super) async fn runs(source: ConfiguredSource<'_>, task: SearchTask) -> Result<bool, Refusal> {
    let Answered { answer, running, .. } = ask_source(source, &Question::List).await?;
    let tenants = match answer {
        Answer::Tenants { tenants } => tenants,
        Answer::Refused { problem } => return Err(Refusal::Failure(problem.into())),
        _ => return Err(Refusal::Failure(UNEXPECTED.into())),
    };
    if tenants.is_empty() {
        return Err(Refusal::Usage(NO_TENANT.to_owned()));
    }
    match task.tenant.filter(|id| !tenants.iter().any(|tenant| tenant.id == *id)) {
        Some(id) => Err(Refusal::Usage(TenancyError::Unknown { id }.to_string())),
        None => Ok(running),
    }
}

fn services(task: SearchTask) -> HostServices {
    HostServices { run_mode: RunMode::Once { patience: PATIENCE }, search: Some(task), ..HostServices::default() }
}

/// Compares days; delivers nothing.
pub(super) async fn compare(
    source: ConfiguredSource<'_>,
    task: SearchTask,
    stop: impl Future<Output = ()>,
) -> crate::Result<()> {
    run(source, task, stop, |_| Err(io::Error::other("a comparison has no events"))).await.map(drop)
}

/// Prints missing events, and counts them as delivered. Returns whether the standard output has failed.
pub(super) async fn print(
    source: ConfiguredSource<'_>,
    task: SearchTask,
    stop: impl Future<Output = ()>,
) -> crate::Result<bool> {
    let (mut out, mut is_read) = (EventsOut::new(), true);
    run(source, task, stop, move |batch| {
        let written = out.write(batch);
        if written.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) && std::mem::take(&mut is_read) {
            out.reader_is_gone();
        }
        written
    })
    .await
}

/// Runs a source for a task. An event counts as delivered when `take` has taken its batch. Returns whether `take` has failed.
async fn run(
    source: ConfiguredSource<'_>,
    task: SearchTask,
    stop: impl Future<Output = ()>,
    mut take: impl FnMut(&SourceSenderItem) -> io::Result<()>,
) -> crate::Result<bool> {
    let (trigger, shutdown, _done) = ShutdownSignal::new_wired();
    let mut builder = SourceSender::builder();
    let mut output = builder.add_source_output(SourceOutput::new_logs(LogNamespace::Legacy), source.name.into());
    let globals = GlobalOptions { data_dir: Some(source.data_dir.to_owned()), ..GlobalOptions::default() };
    let mut context = SourceContext::new(source.name, globals, builder.build());
    context.shutdown = shutdown;
    context.proxy = source.proxy.clone();
    let services = services(task);
    let progress = services.progress.clone();
    context.extra_context = ExtraContext::default().with(services);
    let running = tokio::spawn(source.config.build(context).await?);
    let (mut stop, mut shown) = (pin!(stop), pin!(watch::show(source, task)));
    let (mut trigger, mut failure) = (Some(trigger), None);
    loop {
        tokio::select! {
            batch = output.recv() => match batch.map(|batch| settled(&mut take, &batch)) {
                None => break,
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    drop(trigger.take());
                    // A reader that had enough is no failure.
                    failure = failure.or(Some(error).filter(|error| error.kind() != ErrorKind::BrokenPipe));
                }
            },
            // What is on its way ends first.
            () = &mut stop, if trigger.is_some() => drop(trigger.take()),
            never = &mut shown => match never {},
        }
    }
    // What could not be compared is in the report.
    let _ = running.await?;
    for (feed, state) in progress.feeds() {
        if let Some(problem) = state.problem {
            complain(&format_args!("{feed}: {problem}"));
        }
    }
    if let Some(error) = &failure {
        complain(&format_args!("cannot write to the standard output: {error}"));
    }
    Ok(failure.is_some())
}

/// Says what became of a batch: events that are dropped without a word would count as delivered.
fn settled(take: &mut impl FnMut(&SourceSenderItem) -> io::Result<()>, batch: &SourceSenderItem) -> io::Result<()> {
    let taken = take(batch);
    let status = if taken.is_ok() { EventStatus::Delivered } else { EventStatus::Errored };
    batch.events.iter().for_each(|event| event.metadata().update_status(status));
    taken
}

/// Delivers missing events to the sinks of the source. Returns whether a sink or the source has failed.
pub(super) async fn deliver(
    topology: &TopologyConfig,
    source: ConfiguredSource<'_>,
    task: SearchTask,
    stop: impl Future<Output = ()> + Send,
) -> crate::Result<bool> {
    let mut topology = topology.clone();
    topology.sources.retain(|name, _| name == source.name);
    topology.sinks.retain(|_, sink| sink.inputs().iter().any(|input| input == source.name));
    // That of the source that will run.
    topology.telemetry = None;
    let options = Options { services: services(task) };
    let mut shown = pin!(watch::show(source, task));
    tokio::select! {
        report = host::run(&topology, &options, stop) => {
            let report = report?;
            for source in &report.sources {
                for (feed, state) in source.progress.feeds() {
                    if let Some(problem) = state.problem {
                        complain(&format_args!("{feed}: {problem}"));
                    }
                }
            }
            // What stayed undelivered is in the report on the days as well.
            if let Some(failure) = &report.failure {
                complain(failure);
            }
            Ok(report.failure.is_some())
        }
        never = &mut shown => match never {},
    }
}
