//! The host with sources that only tests have.

use std::{
    fs,
    future::pending,
    ops::Range,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::oneshot;

use super::*;
use crate::{
    RunMode,
    api_clients::Environment,
    clock::Clock,
    component::{
        BatchNotifier, BatchStatus, JsonObject, LogEvent, LogNamespace, Resource, Source, SourceConfig, SourceContext,
        SourceOutput,
    },
    config::{self, Format, TopologyConfig},
    host_services::HostServices,
};

/// Events with a number each.
pub(super) fn events(numbers: Range<u64>) -> Vec<LogEvent> {
    numbers.map(|n| LogEvent::from(JsonObject::parse(format!("{{\"n\":{n}}}").into()).unwrap())).collect()
}

/// Sends one batch, waits for its acknowledgement, then does as configured.
#[derive(Clone, Debug, Default)]
pub(super) struct TestSource {
    resources: Vec<Resource>,
    then: Then,
    status: Arc<Mutex<Option<BatchStatus>>>,
    shut_down: Arc<AtomicBool>,
}

#[derive(Clone, Debug, Default)]
enum Then {
    #[default]
    End,
    Fail,
    Panic,
    WaitForShutdown,
    Hang,
    /// Reads a file and ends: what the sink has written by the time of the acknowledgement.
    Read(std::path::PathBuf, Arc<Mutex<String>>),
    RefuseToBuild,
}

#[async_trait]
impl SourceConfig for TestSource {
    async fn build(&self, cx: SourceContext) -> crate::Result<Source> {
        if matches!(self.then, Then::RefuseToBuild) {
            return Err("the ledger is taken by another process".into());
        }
        assert!(cx.extra_context.get::<HostServices>().is_some());
        assert!(cx.acknowledgements && cx.globals.data_dir.is_some());
        Ok(Box::pin(self.clone().run(cx)))
    }

    fn outputs(&self, log_namespace: LogNamespace) -> Vec<SourceOutput> {
        vec![SourceOutput::new_logs(log_namespace)]
    }

    fn resources(&self) -> Vec<Resource> {
        self.resources.clone()
    }

    fn can_acknowledge(&self) -> bool {
        true
    }
}

impl TestSource {
    /// A source that needs `resources`.
    pub(super) fn needing(resources: Vec<Resource>) -> Self {
        Self { resources, ..Self::default() }
    }

    fn then(then: Then) -> Self {
        Self { then, ..Self::default() }
    }

    async fn run(self, mut cx: SourceContext) -> Result<(), ()> {
        let mut batch = events(0..3);
        let receiver = BatchNotifier::apply_to(&mut batch);
        cx.out.send_batch(batch).await.unwrap();
        let status = receiver.await;
        *self.status.lock().unwrap() = Some(status);
        match self.then {
            Then::End => Ok(()),
            Then::Fail => Err(()),
            Then::Panic => panic!("a bug in the source"),
            Then::WaitForShutdown => {
                cx.shutdown.await;
                self.shut_down.store(true, Ordering::Relaxed);
                Ok(())
            }
            Then::Hang => pending().await,
            Then::Read(path, content) => {
                *content.lock().unwrap() = fs::read_to_string(path).unwrap();
                Ok(())
            }
            Then::RefuseToBuild => unreachable!("was not built"),
        }
    }

    fn status(&self) -> Option<BatchStatus> {
        *self.status.lock().unwrap()
    }
}

const LINES: &str = "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n";

/// A topology whose sources `a` and `b` are replaced by a test's; `sinks` are paths with their inputs.
fn topology(data_dir: &Path, sinks: &[(&Path, &[&str])]) -> TopologyConfig {
    let source = |name: &str| {
        format!(
            "[sources.{name}]\ntype = \"office365\"\n\
             auth = {{ client_id = \"11111111-2222-4333-8444-555555555555\", client_secret = {{ env = \"X\" }} }}\n\
             tenants = [{{ id = \"6a98b5da-7b3c-4486-bb0b-66a048c6da62\" }}]\n"
        )
    };
    let sinks = sinks.iter().enumerate().map(|(index, (path, inputs))| {
        format!("[sinks.s{index}]\ntype = \"file\"\npath = {path:?}\ninputs = {inputs:?}\n")
    });
    let text = format!(
        "data_dir = {data_dir:?}\nshutdown_timeout_secs = 5\n{}{}{}",
        source("a"),
        source("b"),
        sinks.collect::<String>()
    );
    config::parse(&text, Format::Toml).unwrap()
}

fn component(key: &str, source: &TestSource) -> Component {
    Component::new(key, "test", Box::new(source.clone()))
}

async fn run_two(topology: &TopologyConfig, mode: RunMode, a: &TestSource, b: &TestSource) -> Report {
    let options = Options { services: HostServices { run_mode: mode, ..HostServices::default() } };
    run_components(vec![component("a", a), component("b", b)], topology, &options, pending()).await.unwrap()
}

fn ended(report: &Report) -> Vec<Ended> {
    report.sources.iter().map(|source| source.ended).collect()
}

#[tokio::test]
async fn events_are_acknowledged_when_they_are_in_every_file() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("1"), dir.path().join("2"));
    let topology = topology(dir.path(), &[(&one, &["a", "b"]), (&two, &["a"])]);
    let (seen_one, seen_two) = <(Arc<Mutex<String>>, Arc<Mutex<String>>)>::default();
    let a = TestSource::then(Then::Read(one.clone(), Arc::clone(&seen_one)));
    run_two(&topology, RunMode::ONCE, &a, &TestSource::default()).await;
    assert_eq!(a.status(), Some(BatchStatus::Delivered));
    assert!(seen_one.lock().unwrap().contains(LINES), "{seen_one:?}");
    assert_eq!(fs::read_to_string(&one).unwrap(), LINES.repeat(2), "both sources");
    assert_eq!(fs::read_to_string(&two).unwrap(), LINES, "only the one it asked for");

    let a = TestSource::then(Then::Read(two.clone(), Arc::clone(&seen_two)));
    let report = run_two(&topology, RunMode::ONCE, &a, &TestSource::default()).await;
    assert_eq!(*seen_two.lock().unwrap(), LINES.repeat(2));
    assert!(report.failure.is_none());
    assert_eq!(ended(&report), [Ended::Finished; 2]);
}

#[tokio::test(start_paused = true)]
#[cfg(target_os = "linux")]
async fn a_sink_that_fails_errors_its_events_everywhere_and_stops_the_host() {
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("good");
    let topology = topology(dir.path(), &[(Path::new("/dev/full"), &["a"]), (&good, &["a", "b"])]);
    let a = TestSource::default();
    let b = TestSource::then(Then::WaitForShutdown);
    let report = run_two(&topology, RunMode::Continuous, &a, &b).await;
    assert_eq!(a.status(), Some(BatchStatus::Errored));
    assert_eq!(b.status(), Some(BatchStatus::Delivered));
    assert!(b.shut_down.load(Ordering::Relaxed));
    let failure = report.failure.unwrap().to_string();
    assert!(failure.starts_with("sinks.s0.path: cannot write to /dev/full (5 attempts)"), "{failure}");
    assert_eq!(fs::read_to_string(&good).unwrap(), LINES.repeat(2));
}

#[tokio::test]
async fn a_source_that_fails_stops_the_host_but_not_a_run_of_once() {
    let dir = tempfile::tempdir().unwrap();
    let topology = topology(dir.path(), &[(&dir.path().join("1"), &["a", "b"])]);
    for then in [Then::Fail, Then::Panic] {
        let b = TestSource::then(Then::WaitForShutdown);
        let report = run_two(&topology, RunMode::Continuous, &TestSource::then(then), &b).await;
        assert_eq!(ended(&report), [Ended::Failed, Ended::Finished]);
        assert!(b.shut_down.load(Ordering::Relaxed));
        let failure = report.failure.unwrap().to_string();
        assert!(failure.starts_with("sources.a: stopped with an error"), "{failure}");
    }
    let b = TestSource::default();
    let report = run_two(&topology, RunMode::ONCE, &TestSource::then(Then::Fail), &b).await;
    assert!(matches!(report.failure, Some(HostError::SourceFailed { .. })));
    assert_eq!((ended(&report), b.status()), (vec![Ended::Failed, Ended::Finished], Some(BatchStatus::Delivered)));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_its_time_and_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let topology = topology(dir.path(), &[(&dir.path().join("1"), &["a", "b"])]);
    let (a, b) = (TestSource::then(Then::WaitForShutdown), TestSource::then(Then::Hang));
    let (ask, asked) = oneshot::channel::<()>();
    let stop = async {
        let _ = asked.await;
    };
    let start = tokio::time::Instant::now();
    let running = async {
        run_components(vec![component("a", &a), component("b", &b)], &topology, &Options::default(), stop).await
    };
    let (report, ()) = tokio::join!(running, async {
        while b.status().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        ask.send(()).unwrap();
    });
    let report = report.unwrap();
    assert!(report.failure.is_none());
    assert_eq!(ended(&report), [Ended::Finished, Ended::Abandoned]);
    assert!(start.elapsed() >= Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_source_that_cannot_start_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let topology = topology(dir.path(), &[(&dir.path().join("1"), &["a", "b"])]);
    let components = vec![component("a", &TestSource::then(Then::RefuseToBuild))];
    let result = run_components(components, &topology, &Options::default(), pending()).await;
    let error = result.unwrap_err().to_string();
    assert_eq!(error, "sources.a: cannot start: the ledger is taken by another process");
}

#[tokio::test]
async fn a_program_can_give_its_sources_what_no_file_holds() {
    const SIMULATED: DateTime<Utc> = DateTime::UNIX_EPOCH;

    #[derive(Clone, Debug)]
    struct Looks(Arc<AtomicBool>);

    #[async_trait]
    impl SourceConfig for Looks {
        async fn build(&self, cx: SourceContext) -> crate::Result<Source> {
            let services = cx.extra_context.get::<HostServices>().unwrap();
            let found =
                services.environment.clock.now() < SIMULATED + TimeDelta::days(1) && services.run_mode == RunMode::ONCE;
            self.0.store(found, Ordering::Relaxed);
            Ok(Box::pin(async { Ok(()) }))
        }

        fn outputs(&self, _: LogNamespace) -> Vec<SourceOutput> {
            Vec::new()
        }

        fn can_acknowledge(&self) -> bool {
            false
        }
    }

    let dir = tempfile::tempdir().unwrap();
    let topology = topology(dir.path(), &[(&dir.path().join("1"), &["a", "b"])]);
    let found = Arc::new(AtomicBool::new(false));
    let environment = Environment { clock: Clock::starting_at(SIMULATED), ..Environment::default() };
    let services = HostServices { run_mode: RunMode::ONCE, environment, ..HostServices::default() };
    let options = Options { services };
    let components = vec![Component::new("a", "test", Box::new(Looks(Arc::clone(&found))))];
    run_components(components, &topology, &options, pending()).await.unwrap();
    assert!(found.load(Ordering::Relaxed));
}
