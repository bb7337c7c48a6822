//! The HTTP proxies on the way to a peer.

use std::{io, sync::Arc};

use bytes::Bytes;
use http::{
    Request, StatusCode, Uri,
    header::{HOST, PROXY_AUTHORIZATION, USER_AGENT},
};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::{
    client::proxy::matcher::{Intercept, Matcher},
    rt::TokioIo,
};
use rustls_pki_types::ServerName;
use snafu::{ResultExt, Snafu};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::{
    address::{endpoint, without_brackets},
    connect::Access,
    connection::{Duplex, tcp},
};
use crate::{
    host::sinks::{
        SinkError,
        error::{ProxySnafu, TlsSnafu},
    },
    transport::{ClientFiles, client_config, proxy_matcher},
};

/// Which peers are behind a proxy, and how a proxy is reached.
#[derive(Clone)]
pub(super) struct Proxies {
    matcher: Arc<Matcher>,
    /// For proxies that speak TLS themselves. They get to see no certificate of the sink's.
    tls: TlsConnector,
}

/// Why there is no way through a proxy.
#[derive(Debug, Snafu)]
enum ProxyError {
    #[snafu(display("cannot connect to the proxy"))]
    Unreachable { source: io::Error },
    #[snafu(display("the proxy has not answered as HTTP proxies do"))]
    Unintelligible { source: hyper::Error },
    #[snafu(display("a proxy cannot be asked for this address"))]
    Address { source: http::Error },
    #[snafu(display("the proxy has answered {status} to CONNECT {target} ({})", advice(*status)))]
    Refused { status: StatusCode, target: String },
}

impl Proxies {
    /// The proxies of a sink.
    ///
    /// # Errors
    ///
    /// When a proxy is not an HTTP proxy, or a file of certificates cannot be used.
    pub(super) fn new(access: &Access<'_>) -> Result<Self, SinkError> {
        let key = || format!("sinks.{}", access.name);
        let matcher = proxy_matcher(&access.proxy).with_context(|_| ProxySnafu { key: key() })?;
        let files = ClientFiles { ca_file: access.tls.ca_file.as_deref(), identity: None };
        let tls = client_config(files).with_context(|_| TlsSnafu { key: key() })?;
        Ok(Self { matcher: Arc::new(matcher), tls: TlsConnector::from(Arc::new(tls)) })
    }

    /// The proxy on the way to a peer.
    pub(super) fn on_the_way_to(&self, peer: &Uri) -> Option<Intercept> {
        self.matcher.intercept(peer)
    }

    /// Connects to a proxy.
    ///
    /// # Errors
    ///
    /// When it cannot be reached.
    pub(super) async fn connect(&self, proxy: &Intercept) -> io::Result<Box<dyn Duplex>> {
        self.try_connect(proxy).await.context(UnreachableSnafu).map_err(io::Error::other)
    }

    async fn try_connect(&self, proxy: &Intercept) -> io::Result<Box<dyn Duplex>> {
        let (host, port, is_tls) = endpoint(proxy.uri());
        let stream = tcp(host, port).await?;
        if !is_tls {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(without_brackets(host).to_owned()).map_err(io::Error::other)?;
        Ok(Box::new(self.tls.connect(name, stream).await?))
    }
}

/// Has a proxy connect to a peer. What is read and written from then on is the peer's.
///
/// # Errors
///
/// When the proxy does not.
pub(super) async fn tunnel(stream: Box<dyn Duplex>, proxy: &Intercept, peer: &Uri) -> io::Result<Box<dyn Duplex>> {
    let (host, port, _) = endpoint(peer);
    ask_for_tunnel(stream, proxy, format!("{host}:{port}")).await.map_err(io::Error::other)
}

async fn ask_for_tunnel(
    stream: Box<dyn Duplex>,
    proxy: &Intercept,
    target: String,
) -> Result<Box<dyn Duplex>, ProxyError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.context(UnintelligibleSnafu)?;
    // It ends with the answer, or with the wait for it.
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection.with_upgrades()));
    let mut request = Request::connect(&target)
        .header(HOST, &target)
        .header(USER_AGENT, concat!("office365-source/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .context(AddressSnafu)?;
    if let Some(credentials) = proxy.basic_auth() {
        request.headers_mut().insert(PROXY_AUTHORIZATION, credentials.clone());
    }
    let response = sender.send_request(request).await.context(UnintelligibleSnafu)?;
    let status = response.status();
    if !status.is_success() {
        return RefusedSnafu { status, target }.fail();
    }
    let stream = hyper::upgrade::on(response).await.context(UnintelligibleSnafu)?;
    Ok(Box::new(TokioIo::new(stream)))
}

fn advice(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            "write the proxy's user and password into its URL, which is in proxy.https, proxy.http or the environment"
        }
        status if status.is_client_error() => {
            "let the proxy connect to this host and port; or write the host into proxy.no_proxy, to be reached directly"
        }
        _ => {
            "see whether the proxy can reach this host and port; or write the host into proxy.no_proxy, to be reached directly"
        }
    }
}
