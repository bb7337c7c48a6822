//! The webhook of a running source, for a program that has the source in its own process.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use super::Endpoint;

/// A handle on a source's webhook. Put one into the [`ExtraContext`](crate::component::ExtraContext) before building the
/// source, keep a clone: it is filled when the source has its port.
#[derive(Clone, Debug, Default)]
pub struct WebhookHandle(Arc<OnceLock<(SocketAddr, Endpoint)>>);

impl WebhookHandle {
    /// Where the source listens: with the port that it got when 0 was configured.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.get().map(|(address, _)| *address)
    }

    /// The endpoint itself, to be asked without sockets.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.0.get().map(|(_, endpoint)| endpoint)
    }

    pub(crate) fn fill(&self, address: SocketAddr, endpoint: Endpoint) {
        // Of two sources that share a handle, the first has it.
        let _ = self.0.set((address, endpoint));
    }
}
