//! JSON over HTTP: a batch is a POST, and any success acknowledges it.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Uri};

use super::{
    SinkError,
    http_client::{Headers, HttpClient, Scheme, body_headers, compress, uri},
    ndjson,
    network::{Accepted, Batch, Failure, Peer},
};
use crate::config::{Compression, HttpAuthConfig, HttpFraming, HttpSinkConfig};

/// An HTTP server that takes JSON.
pub(super) struct HttpPeer {
    client: HttpClient,
    uri: Uri,
    framing: HttpFraming,
    compression: Compression,
    headers: HeaderMap,
}

impl HttpPeer {
    pub(super) fn new(name: &str, config: &HttpSinkConfig) -> Result<Self, SinkError> {
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
        let content_type = match config.framing {
            HttpFraming::Ndjson => "application/x-ndjson",
            HttpFraming::JsonArray => "application/json",
        };
        Ok(Self {
            client: HttpClient::new(name, &config.tls, headers)?,
            uri: uri(&config.uri, &key("uri"))?,
            framing: config.framing,
            compression: config.compression,
            headers: body_headers(content_type, config.compression),
        })
    }
}

#[async_trait]
impl Peer for HttpPeer {
    type Request = Bytes;

    fn encode(&self, batch: &Batch) -> Result<Bytes, String> {
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
        compress(body, self.compression).map(Bytes::from)
    }

    async fn send(&self, body: &Bytes) -> Result<Accepted, Failure> {
        self.client.submit(&self.uri, &self.headers, body.clone()).await?;
        Ok(Accepted { byte_size: body.len() as u64, rejected: None })
    }
}
