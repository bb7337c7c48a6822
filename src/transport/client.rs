//! HTTP over reqwest and rustls.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use reqwest::redirect;
use rustls::{ClientConfig, crypto::ring, pki_types::CertificateDer};
use rustls_pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;
use snafu::{ResultExt, Snafu};

use super::{Request, Response, Transport, TransportError, proxy::proxies};
use crate::config::ProxyConfig;

/// How a connection is made.
#[derive(Clone, Debug, Default)]
pub struct TransportOptions {
    /// The proxy.
    pub proxy: ProxyConfig,
    /// A PEM file of certificate authorities to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// How long a connection may take; 30 seconds when not set.
    pub connect_timeout: Option<Duration>,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Why no HTTP client could be made.
#[derive(Debug, Snafu)]
pub enum SetupError {
    /// The CA file.
    #[snafu(display("tls.ca_file: cannot read certificates from {}: {detail}; write the path of a PEM file", path.display()))]
    CaFile {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A proxy URL.
    #[snafu(display("proxy.{key}: not a proxy URL; write for example http://proxy.example.com:3128"))]
    ProxyUrl {
        /// Which key.
        key: &'static str,
    },
    /// TLS.
    #[snafu(display("cannot set up TLS: {source}"))]
    Tls {
        /// What rustls said.
        source: rustls::Error,
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
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("office365-source/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .tls_backend_preconfigured(tls(options)?)
            .connect_timeout(options.connect_timeout.unwrap_or(CONNECT_TIMEOUT))
            .pool_idle_timeout(Duration::from_secs(90))
            .no_proxy();
        for proxy in proxies(&options.proxy)? {
            builder = builder.proxy(proxy);
        }
        Ok(Self { client: builder.build().context(ClientSnafu)? })
    }
}

/// The platform's trust store, plus the extra authorities. ring, because it needs nothing but a C compiler.
fn tls(options: &TransportOptions) -> Result<ClientConfig, SetupError> {
    let provider = Arc::new(ring::default_provider());
    let extra = match &options.ca_file {
        None => Vec::new(),
        Some(path) => {
            let unreadable = |detail: String| SetupError::CaFile { path: path.clone(), detail };
            let certificates = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| unreadable(error.to_string()))?;
            if certificates.is_empty() {
                return Err(unreadable("it holds no certificate".into()));
            }
            certificates
        }
    };
    let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider)).context(TlsSnafu)?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context(TlsSnafu)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
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
