//! One server, and the connections to it that wait for the next batch.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use snafu::Snafu;
use tokio::time::Instant;
use url::Url;

use super::{
    Message,
    credentials::Credentials,
    health::Health,
    session::{Session, SessionError},
};
use crate::{
    backoff::Backoff,
    host::{
        sinks::network::{Connector, PeerConnection},
        telemetry,
    },
};

/// The port of the protocol.
const PORT: u16 = 24_224;

/// How long a connection is kept without use: firewalls silently forget connections.
const MAX_IDLE: Duration = Duration::from_secs(30);

/// One server.
pub(super) struct Server {
    name: String,
    host: String,
    port: u16,
    is_tls: bool,
    health: Health,
    idle: Mutex<Vec<Idle>>,
}

/// A connection that waits for the next batch.
struct Idle {
    session: Session<PeerConnection>,
    since: Instant,
}

/// Why a server has not acknowledged a message.
#[derive(Debug, Snafu)]
pub(super) enum ServerError {
    /// It has said nothing at all.
    #[snafu(display("has not acknowledged within {seconds} seconds (its log may say why)"))]
    Silent { seconds: u64 },
    /// There is no connection.
    #[snafu(display("{reason}"))]
    Unreachable { reason: String },
    /// There was one.
    #[snafu(transparent)]
    Session { source: SessionError },
}

impl ServerError {
    /// Whether the server has closed the connection without an answer.
    pub(super) const fn is_closing(&self) -> bool {
        matches!(self, Self::Session { source: SessionError::Closed { .. } })
    }
}

impl Server {
    pub(super) fn new(url: &Url, backoff: Backoff) -> Self {
        Self {
            name: url.to_string(),
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port().unwrap_or(PORT),
            is_tls: url.scheme() == "tls",
            health: Health::new(backoff),
            idle: Mutex::default(),
        }
    }

    /// The address, for display.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn health(&self) -> &Health {
        &self.health
    }

    /// Sends a message and waits for its acknowledgement. The connection is used for this message alone, and kept for
    /// the next one only after a clean end.
    pub(super) async fn send(
        &self,
        message: &Message,
        connector: &Connector,
        credentials: &Credentials,
    ) -> Result<(), ServerError> {
        if let Some(mut session) = self.take_idle() {
            match session.exchange(message, credentials).await {
                Ok(()) => {
                    self.keep(session);
                    return Ok(());
                }
                // Servers may close idle connections, and this close has crossed with our message. That the server has
                // the events is as unlikely as with any other connection that ends before the acknowledgement.
                Err(SessionError::Closed { .. }) => telemetry::kept_connection_closed(&self.name),
                Err(error) => return Err(error.into()),
            }
        }
        let stream = connector.connect(&self.host, self.port, self.is_tls).await;
        let stream = stream.map_err(|failure| ServerError::Unreachable { reason: failure.into_reason() })?;
        let mut session = Session::open(stream, credentials).await?;
        session.exchange(message, credentials).await.inspect_err(|error| {
            if matches!(error, SessionError::Closed { .. }) {
                message.closed_on();
            }
        })?;
        self.keep(session);
        Ok(())
    }

    /// A connection that still stands, as far as can be seen.
    fn take_idle(&self) -> Option<Session<PeerConnection>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        idle.retain(|idle| now.duration_since(idle.since) < MAX_IDLE);
        while let Some(Idle { mut session, .. }) = idle.pop() {
            if session.is_quiet() {
                return Some(session);
            }
            telemetry::kept_connection_closed(&self.name);
        }
        None
    }

    fn keep(&self, session: Session<PeerConnection>) {
        if session.may_be_kept() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(Idle { session, since: Instant::now() });
        }
    }
}
