//! OTLP logs, over gRPC or HTTP: a batch is an export request, and the answer says what the collector has taken.

mod answer;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::Utc;
use http::{HeaderMap, Uri};
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    logs::v1::{ResourceLogs, ScopeLogs},
    resource::v1::Resource,
};
use prost::Message;

use super::{
    Build, BuildContext, Run, SinkError,
    compression::{Body, RequestCompression},
    grpc::{GrpcClient, Reply},
    http_client::{HttpClient, content_type, uri},
    network::{Accepted, Access, Batch, Failure, Peer},
    protobuf,
    request_headers::{Headers, Scheme},
};
use crate::{
    config::{OpentelemetryProtocol, OpentelemetrySinkConfig},
    host::telemetry::SinkLabels,
};

/// Service and method, from `opentelemetry/proto/collector/logs/v1/logs_service.proto`.
const EXPORT: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// Where a collector takes logs over HTTP, by the OTLP specification.
const LOGS_PATH: &str = "/v1/logs";

/// `repeated ResourceLogs resource_logs` of `ExportLogsServiceRequest`, from the same file.
const RESOURCE_LOGS: u32 = 1;
/// `repeated ScopeLogs scope_logs` of `ResourceLogs`, from opentelemetry/proto/logs/v1/logs.proto.
const SCOPE_LOGS: u32 = 2;
/// `repeated LogRecord log_records` of `ScopeLogs`, from the same file.
const LOG_RECORDS: u32 = 2;

#[async_trait]
impl Build for OpentelemetrySinkConfig {
    async fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Run>, SinkError> {
        Ok(cx.network_sink(
            OpentelemetryPeer::new(&cx.labels, &cx.access(&self.network.tls, &self.proxy), self).await?,
            &self.network,
        ))
    }
}

/// A collector.
struct OpentelemetryPeer {
    transport: Transport,
    /// The messages around the records, without the records.
    resource: Vec<u8>,
    scope: Vec<u8>,
}

enum Transport {
    Grpc(Box<GrpcClient>),
    Http(Box<Http>),
}

struct Http {
    client: HttpClient,
    uri: Uri,
    headers: HeaderMap,
    compression: RequestCompression,
}

impl OpentelemetryPeer {
    async fn new(
        labels: &SinkLabels,
        access: &Access<'_>,
        config: &OpentelemetrySinkConfig,
    ) -> Result<Self, SinkError> {
        let name = &labels.id;
        let OpentelemetrySinkConfig { protocol, endpoint, compression, .. } = config;
        let key = format!("sinks.{name}.endpoint");
        let mut headers = Headers::default();
        for (header, secret) in &config.headers {
            headers.add(header, format!("sinks.{name}.headers.{header}"), secret, Scheme::Plain);
        }
        let compression = RequestCompression::new(labels.clone(), *compression);
        let transport = match protocol {
            OpentelemetryProtocol::Grpc => {
                let client = GrpcClient::new(access, (endpoint, &key), EXPORT, compression, headers).await?;
                Transport::Grpc(Box::new(client))
            }
            OpentelemetryProtocol::Http => {
                let mut endpoint = endpoint.clone();
                if endpoint.path() == "/" {
                    endpoint.set_path(LOGS_PATH);
                }
                Transport::Http(Box::new(Http {
                    client: HttpClient::new(access, headers).await?,
                    uri: uri(&endpoint, &key)?,
                    headers: content_type("application/x-protobuf"),
                    compression,
                }))
            }
        };
        Ok(Self { transport, resource: resource(&config.resource), scope: scope() })
    }
}

/// Who the records are from: the service is Microsoft's, the scope is this program.
fn resource(configured: &BTreeMap<String, String>) -> Vec<u8> {
    let mut attributes = BTreeMap::from([("service.name", "office365")]);
    attributes.extend(configured.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let attributes = attributes.into_iter().map(|(name, value)| {
        let value = AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
        KeyValue { key: name.to_owned(), value: Some(value), ..KeyValue::default() }
    });
    let resource = Resource { attributes: attributes.collect(), ..Resource::default() };
    ResourceLogs { resource: Some(resource), ..ResourceLogs::default() }.encode_to_vec()
}

fn scope() -> Vec<u8> {
    let scope = InstrumentationScope {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    ScopeLogs { scope: Some(scope), ..ScopeLogs::default() }.encode_to_vec()
}

#[async_trait]
impl Peer for OpentelemetryPeer {
    type Request = Body;

    fn encode(&self, batch: &Batch) -> Result<Body, String> {
        let mut out = Vec::with_capacity(batch.json_size() + batch.json_size() / 2);
        let observed = Utc::now();
        let resource_logs = protobuf::open(&mut out, RESOURCE_LOGS);
        out.extend_from_slice(&self.resource);
        let scope_logs = protobuf::open(&mut out, SCOPE_LOGS);
        out.extend_from_slice(&self.scope);
        for event in batch.events() {
            let log_record = protobuf::open(&mut out, LOG_RECORDS);
            record::write(&mut out, event, observed);
            protobuf::close(&mut out, log_record);
        }
        protobuf::close(&mut out, scope_logs);
        protobuf::close(&mut out, resource_logs);
        match &self.transport {
            // Compressed with each call.
            Transport::Grpc(_) => Ok(Body::plain(out)),
            Transport::Http(http) => http.compression.body(out),
        }
    }

    async fn send(&self, request: &Body) -> Result<Accepted, Failure> {
        match &self.transport {
            Transport::Grpc(client) => {
                let accepted = |reply: Reply| answer::accepted(&client.describe(), &reply.message, reply.byte_size);
                client.send(request.bytes(), accepted, answer::grpc_refusal).await
            }
            Transport::Http(http) => http.send(request).await,
        }
    }
}

impl Http {
    async fn send(&self, body: &Body) -> Result<Accepted, Failure> {
        let origin = &self.client.describe(&self.uri);
        let attempt = move |compression| async move {
            let body = body.sent_with(compression)?;
            let answered = self.client.post(&self.uri, &self.headers, &body).await.map_err(|refusal| {
                refusal.interpret(answer::gives_reason, |refusal| answer::http_refusal(origin, refusal))
            })?;
            Ok(answer::accepted(origin, &answered, body.byte_size())?)
        };
        self.compression.send(attempt).await
    }
}
