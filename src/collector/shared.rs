//! What every blob's task needs.

use std::{path::PathBuf, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use super::{
    body::BodyLimits, budget::Budget, decode::BatchLimits, dedupe::Reservations, retry::Retries, search::NamesTold,
    sensitive_types::SensitiveTypesReader,
};
use crate::{
    RunMode,
    activity::ActivityClient,
    announcements::Announcements,
    component::{ComponentKey, SourceSender},
    content::{ContentType, Feed},
    geoip::Geoip,
    graph::GraphClient,
    insights::Insights,
    ledger::Ledger,
    normalize::{Filter, Normalizer, RecordFilter, SensitiveTypes},
    telemetry::Progress,
    tenants::Tenants,
};

/// Settings of a collector.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "switches that have nothing to do with each other")]
pub struct CollectorOptions {
    /// Downloads at a time, over all tenants.
    pub concurrency: usize,
    /// How bodies are received.
    pub body: BodyLimits,
    /// How large batches are.
    pub batch: BatchLimits,
    /// How many bytes of events may wait for acknowledgement.
    pub max_buffered_bytes: usize,
    /// Whether to wait for the pipeline's acknowledgement.
    pub acknowledgements: bool,
    /// Whether the run should end when there is nothing left.
    pub mode: RunMode,
    /// Where large bodies go.
    pub spool_directory: PathBuf,
    /// Whether the names of sensitive information types are asked for.
    pub resolve_sensitive_types: bool,
    /// Which records become events.
    pub filter: RecordFilter,
    /// The content types that are collected.
    pub content_types: Vec<ContentType>,
    /// Whether delivered events are counted by their day, to be compared with searches.
    pub counts_days: bool,
    /// Whether nothing but what searches have found is collected.
    pub searches_only: bool,
    /// Whether events are delivered that searches have found. If not, they are only told of, whatever a day asks for.
    pub heals: bool,
}

/// What a collector works with.
#[derive(Debug)]
pub struct CollectorParts {
    /// What is pending.
    pub ledger: Arc<dyn Ledger>,
    /// Where it is fetched.
    pub client: ActivityClient,
    /// Where the records of searches are fetched, if there are searches.
    pub search: Option<GraphClient>,
    /// Where it goes.
    pub out: SourceSender,
    /// The name of this component.
    pub component: ComponentKey,
    /// What notifications were worth.
    pub announcements: Announcements,
    /// Whose content is collected, with the domains for their events.
    pub tenants: Tenants,
    /// What makes events of records.
    pub normalizer: Normalizer,
    /// The GeoIP databases, if there are any.
    pub geoip: Option<Geoip>,
    /// What has been done.
    pub progress: Progress,
    /// What the events have in common.
    pub insights: Insights,
}

/// What the tasks of a collector share.
#[derive(Debug)]
pub struct Shared {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) client: ActivityClient,
    pub(super) search: Option<GraphClient>,
    pub(super) out: SourceSender,
    pub(super) component: Arc<ComponentKey>,
    pub(super) announcements: Announcements,
    pub(super) tenants: Tenants,
    pub(super) normalizer: Normalizer,
    /// `None` if all records become events.
    pub(super) filter: Option<Filter>,
    pub(super) sensitive_types: Option<SensitiveTypesReader>,
    pub(super) geoip: Option<Geoip>,
    pub(super) progress: Progress,
    pub(super) insights: Insights,
    pub(super) options: CollectorOptions,
    pub(super) reservations: Reservations,
    pub(super) budget: Budget,
    pub(super) retries: Retries,
    /// Names of record types of searches.
    pub(super) names_told: NamesTold,
    /// Set when the source shuts down: downloads are given back, what is being emitted is finished.
    pub(super) stop_fetching: CancellationToken,
}

impl Shared {
    /// What the tasks of a collector share that has not begun.
    pub(super) fn new(parts: CollectorParts, options: CollectorOptions) -> Self {
        let CollectorParts {
            ledger,
            client,
            search,
            out,
            component,
            announcements,
            tenants,
            normalizer,
            geoip,
            progress,
            insights,
        } = parts;
        let wants_names = options.resolve_sensitive_types && normalizer.names_sensitive_types();
        Self {
            sensitive_types: wants_names.then(|| SensitiveTypesReader::new(client.clone(), tenants.clone())),
            filter: Filter::new(&options.filter),
            reservations: Reservations::default(),
            budget: Budget::new(options.max_buffered_bytes),
            retries: Retries::new(options.mode),
            names_told: NamesTold::default(),
            stop_fetching: CancellationToken::new(),
            component: Arc::new(component),
            ledger,
            client,
            search,
            out,
            announcements,
            tenants,
            normalizer,
            geoip,
            progress,
            insights,
            options,
        }
    }

    /// The time by Microsoft's clock: what content's times are compared with.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.client.clock().now()
    }

    /// The time after a wait.
    pub(super) fn after(&self, wait: Duration) -> DateTime<Utc> {
        self.now() + TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX)
    }

    /// The names of sensitive information types for the records of a feed. Only the first content that may be of data loss prevention
    /// waits for them, and not when the source shuts down.
    pub(super) async fn sensitive_types(&self, feed: Feed) -> Option<Arc<SensitiveTypes>> {
        let may_be_dlp = match feed.content_type {
            ContentType::Dlp => true,
            ContentType::AuditLogQuery => self.options.content_types.contains(&ContentType::Dlp),
            _ => false,
        };
        let reader = self.sensitive_types.as_ref().filter(|_| may_be_dlp)?;
        tokio::select! {
            biased;
            types = reader.of(feed.tenant) => types,
            () = self.stop_fetching.cancelled() => None,
        }
    }
}
