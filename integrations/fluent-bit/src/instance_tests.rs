//! Instances with sources that only tests have.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use office365_source::component::{BatchNotifier, BatchStatus, JsonObject, LogEvent};
use tokio::sync::mpsc;

use super::*;
use crate::host::fake::{FakeHost, Printed};

/// Sends batches and reports what became of each.
#[derive(Clone, Debug)]
struct TestSource {
    then: Then,
    builds: Arc<AtomicUsize>,
    statuses: mpsc::UnboundedSender<BatchStatus>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Then {
    WaitForShutdown,
    Panic,
    RefuseToBuild,
    Hang,
}

#[async_trait]
impl SourceConfig for TestSource {
    async fn build(&self, cx: SourceContext) -> office365_source::Result<Source> {
        self.builds.fetch_add(1, Ordering::SeqCst);
        if self.then == Then::RefuseToBuild {
            tracing::warn!(target: "office365_source", "the ledger is locked");
            return Err("the ledger is taken by another process".into());
        }
        Ok(Box::pin(self.clone().run(cx)))
    }

    fn outputs(&self, log_namespace: LogNamespace) -> Vec<SourceOutput> {
        vec![SourceOutput::new_logs(log_namespace)]
    }

    fn can_acknowledge(&self) -> bool {
        true
    }
}

impl TestSource {
    async fn run(self, mut cx: SourceContext) -> Result<(), ()> {
        tracing::info!(target: "office365_source", "runs");
        let mut events: Vec<_> =
            (0..3).map(|n| LogEvent::from(JsonObject::parse(format!("{{\"n\":{n}}}").into()).unwrap())).collect();
        let status = BatchNotifier::apply_to(&mut events);
        cx.out.send_batch(events).await.map_err(drop)?;
        let statuses = self.statuses.clone();
        match self.then {
            Then::Panic => panic!("a defect of the source's"),
            Then::Hang => std::future::pending().await,
            Then::WaitForShutdown | Then::RefuseToBuild => {}
        }
        // As the source does: it ends only when it knows what became of what it sent.
        let _ = statuses.send(status.await);
        cx.shutdown.await;
        Ok(())
    }
}

struct World {
    instance: Instance,
    builds: Arc<AtomicUsize>,
    statuses: mpsc::UnboundedReceiver<BatchStatus>,
    printed: Printed,
}

fn start(then: Then) -> Result<World, (String, Printed)> {
    let (sender, statuses) = mpsc::unbounded_channel();
    let builds = Arc::new(AtomicUsize::new(0));
    let source = TestSource { then, builds: Arc::clone(&builds), statuses: sender };
    let (host, printed) = FakeHost::with(&[]);
    let settings = Settings {
        name: "test".to_owned(),
        data_dir: PathBuf::from("/nowhere"),
        proxy: ProxyConfig::default(),
        acknowledgements: AcknowledgementsConfig::default(),
        chunk_bytes: 1_000,
        shutdown_timeout: Duration::from_millis(if then == Then::Hang { 50 } else { 60_000 }),
    };
    match Instance::start(host.log().clone(), Box::new(source), settings) {
        Ok(instance) => Ok(World { instance, builds, statuses, printed }),
        Err(error) => Err((error.to_string(), printed)),
    }
}

impl World {
    /// Callbacks until one gives something.
    fn collect(&mut self) -> Vec<u8> {
        loop {
            if let Some(bytes) = self.instance.collect(Instant::now()) {
                return bytes;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn what_fluent_bit_came_back_after_is_delivered() {
    let mut world = start(Then::WaitForShutdown).unwrap();
    assert!(!world.collect().is_empty());
    assert!(world.statuses.try_recv().is_err());
    let settled = Instant::now() + crate::handover::SETTLED;
    assert_eq!(world.instance.collect(settled), None);
    assert_eq!(world.statuses.blocking_recv(), Some(BatchStatus::Delivered));
    world.instance.stop();
    assert!(world.printed.lines().iter().any(|line| line == "[office365:test] runs"), "{:?}", world.printed.lines());
    assert!(world.statuses.blocking_recv().is_none(), "the source has ended");
}

#[test]
fn what_was_given_before_the_end_is_errored() {
    let mut world = start(Then::WaitForShutdown).unwrap();
    world.collect();
    world.instance.pause();
    world.instance.stop();
    assert_eq!(world.statuses.blocking_recv(), Some(BatchStatus::Errored));
    assert_eq!(world.instance.collect(Instant::now()), None, "nothing comes after the end");
}

#[test]
fn what_nobody_took_is_errored() {
    let mut world = start(Then::WaitForShutdown).unwrap();
    world.instance.pause();
    world.instance.stop();
    assert_eq!(world.statuses.blocking_recv(), Some(BatchStatus::Errored));
}

#[test]
fn a_source_that_cannot_start_says_why() {
    let (error, printed) = start(Then::RefuseToBuild).err().unwrap();
    assert_eq!(error, "the ledger is taken by another process");
    assert_eq!(printed.lines(), ["[office365:test] the ledger is locked"], "its own lines come before");
}

#[test]
fn a_source_that_panics_is_told_of_and_does_not_hinder_the_end() {
    let mut world = start(Then::Panic).unwrap();
    while !world.printed.lines().iter().any(|line| line.contains("panicked=true")) {
        world.instance.collect(Instant::now());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(world.builds.load(Ordering::SeqCst), 1, "it is started again after a while");
    world.instance.stop();
}

#[test]
fn a_source_that_does_not_end_is_stopped() {
    let mut world = start(Then::Hang).unwrap();
    world.collect();
    world.instance.stop();
    assert!(
        world.printed.lines().iter().any(|line| line.contains("has not ended within")),
        "{:?}",
        world.printed.lines()
    );
    assert!(world.statuses.blocking_recv().is_none(), "its task is gone");
}

#[test]
fn a_pump_that_panics_ends_its_source_and_is_told_of() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (alive, ended) = tokio::sync::oneshot::channel::<()>();
        let source: Source = Box::pin(async move {
            let _alive = alive;
            std::future::pending().await
        });
        assert!(until_both_end(source, async { panic!("a defect of the pump's") }).await);
        assert!(ended.await.is_err(), "the source is gone");
        assert!(until_both_end(Box::pin(async { panic!("a defect of the source's") }), async {}).await);
        assert!(!until_both_end(Box::pin(async { Ok(()) }), async {}).await);
    });
}

#[test]
fn a_supervisor_that_panics_is_told_of_at_the_end() {
    let mut world = start(Then::WaitForShutdown).unwrap();
    let ending = world.instance.ending.as_mut().unwrap();
    let defect = ending.runtime.spawn(async { panic!("a defect of the supervisor's") });
    std::mem::replace(&mut ending.source, defect).abort();
    world.instance.stop();
    let lines = world.printed.lines();
    assert!(lines.iter().any(|line| line.contains("has ended with a defect")), "{lines:?}");
}
