//! The source component: puts the rooms together.

use std::{num::NonZeroU32, panic, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::TimeDelta;
use futures::FutureExt;
use tokio::{sync::mpsc, task::JoinSet};
use tracing::{Instrument, info};

use crate::{
    RunMode,
    activity::Origin,
    announcements::Announcements,
    api_clients::ApiClients,
    collector::{
        BatchLimits, BodyLimits, Collector, CollectorError, CollectorOptions, SensitiveTypesReader, Shared, State,
        maintain, source_failed,
    },
    component::{LogNamespace, Resource, ShutdownSignal, Source, SourceConfig, SourceContext, SourceOutput},
    config::{EventSchema, Mode, NormalizeConfig, Office365Config, SecretError},
    content::ContentType,
    discovery::{
        SubscriptionBook, WebhookPolicy, WebhookTarget,
        poll::{PollContext, PollOptions, Rhythm, poll_once, poll_until},
        webhook::{Admission, AuthId, Endpoint, EndpointOptions, EndpointParts, Listener, SourceRates, WebhookHandle},
    },
    geoip::GeoipFiles,
    ledger::{Ledger, LedgerError, RedbLedger},
    normalize::{NormalizeOptions, Normalizer, Schema},
    once,
    registration::{Registrar, StateKey},
    telemetry::Progress,
    tenancy::{self, Tenancy, Turns},
    tenants::Tenants,
    wake_up::WakeUp,
};

#[async_trait]
impl SourceConfig for Office365Config {
    async fn build(&self, cx: SourceContext) -> crate::Result<Source> {
        let path = format!("sources.{}", cx.key);
        self.validate(&path)?;
        // Read once now, so that an unreadable secret is an error at the start and not a pause later.
        self.auth.client_secret.resolve(&format!("{path}.auth.client_secret"))?;
        let auth_id = self.webhook.resolve_auth_id(&format!("{path}.webhook.auth_id"))?;
        let geoip = self.open_geoip(&path).await?;

        let directory = cx.globals.resolve_and_make_data_subdir(None, cx.key.id())?;
        let dedupe_window = time_delta(self.dedupe.window.get());
        let ledger: Arc<dyn Ledger> = Arc::new(RedbLedger::open(&directory, dedupe_window).await?);
        let connection = ApiClients::new(self, &path, &cx.proxy, &cx.extra_context)?;
        let tenants = Tenants::new(&self.tenants, &ledger.tenants().await?);
        let mode = cx.extra_context.get::<RunMode>().copied().unwrap_or_default();
        let progress = cx.extra_context.get::<Progress>().cloned().unwrap_or_default();

        let listener = match (self.mode, mode) {
            (Mode::Webhook, RunMode::Continuous) => Some(Listener::bind(&self.webhook).await?),
            // A run that ends by itself lists what there is, in either mode.
            (Mode::Poll, _) | (Mode::Webhook, RunMode::Once { .. }) => None,
        };
        let auth_id = match (auth_id, &listener) {
            (Some(auth_id), _) => AuthId::from(auth_id),
            (None, Some(_)) => AuthId::from(ledger.auth_id(AuthId::generate().expose().into()).await?),
            // Nobody is told it.
            (None, None) => AuthId::generate(),
        };
        let subscriptions = SubscriptionBook::new(
            connection.client.clone(),
            Arc::clone(&ledger),
            self.webhook_policy(mode, &auth_id),
            self.recheck(),
        );
        let tenancy = Tenancy {
            tenants: tenants.clone(),
            ledger: Arc::clone(&ledger),
            client: connection.client.clone(),
            subscriptions: subscriptions.clone(),
            content_types: self.content_types.clone(),
            progress: progress.clone(),
            turns: Turns::default(),
        };
        tenancy.tell_what_is_missing();

        let (work, announcements) = (WakeUp::default(), Announcements::default());
        let webhook = listener.map(|listener| {
            let webhook = self.endpoint(&path, auth_id, &connection, &tenancy, (&work, &announcements));
            if let Some(handle) = cx.extra_context.get::<WebhookHandle>() {
                handle.fill(listener.address(), &webhook.0);
            }
            Webhook { listener, endpoint: webhook.0, ledger_failed: webhook.1 }
        });
        let options = self.collector_options(&cx, mode, directory.clone());
        let state = State::new(&options);
        let normalizer = Normalizer::new(self.normalize_options());
        let wants_names = self.normalize.resolve_sensitive_types && normalizer.names_sensitive_types();
        let sensitive_types =
            wants_names.then(|| SensitiveTypesReader::new(connection.client.clone(), tenants.clone()));
        let shared = Arc::new(Shared {
            ledger: Arc::clone(&ledger),
            client: connection.client.clone(),
            out: cx.out,
            component: Arc::new(cx.key.clone()),
            announcements: announcements.clone(),
            tenants: tenants.clone(),
            normalizer,
            sensitive_types,
            geoip: geoip.as_ref().map(GeoipFiles::databases),
            options,
            progress: progress.clone(),
            state,
        });
        let poll = PollContext {
            client: connection.client,
            ledger,
            subscriptions,
            work: work.clone(),
            announcements,
            progress,
            options: self.poll_options(),
        };
        let collector = Collector::new(Arc::clone(&shared), &self.content_types, work);
        info!(
            message = "Source starts.",
            component_id = %cx.key, endpoint = %self.api_endpoint(), tenants = tenants.len(),
            content_types = self.content_types.len(),
        );
        let content_types = self.content_types.clone();
        let control = Control { tenancy, directory };
        let shutdown = cx.shutdown;
        Ok(Running { shared, collector, poll, webhook, control, geoip, content_types, mode, shutdown }.run().boxed())
    }

    fn outputs(&self, global_log_namespace: LogNamespace) -> Vec<SourceOutput> {
        vec![SourceOutput::new_logs(global_log_namespace)]
    }

    fn resources(&self) -> Vec<Resource> {
        // The ledger has a lock of its own.
        match self.mode {
            Mode::Poll => Vec::new(),
            Mode::Webhook => vec![Resource::tcp(self.webhook.listen)],
        }
    }

    fn can_acknowledge(&self) -> bool {
        true
    }
}

/// For how many senders their requests are counted.
const MOST_SENDERS: usize = 10_000;

impl Office365Config {
    /// Subscriptions are looked at again as often as reconciliation: that is how long content may be missed that no
    /// subscription collects, or that no notification tells of.
    fn recheck(&self) -> Duration {
        match self.mode {
            Mode::Poll => self.poll.reconcile_interval(),
            // A little less, since each pass reconciles and a little time goes by within one.
            Mode::Webhook => self.webhook.reconcile_interval() * 9 / 10,
        }
    }

    /// What the webhooks of subscriptions are to be.
    pub(crate) fn webhook_policy(&self, mode: RunMode, auth_id: &AuthId) -> WebhookPolicy {
        match (self.mode, mode, self.webhook.public_url()) {
            (Mode::Webhook, RunMode::Continuous, Some(address)) => WebhookPolicy::With(Arc::new(WebhookTarget {
                address: address.clone(),
                auth_id: auth_id.expose().into(),
                expires_after: self.webhook.expiration.get(),
            })),
            (Mode::Webhook, ..) => WebhookPolicy::Untouched,
            (Mode::Poll, ..) => WebhookPolicy::Without,
        }
    }

    /// The key that invitations to consent are signed with, read anew each time.
    pub(crate) fn state_key(&self, path: &str) -> Result<StateKey, SecretError> {
        let secret = self.auth.client_secret.resolve(&format!("{path}.auth.client_secret"))?;
        Ok(StateKey::derive(&secret, self.auth.client_id))
    }

    fn endpoint(
        &self,
        path: &str,
        auth_id: AuthId,
        connection: &ApiClients,
        tenancy: &Tenancy,
        (work, announcements): (&WakeUp, &Announcements),
    ) -> (Endpoint, mpsc::UnboundedReceiver<LedgerError>) {
        let (config, key_path) = (self.clone(), path.to_owned());
        let registrar = Registrar {
            tenancy: tenancy.clone(),
            tokens: Arc::clone(&connection.tokens),
            state_key: Arc::new(move || config.state_key(&key_path).map_err(|error| error.to_string())),
            redirect_uri: self.webhook.public_url().cloned().unwrap_or_else(|| self.api_endpoint()),
        };
        let limits = &self.webhook.limits;
        let options = EndpointOptions {
            path: self.webhook.path.clone(),
            auth_id,
            needs_certificate: self.webhook.tls.enabled && self.webhook.tls.client_ca_file.is_some(),
            admission: Admission {
                client_id: self.auth.client_id,
                content_types: self.content_types.iter().copied().collect(),
                origin: Origin::new(&self.api_endpoint()),
            },
            trusted_proxies: self.webhook.trusted_proxies.iter().map(|network| network.get()).collect(),
            max_body: limits.max_body_bytes.as_usize(),
            body_timeout: limits.body_timeout(),
        };
        let per_minute = limits.quota_per_minute();
        // Microsoft announces a busy hour's content in one go.
        let burst = per_minute.min(NonZeroU32::new(per_minute.get() / 4).unwrap_or(NonZeroU32::MIN));
        let parts = EndpointParts {
            rates: SourceRates::new(per_minute, burst, MOST_SENDERS),
            tenants: tenancy.tenants.clone(),
            ledger: Arc::clone(&tenancy.ledger),
            work: work.clone(),
            announcements: announcements.clone(),
            progress: tenancy.progress.clone(),
            clock: connection.client.clock().clone(),
            registrar,
        };
        Endpoint::new(options, parts)
    }

    /// Opens the databases of addresses, unless there are none or events do not show what they know.
    async fn open_geoip(&self, path: &str) -> crate::Result<Option<GeoipFiles>> {
        let (config, key) = (self.normalize.geoip.clone(), format!("{path}.normalize.geoip"));
        if self.schema == EventSchema::Raw {
            return Ok(None);
        }
        // Large files, which are looked at as a whole.
        Ok(tokio::task::spawn_blocking(move || GeoipFiles::open(&config, &key)).await??)
    }

    fn normalize_options(&self) -> NormalizeOptions {
        let schema = match self.schema {
            EventSchema::Ecs => Schema::Ecs,
            EventSchema::Ocsf => Schema::Ocsf,
            EventSchema::Raw => Schema::Raw,
        };
        let NormalizeConfig { keep_original, parse_user_agent, redact_detected_values, .. } = self.normalize;
        NormalizeOptions {
            schema,
            keep_original,
            user_agents: parse_user_agent,
            redact: redact_detected_values,
            data_stream_namespace: self.normalize.data_stream_namespace.clone().into(),
        }
    }

    fn collector_options(&self, cx: &SourceContext, mode: RunMode, spool_directory: PathBuf) -> CollectorOptions {
        CollectorOptions {
            concurrency: self.request.concurrency as usize,
            body: BodyLimits {
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
            spool_directory,
        }
    }

    fn poll_options(&self) -> PollOptions {
        PollOptions {
            interval: self.poll.interval(),
            interval_with_webhook: self.webhook.reconcile_interval(),
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

/// The webhook of a source that is about to run.
struct Webhook {
    listener: Listener,
    endpoint: Endpoint,
    ledger_failed: mpsc::UnboundedReceiver<LedgerError>,
}

impl Webhook {
    /// Serves indefinitely; turns notifications away once the source is to stop.
    async fn run(self, shutdown: ShutdownSignal) -> Result<(), CollectorError> {
        let Self { listener, endpoint, mut ledger_failed } = self;
        let closing = Closing(endpoint.clone());
        // A task of its own: a flood of connections must not take turns away from the collector, nor the other way round.
        let mut serving = JoinSet::new();
        serving.spawn(listener.serve(endpoint).in_current_span());
        let close = async {
            shutdown.await;
            closing.0.close();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            Some(Err(join)) = serving.join_next() => match join.try_into_panic() {
                Ok(panic) => panic::resume_unwind(panic),
                Err(_) => Ok(()),
            },
            () = close => Ok(()),
            Some(error) = ledger_failed.recv() => Err(error.into()),
        }
    }
}

/// Ends what the endpoint has begun, however the source ends.
struct Closing(Endpoint);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What the command line asks of a source that runs.
struct Control {
    tenancy: Tenancy,
    directory: PathBuf,
}

impl Control {
    /// Answers indefinitely.
    async fn run(self) {
        #[cfg(unix)]
        tenancy::control::serve(&self.directory, self.tenancy).await;
        #[cfg(not(unix))]
        {
            let _ = (self.tenancy, self.directory);
            std::future::pending::<()>().await;
        }
    }
}

/// A source that is about to run.
struct Running {
    shared: Arc<Shared>,
    collector: Collector,
    poll: PollContext,
    webhook: Option<Webhook>,
    control: Control,
    geoip: Option<GeoipFiles>,
    content_types: Vec<ContentType>,
    mode: RunMode,
    shutdown: ShutdownSignal,
}

impl Running {
    async fn run(self) -> Result<(), ()> {
        let Self { shared, collector, poll, webhook, control, geoip, content_types, mode, shutdown } = self;
        let tenants = shared.tenants.clone();
        let databases = async {
            match geoip {
                Some(files) => files.watch().await,
                None => std::future::pending().await,
            }
        };
        let discovery = async {
            match mode {
                RunMode::Continuous => poll_until(poll, &tenants, &content_types, shutdown.clone()).await,
                RunMode::Once { patience } => {
                    poll_once(poll, &tenants, &content_types, patience, shutdown.clone()).await
                }
            }
        };
        let webhook = async {
            match webhook {
                Some(webhook) => webhook.run(shutdown.clone()).await,
                None => std::future::pending().await,
            }
        };
        let mut gave_up = false;
        let outcome = tokio::select! {
            outcome = webhook => outcome,
            // Discovery ends first, on shutdown or when all is listed; the collector decides when the source is done.
            outcome = async { tokio::try_join!(async { discovery.await.map_err(CollectorError::from) }, collector.run(shutdown.clone())) } => outcome.map(drop),
            Err(error) = maintain(Arc::clone(&shared)) => Err(error),
            () = control.run() => Ok(()),
            () = databases => Ok(()),
            () = once::out_of_patience(&shared) => {
                gave_up = true;
                Ok(())
            }
        };
        if let Err(error) = outcome {
            source_failed(&shared.component, &error);
            return Err(());
        }
        if mode.patience().is_some() {
            let verdict = once::verdict(&shared, &tenants.feeds(&content_types)).await;
            return if gave_up { Err(()) } else { verdict };
        }
        Ok(())
    }
}
