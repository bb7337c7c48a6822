//! An HTTP server with scripted answers, byte for byte, with TLS or without.

use std::{
    collections::VecDeque,
    io::{self, Read},
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
    task::JoinHandle,
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

use super::pki::{Authority, Identity};

/// What becomes of one request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A status and a body.
    Status(u16, &'static str),
    /// A success with a body made on the spot.
    Body(String),
    /// A status and a body made on the spot.
    Made(u16, String),
    /// With headers, each with its line end.
    With(u16, &'static str, &'static str),
    /// The same, after a while.
    Late(Duration, u16),
    /// The connection is closed without an answer.
    Close,
    /// The connection is closed in the middle of the answer.
    Torn,
    /// Two answers to one request.
    Twice(u16),
    /// Nothing, indefinitely.
    Silence,
}

/// A request that has arrived whole.
#[derive(Clone, Debug)]
pub struct Received {
    /// Method, path and version, then the headers in lower case.
    pub head: String,
    pub path: String,
    /// Decompressed.
    pub body: Vec<u8>,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(&prefix))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

type Answer = dyn Fn(&Received) -> Reply + Send + Sync;

/// A server on loopback.
pub struct HttpPeer {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    /// How many requests were answered without a look at their bodies.
    unread: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl HttpPeer {
    /// Follows the script, then answers 200.
    pub async fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), script).await
    }

    /// The same, at an address that was another's.
    pub async fn at(address: SocketAddr, script: impl IntoIterator<Item = Reply>) -> Self {
        let script = Mutex::new(script.into_iter().collect::<VecDeque<_>>());
        let answer = move |_: &Received| script.lock().unwrap().pop_front().unwrap_or(Reply::Status(200, ""));
        Self::serve(TcpListener::bind(address).await.unwrap(), None, Arc::new(answer))
    }

    pub async fn answering(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve(listener, None, Arc::new(answer))
    }

    /// Answers 413 to a body of more than `limit` bytes, as its head announces it, and closes the connection with the body
    /// unread. Says 200 to all others.
    pub async fn with_limit(limit: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve_up_to(listener, None, Arc::new(|_: &Received| Reply::Status(200, "")), limit)
    }

    /// With TLS, and with a client certificate of `clients` if there is such an authority.
    pub async fn with_tls(identity: &Identity, clients: Option<&Authority>) -> Self {
        Self::with_tls_answering(identity, clients, |_| Reply::Status(200, "")).await
    }

    /// The same, with answers of its own.
    pub async fn with_tls_answering(
        identity: &Identity,
        clients: Option<&Authority>,
        answer: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = identity.server_config(clients);
        Self::serve(listener, Some(TlsAcceptor::from(Arc::new(config))), Arc::new(answer))
    }

    fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, answer: Arc<Answer>) -> Self {
        Self::serve_up_to(listener, tls, answer, usize::MAX)
    }

    fn serve_up_to(listener: TcpListener, tls: Option<TlsAcceptor>, answer: Arc<Answer>, limit: usize) -> Self {
        let address = listener.local_addr().unwrap();
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let log = Arc::clone(&received);
        let unread: Arc<AtomicUsize> = Arc::default();
        let refusals = Arc::clone(&unread);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, log, answer) = (tls.clone(), Arc::clone(&log), Arc::clone(&answer));
                let refusals = Arc::clone(&refusals);
                tokio::spawn(async move {
                    let limit = Limit { bytes: limit, refusals: &refusals };
                    match tls {
                        None => converse(stream, &log, &*answer, &limit).await,
                        Some(tls) => converse(tls.accept(stream).await?, &log, &*answer, &limit).await,
                    }
                });
            }
        });
        Self { address, received, unread, server }
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// How many requests were answered without a look at their bodies.
    pub fn unread(&self) -> usize {
        self.unread.load(Ordering::Relaxed)
    }

    /// Waits until so many requests have arrived.
    pub async fn wait_for(&self, requests: usize) {
        while self.received.lock().unwrap().len() < requests {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for HttpPeer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    log: &Mutex<Vec<Received>>,
    answer: &Answer,
    limit: &Limit<'_>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let Some(received) = read_request(&mut stream, limit).await? else {
            return stream.write_all(b"HTTP/1.1 413 Said so\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        };
        let reply = answer(&received);
        log.lock().unwrap().push(received);
        let text = |status: u16, headers: &str, body: &str| {
            format!("HTTP/1.1 {status} Said so\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
        };
        match reply {
            Reply::Status(status, body) => stream.write_all(text(status, "", body).as_bytes()).await?,
            Reply::Made(status, body) => stream.write_all(text(status, "", &body).as_bytes()).await?,
            Reply::Body(body) => stream.write_all(text(200, "", &body).as_bytes()).await?,
            Reply::With(status, headers, body) => stream.write_all(text(status, headers, body).as_bytes()).await?,
            Reply::Late(wait, status) => {
                sleep(wait).await;
                stream.write_all(text(status, "", "").as_bytes()).await?;
            }
            Reply::Twice(status) => stream.write_all(text(status, "", "").repeat(2).as_bytes()).await?,
            Reply::Torn => return stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf").await,
            Reply::Close => return Ok(()),
            Reply::Silence => std::future::pending().await,
        }
    }
}

/// The most that a body may have.
struct Limit<'a> {
    bytes: usize,
    refusals: &'a AtomicUsize,
}

/// `None` for a request whose body is larger than that.
async fn read_request(stream: &mut (impl AsyncBufReadExt + Unpin), limit: &Limit<'_>) -> io::Result<Option<Received>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let (first, headers) = head.split_once("\r\n").unwrap();
    let head = format!("{first}\r\n{}", lower_names(headers));
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    if length > limit.bytes {
        limit.refusals.fetch_add(1, Ordering::Relaxed);
        return Ok(None);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let body = match header("content-encoding") {
        None => body,
        Some("gzip") => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain)?;
            plain
        }
        Some("zstd") => zstd::stream::decode_all(&body[..])?,
        Some(other) => panic!("{other}"),
    };
    Ok(Some(Received { head, path, body }))
}

fn lower_names(headers: &str) -> String {
    let lines = headers.lines().filter_map(|line| line.split_once(": "));
    lines.fold(String::new(), |all, (name, value)| all + &name.to_lowercase() + ": " + value + "\n")
}

/// Writes the certificates of a sink's `tls` table.
pub fn write_pem(path: &Path, pem: &str) -> String {
    std::fs::write(path, pem).unwrap();
    path.display().to_string()
}
