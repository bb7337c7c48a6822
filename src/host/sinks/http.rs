//! JSON over HTTP: a batch is a POST, and any success acknowledges it.

use async_trait::async_trait;
use http::{HeaderMap, Uri};

use super::{
    Build, BuildContext, Run, SinkError,
    compression::{Body, RequestCompression, is_worded},
    http_client::{HttpClient, content_type, uri},
    ndjson,
    network::{Accepted, Access, Batch, Failure, Peer},
    request_headers::{Headers, Scheme},
};
use crate::{
    config::{HttpAuthConfig, HttpFraming, HttpSinkConfig},
    host::telemetry::SinkLabels,
};

#[async_trait]
impl Build for HttpSinkConfig {
    async fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Run>, SinkError> {
        Ok(cx.network_sink(
            HttpPeer::new(&cx.labels, &cx.access(&self.network.tls, &self.proxy), self).await?,
            &self.network,
        ))
    }
}

/// An HTTP server that takes JSON.
struct HttpPeer {
    client: HttpClient,
    uri: Uri,
    framing: HttpFraming,
    compression: RequestCompression,
    headers: HeaderMap,
}

impl HttpPeer {
    async fn new(labels: &SinkLabels, access: &Access<'_>, config: &HttpSinkConfig) -> Result<Self, SinkError> {
        let name = &labels.id;
        let key = |key: &str| format!("sinks.{name}.{key}");
        let mut headers = Headers::default();
        for (header, secret) in &config.headers {
            headers.add(header, key(&format!("headers.{header}")), secret, Scheme::Plain);
        }
        match &config.auth {
            Some(HttpAuthConfig { token: Some(token), .. }) => {
                headers.authorize(key("auth.token"), token, Scheme::Word("Bearer"));
            }
            Some(HttpAuthConfig { user: Some(user), password: Some(password), .. }) => {
                headers.authorize(key("auth.password"), password, Scheme::Basic(user.clone()));
            }
            _ => {}
        }
        let media_type = match config.framing {
            HttpFraming::Ndjson => "application/x-ndjson",
            HttpFraming::JsonArray => "application/json",
        };
        Ok(Self {
            client: HttpClient::new(access, headers).await?,
            uri: uri(&config.uri, &key("uri"))?,
            framing: config.framing,
            compression: RequestCompression::new(labels.clone(), config.compression),
            headers: content_type(media_type),
        })
    }
}

#[async_trait]
impl Peer for HttpPeer {
    type Request = Body;

    fn encode(&self, batch: &Batch) -> Result<Body, String> {
        let mut body = Vec::with_capacity(batch.json_size() + 2);
        match self.framing {
            HttpFraming::Ndjson => ndjson::render(batch.events(), &mut body),
            HttpFraming::JsonArray => {
                for event in batch.events() {
                    body.push(if body.is_empty() { b'[' } else { b',' });
                    event.write_json(&mut body);
                }
                body.push(b']');
            }
        }
        self.compression.body(body)
    }

    async fn send(&self, body: &Body) -> Result<Accepted, Failure> {
        let attempt = move |compression| async move {
            let body = body.sent_with(compression)?;
            let submitted = self.client.submit(&self.uri, &self.headers, &body).await;
            submitted.map_err(|refusal| refusal.interpret(is_worded, Failure::from))?;
            Ok(Accepted { byte_size: body.byte_size(), rejected: None })
        };
        self.compression.send(attempt).await
    }
}
