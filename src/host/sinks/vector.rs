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
    Build, BuildContext, Run, SinkError,
    compression::RequestCompression,
    grpc::{GrpcClient, Reply},
    network::{Accepted, Access, Batch, Failure, Peer},
    protobuf,
    request_headers::Headers,
    size_limit,
};
use crate::{config::VectorSinkConfig, host::telemetry::SinkLabels};

/// Service and method, from Vector's proto/vector/vector.proto.
const PUSH_EVENTS: &str = "/vector.Vector/PushEvents";

/// `repeated event.EventWrapper events` of `PushEventsRequest`, from the same file.
const EVENTS: u32 = 1;

#[async_trait]
impl Build for VectorSinkConfig {
    async fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Run>, SinkError> {
        Ok(cx.network_sink(
            VectorPeer::new(&cx.labels, &cx.access(&self.network.tls, &self.proxy), self).await?,
            &self.network,
        ))
    }
}

/// The `vector` source of a Vector.
struct VectorPeer {
    client: GrpcClient,
}

impl VectorPeer {
    async fn new(labels: &SinkLabels, access: &Access<'_>, config: &VectorSinkConfig) -> Result<Self, SinkError> {
        let key = format!("sinks.{}.address", labels.id);
        let VectorSinkConfig { address, compression, .. } = config;
        let compression = RequestCompression::new(labels.clone(), *compression);
        let client = GrpcClient::new(access, (address, &key), PUSH_EVENTS, compression, Headers::default()).await?;
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
