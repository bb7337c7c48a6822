//! How fast notifications become durable, over TLS: alone, and while the source downloads as fast as it can.
//!
//! Each answer of 200 stands for a committed transaction with an fsync, so that the disk decides; the ratio of the two
//! tables shows the cost of downloads.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench may fail loudly and prints its result")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use http::{HeaderValue, Method, StatusCode};
use office365_source::{
    HostServices,
    api_clients::Environment,
    clock::Clock,
    component::{
        EventStatus, ExtraContext, GlobalOptions, LogNamespace, ShutdownSignal, SourceConfig, SourceContext,
        SourceOutput, SourceSender,
    },
    config::{AuthConfig, Mode, Office365Config, TenantConfig},
    content::ContentType,
    discovery::webhook::WebhookHandle,
    simulator::{Backlog, CertificateFiles, InProcess, SimulatedTenant, Simulator, SimulatorConfig},
    telemetry::Progress,
    transport::{HttpTransport, Request, Response, Transport, TransportError, TransportFailure, TransportOptions},
};
use serde_json::json;
use tempfile::TempDir;

const AUTH_ID: &str = "a-long-and-random-auth-id";
const CLIENTS: u64 = 8;
const NOTIFICATIONS: u64 = 4_000;
const ITEMS: u64 = 5;

/// The API, except for what the bench announces: that is never there, and causes no download.
#[derive(Debug)]
struct Api(InProcess);

#[async_trait]
impl Transport for Api {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        if request.url.path().contains("/audit/bench") {
            return Err(TransportError::new(TransportFailure::Connect, "not in this bench"));
        }
        self.0.send(request).await
    }
}

struct Measured {
    per_second: f64,
    p50: Duration,
    p99: Duration,
    events_meanwhile: u64,
}

fn main() {
    // `cargo test --benches` and filters are not for this one.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let alone = runtime.block_on(measure(0));
    let busy = runtime.block_on(measure(1_500));
    println!(
        "{CLIENTS} clients, {NOTIFICATIONS} notifications of {ITEMS} blobs, TLS, kept alive; each durable when answered\n"
    );
    println!("                     alone   while downloading     ratio");
    let row = |name: &str, one: f64, two: f64, unit: &str| {
        println!("{name:<14} {one:>8.1} {unit:<3} {two:>12.1} {unit:<3} {:>9.2}", two / one);
    };
    row("per second", alone.per_second, busy.per_second, "/s");
    row("p50", millis(alone.p50), millis(busy.p50), "ms");
    row("p99", millis(alone.p99), millis(busy.p99), "ms");
    println!("\n{} events delivered meanwhile (alone: {})", busy.events_meanwhile, alone.events_meanwhile);
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

async fn measure(blobs: u64) -> Measured {
    let directory = TempDir::new().unwrap();
    let files = CertificateFiles::make(directory.path()).unwrap();
    let tenant = SimulatedTenant::contoso().subscribed_since(Duration::from_hours(48));
    let simulated = SimulatorConfig {
        tenants: vec![tenant.clone()],
        backlog: Backlog { reaches_back: Duration::from_hours(12), blobs_per_feed: blobs, events_per_blob: 200..=300 },
        requests_per_minute: 1_000_000,
        allow_plain_webhooks: true,
        ..SimulatorConfig::default()
    };
    let simulator = Simulator::new(simulated, Clock::system());
    simulator.set_base_url("https://manage.office.com".parse().unwrap());

    let auth = AuthConfig::with_secret(tenant.client_id, tenant.client_secret.as_str().into());
    let mut config = Office365Config::new(auth, vec![TenantConfig { id: tenant.id, domain: None, auth: None }]);
    config.content_types = ContentType::ALL.to_vec();
    config.mode = Mode::Webhook;
    config.request.requests_per_minute = 1_000_000;
    config.webhook.listen = ([127, 0, 0, 1], 0).into();
    config.webhook.public_url = Some("https://localhost:8443/wh/o365/".parse().unwrap());
    config.webhook.auth_id = Some(AUTH_ID.into());
    config.webhook.limits.requests_per_minute_per_source = 1_000_000;
    config.webhook.tls.crt_file = Some(files.crt_file.clone());
    config.webhook.tls.key_file = Some(files.key_file.clone());

    let (trigger, shutdown, _done) = ShutdownSignal::new_wired();
    let mut builder = SourceSender::builder();
    let mut output = builder.add_source_output(SourceOutput::new_logs(LogNamespace::Legacy), "m365".into());
    let globals = GlobalOptions { data_dir: Some(directory.path().to_owned()), ..GlobalOptions::default() };
    let mut context = SourceContext::new("m365", globals, builder.build());
    context.shutdown = shutdown;
    let (progress, handle) = (Progress::default(), WebhookHandle::default());
    let transport = Arc::new(Api(InProcess::new(&simulator)));
    context.extra_context = ExtraContext::default().with(HostServices {
        progress: progress.clone(),
        environment: Environment { transport: Some(transport), ..Environment::default() },
        webhook: handle.clone(),
        ..HostServices::default()
    });
    let source = tokio::spawn(config.build(context).await.unwrap());
    let pipeline = tokio::spawn(async move {
        while let Some(batch) = output.recv().await {
            for event in &batch.events {
                event.metadata().update_status(EventStatus::Delivered);
            }
        }
    });
    // Until the backlog is being worked on.
    while blobs > 0 && progress.totals().blobs_delivered < 50 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let port = handle.address().unwrap().port();
    let next = Arc::new(AtomicU64::new(0));
    let events = progress.totals().events_delivered;
    let began = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let options = TransportOptions { ca_file: Some(files.ca_file.clone()), ..TransportOptions::default() };
            let (next, tenant) = (Arc::clone(&next), tenant.clone());
            tokio::spawn(async move {
                let transport = HttpTransport::new(&options).unwrap();
                let mut took = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= NOTIFICATIONS {
                        return took;
                    }
                    let request = notification(port, &tenant, number);
                    let began = Instant::now();
                    let answer = transport.send(request).await.unwrap();
                    assert_eq!(answer.status, StatusCode::OK);
                    answer.read_up_to(1).await.unwrap();
                    took.push(began.elapsed());
                }
            })
        })
        .collect();
    let mut took = Vec::new();
    for client in clients {
        took.extend(client.await.unwrap());
    }
    let elapsed = began.elapsed();
    let events_meanwhile = progress.totals().events_delivered - events;
    trigger.cancel();
    source.await.unwrap().unwrap();
    pipeline.await.unwrap();
    took.sort_unstable();
    let at = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)];
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let per_second = took.len() as f64 / elapsed.as_secs_f64();
    Measured { per_second, p50: at(50), p99: at(99), events_meanwhile }
}

fn notification(port: u16, tenant: &SimulatedTenant, number: u64) -> Request {
    let created = Utc::now() - TimeDelta::minutes(1);
    let items: Vec<_> = (0..ITEMS)
        .map(|item| {
            let id = format!("bench-{number}-{item}");
            json!({
                "tenantId": tenant.id.to_string(),
                "clientId": tenant.client_id.to_string(),
                "contentType": "DLP.All",
                "contentId": id,
                "contentUri": format!("https://manage.office.com/api/v1.0/{}/activity/feed/audit/{id}", tenant.id),
                "contentCreated": created.to_rfc3339(),
                "contentExpiration": (created + TimeDelta::days(7)).to_rfc3339(),
            })
        })
        .collect();
    let mut request = Request::new(Method::POST, format!("https://localhost:{port}/wh/o365/").parse().unwrap());
    request.headers.insert("webhook-authid", HeaderValue::from_static(AUTH_ID));
    request.body = serde_json::Value::Array(items).to_string().into();
    request
}
