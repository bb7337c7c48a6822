//! What servers refuse because the user of this program lacks a permission. They say so beside the requests, which nobody answers then.

use async_nats::{Event, ServerError};
use tokio::sync::watch;
use tracing::warn;

/// The first refusal of a connection. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals(watch::Sender<Option<String>>);

impl Refusals {
    /// Takes note of what a server has said.
    pub fn hear(&self, event: &Event) {
        let Event::ServerError(ServerError::Other(text)) = event else { return };
        if text.to_ascii_lowercase().contains("permissions violation") {
            self.0.send_if_modified(|first| {
                let is_first = first.is_none();
                if is_first {
                    warn!(
                        message = "NATS refuses what collectors do; give the user of this program the permissions that docs/cluster.md lists.",
                        refusal = text,
                    );
                    *first = Some(text.clone());
                }
                is_first
            });
        }
    }

    /// Returns the first refusal, when there is one.
    pub async fn first(&self) -> String {
        let mut watched = self.0.subscribe();
        loop {
            let first = watched.borrow_and_update().clone();
            if let Some(first) = first {
                return first;
            }
            // The sender is here.
            let _ = watched.changed().await;
        }
    }
}
