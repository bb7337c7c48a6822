//! The source component: puts the rooms together.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::TimeDelta;
use futures::FutureExt;
use tracing::{error, info};

use crate::{
    RunMode,
    collector::{BatchLimits, Collector, CollectorError, CollectorOptions, Limits, Shared, State, Work, maintain},
    component::{LogNamespace, Resource, ShutdownSignal, Source, SourceConfig, SourceContext, SourceOutput},
    config::Office365Config,
    connection::Connection,
    content::{ContentType, Feed},
    discovery::{
        SubscriptionBook, WebhookPolicy,
        poll::{PollContext, PollOptions, Rhythm, poll_once, poll_until},
    },
    ledger::{Ledger, RedbLedger},
    telemetry::{Progress, Totals},
    tenants::Tenants,
};

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

        let Connection { client, .. } =
            Connection::new(self, &format!("sources.{}", cx.key), &cx.proxy, &cx.extra_context)?;
        let tenants = Tenants::new(&self.tenants, &ledger.tenants().await?);

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
        let state = State::new(&options);
        let shared = Arc::new(Shared {
            ledger: Arc::clone(&ledger),
            client: client.clone(),
            out: cx.out,
            component: Arc::new(cx.key.clone()),
            tenants: tenants.clone(),
            options,
            progress: progress.clone(),
            state,
        });
        let work = Work::default();
        // Between passes, and while a webhook tells of new content, as often as reconciliation.
        let subscriptions =
            SubscriptionBook::new(client.clone(), Arc::clone(&ledger), self.webhook_policy(mode), self.recheck());
        let options = self.poll_options();
        let poll = PollContext { client, ledger, subscriptions, work: work.clone(), progress, options };
        let collector = Collector::new(Arc::clone(&shared), &self.content_types, work);
        info!(
            message = "Source starts.",
            component_id = %cx.key, endpoint = %self.api_endpoint(), tenants = tenants.len(),
            content_types = self.content_types.len(),
        );
        let content_types = self.content_types.clone();
        Ok(Running { shared, collector, poll, content_types, mode, shutdown: cx.shutdown }.run().boxed())
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
    /// Subscriptions are looked at again as often as reconciliation: that is how long content may be missed that no
    /// subscription collects.
    fn recheck(&self) -> Duration {
        self.poll.reconcile_interval()
    }

    fn webhook_policy(&self, _mode: RunMode) -> WebhookPolicy {
        WebhookPolicy::Without
    }

    fn poll_options(&self) -> PollOptions {
        PollOptions {
            interval: self.poll.interval(),
            interval_with_webhook: self.poll.interval(),
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
    content_types: Vec<ContentType>,
    mode: RunMode,
    shutdown: ShutdownSignal,
}

impl Running {
    async fn run(self) -> Result<(), ()> {
        let Self { shared, collector, poll, content_types, mode, shutdown } = self;
        let tenants = shared.tenants.clone();
        let discovery = async {
            match mode {
                RunMode::Continuous => poll_until(poll, &tenants, &content_types, shutdown.clone()).await,
                RunMode::Once => poll_once(poll, &tenants, &content_types, shutdown.clone()).await,
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
            return verdict(&shared, &tenants.feeds(&content_types)).await;
        }
        Ok(())
    }
}

/// Whether a run that should end has delivered everything that was available.
async fn verdict(shared: &Shared, feeds: &BTreeSet<Feed>) -> Result<(), ()> {
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
