//! A source from its start to its end.

use std::{future::pending, path::PathBuf, sync::Arc};

use super::{membership::Membership, webhook::Webhook};
use crate::{
    RunMode,
    audit_search::{SearchContext, SearchTask, search_once, search_until},
    collector::{Collector, CollectorError, source_failed},
    component::{ComponentKey, ShutdownSignal},
    content::ContentType,
    credentials::{Credentials, watch_expiry},
    discovery::poll::{PollContext, poll_once, poll_until},
    geoip::GeoipFiles,
    ledger::Ledger,
    once,
    telemetry::Progress,
    tenancy::{self, Administration},
    tenants::Tenants,
    transport::ServerClock,
};

/// What the command line asks of a source that runs.
pub(super) struct Control {
    pub source: Administration,
    pub directory: PathBuf,
}

impl Control {
    /// Answers indefinitely.
    async fn run(self) {
        #[cfg(unix)]
        tenancy::control::serve(&self.directory, self.source).await;
        #[cfg(not(unix))]
        {
            let _ = (self.source, self.directory);
            pending::<()>().await;
        }
    }
}

/// A source that is about to run.
pub(super) struct Running {
    pub component: ComponentKey,
    pub collector: Collector,
    pub poll: PollContext,
    pub searching: Option<SearchContext>,
    pub task: Option<SearchTask>,
    pub webhook: Option<Webhook>,
    pub control: Option<Control>,
    pub geoip: Option<GeoipFiles>,
    pub credentials: Credentials,
    pub clock: ServerClock,
    /// Those that this source works on.
    pub tenants: Tenants,
    pub cluster: Membership,
    pub content_types: Vec<ContentType>,
    pub ledger: Arc<dyn Ledger>,
    pub progress: Progress,
    pub run_mode: RunMode,
    pub shutdown: ShutdownSignal,
}

impl Running {
    pub async fn run(self) -> Result<(), ()> {
        let Self {
            component,
            collector,
            poll,
            searching,
            task,
            webhook,
            control,
            geoip,
            credentials,
            clock,
            tenants,
            cluster,
            content_types,
            ledger,
            progress,
            run_mode,
            shutdown,
        } = self;
        let control = async {
            match control {
                Some(control) => control.run().await,
                None => pending().await,
            }
        };
        let databases = async {
            match geoip {
                Some(files) => files.watch().await,
                None => pending().await,
            }
        };
        let discovery = async {
            match (run_mode, task, searching) {
                (RunMode::Once { .. }, Some(task), Some(searching)) => {
                    search_once(searching, &tenants, task, shutdown.clone()).await
                }
                (RunMode::Once { patience }, ..) => {
                    poll_once(poll, &tenants, &content_types, patience, shutdown.clone()).await
                }
                (RunMode::Continuous, _, None) => poll_until(poll, &tenants, &content_types, shutdown.clone()).await,
                (RunMode::Continuous, _, Some(searching)) => {
                    let polling = poll_until(poll, &tenants, &content_types, shutdown.clone());
                    tokio::try_join!(polling, search_until(searching, &tenants, shutdown.clone())).map(drop)
                }
            }
        };
        let webhook = async {
            match webhook {
                Some(webhook) => webhook.run(shutdown.clone()).await,
                None => pending().await,
            }
        };
        let (maintenance, unacknowledged) = (collector.maintenance(), collector.unacknowledged());
        // Discovery ends first, on shutdown or when all is listed; the collector decides when the source is done.
        let collecting = async {
            let discovery = async { discovery.await.map_err(CollectorError::from) };
            tokio::try_join!(discovery, collector.run(shutdown.clone())).map(drop)
        };
        let waiting = || unacknowledged.bytes();
        let expiries = |tenant, expires| progress.set_credential_expiry(tenant, expires);
        let mut gave_up = false;
        let outcome = tokio::select! {
            outcome = webhook => outcome,
            outcome = collecting => outcome,
            Err(error) = maintenance => Err(error),
            Err(error) = cluster.run() => Err(CollectorError::from(error)),
            () = control => Ok(()),
            () = databases => Ok(()),
            never = watch_expiry(credentials, move || clock.now(), expiries) => match never {},
            () = once::out_of_patience(run_mode, &progress, &component, waiting) => {
                gave_up = true;
                Ok(())
            }
        };
        let outcome = match outcome {
            Err(error) => {
                source_failed(&component, &error);
                Err(())
            }
            Ok(()) if run_mode.patience().is_none() => Ok(()),
            Ok(()) => {
                let feeds = tenants.feeds(if task.is_some() { &[ContentType::AuditLogQuery] } else { &content_types });
                let verdict = once::verdict(&*ledger, &progress, &component, &feeds).await;
                if gave_up { Err(()) } else { verdict }
            }
        };
        // Nothing is known of tenants that are given back.
        cluster.leave().await;
        outcome
    }
}
