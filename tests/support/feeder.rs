//! The standalone host with a scripted source, for tests of sinks.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use office365_source::{
    component::{
        BatchNotifier, BatchStatus, JsonObject, LogEvent, LogNamespace, Source, SourceConfig, SourceContext,
        SourceOutput,
    },
    config::{self, Format},
    host::{Component, HostError, Options, Report, run_components},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{sync::Notify, task::JoinHandle, time::timeout};

/// What ends if something is wrong. Nothing here takes nearly as long.
pub const GUARD: Duration = Duration::from_secs(120);

/// Sends batches, one after the other, and waits for all of them.
#[derive(Clone, Debug, Default)]
pub struct Feeder {
    batches: Vec<Vec<Value>>,
    statuses: Arc<Mutex<Vec<Option<BatchStatus>>>>,
    settled: Arc<Notify>,
}

#[async_trait]
impl SourceConfig for Feeder {
    async fn build(&self, cx: SourceContext) -> office365_source::Result<Source> {
        Ok(Box::pin(self.clone().run(cx)))
    }

    fn outputs(&self, log_namespace: LogNamespace) -> Vec<SourceOutput> {
        vec![SourceOutput::new_logs(log_namespace)]
    }

    fn can_acknowledge(&self) -> bool {
        true
    }
}

impl Feeder {
    async fn run(self, mut cx: SourceContext) -> Result<(), ()> {
        let mut receivers = Vec::new();
        for batch in &self.batches {
            let mut events: Vec<_> = batch.iter().map(event).collect();
            receivers.push(BatchNotifier::apply_to(&mut events));
            cx.out.send_batch(events).await.map_err(drop)?;
        }
        let waiting = receivers.into_iter().enumerate().map(|(index, receiver)| {
            let feeder = self.clone();
            async move {
                let status = receiver.await;
                feeder.statuses.lock().unwrap()[index] = Some(status);
                feeder.settled.notify_waiters();
            }
        });
        tokio::select! {
            _ = futures::future::join_all(waiting) => {}
            _ = cx.shutdown => {}
        }
        Ok(())
    }
}

/// An event with a time of its own when it has a member `@timestamp`.
fn event(value: &Value) -> LogEvent {
    let event = LogEvent::from(JsonObject::parse(value.to_string().into()).unwrap());
    match value["@timestamp"].as_str() {
        Some(time) => event.with_timestamp("@timestamp", time.parse().unwrap()),
        None => event,
    }
}

/// So many numbered events.
pub fn numbered(numbers: std::ops::Range<u64>) -> Vec<Value> {
    numbers.map(|n| json!({ "n": n, "@timestamp": "2026-08-01T12:00:00.5Z", "user": { "name": "Zoë" } })).collect()
}

/// Batches of more than 1 MB, of events of about 1 KB: text that no compression makes smaller, and the shapes that take the
/// most room in messages of Protobuf.
pub fn bulky() -> Vec<Vec<Value>> {
    let hex = |n: u64| {
        let mix = |n: u64| (n ^ (n >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (0..60).fold(String::new(), |text, part| text + &format!("{:016x}", mix(mix(n * 61 + part))))
    };
    let shapes: [&dyn Fn(u64) -> Value; 5] = [
        &|n| json!({ "text": hex(n) }),
        &|_| json!({ "list": vec![json!({ "a": -1, "b": 1 }); 60] }),
        &|_| json!({ "floats": vec![0.5; 240] }),
        &|_| json!({ "objects": vec![json!({ "a": {} }); 100] }),
        &|_| json!({ "flags": (0..90).map(|m| (format!("k{m}"), json!(true))).collect::<serde_json::Map<_, _>>() }),
    ];
    shapes.map(|shape| (0..1_200).map(shape).collect()).into()
}

/// A pipeline that runs: the feeder, and a sink.
pub struct Pipeline {
    feeder: Feeder,
    host: JoinHandle<Result<Report, HostError>>,
    stop: Arc<Notify>,
    dir: TempDir,
}

impl Pipeline {
    /// The batches go to `[sinks.siem]`, which has the lines `sink`.
    pub fn start(batches: Vec<Vec<Value>>, sink: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "data_dir = '{}'\nshutdown_timeout_secs = 1\n{SOURCE}\n[sinks.siem]\ninputs = [\"m365\"]\n{sink}\n",
            dir.path().display()
        );
        let topology = config::parse(&text, Format::Toml).unwrap_or_else(|errors| panic!("{errors}"));
        let statuses = Arc::new(Mutex::new(vec![None; batches.len()]));
        let feeder = Feeder { batches, statuses, settled: Arc::default() };
        let components = vec![Component::new("m365", "test", Box::new(feeder.clone()))];
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let host = tokio::spawn(async move {
            run_components(components, &topology, &Options::default(), stopped.notified()).await
        });
        Self { feeder, host, stop, dir }
    }

    /// What has become of each batch so far.
    pub fn statuses(&self) -> Vec<Option<BatchStatus>> {
        self.feeder.statuses.lock().unwrap().clone()
    }

    /// Runs until everything is delivered.
    pub async fn finish(self) -> Finished {
        let report = timeout(GUARD, self.host).await.expect("the host runs indefinitely").unwrap().unwrap();
        assert!(report.failure.is_none(), "{:?}", report.failure);
        let statuses = self.feeder.statuses.lock().unwrap().clone();
        assert!(statuses.iter().all(|status| *status == Some(BatchStatus::Delivered)), "{statuses:?}");
        Finished { dir: self.dir }
    }

    /// Asks for a shutdown while something is on its way.
    pub async fn stop(self) -> Vec<Option<BatchStatus>> {
        self.stop.notify_one();
        timeout(GUARD, self.host).await.expect("the host runs indefinitely").unwrap().unwrap();
        self.feeder.statuses.lock().unwrap().clone()
    }

    /// Why the host does not start.
    pub async fn refused(self) -> String {
        timeout(GUARD, self.host).await.unwrap().unwrap().expect_err("it has started").to_string()
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// What is left when a pipeline has ended.
pub struct Finished {
    dir: TempDir,
}

impl Finished {
    /// The dead letters of the sink.
    pub fn dead_letters(&self) -> Vec<Value> {
        let path: PathBuf = self.dir.path().join("dead-letters/siem.ndjson");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

const SOURCE: &str = r#"
[sources.m365]
type = "office365"
auth.client_id = "6a98b5da-7b3c-4486-bb0b-66a048c6da62"
auth.client_secret = "not-used-in-these-tests"
tenants = [{ id = "2f5a9ad0-5b0b-4f5e-9f3e-0f7d2f3c1a10" }]
"#;
