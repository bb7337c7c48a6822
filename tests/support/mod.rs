//! A source on a simulator, in one process and on one clock.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

pub mod alone;
pub mod feeder;
pub mod grpc_peer;
pub mod http_peer;
pub mod https;
pub mod lab;
pub mod patience;
pub mod pki;
pub mod proxy;
pub mod scene;
pub mod site;
pub mod telemetry;
pub mod tls_matrix;
pub mod webhook;
pub mod wire;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, Utc};
use office365_source::{
    HostServices, RunMode,
    api_clients::Environment,
    audit_search::SearchTask,
    clock::Clock,
    component::{
        BatchStatus, EventStatus, ExtraContext, GlobalOptions, LogEvent, LogNamespace, ShutdownDone, ShutdownSignal,
        ShutdownTrigger, SourceConfig, SourceContext, SourceOutput, SourceReceiver, SourceSender,
    },
    config::{AuthConfig, EventSchema, Office365Config, TenantConfig},
    content::{ContentType, TenantId},
    discovery::webhook::WebhookHandle,
    simulator::{InProcess, Simulator, SimulatorConfig},
    telemetry::Progress,
    transport::Transport,
};
use tokio::task::JoinHandle;

/// When tests begin.
pub fn start_of_time() -> DateTime<Utc> {
    "2026-08-01T12:00:00Z".parse().unwrap()
}

/// A simulator that answers under the APIs' real names.
pub fn simulator(config: SimulatorConfig, clock: &Clock) -> Simulator {
    let simulator = Simulator::new(config, clock.clone());
    simulator.set_base_url("https://manage.office.com".parse().unwrap());
    simulator.set_graph_base_url("https://graph.microsoft.com".parse().unwrap());
    simulator
}

/// The configuration of a source that collects all content types of the simulator's tenants, as records in Microsoft's words:
/// most tests are about what arrives, not about its form.
pub fn source_config(simulated: &SimulatorConfig) -> Office365Config {
    let first = &simulated.tenants[0];
    let auth = AuthConfig::with_secret(first.client_id, first.client_secret.as_str().into());
    let tenants = simulated.tenants.iter().map(|tenant| TenantConfig {
        id: tenant.id,
        domain: Some(tenant.domain.clone()),
        auth: None,
    });
    let mut config = Office365Config::new(auth, tenants.collect());
    config.content_types = ContentType::ALL.to_vec();
    config.schema = EventSchema::Raw;
    config.publisher_identifier = Some(first.id.0);
    config
}

/// What arrived: every event id with how often.
pub type Arrived = Arc<Mutex<BTreeMap<(TenantId, String), u32>>>;

/// How the test's pipeline treats batches.
pub type Verdict = Box<dyn FnMut(&[LogEvent]) -> EventStatus + Send>;

/// A source that runs.
pub struct Running {
    pub source: JoinHandle<Result<(), ()>>,
    pub pipeline: JoinHandle<()>,
    pub progress: Progress,
    pub arrived: Arrived,
    /// Every delivered event as JSON, in the order of arrival.
    pub texts: Arc<Mutex<Vec<String>>>,
    shutdown: Option<ShutdownTrigger>,
    _done: ShutdownDone,
}

/// How to run it.
pub struct Setup<'a> {
    pub config: Office365Config,
    pub simulator: &'a Simulator,
    pub clock: Clock,
    pub data_dir: &'a Path,
    pub mode: RunMode,
    pub arrived: Arrived,
    pub verdict: Verdict,
    /// How the source reaches the simulator; by default in process and unchanged.
    pub transport: Option<Arc<dyn Transport>>,
    /// Whether to keep every event as text.
    pub keep_texts: bool,
    /// The pipeline takes nothing before this is true.
    pub gate: Option<tokio::sync::watch::Receiver<bool>>,
    /// Filled with the source's webhook.
    pub webhook: WebhookHandle,
    /// The days that a run of once compares in place of all else.
    pub search: Option<SearchTask>,
}

impl<'a> Setup<'a> {
    pub fn new(config: Office365Config, simulator: &'a Simulator, clock: &Clock, data_dir: &'a Path) -> Self {
        Self {
            config,
            simulator,
            clock: clock.clone(),
            data_dir,
            mode: RunMode::ONCE,
            arrived: Arrived::default(),
            verdict: Box::new(|_| EventStatus::Delivered),
            transport: None,
            keep_texts: true,
            gate: None,
            webhook: WebhookHandle::default(),
            search: None,
        }
    }

    pub async fn start(self) -> Running {
        let Self {
            config,
            simulator,
            clock,
            data_dir,
            mode,
            arrived,
            mut verdict,
            transport,
            keep_texts,
            gate,
            webhook,
            search,
        } = self;
        let transport = transport.unwrap_or_else(|| Arc::new(InProcess::new(simulator)));
        let (shutdown, signal, done) = ShutdownSignal::new_wired();
        let mut builder = SourceSender::builder();
        let mut receiver: SourceReceiver =
            builder.add_source_output(SourceOutput::new_logs(LogNamespace::Legacy), "m365".into());
        let globals = GlobalOptions { data_dir: Some(data_dir.to_owned()), ..GlobalOptions::default() };
        let mut cx = SourceContext::new("m365", globals, builder.build());
        cx.shutdown = signal;
        let progress = Progress::default();
        cx.extra_context = ExtraContext::default().with(HostServices {
            run_mode: mode,
            range: None,
            search,
            progress: progress.clone(),
            environment: Environment { clock, transport: Some(transport) },
            webhook,
            ..HostServices::default()
        });
        let source = tokio::spawn(config.build(cx).await.unwrap());
        let into = Arc::clone(&arrived);
        let texts = Arc::<Mutex<Vec<String>>>::default();
        let lines = Arc::clone(&texts);
        let pipeline = tokio::spawn(async move {
            if let Some(mut gate) = gate {
                gate.wait_for(|open| *open).await.unwrap();
            }
            while let Some(item) = receiver.recv().await {
                let status = verdict(&item.events);
                for event in item.events {
                    if keep_texts && status == EventStatus::Delivered {
                        lines.lock().unwrap().push(event.to_json());
                    }
                    if status == EventStatus::Delivered
                        && let Some(id) = id_of(&event)
                    {
                        let tenant = tenant_of(&event);
                        *into.lock().unwrap().entry((tenant, id)).or_default() += 1;
                    }
                    event.metadata().update_status(status);
                }
            }
        });
        Running { source, pipeline, progress, arrived, texts, shutdown: Some(shutdown), _done: done }
    }

    /// Runs a source that ends by itself.
    pub async fn run(self) -> (Result<(), ()>, Running) {
        let mut running = self.start().await;
        let result = (&mut running.source).await.unwrap();
        (&mut running.pipeline).await.unwrap();
        (result, running)
    }
}

impl Running {
    /// Asks the source to stop and waits until it has.
    pub async fn stop(mut self) -> (Arrived, Progress) {
        if let Some(shutdown) = self.shutdown.take() {
            shutdown.cancel();
        }
        self.source.await.unwrap().unwrap();
        self.pipeline.await.unwrap();
        (self.arrived, self.progress)
    }

    /// Waits for a source that ends by itself, whatever its pipeline does; then the pipeline is gone, too.
    pub async fn source_alone(mut self) -> (Result<(), ()>, Progress) {
        let result = (&mut self.source).await.unwrap();
        self.pipeline.abort();
        let _ = self.pipeline.await;
        (result, self.progress)
    }

    /// Kills the source where it stands, as a crash would.
    pub async fn crash(self) {
        self.source.abort();
        let _ = self.source.await;
        self.pipeline.abort();
        let _ = self.pipeline.await;
        // Lets tasks of the source that were detached see that they are alone.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The id that Microsoft gave an event, in schema raw or ECS.
pub fn id_of(event: &LogEvent) -> Option<String> {
    event.record().string_member("Id").or_else(|| ecs_member(event, "event"))
}

pub fn tenant_of(event: &LogEvent) -> TenantId {
    let record = event.record();
    let tenant = record.string_member("OrganizationId").or_else(|| ecs_member(event, "organization"));
    tenant.unwrap().parse().unwrap()
}

/// `id` of an object of an ECS event.
fn ecs_member(event: &LogEvent, object: &str) -> Option<String> {
    let object: serde_json::Value = serde_json::from_str(event.record().member(object)?).unwrap();
    Some(object["id"].as_str()?.to_owned())
}

/// Compares what arrived with what exists: every event exactly once.
pub fn assert_exactly_once(arrived: &Arrived, simulator: &Simulator) {
    let arrived = arrived.lock().unwrap();
    let expected = simulator.oracle().expected_ids();
    let missing: Vec<_> = expected.iter().filter(|id| !arrived.contains_key(*id)).take(5).collect();
    assert!(missing.is_empty(), "missing, among others: {missing:?} ({} of {})", arrived.len(), expected.len());
    let twice: Vec<_> = arrived.iter().filter(|(_, times)| **times > 1).take(5).collect();
    assert!(twice.is_empty(), "more than once, among others: {twice:?}");
    let foreign: Vec<_> = arrived.keys().filter(|id| !expected.contains(*id)).take(5).collect();
    assert!(foreign.is_empty(), "not expected, among others: {foreign:?}");
    assert!(!expected.is_empty());
}

pub fn no_violations(simulator: &Simulator) {
    let stats = simulator.stats();
    assert!(stats.violations.is_empty(), "{:?}", stats.violations);
}

pub const DELIVERED: BatchStatus = BatchStatus::Delivered;
