//! Requests to a store of secrets.

use std::{path::PathBuf, time::Duration};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use snafu::ResultExt;
use tokio::time::timeout;
use url::Url;

use super::error::{SecretError, ServiceProblem, SetupSnafu};
use crate::{
    config::ProxyConfig,
    printable::printable,
    transport::{HttpTransport, Request, Transport, TransportError, TransportFailure, TransportOptions},
};

/// How long a store may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers with a secret have some kilobytes.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// How much of a store's answer is reported. Unit: characters.
const MOST_SAID: usize = 300;

/// A store of secrets.
#[derive(Debug)]
pub(super) struct Service<'a> {
    /// The full path of the key of the secret, for errors.
    pub(super) key: &'a str,
    /// Which store, for errors.
    pub(super) name: &'static str,
    /// Its address, for errors.
    pub(super) address: &'a Url,
    transport: HttpTransport,
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// `None` when it is not JSON.
    pub(super) body: Option<Value>,
}

impl<'a> Service<'a> {
    /// Prepares the connection to a store. It has a display name, and the name of its table in the configuration.
    /// Certificates are read each time, so that renewed ones are used.
    pub(super) fn new(
        key: &'a str,
        (name, table): (&'static str, &'static str),
        address: &'a Url,
        ca_file: Option<PathBuf>,
        identity: Option<(PathBuf, PathBuf)>,
    ) -> Result<Self, SecretError> {
        let transport = HttpTransport::new(&TransportOptions {
            proxy: ProxyConfig { enabled: false, ..ProxyConfig::default() },
            ca_file,
            identity,
            connect_timeout: Some(PATIENCE),
        })
        .context(SetupSnafu { key, table })?;
        Ok(Self { key, name, address, transport })
    }

    /// Sends a request and reads its answer. Redirects and what asks to come back later are problems already.
    pub(super) async fn ask(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<&Value>,
    ) -> Result<Answer, SecretError> {
        let mut request = Request::new(method, url);
        request.headers = headers;
        request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(body) = body {
            request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            request.body = body.to_string().into_bytes().into();
        }
        let exchange = async {
            let response = self.transport.send(request).await?;
            Ok((response.status, response.read_up_to(LARGEST_ANSWER).await?))
        };
        let answer = timeout(PATIENCE, exchange).await.unwrap_or_else(|_| {
            let waited = format!("waited {} s", PATIENCE.as_secs());
            Err(TransportError::new(TransportFailure::Timeout, waited))
        });
        let (status, body) = answer.map_err(|source| self.problem(ServiceProblem::Unreachable { source }))?;
        let body = serde_json::from_slice(&body).ok();
        if status.is_redirection() {
            return Err(self.problem(ServiceProblem::Foreign {
                expected: "a secret",
                status,
                advice: "It redirects, which is not followed: write the address that it leads to.",
            }));
        }
        Ok(Answer { status, body })
    }

    /// An error of this store.
    pub(super) fn problem(&self, problem: ServiceProblem) -> SecretError {
        SecretError::Service {
            key: self.key.to_owned(),
            service: self.name,
            address: self.address.origin().ascii_serialization(),
            problem,
        }
    }
}

impl Answer {
    /// Whether the store cannot answer now.
    pub(super) fn is_busy(&self) -> bool {
        self.status.is_server_error()
            || matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
    }
}

/// What a store says, made fit for a log line, without the secrets that were sent to it.
pub(super) fn said(text: &str, sent: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in sent.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "[redacted]");
    }
    printable(&text, MOST_SAID)
}
