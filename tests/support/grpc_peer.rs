//! A scripted gRPC server: HTTP/2 with the frames and trailers of gRPC, with TLS or without.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io::Read,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use futures::stream;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Notify,
    task::{JoinHandle, JoinSet},
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

use super::pki::{Authority, Identity};

/// What becomes of one call.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A message, and the status OK.
    Message(Vec<u8>),
    /// The same, without fields, after a while.
    Late(Duration),
    /// A status with a message.
    Status(u8, &'static str),
    /// The same, with a serialised `google.rpc.Status`.
    Details(u8, &'static str, Vec<u8>),
    /// A plain HTTP status, as of a proxy.
    Http(u16),
    /// A message and the end of the stream, but no status.
    NoStatus,
    /// A message, and then the stream is reset.
    Torn,
    /// The connection is closed without an answer.
    Close,
    /// Nothing, indefinitely.
    Silence,
}

/// What servers say of a message that is larger than they take: code and message.
pub const TOO_LARGE: [(u8, &str); 12] = [
    // tonic, and Vector with it.
    (11, "Error, decoded message length too large: found 9 bytes, the limit is: 4 bytes"),
    (8, "Error decompressing: size limit, of 4 bytes, exceeded while decompressing message"),
    (11, "decompressed message exceeds the maximum allowed size"),
    // grpc-go, and the OpenTelemetry Collector with it.
    (8, "grpc: received message larger than max (9 vs. 4)"),
    (8, "grpc: received message after decompression larger than max 4"),
    (8, "grpc: message after decompression larger than max (9 vs. 4)"),
    // The C core, and what is built upon it, such as Python.
    (8, "Received message larger than max (9 vs. 4)"),
    // grpc-js.
    (8, "Received message that decompresses to a size larger than 4"),
    // grpc-java.
    (8, "gRPC message exceeds maximum size 4: 9"),
    (8, "Decompressed gRPC message exceeds maximum size 4"),
    (8, "Compressed gRPC message exceeds maximum size 4: 9 bytes read"),
    // grpc-dotnet.
    (8, "Received message exceeds the maximum configured message size."),
];

/// What servers say that are asked for too much, of whatever size the messages are.
pub const OVER_QUOTA: [(u8, &str); 7] = [
    (8, "quota"),
    (8, "ingestion rate limit exceeded"),
    (8, "request rate is larger than allowed"),
    (8, "Quota exceeded: number of requests exceeds the maximum of 9 per minute"),
    (8, "too many requests"),
    (8, "queue size exceeds the maximum"),
    (8, "memory limit exceeded, message refused"),
];

/// A call that has arrived whole.
#[derive(Clone, Debug)]
pub struct Call {
    pub path: String,
    pub headers: HeaderMap,
    /// Decompressed.
    pub message: Vec<u8>,
    /// How many bytes the message took on the wire.
    pub wire_size: usize,
}

impl Call {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Checks that servers take these calls with their usual limit of 4 MiB, which some apply to what has arrived and others to
/// what it is without compression.
pub fn assert_usual_size(calls: &[Call]) {
    const LIMIT: usize = 4 * 1024 * 1024;
    let largest = |size: fn(&Call) -> usize| calls.iter().map(size).max().unwrap();
    let (plain, wire) = (largest(|call| call.message.len()), largest(|call| call.wire_size));
    assert!(plain < LIMIT && wire < LIMIT, "{plain} bytes, {wire} on the wire");
    // Else the events were too few to fill a batch.
    assert!(plain > LIMIT / 8, "{plain}");
}

type Answer = dyn Fn(&Call) -> Reply + Send + Sync;
type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// A server on loopback.
pub struct GrpcPeer {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    answer: Box<Answer>,
    calls: Mutex<Vec<Call>>,
    connections: AtomicUsize,
}

impl GrpcPeer {
    /// Follows the script, then answers with an empty message.
    pub async fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), script).await
    }

    /// The same, at an address that was another's.
    pub async fn at(address: SocketAddr, script: impl IntoIterator<Item = Reply>) -> Self {
        let script = Mutex::new(script.into_iter().collect::<VecDeque<_>>());
        let answer = move |_: &Call| script.lock().unwrap().pop_front().unwrap_or(Reply::Message(Vec::new()));
        Self::serve(TcpListener::bind(address).await.unwrap(), None, Box::new(answer))
    }

    pub async fn answering(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(TcpListener::bind("127.0.0.1:0").await.unwrap(), None, Box::new(answer))
    }

    /// With TLS, and with a client certificate of `clients` if there is such an authority. The client has to ask for
    /// HTTP/2.
    pub async fn with_tls(identity: &Identity, clients: Option<&Authority>) -> Self {
        let mut config = identity.server_config(clients);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let answer = Box::new(|_: &Call| Reply::Message(Vec::new()));
        Self::serve(listener, Some(TlsAcceptor::from(Arc::new(config))), answer)
    }

    fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, answer: Box<Answer>) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { answer, calls: Mutex::default(), connections: AtomicUsize::new(0) });
        let state = Arc::clone(&shared);
        let server = tokio::spawn(async move {
            // Dropped with the server: it is gone then, and not only deaf.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, state) = (tls.clone(), Arc::clone(&state));
                connections.spawn(async move {
                    match tls {
                        None => converse(stream, state).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
                                converse(stream, state).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, shared, server }
    }

    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().unwrap().clone()
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Waits until so many calls have arrived.
    pub async fn wait_for(&self, calls: usize) {
        while self.shared.calls.lock().unwrap().len() < calls {
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends the server and its connections, and waits until they are gone.
    pub async fn stop(mut self) {
        self.server.abort();
        let _ = (&mut self.server).await;
    }
}

impl Drop for GrpcPeer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shared: Arc<Shared>) {
    shared.connections.fetch_add(1, Ordering::Relaxed);
    let closed = Arc::new(Notify::new());
    let close = Arc::clone(&closed);
    let service = service_fn(move |request| respond(request, Arc::clone(&shared), Arc::clone(&close)));
    tokio::select! {
        _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service) => {}
        () = closed.notified() => {}
    }
}

async fn respond(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    close: Arc<Notify>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { std::future::pending().await };
    assert_eq!(head.method, "POST");
    assert_eq!(head.headers["content-type"], "application/grpc");
    assert_eq!(head.headers["te"], "trailers");
    let frame = body.to_bytes();
    let message = unframe(&frame, head.headers.get("grpc-encoding"));
    let call =
        Call { path: head.uri.path().to_owned(), headers: head.headers, message, wire_size: frame.len() - FRAME_HEAD };
    let reply = (shared.answer)(&call);
    shared.calls.lock().unwrap().push(call);
    Ok(match reply {
        Reply::Message(message) => whole(&message),
        Reply::Late(wait) => {
            sleep(wait).await;
            whole(&[])
        }
        Reply::Status(code, message) => status(code, message, None),
        Reply::Details(code, message, details) => status(code, message, Some(&details)),
        Reply::Http(status) => Response::builder().status(status).body(body_of([])).unwrap(),
        Reply::NoStatus => answer([Ok(Frame::data(framed(&[])))]),
        Reply::Torn => answer([Ok(Frame::data(framed(&[]))), Err(std::io::ErrorKind::Other.into())]),
        Reply::Close => {
            close.notify_one();
            std::future::pending().await
        }
        Reply::Silence => std::future::pending().await,
    })
}

/// A byte that says whether the message is compressed, and its length.
const FRAME_HEAD: usize = 5;

/// One message: a byte that says whether it is compressed, its length, and the message.
fn unframe(frame: &[u8], encoding: Option<&HeaderValue>) -> Vec<u8> {
    let (head, message) = frame.split_at(FRAME_HEAD);
    assert_eq!(u32::from_be_bytes(head[1..].try_into().unwrap()) as usize, message.len());
    match (head[0], encoding.map(|encoding| encoding.to_str().unwrap())) {
        (0, _) => message.to_vec(),
        (1, Some("gzip")) => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(message).read_to_end(&mut plain).unwrap();
            plain
        }
        (1, Some("zstd")) => zstd::stream::decode_all(message).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(message.len().try_into().unwrap());
    frame.put_slice(message);
    frame.freeze()
}

fn whole(message: &[u8]) -> Response<Body> {
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
    answer([Ok(Frame::data(framed(message))), Ok(Frame::trailers(trailers))])
}

/// An answer without a message: the status is in the headers.
fn status(code: u8, message: &str, details: Option<&[u8]>) -> Response<Body> {
    use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
    let mut response = answer([]);
    response.headers_mut().insert("grpc-status", u16::from(code).into());
    response.headers_mut().insert("grpc-message", message.replace(' ', "%20").parse().unwrap());
    if let Some(details) = details {
        let details = BASE64_STANDARD_NO_PAD.encode(details).parse().unwrap();
        response.headers_mut().insert("grpc-status-details-bin", details);
    }
    response
}

fn answer(frames: impl IntoIterator<Item = std::io::Result<Frame<Bytes>>, IntoIter: Send + 'static>) -> Response<Body> {
    Response::builder().header("content-type", "application/grpc").body(body_of(frames)).unwrap()
}

fn body_of(frames: impl IntoIterator<Item = std::io::Result<Frame<Bytes>>, IntoIter: Send + 'static>) -> Body {
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}
