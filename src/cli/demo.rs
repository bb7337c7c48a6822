//! `office365-source demo`: the main job on a simulated Microsoft 365, in one process, with nothing left behind.

#[cfg(all(unix, feature = "nats"))]
mod cluster;
mod fields;
#[cfg(unix)]
mod holes;
mod page;
mod report;
mod show;
mod webhook;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, IsTerminal, Write},
    pin::pin,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    runtime::Builder,
    time::{Instant, interval, sleep},
};

use self::{fields::Fields, report::Report, show::Show, webhook::Hook};
use super::{
    args::{DemoArgs, DemoMode},
    exit,
    output::complain,
    simulated::configuration,
};
use crate::{
    Result,
    clock::Clock,
    component::{
        EventStatus, ExtraContext, GlobalOptions, LogNamespace, ShutdownSignal, SourceConfig, SourceContext,
        SourceOutput, SourceSender,
    },
    config::{Format, SourceEntry, parse},
    content::TenantId,
    host,
    host_services::HostServices,
    simulator::{Faults, GraphConfig, Late, Live, RunningSimulator, Simulator, SimulatorConfig},
    telemetry::Progress,
};

/// How long to wait after the end for what is still on its way. It is rarely needed in full: only for a blob that fails
/// five times in a row, each wait twice the one before, or for a tenant that pauses.
const PATIENCE: Duration = Duration::from_secs(180);

pub(super) fn demo(args: &DemoArgs) -> ExitCode {
    let report = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(crate::Error::from)
        .and_then(|runtime| runtime.block_on(act(args)));
    match report {
        Ok(report) if report.is_flawless() => exit::OK,
        Ok(_) => exit::FAILURE,
        Err(error) => {
            complain(&format_args!("The demo failed: {error}"));
            exit::FAILURE
        }
    }
}

async fn act(args: &DemoArgs) -> Result<Report> {
    #[cfg(all(unix, feature = "nats"))]
    if args.cluster {
        let report = cluster::run(args).await?;
        tell(args, &report);
        return Ok(report);
    }
    run(args).await
}

/// Shows what the demo came to. Readers of the events as data do not see it.
fn tell(args: &DemoArgs, report: &Report) {
    if args.json {
        complain(report);
    } else {
        let _ = writeln!(io::stdout(), "\n{report}");
    }
}

/// Says what happens behind the events.
#[cfg(unix)]
fn tell_line(args: &DemoArgs, line: &str) {
    if args.json {
        complain(&line);
    } else {
        let _ = writeln!(io::stdout(), "{line}");
    }
}

/// A service with common failures: errors, broken downloads, throttling, repeated and late content.
fn troubled_service() -> SimulatorConfig {
    SimulatorConfig {
        live: Some(Live { every: Duration::from_secs(2), events_per_blob: 1..=8 }),
        graph: GraphConfig {
            queued: Duration::ZERO..=Duration::from_secs(1),
            running: Duration::from_millis(500)..=Duration::from_secs(2),
            ..GraphConfig::default()
        },
        faults: Faults {
            spares_starts: true,
            error_rate: 0.03,
            reset_rate: 0.02,
            truncate_rate: 0.02,
            throttle_rate: 0.002,
            duplicates: 0.03,
            late: Some(Late { share: 0.1, by: Duration::from_secs(1)..=Duration::from_secs(6) }),
            ..Faults::default()
        },
        ..SimulatorConfig::demo()
    }
}

/// How often each event arrived.
type Arrived = Arc<Mutex<BTreeMap<(TenantId, String), u32>>>;

async fn run(args: &DemoArgs) -> Result<Report> {
    let data_dir = TempDir::with_prefix("office365-source-demo-")?;
    let mut simulated = troubled_service();
    if args.mode == DemoMode::Webhook {
        simulated = webhook::notifying(simulated);
    }
    let simulator = Simulator::new(simulated.clone(), Clock::system());
    let service: RunningSimulator = simulator.serve(([127, 0, 0, 1], 0).into()).await?;
    let hook = match args.mode {
        DemoMode::Poll => None,
        DemoMode::Webhook => Some(Hook::new(data_dir.path(), &simulator)?),
    };
    let in_file: Vec<_> = simulated.tenants.iter().filter(|tenant| tenant.consented).cloned().collect();
    let directory = data_dir.path().display().to_string();
    let webhook = hook.as_ref().map(|hook| &hook.webhook);
    let text = configuration(&simulated, &in_file, &service.base_url(), &directory, webhook);
    let topology = parse(&text, Format::Toml)?;
    let Some((name, SourceEntry::Office365(config))) = topology.sources.into_iter().next() else {
        return Err("the configuration names no source".into());
    };

    let (trigger, shutdown, _done) = ShutdownSignal::new_wired();
    let mut builder = SourceSender::builder();
    let mut output = builder.add_source_output(SourceOutput::new_logs(LogNamespace::Legacy), name.as_str().into());
    let globals = GlobalOptions { data_dir: Some(data_dir.path().to_owned()), ..GlobalOptions::default() };
    let services = HostServices::default();
    let progress = services.progress.clone();
    let page = match args.page {
        Some(port) => Some(page::serve(port, &name, &simulated, &services).await?),
        None => None,
    };
    let mut context = SourceContext::new(name.as_str(), globals, builder.build());
    context.shutdown = shutdown;
    context.extra_context = ExtraContext::default().with(services);
    let source = tokio::spawn(config.build(context).await?);

    let arrived = Arrived::default();
    let pipeline = {
        let (arrived, mut show) = (Arc::clone(&arrived), Show::new(args));
        tokio::spawn(async move {
            while let Some(batch) = output.recv().await {
                for event in &batch.events {
                    let fields = Fields::of(event);
                    count(&mut lock(&arrived), &fields);
                    show.event(event, &fields)?;
                    event.metadata().update_status(EventStatus::Delivered);
                }
                show.flush()?;
            }
            io::Result::Ok(())
        })
    };

    let mut stop = pin!(host::stop_signal()?);
    if let Some(hook) = &hook {
        for newcomer in simulated.tenants.iter().filter(|tenant| !tenant.consented) {
            hook.consent("sources.m365", &config, newcomer.id, &newcomer.domain).await?;
        }
    }
    let is_stopped = tokio::select! {
        () = &mut stop => true,
        () = watch(Duration::from_secs(args.seconds), &progress) => false,
    };
    // The service goes on; what exists now has to arrive.
    let expected = simulator.oracle().expected_ids();
    let missing = until_arrived(&expected, &arrived, || pipeline.is_finished()).await;
    #[cfg(unix)]
    let proof = if is_stopped || pipeline.is_finished() {
        None
    } else {
        let tell = |line: &str| tell_line(args, line);
        Some(holes::act(&simulator, &simulated.tenants, &name, &config, data_dir.path(), tell).await?)
    };
    let twice = lock(&arrived).values().filter(|times| **times > 1).count();
    let lost = hook.as_ref().map(Hook::lost);
    let report = Report::new(&simulated, &simulator, progress.totals(), &simulator.stats(), lost, missing, twice);
    #[cfg(unix)]
    let report = report.with_proof(proof.as_ref());
    let goes_on = !is_stopped && !pipeline.is_finished();
    if let Some(page) = &page
        && goes_on
    {
        tell(args, &report);
        page.tell();
        stop.await;
    }
    trigger.cancel();
    let ended = source.await?;
    pipeline.await??;
    service.stop().await;
    data_dir.close()?;
    if ended.is_err() {
        return Err("the source stopped by itself; see the log above".into());
    }
    if page.is_none() || !goes_on {
        tell(args, &report);
    }
    if let Some(page) = page {
        page.stop().await;
    }
    Ok(report)
}

/// Waits until everything has arrived, or the pipeline has ended; returns how much is missing.
async fn until_arrived(
    expected: &BTreeSet<(TenantId, String)>,
    arrived: &Arrived,
    has_ended: impl Fn() -> bool,
) -> usize {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let missing = expected.iter().filter(|id| !lock(arrived).contains_key(*id)).count();
        if missing == 0 || Instant::now() >= deadline || has_ended() {
            return missing;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn count(arrived: &mut BTreeMap<(TenantId, String), u32>, event: &Fields) {
    let id = event.text("/event/id");
    if let (Ok(tenant), false) = (event.text("/organization/id").parse(), id.is_empty()) {
        *arrived.entry((tenant, id.to_owned())).or_default() += 1;
    }
}

fn lock(arrived: &Arrived) -> MutexGuard<'_, BTreeMap<(TenantId, String), u32>> {
    arrived.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits, with a line of progress on the terminal.
async fn watch(time: Duration, progress: &Progress) {
    let end = Instant::now() + time;
    let on_terminal = io::stderr().is_terminal();
    let mut ticks = interval(Duration::from_millis(200));
    while Instant::now() < end {
        ticks.tick().await;
        if on_terminal {
            let totals = progress.totals();
            let left = end.saturating_duration_since(Instant::now()).as_secs();
            let _ = write!(
                io::stderr(),
                "\r\x1b[2K{} of {} content blobs, {} events, {} duplicates dropped; {left} s left\r",
                totals.blobs_delivered,
                totals.blobs_found,
                totals.events_delivered,
                totals.duplicates_dropped,
            );
        }
    }
    if on_terminal {
        let _ = write!(io::stderr(), "\r\x1b[2K");
    }
}
