//! Where the state of a source is.

use std::{path::Path, sync::Arc};

#[cfg(feature = "nats")]
use tracing::warn;

use crate::{
    config::{Office365Config, StateKind},
    ledger::{Ledger, RedbLedger},
    secrets::SecretReader,
};
#[cfg(feature = "nats")]
use crate::{ledger::NatsLedger, shared_state::nats_options};

/// The ledger of a source.
pub(super) struct State {
    pub ledger: Arc<dyn Ledger>,
    /// The same, if several collectors share it.
    #[cfg(feature = "nats")]
    pub shared: Option<Arc<NatsLedger>>,
}

impl Office365Config {
    /// Opens the ledger. `path` is where this block of the configuration is, such as `sources.m365`.
    pub(super) async fn open_state(
        &self,
        directory: &Path,
        secrets: &SecretReader,
        path: &str,
    ) -> crate::Result<State> {
        match self.state.kind {
            StateKind::Embedded => {
                // A collector that shares its state has the directory, and the control socket in it, all the same.
                #[cfg(feature = "nats")]
                RedbLedger::check_unused(&NatsLedger::copy_in(directory), self.ids_kept_for()).await?;
                #[cfg(feature = "nats")]
                if !RedbLedger::exists(directory) && NatsLedger::copy_in(directory).exists() {
                    warn!(
                        message = "This source has shared its state before, and starts anew now: it delivers again what it had delivered. \
                                   To go on where it was, stop it, and run `migrate --from nats --to embedded`.",
                    );
                }
                Ok(State {
                    ledger: Arc::new(RedbLedger::open(directory, self.ids_kept_for()).await?),
                    #[cfg(feature = "nats")]
                    shared: None,
                })
            }
            #[cfg(feature = "nats")]
            StateKind::Nats => {
                RedbLedger::check_unused(directory, self.ids_kept_for()).await?;
                let options = nats_options(&self.state, secrets, &format!("{path}.state")).await?;
                let shared = Arc::new(NatsLedger::open(&options, directory, self.ids_kept_for()).await?);
                Ok(State { ledger: Arc::clone(&shared) as Arc<dyn Ledger>, shared: Some(shared) })
            }
            #[cfg(not(feature = "nats"))]
            StateKind::Nats => {
                let _ = secrets;
                Err(format!("{path}.state: this build has no NATS; build with the feature nats").into())
            }
        }
    }
}
