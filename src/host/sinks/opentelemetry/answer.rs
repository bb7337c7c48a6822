//! What a collector answers, and what follows from it.
//!
//! The OTLP specification divides failures into those after which a client may send the same data again, and those
//! after which it must not. Of the latter, this sink, like every sink, retries those that are about the client's
//! settings (credentials, address), because an administrator can correct them. The others become dead letters.

use std::time::Duration;

use http::StatusCode;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message;
use tonic::{Code, Status};

use super::super::{
    http_client::{PeerRefusal, quote},
    network::{Accepted, Failure, Rejected},
    size_limit,
};

/// No peer can make a sink wait longer, as with `Retry-After`.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// google/rpc/status.proto.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// google/protobuf/any.proto.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `RetryInfo` of `google/rpc/error_details.proto`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<RetryDelay>,
}

/// google/protobuf/duration.proto.
#[derive(Clone, Copy, PartialEq, Message)]
struct RetryDelay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// What a success means: with `rejected_log_records`, not all of it was one; with a message alone, it is a warning.
pub(super) fn accepted(origin: &str, answer: &[u8], byte_size: u64) -> Result<Accepted, Failure> {
    // A page of a proxy's, say: its sender has taken nothing.
    let response = ExportLogsServiceResponse::decode(answer).map_err(|_| {
        let quoted = quote(&String::from_utf8_lossy(answer));
        Failure::may_pass(format!(
            "{origin} has answered with a success that is not a collector's (see to the address in the sink's \
             configuration): {quoted}"
        ))
    })?;
    let partial = response.partial_success.unwrap_or_default();
    let count = u64::try_from(partial.rejected_log_records).unwrap_or_default();
    let rejected = Rejected { count, reason: quote(&partial.error_message) };
    let is_worth_telling = count > 0 || !rejected.reason.is_empty();
    Ok(Accepted { byte_size, rejected: is_worth_telling.then_some(rejected) })
}

/// What a gRPC status means.
pub(super) fn grpc_refusal(status: &Status, reason: String) -> Failure {
    let after = retry_delay(status);
    match (status.code(), status.message()) {
        // A server that says when to come back means a quota, whatever the words.
        _ if after.is_none() && size_limit::is_exceeded(status) => Failure::TooLarge { reason },
        // Vector's src/sources/opentelemetry/grpc.rs has INTERNAL and DATA_LOSS the other way round.
        (Code::DataLoss, "Delivery failed") => Failure::Lost { reason },
        // The specification would have a client give up after RESOURCE_EXHAUSTED without `RetryInfo`. Quotas end, and
        // not every server says when.
        (Code::Internal, "Delivery error")
        | (
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
            | Code::ResourceExhausted,
            _,
        ) => Failure::MayPass { reason, after },
        (Code::Unauthenticated | Code::PermissionDenied, _) => {
            Failure::may_pass(format!("{reason} (see to `headers` in the sink's configuration)"))
        }
        (Code::Unimplemented | Code::NotFound, _) => Failure::may_pass(format!(
            "{reason} (see to address, protocol and compression in the sink's configuration: over gRPC the port is 4317 \
             by convention)"
        )),
        _ => Failure::Refused { reason },
    }
}

/// When the peer wants the same data again.
fn retry_delay(status: &Status) -> Option<Duration> {
    let details = RpcStatus::decode(status.details()).ok()?.details;
    let info = details.iter().find(|any| any.type_url == RETRY_INFO)?;
    let RetryDelay { seconds, nanos } = RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay?;
    let (seconds, nanos) = (u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?);
    Some(Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos.into())).min(LONGEST_WAIT))
}

/// What a collector gives as the reason, if it is one that has answered.
fn said(answer: &[u8]) -> String {
    RpcStatus::decode(answer).map(|status| quote(&status.message)).unwrap_or_default()
}

/// Whether an answer over HTTP that is no success is a collector's, with a reason.
pub(super) fn gives_reason(answer: &[u8]) -> bool {
    !said(answer).is_empty()
}

/// What an HTTP status that is no success means.
///
/// After 429, 502, 503 and 504 the same data may be sent again, after no other. But a collector always says why, in a
/// `google.rpc.Status`: what comes without one is from something on the way.
pub(super) fn http_refusal(origin: &str, refusal: PeerRefusal) -> Failure {
    let said = said(refusal.answer());
    let status = refusal.status();
    let failure = Failure::from(refusal);
    let Some(status) = status.filter(|_| !said.is_empty()) else { return failure };
    let reason = format!("{origin} has answered {status}: {said}");
    match (status, failure) {
        (_, Failure::TooLarge { .. }) => Failure::TooLarge { reason },
        (_, Failure::Refused { .. }) => Failure::Refused { reason },
        (
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT,
            Failure::MayPass { after, .. },
        ) => Failure::MayPass { reason, after },
        // About the sink's settings; what has been said is in the failure already.
        (
            StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::UNSUPPORTED_MEDIA_TYPE,
            failure,
        ) => failure,
        // Vector's src/sources/opentelemetry/http.rs says so, in the midst of other words, when it could not deliver but
        // may later, and when it is about to stop.
        (StatusCode::INTERNAL_SERVER_ERROR, failure)
            if said.contains("Error delivering contents to sink") || said.contains("ServerShutdown") =>
        {
            failure
        }
        _ => Failure::Refused { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_to_be_left_alone_is_read_and_bounded() {
        let status = |delay: Option<RetryDelay>, type_url: &str| {
            let value = RetryInfo { retry_delay: delay }.encode_to_vec();
            let other = Any { type_url: "type.googleapis.com/google.rpc.Help".to_owned(), value: vec![1, 2, 3] };
            let details = vec![other, Any { type_url: type_url.to_owned(), value }];
            let details = RpcStatus { code: 14, message: String::new(), details }.encode_to_vec();
            Status::with_details(Code::Unavailable, "", details.into())
        };
        let delay = |seconds, nanos| Some(RetryDelay { seconds, nanos });
        for (delay, expected) in [
            (delay(3, 500_000_000), Some(Duration::from_millis(3_500))),
            (delay(0, 0), Some(Duration::ZERO)),
            (delay(i64::MAX, 5), Some(LONGEST_WAIT)),
            (delay(-1, 0), None),
            (delay(1, -1), None),
            (None, None),
        ] {
            assert_eq!(retry_delay(&status(delay, RETRY_INFO)), expected, "{delay:?}");
        }
        assert_eq!(retry_delay(&status(delay(3, 0), "type.googleapis.com/google.rpc.DebugInfo")), None);
        assert_eq!(retry_delay(&Status::unavailable("")), None);
        assert_eq!(retry_delay(&Status::with_details(Code::Unavailable, "", vec![0xFF; 9].into())), None);
    }
}
