//! The webhook of a source that runs.

use std::panic;

use tokio::{sync::mpsc, task::JoinSet};
use tracing::Instrument;

use crate::{
    collector::CollectorError,
    component::ShutdownSignal,
    discovery::webhook::{Endpoint, Listener},
    ledger::LedgerError,
};

/// The webhook of a source that is about to run.
pub(super) struct Webhook {
    pub listener: Listener,
    pub endpoint: Endpoint,
    pub ledger_failed: mpsc::UnboundedReceiver<LedgerError>,
}

impl Webhook {
    /// Serves indefinitely; turns notifications away once the source is to stop.
    pub async fn run(self, shutdown: ShutdownSignal) -> Result<(), CollectorError> {
        let Self { listener, endpoint, mut ledger_failed } = self;
        let closing = Closing(endpoint.clone());
        // A task of its own, so that a flood of connections does not slow down the collector, nor a busy collector the
        // listener.
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
