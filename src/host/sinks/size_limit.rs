//! What peers say of a request that is larger than they take.
//!
//! HTTP has a status for it, 413. gRPC has none, and its libraries say it with one that also stands for quotas: only
//! the words tell the two apart. An event that is too large becomes a dead letter, one that is over a quota comes again
//! later. So the words here are those of messages and their sizes; texts about rates, queues, memory or quotas do not
//! contain them.

use tonic::{Code, Status};

/// Parts of what servers answer, in lower case.
const OF_MESSAGES: [&str; 12] = [
    // tonic/src/codec/decode.rs, as OUT_OF_RANGE and, after decompression, RESOURCE_EXHAUSTED:
    // "Error, decoded message length too large: found 9 bytes, the limit is: 4 bytes" and
    // "Error decompressing: size limit, of 4 bytes, exceeded while decompressing message".
    "message length too large",
    "exceeded while decompressing message",
    // rpc_util.go of grpc-go, and Received… of grpc-core and grpc-js: "grpc: received message larger than max (9 vs. 4)",
    // "grpc: received message after decompression larger than max 4", "Received message that decompresses to a size larger than
    // 4".
    "message larger than",
    "after decompression larger than",
    "decompresses to a size larger than",
    // MessageDeframer.java of grpc-java: "gRPC message exceeds maximum size 4: 9", "Decompressed gRPC message exceeds …".
    "message exceeds maximum size",
    // PipeExtensions.cs of grpc-dotnet: "Received message exceeds the maximum configured message size."
    "message exceeds the maximum",
    // Words that services have of their own.
    "message too large",
    "message too big",
    "request too large",
    "payload too large",
    "body too large",
];

/// Parts of the bodies of answers over HTTP, in lower case: "http: request body too large" is what Go's `MaxBytesReader`
/// says, which the OpenTelemetry Collector passes on with 400.
const OF_BODIES: [&str; 3] = ["request body too large", "request entity too large", "payload too large"];

/// Whether a gRPC server finds a message too large.
pub(super) fn is_exceeded(status: &Status) -> bool {
    matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted) && has(status.message(), &OF_MESSAGES)
}

/// Whether the answer of an HTTP server that refuses a request says that its body is too large.
pub(super) fn is_named_in(answer: &str) -> bool {
    has(answer, &OF_BODIES)
}

fn has(text: &str, parts: &[&str]) -> bool {
    let text = text.to_ascii_lowercase();
    parts.iter().any(|part| text.contains(part))
}
