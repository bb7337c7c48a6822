//! HTTP over reqwest and rustls.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use reqwest::redirect;
use rustls::ClientConfig;
use snafu::{ResultExt, Snafu};

use super::{
    ClientTlsError, Request, Response, Transport, TransportError,
    proxy::proxies,
    tls::{ClientFiles, client_config},
};
use crate::config::ProxyConfig;

/// How a connection is made.
#[derive(Clone, Debug, Default)]
pub struct TransportOptions {
    /// The proxy.
    pub proxy: ProxyConfig,
    /// A PEM file of certificate authorities to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM files of the certificate to show, and of its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// How long a connection may take; 30 seconds when not set.
    pub connect_timeout: Option<Duration>,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Why no HTTP client could be made.
#[derive(Debug, Snafu)]
pub enum SetupError {
    /// A proxy URL.
    #[snafu(display(
        "proxy.{key}: not the URL of an HTTP proxy; write for example http://proxy.example.com:3128, there or where the \
         environment names a proxy"
    ))]
    ProxyUrl {
        /// Which key.
        key: &'static str,
    },
    /// TLS, for example the file of authorities.
    #[snafu(transparent)]
    Tls {
        /// Why.
        source: ClientTlsError,
    },
    /// The client.
    #[snafu(display("cannot set up the HTTP client: {source}"))]
    Client {
        /// What reqwest said.
        source: reqwest::Error,
    },
}

/// The [`Transport`] of production.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    client: reqwest::Client,
}

impl HttpTransport {
    /// Makes a client with connection pool.
    ///
    /// # Errors
    ///
    /// When the CA file or a proxy URL cannot be used.
    pub fn new(options: &TransportOptions) -> Result<Self, SetupError> {
        let identity = options.identity.as_ref().map(|(certificate, key)| (certificate.as_path(), key.as_path()));
        let files = ClientFiles { ca_file: options.ca_file.as_deref(), identity };
        Ok(Self { client: client(options, client_config(files)?)? })
    }
}

/// A client that follows no redirects and takes the proxies of the options.
pub(super) fn client(options: &TransportOptions, tls: ClientConfig) -> Result<reqwest::Client, SetupError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("office365-source/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .tls_backend_preconfigured(tls)
        .connect_timeout(options.connect_timeout.unwrap_or(CONNECT_TIMEOUT))
        .pool_idle_timeout(Duration::from_secs(90))
        .no_proxy();
    for proxy in proxies(&options.proxy)? {
        builder = builder.proxy(proxy);
    }
    builder.build().context(ClientSnafu)
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let response =
            self.client.request(request.method, request.url).headers(request.headers).body(request.body).send().await?;
        Ok(Response {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.bytes_stream().map_err(TransportError::from).boxed(),
        })
    }
}
