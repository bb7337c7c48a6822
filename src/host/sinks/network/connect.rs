//! Connections to a peer: TCP, with TLS or without.
//!
//! One connector serves all protocols, so that certificates and the server's name mean the same everywhere: as a function
//! for the Forward protocol, and as a tower service for HTTP clients.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::Uri;
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use rustls::{ClientConfig, client::Resumption};
use rustls_pki_types::ServerName;
use snafu::ResultExt;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tower::Service;

use super::Failure;
use crate::{
    config::SinkTlsConfig,
    host::sinks::{SinkError, error::TlsSnafu},
    transport::{ClientFiles, client_config},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Makes connections to peers.
#[derive(Clone)]
pub(in crate::host::sinks) struct Connector {
    tls: TlsConnector,
    server_name: Option<ServerName<'static>>,
}

impl Connector {
    /// A connector for the sink `name` that offers the application protocols `alpn`, such as `h2`.
    ///
    /// # Errors
    ///
    /// When a file of certificates cannot be used.
    pub(in crate::host::sinks) fn new(name: &str, config: &SinkTlsConfig, alpn: &[&[u8]]) -> Result<Self, SinkError> {
        let files = ClientFiles {
            ca_file: config.ca_file.as_deref(),
            identity: config.crt_file.as_deref().zip(config.key_file.as_deref()),
        };
        let mut client = client_config(files).with_context(|_| TlsSnafu { key: format!("sinks.{name}") })?;
        client.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        // Validation has seen that it is one.
        let server_name = config.server_name.clone().and_then(|name| ServerName::try_from(name).ok());
        Ok(Self { tls: TlsConnector::from(Arc::new(client)), server_name })
    }

    /// Greets a server anew on each connection, rather than resume what was agreed on before.
    ///
    /// Fluentd refuses to resume: its OpenSSL says "session id context uninitialized", so that only the first connection
    /// of a client would ever come about.
    pub(in crate::host::sinks) fn without_resumption(self) -> Self {
        let mut client = ClientConfig::clone(self.tls.config());
        client.resumption = Resumption::disabled();
        Self { tls: TlsConnector::from(Arc::new(client)), ..self }
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
        let connected = timeout(CONNECT_TIMEOUT, self.try_connect(host, port, is_tls)).await;
        connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|error| {
            let tls = if is_tls { " with TLS" } else { "" };
            Failure::may_pass(format!("cannot connect to {host}:{port}{tls}: {error}"))
        })
    }

    async fn try_connect(&self, host: &str, port: u16, is_tls: bool) -> io::Result<PeerConnection> {
        // A URL writes IPv6 addresses in brackets, the resolver does not.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        if !is_tls {
            return Ok(PeerConnection::Plain(stream));
        }
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned()).map_err(io::Error::other)?,
        };
        Ok(PeerConnection::Tls(Box::new(self.tls.connect(name, stream).await?)))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<PeerConnection>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let is_tls = uri.scheme_str() == Some("https");
            let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
            let host = uri.host().unwrap_or_default();
            let connected = timeout(CONNECT_TIMEOUT, connector.try_connect(host, port, is_tls)).await;
            connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map(TokioIo::new)
        })
    }
}

/// A connection to a peer.
pub(in crate::host::sinks) enum PeerConnection {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for PeerConnection {
    fn connected(&self) -> Connected {
        let connected = Connected::new();
        match self {
            Self::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => connected.negotiated_h2(),
            _ => connected,
        }
    }
}

macro_rules! delegate {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Plain($stream) => $call,
            Self::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for PeerConnection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for PeerConnection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        delegate!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
