//! The sinks that speak HTTP, on real sockets, through an HTTP proxy: tunnels, forwarded requests, and proxies that refuse.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support;

use serde_json::Value;
use tempfile::TempDir;

use support::{
    feeder::{Pipeline, numbered},
    grpc_peer::GrpcPeer,
    http_peer::{HttpPeer, Reply, write_pem},
    pki::Authority,
    proxy::Proxy,
    telemetry::Log,
};

/// A name that no resolver knows: only a proxy leads there.
const NAME: &str = "siem.contoso.invalid";

/// `me` and `p@ss`.
const CREDENTIALS: &str = "Basic bWU6cEBzcw==";

/// An authority, and the file with it that a sink trusts.
fn authority() -> (Authority, TempDir, String) {
    let (authority, dir) = (Authority::new("theirs"), tempfile::tempdir().unwrap());
    let file = write_pem(&dir.path().join("ca.pem"), &authority.pem());
    (authority, dir, format!("batch.timeout_secs = 0\ntls.ca_file = {file:?}\n"))
}

fn through(key: &str, proxy: &Proxy) -> String {
    format!("proxy.{key} = \"http://me:p%40ss@{}\"\n", proxy.address)
}

#[tokio::test]
async fn an_https_peer_is_reached_through_a_tunnel_and_the_proxy_sees_no_credentials_but_its_own() {
    let (authority, _dir, tls) = authority();
    for sink in [
        "type = \"http\"\nuri = \"https://siem.contoso.invalid:8443/x\"\nauth = { token = \"hunter2\" }\n",
        "type = \"splunk_hec\"\nendpoint = \"https://siem.contoso.invalid:8443\"\ntoken = \"hunter2\"\n\
         indexer_acknowledgements.enabled = false\n",
        "type = \"opentelemetry\"\nprotocol = \"http\"\nendpoint = \"https://siem.contoso.invalid:8443\"\n\
         headers.authorization = \"hunter2\"\n",
    ] {
        let is_otlp = sink.contains("opentelemetry");
        let peer = HttpPeer::with_tls_answering(&authority.named_server(NAME), None, move |_| {
            Reply::Status(200, if is_otlp { "" } else { r#"{"text":"Success","code":0}"# })
        })
        .await;
        let proxy = Proxy::to(peer.address).await;
        Pipeline::start(vec![numbered(0..2)], &format!("{sink}{tls}{}", through("https", &proxy))).finish().await;
        let asked = proxy.asked();
        assert_eq!(asked.len(), 1, "{sink}{asked:?}");
        assert_eq!(asked[0].what, "CONNECT siem.contoso.invalid:8443", "{sink}");
        assert_eq!(asked[0].header("host"), Some("siem.contoso.invalid:8443"), "{sink}");
        assert_eq!(asked[0].header("proxy-authorization"), Some(CREDENTIALS), "{sink}");
        assert_eq!(asked[0].header("authorization"), None, "{sink}");
        let received = peer.received();
        assert_eq!(received[0].header("proxy-authorization"), None, "{sink}");
        assert!(received[0].header("authorization").unwrap().ends_with("hunter2"), "{sink}");
    }
}

#[tokio::test]
async fn grpc_goes_through_a_tunnel_with_tls_and_without() {
    let (authority, _dir, tls) = authority();
    for sink in ["type = \"vector\"\naddress", "type = \"opentelemetry\"\nendpoint"] {
        let peer = GrpcPeer::with_tls(&authority.named_server(NAME), None).await;
        let proxy = Proxy::to(peer.address).await;
        let config = format!("{sink} = \"https://{NAME}\"\n{tls}{}", through("https", &proxy));
        Pipeline::start(vec![numbered(0..2)], &config).finish().await;
        assert_eq!(peer.calls().len(), 1, "{sink}");
        let asked = proxy.asked();
        assert_eq!(asked[0].what, "CONNECT siem.contoso.invalid:443", "{sink}");
        assert_eq!(asked[0].header("proxy-authorization"), Some(CREDENTIALS), "{sink}");

        let peer = GrpcPeer::start([]).await;
        let proxy = Proxy::to(peer.address).await;
        let config = format!("{sink} = \"http://{NAME}:6000\"\nbatch.timeout_secs = 0\n{}", through("http", &proxy));
        Pipeline::start(vec![numbered(0..2)], &config).finish().await;
        assert_eq!(peer.calls().len(), 1, "{sink}");
        assert_eq!(proxy.asked()[0].what, "CONNECT siem.contoso.invalid:6000", "{sink}");
    }
}

#[tokio::test]
async fn a_plain_http_peer_is_reached_by_forwarded_requests() {
    let peer = HttpPeer::start([]).await;
    let proxy = Proxy::to(peer.address).await;
    let config = format!(
        "type = \"http\"\nuri = \"http://{NAME}/ingest?key=a\"\nbatch.timeout_secs = 0\nbatch.max_events = 2\n{}",
        through("http", &proxy)
    );
    Pipeline::start(vec![numbered(0..4)], &config).finish().await;
    let asked = proxy.asked();
    assert_eq!(asked.len(), 2);
    for asked in asked {
        assert_eq!(asked.what, "POST http://siem.contoso.invalid/ingest?key=a");
        assert_eq!(asked.header("proxy-authorization"), Some(CREDENTIALS));
        assert_eq!(asked.header("host"), Some(NAME));
    }
    assert_eq!(peer.received()[0].path, "/ingest?key=a");
}

#[tokio::test]
async fn a_proxy_may_speak_tls_itself() {
    let (authority, _dir, tls) = authority();
    let peer = HttpPeer::with_tls(&authority.named_server(NAME), None).await;
    let proxy = Proxy::with_tls(peer.address, &authority.server()).await;
    let config = format!("type = \"http\"\nuri = \"https://{NAME}/x\"\n{tls}{}", through("https", &proxy));
    Pipeline::start(vec![numbered(0..2)], &config.replace("http://me", "https://me")).finish().await;
    assert_eq!(proxy.asked()[0].what, "CONNECT siem.contoso.invalid:443");
    assert_eq!(peer.received().len(), 1);
}

#[tokio::test]
async fn what_a_proxy_refuses_is_sent_again_and_the_log_says_what_to_do() {
    let (authority, _dir, tls) = authority();
    let log = Log::default();
    let guard = tracing::subscriber::set_default(log.subscriber());
    for (sink, is_forwarded) in [
        ("type = \"http\"\nuri = \"https://siem.contoso.invalid/x\"\n", false),
        ("type = \"vector\"\naddress = \"https://siem.contoso.invalid\"\n", false),
        ("type = \"http\"\nuri = \"http://siem.contoso.invalid/x\"\n", true),
    ] {
        for (status, said, advice) in [
            (407, "407 Proxy Authentication Required", "write the proxy's user and password into its URL"),
            (502, "502 Bad Gateway", if is_forwarded { "" } else { "see whether the proxy can reach this host" }),
            (403, "403 Forbidden", if is_forwarded { "" } else { "or write the host into proxy.no_proxy" }),
        ] {
            log.clear();
            let server = authority.named_server(NAME);
            let (http, grpc) = (HttpPeer::with_tls(&server, None).await, GrpcPeer::with_tls(&server, None).await);
            let plain = HttpPeer::start([]).await;
            let peer = match sink {
                _ if is_forwarded => plain.address,
                sink if sink.contains("vector") => grpc.address,
                _ => http.address,
            };
            let proxy = Proxy::refusing(peer, [status]).await;
            let tls = if is_forwarded { "batch.timeout_secs = 0\n" } else { &tls };
            let config = format!("{sink}{tls}{}{}", through("http", &proxy), through("https", &proxy));
            let finished = Pipeline::start(vec![numbered(0..2)], &config).finish().await;
            assert_eq!(finished.dead_letters(), [] as [Value; 0], "{sink}{status}");
            assert_eq!(proxy.asked().len(), 2, "{sink}{status}");
            assert_eq!(http.received().len() + plain.received().len() + grpc.calls().len(), 1, "{sink}{status}");
            let text = log.text();
            let said = if is_forwarded { said.to_owned() } else { format!("the proxy has answered {said}") };
            let peer = format!("siem.contoso.invalid (through the proxy http://{})", proxy.address);
            let line = text.lines().find(|line| line.contains("was not acknowledged")).expect(&text);
            for part in [said.as_str(), advice, peer.as_str()] {
                assert!(line.contains(part), "{part} is not in {line}");
            }
            assert!(!text.contains("p@ss") && !text.contains("p%40ss") && !text.contains("bWU6"), "{text}");
        }
    }
    drop(guard);
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.subscriber());
    let gone = HttpPeer::start([]).await.address;
    let config = format!("type = \"http\"\nuri = \"https://{NAME}/x\"\nproxy.https = \"http://{gone}\"\n");
    let pipeline = Pipeline::start(vec![numbered(0..1)], &config);
    log.wait_for("was not acknowledged").await;
    let expected = format!(
        "cannot connect to https://{NAME} (through the proxy http://{gone}): cannot connect to the proxy: Connection refused"
    );
    let text = log.text();
    assert!(text.contains(&expected), "{text}");
    assert_eq!(pipeline.statuses(), [None]);
    pipeline.stop().await;
}

#[tokio::test]
async fn the_proxy_of_all_is_the_proxy_of_a_sink_unless_the_sink_says_otherwise() {
    // This machine by an address that is not one of loopback.
    let unspecified = "0.0.0.0";
    for (host, own, asked) in [
        (unspecified, "", 1),
        ("127.0.0.1", "", 0),
        (unspecified, "proxy.enabled = false\n", 0),
        (unspecified, "proxy.no_proxy = [\"0.0.0.0/8\"]\n", 0),
        (unspecified, "proxy.no_proxy = [\".contoso.com\"]\n", 1),
    ] {
        let peer = HttpPeer::start([]).await;
        let proxy = Proxy::to(peer.address).await;
        let config = format!(
            "type = \"http\"\nuri = \"http://{host}:{}/x\"\nbatch.timeout_secs = 0\n{own}\n[proxy]\nhttp = \"http://{}\"\n",
            peer.address.port(),
            proxy.address
        );
        Pipeline::start(vec![numbered(0..1)], &config).finish().await;
        assert_eq!((proxy.asked().len(), peer.received().len()), (asked, 1), "{host} {own}");
    }
}
