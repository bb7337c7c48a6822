//! Vector's own protocol: a batch is a call of `/vector.Vector/PushEvents`, which Vector answers when its sinks have the
//! events (with `acknowledgements` on), or its topology (without).

mod event;
#[cfg(test)]
mod proto;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use bytes::Bytes;
use tonic::{Code, Status};

use super::{
    SinkError,
    compression::RequestCompression,
    grpc::{GrpcClient, Reply},
    http_client::Headers,
    network::{Accepted, Batch, Failure, Peer},
    protobuf, size_limit,
};
use crate::{config::VectorSinkConfig, host::telemetry::SinkLabels};

/// Service and method, from Vector's proto/vector/vector.proto.
const PUSH_EVENTS: &str = "/vector.Vector/PushEvents";

/// `repeated event.EventWrapper events` of `PushEventsRequest`, from the same file.
const EVENTS: u32 = 1;

/// The `vector` source of a Vector.
pub(super) struct VectorPeer {
    client: GrpcClient,
}

impl VectorPeer {
    pub(super) fn new(name: &str, config: &VectorSinkConfig) -> Result<Self, SinkError> {
        let key = format!("sinks.{name}.address");
        let VectorSinkConfig { address, tls, compression, .. } = config;
        let labels = SinkLabels { id: name.to_owned(), component_type: "vector" };
        let compression = RequestCompression::new(labels, *compression);
        let client = GrpcClient::new(name, (address, &key), tls, PUSH_EVENTS, compression, Headers::default())?;
        Ok(Self { client })
    }
}

#[async_trait]
impl Peer for VectorPeer {
    type Request = Bytes;

    fn encode(&self, batch: &Batch) -> Result<Bytes, String> {
        let mut out = Vec::with_capacity(batch.json_size() + batch.json_size() / 4);
        for event in batch.events() {
            let wrapper = protobuf::open(&mut out, EVENTS);
            event::write(&mut out, event);
            protobuf::close(&mut out, wrapper);
        }
        Ok(out.into())
    }

    async fn send(&self, request: &Bytes) -> Result<Accepted, Failure> {
        let accepted = |reply: Reply| Ok(Accepted { byte_size: reply.byte_size, rejected: None });
        self.client.send(request, accepted, refusal).await
    }
}

/// What a status means that Vector has answered.
///
/// `handle_batch_status` in Vector's src/sources/vector/mod.rs: `INTERNAL` when a sink could not deliver and may later,
/// `DATA_LOSS` when a sink will not. A message that Vector cannot decode is `INTERNAL`, too, but will never be anything else.
fn refusal(status: &Status, reason: String) -> Failure {
    match status.code() {
        _ if size_limit::is_exceeded(status) => Failure::TooLarge { reason },
        Code::DataLoss => Failure::Lost { reason },
        Code::InvalidArgument => Failure::Refused { reason },
        Code::Internal if status.message().starts_with("failed to decode Protobuf message") => {
            Failure::Refused { reason }
        }
        Code::Unimplemented => Failure::may_pass(format!(
            "{reason} (see to the address in the sink's configuration: it has to be that of a source of type \"vector\"; \
             and to the compression, which an old Vector may not read)"
        )),
        _ => Failure::may_pass(reason),
    }
}
