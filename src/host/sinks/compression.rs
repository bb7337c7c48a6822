//! How the requests to one peer are compressed, and what follows when the peer cannot read that.
//!
//! HTTP has a status for it (415), and so has gRPC (`UNIMPLEMENTED`). Not every peer says so: some answer 400 without a
//! reason, some try to read the compressed bytes as if they were events and complain about those. Taken literally, such
//! answers would make dead letters of all events. So a compressed request counts as refused only after it was tried
//! uncompressed, once for each refusal, where the compression may be the cause ([`Cause`]):
//!
//! - 415, with `Accept-Encoding` or without, and `UNIMPLEMENTED`.
//! - A refusal of the events (see [`Failure::Refused`]) that gives no reason. No reason is an empty body, one of white
//!   space, an HTML page, an empty JSON value, the mere name of the status; and for a protocol that has a form for
//!   errors, everything that does not have it: a `google.rpc.Status` with a message for OTLP, an object with `code` for
//!   Splunk.
//! - One whose reason speaks of compression; over HTTP also any server error that does, over gRPC `INTERNAL`,
//!   `INVALID_ARGUMENT` and `UNKNOWN`.
//! - Any other refusal of the events, as long as the peer has never accepted a compressed request: it may be about
//!   bytes that the peer has not decompressed.
//!
//! Statuses that have a meaning of their own keep it: credentials (401, 403, 407), address (404, 405), size (413), time
//! (408, 429) and the like, and server errors that do not speak of compression.
//!
//! When the uncompressed request is accepted, the peer cannot read the compression, and is not sent it again before the
//! next start. When it is not, its answer counts.

use std::{
    io::{self, Read, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use flate2::{read::GzDecoder, write::GzEncoder};
use http::StatusCode;
use tonic::{Code, Status};

use super::network::Failure;
use crate::{
    config::Compression,
    host::telemetry::{self, SinkLabels},
};

/// How requests to one peer are compressed.
pub(super) struct RequestCompression {
    labels: SinkLabels,
    configured: Compression,
    /// The peer has accepted a compressed request.
    is_read: AtomicBool,
    /// The peer has accepted a request only after it came uncompressed.
    is_unreadable: AtomicBool,
}

/// The body of a request.
#[derive(Clone, Debug)]
pub(super) struct Body {
    bytes: Bytes,
    compression: Compression,
}

/// A request that was not accepted.
#[derive(Debug)]
pub(super) struct Unaccepted {
    failure: Failure,
    cause: Cause,
}

/// What the compression has to do with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cause {
    /// Nothing.
    Other,
    /// Nothing, if the peer is known to read it.
    Unlikely,
    /// It may be the cause.
    Compression,
}

impl RequestCompression {
    pub(super) const fn new(labels: SinkLabels, configured: Compression) -> Self {
        Self { labels, configured, is_read: AtomicBool::new(false), is_unreadable: AtomicBool::new(false) }
    }

    /// How the next request is compressed.
    pub(super) fn now(&self) -> Compression {
        if self.is_unreadable.load(Ordering::Relaxed) { Compression::None } else { self.configured }
    }

    /// Makes a body, compressed as the peer reads it.
    ///
    /// # Errors
    ///
    /// Never in practice: it is written to memory.
    pub(super) fn body(&self, plain: Vec<u8>) -> Result<Body, String> {
        let compression = self.now();
        let bytes = compress(plain, compression)?;
        Ok(Body { bytes: bytes.into(), compression })
    }

    /// Sends a request by `attempt`, and once more without compression if that may be why it was not accepted.
    ///
    /// # Errors
    ///
    /// What the last attempt ended in.
    pub(super) async fn send<T, F>(&self, attempt: impl Fn(Compression) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Unaccepted>>,
    {
        let compression = self.now();
        let Unaccepted { failure, cause } = match attempt(compression).await {
            Ok(accepted) => {
                if compression != Compression::None {
                    self.is_read.store(true, Ordering::Relaxed);
                }
                return Ok(accepted);
            }
            Err(unaccepted) => unaccepted,
        };
        let may_be_the_cause = match cause {
            Cause::Other => false,
            Cause::Unlikely => !self.is_read.load(Ordering::Relaxed),
            Cause::Compression => true,
        };
        if compression == Compression::None || !may_be_the_cause {
            return Err(failure);
        }
        let accepted = attempt(Compression::None).await.map_err(|unaccepted| unaccepted.failure)?;
        // Of several requests on their way, one says it.
        if !self.is_unreadable.swap(true, Ordering::Relaxed) {
            telemetry::compression_unreadable(&self.labels, compression, &failure.into_reason());
        }
        Ok(accepted)
    }
}

impl Body {
    /// A body that is not compressed.
    pub(super) fn plain(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), compression: Compression::None }
    }

    /// The same body for a request with `compression`: decompressed if there is to be none.
    ///
    /// The plain form is not kept beside the compressed one, because it is hardly ever wanted and as large as its events.
    ///
    /// # Errors
    ///
    /// Never in practice: this program has compressed it.
    pub(super) fn sent_with(&self, compression: Compression) -> Result<Self, Failure> {
        if compression != Compression::None {
            return Ok(self.clone());
        }
        let plain = decompress(&self.bytes, self.compression);
        plain.map(Self::plain).map_err(|error| Failure::may_pass(format!("cannot decompress a request: {error}")))
    }

    /// The bytes as they are sent.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How they are compressed.
    pub(super) const fn compression(&self) -> Compression {
        self.compression
    }

    /// How many there are.
    pub(super) fn byte_size(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl Unaccepted {
    /// What an HTTP status means. `gives_reason`: whether the answer has one in the protocol's form; `answer` is its text.
    pub(super) fn by_http(failure: Failure, status: Option<StatusCode>, gives_reason: bool, answer: &str) -> Self {
        let cause = match (status, &failure) {
            (Some(StatusCode::UNSUPPORTED_MEDIA_TYPE), _) => Cause::Compression,
            (Some(status), _) if status.is_server_error() && is_about_compression(answer) => Cause::Compression,
            (Some(_), Failure::Refused { .. }) if !gives_reason || is_about_compression(answer) => Cause::Compression,
            (Some(_), Failure::Refused { .. }) => Cause::Unlikely,
            _ => Cause::Other,
        };
        Self { failure, cause }
    }

    /// What a gRPC status means.
    ///
    /// `UNIMPLEMENTED` is what the specification says, in the words of tonic "Content is compressed with `zstd` which
    /// isn't supported", of grpc-go "grpc: Decompressor is not installed for grpc-encoding "zstd"", of grpc-java "Can't find
    /// decompressor for zstd", of grpc-dotnet "Unsupported grpc-encoding value 'zstd'". Old releases of grpc-java said it
    /// with `INTERNAL`, and of grpc-go with `INVALID_ARGUMENT`. It may also be that the service is missing.
    pub(super) fn by_grpc(failure: Failure, status: &Status) -> Self {
        let cause = match (status.code(), &failure) {
            (_, Failure::TooLarge { .. } | Failure::Lost { .. }) => Cause::Other,
            (Code::Unimplemented, _) => Cause::Compression,
            (Code::Internal | Code::InvalidArgument | Code::Unknown, _) if is_about_compression(status.message()) => {
                Cause::Compression
            }
            (_, Failure::Refused { .. }) => Cause::Unlikely,
            _ => Cause::Other,
        };
        Self { failure, cause }
    }
}

impl From<Failure> for Unaccepted {
    /// A failure that no compression causes.
    fn from(failure: Failure) -> Self {
        Self { failure, cause: Cause::Other }
    }
}

/// Whether what a peer says names compression.
fn is_about_compression(answer: &str) -> bool {
    let answer = answer.to_ascii_lowercase();
    ["compress", "content-encoding", "grpc-encoding", "gzip", "zstd"].iter().any(|word| answer.contains(word))
}

/// Whether an answer gives a reason in whatever words, for a protocol without a form for errors.
pub(super) fn is_worded(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).trim().to_ascii_lowercase();
    let is_page = text.starts_with("<!doctype html") || text.contains("<html");
    let is_empty_json = matches!(text.as_str(), "{}" | "[]" | "null" | "\"\"");
    let words = text.trim_matches(|c: char| !c.is_ascii_alphabetic());
    let is_name_of_status = ["bad request", "unprocessable entity", "unprocessable content"].contains(&words);
    !(text.is_empty() || is_page || is_empty_json || is_name_of_status)
}

/// Compresses a body.
///
/// # Errors
///
/// Never in practice: it is written to memory.
pub(super) fn compress(plain: Vec<u8>, compression: Compression) -> Result<Vec<u8>, String> {
    let compressed = match compression {
        Compression::None => Ok(plain),
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), flate2::Compression::default());
            encoder.write_all(&plain).and_then(|()| encoder.finish())
        }
        Compression::Zstd => zstd::bulk::compress(&plain, zstd::DEFAULT_COMPRESSION_LEVEL),
    };
    compressed.map_err(|error| format!("cannot compress: {error}"))
}

fn decompress(compressed: &[u8], compression: Compression) -> io::Result<Vec<u8>> {
    match compression {
        Compression::None => Ok(compressed.to_owned()),
        Compression::Gzip => {
            let mut plain = Vec::new();
            GzDecoder::new(compressed).read_to_end(&mut plain)?;
            Ok(plain)
        }
        Compression::Zstd => zstd::stream::decode_all(compressed),
    }
}
