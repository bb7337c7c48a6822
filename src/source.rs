//! The source component: puts the rooms together.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::TimeDelta;
use futures::FutureExt;
use tracing::{error, info};

use crate::{
    RunMode,
    activity::{ActivityClient, ActivityOptions},
    clock::Clock,
    collector::{BatchLimits, Collector, CollectorError, CollectorOptions, Limits, Shared, State, Work, maintain},
    component::{LogNamespace, Resource, ShutdownSignal, Source, SourceConfig, SourceContext, SourceOutput},
    config::{Office365Config, TokenVersion},
    content::Feed,
    discovery::poll::{PollContext, PollOptions, Rhythm, poll_once, poll_until},
    entra::{Authority, TokenEndpoint, Tokens},
    ledger::{Ledger, RedbLedger},
    telemetry::{Progress, Totals},
    transport::{HttpTransport, ServerClock, Transport, TransportOptions},
};

/// A transport to use instead of HTTP, for the [`ExtraContext`](crate::component::ExtraContext).
#[derive(Clone, Debug)]
pub struct TransportOverride(pub Arc<dyn Transport>);

#[async_trait]
impl SourceConfig for Office365Config {
    async fn build(&self, cx: SourceContext) -> crate::Result<Source> {
        self.validate(&format!("sources.{}", cx.key))?;
        let key = format!("sources.{}.auth.client_secret", cx.key);
        // Read once now, so that an unreadable secret is an error at the start and not a pause later.
        self.auth.client_secret.resolve(&key)?;

        let directory = cx.globals.resolve_and_make_data_subdir(None, cx.key.id())?;
        let dedupe_window = time_delta(self.dedupe.window.get());
        let ledger: Arc<dyn Ledger> = Arc::new(RedbLedger::open(&directory, dedupe_window).await?);

        let clock = ServerClock::new(cx.extra_context.get::<Clock>().cloned().unwrap_or_default());
        let transport = match cx.extra_context.get::<TransportOverride>() {
            Some(TransportOverride(transport)) => Arc::clone(transport),
            None => Arc::new(HttpTransport::new(&TransportOptions {
                proxy: self.proxy.or(&cx.proxy),
                ca_file: self.tls.ca_file.clone(),
                connect_timeout: Some(self.request.timeout().min(Duration::from_secs(30))),
            })?),
        };
        let tokens = Arc::new(self.tokens(&key, Arc::clone(&transport), clock.clone()));
        let client = ActivityClient::new(self.activity_options(), transport, tokens, clock);
        let feeds: Vec<Feed> = self
            .tenants
            .iter()
            .flat_map(|tenant| {
                self.content_types.iter().map(|content_type| Feed { tenant: tenant.id, content_type: *content_type })
            })
            .collect();

        let mode = cx.extra_context.get::<RunMode>().copied().unwrap_or_default();
        let progress = cx.extra_context.get::<Progress>().cloned().unwrap_or_default();
        let options = CollectorOptions {
            concurrency: self.request.concurrency as usize,
            body: Limits {
                spool_threshold: self.memory.spool_threshold.as_usize(),
                max_blob_bytes: self.request.max_blob_bytes.as_u64(),
            },
            batch: BatchLimits {
                max_events: self.batch.max_events as usize,
                max_bytes: self.batch.max_bytes.as_usize(),
                max_record_bytes: self.memory.max_record_bytes.as_usize(),
            },
            max_buffered_bytes: self.memory.max_buffered_bytes.as_usize(),
            acknowledgements: cx.do_acknowledgements(self.acknowledgements),
            mode,
            spool_directory: directory,
        };
        let domains: HashMap<_, _> =
            self.tenants.iter().filter_map(|tenant| Some((tenant.id, tenant.domain.clone()?))).collect();
        let state = State::new(&options);
        let shared = Arc::new(Shared {
            ledger: Arc::clone(&ledger),
            client: client.clone(),
            out: cx.out,
            component: Arc::new(cx.key.clone()),
            domains,
            options,
            progress: progress.clone(),
            state,
        });
        let work = Work::default();
        let poll = PollContext { client, ledger, work: work.clone(), progress, options: self.poll_options() };
        let collector = Collector::new(Arc::clone(&shared), &feeds, work);
        info!(
            message = "Source starts.",
            component_id = %cx.key, endpoint = %self.api_endpoint(), tenants = self.tenants.len(),
            content_types = self.content_types.len(),
        );
        Ok(Running { shared, collector, poll, feeds, mode, shutdown: cx.shutdown }.run().boxed())
    }

    fn outputs(&self, global_log_namespace: LogNamespace) -> Vec<SourceOutput> {
        vec![SourceOutput::new_logs(global_log_namespace)]
    }

    fn resources(&self) -> Vec<Resource> {
        // The ledger has a lock of its own; polling needs nothing else for itself.
        Vec::new()
    }

    fn can_acknowledge(&self) -> bool {
        true
    }
}

impl Office365Config {
    fn tokens(&self, secret_key: &str, transport: Arc<dyn Transport>, clock: ServerClock) -> Tokens {
        let endpoint = match self.token_version() {
            TokenVersion::V1 => TokenEndpoint::V1 { resource: self.resource().to_owned() },
            TokenVersion::V2 => TokenEndpoint::V2 { scope: self.scope() },
        };
        let authority = Authority { origin: self.authority(), path: self.token_path().to_owned(), endpoint };
        let (secret, key) = (self.auth.client_secret.clone(), secret_key.to_owned());
        let read = Arc::new(move || secret.resolve(&key).map_err(|error| error.to_string()));
        Tokens::new(authority, self.auth.client_id.to_string(), read, transport, clock, self.request.timeout())
    }

    fn activity_options(&self) -> ActivityOptions {
        ActivityOptions {
            endpoint: self.api_endpoint(),
            publisher: self.publisher_identifier(),
            requests_per_minute: self.request.quota_per_minute(),
            timeout: self.request.timeout(),
        }
    }

    fn poll_options(&self) -> PollOptions {
        PollOptions {
            interval: self.poll.interval(),
            rhythm: Rhythm {
                start_from: time_delta(self.start_from.get()),
                overlap: time_delta(self.poll.overlap()),
                reconcile_interval: time_delta(self.poll.reconcile_interval()),
            },
        }
    }
}

/// Configured durations are weeks at most.
fn time_delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// A source that is about to run.
struct Running {
    shared: Arc<Shared>,
    collector: Collector,
    poll: PollContext,
    feeds: Vec<Feed>,
    mode: RunMode,
    shutdown: ShutdownSignal,
}

impl Running {
    async fn run(self) -> Result<(), ()> {
        let Self { shared, collector, poll, feeds, mode, shutdown } = self;
        let discovery = async {
            match mode {
                RunMode::Continuous => poll_until(poll, &feeds, shutdown.clone()).await,
                RunMode::Once => poll_once(poll, &feeds, shutdown.clone()).await,
            }
        };
        let outcome = tokio::select! {
            // Discovery ends first, on shutdown or when all is listed; the collector decides when the source is done.
            outcome = async { tokio::try_join!(async { discovery.await.map_err(CollectorError::from) }, collector.run(shutdown.clone())) } => outcome.map(drop),
            Err(error) = maintain(Arc::clone(&shared)) => Err(error),
        };
        if let Err(error) = outcome {
            error!(
                message = "Source stops.",
                component_id = %shared.component, %error, error_code = error.code(),
                error_type = "component_failed", stage = "processing"
            );
            return Err(());
        }
        if mode == RunMode::Once {
            return verdict(&shared, &feeds).await;
        }
        Ok(())
    }
}

/// Whether a run that should end has delivered everything that was available.
async fn verdict(shared: &Shared, feeds: &[Feed]) -> Result<(), ()> {
    let summary = shared.ledger.summary().await.map_err(|error| {
        error!(message = "Cannot tell whether everything was delivered.", %error);
    })?;
    let owed: u64 = summary.iter().filter(|(feed, _)| feeds.contains(feed)).map(|(_, summary)| summary.owed).sum();
    let Totals { blobs_dead: dead, gap_seconds, .. } = shared.progress.totals();
    let unlisted = shared.progress.feeds().values().filter(|feed| feed.problem.is_some()).count();
    if owed + dead + gap_seconds > 0 || unlisted > 0 {
        error!(
            message = "Something stayed undelivered; what is owed is tried again with the next run.",
            component_id = %shared.component, blobs_owed = owed, blobs_given_up = dead, feeds_with_problems = unlisted,
            gap_seconds,
        );
        return Err(());
    }
    Ok(())
}
