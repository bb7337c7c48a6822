//! An HTTP proxy that makes tunnels and forwards requests, to one address whatever the name it is asked for.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use super::{https::read_answer, pki::Identity};

/// What a client has asked the proxy for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method and target.
    pub what: String,
    /// Headers in lower case, up to the values.
    pub head: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(&prefix))
    }
}

/// A proxy on loopback.
pub struct Proxy {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    server: JoinHandle<()>,
}

struct Way {
    peer: SocketAddr,
    refusals: Mutex<VecDeque<u16>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Proxy {
    /// Leads to `peer`.
    pub async fn to(peer: SocketAddr) -> Self {
        Self::start(peer, [], None).await
    }

    /// Answers so many requests with these statuses, then leads to `peer`.
    pub async fn refusing(peer: SocketAddr, statuses: impl IntoIterator<Item = u16>) -> Self {
        Self::start(peer, statuses, None).await
    }

    /// Speaks TLS with its clients, and then leads to `peer`.
    pub async fn with_tls(peer: SocketAddr, identity: &Identity) -> Self {
        Self::start(peer, [], Some(TlsAcceptor::from(Arc::new(identity.server_config(None))))).await
    }

    async fn start(peer: SocketAddr, statuses: impl IntoIterator<Item = u16>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let refusals = Mutex::new(statuses.into_iter().collect());
        let way = Arc::new(Way { peer, refusals, asked: Arc::clone(&asked) });
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (way, tls) = (Arc::clone(&way), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => way.lead(stream).await,
                        Some(tls) => way.lead(tls.accept(stream).await?).await,
                    }
                });
            }
        });
        Self { address, asked, server }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Way {
    async fn lead(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let mut client = BufReader::new(stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if client.read_line(&mut head).await? == 0 {
                    return Ok(());
                }
            }
            let (first, headers) = head.split_once("\r\n").unwrap();
            let what = first.trim_end_matches(" HTTP/1.1").to_owned();
            let headers = headers.lines().filter_map(|line| line.split_once(": "));
            let headers: Vec<_> = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
            let text = headers.iter().fold(String::new(), |all, (name, value)| all + name + ": " + value + "\n");
            let asked = Asked { what: what.clone(), head: text };
            let mut body = vec![0; asked.header("content-length").map_or(0, |length| length.parse().unwrap())];
            client.read_exact(&mut body).await?;
            self.asked.lock().unwrap().push(asked);
            let refusal = self.refusals.lock().unwrap().pop_front();
            if let Some(status) = refusal {
                client.write_all(format!("HTTP/1.1 {status} Said so\r\ncontent-length: 0\r\n\r\n").as_bytes()).await?;
                continue;
            }
            let mut peer = TcpStream::connect(self.peer).await?;
            if what.starts_with("CONNECT ") {
                client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
                copy_bidirectional(&mut client, &mut peer).await?;
                return Ok(());
            }
            // What is for the proxy ends here.
            let (method, url) = what.split_once(' ').unwrap();
            let path = url.splitn(4, '/').nth(3).unwrap();
            let headers = headers.iter().filter(|(name, _)| name != "proxy-authorization");
            let headers = headers.fold(String::new(), |all, (name, value)| all + name + ": " + value + "\r\n");
            peer.write_all(format!("{method} /{path} HTTP/1.1\r\n{headers}\r\n").as_bytes()).await?;
            peer.write_all(&body).await?;
            let answer = read_answer(&mut peer).await?;
            let (status, body) = (answer.status, answer.body);
            let answer = format!("HTTP/1.1 {status} Said so\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            client.write_all(answer.as_bytes()).await?;
        }
    }
}
