//! Whether Microsoft could reach the listener: name, ports, TLS, and who answers.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream};
use http::{Method, StatusCode};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use url::{Host, Url};

use super::{Finding, Outcome, certificate, no_answer};
use crate::{
    config::ProxyConfig,
    printable::printable,
    transport::{HttpTransport, Request, Transport, TransportOptions},
};

/// Of more addresses than these only the first are tried.
const MOST_ADDRESSES: usize = 16;

/// Of an answer that is too long to be ours, the beginning will do. Unit: bytes.
const LARGEST_ANSWER: usize = 64 * 1024;

/// How much of a remote answer is shown. Unit: characters.
const SHOWN: usize = 120;

/// The URL that Microsoft gets, as it is checked.
pub(super) struct PublicUrl<'a> {
    /// The source, for the subject of findings.
    pub key: &'a str,
    /// The URL.
    pub url: &'a Url,
    /// Whether the source runs, as far as that is known.
    pub running: Option<bool>,
    /// How long each step may take.
    pub patience: Duration,
}

impl PublicUrl<'_> {
    /// Tries everything, in the order in which Microsoft would, as far as the step before allows.
    pub(super) async fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.steps(&mut findings).await;
        // Without the source, it is clear why nothing answers.
        if self.running != Some(false) && findings.iter().any(Finding::is_failure) {
            findings.push(self.finding(
                "this machine",
                Outcome::note(format!(
                    "a firewall that does not let this machine reach its own public address (hairpin NAT) makes these checks \
                     fail although Microsoft may get through. Open {} from outside, in a phone's browser on its mobile \
                     network for instance: it must show {{\"status\":\"ok\"}} and no warning",
                    self.url
                )),
            ));
        }
        findings
    }

    async fn steps(&self, findings: &mut Vec<Finding>) {
        let addresses = match self.resolve().await {
            Ok((addresses, found)) => {
                findings.extend(found);
                addresses
            }
            Err(problem) => return findings.push(self.finding("DNS", Outcome::Failed(problem))),
        };
        let is_tls = self.url.scheme() == "https";
        let trust = if is_tls {
            match certificate::system_trust() {
                Ok(trust) => Some(Arc::new(trust)),
                Err(error) => {
                    let advice = "install the certificate authorities of this system (package ca-certificates)";
                    return findings.push(self.finding("TLS", Outcome::failed(format_args!("{error}: {advice}"))));
                }
            }
        } else {
            None
        };
        // In the order of the addresses, all at once.
        let tried = stream::iter(addresses).map(|address| self.reach(address, trust.clone())).buffered(MOST_ADDRESSES);
        let tried: Vec<_> = tried.collect().await;
        let any_good = tried.iter().any(|found| !found.iter().any(Finding::is_failure));
        findings.extend(tried.into_iter().flatten());
        if !is_tls {
            let text =
                "not tried: public_url is plain http, which the simulator sends notifications to but not Microsoft";
            findings.push(self.finding("TLS", Outcome::note(text)));
        }
        if any_good {
            findings.push(self.finding("answer", self.ask().await));
        }
    }

    /// The addresses of the host, and what is to be said about a name.
    async fn resolve(&self) -> Result<(Vec<SocketAddr>, Option<Finding>), String> {
        let port = self.url.port_or_known_default().unwrap_or(443);
        let name = match self.url.host() {
            Some(Host::Ipv4(address)) => return Ok((vec![(address, port).into()], None)),
            Some(Host::Ipv6(address)) => return Ok((vec![(address, port).into()], None)),
            Some(Host::Domain(name)) => name,
            None => return Err("public_url has no host".to_owned()),
        };
        let publish = format!("publish an A or AAAA record for {name}, or write the right name in webhook.public_url");
        let found = match timeout(self.patience, lookup_host((name, port))).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return Err(format!("{name} cannot be resolved: {error}; {publish}")),
            Err(_) => return Err(no_answer(self.patience, "check this machine's name servers")),
        };
        let mut addresses = Vec::new();
        for address in found.take(MOST_ADDRESSES) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(format!("{name} has no address; {publish}"));
        }
        let list = addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ");
        let outcome = if addresses.iter().all(|address| is_private(address.ip())) {
            Outcome::note(format!(
                "{name} is {list} here, which is no address of the Internet: Microsoft must see another, in the public DNS"
            ))
        } else {
            Outcome::ok(format!("{name} is {list}"))
        };
        Ok((addresses, Some(self.finding("DNS", outcome))))
    }

    /// Connects to an address and makes a handshake there.
    async fn reach(&self, address: SocketAddr, trust: Option<Arc<rustls::ClientConfig>>) -> Vec<Finding> {
        let connected = timeout(self.patience, TcpStream::connect(address)).await;
        let tcp = format!("TCP {address}");
        let stream = match connected {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return vec![self.finding(&tcp, Outcome::Failed(self.no_connection(&error)))],
            Err(_) => {
                let advice = "open the port in the firewalls on the way, and forward it to the listener";
                return vec![self.finding(&tcp, Outcome::Failed(no_answer(self.patience, advice)))];
            }
        };
        let mut findings = vec![self.finding(&tcp, Outcome::ok("accepts connections"))];
        if let Some(trust) = trust {
            findings.push(self.finding(&format!("TLS {address}"), self.handshake(stream, trust).await));
        }
        findings
    }

    async fn handshake(&self, stream: TcpStream, trust: Arc<rustls::ClientConfig>) -> Outcome {
        // The brackets of an IPv6 address are the URL's.
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let Ok(name) = ServerName::try_from(host.clone()) else {
            return Outcome::failed(format_args!(
                "{host} is no name that a certificate can have; write another public_url"
            ));
        };
        match timeout(self.patience, certificate::handshake(stream, name, trust)).await {
            Ok(Ok(())) => Outcome::ok(format!("the certificate is for {host} and trusted by this system")),
            Ok(Err(problem)) => Outcome::Failed(problem),
            Err(_) => Outcome::Failed(no_answer(self.patience, "does a firewall hold the handshake back?")),
        }
    }

    fn no_connection(&self, error: &io::Error) -> String {
        let advice = match (error.kind(), self.running) {
            (io::ErrorKind::ConnectionRefused, Some(false)) => {
                "nobody listens there, because the source does not run: start it with `office365-source run`"
            }
            (io::ErrorKind::ConnectionRefused, _) => {
                "nobody listens there: is the source running, webhook.listen on this port, and the port forwarded to it?"
            }
            _ => "check the address, and the firewalls and routes on the way",
        };
        format!("{error}; {advice}")
    }

    /// Asks as a browser without parameters does, and directly: Microsoft does not come through the proxy for outgoing
    /// requests.
    async fn ask(&self) -> Outcome {
        let proxy = ProxyConfig { enabled: false, ..ProxyConfig::default() };
        let options = TransportOptions { proxy, connect_timeout: Some(self.patience), ..TransportOptions::default() };
        let transport = match HttpTransport::new(&options) {
            Ok(transport) => transport,
            Err(error) => return Outcome::failed(error),
        };
        let exchange = async {
            let response = transport.send(Request::new(Method::GET, self.url.clone())).await?;
            let status = response.status;
            Ok::<_, crate::transport::TransportError>((status, response.read_up_to(LARGEST_ANSWER).await?))
        };
        match timeout(self.patience, exchange).await {
            Ok(Ok((status, body))) => self.judge(status, &body),
            Ok(Err(error)) => Outcome::failed(format_args!("GET {}: {error}", self.url)),
            Err(_) => Outcome::Failed(no_answer(self.patience, "does a proxy in front wait for the listener?")),
        }
    }

    fn judge(&self, status: StatusCode, body: &[u8]) -> Outcome {
        let is_ours = serde_json::from_slice::<Value>(body).is_ok_and(|body| body == json!({ "status": "ok" }));
        if status == StatusCode::OK && is_ours {
            return Outcome::ok(format!("GET {} answers {{\"status\":\"ok\"}}", self.url));
        }
        Outcome::Failed(format!(
            "something else answers there: HTTP {status}{}. Is the path of public_url ({}) the listener's (webhook.path), and \
             does a proxy in front pass it on to webhook.listen?",
            quoted(body),
            self.url.path()
        ))
    }

    fn finding(&self, what: &str, outcome: Outcome) -> Finding {
        Finding::new(format!("{}, {what}", self.key), outcome)
    }
}

/// The beginning of a body, on one line.
fn quoted(body: &[u8]) -> String {
    match printable(&String::from_utf8_lossy(&body[..body.len().min(4 * SHOWN)]), SHOWN) {
        empty if empty.is_empty() => " and no body".to_owned(),
        text => format!(" and {text:?}"),
    }
}

/// Whether an address is not one of the Internet.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unique_local() || v6.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// What is found where `answer` is all that is ever said.
    async fn found(answer: &'static str) -> Vec<(String, Outcome)> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1_024];
                if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
        });
        let findings = check(&format!("http://{address}/wh/o365/"), Some(true)).await;
        server.abort();
        let without_address = |subject: String| subject.replace(&address.to_string(), "ADDRESS");
        findings.into_iter().map(|found| (without_address(found.subject), found.outcome)).collect()
    }

    async fn check(url: &str, running: Option<bool>) -> Vec<Finding> {
        let url = url.parse().unwrap();
        PublicUrl { key: "sources.m365", url: &url, running, patience: Duration::from_secs(30) }.check().await
    }

    #[tokio::test]
    async fn the_listener_is_recognised() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 15\r\nconnection: close\r\n\r\n{\"status\":\"ok\"}";
        let findings = found(answer).await;
        let subjects: Vec<_> = findings.iter().map(|(subject, _)| subject.as_str()).collect();
        assert_eq!(subjects, ["sources.m365, TCP ADDRESS", "sources.m365, TLS", "sources.m365, answer"]);
        assert!(matches!(findings[0].1, Outcome::Ok(_)) && matches!(findings[2].1, Outcome::Ok(_)), "{findings:?}");
        assert!(findings[1].1.text().contains("plain http"), "{findings:?}");
    }

    #[tokio::test]
    async fn somebody_else_is_told_apart() {
        for (answer, expected) in [
            (
                "HTTP/1.1 404 Not Found\r\ncontent-length: 15\r\nconnection: close\r\n\r\n<html>\nnot\there",
                "something else answers there: HTTP 404 Not Found and \"<html> not here\"",
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
                "something else answers there: HTTP 200 OK and \"{}\"",
            ),
            (
                "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                "HTTP 302 Found and no body. Is the path of public_url (/wh/o365/)",
            ),
        ] {
            let findings = found(answer).await;
            let Outcome::Failed(text) = &findings[2].1 else { panic!("{findings:?}") };
            assert!(text.contains(expected), "{text}");
            assert!(findings[3].1.text().contains("hairpin NAT"), "{findings:?}");
        }
    }

    #[tokio::test]
    async fn a_refused_connection_asks_for_the_source() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        for (running, expected) in [(Some(false), "the source does not run"), (Some(true), "is the source running")] {
            let findings = check(&format!("https://{free}/wh/o365/"), running).await;
            assert!(findings[0].is_failure() && findings[0].outcome.text().contains(expected), "{findings:?}");
            let advice = usize::from(running == Some(true));
            assert_eq!(findings.len(), 1 + advice, "no handshake without a connection: {findings:?}");
        }
    }

    #[tokio::test]
    async fn a_name_that_nobody_has_is_told() {
        let findings = check("https://no-such-name.invalid/wh/o365/", None).await;
        let text = findings[0].outcome.text();
        assert!(findings[0].is_failure() && findings[0].subject.ends_with("DNS"), "{findings:?}");
        assert!(
            text.contains("no-such-name.invalid cannot be resolved") && text.contains("publish an A or AAAA"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_name_of_this_machine_alone_is_noted() {
        let findings = check("http://localhost:9/wh/o365/", None).await;
        assert!(matches!(&findings[0].outcome, Outcome::Note(text) if text.contains("no address of the Internet")));
    }
}
