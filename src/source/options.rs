//! From the configuration to the options of each module.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use chrono::TimeDelta;
use futures::FutureExt;
use uuid::Uuid;

use crate::{
    RunMode,
    activity::Origin,
    audit_search::{SearchOptions, SearchTask, Wanted},
    collector::{BatchLimits, BodyLimits, CollectorOptions},
    component::SourceContext,
    config::{
        AuditSearchConfig, EventSchema, FilterConfig, Mode, NormalizeConfig, Office365Config, RecordTypeConfig,
        TenantConfig, VerifyRhythm,
    },
    content::TenantId,
    credentials::{ConfiguredCredential, CredentialError},
    discovery::{
        WebhookPolicy, WebhookTarget,
        poll::{PollOptions, Rhythm, TimeRange},
        webhook::{Admission, AuthId, EndpointOptions},
    },
    entra::Tokens,
    geoip::GeoipFiles,
    ledger::IdRetention,
    normalize::{Criteria, NormalizeOptions, RecordFilter, RecordType, Schema},
    registration::{Registrar, StateKey},
    tenancy::Tenancy,
};

/// A day is compared with the audit search when it is three days old, and again for some days if that comes to nothing.
const COMPARED_AFTER: TimeDelta = TimeDelta::days(7);

/// For how much longer ids are kept of days that are not proved complete: memory and disk grow with them.
const UNTIL_PROVED: TimeDelta = TimeDelta::days(15);

impl Office365Config {
    /// How often a listing reconciles. That is how long content may be missed that no subscription collects, or that no
    /// notification announces.
    pub(super) fn reconcile_interval(&self) -> Duration {
        match self.mode {
            Mode::Poll => self.poll.reconcile_interval(),
            Mode::Webhook => self.webhook.reconcile_interval(),
        }
    }

    /// For how long ids of delivered events are kept: longer where they are compared with the audit search, and longer still for days
    /// that are not proved complete, such as those at the edges of an outage.
    pub(crate) fn ids_kept_for(&self) -> IdRetention {
        let window = time_delta(self.dedupe.window.get());
        if !self.searches() {
            return IdRetention::from(window);
        }
        let window = window + COMPARED_AFTER;
        let is_daily = self.audit_search.as_ref().is_some_and(|search| search.verify == VerifyRhythm::Daily);
        IdRetention { window, while_needed: if is_daily { window + UNTIL_PROVED } else { window } }
    }

    /// Whether the audit log is searched.
    fn searches(&self) -> bool {
        self.audit_search.is_some() && AuditSearchConfig::is_in(self.effective_cloud())
    }

    /// How the audit log is searched.
    pub(crate) fn search_options(&self) -> SearchOptions {
        let config = self.audit_search.clone().unwrap_or_default();
        SearchOptions {
            wanted: Wanted {
                verify: config.verify == VerifyRhythm::Daily,
                heal: config.heal,
                max_gap: time_delta(config.max_gap.get()),
            },
            budget: config.budget_per_day,
            content_types: self.content_types.clone(),
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
    pub(crate) async fn state_key(&self, path: &str) -> Result<StateKey, CredentialError> {
        state_key(&ConfiguredCredential::new(&self.auth, format!("{path}.auth"))).await
    }

    pub(super) fn registrar(
        &self,
        credential: ConfiguredCredential,
        tenancy: Tenancy,
        tokens: Arc<Tokens>,
    ) -> Registrar {
        Registrar {
            tenancy,
            tokens,
            state_key: Arc::new(move || {
                let credential = credential.clone();
                async move { state_key(&credential).await.map_err(|error| error.to_string()) }.boxed()
            }),
            redirect_uri: self.webhook.public_url().cloned().unwrap_or_else(|| self.api_endpoint()),
        }
    }

    /// The applications of tenants that have another than the rest.
    fn client_ids_of_tenants(&self) -> HashMap<TenantId, Uuid> {
        let of = |tenant: &TenantConfig| Some((tenant.id, tenant.auth.as_ref()?.application_id()?));
        self.tenants.iter().filter_map(of).collect()
    }

    pub(super) fn endpoint_options(&self, auth_id: AuthId) -> EndpointOptions {
        EndpointOptions {
            path: self.webhook.path.clone(),
            auth_id,
            needs_certificate: self.webhook.tls.enabled && self.webhook.tls.client_ca_file.is_some(),
            admission: Admission {
                client_id: self.auth.application_id().unwrap_or_default(),
                client_ids: self.client_ids_of_tenants(),
                content_types: self.content_types.iter().copied().collect(),
                origin: Origin::new(&self.api_endpoint()),
            },
            trusted_proxies: self.webhook.trusted_proxies.iter().map(|network| network.get()).collect(),
            max_body: self.webhook.limits.max_body_bytes.as_usize(),
            body_timeout: self.webhook.limits.body_timeout(),
        }
    }

    /// Opens the databases of addresses, unless there are none or events do not show what they know.
    pub(super) async fn open_geoip(&self, path: &str) -> crate::Result<Option<GeoipFiles>> {
        let (config, key) = (self.normalize.geoip.clone(), format!("{path}.normalize.geoip"));
        if self.schema == EventSchema::Raw {
            return Ok(None);
        }
        // Large files, which are looked at as a whole.
        Ok(tokio::task::spawn_blocking(move || GeoipFiles::open(&config, &key)).await??)
    }

    pub(crate) fn normalize_options(&self) -> NormalizeOptions {
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

    fn record_filter(&self) -> RecordFilter {
        let criteria = |filters: &[FilterConfig]| filters.iter().map(criteria).collect();
        RecordFilter { include: criteria(&self.filters.include), exclude: criteria(&self.filters.exclude) }
    }

    pub(super) fn collector_options(
        &self,
        cx: &SourceContext,
        mode: RunMode,
        spool_directory: PathBuf,
        task: Option<SearchTask>,
    ) -> CollectorOptions {
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
            resolve_sensitive_types: self.normalize.resolve_sensitive_types,
            filter: self.record_filter(),
            content_types: self.content_types.clone(),
            counts_days: self.searches(),
            searches_only: task.is_some(),
            heals: task.is_none_or(|task| task.heals),
        }
    }

    pub(super) fn poll_options(&self, range: Option<TimeRange>) -> PollOptions {
        PollOptions {
            interval: self.poll.interval(),
            interval_with_webhook: self.webhook.reconcile_interval(),
            rhythm: Rhythm {
                start_from: time_delta(self.start_from.get()),
                overlap: time_delta(self.poll.overlap()),
                reconcile_interval: time_delta(self.poll.reconcile_interval()),
            },
            range,
        }
    }
}

fn criteria(filter: &FilterConfig) -> Criteria {
    let record_type = |record_type: &RecordTypeConfig| match record_type {
        RecordTypeConfig::Number(number) => RecordType::Number(i64::from(*number)),
        RecordTypeConfig::Name(name) => RecordType::Name(name.clone()),
    };
    Criteria {
        content_types: filter.content_type.clone().unwrap_or_default(),
        record_types: filter.record_type.iter().flatten().map(record_type).collect(),
        workloads: filter.workload.clone().unwrap_or_default(),
        operations: filter.operation.clone().unwrap_or_default(),
        users: filter.user.clone().unwrap_or_default(),
    }
}

/// Configured durations are weeks at most.
fn time_delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

async fn state_key(credential: &ConfiguredCredential) -> Result<StateKey, CredentialError> {
    Ok(StateKey::derive(&credential.lasting_secret().await?, credential.application_id().unwrap_or_default()))
}
