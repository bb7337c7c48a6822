//! Unary gRPC calls to a peer, for every protocol that is one, over the same connections as everything else.

use std::{
    error::Error,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering},
    },
};

use bytes::{Buf, BufMut, Bytes};
use http::{StatusCode, uri::PathAndQuery};
use http_body::Frame;
use http_body_util::BodyExt;
use tonic::{
    Request, Status,
    body::Body,
    client::Grpc,
    codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::MetadataMap,
    transport::{Channel, Endpoint, Error as TransportError},
};
use tower::{ServiceExt, service_fn};
use url::Url;

use super::{
    SinkError,
    compression::{RequestCompression, Unaccepted},
    http_client::{quote, uri},
    network::{Accepted, Access, Connector, Failure, Protocol},
    request_headers::Headers,
};
use crate::config::Compression;

/// The header or trailer that makes an answer one of a gRPC server, and not of something on the way to it.
const GRPC_STATUS: &str = "grpc-status";

/// One method of one peer.
pub(super) struct GrpcClient {
    endpoint: Endpoint,
    connector: Connector,
    /// One connection, shared by all calls and made anew when it breaks.
    channel: Mutex<Option<Channel>>,
    method: PathAndQuery,
    compression: RequestCompression,
    headers: Headers,
}

/// The answer of a success.
#[derive(Debug)]
pub(super) struct Reply {
    /// The message.
    pub(super) message: Bytes,
    /// How many bytes the request took, compressed.
    pub(super) byte_size: u64,
}

/// Why there is no reply.
#[derive(Debug)]
enum Fault {
    /// The peer was not reached, or something that is no gRPC server has answered.
    Failure(Failure),
    /// What the peer has answered; its meaning depends on the protocol.
    Status(Status),
}

impl GrpcClient {
    /// A client for `method` at `address`, whose key in the configuration comes with it. `headers` are
    /// added to every call.
    ///
    /// # Errors
    ///
    /// When a file of certificates or a proxy cannot be used, or a secret cannot be read.
    pub(super) async fn new(
        access: &Access<'_>,
        (address, key): (&Url, &str),
        method: &'static str,
        compression: RequestCompression,
        headers: Headers,
    ) -> Result<Self, SinkError> {
        headers.check().await?;
        let agent = concat!("office365-source/", env!("CARGO_PKG_VERSION"));
        let endpoint = Endpoint::from(uri(address, key)?).user_agent(agent);
        Ok(Self {
            endpoint: endpoint.map_err(|_| SinkError::Address { key: key.to_owned() })?,
            connector: Connector::new(access, Protocol::Http2)?,
            channel: Mutex::new(None),
            method: PathAndQuery::from_static(method),
            compression,
            headers,
        })
    }

    /// Calls the method with `message`, compressed as the peer reads it. `accepted` says what a success means in the
    /// protocol, `refused` what another status does, from it and its description.
    ///
    /// # Errors
    ///
    /// Why the peer has not acknowledged the message.
    pub(super) async fn send(
        &self,
        message: &Bytes,
        accepted: impl Fn(Reply) -> Result<Accepted, Failure>,
        refused: impl Fn(&Status, String) -> Failure,
    ) -> Result<Accepted, Failure> {
        let (accepted, refused) = (&accepted, &refused);
        let attempt = move |compression| async move {
            match self.call(message.clone(), compression).await {
                Ok(reply) => Ok(accepted(reply)?),
                Err(Fault::Failure(failure)) => Err(failure.into()),
                Err(Fault::Status(status)) => {
                    Err(Unaccepted::by_grpc(refused(&status, self.describe_status(&status)), &status))
                }
            }
        };
        self.compression.send(attempt).await
    }

    async fn call(&self, message: Bytes, compression: Compression) -> Result<Reply, Fault> {
        let headers = self.headers.read().await.map_err(|error| Failure::may_pass(error.to_string()))?;
        let watch = Arc::new(Watch::default());
        let channel = self.channel();
        let service = service_fn(|request: http::Request<Body>| {
            let (channel, watch) = (channel.clone(), Arc::clone(&watch));
            async move { watch.exchange(channel, request).await }
        });
        let mut client = Grpc::new(service);
        // The answers are too small for it.
        client = match compression {
            Compression::None => client,
            Compression::Gzip => client.send_compressed(CompressionEncoding::Gzip),
            Compression::Zstd => client.send_compressed(CompressionEncoding::Zstd),
        };
        let request = Request::from_parts(MetadataMap::from_headers(headers), http::Extensions::new(), message);
        let suspicion = Suspicion(self);
        let result = client.unary(request, self.method.clone(), Opaque).await;
        std::mem::forget(suspicion);
        match result {
            Ok(response) => Ok(Reply { message: response.into_inner(), byte_size: watch.sent.load(Ordering::Relaxed) }),
            Err(status) if watch.answered.load(Ordering::Relaxed) => Err(Fault::Status(status)),
            Err(status) => Err(Fault::Failure(self.unanswered(&status, &watch))),
        }
    }

    /// What the peer has answered, for display.
    fn describe_status(&self, status: &Status) -> String {
        let quoted = quote(status.message());
        let colon = if quoted.is_empty() { "" } else { ": " };
        format!("{} has answered {:?}{colon}{quoted}", self.describe(), status.code())
    }

    /// Where the peer is and which proxy is used, for display.
    pub(super) fn describe(&self) -> String {
        self.connector.describe(self.endpoint.uri())
    }

    fn channel(&self) -> Channel {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        channel.get_or_insert_with(|| self.endpoint.connect_with_connector_lazy(self.connector.clone())).clone()
    }

    fn unanswered(&self, status: &Status, watch: &Watch) -> Failure {
        let http_status = StatusCode::from_u16(watch.http_status.load(Ordering::Relaxed)).ok();
        let reason = match http_status {
            // What tonic says of the causes stands in them, too.
            None => {
                let causes =
                    std::iter::successors(status.source(), |error| (**error).source()).map(ToString::to_string);
                let mut causes: Vec<_> = causes.collect();
                causes.dedup();
                format!("no answer from {}: {}", self.describe(), causes.join(": "))
            }
            Some(code) if code.is_success() => {
                format!("no whole answer from {}: {}", self.describe(), quote(status.message()))
            }
            Some(code) => format!("{} has answered {code}, which is no gRPC", self.describe()),
        };
        match http_status {
            Some(StatusCode::PAYLOAD_TOO_LARGE) => Failure::TooLarge { reason },
            Some(code) if code.is_client_error() => {
                Failure::may_pass(format!("{reason} (see to the address in the sink's configuration)"))
            }
            _ => Failure::may_pass(reason),
        }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// A call that is given up while it waits leaves a connection behind on which perhaps nothing arrives any more, and which
/// TCP takes a quarter of an hour to declare dead. The next call makes its own; calls that are on their way keep theirs.
struct Suspicion<'a>(&'a GrpcClient);

impl Drop for Suspicion<'_> {
    fn drop(&mut self) {
        *self.0.channel.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What a call does on the wire.
#[derive(Debug, Default)]
struct Watch {
    sent: AtomicU64,
    http_status: AtomicU16,
    answered: AtomicBool,
}

impl Watch {
    async fn exchange(
        self: Arc<Self>,
        channel: Channel,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, TransportError> {
        let watch = Arc::clone(&self);
        let request = request.map(|body| {
            Body::new(body.map_frame(move |frame| {
                let byte_size = frame.data_ref().map_or(0, Bytes::len);
                watch.sent.fetch_add(byte_size as u64, Ordering::Relaxed);
                frame
            }))
        });
        let response = channel.oneshot(request).await?;
        self.http_status.store(response.status().as_u16(), Ordering::Relaxed);
        if response.headers().contains_key(GRPC_STATUS) {
            self.answered.store(true, Ordering::Relaxed);
        }
        Ok(response.map(|body| {
            Body::new(body.map_frame(move |frame: Frame<Bytes>| {
                if frame.trailers_ref().is_some_and(|trailers| trailers.contains_key(GRPC_STATUS)) {
                    self.answered.store(true, Ordering::Relaxed);
                }
                frame
            }))
        }))
    }
}

/// Messages as they are: they have been encoded before, and are decoded after.
#[derive(Clone, Copy, Debug)]
struct Opaque;

impl Codec for Opaque {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Opaque {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(item.len());
        out.put(item);
        Ok(())
    }
}

impl Decoder for Opaque {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
