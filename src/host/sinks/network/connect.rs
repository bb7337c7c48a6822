//! Connections to a peer: TCP, with TLS or without, directly or through an HTTP proxy.
//!
//! One connector serves all protocols, so that certificates, the server's name and proxies mean the same everywhere: as a
//! function for the Forward protocol, and as a tower service for HTTP clients.

use std::{
    io,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{HeaderValue, Uri};
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls_pki_types::ServerName;
use snafu::ResultExt;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower::Service;

use super::{
    Failure,
    address::{endpoint, is_tls, origin, without_brackets},
    connection::{Duplex, PeerConnection, tcp},
    proxy::{Proxies, tunnel},
};
use crate::{
    config::{ProxyConfig, SinkTlsConfig},
    host::sinks::{SinkError, error::TlsSnafu},
    transport::{ClientFiles, client_config},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// How a sink gets to its peer.
#[derive(Clone)]
pub(in crate::host::sinks) struct Access<'a> {
    /// The sink's name.
    pub(in crate::host::sinks) name: &'a str,
    /// Certificates.
    pub(in crate::host::sinks) tls: &'a SinkTlsConfig,
    /// The sink's proxy, with what it leaves open from the topology.
    pub(in crate::host::sinks) proxy: ProxyConfig,
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::host::sinks) enum Protocol {
    /// HTTP/1.1. Proxies forward its requests to plain addresses.
    Http1,
    /// HTTP/2, as gRPC needs it. Proxies make tunnels for it, to plain addresses, too.
    Http2,
}

/// Makes connections to peers.
#[derive(Clone)]
pub(in crate::host::sinks) struct Connector {
    tls: TlsConnector,
    server_name: Option<ServerName<'static>>,
    /// `None` for a protocol that knows no proxies.
    proxies: Option<Proxies>,
    forwards: bool,
}

impl Connector {
    /// A connector that offers `protocol`.
    ///
    /// # Errors
    ///
    /// When a file of certificates or a proxy cannot be used.
    pub(in crate::host::sinks) fn new(access: &Access<'_>, protocol: Protocol) -> Result<Self, SinkError> {
        let alpn: &[u8] = match protocol {
            Protocol::Http1 => b"http/1.1",
            Protocol::Http2 => b"h2",
        };
        let proxies = Some(Proxies::new(access)?);
        let connector = Self::build(access.name, access.tls, |client| client.alpn_protocols = vec![alpn.to_vec()])?;
        Ok(Self { proxies, forwards: protocol == Protocol::Http1, ..connector })
    }

    /// A connector for the Forward protocol, which knows no proxies and greets a server anew on each connection.
    ///
    /// Fluentd refuses to resume what was agreed on before: its OpenSSL says "session id context uninitialized", so that only
    /// the first connection of a client would ever come about.
    ///
    /// # Errors
    ///
    /// When a file of certificates cannot be used.
    pub(in crate::host::sinks) fn direct(name: &str, tls: &SinkTlsConfig) -> Result<Self, SinkError> {
        Self::build(name, tls, |client| client.resumption = Resumption::disabled())
    }

    fn build(
        name: &str,
        config: &SinkTlsConfig,
        adapt: impl FnOnce(&mut rustls::ClientConfig),
    ) -> Result<Self, SinkError> {
        let files = ClientFiles {
            ca_file: config.ca_file.as_deref(),
            identity: config.crt_file.as_deref().zip(config.key_file.as_deref()),
        };
        let mut client = client_config(files).with_context(|_| TlsSnafu { key: format!("sinks.{name}") })?;
        adapt(&mut client);
        // Validation has seen that it is one.
        let server_name = config.server_name.clone().and_then(|name| ServerName::try_from(name).ok());
        Ok(Self { tls: TlsConnector::from(Arc::new(client)), server_name, proxies: None, forwards: false })
    }

    /// Where a peer is and which proxy is used, for display: without path and query, which may hold a token.
    pub(in crate::host::sinks) fn describe(&self, peer: &Uri) -> String {
        let proxy = self.proxies.as_ref().and_then(|proxies| proxies.on_the_way_to(peer));
        match proxy {
            None => origin(peer),
            Some(proxy) => format!("{} (through the proxy {})", origin(peer), origin(proxy.uri())),
        }
    }

    /// The credentials for the proxy that forwards requests to a peer. A tunnel has got them when it was made.
    pub(in crate::host::sinks) fn proxy_authorization(&self, peer: &Uri) -> Option<HeaderValue> {
        let proxy = self.proxies.as_ref()?.on_the_way_to(peer)?;
        if self.is_forwarded(peer) { proxy.basic_auth().cloned() } else { None }
    }

    /// Whether a proxy on the way would read the requests, rather than make a tunnel for them.
    fn is_forwarded(&self, peer: &Uri) -> bool {
        self.forwards && !is_tls(peer)
    }

    /// Connects to `host` and `port`, and speaks TLS first if `is_tls`.
    ///
    /// # Errors
    ///
    /// A [`Failure`] that may pass; its reason names the address.
    pub(in crate::host::sinks) async fn connect(
        &self,
        host: &str,
        port: u16,
        is_tls: bool,
    ) -> Result<PeerConnection, Failure> {
        let connect = async { self.secure(tcp(host, port).await?, is_tls.then_some(host)).await };
        in_time(connect).await.map_err(|error| {
            let tls = if is_tls { " with TLS" } else { "" };
            Failure::may_pass(format!("cannot connect to {host}:{port}{tls}: {error}"))
        })
    }

    async fn connect_to(&self, peer: &Uri) -> io::Result<PeerConnection> {
        let (host, port, is_tls) = endpoint(peer);
        let host_of_tls = is_tls.then_some(host);
        let proxy = self.proxies.as_ref().and_then(|proxies| Some((proxies, proxies.on_the_way_to(peer)?)));
        let Some((proxies, proxy)) = proxy else { return self.secure(tcp(host, port).await?, host_of_tls).await };
        let stream = proxies.connect(&proxy).await?;
        if self.is_forwarded(peer) {
            return Ok(PeerConnection { stream, is_h2: false, is_forwarded: true });
        }
        self.secure(tunnel(stream, &proxy, peer).await?, host_of_tls).await
    }

    /// Speaks TLS with `host`, if there is to be TLS.
    async fn secure(&self, stream: impl Duplex, host: Option<&str>) -> io::Result<PeerConnection> {
        let Some(host) = host else {
            return Ok(PeerConnection { stream: Box::new(stream), is_h2: false, is_forwarded: false });
        };
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(without_brackets(host).to_owned()).map_err(io::Error::other)?,
        };
        let stream = self.tls.connect(name, stream).await?;
        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(PeerConnection { stream: Box::new(stream), is_h2, is_forwarded: false })
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<PeerConnection>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, peer: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { in_time(connector.connect_to(&peer)).await.map(TokioIo::new) })
    }
}

async fn in_time<T>(connect: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(CONNECT_TIMEOUT, connect).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
