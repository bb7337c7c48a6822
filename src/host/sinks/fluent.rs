//! The Forward protocol: a batch is a `PackedForward` message, and the server's `ack` of its chunk acknowledges it.
//!
//! The first server that works gets the events. A server that has failed is not used for a while, and the next takes
//! over; then a single batch tries it again.

mod credentials;
mod health;
mod server;
mod session;
#[cfg(test)]
mod tests;

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use tokio::time::timeout;

use self::{
    credentials::Credentials,
    health::Trial,
    server::{Server, ServerError},
};
use super::{
    Build, BuildContext, Run, SinkError,
    compression::compress,
    network::{Accepted, Batch, Connector, Failure, Peer},
};
use crate::{
    backoff::Backoff,
    config::{Compression, FluentSinkConfig},
    encoding::forward::{PackedForward, write_entry},
    host::telemetry::{self, SinkLabels},
};

/// Time to put aside one server and turn to the next. See [`Peer::timeout`].
const TURN: Duration = Duration::from_secs(1);

/// How often servers may close the connection on the same message before its size counts as the reason: a restart or
/// two may close it as well.
const SUSPICIOUS_CLOSINGS: u32 = 3;

/// Up to this size, a message is never the reason. Unit: bytes.
const SURELY_SMALL: usize = 64 * 1024;

/// Fluent Bit's `buffer_max_size`: above it, a message is surely the reason. Unit: bytes.
const SURELY_LARGE: usize = 6_144_000;

#[async_trait]
impl Build for FluentSinkConfig {
    async fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Run>, SinkError> {
        Ok(cx.network_sink(FluentPeer::new(&cx.labels, self).await?, &self.network))
    }
}

/// Servers that speak the Forward protocol.
struct FluentPeer {
    labels: SinkLabels,
    /// In the order of preference.
    servers: Vec<Server>,
    connector: Connector,
    credentials: Credentials,
    tag: String,
    compression: Compression,
    /// For one server.
    timeout: Duration,
}

/// A batch as it is sent, the same at each attempt.
#[derive(Debug)]
pub(super) struct Message {
    bytes: Bytes,
    /// The name that the server has to acknowledge.
    chunk: String,
    events: usize,
    /// The size of the events without compression; servers limit both.
    entry_bytes: usize,
    /// How often a server has closed the connection on it.
    closings: AtomicU32,
}

impl FluentPeer {
    async fn new(labels: &SinkLabels, config: &FluentSinkConfig) -> Result<Self, SinkError> {
        let name = &labels.id;
        let backoff = Backoff {
            first: Duration::from_secs(config.network.request.retry_initial_backoff_secs),
            longest: Duration::from_secs(config.network.request.retry_max_duration_secs),
        };
        let credentials = Credentials::new(name, config.auth.clone());
        // A secret that is missing at the start is a mistake; one that is missing later may be being replaced.
        match credentials.read().await {
            Err(error) if error.is_temporary() => {}
            result => result.map(drop)?,
        }
        Ok(Self {
            labels: labels.clone(),
            servers: config.servers.iter().map(|url| Server::new(url, backoff)).collect(),
            connector: Connector::direct(name, &config.network.tls)?,
            credentials,
            tag: config.tag.clone(),
            compression: config.compression,
            timeout: config.network.request.timeout(),
        })
    }

    /// Sends to one server.
    async fn try_server(&self, server: &Server, trial: Trial<'_>, message: &Message) -> Result<(), Failure> {
        let sent = timeout(self.timeout, server.send(message, &self.connector, &self.credentials)).await;
        let error = match sent {
            Ok(Ok(())) => {
                if trial.succeeded() && self.servers.len() > 1 {
                    telemetry::server_returns(&self.labels, server.name());
                }
                return Ok(());
            }
            Ok(Err(error)) => error,
            Err(_) => ServerError::Silent { seconds: self.timeout.as_secs() },
        };
        let reason = format!("{}: {error}", server.name());
        if error.is_closing() && message.is_too_large() {
            return Err(Failure::TooLarge { reason: format!("{reason}, {SUSPICIOUS_CLOSINGS} times on this message") });
        }
        if error.is_closing() && message.is_suspicious() {
            return Err(Failure::Denied { reason: format!("{reason}, {SUSPICIOUS_CLOSINGS} times on this message") });
        }
        if let Some(wait) = trial.failed()
            && self.servers.len() > 1
        {
            telemetry::server_rests(&self.labels, server.name(), &reason, wait);
        }
        Err(Failure::may_pass(reason))
    }
}

#[async_trait]
impl Peer for FluentPeer {
    type Request = Message;

    fn encode(&self, batch: &Batch) -> Result<Message, String> {
        let mut entries = Vec::with_capacity(batch.json_size() + 16 * batch.len());
        for event in batch.events() {
            write_entry(event, &mut entries);
        }
        Message::new(&self.tag, entries, batch.len(), self.compression)
    }

    async fn send(&self, message: &Message) -> Result<Accepted, Failure> {
        let mut reasons = Vec::new();
        for server in &self.servers {
            let Some(trial) = server.health().admit() else { continue };
            match self.try_server(server, trial, message).await {
                Ok(()) => return Ok(message.accepted()),
                Err(Failure::MayPass { reason, .. }) => reasons.push(reason),
                Err(failure) => return Err(failure),
            }
        }
        if reasons.is_empty() {
            // All of them are resting. The caller has waited, too, and has to try one of them.
            let mut servers: Vec<_> = self.servers.iter().collect();
            servers.sort_by_key(|server| server.health().rests_until());
            for server in servers {
                match self.try_server(server, server.health().insist(), message).await {
                    Ok(()) => return Ok(message.accepted()),
                    Err(Failure::MayPass { reason, .. }) => reasons.push(reason),
                    Err(failure) => return Err(failure),
                }
            }
        }
        Err(Failure::may_pass(reasons.join("; ")))
    }

    /// Every server has the time that is allowed for one, so that one that is silent does not keep the batch from the
    /// next.
    fn timeout(&self, request: Duration) -> Duration {
        (request + TURN).saturating_mul(u32::try_from(self.servers.len()).unwrap_or(u32::MAX))
    }
}

impl Message {
    fn new(tag: &str, entries: Vec<u8>, events: usize, compression: Compression) -> Result<Self, String> {
        let entry_bytes = entries.len();
        let entries = compress(entries, compression)?;
        // 128 random bits in base64, as the protocol suggests.
        let chunk = BASE64_STANDARD.encode(rand::random::<[u8; 16]>());
        let message = PackedForward {
            tag,
            entries: &entries,
            size: events,
            chunk: &chunk,
            compressed: compression.content_encoding(),
        };
        let bytes = message.encode().map_err(|error| error.to_string())?.into();
        Ok(Self { bytes, chunk, events, entry_bytes, closings: AtomicU32::new(0) })
    }

    fn accepted(&self) -> Accepted {
        Accepted { byte_size: self.bytes.len() as u64, rejected: None }
    }

    /// A server has closed the connection on it, without an answer.
    fn closed_on(&self) {
        self.closings.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether its size may be why, although it is a single event, and not so large that this is certain.
    fn is_suspicious(&self) -> bool {
        self.closings.load(Ordering::Relaxed) >= SUSPICIOUS_CLOSINGS
            && self.bytes.len().max(self.entry_bytes) > SURELY_SMALL
    }

    /// Whether its size may be why servers close the connection: they have no other way to say it.
    ///
    /// Trying with half of the events does no harm if it is not. A single event is given up only when it is certainly
    /// too large.
    fn is_too_large(&self) -> bool {
        let size = self.bytes.len().max(self.entry_bytes);
        self.closings.load(Ordering::Relaxed) >= SUSPICIOUS_CLOSINGS
            && (size > SURELY_LARGE || (self.events > 1 && size > SURELY_SMALL))
    }
}
