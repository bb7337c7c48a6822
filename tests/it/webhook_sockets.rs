//! Mode webhook over real sockets with TLS, in real time: what no test in paused time can show.
#![cfg(feature = "simulator")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use crate::support;

use std::time::Duration;

use office365_source::{component::EventStatus, content::ContentType};
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};
use support::{
    https::{Answer, Client},
    patience::GUARD,
    pki::Authority,
    site::{Site, post, probe, request},
    webhook::AUTH_ID,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{sleep, timeout},
};

#[tokio::test]
async fn notifications_arrive_over_tls_exactly_once_though_repeated_and_reordered() {
    let mut site = Site::of(|simulated| {
        simulated.faults.notify_duplicates = 0.4;
        simulated.faults.notify_reordered = 0.4;
        simulated.notification_batch = 3;
    });
    let types = [ContentType::Exchange, ContentType::General];
    site.config.content_types = types.to_vec();
    let (running, _) = site.start().await;
    site.notified(&running).await;
    for _ in 0..60 {
        for content_type in types {
            site.publish(content_type);
        }
        sleep(Duration::from_millis(20)).await;
    }
    // What is held back until something overtakes it.
    site.simulator.faults().update(|faults| faults.notify_reordered = 0.0);
    for content_type in types {
        site.publish(content_type);
    }
    site.all_arrived().await;
    assert_eq!((site.found_by("notification"), site.found_by("listing")), (122, 0), "{}", site.log.text());
    let stats = site.simulator.stats();
    assert_eq!((stats.validations, stats.notifications_failed), (2, 0));
    assert!(stats.notifications_sent > 42, "{stats:?}");
    running.stop().await;
    support::no_violations(&site.simulator);
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken_and_nothing_older_or_plainer() {
    let site = Site::new();
    let (running, address) = site.start().await;
    for version in [&TLS12, &TLS13] {
        let client = Client::of_version(address, &site.authority, version);
        let mut connection = client.connect().await.unwrap();
        for _ in 0..3 {
            assert_eq!(connection.ask(post("[]")).await.unwrap().status, 200);
        }
        // A resumed session.
        assert_eq!(client.ask(post("[]")).await.unwrap().status, 200);
    }
    let client = site.client(address);

    // A ClientHello of TLS 1.1, which is version 3.2, with two suites and the extension signature_algorithms.
    let mut hello = vec![0x03, 0x02];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x13, 0x00, 0x2f, 1, 0, 0, 8, 0, 0x0d, 0, 4, 0, 2, 4, 3]);
    let mut record = vec![0x16, 0x03, 0x01, 0, u8::try_from(hello.len() + 4).unwrap(), 1, 0, 0];
    record.push(u8::try_from(hello.len()).unwrap());
    record.extend(hello);
    let mut old = client.tcp().await.unwrap();
    old.write_all(&record).await.unwrap();
    let mut alert = Vec::new();
    timeout(GUARD, old.read_to_end(&mut alert)).await.unwrap().unwrap();
    assert_eq!((alert[0], &alert[5..]), (0x15, &[2, 70][..]), "a fatal alert: protocol_version");

    let mut plain = client.tcp().await.unwrap();
    plain.write_all(probe().as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Maybe an alert, maybe a reset.
    let _ = timeout(GUARD, plain.read_to_end(&mut answer)).await.unwrap();
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");

    site.until("both are counted", || site.refused("tls_failed") == 2).await;
    assert_eq!(client.ask(probe()).await.unwrap().body, r#"{"status":"ok"}"#);
    running.stop().await;
}

/// The answer to a request for an unknown path: it reveals nothing.
fn assert_says_nothing(answer: &Answer, request: &str) {
    let shown: String = request.chars().take(80).collect();
    assert_eq!((answer.status, answer.body.as_str()), (400, ""), "{shown:?} {answer:?}");
    assert!(!answer.has("server") && !answer.has("content-type") && !answer.has("allow"), "{answer:?}");
    assert!(answer.head.contains("connection: close"), "{shown:?} {answer:?}");
}

#[tokio::test]
async fn whatever_is_not_the_endpoint_is_answered_400_and_nothing_else() {
    let site = Site::new();
    let (running, address) = site.start().await;
    let client = site.client(address);
    let long = format!("/{}", "a/".repeat(6_000));
    let paths = [
        "/",
        "/wh/o365",
        "/wh/o365//",
        "//wh/o365/",
        "/wh//o365/",
        "/wh/o365/x",
        "/WH/o365/",
        "/wh/%6f365/",
        "/wh%2fo365/",
        "/wh/o365/%00",
        "/wh/o365/;x",
        "/wh/./o365/",
        "/x/../wh/o365/",
        "/.env",
        "/metrics",
        "/wh/o365?/wh/o365/",
        "http://localhost/",
        "https://elsewhere.example/wh/o365",
        long.as_str(),
    ];
    let mut asked = 0;
    for path in paths {
        for (line, body) in [(format!("GET {path}"), ""), (format!("POST {path}"), "[]")] {
            let request = request(&line, &[("Webhook-AuthID", AUTH_ID)], body);
            assert_says_nothing(&client.ask(&request).await.unwrap(), &request);
            asked += 1;
        }
    }
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "BREW", "post", "HEAD"] {
        let request = request(&format!("{method} /wh/o365/"), &[("Webhook-AuthID", AUTH_ID)], "");
        assert_says_nothing(&client.ask(&request).await.unwrap(), &request);
        asked += 1;
    }
    for raw in [
        "CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n",
    ] {
        assert_says_nothing(&client.ask(raw).await.unwrap(), raw);
        asked += 1;
    }
    site.until("each is counted", || site.refused("no_such_endpoint") == asked).await;

    // What a server must understand nevertheless.
    for raw in [
        "GET /wh/o365/ HTTP/1.0\r\n\r\n",
        "GET https://localhost/wh/o365/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\r\nGET /wh/o365/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let answer = client.ask(raw).await.unwrap();
        assert_eq!(answer.status, 200, "{raw:?}");
        assert!(!answer.has("server"), "{answer:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_counted() {
    let site = Site::new();
    let (running, address) = site.start().await;
    let client = site.client(address);
    let malformed = [
        "\0\u{1}\u{2}\u{3}\r\n\r\n",
        "GET /wh/o365/\r\n\r\n",
        "GET /a b HTTP/1.1\r\n\r\n",
        "GET /wh/o365/ HTTP/9.9\r\n\r\n",
        "G<>T /wh/o365/ HTTP/1.1\r\n\r\n",
        "GET http:// HTTP/1.1\r\n\r\n",
        "GET /wh/o365/ HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /wh/o365/ HTTP/1.1\r\nHost : localhost\r\n\r\n",
        "GET /wh/o365/ HTTP/1.1\r\nHost: local\0host\r\n\r\n",
        "POST /wh/o365/ HTTP/1.1\r\nContent-Length: two\r\n\r\n[]",
        "POST /wh/o365/ HTTP/1.1\r\nContent-Length: -2\r\n\r\n[]",
        "POST /wh/o365/ HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n[]",
        "POST /wh/o365/ HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n[]",
    ];
    for raw in malformed {
        let answer = client.ask(raw).await.unwrap();
        assert_says_nothing(&answer, raw);
    }
    // HTTP/2 is not offered, and not answered.
    assert!(client.ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.is_err());
    let counted = malformed.len() as u64 + 1;
    site.until("each is counted", || site.refused("unreadable_request") == counted).await;

    let names: Vec<_> = (0..70).map(|number| format!("x-{number}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
    for too_large in [
        request("GET /wh/o365/", &many, ""),
        request("GET /wh/o365/", &[("x", &"1".repeat(20_000))], ""),
        request(&format!("GET /wh/o365/?{}", "x".repeat(20_000)), &[], ""),
        request(&format!("GET /{}", "x".repeat(70_000)), &[], ""),
    ] {
        // Closed without reading the rest, which can cost the sender the answer.
        if let Ok(answer) = client.ask(&too_large).await {
            assert!([431, 414].contains(&answer.status) && answer.body.is_empty(), "{answer:?}");
            assert!(!answer.has("server"), "{answer:?}");
        }
    }
    site.until("each is counted", || site.refused("head_too_large") == 4).await;
    assert_eq!(client.ask(probe()).await.unwrap().status, 200);
    running.stop().await;
}

#[tokio::test]
async fn only_allowed_addresses_may_post_whatever_a_header_claims() {
    let mut site = Site::new();
    // The first is where the simulator sends from.
    site.config.webhook.allowed_sources = vec!["127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap()];
    site.config.webhook.trusted_proxies = vec!["127.0.0.6".parse().unwrap()];
    let (running, address) = site.start().await;
    let client = site.client(address);
    let forwarded = |by: &str| {
        let headers = [("Webhook-AuthID", AUTH_ID), ("X-Forwarded-For", by)];
        request("POST /wh/o365/", &headers, "[]")
    };
    for (from, request, status) in [
        ("127.0.0.2", post("[]"), 200),
        ("127.0.0.3", post("[]"), 403),
        ("127.0.0.3", probe(), 200),
        ("127.0.0.3", forwarded("127.0.0.2"), 403),
        ("127.0.0.6", post("[]"), 403),
        ("127.0.0.6", forwarded("127.0.0.2"), 200),
        ("127.0.0.6", forwarded("127.0.0.3"), 403),
        ("127.0.0.6", forwarded("127.0.0.2, 127.0.0.3"), 403),
        ("127.0.0.6", forwarded("127.0.0.3, 127.0.0.2"), 200),
        // The proxy's own rules decide about unknown senders; this one is let through to look.
        ("127.0.0.6", probe(), 200),
    ] {
        let answer = client.at(from).ask(&request).await.unwrap();
        assert_eq!((answer.status, answer.body.is_empty()), (status, !request.starts_with("GET")), "{from} {request}");
    }
    assert_eq!(site.refused("address_not_allowed"), 5);
    running.stop().await;
}

#[tokio::test]
async fn a_listener_on_ipv6_serves() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let mut site = Site::new();
    site.config.webhook.listen = "[::1]:0".parse().unwrap();
    site.config.webhook.public_url = Some("https://[::1]:8443/wh/o365/".parse().unwrap());
    site.config.webhook.allowed_sources = vec!["::1".parse().unwrap()];
    let (running, address) = site.start().await;
    assert!(address.is_ipv6());
    site.notified(&running).await;
    site.publish(ContentType::Exchange);
    site.all_arrived().await;
    assert_eq!(site.found_by("notification"), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_listener_on_all_addresses_knows_ipv4_clients_by_their_own() {
    let mut site = Site::new();
    if std::net::TcpListener::bind("[::]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    site.config.webhook.listen = "[::]:0".parse().unwrap();
    site.config.webhook.allowed_sources = vec!["127.0.0.2".parse().unwrap()];
    let (running, address) = site.start().await;
    let client = site.client(([127, 0, 0, 1], address.port()).into());
    assert_eq!(client.at("127.0.0.2").ask(post("[]")).await.unwrap().status, 200);
    assert_eq!(client.at("127.0.0.3").ask(post("[]")).await.unwrap().status, 403);
    running.stop().await;
}

#[tokio::test]
async fn with_client_authorities_only_microsofts_certificate_may_post() {
    let mut site = Site::new();
    let microsoft = Authority::new("the clients'");
    std::fs::write(site.file("client-ca.pem"), microsoft.pem()).unwrap();
    site.config.webhook.tls.client_ca_file = Some(site.file("client-ca.pem"));
    // The simulator has no certificate to show.
    site.cut_off();
    let (running, address) = site.start().await;

    let nobody = site.client(address);
    assert_eq!(nobody.ask(post("[]")).await.unwrap().status, 403);
    assert_eq!(nobody.ask(probe()).await.unwrap().status, 200);

    let right = site.identified(address, &microsoft.client("manage.office.com"));
    for version in [1, 2] {
        // The second is a resumed session, which knows the certificate of the first.
        assert_eq!(right.ask(post("[]")).await.unwrap().status, 200, "{version}");
    }
    assert_eq!(right.ask(request("POST /wh/o365/", &[], "[]")).await.unwrap().status, 403, "the AuthID as well");

    for name in ["example.com", "office.com", "manage.office.com.example.com", "x.manage.office.com"] {
        let other = site.identified(address, &microsoft.client(name));
        assert_eq!(other.ask(post("[]")).await.unwrap().status, 403, "{name}");
        assert_eq!(other.ask(probe()).await.unwrap().status, 200, "{name}");
    }
    assert_eq!(site.refused("no_client_certificate"), 5);

    let foreign = site.identified(address, &Authority::new("anybody's").client("manage.office.com"));
    for request in [post("[]"), probe()] {
        assert!(foreign.ask(&request).await.is_err(), "no handshake, no answer");
    }
    site.until("both are counted", || site.refused("tls_failed") == 2).await;
    running.stop().await;
}

#[tokio::test]
async fn a_source_that_stops_asks_for_a_retry_and_the_next_one_gets_it() {
    let site = Site::new();
    let (open, gate) = tokio::sync::watch::channel(false);
    let (running, address) = site
        .start_as(|setup| {
            // The pipeline takes nothing, so that the source takes its time to stop.
            setup.gate = Some(gate);
            setup.verdict = Box::new(|_| EventStatus::Delivered);
        })
        .await;
    site.notified(&running).await;
    site.publish(ContentType::Exchange);
    site.until("the first is accepted", || site.simulator.stats().blobs_notified == 1).await;
    // Before that, nothing would keep the source from stopping at once.
    site.until("its event is on its way", || site.log.text().contains("Events received.")).await;

    let stopping = tokio::spawn(running.stop());
    let client = site.client(address);
    timeout(GUARD, async {
        while client.ask(post("[]")).await.unwrap().status != 503 {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    site.publish(ContentType::Exchange);
    site.until("a retry fails, too", || site.simulator.stats().notifications_failed >= 2).await;
    assert_eq!(client.ask(probe()).await.unwrap().status, 200);
    assert_eq!(client.ask(post(r#"{"validationCode":"x"}"#)).await.unwrap().status, 200);
    open.send(true).unwrap();
    timeout(GUARD, stopping).await.unwrap().unwrap();
    assert!(client.tcp().await.is_err(), "the port is closed");

    let (running, _) = site.start().await;
    site.all_arrived().await;
    site.until("Microsoft has told everything", || site.simulator.stats().blobs_notified == 2).await;
    assert_eq!(site.simulator.stats().start_calls(), 1, "the webhook stays as it is");
    running.stop().await;
}

#[tokio::test]
async fn forged_and_repeated_notifications_over_tls_lead_nowhere() {
    let site = Site::new();
    let (running, address) = site.start().await;
    site.notified(&running).await;
    let tenant = &site.simulated.tenants[0];
    let item = |content_id: &str, change: &dyn Fn(&mut Value)| {
        let created = site.clock.now();
        let mut item = json!({
            "tenantId": tenant.id.to_string(), "clientId": tenant.client_id.to_string(),
            "contentType": "Audit.Exchange", "contentId": content_id,
            "contentUri": format!("https://manage.office.com/api/v1.0/{}/activity/feed/audit/{content_id}", tenant.id),
            "contentCreated": created, "contentExpiration": created + chrono::TimeDelta::days(7),
        });
        change(&mut item);
        item
    };
    let stranger = uuid::Uuid::from_u128(9).to_string();
    let forged = json!([
        item("a", &|item| item["tenantId"] = stranger.as_str().into()),
        item("b", &|item| item["clientId"] = stranger.as_str().into()),
        item("c", &|item| item["contentUri"] = "https://evil.example/api/v1.0/".into()),
        item("d", &|item| item["contentType"] = "DLP.All".into()),
    ]);
    let asked = site.simulator.stats().total_requests();
    let client = site.client(address);
    assert_eq!(client.ask(post(&forged.to_string())).await.unwrap().status, 200, "no retry would change it");
    assert_eq!(site.counters.sum("office365_webhook_refused_items_total", ""), 4);
    assert_eq!(site.simulator.stats().total_requests(), asked, "nothing was asked for");

    // Not announced by the simulator, since no listing has it any more.
    let old = site.publish_at(ContentType::Exchange, site.clock.now() - chrono::TimeDelta::days(6));
    let good = json!([item(&old, &|_| {}), item(&old, &|_| {})]).to_string();
    let mut connection = client.connect().await.unwrap();
    for _ in 0..20 {
        assert_eq!(connection.ask(post(&good)).await.unwrap().status, 200);
    }
    site.until("it has arrived", || !site.arrived.lock().unwrap().is_empty()).await;
    for _ in 0..20 {
        assert_eq!(connection.ask(post(&good)).await.unwrap().status, 200);
    }
    running.stop().await;
    assert_eq!(site.arrived.lock().unwrap().values().copied().collect::<Vec<_>>(), [1]);
    assert_eq!(site.found_by("notification"), 1);
    assert!(!site.log.text().contains(AUTH_ID));
}
