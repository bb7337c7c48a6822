//! The `http` sink on real sockets, against a server that acknowledges late, not at all, twice, with an error, or closes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support;

use std::time::Duration;

use office365_source::component::BatchStatus;
use serde_json::{Value, json};

use support::{
    feeder::{GUARD, Pipeline, numbered},
    http_peer::{HttpPeer, Received, Reply},
    telemetry::Log,
    tls_matrix::{Certificates, checks_certificates_on_both_sides},
};

fn sink(peer: &HttpPeer, more: &str) -> String {
    format!("type = \"http\"\nuri = \"http://{}/ingest?key=a\"\nbatch.timeout_secs = 0\n{more}", peer.address)
}

fn lines(received: &Received) -> Vec<Value> {
    received.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn events_are_posted_one_a_line_and_acknowledged() {
    let peer = HttpPeer::start([]).await;
    let batches = vec![numbered(0..3), numbered(3..5)];
    Pipeline::start(batches, &sink(&peer, "request.concurrency = 1\nbatch.max_events = 3")).finish().await;
    let received = peer.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].path, "/ingest?key=a");
    assert!(received[0].head.starts_with("POST "), "{}", received[0].head);
    assert_eq!(received[0].header("content-type"), Some("application/x-ndjson"));
    assert!(received[0].header("user-agent").unwrap().starts_with("office365-source/"));
    assert_eq!(lines(&received[0]), numbered(0..3));
    assert_eq!(lines(&received[1]), numbered(3..5));
}

#[tokio::test]
async fn an_array_compression_and_credentials_are_what_the_configuration_says() {
    for (compression, encoding) in [("none", None), ("gzip", Some("gzip")), ("zstd", Some("zstd"))] {
        let peer = HttpPeer::start([]).await;
        let more = format!(
            "framing = \"json_array\"\ncompression = \"{compression}\"\nheaders.X-Tenant = \"contoso\"\n\
             auth = {{ token = \"hunter2\" }}"
        );
        Pipeline::start(vec![numbered(0..3)], &sink(&peer, &more)).finish().await;
        let received = &peer.received()[0];
        assert_eq!(received.header("content-encoding"), encoding);
        assert_eq!(received.header("content-type"), Some("application/json"));
        assert_eq!(received.header("authorization"), Some("Bearer hunter2"));
        assert_eq!(received.header("x-tenant"), Some("contoso"));
        assert_eq!(serde_json::from_slice::<Vec<Value>>(&received.body).unwrap(), numbered(0..3));
    }
    let peer = HttpPeer::start([]).await;
    let more = "auth = { user = \"me\", password = \"hunter2\" }";
    Pipeline::start(vec![numbered(0..1)], &sink(&peer, more)).finish().await;
    assert_eq!(peer.received()[0].header("authorization"), Some("Basic bWU6aHVudGVyMg=="));
}

#[tokio::test]
async fn whatever_goes_wrong_the_same_events_come_again_until_they_are_acknowledged() {
    let troubles = [
        Reply::Close,
        Reply::Silence,
        Reply::Status(500, "oops"),
        Reply::Status(503, ""),
        Reply::With(429, "retry-after: 1\r\n", ""),
        // An administrator can correct the sink's settings.
        Reply::Status(401, ""),
        Reply::Status(404, ""),
        Reply::Status(302, ""),
    ];
    let pipelines = troubles.map(|trouble| async move {
        let peer = HttpPeer::start([trouble.clone()]).await;
        let finished = Pipeline::start(vec![numbered(0..2)], &sink(&peer, "request.timeout_secs = 1")).finish().await;
        let received = peer.received();
        assert_eq!(received.len(), 2, "{trouble:?}");
        assert_eq!(received[0].body, received[1].body, "{trouble:?}");
        assert_eq!(finished.dead_letters(), [] as [Value; 0], "{trouble:?}");
    });
    futures::future::join_all(pipelines).await;
}

#[tokio::test]
async fn a_late_answer_is_waited_for_and_one_too_many_does_no_harm() {
    let replies =
        [Reply::Late(Duration::from_millis(1_500), 200), Reply::Twice(200), Reply::Torn, Reply::Status(204, "")];
    for reply in replies {
        let peer = HttpPeer::start([reply]).await;
        Pipeline::start(vec![numbered(0..2), numbered(2..3)], &sink(&peer, "request.concurrency = 1")).finish().await;
        let all: Vec<_> = peer.received().iter().flat_map(lines).collect();
        assert_eq!(all, numbered(0..3));
    }
    // The answer too many acknowledges nothing that comes later.
    let peer = HttpPeer::start([Reply::Twice(200), Reply::Silence]).await;
    let more = "request.concurrency = 1\nbatch.max_events = 2";
    let pipeline = Pipeline::start(vec![numbered(0..2), numbered(2..4)], &sink(&peer, more));
    tokio::time::timeout(GUARD, peer.wait_for(2)).await.unwrap();
    let statuses = pipeline.stop().await;
    assert_eq!(statuses[0], Some(BatchStatus::Delivered));
    assert_ne!(statuses[1], Some(BatchStatus::Delivered));
}

#[tokio::test]
async fn what_the_server_refuses_is_kept_and_what_it_finds_too_large_is_halved() {
    let refusal = Reply::Status(400, "field \u{7} user.name is not mapped, hunter2-token");
    let peer = HttpPeer::start(vec![refusal; 3]).await;
    let more = "auth = { token = \"hunter2-token\" }";
    let finished = Pipeline::start(vec![numbered(0..2)], &sink(&peer, more)).finish().await;
    assert_eq!(peer.received().len(), 3);
    let dead = finished.dead_letters();
    assert_eq!(dead.iter().map(|letter| letter["event"].clone()).collect::<Vec<_>>(), numbered(0..2));
    let reason = dead[0]["reason"].as_str().unwrap();
    assert!(reason.contains("has answered 400 Bad Request: field user.name is not mapped"), "{reason}");
    // The query may hold a key.
    assert!(!reason.contains("key=a") && !reason.contains("hunter2"), "{reason}");

    let peer = HttpPeer::answering(|request| {
        if request.text().lines().count() > 2 { Reply::Status(413, "") } else { Reply::Status(200, "") }
    })
    .await;
    let finished = Pipeline::start(vec![numbered(0..7)], &sink(&peer, "request.concurrency = 1")).finish().await;
    assert_eq!(finished.dead_letters(), [] as [Value; 0]);
    let taken: Vec<_> = peer.received().iter().map(lines).filter(|lines| lines.len() <= 2).flatten().collect();
    assert_eq!(taken, numbered(0..7));
}

#[tokio::test]
async fn events_whose_compression_is_not_read_go_uncompressed_from_then_on_and_the_log_says_so_once() {
    for reply in [
        Reply::Status(400, ""),
        Reply::Status(400, "\n\t"),
        Reply::Status(400, "Bad Request\n"),
        Reply::Status(422, "{}"),
        Reply::Status(400, "\n<!DOCTYPE html><title>400 Bad Request</title>"),
        Reply::Status(400, "{\"error\":\"content-encoding zstd is not known\"}"),
        // What a server may say that has taken the compressed bytes for events.
        Reply::Status(400, "invalid character '(' looking for beginning of value"),
        Reply::Status(500, "cannot decompress the body"),
        Reply::Status(415, ""),
        Reply::With(415, "accept-encoding: gzip\r\n", "unsupported"),
    ] {
        let log = Log::default();
        let guard = tracing::subscriber::set_default(log.subscriber());
        let answer = reply.clone();
        let peer = HttpPeer::answering(move |request| match request.header("content-encoding") {
            None => Reply::Status(200, ""),
            Some(_) => answer.clone(),
        })
        .await;
        let more = "compression = \"zstd\"\nbatch.max_events = 1";
        let finished = Pipeline::start(vec![numbered(0..9)], &sink(&peer, more)).finish().await;
        drop(guard);
        assert_eq!(finished.dead_letters(), [] as [Value; 0], "{reply:?}");
        let received = peer.received();
        let mut plain: Vec<_> =
            received.iter().filter(|request| request.header("content-encoding").is_none()).collect();
        plain.sort_by_key(|request| lines(request)[0]["n"].as_u64());
        assert_eq!(plain.into_iter().flat_map(lines).collect::<Vec<_>>(), numbered(0..9), "{reply:?}");
        // The four that were on their way together.
        assert!(received.len() <= 13, "{} requests after {reply:?}", received.len());
        let text = log.text();
        let said: Vec<_> = text.lines().filter(|line| line.contains("cannot read the compression")).collect();
        assert_eq!(said.len(), 1, "{reply:?}: {text}");
        for part in ["WARN", "component_id=\"siem\"", "compression=\"zstd\"", "sinks.siem.compression"] {
            assert!(said[0].contains(part), "{}", said[0]);
        }
    }
}

#[tokio::test]
async fn a_reason_from_a_server_that_reads_the_compression_is_believed() {
    let peer = HttpPeer::answering(|request| match request.text() {
        text if text.contains("\"n\":1,") => Reply::Status(400, "field user.name is not mapped"),
        text if text.contains("\"n\":2,") => Reply::Status(400, ""),
        _ => Reply::Status(200, ""),
    })
    .await;
    let more = "compression = \"gzip\"\nbatch.max_events = 1\nrequest.concurrency = 1";
    let finished = Pipeline::start(vec![numbered(0..4)], &sink(&peer, more)).finish().await;
    assert_eq!(finished.dead_letters().len(), 2);
    let encodings: Vec<_> =
        peer.received().iter().map(|request| request.header("content-encoding").is_some()).collect();
    assert_eq!(encodings, [true, true, true, false, true]);
}

#[tokio::test]
async fn a_server_that_refuses_a_large_body_without_reading_it_gets_smaller_ones() {
    let peer = HttpPeer::with_limit(1024 * 1024).await;
    // More than the buffers of a connection hold.
    let events: Vec<_> = (0..32).map(|n| json!({ "n": n, "text": "x".repeat(1_000_000) })).collect();
    let more = "batch.max_bytes = \"64MiB\"\nrequest.concurrency = 1";
    let finished = Pipeline::start(vec![events.clone()], &sink(&peer, more)).finish().await;
    assert_eq!(finished.dead_letters(), [] as [Value; 0]);
    assert_eq!(peer.received().iter().flat_map(lines).collect::<Vec<_>>(), events);
    assert!(peer.unread() > 0);
}

#[tokio::test]
async fn nothing_is_delivered_before_it_is_acknowledged_nor_after_a_shutdown() {
    let peer = HttpPeer::start([Reply::Status(200, ""), Reply::Silence]).await;
    let more = "request.concurrency = 1\nbatch.max_events = 2";
    let pipeline = Pipeline::start(vec![numbered(0..2), numbered(2..4), numbered(4..6)], &sink(&peer, more));
    tokio::time::timeout(GUARD, peer.wait_for(2)).await.unwrap();
    assert_eq!(pipeline.statuses(), [Some(BatchStatus::Delivered), None, None]);
    let statuses = pipeline.stop().await;
    assert_eq!(statuses[0], Some(BatchStatus::Delivered));
    assert!(statuses[1..].iter().all(|status| *status != Some(BatchStatus::Delivered)), "{statuses:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_waited_for() {
    let peer = HttpPeer::start([]).await;
    let address = peer.address;
    let config = sink(&peer, "");
    drop(peer);
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.subscriber());
    let pipeline = Pipeline::start(vec![numbered(0..2)], &config);
    log.wait_for("was not acknowledged").await;
    assert_eq!(pipeline.statuses(), [None]);
    let peer = HttpPeer::at(address, []).await;
    pipeline.finish().await;
    assert_eq!(lines(&peer.received()[0]), numbered(0..2));
}

#[tokio::test]
async fn certificates_are_checked_on_both_sides_and_the_name_is_the_configured_one() {
    let certificates = Certificates::new("siem.contoso.com");
    let peer = HttpPeer::with_tls(&certificates.server, Some(&certificates.clients)).await;
    let config = |tls: &str| sink(&peer, tls).replace("http:", "https:");
    checks_certificates_on_both_sides(&certificates, config, || peer.received().len()).await;
    assert_eq!(lines(&peer.received()[0]), numbered(0..2));
}

#[tokio::test]
async fn what_cannot_work_is_said_at_the_start() {
    let peer = HttpPeer::start([]).await;
    for (more, expected) in [
        ("tls.ca_file = \"/nowhere/ca.pem\"", "sinks.siem.tls.ca_file: cannot read certificates from /nowhere/ca.pem"),
        (
            "auth = { token = { env = \"OFFICE365_SOURCE_UNSET\" } }",
            "sinks.siem.auth.token: the environment variable OFFICE365_SOURCE_UNSET is not set",
        ),
    ] {
        let config = sink(&peer, more).replace("http://", "https://");
        let message = Pipeline::start(vec![], &config).refused().await;
        assert!(message.starts_with(expected), "{message}");
    }
    assert_eq!(json!(peer.received().len()), 0);
}
