//! An HTTPS client that writes given bytes from a given address.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::pki::{Authority, Identity};

/// Who connects, and where to. Sessions are resumed between its connections, as real clients do.
#[derive(Clone)]
pub struct Client {
    to: SocketAddr,
    from: Option<IpAddr>,
    tls: Arc<ClientConfig>,
}

/// A connection that is kept alive.
pub struct Https(BufReader<TlsStream<TcpStream>>);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Status line and headers, in lower case.
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn has(&self, header: &str) -> bool {
        self.head.lines().any(|line| line.starts_with(&format!("{header}:")))
    }
}

impl Client {
    pub fn new(to: SocketAddr, authority: &Authority) -> Self {
        Self::speaking(to, authority, &[&TLS13, &TLS12], None)
    }

    pub fn of_version(to: SocketAddr, authority: &Authority, version: &'static SupportedProtocolVersion) -> Self {
        Self::speaking(to, authority, &[version], None)
    }

    /// Shows a certificate.
    pub fn identified(to: SocketAddr, authority: &Authority, identity: &Identity) -> Self {
        Self::speaking(to, authority, &[&TLS13, &TLS12], Some(identity))
    }

    fn speaking(
        to: SocketAddr,
        authority: &Authority,
        versions: &[&'static SupportedProtocolVersion],
        identity: Option<&Identity>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let tls = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder.with_client_auth_cert(vec![identity.der()], identity.key_der()).unwrap(),
        };
        Self { to, from: None, tls: Arc::new(tls) }
    }

    /// The same client at another address of this machine.
    pub fn at(&self, from: &str) -> Self {
        Self { from: Some(from.parse().unwrap()), ..self.clone() }
    }

    /// Connects without TLS.
    pub async fn tcp(&self) -> io::Result<TcpStream> {
        let socket = if self.to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(from) = self.from {
            socket.bind((from, 0).into())?;
        }
        let stream = socket.connect(self.to).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    pub async fn connect(&self) -> io::Result<Https> {
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector.connect(ServerName::try_from("localhost").unwrap(), self.tcp().await?).await?;
        Ok(Https(BufReader::new(stream)))
    }

    /// Asks once, on a connection of its own.
    pub async fn ask(&self, request: impl AsRef<[u8]>) -> io::Result<Answer> {
        self.connect().await?.ask(request).await
    }
}

impl Https {
    pub async fn ask(&mut self, request: impl AsRef<[u8]>) -> io::Result<Answer> {
        self.send(request).await?;
        self.answer().await
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.write_all(bytes.as_ref()).await?;
        self.0.flush().await
    }

    pub async fn answer(&mut self) -> io::Result<Answer> {
        read_answer(&mut self.0).await
    }

    /// Waits until the other side closes the connection, in whichever way.
    pub async fn closed(&mut self) {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest).await;
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    }

    /// The certificate that the listener has shown.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.0.get_ref().get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    }
}

/// Reads one answer and no byte more.
pub async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Answer> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0usize)];
    stream.read_exact(&mut body).await?;
    Ok(Answer { status: status.unwrap(), head, body: String::from_utf8(body).unwrap() })
}
