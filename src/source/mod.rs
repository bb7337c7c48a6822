//! The source component: puts the modules together.

#[cfg(feature = "nats")]
mod membership;
#[cfg(not(feature = "nats"))]
#[path = "sole_member.rs"]
mod membership;
mod options;
mod running;
mod state;
mod webhook;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::FutureExt;
use secrecy::SecretString;
use tracing::{info, warn};

use self::{
    membership::Membership,
    running::{Control, Running},
    webhook::Webhook,
};
use crate::{
    RunMode,
    announcements::Announcements,
    api_clients::ApiClients,
    audit_search::SearchContext,
    collector::{Collector, CollectorParts},
    component::{ComponentKey, LogNamespace, Resource, Source, SourceConfig, SourceContext, SourceOutput},
    config::{Mode, Office365Config},
    credentials::{CredentialError, Credentials},
    discovery::{
        SubscriptionBook,
        poll::PollContext,
        webhook::{AuthId, Endpoint, EndpointParts, Listener, SourceRates, configured_auth_id},
    },
    geoip::GeoipFiles,
    graph::GraphClient,
    host_services::HostServices,
    ledger::{Ledger, LedgerError, SubscriptionStore},
    normalize::Normalizer,
    secrets::SecretReader,
    telemetry::Progress,
    tenancy::{Administration, Tenancy, Turns},
    tenants::Tenants,
    wake_up::WakeUp,
};

#[async_trait]
impl SourceConfig for Office365Config {
    async fn build(&self, cx: SourceContext) -> crate::Result<Source> {
        let path = format!("sources.{}", cx.key);
        self.validate(&path)?;
        let HostServices { run_mode, range, search: task, progress, insights, environment, webhook: handle } =
            HostServices::of(&cx.extra_context);
        let ApiClients { client, search, tokens, credentials } = ApiClients::new(self, &path, &cx.proxy, environment)?;
        check_credentials(&credentials, client.clock().now()).await?;
        let secrets = SecretReader::default();
        let auth_id = configured_auth_id(&self.webhook, &secrets, &format!("{path}.webhook.auth_id")).await?;
        let geoip = self.open_geoip(&path).await?;
        let directory = cx.globals.resolve_and_make_data_subdir(None, cx.key.id())?;
        let state = self.open_state(&directory, &secrets, &path).await?;
        let ledger = Arc::clone(&state.ledger);
        let tenants = Tenants::new(&self.tenants, &ledger.tenants().await?);
        let listener = self.listener(run_mode).await?;
        let auth_id = auth_id_of(auth_id, &*ledger, listener.is_some()).await?;
        let subscriptions = SubscriptionBook::new(
            client.clone(),
            ledger.clone(),
            self.webhook_policy(run_mode, &auth_id),
            self.reconcile_interval(),
        );
        let (work, announcements) = (WakeUp::default(), Announcements::default());
        let cluster = Membership::of(&state, &client, &tenants, &progress, &work, run_mode);
        cluster.begin(task).await?;
        let own = cluster.own(&tenants);
        let tenancy = Tenancy {
            tenants: tenants.clone(),
            own: own.clone(),
            ledger: ledger.clone(),
            client: client.clone(),
            subscriptions: subscriptions.clone(),
            content_types: self.content_types.clone(),
            progress: progress.clone(),
            turns: Turns::default(),
        };
        tenancy.tell_what_is_missing();

        let webhook = listener.map(|listener| {
            let parts = EndpointParts {
                rates: SourceRates::of_notifications(self.webhook.limits.quota_per_minute()),
                tenants: tenants.clone(),
                ledger: ledger.clone(),
                work: work.clone(),
                announcements: announcements.clone(),
                progress: progress.clone(),
                clock: client.clock().clone(),
                registrar: self.registrar(credentials.own.clone(), tenancy.clone(), tokens),
            };
            let (endpoint, ledger_failed) = Endpoint::new(self.endpoint_options(auth_id), parts);
            handle.fill(listener.address(), &endpoint);
            Webhook { listener, endpoint, ledger_failed }
        });
        let poll = PollContext {
            client: client.clone(),
            ledger: ledger.clone(),
            subscriptions,
            work: work.clone(),
            announcements: announcements.clone(),
            progress: progress.clone(),
            options: self.poll_options(range),
        };
        let searching = search.clone().map(|client| self.searching(client, &ledger, &work, &progress));
        let options = self.collector_options(&cx, run_mode, directory.clone(), task);
        let parts = CollectorParts {
            ledger: ledger.clone(),
            client: client.clone(),
            search: search.clone(),
            out: cx.out,
            component: cx.key.clone(),
            announcements,
            tenants: own.clone(),
            normalizer: Normalizer::new(self.normalize_options()),
            geoip: geoip.as_ref().map(GeoipFiles::databases),
            progress: progress.clone(),
            insights,
        };
        let collector = Collector::new(parts, options, work.clone());
        self.tell_start(&cx.key, &tenants);
        let source = Administration { tenancy, ledger: ledger.clone(), work, search: searching.clone(), task };
        let control = range.is_none().then(|| Control { source, directory });
        let running = Running {
            component: cx.key,
            collector,
            poll,
            searching,
            task,
            webhook,
            control,
            geoip,
            credentials,
            clock: client.clock().clone(),
            tenants: own,
            cluster,
            content_types: self.content_types.clone(),
            ledger,
            progress,
            run_mode,
            shutdown: cx.shutdown,
        };
        Ok(running.run().boxed())
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

impl Office365Config {
    /// The listener, bound. A run that ends by itself lists what there is, in either mode.
    async fn listener(&self, run_mode: RunMode) -> crate::Result<Option<Listener>> {
        Ok(match (self.mode, run_mode) {
            (Mode::Webhook, RunMode::Continuous) => Some(Listener::bind(&self.webhook).await?),
            (Mode::Poll, _) | (Mode::Webhook, RunMode::Once { .. }) => None,
        })
    }

    fn tell_start(&self, key: &ComponentKey, tenants: &Tenants) {
        info!(
            message = "Source starts.",
            component_id = %key, endpoint = %self.api_endpoint(), tenants = tenants.len(),
            content_types = self.content_types.len(), searches = self.audit_search.is_some(),
        );
    }

    /// What searching the audit log works with.
    fn searching(
        &self,
        client: GraphClient,
        ledger: &Arc<dyn Ledger>,
        work: &WakeUp,
        progress: &Progress,
    ) -> SearchContext {
        SearchContext {
            client,
            ledger: Arc::clone(ledger),
            work: work.clone(),
            progress: progress.clone(),
            requested: Arc::default(),
            options: self.search_options(),
        }
    }
}

/// Reads every credential once, so that what cannot be used is an error at the start and not a pause later. A store of
/// secrets that cannot answer now is no error of the configuration: it is asked again with the first token.
async fn check_credentials(credentials: &Credentials, now: DateTime<Utc>) -> Result<(), CredentialError> {
    for (_, credential) in credentials.iter() {
        match credential.check(now).await {
            Err(error) if error.is_temporary() => {
                warn!(message = "A credential cannot be read yet; it is tried again with the first request.", %error);
            }
            result => result?,
        }
    }
    Ok(())
}

/// The AuthID of the configuration, or the one that this source made up when it first needed one: when it listened.
async fn auth_id_of(
    configured: Option<SecretString>,
    ledger: &dyn Ledger,
    listens: bool,
) -> Result<AuthId, LedgerError> {
    let fresh = AuthId::generate();
    Ok(match configured {
        Some(configured) => AuthId::from(configured),
        None if listens => AuthId::from(SubscriptionStore::auth_id(ledger, fresh.expose().into()).await?),
        // Nobody is told it.
        None => fresh,
    })
}
