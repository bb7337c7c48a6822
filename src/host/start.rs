//! Everything that can fail before the first event: in the order that costs least.

use std::collections::BTreeMap;

use futures::FutureExt;
use snafu::ResultExt;
use tokio::{sync::mpsc, task::JoinSet};
use tracing::{Instrument, info_span};

use super::{
    Component, HostError, Options, SinkError, check_resources,
    delivery::Delivery,
    error::BuildSnafu,
    fan_out::{INBOX, pump},
    page::Page,
    pipeline::Pipeline,
    server::Server,
    sinks::{self, OpenSink},
    status::Status,
    telemetry,
};
use crate::{
    component::{
        ExtraContext, GlobalOptions, LogNamespace, ShutdownSignal, ShutdownTrigger, Source, SourceContext,
        SourceOutput, SourceReceiver, SourceSender,
    },
    config::{SourceEntry, TelemetryConfig, TopologyConfig, check_data_dir},
    host_services::HostServices,
};

/// Builds a pipeline and sets it going.
///
/// # Errors
///
/// When anything cannot be used as configured. Nothing has been collected then.
pub(super) async fn start(
    components: Vec<Component>,
    topology: &TopologyConfig,
    options: &Options,
) -> Result<Pipeline, HostError> {
    check_resources(&components, topology.telemetry.as_ref())?;
    check_data_dir(&topology.data_dir)?;
    let mut open_sinks = Vec::new();
    for (name, config) in &topology.sinks {
        open_sinks.push((config.inputs(), sinks::open(name, config, topology, options.services.run_mode).await?));
    }
    let server = match &topology.telemetry {
        Some(telemetry) => Some(Server::bind(telemetry).await?),
        None => None,
    };
    let (status, page) = (Status::of(&components, options.services.run_mode), page(&components, topology, options));
    if topology.telemetry.as_ref().is_some_and(TelemetryConfig::shows_page) {
        options.services.insights.keep();
    }
    let mut built = Vec::new();
    for component in components {
        built.push(build(component, topology, options).await?);
    }

    let mut pipeline = Pipeline::new(options.services.run_mode, topology.shutdown_timeout());
    if let Some(server) = server {
        pipeline.background.spawn(server.serve(status, page));
    }
    let mut inboxes: BTreeMap<&str, Vec<mpsc::Sender<Delivery>>> = BTreeMap::new();
    for (inputs, sink) in open_sinks {
        let (inbox, waiting) = mpsc::channel(INBOX);
        for input in inputs {
            inboxes.entry(input).or_default().push(inbox.clone());
        }
        spawn_sink(&mut pipeline, sink, waiting);
    }
    for source in built {
        let inboxes = inboxes.remove(source.component.key.id()).unwrap_or_default();
        spawn_source(&mut pipeline, source, inboxes);
    }
    Ok(pipeline)
}

/// The page of all sources, with the names that the file gives to tenants.
fn page(components: &[Component], topology: &TopologyConfig, options: &Options) -> Page {
    let sources = components.iter().map(|component| (component.key.clone(), component.progress.clone())).collect();
    let tenants = topology.sources.values().flat_map(|SourceEntry::Office365(source)| &source.tenants);
    let names = tenants.filter_map(|tenant| Some((tenant.id, tenant.domain.clone()?))).collect();
    let HostServices { insights, environment, .. } = &options.services;
    Page::new(sources, names, insights.clone(), environment.clock.clone())
}

/// A source that is built and does not run yet.
struct BuiltSource {
    component: Component,
    source: Source,
    trigger: ShutdownTrigger,
    output: SourceReceiver,
}

async fn build(component: Component, topology: &TopologyConfig, options: &Options) -> Result<BuiltSource, HostError> {
    let log_namespace = LogNamespace::default();
    let outputs = component.config.outputs(log_namespace);
    let output = outputs.into_iter().next().unwrap_or(SourceOutput::new_logs(log_namespace));
    let mut builder = SourceSender::builder().with_timeout(component.config.send_timeout());
    let receiver = builder.add_source_output(output, component.key.clone());
    // The host knows that a source is done when its future ends and no task holds its sender any more.
    let (trigger, shutdown, _done) = ShutdownSignal::new_wired();
    let acknowledgements = component.config.can_acknowledge();
    if !acknowledgements {
        telemetry::cannot_acknowledge(&component.key);
    }
    let services = HostServices { progress: component.progress.clone(), ..options.services.clone() };
    let context = SourceContext {
        key: component.key.clone(),
        globals: GlobalOptions {
            data_dir: Some(topology.data_dir.clone()),
            acknowledgements: topology.acknowledgements,
            proxy: topology.proxy.clone(),
        },
        shutdown,
        out: builder.build(),
        proxy: component.proxy.clone(),
        acknowledgements,
        log_namespace,
        extra_context: ExtraContext::default().with(services),
    };
    let source = component.config.build(context).await.with_context(|_| BuildSnafu { key: component.key.clone() })?;
    Ok(BuiltSource { component, source, trigger, output: receiver })
}

fn spawn_source(pipeline: &mut Pipeline, built: BuiltSource, inboxes: Vec<mpsc::Sender<Delivery>>) {
    let BuiltSource { component: Component { key, component_type, progress, .. }, source, trigger, output } = built;
    let span = info_span!("source", component_id = %key, component_kind = "source", component_type);
    let index = pipeline.add_source(key.clone(), progress, trigger);
    pipeline.pumps.spawn(pump(output, inboxes));
    spawn_guarded(&mut pipeline.running, source.instrument(span), move |result| (index, result.unwrap_or(Err(()))));
    telemetry::source_started(&key);
}

fn spawn_sink(pipeline: &mut Pipeline, sink: OpenSink, waiting: mpsc::Receiver<Delivery>) {
    let name = sink.labels.id.clone();
    pipeline.sinks_writing.insert(name.clone());
    let OpenSink { labels, sink } = sink;
    spawn_guarded(&mut pipeline.sinks, sink.run(labels, waiting), move |result| {
        let crashed = || Err(SinkError::Crashed { key: format!("sinks.{name}") });
        let result = result.unwrap_or_else(crashed);
        (name, result)
    });
}

/// Spawns `future`; `finish` gets its result, or `None` when it has panicked.
fn spawn_guarded<F, T>(tasks: &mut JoinSet<T>, future: F, finish: impl FnOnce(Option<F::Output>) -> T + Send + 'static)
where
    F: Future<Output: Send> + Send + 'static,
    T: Send + 'static,
{
    // Nothing that the future has shared is looked at after a panic, except the report.
    let guarded = std::panic::AssertUnwindSafe(future).catch_unwind();
    tasks.spawn(async move { finish(guarded.await.ok()) });
}
