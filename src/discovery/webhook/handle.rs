//! The webhook of a running source, for a program that has the source in its own process.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Endpoint, endpoint::WeakEndpoint};

/// A handle on a source's webhook. Put one into the [`HostServices`](crate::HostServices) before building the
/// source, keep a clone: it is filled when the source has its port, and empty again when the source has ended.
#[derive(Clone, Debug, Default)]
pub struct WebhookHandle(Arc<Mutex<Option<(SocketAddr, WeakEndpoint)>>>);

impl WebhookHandle {
    /// Where the source listens: with the port that it got when 0 was configured.
    pub fn address(&self) -> Option<SocketAddr> {
        self.get().map(|(address, _)| address)
    }

    /// The endpoint itself, to be asked without sockets. It keeps the ledger open: do not hold on to it.
    pub fn endpoint(&self) -> Option<Endpoint> {
        self.get().map(|(_, endpoint)| endpoint)
    }

    pub(crate) fn fill(&self, address: SocketAddr, endpoint: &Endpoint) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((address, endpoint.downgrade()));
    }

    fn get(&self) -> Option<(SocketAddr, Endpoint)> {
        let filled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        filled.as_ref().and_then(|(address, endpoint)| Some((*address, endpoint.upgrade()?)))
    }
}
