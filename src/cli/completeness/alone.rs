//! Comparing without a source that runs: this process runs it, for nothing else.

use std::{
    io::{self, BufWriter, ErrorKind, Write},
    pin::pin,
    time::Duration,
};

use super::watch;
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
    ledger::RedbLedger,
    tenancy::{Answer, Answered, ConfiguredSource, Question, ask_source},
};

/// How long a write that has begun may go on after everything else has ended.
pub(super) const LAST_WRITE: Duration = Duration::from_secs(1);

/// How long failures of Microsoft, or of sinks, are ridden out. Queries that work, and a budget that is spent, are no failures.
const PATIENCE: Duration = Duration::from_mins(10);

/// Whether a source runs with this ledger.
pub(super) async fn runs(source: ConfiguredSource<'_>) -> crate::Result<bool> {
    if !RedbLedger::exists(&source.directory()) {
        return Ok(false);
    }
    match ask_source(source, &Question::List).await? {
        Answered { answer: Answer::Refused { problem }, .. } => Err(problem.into()),
        Answered { running, .. } => Ok(running),
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
    run(source, task, stop, |_| Err(io::Error::other("a comparison has no events"))).await
}

/// Prints missing events, and counts them as delivered.
pub(super) async fn print(
    source: ConfiguredSource<'_>,
    task: SearchTask,
    stop: impl Future<Output = ()>,
) -> crate::Result<()> {
    let mut out = BufWriter::new(io::stdout());
    run(source, task, stop, move |batch| {
        let mut text = Vec::new();
        for event in &batch.events {
            text.clear();
            event.write_json(&mut text);
            text.push(b'\n');
            out.write_all(&text)?;
        }
        out.flush()
    })
    .await
}

/// Runs a source for a task. An event counts as delivered when `take` has taken its batch.
async fn run(
    source: ConfiguredSource<'_>,
    task: SearchTask,
    stop: impl Future<Output = ()>,
    mut take: impl FnMut(&SourceSenderItem) -> io::Result<()>,
) -> crate::Result<()> {
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
    failure.map_or(Ok(()), |error| Err(format!("cannot write to the standard output: {error}").into()))
}

/// Says what became of a batch: events that are dropped without a word would count as delivered.
fn settled(take: &mut impl FnMut(&SourceSenderItem) -> io::Result<()>, batch: &SourceSenderItem) -> io::Result<()> {
    let taken = take(batch);
    let status = if taken.is_ok() { EventStatus::Delivered } else { EventStatus::Errored };
    batch.events.iter().for_each(|event| event.metadata().update_status(status));
    taken
}

/// Delivers missing events to the sinks of the source.
pub(super) async fn deliver(
    topology: &TopologyConfig,
    source: ConfiguredSource<'_>,
    task: SearchTask,
    stop: impl Future<Output = ()> + Send,
) -> crate::Result<()> {
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
            Ok(())
        }
        never = &mut shown => match never {},
    }
}
