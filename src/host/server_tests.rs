use std::collections::BTreeMap;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;
use crate::{RunMode, clock::Clock, insights::Insights};

async fn request(address: SocketAddr, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

fn page() -> Page {
    Page::new(Vec::new(), BTreeMap::new(), Insights::default(), Clock::system())
}

fn serve(server: Server) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let address = server.address().unwrap();
    (address, tokio::spawn(server.serve(Status::of(&[], RunMode::Continuous), page())))
}

async fn plain() -> (SocketAddr, tokio::task::JoinHandle<()>) {
    serve(Server::bind(&TelemetryConfig::plain("127.0.0.1:0".parse().unwrap())).await.unwrap())
}

#[tokio::test]
async fn metrics_health_and_status_are_served_and_a_taken_port_is_named() {
    let (address, _serving) = plain().await;
    let error = Server::bind(&TelemetryConfig::plain(address)).await.err().unwrap().to_string();
    assert!(error.starts_with(&format!("telemetry.listen: cannot listen on {address}: ")), "{error}");
    assert!(error.ends_with("Stop the program that has this port, or write another port."), "{error}");

    ::metrics::counter!("server_test_total").increment(3);
    // Under any name, as scrapers use many.
    let get = |path: &'static str| request(address, path, "host: x\r\n");
    assert!(get("/metrics").await.contains("\nserver_test_total 3\n"));
    let health = get("/health").await;
    assert!(health.starts_with("HTTP/1.1 200 OK") && health.ends_with(r#"{"ok":true}"#), "{health}");
    assert!(get("/status").await.starts_with("HTTP/1.1 421"));
    assert!(request(address, "/status", "host: localhost\r\n").await.contains(r#""mode":"continuous""#));
    assert!(get("/nothing").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn the_page_is_for_this_machine_and_loads_nothing() {
    let (address, _serving) = plain().await;
    for path in ["/", "/logons", "/sharepoint", "/labels"] {
        let shown = request(address, path, "host: localhost\r\n").await;
        assert!(shown.starts_with("HTTP/1.1 200 OK"), "{shown}");
        let head = shown.split("\r\n\r\n").next().unwrap();
        for header in [
            "content-security-policy: default-src 'none'; style-src 'sha256-",
            "x-content-type-options: nosniff",
            "x-frame-options: DENY",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
        ] {
            assert!(head.contains(header), "{header} in {head}");
        }
        for asset in ["<script", "src=", "<link", "@import", "url("] {
            assert!(!shown.contains(asset), "{asset} in {path}");
        }
        assert!(shown.contains(r#"http-equiv="refresh" content="10""#), "{shown}");
    }
    let foreign = request(address, "/", "host: rebound.example\r\n").await;
    assert!(
        foreign.starts_with("HTTP/1.1 421") && foreign.contains("localhost, 127.0.0.1 and [::1] only"),
        "{foreign}"
    );
    let posted = {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    };
    assert!(posted.starts_with("HTTP/1.1 405") && posted.contains("allow: GET, HEAD"), "{posted}");
}

#[tokio::test]
async fn off_the_loopback_the_page_needs_a_secret_and_the_rest_stays_as_it_was() {
    let bare = TelemetryConfig::plain("0.0.0.0:0".parse().unwrap());
    let (address, _serving) = serve(Server::bind(&bare).await.unwrap());
    let address = SocketAddr::from(([127, 0, 0, 1], address.port()));
    let refused = request(address, "/", "host: localhost\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("Write telemetry.token"), "{refused}");
    for path in ["/metrics", "/health", "/status"] {
        assert!(request(address, path, "host: x\r\n").await.starts_with("HTTP/1.1 200"), "{path}");
    }

    let mut config = TelemetryConfig::plain("127.0.0.1:0".parse().unwrap());
    config.token = Some("correct-horse".into());
    let (address, _serving) = serve(Server::bind(&config).await.unwrap());
    for path in ["/", "/status"] {
        let refused = request(address, path, "host: x\r\n").await;
        assert!(refused.starts_with("HTTP/1.1 401") && refused.contains("www-authenticate: Basic realm="), "{refused}");
        let shown = request(address, path, "host: x\r\nauthorization: Bearer correct-horse\r\n").await;
        assert!(shown.starts_with("HTTP/1.1 200"), "{shown}");
    }
    for path in ["/metrics", "/health"] {
        assert!(request(address, path, "host: x\r\n").await.starts_with("HTTP/1.1 200"), "{path}");
    }
}

#[tokio::test]
async fn over_tls_with_a_certificate_from_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(path("crt"), pair.cert.pem()).unwrap();
    std::fs::write(path("key"), pair.signing_key.serialize_pem()).unwrap();
    let mut config = TelemetryConfig::plain("127.0.0.1:0".parse().unwrap());
    config.tls = Some(TelemetryTlsConfig { crt_file: path("crt"), key_file: path("nothing") });
    let error = Server::bind(&config).await.err().unwrap().to_string();
    assert!(error.starts_with("telemetry.tls.key_file: cannot read "), "{error}");

    config.tls = Some(TelemetryTlsConfig { crt_file: path("crt"), key_file: path("key") });
    let (address, _serving) = serve(Server::bind(&config).await.unwrap());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(pair.cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut response = String::new();
    // The server may end without TLS's own goodbye.
    let _ = stream.read_to_string(&mut response).await;
    assert!(response.starts_with("HTTP/1.1 200") && response.ends_with("</html>"), "{response}");
}

/// Nothing moves but the clock: a client that sends nothing is let go.
#[tokio::test(start_paused = true)]
async fn a_silent_client_is_let_go() {
    let (address, _serving) = plain().await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let begin = tokio::time::Instant::now();
    assert_eq!(silent.read(&mut [0; 64]).await.unwrap_or_default(), 0);
    assert!(begin.elapsed() <= WHOLE, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_let_go() {
    let access = Access::new(&TelemetryConfig::plain("127.0.0.1:0".parse().unwrap()));
    let status = Arc::new(Status::of(&[], RunMode::Continuous));
    let site = Arc::new(Site { metrics: metrics::record().unwrap(), status, page: page(), access });
    // The page has some thousand bytes, and 64 fit on the way.
    let (mut client, server) = tokio::io::duplex(64);
    let begin = tokio::time::Instant::now();
    let serving = tokio::spawn(serve_http(server, site));
    client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    serving.await.unwrap();
    assert_eq!(begin.elapsed(), WHOLE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_at_once_share_one_page() {
    let (address, _serving) = plain().await;
    // All places are taken by clients that send half of a request.
    let mut slow = Vec::new();
    for _ in 0..CONNECTIONS / 2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: local").await.unwrap();
        slow.push(stream);
    }
    let begin = std::time::Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..1_000 {
        clients.spawn(async move { request(address, "/logons", "host: localhost\r\n").await });
    }
    let mut bodies = std::collections::BTreeSet::new();
    while let Some(response) = clients.join_next().await {
        let response = response.unwrap();
        assert!(response.starts_with("HTTP/1.1 200 OK") && response.ends_with("</html>"), "{response}");
        bodies.insert(response.split("\r\n\r\n").nth(1).unwrap().to_owned());
    }
    let took = begin.elapsed();
    println!("1,000 clients in {took:?}, {} renderings", bodies.len());
    assert!(bodies.len() as u64 <= took.as_secs() + 2, "{} renderings in {took:?}", bodies.len());
}
