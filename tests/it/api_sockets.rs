//! What only a real connection can do: header names in their own letter case, broken connections, compression.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![cfg(feature = "simulator")]

use crate::support;

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use office365_source::{
    HostServices, RunMode,
    api_clients::Environment,
    clock::Clock,
    component::{
        EventStatus, ExtraContext, GlobalOptions, LogNamespace, ShutdownSignal, SourceConfig, SourceContext,
        SourceOutput, SourceSender,
    },
    config::Office365Config,
    content::ContentType,
    simulator::SimulatorConfig,
};
use support::{source_config, start_of_time};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What a server writes for a request, byte for byte, before it closes the connection.
type Respond = Arc<dyn Fn(&str, &str) -> Vec<u8> + Send + Sync>;

/// Serves until it is dropped; `respond` gets the request's head and the server's own origin.
async fn serve(respond: Respond) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let heads = Arc::<Mutex<Vec<String>>>::default();
    let (noted, own) = (Arc::clone(&heads), origin.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (respond, noted, own) = (Arc::clone(&respond), Arc::clone(&noted), own.clone());
            tokio::spawn(async move { answer(stream, &respond, &noted, &own).await });
        }
    });
    (origin, heads)
}

async fn answer(mut stream: TcpStream, respond: &Respond, heads: &Mutex<Vec<String>>, origin: &str) {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    let end = loop {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(n) => read.extend_from_slice(&piece[..n]),
        }
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut rest = length.unwrap_or(0usize).saturating_sub(read.len() - end - 4);
    while rest > 0 {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(n) => rest = rest.saturating_sub(n),
        }
    }
    heads.lock().unwrap().push(head.clone());
    let _ = stream.write_all(&respond(&head, origin)).await;
    let _ = stream.shutdown().await;
}

fn response(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn simulated() -> SimulatorConfig {
    SimulatorConfig::default()
}

fn record(id: &str) -> String {
    format!(r#"{{"Id":"{id}","OrganizationId":"{}"}}"#, simulated().tenants[0].id)
}

fn entry(origin: &str, id: &str) -> String {
    let created = start_of_time().format("%Y-%m-%dT%H:%M:%S.500Z");
    format!(r#"{{"contentId":"{id}","contentUri":"{origin}/blob/{id}","contentCreated":"{created}"}}"#)
}

/// What every server here answers to all but listings and blobs.
fn usual(head: &str) -> Vec<u8> {
    if head.contains("/oauth2/") {
        response("", br#"{"access_token":"raw.socket.token","expires_in":3599}"#)
    } else {
        response("", br#"[{"contentType":"Audit.General","status":"enabled"}]"#)
    }
}

/// A run to the end over HTTP; what arrived.
async fn collect(origin: &str) -> (Result<(), ()>, Vec<String>) {
    run(origin, RunMode::ONCE).await
}

async fn run(origin: &str, mode: RunMode) -> (Result<(), ()>, Vec<String>) {
    let mut config: Office365Config = source_config(&simulated());
    config.content_types = vec![ContentType::General];
    config.endpoint = Some(origin.parse().unwrap());
    config.auth_endpoint = Some(origin.parse().unwrap());
    let data = TempDir::new().unwrap();
    let mut builder = SourceSender::builder();
    let mut receiver = builder.add_source_output(SourceOutput::new_logs(LogNamespace::Legacy), "m365".into());
    let globals = GlobalOptions { data_dir: Some(data.path().to_owned()), ..GlobalOptions::default() };
    let mut cx = SourceContext::new("m365", globals, builder.build());
    let (_trigger, signal, _done) = ShutdownSignal::new_wired();
    cx.shutdown = signal;
    let clock = Clock::system().skewed(start_of_time() + chrono::TimeDelta::hours(1) - chrono::Utc::now());
    let environment = Environment { clock, transport: None };
    cx.extra_context =
        ExtraContext::default().with(HostServices { run_mode: mode, environment, ..HostServices::default() });
    let source = tokio::spawn(config.build(cx).await.unwrap());
    let mut arrived = Vec::new();
    while let Some(item) = receiver.recv().await {
        for event in item.events {
            arrived.push(event.record().string_member("Id").unwrap());
            event.metadata().update_status(EventStatus::Delivered);
        }
    }
    arrived.sort_unstable();
    (source.await.unwrap(), arrived)
}

#[tokio::test]
async fn the_header_of_the_next_page_is_found_in_any_letter_case_and_ends_with_its_line() {
    for name in ["NextPageUri", "NextPageUrl", "Nextpageuri", "NEXTPAGEURI", "nextPageurl"] {
        let respond = move |head: &str, origin: &str| {
            if head.contains("nextPage=2") {
                response("", format!("[{}]", entry(origin, "second")).as_bytes())
            } else if head.contains("/subscriptions/content") {
                // A parser that reads past the end of the line asks for "…nextPage=2X-AspNet-Version:" indefinitely.
                let link = format!("{name}: {origin}/api/v1/content?starttime=2026-08-01&nextPage=2\r\n");
                let headers = format!("{link}X-AspNet-Version: 4.0.30319\r\n");
                response(&headers, format!("[{}]", entry(origin, "first")).as_bytes())
            } else if let Some((_, rest)) = head.split_once("/blob/") {
                response("", format!("[{}]", record(&rest[..rest.find(['?', ' ']).unwrap()])).as_bytes())
            } else {
                usual(head)
            }
        };
        let (origin, heads) = serve(Arc::new(respond)).await;
        let (result, arrived) = collect(&origin).await;
        assert_eq!((result, arrived), (Ok(()), vec!["first".into(), "second".into()]), "{name}");
        let heads = heads.lock().unwrap();
        assert!(heads.iter().any(|head| {
            let line = head.lines().next().unwrap();
            line.starts_with("GET /api/v1/content?starttime=2026-08-01&nextPage=2&PublisherIdentifier=")
        }));
        assert!(heads.iter().all(|head| !head.contains("AspNet")));
    }
}

#[tokio::test]
async fn a_connection_that_breaks_in_mid_body_emits_nothing_of_it() {
    let body = format!("[{},{}]", record("a"), record("b"));
    let attempts = Mutex::new(0);
    let respond = move |head: &str, origin: &str| {
        if head.contains("/subscriptions/content") {
            response("", format!("[{}]", entry(origin, "blob")).as_bytes())
        } else if head.contains("/blob/") {
            let mut attempts = attempts.lock().unwrap();
            *attempts += 1;
            let whole = response("", body.as_bytes());
            let chunked =
                format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n", body.len());
            match *attempts {
                // Fewer bytes than announced; chunks without an end (though the array has one); no answer at all.
                1 => whole[..whole.len() - 20].to_vec(),
                2 => chunked.into_bytes(),
                3 => Vec::new(),
                _ => whole,
            }
        } else {
            usual(head)
        }
    };
    let (origin, heads) = serve(Arc::new(respond)).await;
    let (result, arrived) = collect(&origin).await;
    assert_eq!((result, arrived), (Ok(()), vec!["a".into(), "b".into()]));
    assert!(heads.lock().unwrap().iter().filter(|head| head.contains("/blob/")).count() >= 4);
}

#[tokio::test]
async fn compressed_answers_are_asked_for_and_a_truncated_one_is_fetched_again() {
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let broken = Mutex::new(true);
    let respond = move |head: &str, origin: &str| {
        assert!(head.contains("/oauth2/") || head.to_lowercase().contains("accept-encoding: gzip"), "{head}");
        if head.contains("/subscriptions/content") {
            response("Content-Encoding: gzip\r\n", &gzip(&format!("[{}]", entry(origin, "blob"))))
        } else if head.contains("/blob/") {
            let body = gzip(&format!("[{},{}]", record("a"), record("b")));
            let cut = if std::mem::take(&mut *broken.lock().unwrap()) { body.len() - 12 } else { body.len() };
            response("Content-Encoding: gzip\r\n", &body[..cut])
        } else {
            usual(head)
        }
    };
    let (origin, heads) = serve(Arc::new(respond)).await;
    let (result, arrived) = collect(&origin).await;
    assert_eq!((result, arrived), (Ok(()), vec!["a".into(), "b".into()]));
    assert_eq!(heads.lock().unwrap().iter().filter(|head| head.contains("/blob/")).count(), 2);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, asked) = serve(Arc::new(|_: &str, _: &str| response("", b"[]"))).await;
    let respond = move |head: &str, origin: &str| {
        if head.contains("/subscriptions/content") {
            response("", format!("[{}]", entry(origin, "blob")).as_bytes())
        } else if head.contains("/blob/") {
            format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
        } else {
            usual(head)
        }
    };
    let (origin, _) = serve(Arc::new(respond)).await;
    let (result, arrived) = run(&origin, RunMode::Once { patience: Duration::from_secs(5) }).await;
    assert_eq!((result, arrived), (Err(()), vec![]), "the blob stays pending");
    assert!(asked.lock().unwrap().is_empty(), "a token would have gone with it");
}
