//! The `vector` sink on real sockets, against a server of Vector's protocol that acknowledges late, not at all, with an
//! error, or closes. (gRPC has no way to answer a call twice.)
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support;
#[path = "../../src/host/sinks/vector/proto.rs"]
mod vector_proto;

use std::time::Duration;

use office365_source::component::BatchStatus;
use prost::Message;
use serde_json::{Value, json};

use support::{
    feeder::{GUARD, Pipeline, bulky, numbered},
    grpc_peer::{Call, GrpcPeer, OVER_QUOTA, Reply, TOO_LARGE, assert_usual_size},
    telemetry::Log,
    tls_matrix::{Certificates, checks_certificates_on_both_sides},
};
use vector_proto::{Event, Kind, PushEventsRequest};

const INTERNAL: u8 = 13;

fn sink(peer: &GrpcPeer, more: &str) -> String {
    format!("type = \"vector\"\naddress = \"http://{}\"\nbatch.timeout_secs = 0\n{more}", peer.address)
}

/// The events of a call, as JSON.
fn events(call: &Call) -> Vec<Value> {
    assert_eq!(call.path, "/vector.Vector/PushEvents");
    let request = PushEventsRequest::decode(&*call.message).unwrap();
    let logs = request.events.into_iter().map(|wrapper| match wrapper.event.unwrap() {
        Event::Log(log) => Value::Object(log.fields.into_iter().map(|(name, value)| (name, json_of(value))).collect()),
    });
    logs.collect()
}

fn json_of(value: vector_proto::Value) -> Value {
    match value.kind.unwrap() {
        Kind::RawBytes(text) => String::from_utf8(text).unwrap().into(),
        Kind::Timestamp(time) => {
            assert_eq!((time.seconds, time.nanos), (1_785_585_600, 500_000_000));
            "2026-08-01T12:00:00.5Z".into()
        }
        Kind::Integer(value) => value.into(),
        Kind::Map(map) => Value::Object(map.fields.into_iter().map(|(name, value)| (name, json_of(value))).collect()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn events_are_pushed_and_acknowledged_whatever_the_compression() {
    for (compression, encoding) in [("none", None), ("gzip", Some("gzip")), ("zstd", Some("zstd"))] {
        let peer = GrpcPeer::start([]).await;
        let more = format!("compression = \"{compression}\"\nrequest.concurrency = 1\nbatch.max_events = 3");
        Pipeline::start(vec![numbered(0..3), numbered(3..5)], &sink(&peer, &more)).finish().await;
        let calls = peer.calls();
        assert_eq!(calls.iter().map(events).collect::<Vec<_>>(), [numbered(0..3), numbered(3..5)]);
        assert_eq!(calls[0].header("grpc-encoding"), encoding);
        assert!(calls[0].header("user-agent").unwrap().starts_with("office365-source/"), "{:?}", calls[0].headers);
        assert_eq!(peer.connections(), 1);
    }
}

#[tokio::test]
async fn whatever_goes_wrong_the_same_events_come_again_until_they_are_acknowledged() {
    let troubles = [
        Reply::Close,
        Reply::Torn,
        Reply::NoStatus,
        Reply::Silence,
        Reply::Status(INTERNAL, "Delivery error"),
        Reply::Status(14, "sender is closed"),
        Reply::Status(1, ""),
        Reply::Status(4, ""),
        Reply::Status(8, "quota"),
        // An administrator can correct the settings, on either side.
        Reply::Status(12, ""),
        Reply::Status(16, ""),
        Reply::Http(404),
        Reply::Http(502),
        Reply::Http(200),
    ];
    let pipelines = troubles.map(|trouble| async move {
        let peer = GrpcPeer::start([trouble.clone()]).await;
        let finished = Pipeline::start(vec![numbered(0..2)], &sink(&peer, "request.timeout_secs = 1")).finish().await;
        let calls = peer.calls();
        assert_eq!(calls.len(), 2, "{trouble:?}");
        assert_eq!(calls[0].message, calls[1].message, "{trouble:?}");
        assert_eq!(finished.dead_letters(), [] as [Value; 0], "{trouble:?}");
        let expected = if matches!(trouble, Reply::Close | Reply::Silence) { 2 } else { 1 };
        assert_eq!(peer.connections(), expected, "{trouble:?}");
    });
    futures::future::join_all(pipelines).await;
}

#[tokio::test]
async fn events_whose_compression_is_not_read_go_uncompressed_from_then_on() {
    for (code, message) in [
        (12, "Content is compressed with `zstd` which isn't supported"),
        (12, ""),
        (INTERNAL, "Error decompressing: unknown frame, while sending request"),
        (INTERNAL, "failed to decode Protobuf message: invalid tag value: 0"),
    ] {
        let peer = GrpcPeer::answering(move |call| match call.header("grpc-encoding") {
            None => Reply::Message(Vec::new()),
            Some(_) => Reply::Status(code, message),
        })
        .await;
        let more = "compression = \"zstd\"\nrequest.concurrency = 1\nbatch.max_events = 3";
        let finished = Pipeline::start(vec![numbered(0..3), numbered(3..6)], &sink(&peer, more)).finish().await;
        let calls = peer.calls();
        let encodings: Vec<_> = calls.iter().map(|call| call.header("grpc-encoding")).collect();
        assert_eq!(encodings, [Some("zstd"), None, None], "{message}");
        assert_eq!(calls[1..].iter().flat_map(events).collect::<Vec<_>>(), numbered(0..6), "{message}");
        assert_eq!(finished.dead_letters(), [] as [Value; 0], "{message}");
    }
}

#[tokio::test]
async fn a_late_answer_is_waited_for() {
    let peer = GrpcPeer::start([Reply::Late(Duration::from_millis(1_500))]).await;
    Pipeline::start(vec![numbered(0..2)], &sink(&peer, "")).finish().await;
    assert_eq!(peer.calls().len(), 1);
}

#[tokio::test]
async fn what_vector_refuses_is_kept() {
    for (code, message) in [
        (15, "Delivery failed"),
        (3, "no such event"),
        (INTERNAL, "failed to decode Protobuf message: recursion limit reached"),
    ] {
        let peer = GrpcPeer::start(vec![Reply::Status(code, message); 3]).await;
        let finished = Pipeline::start(vec![numbered(0..2)], &sink(&peer, "")).finish().await;
        // What was taken and lost further on is not sent again; else each event is given its chance.
        assert_eq!(peer.calls().len(), if code == 15 { 1 } else { 3 });
        let dead = finished.dead_letters();
        assert_eq!(dead.iter().map(|letter| letter["event"].clone()).collect::<Vec<_>>(), numbered(0..2));
        assert!(dead[0]["reason"].as_str().unwrap().ends_with(message), "{}", dead[0]);
    }
}

#[tokio::test]
async fn what_is_too_large_is_halved() {
    let replies = TOO_LARGE.map(|(code, message)| Reply::Status(code, message)).into_iter().chain([Reply::Http(413)]);
    for reply in replies {
        let answer = reply.clone();
        let peer =
            GrpcPeer::answering(
                move |call| {
                    if events(call).len() > 2 { answer.clone() } else { Reply::Message(Vec::new()) }
                },
            )
            .await;
        let finished = Pipeline::start(vec![numbered(0..7)], &sink(&peer, "request.concurrency = 1")).finish().await;
        assert_eq!(finished.dead_letters(), [] as [Value; 0], "{reply:?}");
        let taken: Vec<_> = peer.calls().iter().map(events).filter(|events| events.len() <= 2).flatten().collect();
        assert_eq!(taken, numbered(0..7), "{reply:?}");
    }
}

#[tokio::test]
async fn a_quota_is_no_limit_of_size() {
    let pipelines = OVER_QUOTA.map(|(code, message)| async move {
        let peer = GrpcPeer::start([Reply::Status(code, message)]).await;
        let finished = Pipeline::start(vec![numbered(0..2)], &sink(&peer, "")).finish().await;
        assert_eq!(peer.calls().iter().map(events).collect::<Vec<_>>(), [numbered(0..2), numbered(0..2)], "{message}");
        assert_eq!(finished.dead_letters(), [] as [Value; 0], "{message}");
    });
    futures::future::join_all(pipelines).await;
}

#[tokio::test]
async fn what_is_sent_by_default_stays_below_what_servers_usually_take() {
    for compression in ["none", "gzip", "zstd"] {
        let peer = GrpcPeer::start([]).await;
        Pipeline::start(bulky(), &sink(&peer, &format!("compression = \"{compression}\""))).finish().await;
        assert_usual_size(&peer.calls());
    }
}

#[tokio::test]
async fn nothing_is_delivered_before_it_is_acknowledged_nor_after_a_shutdown() {
    let peer = GrpcPeer::start([Reply::Message(Vec::new()), Reply::Silence]).await;
    let more = "request.concurrency = 1\nbatch.max_events = 2";
    let pipeline = Pipeline::start(vec![numbered(0..2), numbered(2..4), numbered(4..6)], &sink(&peer, more));
    tokio::time::timeout(GUARD, peer.wait_for(2)).await.unwrap();
    assert_eq!(pipeline.statuses(), [Some(BatchStatus::Delivered), None, None]);
    let statuses = pipeline.stop().await;
    assert_eq!(statuses[0], Some(BatchStatus::Delivered));
    assert!(statuses[1..].iter().all(|status| *status != Some(BatchStatus::Delivered)), "{statuses:?}");
}

#[tokio::test]
async fn whole_numbers_arrive_with_every_digit() {
    let peer = GrpcPeer::start([]).await;
    let event = json!({ "most": i64::MAX, "more": u64::MAX, "in": { "mask": 9_223_372_036_854_775_808_u64 } });
    Pipeline::start(vec![vec![event]], &sink(&peer, "")).finish().await;
    let expected = json!({ "most": i64::MAX, "more": "18446744073709551615", "in": { "mask": "9223372036854775808" } });
    assert_eq!(events(&peer.calls()[0]), [expected]);
}

#[tokio::test]
async fn a_vector_that_goes_away_and_comes_back_gets_the_rest() {
    let peer = GrpcPeer::start([Reply::Message(Vec::new()), Reply::Silence]).await;
    let address = peer.address;
    let more = "request.concurrency = 1\nbatch.max_events = 2";
    let pipeline = Pipeline::start(vec![numbered(0..2), numbered(2..4)], &sink(&peer, more));
    tokio::time::timeout(GUARD, peer.wait_for(2)).await.unwrap();
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.subscriber());
    peer.stop().await;
    log.wait_for("was not acknowledged").await;
    assert_eq!(pipeline.statuses(), [Some(BatchStatus::Delivered), None]);
    let peer = GrpcPeer::at(address, []).await;
    pipeline.finish().await;
    assert_eq!(peer.calls().iter().map(events).collect::<Vec<_>>(), [numbered(2..4)]);
}

#[tokio::test]
async fn certificates_are_checked_on_both_sides_and_the_name_is_the_configured_one() {
    let certificates = Certificates::new("vector.contoso.com");
    let peer = GrpcPeer::with_tls(&certificates.server, Some(&certificates.clients)).await;
    let config = |tls: &str| sink(&peer, tls).replace("http:", "https:");
    checks_certificates_on_both_sides(&certificates, config, || peer.calls().len()).await;
    assert_eq!(events(&peer.calls()[0]), numbered(0..2));
}

#[tokio::test]
async fn what_cannot_work_is_said_at_the_start() {
    let peer = GrpcPeer::start([]).await;
    let config = sink(&peer, "tls.ca_file = \"/nowhere/ca.pem\"").replace("http://", "https://");
    let message = Pipeline::start(vec![], &config).refused().await;
    assert!(message.starts_with("sinks.siem.tls.ca_file: cannot read certificates"), "{message}");
    assert_eq!(json!(peer.calls().len()), 0);
}
