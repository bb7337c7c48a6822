//! An imitation of the Management Activity API, with the notifications it sends to webhooks, of the audit search of Microsoft
//! Graph, and of Entra's endpoints for tokens and for consent.
//!
//! It exists so that everything else can be tried without a tenant: the demo, the tests and the benches collect from
//! it. A lenient imitation would prove nothing, so this one refuses what the service refuses, with the same status,
//! code and text, and it produces on purpose the service's rare failures ([`Faults`]).
//!
//! It runs on the caller's [`Clock`] and on tokio's time alone. With tokio's time paused and requests sent through
//! [`Simulator::router`], a week of polling takes seconds and every run with the same seed is the same run.
//!
//! Where a comment names the source of a fact it uses these tags: *MSREF*, *MSTRB* and *MSGS* are Microsoft's Management
//! Activity API reference, its troubleshooting page and its "get started" page; *FB* is Filebeat's `o365audit` input,
//! *CEL* Elastic's `o365` integration, *G2O* the measurements published with `graph2otel`, *WZ* Wazuh's `office365`
//! module; others are named by repository and issue.

mod answer;
mod api;
mod attempts;
mod auth;
mod blob;
mod bodies;
mod call;
mod certificate;
mod config;
mod content;
mod dice;
mod entra;
mod entry;
mod error_reply;
mod events;
mod faults;
mod graph;
mod in_process;
mod notifier;
mod occurrences;
mod oracle;
mod outbound;
mod outbox;
mod page;
mod placed;
mod quota;
mod resources;
mod server;
mod state;
mod stats;
mod subscriptions;
mod timeline;
mod token;
mod validation;
mod webhook;
mod window;
mod world;

#[cfg(test)]
mod tests;

use std::{io, net::SocketAddr, sync::Arc};

use axum::Router;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use url::Url;

pub use self::{
    certificate::CertificateFiles,
    config::{Backlog, Denial, Live, SimulatedTenant, SimulatorConfig},
    entra::ConsentOutcome,
    faults::{Faults, FaultsHandle, Late, TenantFault},
    graph::{GraphConfig, GraphFaults, GraphOperation, GraphStats, Slow},
    in_process::InProcess,
    oracle::{FeedCounts, Oracle},
    server::RunningSimulator,
    stats::{Operation, Stats},
    world::BlobSpec,
};
use self::{state::Service, world::World};
use crate::{
    clock::Clock,
    content::{Feed, TenantId},
    transport::Transport,
};

/// The simulated service. Clones share one state.
#[derive(Clone)]
pub struct Simulator {
    service: Arc<Service>,
}

impl Simulator {
    /// A service whose backlog ends, and whose live content begins, at the clock's current time.
    pub fn new(config: SimulatorConfig, clock: Clock) -> Self {
        Self { service: Arc::new(Service::new(config, clock)) }
    }

    /// Every route of both APIs and of Entra: to be called in-process, or served.
    pub fn router(&self) -> Router {
        server::router(&self.service)
    }

    /// Serves over plain HTTP, and from now on answers with links to the address it listens on.
    pub async fn serve(&self, listen: SocketAddr) -> io::Result<RunningSimulator> {
        let running = RunningSimulator::start(self.router(), listen).await?;
        self.set_base_url(running.base_url());
        Ok(running)
    }

    /// Sets the origin that `contentUri`, `NextPageUri` and `@odata.nextLink` start with.
    pub fn set_base_url(&self, url: Url) {
        self.service.state().base_url = url;
    }

    /// Sets the origin that `@odata.nextLink` starts with, where it is another.
    pub fn set_graph_base_url(&self, url: Url) {
        self.service.state().graph_base_url = Some(url);
    }

    /// What exists in this world: the truth to compare a collector's output with.
    pub fn oracle(&self) -> Oracle {
        Oracle::new(Arc::clone(&self.service))
    }

    /// A handle that reads and changes the faults while the simulator runs.
    pub fn faults(&self) -> FaultsHandle {
        FaultsHandle::new(Arc::clone(&self.service))
    }

    /// Replaces the faults. See [`Faults`] for those that are fixed at the start.
    pub fn set_faults(&self, faults: Faults) {
        self.faults().set(faults);
    }

    /// Places a blob with exactly this body and returns its `contentId`.
    pub fn add_blob(&self, feed: Feed, blob: BlobSpec) -> String {
        self.service.world.place(feed, blob)
    }

    /// Places a blob made of these records and returns its `contentId`.
    pub fn publish_events(&self, feed: Feed, events: Vec<serde_json::Value>, created: DateTime<Utc>) -> String {
        let body = Bytes::from(serde_json::Value::Array(events).to_string());
        self.add_blob(feed, BlobSpec::new(body, created))
    }

    /// Sets the way to webhooks. Without one, every webhook is unreachable.
    pub fn set_webhook_transport(&self, transport: Arc<dyn Transport>) {
        self.service.state().webhook_transport = Some(transport);
    }

    /// Sends notifications to webhooks as content becomes available, until it is dropped. One at a time is enough; what
    /// was queued when it was dropped waits for the next.
    pub fn run_notifications(&self) -> impl Future<Output = ()> + Send + use<> {
        let service = Arc::clone(&self.service);
        async move { notifier::run(&service).await }
    }

    /// Silently removes a webhook, while its subscription stays enabled (MicrosoftDocs/office-365-management-api#179).
    pub fn unhook(&self, feed: Feed) {
        if let Some(subscription) = self.service.state().subscriptions.get_mut(&feed) {
            subscription.webhook = None;
        }
    }

    /// Disables a webhook, as the service does after too many failures, until `/start` sets it again.
    pub fn disable_webhook(&self, feed: Feed) {
        self.service.state().disable_webhook(feed);
    }

    /// Decides what comes of the visits of administrators from now on.
    pub fn set_consent(&self, outcome: ConsentOutcome) {
        self.service.state().consents.outcome = outcome;
    }

    /// Whether an administrator of a tenant has consented to its application.
    pub fn has_consented(&self, tenant: TenantId) -> bool {
        self.service.state().consents.has(tenant)
    }

    /// Gives one tenant a trouble, until [`Self::heal_tenant`]. Several can add up.
    pub fn break_tenant(&self, tenant: TenantId, fault: TenantFault) {
        self.service.state().troubles.entry(tenant).or_default().push(fault);
    }

    /// Ends every trouble of a tenant.
    pub fn heal_tenant(&self, tenant: TenantId) {
        self.service.state().troubles.remove(&tenant);
    }

    /// Makes every token issued so far worthless, as a rotated signing key does: 401 until a new one is fetched.
    pub fn revoke_tokens(&self) {
        self.service.state().revoke_tokens();
    }

    /// What has been asked of the simulator so far, and what a well-behaved client would not have asked.
    pub fn stats(&self) -> Stats {
        self.service.state().stats.clone()
    }
}
