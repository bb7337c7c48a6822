//! A connection on which the Forward protocol is spoken.

use std::{io, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use futures::FutureExt;
use secrecy::ExposeSecret;
use snafu::{ResultExt, Snafu, ensure};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::{
    Message,
    credentials::{Credentials, Secrets},
};
use crate::{
    encoding::forward::{
        Answer, MAX_ANSWER_BYTES, Ping, Unintelligible, is_same_digest, parse_answer, password_digest,
        shared_key_digest,
    },
    secrets::SecretError,
};

/// How long a server may take for each step of the handshake: it has nothing to do for it.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection on which the Forward protocol is spoken, after the handshake.
#[derive(Debug)]
pub(super) struct Session<S> {
    stream: S,
    /// What has been read and belongs to no answer yet.
    unread: Vec<u8>,
    /// The server wants to go on after a message.
    keepalive: bool,
    /// The chunk that was acknowledged last.
    acknowledged: Option<String>,
}

/// Why a message was not acknowledged on a connection. No text of it holds a secret.
#[derive(Debug, Snafu)]
pub(super) enum SessionError {
    /// The server has ended the connection where it might have answered, and said nothing.
    #[snafu(display("has closed the connection without an acknowledgement{}", cause(error.as_ref())))]
    Closed { error: Option<io::Error> },
    #[snafu(display("has closed the connection in the middle of an answer{}", cause(error.as_ref())))]
    ClosedInside { error: Option<io::Error> },
    #[snafu(display(
        "has given {source} (see to the address; write tls:// in {key} for a server with TLS, tcp:// for one without)"
    ))]
    Unintelligible { key: String, source: Unintelligible },
    #[snafu(display("has given an answer that does not belong here: {what}"))]
    Unexpected { what: &'static str },
    #[snafu(display("has acknowledged another chunk than the one that was sent"))]
    WrongChunk,
    #[snafu(display("has not taken the events; its log may say why"))]
    NotTaken,
    #[snafu(display("asks for a shared key (write {key} = {{ env = \"FLUENT_SHARED_KEY\" }})"))]
    KeyWanted { key: String },
    #[snafu(display(
        "has not asked for a shared key{} (leave out {key} if the server's configuration has none; write tls:// for a \
         server with TLS, tcp:// for one without)",
        cause(error.as_ref())
    ))]
    NoHelo { key: String, error: Option<io::Error> },
    #[snafu(display(
        "has not let this program in, and not said why{} (see to {key}: is it the server's shared_key?)",
        cause(error.as_ref())
    ))]
    NoPong { key: String, error: Option<io::Error> },
    #[snafu(display("does not let this program in: {reason} (see to {key})"))]
    NotLetIn { reason: String, key: String },
    #[snafu(display(
        "calls itself {name:?}, as this program does, so that its proof of the shared key is none (write another name in \
         {key}, or as the server's self_hostname)"
    ))]
    SameName { name: String, key: String },
    #[snafu(display(
        "has let this program in, but does not know the shared key itself: is it the right server? (see to the address \
         and to {key})"
    ))]
    WrongDigest { key: String },
    #[snafu(transparent)]
    Secret { source: SecretError },
}

/// What the operating system says, if it says anything.
fn cause(error: Option<&io::Error>) -> String {
    error.map(|error| format!(": {error}")).unwrap_or_default()
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Does the handshake if there are credentials for one.
    pub(super) async fn open(stream: S, credentials: &Credentials) -> Result<Self, SessionError> {
        let mut session = Self { stream, unread: Vec::new(), keepalive: true, acknowledged: None };
        // Read anew for each connection, so that a rotated secret needs no restart.
        if let Some(secrets) = credentials.read().await? {
            session.shake_hands(&secrets, credentials).await?;
        }
        Ok(session)
    }

    async fn shake_hands(&mut self, secrets: &Secrets<'_>, credentials: &Credentials) -> Result<(), SessionError> {
        let no_helo = |error| SessionError::NoHelo { key: credentials.key("auth"), error };
        let helo = timeout(HANDSHAKE_TIMEOUT, self.answer(credentials)).await;
        let (nonce, auth, keepalive) = match helo {
            Err(_) => return Err(no_helo(Some(io::ErrorKind::TimedOut.into()))),
            Ok(Err(SessionError::Closed { error })) => return Err(no_helo(error)),
            Ok(Ok(Answer::Helo { nonce, auth, keepalive })) => (nonce, auth, keepalive),
            Ok(answer) => return Err(unexpected(&answer?)),
        };
        let salt = BASE64_STANDARD.encode(rand::random::<[u8; 16]>());
        let shared_key = secrets.shared_key.expose_secret().as_bytes();
        let digest_of = |hostname: &[u8]| shared_key_digest(salt.as_bytes(), hostname, &nonce, shared_key);
        // A server without users sends no salt for their passwords.
        let user = secrets.user.as_ref().filter(|_| !auth.is_empty());
        let ping = Ping {
            hostname: secrets.self_hostname,
            salt: &salt,
            digest: &digest_of(secrets.self_hostname.as_bytes()),
            username: user.map_or("", |(name, _)| name),
            password_digest: &user
                .map(|(name, password)| password_digest(&auth, name, password.expose_secret()))
                .unwrap_or_default(),
        };
        let answer = timeout(HANDSHAKE_TIMEOUT, async {
            self.write(&ping.encode(), credentials).await?;
            self.answer(credentials).await
        });
        let no_pong = |error| SessionError::NoPong { key: credentials.key("auth.shared_key"), error };
        let (accepted, reason, hostname, digest) = match answer.await {
            Err(_) => return Err(no_pong(Some(io::ErrorKind::TimedOut.into()))),
            Ok(Err(SessionError::Closed { error })) => return Err(no_pong(error)),
            Ok(Ok(Answer::Pong { accepted, reason, hostname, digest })) => (accepted, reason, hostname, digest),
            Ok(answer) => return Err(unexpected(&answer?)),
        };
        ensure!(accepted, NotLetInSnafu { key: key_for(&reason, credentials), reason });
        // A peer that repeats our own proof under our own name has proved nothing.
        ensure!(
            hostname != secrets.self_hostname.as_bytes(),
            SameNameSnafu { name: secrets.self_hostname, key: credentials.key("auth.self_hostname") }
        );
        ensure!(
            is_same_digest(&digest, &digest_of(&hostname)),
            WrongDigestSnafu { key: credentials.key("auth.shared_key") }
        );
        self.keepalive = keepalive;
        Ok(())
    }

    /// Sends a message and waits until it is acknowledged. After an error the session is of no use.
    pub(super) async fn exchange(&mut self, message: &Message, credentials: &Credentials) -> Result<(), SessionError> {
        self.write(&message.bytes, credentials).await?;
        loop {
            match self.answer(credentials).await? {
                Answer::Ack(chunk) if chunk == message.chunk.as_bytes() => break,
                // Said again, which does no harm.
                Answer::Ack(chunk) if self.acknowledged.as_ref().is_some_and(|last| chunk == last.as_bytes()) => {}
                Answer::Ack(_) => return WrongChunkSnafu.fail(),
                Answer::Nack => return NotTakenSnafu.fail(),
                Answer::Helo { .. } => return KeyWantedSnafu { key: credentials.key("auth.shared_key") }.fail(),
                answer @ Answer::Pong { .. } => return Err(unexpected(&answer)),
            }
        }
        self.acknowledged = Some(message.chunk.clone());
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8], credentials: &Credentials) -> Result<(), SessionError> {
        let written = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        let Err(error) = written.await else { return Ok(()) };
        // A server that stops reading may have said why before.
        match self.answer(credentials).now_or_never() {
            Some(Ok(Answer::Helo { .. })) => KeyWantedSnafu { key: credentials.key("auth.shared_key") }.fail(),
            Some(Ok(Answer::Pong { accepted: false, reason, .. })) => {
                NotLetInSnafu { key: key_for(&reason, credentials), reason }.fail()
            }
            Some(Err(error @ SessionError::Unintelligible { .. })) => Err(error),
            _ => Err(SessionError::Closed { error: Some(error) }),
        }
    }

    /// The next answer.
    async fn answer(&mut self, credentials: &Credentials) -> Result<Answer, SessionError> {
        loop {
            let parsed =
                parse_answer(&self.unread).with_context(|_| UnintelligibleSnafu { key: credentials.key("servers") })?;
            if let Some((answer, length)) = parsed {
                self.unread.drain(..length);
                return Ok(answer);
            }
            let mut more = (&mut self.stream).take(MAX_ANSWER_BYTES as u64);
            let error = match more.read_buf(&mut self.unread).await {
                Ok(0) => None,
                Ok(_) => continue,
                Err(error) => Some(error),
            };
            return if self.unread.is_empty() {
                ClosedSnafu { error }.fail()
            } else {
                ClosedInsideSnafu { error }.fail()
            };
        }
    }

    /// Whether the connection may wait for the next message.
    pub(super) const fn may_be_kept(&self) -> bool {
        self.keepalive && self.unread.is_empty()
    }

    /// Whether the connection stands and nothing has come on it, as far as can be seen: a server says nothing unless
    /// asked, so that whatever there is to read is the end.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.stream.read_u8().now_or_never().is_none()
    }
}

fn unexpected(answer: &Answer) -> SessionError {
    let what = match answer {
        Answer::Helo { .. } => "HELO",
        Answer::Pong { .. } => "PONG",
        Answer::Ack(_) | Answer::Nack => "an acknowledgement",
    };
    SessionError::Unexpected { what }
}

/// The key that a server's reason speaks of. The words are Fluentd's and Fluent Bit's.
fn key_for(reason: &str, credentials: &Credentials) -> String {
    if reason.contains("password") {
        format!("{} and {}", credentials.key("auth.username"), credentials.key("auth.password"))
    } else if reason.contains("anonymous") {
        "the clients in the server's configuration".to_owned()
    } else {
        credentials.key("auth.shared_key")
    }
}
