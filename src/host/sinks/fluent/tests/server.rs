//! A server of the Forward protocol, written from its specification, that misbehaves on demand.

use std::{
    collections::VecDeque,
    io::Read,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ring::digest::{SHA512, digest};
use rmpv::{Value, decode::read_value, encode::write_value};
use rustls::HandshakeKind;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    task::{AbortHandle, JoinSet},
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

/// What the server does with a message.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Acknowledge,
    /// Acknowledges after a while.
    Late(Duration),
    /// Acknowledges twice at once.
    Twice,
    /// Acknowledges, and again when the next message comes.
    AgainLater,
    /// Acknowledges a chunk that nobody has sent.
    WrongChunk,
    /// Says this.
    Say(Vec<u8>),
    /// Says nothing, and keeps the connection.
    Silence,
    /// Acknowledges and closes.
    AcknowledgeAndClose,
    /// Closes after so many bytes of the message.
    CloseAfter(usize),
    /// Takes the message and closes.
    CloseUnacknowledged,
    /// Takes the message, and closes in the middle of its acknowledgement.
    HalfAcknowledge,
}

/// What the server asks for.
#[derive(Clone, Debug)]
pub(super) struct Security {
    pub(super) shared_key: &'static str,
    pub(super) hostname: &'static str,
    pub(super) user: Option<(&'static str, &'static str)>,
    pub(super) keepalive: bool,
    /// Says nothing to whom it does not let in, as Fluent Bit.
    pub(super) closes: bool,
    /// Lets everybody in, without knowing the key itself.
    pub(super) is_impostor: bool,
}

impl Default for Security {
    fn default() -> Self {
        Self { shared_key: "hush", hostname: "server", user: None, keepalive: true, closes: false, is_impostor: false }
    }
}

/// A message that came to its end.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) tag: String,
    pub(super) chunk: String,
    pub(super) compressed: Option<String>,
    pub(super) size: u64,
    /// Times and members.
    pub(super) entries: Vec<(Value, Value)>,
}

impl Received {
    /// The member `n` of each event.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.entries.iter().map(|(_, members)| members["n"].as_u64().unwrap()).collect()
    }

    fn read(message: &Value) -> Self {
        let [tag, entries, options] = message.as_array().unwrap().as_slice() else { panic!("{message}") };
        let compressed = options["compressed"].as_str().map(str::to_owned);
        let packed = entries.as_slice().unwrap();
        let mut plain = Vec::new();
        match compressed.as_deref() {
            None => plain.extend_from_slice(packed),
            Some("gzip") => drop(flate2::read::MultiGzDecoder::new(packed).read_to_end(&mut plain).unwrap()),
            Some("zstd") => plain = zstd::decode_all(packed).unwrap(),
            Some(other) => panic!("{other}"),
        }
        let mut rest = plain.as_slice();
        let mut entries = Vec::new();
        while !rest.is_empty() {
            match read_value(&mut rest).unwrap().as_array().unwrap().as_slice() {
                [time @ Value::Ext(0, _), members @ Value::Map(_)] => entries.push((time.clone(), members.clone())),
                other => panic!("{other:?}"),
            }
        }
        Self {
            tag: tag.as_str().unwrap().to_owned(),
            chunk: options["chunk"].as_str().unwrap().to_owned(),
            compressed,
            size: options["size"].as_u64().unwrap(),
            entries,
        }
    }
}

/// A server on loopback that lives as long as this.
pub(super) struct TestServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    is_tls: bool,
    task: AbortHandle,
}

struct Shared {
    script: Mutex<VecDeque<Act>>,
    received: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    /// Closes on larger messages. Unit: bytes.
    limit: usize,
    security: Option<Security>,
    tls: Option<TlsAcceptor>,
}

impl TestServer {
    /// A server that does with its messages what the script says, and acknowledges all further ones.
    pub(super) async fn start(script: impl IntoIterator<Item = Act>) -> Self {
        Self::start_with(script, None, None).await
    }

    pub(super) async fn start_with(
        script: impl IntoIterator<Item = Act>,
        security: Option<Security>,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let shared = Shared {
            script: Mutex::new(script.into_iter().collect()),
            received: Mutex::default(),
            connections: AtomicUsize::new(0),
            limit: usize::MAX,
            security,
            tls,
        };
        Self::listen(address, Arc::new(shared)).await
    }

    /// A server that closes the connection on messages of more bytes.
    pub(super) async fn start_with_limit(limit: usize) -> Self {
        let shared = Shared {
            script: Mutex::default(),
            received: Mutex::default(),
            connections: AtomicUsize::new(0),
            limit,
            security: None,
            tls: None,
        };
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0)), Arc::new(shared)).await
    }

    async fn listen(address: SocketAddr, shared: Arc<Shared>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let is_tls = shared.tls.is_some();
        let server = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                server.connections.fetch_add(1, Ordering::SeqCst);
                let server = Arc::clone(&server);
                connections.spawn(async move {
                    match &server.tls {
                        None => server.converse(stream).await,
                        Some(tls) => match tls.accept(stream).await {
                            // As Fluentd, which refuses to resume a session.
                            Ok(stream) if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) => None,
                            Ok(stream) => server.converse(stream).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self { address, shared, is_tls, task: task.abort_handle() }
    }

    pub(super) fn url(&self) -> String {
        format!("{}://{}", if self.is_tls { "tls" } else { "tcp" }, self.address)
    }

    /// Stops listening and closes all connections, and returns when that is done; the address stays.
    pub(super) async fn stop(&self) {
        self.task.abort();
        while !self.task.is_finished() {
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Listens again after a [`Self::stop`].
    pub(super) async fn start_again(&mut self) {
        let again = Self::listen(self.address, Arc::clone(&self.shared)).await;
        self.task = again.task.clone();
        // Stays when `again` goes.
        std::mem::forget(again);
    }

    /// Messages that came to their end, acknowledged or not.
    pub(super) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// How many connections there were.
    pub(super) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// Serves one connection; the result says nothing.
    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Option<()> {
        let mut line = Line { stream, buffer: Vec::new() };
        if let Some(security) = &self.security {
            security.shake_hands(&mut line).await?;
        }
        let mut again = None;
        loop {
            // The next act is taken when a message begins, so that connections without one use none up.
            line.read_more().await?;
            let act = self.script.lock().unwrap().pop_front().unwrap_or(Act::Acknowledge);
            if let Act::CloseAfter(bytes) = act {
                while line.buffer.len() < bytes {
                    line.read_more().await?;
                }
                return None;
            }
            let received = Received::read(&line.message(self.limit).await?);
            self.received.lock().unwrap().push(received.clone());
            let ack = |chunk: &str| encoded(&Value::Map(vec![("ack".into(), chunk.into())]));
            let own = ack(&received.chunk);
            let (answer, stays) = match act {
                Act::Acknowledge => (own, true),
                Act::Late(wait) => {
                    sleep(wait).await;
                    (own, true)
                }
                Act::Twice => ([&own[..], &own].concat(), true),
                Act::AgainLater => {
                    again = Some(own.clone());
                    line.stream.write_all(&own).await.ok()?;
                    continue;
                }
                Act::WrongChunk => (ack("another"), true),
                Act::Say(words) => (words, true),
                Act::Silence => (Vec::new(), true),
                Act::AcknowledgeAndClose => (own, false),
                Act::CloseUnacknowledged => (Vec::new(), false),
                Act::HalfAcknowledge => (own[..own.len() / 2].to_vec(), false),
                Act::CloseAfter(_) => unreachable!("see above"),
            };
            let answer = [again.take().unwrap_or_default(), answer].concat();
            line.stream.write_all(&answer).await.ok()?;
            line.stream.flush().await.ok()?;
            if !stays {
                line.stream.shutdown().await.ok()?;
                return None;
            }
        }
    }
}

impl Security {
    async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(&self, line: &mut Line<S>) -> Option<()> {
        // Random bytes need not be random here; they are no UTF-8.
        let (nonce, auth) = ([0xf0; 16], [0xf1; 16]);
        let options = vec![
            ("nonce".into(), Value::Binary(nonce.to_vec())),
            ("auth".into(), Value::Binary(if self.user.is_some() { auth.to_vec() } else { Vec::new() })),
            ("keepalive".into(), self.keepalive.into()),
        ];
        line.say(&Value::Array(vec!["HELO".into(), Value::Map(options)])).await?;
        let ping = line.message(1_023).await?;
        let parts: Vec<_> = ping.as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
        let ["PING", hostname, salt, key_digest, username, password_digest] = parts[..] else { panic!("{ping}") };
        assert!(line.buffer.is_empty(), "nothing may follow before PONG");
        let digest_of =
            |name: &str| hex(&[salt.as_bytes(), name.as_bytes(), &nonce, self.shared_key.as_bytes()].concat());
        let has_user = self.user.is_none_or(|(name, password)| {
            username == name && password_digest == hex(&[&auth[..], name.as_bytes(), password.as_bytes()].concat())
        });
        let refusal = if self.is_impostor {
            None
        } else if key_digest != digest_of(hostname) {
            Some("shared_key mismatch")
        } else if !has_user {
            Some("username/password mismatch")
        } else {
            None
        };
        if let Some(reason) = refusal {
            if !self.closes {
                let refused = ["PONG".into(), false.into(), reason.into(), "".into(), "".into()];
                line.say(&Value::Array(refused.into())).await?;
            }
            return None;
        }
        // What an impostor can say: the client's own proof.
        let proof = if self.is_impostor { key_digest.to_owned() } else { digest_of(self.hostname) };
        let accepted = ["PONG".into(), true.into(), "".into(), self.hostname.into(), proof.into()];
        line.say(&Value::Array(accepted.into())).await
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 0xf].map(|digit| char::from_digit(digit.into(), 16).unwrap());
    digest(&SHA512, bytes).as_ref().iter().flat_map(digits).collect()
}

pub(super) fn encoded(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write_value(&mut out, value).unwrap();
    out
}

/// A connection, as the server sees it.
struct Line<S> {
    stream: S,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    async fn read_more(&mut self) -> Option<()> {
        (self.stream.read_buf(&mut self.buffer).await.ok()? > 0).then_some(())
    }

    async fn message(&mut self, limit: usize) -> Option<Value> {
        while self.buffer.len() <= limit {
            let mut rest = self.buffer.as_slice();
            if let Ok(message) = read_value(&mut rest) {
                self.buffer = rest.to_vec();
                return Some(message);
            }
            self.read_more().await?;
        }
        None
    }

    async fn say(&mut self, value: &Value) -> Option<()> {
        self.stream.write_all(&encoded(value)).await.ok()?;
        self.stream.flush().await.ok()
    }
}
