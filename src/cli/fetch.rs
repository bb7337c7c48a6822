//! `office365-source fetch`

use std::{
    io::{self, BufWriter, ErrorKind, IsTerminal, Stdout, Write},
    pin::pin,
    process::ExitCode,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;
use tokio::{runtime::Builder, time::interval};

use super::{
    args::{EventSchema, FetchArgs, Moment},
    asking::{choose, failure, load},
    exit,
    output::complain,
};
use crate::{
    RunMode,
    component::{
        EventStatus, ExtraContext, GlobalOptions, LogNamespace, ShutdownSignal, SourceConfig, SourceContext,
        SourceOutput, SourceSender, SourceSenderItem,
    },
    config::{self, Mode, Office365Config, StateConfig, TenantConfig, WebhookConfig},
    discovery::poll::TimeRange,
    host,
    host_services::HostServices,
    telemetry::{Progress, Totals},
    tenancy::{
        Answer, Answered, ConfiguredSource, NO_TENANT, Question, TenancyError, TenantEntry, UNEXPECTED, ask_source,
    },
};

/// Microsoft lists no further back.
const LOOKBACK: TimeDelta = TimeDelta::days(7);

/// How long a write that has begun may go on after everything else has ended.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// Between changes of the line of progress.
const TICK: Duration = Duration::from_millis(200);

pub(super) fn fetch(args: &FetchArgs) -> ExitCode {
    let topology = match load(&args.source.config) {
        Ok(topology) => topology,
        Err(refused) => return refused,
    };
    let source = match choose(&topology, args.source.source.as_deref()) {
        Ok(source) => source,
        Err(refused) => return refused,
    };
    let range = match range(args.since, args.until, Utc::now()) {
        Ok(range) => range,
        Err(problem) => {
            complain(&problem);
            return exit::usage();
        }
    };
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure(&error),
    };
    let ended = runtime.block_on(async {
        let config = configuration(source, args).await?;
        run(source, config, range, args).await
    });
    runtime.shutdown_timeout(LAST_WRITE);
    match ended {
        // A reader that had enough is no failure.
        Ok(End::Complete | End::OutputClosed) => exit::OK,
        Ok(End::Incomplete(problems)) => {
            for problem in &problems {
                complain(problem);
            }
            exit::FAILURE
        }
        Ok(End::Stopped) => failure(&"Stopped before everything was fetched."),
        Err(error) => failure(&error),
    }
}

/// The time that is meant.
fn range(since: Moment, until: Option<Moment>, now: DateTime<Utc>) -> Result<TimeRange, String> {
    let since = since.before(now);
    let until = until.map_or(now, |until| until.before(now)).min(now);
    // A little for the time that starting takes.
    if since < now - LOOKBACK - TimeDelta::minutes(1) {
        return Err("--since: Microsoft lists content of the last 7 days; write 7d or less".to_owned());
    }
    if since >= now {
        return Err(
            "--since is in the future; write a time that is over, or how long ago it was, such as 48h".to_owned()
        );
    }
    if since >= until {
        return Err("--until is not after --since; write a later time, or one that is less long ago".to_owned());
    }
    Ok(TimeRange { since, until })
}

/// The configuration of a source that fetches what is meant and nothing else.
async fn configuration(source: ConfiguredSource<'_>, args: &FetchArgs) -> crate::Result<Office365Config> {
    let tenants = tenants(source).await?;
    if tenants.is_empty() {
        return Err(NO_TENANT.into());
    }
    let is_meant = |tenant: &TenantConfig| args.tenant.is_none_or(|id| tenant.id == id);
    let tenants: Vec<_> = tenants.into_iter().filter(is_meant).collect();
    if let (Some(id), true) = (args.tenant, tenants.is_empty()) {
        return Err(TenancyError::Unknown { id }.into());
    }
    let mut config = Office365Config {
        // Content is listed, also where notifications announce it.
        mode: Mode::Poll,
        webhook: WebhookConfig::default(),
        // Others may be collecting it meanwhile. What is fetched is not what they have delivered.
        state: StateConfig::default(),
        tenants,
        ..source.config.clone()
    };
    if !args.content_types.is_empty() {
        config.content_types.clone_from(&args.content_types);
        config.content_types.sort_unstable();
        config.content_types.dedup();
    }
    match args.schema {
        None => {}
        Some(EventSchema::Ecs) => config.schema = config::EventSchema::Ecs,
        Some(EventSchema::Ocsf) => config.schema = config::EventSchema::Ocsf,
        Some(EventSchema::Raw) => config.schema = config::EventSchema::Raw,
    }
    Ok(config)
}

/// The tenants of the source: those of the configuration, and those that registered, if the source or its ledger can be
/// asked for them.
async fn tenants(source: ConfiguredSource<'_>) -> crate::Result<Vec<TenantConfig>> {
    let problem: crate::Error = match ask_source(source, &Question::List).await {
        Ok(Answered { answer: Answer::Tenants { tenants }, .. }) => {
            let configured =
                |TenantEntry { id, domain, .. }| TenantConfig { id, domain, auth: source.config.auth_of(id) };
            return Ok(tenants.into_iter().map(configured).collect());
        }
        Ok(Answered { answer: Answer::Refused { problem }, .. }) => problem.into(),
        Ok(_) => UNEXPECTED.into(),
        Err(error) => error.into(),
    };
    if source.config.tenants.is_empty() {
        return Err(problem);
    }
    complain(&format_args!("Tenants that registered are not known here, and not fetched from: {problem}"));
    Ok(source.config.tenants.clone())
}

/// How it ended.
enum End {
    Complete,
    /// Something could not be fetched.
    Incomplete(Vec<String>),
    /// The reader of the output has ended.
    OutputClosed,
    /// By a signal.
    Stopped,
}

async fn run(
    source: ConfiguredSource<'_>,
    config: Office365Config,
    range: TimeRange,
    args: &FetchArgs,
) -> crate::Result<End> {
    let stop = host::stop_signal()?;
    // What is fetched here is not what the source has delivered.
    let directory = TempDir::with_prefix("office365-source-fetch-")?;
    let (trigger, shutdown, _done) = ShutdownSignal::new_wired();
    let mut builder = SourceSender::builder();
    let mut output = builder.add_source_output(SourceOutput::new_logs(LogNamespace::Legacy), source.name.into());
    let globals = GlobalOptions { data_dir: Some(directory.path().to_owned()), ..GlobalOptions::default() };
    let progress = Progress::default();
    let mut context = SourceContext::new(source.name, globals, builder.build());
    context.shutdown = shutdown;
    context.proxy = source.proxy.clone();
    context.extra_context = ExtraContext::default().with(HostServices {
        run_mode: RunMode::Once { patience: args.patience.get() },
        range: Some(range),
        progress: progress.clone(),
        ..HostServices::default()
    });
    let running = tokio::spawn(config.build(context).await?);

    let mut stop = pin!(stop);
    let (mut out, mut line, mut ticks) = (BufWriter::new(io::stdout()), ProgressLine::new(), interval(TICK));
    let end = loop {
        tokio::select! {
            batch = output.recv() => match batch.map(|batch| write(&mut out, &batch)) {
                None => break None,
                Some(Ok(())) => {}
                Some(Err(error)) if error.kind() == ErrorKind::BrokenPipe => break Some(End::OutputClosed),
                Some(Err(error)) => return Err(format!("cannot write to the standard output: {error}").into()),
            },
            _ = ticks.tick() => line.show(progress.totals()),
            () = &mut stop => break Some(End::Stopped),
        }
    };
    line.clear();
    if let Some(end) = end {
        running.abort();
        trigger.cancel();
        return Ok(end);
    }
    Ok(match running.await? {
        Ok(()) => End::Complete,
        Err(()) => End::Incomplete(problems(&progress)),
    })
}

fn write(out: &mut BufWriter<Stdout>, batch: &SourceSenderItem) -> io::Result<()> {
    let mut text = Vec::new();
    for event in &batch.events {
        text.clear();
        event.write_json(&mut text);
        text.push(b'\n');
        out.write_all(&text)?;
    }
    out.flush()?;
    batch.events.iter().for_each(|event| event.metadata().update_status(EventStatus::Delivered));
    Ok(())
}

/// What could not be fetched.
fn problems(progress: &Progress) -> Vec<String> {
    let of_feeds = progress.feeds().into_iter().filter_map(|(feed, state)| Some(format!("{feed}: {}", state.problem?)));
    let mut problems: Vec<_> = of_feeds.collect();
    let dead = progress.totals().blobs_dead;
    if dead > 0 {
        problems.push(format!("Microsoft does not serve {dead} content blobs that it has listed; -v says which."));
    }
    if problems.is_empty() {
        problems.push("Not everything could be fetched; -v says why.".to_owned());
    }
    problems
}

/// How far it is, on a terminal on which nothing else is written.
struct ProgressLine {
    shown: bool,
    drawn: bool,
}

impl ProgressLine {
    fn new() -> Self {
        Self { shown: io::stderr().is_terminal() && !io::stdout().is_terminal(), drawn: false }
    }

    fn show(&mut self, Totals { blobs_found, blobs_delivered, events_delivered, .. }: Totals) {
        if self.shown {
            self.drawn = true;
            let text = format_args!("{blobs_delivered} of {blobs_found} content blobs, {events_delivered} events");
            let _ = write!(io::stderr(), "\r\x1b[2K{text}\r");
        }
    }

    fn clear(&self) {
        if self.drawn {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_760_000_000 + hours * 3_600, 0).unwrap()
    }

    #[test]
    fn times_are_absolute_or_ago_and_bad_ones_are_told() {
        let moment = |text: &str| text.parse::<Moment>().unwrap();
        let of = |since: &str, until: Option<&str>| range(moment(since), until.map(moment), at(0));
        assert_eq!(of("48h", None), Ok(TimeRange { since: at(-48), until: at(0) }));
        assert_eq!(of("2025-10-09T07:53:20Z", Some("30m")).unwrap().since, at(-1));
        assert_eq!(of("7d", Some("2030-01-01T00:00:00Z")), Ok(TimeRange { since: at(-7 * 24), until: at(0) }));
        for (since, until, expected) in [
            ("8d", None, "the last 7 days"),
            ("2030-01-01T00:00:00Z", None, "in the future"),
            ("0s", None, "in the future"),
            ("1h", Some("2h"), "--until is not after --since"),
            ("1h", Some("1h"), "--until is not after --since"),
        ] {
            let error = of(since, until).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
