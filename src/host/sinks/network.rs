//! Sinks that send over the network to a peer that acknowledges.
//!
//! ```text
//! inbox ──► batcher ──► encode ──► send ──► acknowledged ──► delivered        `request.concurrency` batches at once
//!                         ▲         │ may pass: wait, send again, for as long as it takes
//!                         └─────────┤ too large, or refused: two halves
//!                                   └ a single event, refused: dead letter, on disk ──► delivered
//! ```
//!
//! A protocol is a [`Peer`]: how a batch becomes a request, and how a request is sent and acknowledged. Everything else
//! is here, the same for all: what is not acknowledged is not delivered, no event is given up because a peer is away,
//! and no request that a peer will never accept is sent indefinitely. While all batches are on their way nothing is
//! received, the inbox fills, and the sources wait.

mod address;
mod batch;
mod connect;
mod connection;
mod dead_letter;
mod deliver;
mod drive;
mod proxy;
mod record;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;

pub(super) use self::{
    batch::Batch,
    connect::{Access, Connector, Protocol},
    connection::PeerConnection,
    dead_letter::DeadLetters,
    drive::NetworkSink,
};

/// The other end: a protocol, and an address where it is spoken.
#[async_trait]
pub(super) trait Peer: Send + Sync + 'static {
    /// A batch in the form in which it is sent.
    type Request: Send + Sync + 'static;

    /// Makes the request of a batch: once, however often it is sent.
    ///
    /// # Errors
    ///
    /// Why these events cannot be sent to this peer at all; they become dead letters.
    fn encode(&self, batch: &Batch) -> Result<Self::Request, String>;

    /// Sends a request and waits until the peer has acknowledged it.
    ///
    /// The future is dropped when it takes longer than [`Peer::timeout`]: whatever it uses (a connection in the middle of
    /// a message) must not be used again then.
    async fn send(&self, request: &Self::Request) -> Result<Accepted, Failure>;

    /// How many batches may be on their way at once. `request` is what the configuration allows.
    fn concurrency(&self, request: usize) -> usize {
        request
    }

    /// How long [`Peer::send`] may take. `request` is what the configuration allows.
    fn timeout(&self, request: Duration) -> Duration {
        request
    }
}

/// What a peer has acknowledged.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Accepted {
    /// Bytes sent, as they went over the wire, without the transport's framing.
    pub(super) byte_size: u64,
    /// Events of the batch that the peer has thrown away, if it says so without saying which.
    pub(super) rejected: Option<Rejected>,
}

/// Events that a peer has thrown away out of a batch that it has taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Rejected {
    /// How many.
    pub(super) count: u64,
    /// What the peer says.
    pub(super) reason: String,
}

/// Why a request was not acknowledged. Reasons are sentences without a full stop; none holds a secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Failure {
    /// It may be, later: no connection, no answer, a peer that is overloaded, or whose settings are wrong.
    MayPass {
        /// What happened, and what to do about it if anything can be done.
        reason: String,
        /// How long the peer asks to wait.
        after: Option<Duration>,
    },
    /// The peer refuses, and it is not clear whether these events or whatever is sent. Sent again, unless others are
    /// accepted meanwhile.
    Denied {
        /// What the peer says, and what to do about it.
        reason: String,
    },
    /// The peer has taken the batch, and some of it was refused further on: sending it again would repeat the rest.
    Lost {
        /// What the peer says.
        reason: String,
    },
    /// The peer does not take as much at once.
    TooLarge {
        /// What the peer says.
        reason: String,
    },
    /// The peer does not take all of these events, however often they are sent.
    Refused {
        /// What the peer says.
        reason: String,
    },
}

impl Failure {
    /// Why.
    pub(super) fn into_reason(self) -> String {
        let (Self::MayPass { reason, .. }
        | Self::Denied { reason }
        | Self::Lost { reason }
        | Self::TooLarge { reason }
        | Self::Refused { reason }) = self;
        reason
    }

    /// A failure that may end, by itself or after an administrator's change.
    pub(super) fn may_pass(reason: impl Into<String>) -> Self {
        Self::MayPass { reason: reason.into(), after: None }
    }
}
