//! The `opentelemetry` sink on real sockets, over gRPC and HTTP, against collectors that acknowledge late, not at all,
//! partly, with an error, or close. (An answer that comes twice is what `sink_http.rs` shows; gRPC has no way to.)
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support;

use office365_source::component::BatchStatus;
use opentelemetry_proto::tonic::{
    collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse},
    common::v1::{AnyValue, KeyValue, any_value},
};
use prost::Message;
use serde_json::{Value, json};

use support::{
    feeder::{GUARD, Pipeline, bulky, numbered},
    grpc_peer::{self, Call, GrpcPeer},
    http_peer::{self, HttpPeer, Received},
    telemetry::Log,
    tls_matrix::{Certificates, checks_certificates_on_both_sides},
};

fn grpc(peer: &GrpcPeer, more: &str) -> String {
    format!("type = \"opentelemetry\"\nendpoint = \"http://{}\"\nbatch.timeout_secs = 0\n{more}", peer.address)
}

fn http(peer: &HttpPeer, more: &str) -> String {
    format!(
        "type = \"opentelemetry\"\nprotocol = \"http\"\nendpoint = \"http://{}\"\nbatch.timeout_secs = 0\n{more}",
        peer.address
    )
}

fn json_of(value: AnyValue) -> Value {
    match value.value.unwrap() {
        any_value::Value::StringValue(text) => text.into(),
        any_value::Value::IntValue(value) => value.into(),
        any_value::Value::KvlistValue(list) => members(list.values),
        other => panic!("{other:?}"),
    }
}

fn members(list: Vec<KeyValue>) -> Value {
    Value::Object(list.into_iter().map(|KeyValue { key, value, .. }| (key, json_of(value.unwrap()))).collect())
}

/// The bodies of the records of a request, which have the time of their events.
fn bodies(request: &[u8]) -> Vec<Value> {
    let mut request = ExportLogsServiceRequest::decode(request).unwrap();
    let records = request.resource_logs.remove(0).scope_logs.remove(0).log_records;
    let body = |record: opentelemetry_proto::tonic::logs::v1::LogRecord| {
        assert_eq!(record.time_unix_nano, 1_785_585_600_500_000_000);
        assert!(record.observed_time_unix_nano > record.time_unix_nano);
        json_of(record.body.unwrap())
    };
    records.into_iter().map(body).collect()
}

fn of_call(call: &Call) -> Vec<Value> {
    assert_eq!(call.path, "/opentelemetry.proto.collector.logs.v1.LogsService/Export");
    bodies(&call.message)
}

fn of_post(received: &Received) -> Vec<Value> {
    assert_eq!(received.path, "/v1/logs");
    assert_eq!(received.header("content-type"), Some("application/x-protobuf"));
    bodies(&received.body)
}

fn events_of(letters: &[Value]) -> Vec<Value> {
    letters.iter().map(|letter| letter["event"].clone()).collect()
}

const EMPTY: grpc_peer::Reply = grpc_peer::Reply::Message(Vec::new());

#[tokio::test]
async fn events_are_exported_and_acknowledged_over_both_protocols_whatever_the_compression() {
    for (compression, encoding) in [("none", None), ("gzip", Some("gzip")), ("zstd", Some("zstd"))] {
        let more = format!("compression = \"{compression}\"\nrequest.concurrency = 1\nbatch.max_events = 3");
        let batches = || vec![numbered(0..3), numbered(3..5)];
        let peer = GrpcPeer::start([]).await;
        Pipeline::start(batches(), &grpc(&peer, &more)).finish().await;
        assert_eq!(peer.calls().iter().map(of_call).collect::<Vec<_>>(), batches());
        assert_eq!(peer.calls()[0].header("grpc-encoding"), encoding);
        let peer = HttpPeer::start([]).await;
        Pipeline::start(batches(), &http(&peer, &more)).finish().await;
        assert_eq!(peer.received().iter().map(of_post).collect::<Vec<_>>(), batches());
        assert_eq!(peer.received()[0].header("content-encoding"), encoding);
    }
}

#[tokio::test]
async fn resource_scope_and_headers_are_what_the_configuration_says() {
    let more = "headers.x-key = \"hunter2\"\nresource = { \"deployment.environment.name\" = \"lab\", \
                \"service.name\" = \"m365\" }";
    let peer = GrpcPeer::start([]).await;
    Pipeline::start(vec![numbered(0..1)], &grpc(&peer, more)).finish().await;
    let call = &peer.calls()[0];
    assert_eq!(call.header("x-key"), Some("hunter2"));
    let mut request = ExportLogsServiceRequest::decode(&*call.message).unwrap();
    let mut logs = request.resource_logs.remove(0);
    let expected = json!({ "deployment.environment.name": "lab", "service.name": "m365" });
    assert_eq!(members(logs.resource.unwrap().attributes), expected);
    let scope = logs.scope_logs.remove(0).scope.unwrap();
    assert_eq!((scope.name.as_str(), scope.version.as_str()), ("office365-source", env!("CARGO_PKG_VERSION")));

    let peer = HttpPeer::start([]).await;
    let config = http(&peer, "headers.x-key = \"hunter2\"").replace("\"\nbatch", "/otlp/logs?k=1\"\nbatch");
    Pipeline::start(vec![numbered(0..1)], &config).finish().await;
    let received = &peer.received()[0];
    assert_eq!((received.path.as_str(), received.header("x-key")), ("/otlp/logs?k=1", Some("hunter2")));
    let mut request = ExportLogsServiceRequest::decode(&*received.body).unwrap();
    let resource = request.resource_logs.remove(0).resource.unwrap();
    assert_eq!(members(resource.attributes), json!({ "service.name": "office365" }));
}

/// `google.rpc.Status` with `RetryInfo` of one second.
const RETRY_IN_A_SECOND: &[u8] = b"\x1a\x30\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x01";

#[tokio::test]
async fn over_grpc_what_may_pass_comes_again() {
    use grpc_peer::Reply;
    let troubles = [
        Reply::Close,
        Reply::Torn,
        Reply::NoStatus,
        Reply::Silence,
        Reply::Status(1, "cancelled"),
        Reply::Status(4, "deadline exceeded"),
        Reply::Status(10, "aborted"),
        Reply::Status(11, "out of range"),
        Reply::Status(14, "unavailable"),
        Reply::Status(15, "data loss"),
        Reply::Details(8, "resource exhausted", RETRY_IN_A_SECOND.to_vec()),
        Reply::Status(8, "resource exhausted"),
        // About the settings.
        Reply::Status(5, "not found"),
        Reply::Status(7, "permission denied"),
        Reply::Status(12, "unimplemented"),
        Reply::Status(16, "unauthenticated"),
        Reply::Http(404),
        Reply::Http(503),
        // Vector's.
        Reply::Status(13, "Delivery error"),
    ];
    let pipelines = troubles.map(|trouble| async move {
        let peer = GrpcPeer::start([trouble.clone()]).await;
        let finished = Pipeline::start(vec![numbered(0..2)], &grpc(&peer, "request.timeout_secs = 1")).finish().await;
        let calls = peer.calls();
        assert_eq!(calls.len(), 2, "{trouble:?}");
        assert_eq!(calls[0].message, calls[1].message, "{trouble:?}");
        assert_eq!(finished.dead_letters(), [] as [Value; 0], "{trouble:?}");
    });
    futures::future::join_all(pipelines).await;
}

#[tokio::test]
async fn over_grpc_what_must_not_be_sent_again_is_kept() {
    let refusals =
        [(2, "unknown"), (3, "invalid"), (6, "exists"), (9, "precondition"), (13, "internal"), (15, "Delivery failed")];
    for (code, message) in refusals {
        let peer = GrpcPeer::start(vec![grpc_peer::Reply::Status(code, message); 3]).await;
        let finished = Pipeline::start(vec![numbered(0..2)], &grpc(&peer, "")).finish().await;
        assert_eq!(peer.calls().len(), if code == 15 { 1 } else { 3 }, "{message}");
        let dead = finished.dead_letters();
        assert_eq!(events_of(&dead), numbered(0..2));
        assert!(dead[0]["reason"].as_str().unwrap().ends_with(message), "{}", dead[0]);
    }
}

#[tokio::test]
async fn over_http_what_may_pass_comes_again() {
    use http_peer::Reply;
    let troubles = [
        Reply::Close,
        Reply::Torn,
        Reply::Silence,
        Reply::With(429, "retry-after: 1\r\n", "\x12\x09throttled"),
        Reply::Status(502, ""),
        Reply::Status(503, "\x08\x0e\x12\x04busy"),
        Reply::Status(504, "<html>"),
        // Not a collector's.
        Reply::Status(500, "<html>"),
        Reply::Status(500, ""),
        Reply::Status(200, "<html>please log in</html>"),
        // About the settings.
        Reply::Status(401, "\x12\x02no"),
        Reply::Status(403, ""),
        Reply::Status(404, ""),
        Reply::Status(415, ""),
        // Vector's.
        Reply::Status(
            500,
            "\x08\x02\x12\x58Rejection(Status { code: 2, message: \"Error delivering contents to sink\", details: [] })",
        ),
    ];
    let pipelines = troubles.map(|trouble| async move {
        let peer = HttpPeer::start([trouble.clone()]).await;
        let finished = Pipeline::start(vec![numbered(0..2)], &http(&peer, "request.timeout_secs = 1")).finish().await;
        let received = peer.received();
        assert_eq!(received.len(), 2, "{trouble:?}");
        assert_eq!(received[0].body, received[1].body, "{trouble:?}");
        assert_eq!(finished.dead_letters(), [] as [Value; 0], "{trouble:?}");
    });
    futures::future::join_all(pipelines).await;
}

#[tokio::test]
async fn over_http_what_must_not_be_sent_again_is_kept() {
    for (status, answer, expected) in [
        (400, "\x08\x03\x12\x0abad record", "has answered 400 Bad Request: bad record"),
        (400, "plain words", "has answered 400 Bad Request: plain words"),
        (500, "\x08\x0d\x12\x11permanent failure", "has answered 500 Internal Server Error: permanent failure"),
        (501, "\x12\x05never", "has answered 501 Not Implemented: never"),
        (409, "\x12\x05never", "has answered 409 Conflict: never"),
    ] {
        let peer = HttpPeer::start(vec![http_peer::Reply::Status(status, answer); 3]).await;
        let finished = Pipeline::start(vec![numbered(0..2)], &http(&peer, "")).finish().await;
        assert_eq!(peer.received().len(), 3, "{status}");
        let dead = finished.dead_letters();
        assert_eq!(events_of(&dead), numbered(0..2));
        assert!(dead[0]["reason"].as_str().unwrap().ends_with(expected), "{}", dead[0]);
    }
}

/// The answers of collectors that cannot read a compression.
const UNREADABLE: [http_peer::Reply; 9] = [
    http_peer::Reply::Status(400, ""),
    http_peer::Reply::Status(400, " \r\n"),
    http_peer::Reply::Status(400, "<html><body>Bad Request</body></html>"),
    // No `google.rpc.Status`, which is what a collector says.
    http_peer::Reply::Status(422, "cannot read it"),
    http_peer::Reply::Status(400, "\x08\x03\x12\x11unknown encoding:"),
    http_peer::Reply::Status(500, "\x08\x0d\x12\x14failed to decompress"),
    http_peer::Reply::Status(415, ""),
    http_peer::Reply::With(415, "accept-encoding: identity\r\n", ""),
    http_peer::Reply::With(415, "accept-encoding: gzip\r\n", "\x12\x10unsupported type"),
];

#[tokio::test]
async fn over_http_events_whose_compression_is_not_read_go_uncompressed_from_then_on() {
    let pipelines = UNREADABLE.into_iter().flat_map(|reply| [("gzip", reply.clone()), ("zstd", reply)]);
    let pipelines = pipelines.map(|(compression, reply)| async move {
        let answer = reply.clone();
        let peer = HttpPeer::answering(move |request| match request.header("content-encoding") {
            None => http_peer::Reply::Status(200, ""),
            Some(_) => answer.clone(),
        })
        .await;
        let more = format!("compression = \"{compression}\"\nrequest.concurrency = 1\nbatch.max_events = 3");
        let finished = Pipeline::start(vec![numbered(0..3), numbered(3..6)], &http(&peer, &more)).finish().await;
        let received = peer.received();
        assert_eq!(
            received.iter().map(|request| request.header("content-encoding")).collect::<Vec<_>>(),
            [Some(compression), None, None],
            "{reply:?}"
        );
        assert_eq!(received[1..].iter().flat_map(of_post).collect::<Vec<_>>(), numbered(0..6));
        assert_eq!(finished.dead_letters(), [] as [Value; 0], "{reply:?}");
    });
    futures::future::join_all(pipelines).await;
}

#[tokio::test]
async fn over_grpc_events_whose_compression_is_not_read_go_uncompressed_from_then_on() {
    let unreadable = [
        (12, "Content is compressed with `zstd` which isn't supported"),
        (12, "grpc: Decompressor is not installed for grpc-encoding"),
        (12, ""),
        (13, "Can't find decompressor for zstd"),
        (3, "Decompressor is not installed for grpc-encoding"),
        (2, "gzip: invalid header"),
        // What a peer might say that has taken the compressed bytes for a message.
        (3, "cannot parse the message"),
    ];
    let pipelines = unreadable.map(|(code, message)| async move {
        let peer = GrpcPeer::answering(move |call| match call.header("grpc-encoding") {
            None => EMPTY,
            Some(_) => grpc_peer::Reply::Status(code, message),
        })
        .await;
        let more = "compression = \"zstd\"\nrequest.concurrency = 1\nbatch.max_events = 3";
        let finished = Pipeline::start(vec![numbered(0..3), numbered(3..6)], &grpc(&peer, more)).finish().await;
        let calls = peer.calls();
        let encodings: Vec<_> = calls.iter().map(|call| call.header("grpc-encoding")).collect();
        assert_eq!(encodings, [Some("zstd"), None, None], "{message}");
        assert_eq!(calls[1..].iter().flat_map(of_call).collect::<Vec<_>>(), numbered(0..6));
        assert_eq!(finished.dead_letters(), [] as [Value; 0], "{message}");
    });
    futures::future::join_all(pipelines).await;
}

#[tokio::test]
async fn what_is_refused_uncompressed_too_is_kept_and_the_compression_stays() {
    let more = "compression = \"gzip\"\nrequest.concurrency = 1\nbatch.max_events = 2";
    let is_bad = |events: &[Value]| events.iter().any(|event| event["n"] == 1);
    let peer = HttpPeer::answering(move |request| {
        http_peer::Reply::Status(if is_bad(&of_post(request)) { 400 } else { 200 }, "")
    })
    .await;
    let finished = Pipeline::start(vec![numbered(0..2), numbered(2..4)], &http(&peer, more)).finish().await;
    assert_eq!(events_of(&finished.dead_letters()), numbered(1..2));
    let received = peer.received();
    let encodings: Vec<_> = received.iter().map(|request| request.header("content-encoding").is_some()).collect();
    // Two events, the first of them, the second of them, and the next two.
    assert_eq!(encodings, [true, false, true, true, false, true]);

    let peer = GrpcPeer::answering(
        move |call| {
            if is_bad(&of_call(call)) { grpc_peer::Reply::Status(3, "invalid") } else { EMPTY }
        },
    )
    .await;
    let finished = Pipeline::start(vec![numbered(0..2), numbered(2..4)], &grpc(&peer, more)).finish().await;
    assert_eq!(events_of(&finished.dead_letters()), numbered(1..2));
    let encodings: Vec<_> = peer.calls().iter().map(|call| call.header("grpc-encoding").is_some()).collect();
    // When it has read compressed events, a reason that says nothing of them is believed.
    assert_eq!(encodings, [true, false, true, true, true]);
}

#[tokio::test]
async fn an_answer_with_a_meaning_of_its_own_says_nothing_of_the_compression() {
    let refusals = [(401, ""), (403, ""), (404, ""), (405, ""), (413, ""), (429, ""), (500, ""), (503, "")];
    let pipelines = refusals.map(|(status, body)| async move {
        let peer = HttpPeer::start([http_peer::Reply::Status(status, body)]).await;
        let finished = Pipeline::start(vec![numbered(0..2)], &http(&peer, "compression = \"zstd\"")).finish().await;
        for request in peer.received() {
            assert_eq!(request.header("content-encoding"), Some("zstd"), "{status}");
        }
        assert_eq!(finished.dead_letters(), [] as [Value; 0], "{status}");
    });
    futures::future::join_all(pipelines).await;
    let troubles = [
        (16, "unauthenticated: no gzip for you"),
        (8, "quota"),
        (8, "grpc: received message after decompression larger than max (9 vs. 4)"),
        (14, "decompressor is busy"),
    ];
    let pipelines = troubles.map(|(code, message)| async move {
        let peer = GrpcPeer::start([grpc_peer::Reply::Status(code, message)]).await;
        let finished = Pipeline::start(vec![numbered(0..2)], &grpc(&peer, "compression = \"zstd\"")).finish().await;
        for call in peer.calls() {
            assert_eq!(call.header("grpc-encoding"), Some("zstd"), "{message}");
        }
        assert_eq!(finished.dead_letters(), [] as [Value; 0], "{message}");
    });
    futures::future::join_all(pipelines).await;
}

fn partial(rejected: i64, message: &str) -> Vec<u8> {
    let partial = ExportLogsPartialSuccess { rejected_log_records: rejected, error_message: message.to_owned() };
    ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec()
}

#[tokio::test]
async fn a_partial_success_is_not_sent_again_and_what_may_be_missing_is_kept() {
    // Which of the three was rejected the collector does not say.
    for (rejected, message, dead) in [(1, "no room for it", 3), (0, "your client is old", 0), (0, "", 0), (-1, "", 0)] {
        let answer = partial(rejected, message);
        let peer = GrpcPeer::start([grpc_peer::Reply::Message(answer.clone())]).await;
        let finished = Pipeline::start(vec![numbered(0..3)], &grpc(&peer, "")).finish().await;
        assert_eq!((peer.calls().len(), finished.dead_letters().len()), (1, dead), "{message}");

        // A negative count is not UTF-8, and in no text.
        let Ok(answer) = String::from_utf8(answer) else { continue };
        let answer: &'static str = answer.leak();
        let peer = HttpPeer::start([http_peer::Reply::Status(200, answer)]).await;
        let finished = Pipeline::start(vec![numbered(0..3)], &http(&peer, "")).finish().await;
        let letters = finished.dead_letters();
        assert_eq!((peer.received().len(), letters.len()), (1, dead), "{message}");
        if let Some(letter) = letters.first() {
            let reason = letter["reason"].as_str().unwrap();
            assert_eq!(reason, "1 of these 3 events were rejected, without a word on which: no room for it");
        }
    }
}

#[tokio::test]
async fn what_is_too_large_is_halved() {
    for (code, message) in grpc_peer::TOO_LARGE {
        let reply = grpc_peer::Reply::Status(code, message);
        let peer = GrpcPeer::answering(move |call| if of_call(call).len() > 2 { reply.clone() } else { EMPTY }).await;
        let finished = Pipeline::start(vec![numbered(0..7)], &grpc(&peer, "request.concurrency = 1")).finish().await;
        assert_eq!(finished.dead_letters(), [] as [Value; 0], "{message}");
        let taken: Vec<_> = peer.calls().iter().map(of_call).filter(|events| events.len() <= 2).flatten().collect();
        assert_eq!(taken, numbered(0..7), "{message}");
    }
    for reply in [
        http_peer::Reply::Status(413, ""),
        // The collector's, for more than `max_request_body_size`.
        http_peer::Reply::Status(400, "\x08\x03\x12\x1dhttp: request body too large"),
    ] {
        let peer = HttpPeer::answering(move |request| {
            if of_post(request).len() > 2 { reply.clone() } else { http_peer::Reply::Status(200, "") }
        })
        .await;
        let finished = Pipeline::start(vec![numbered(0..7)], &http(&peer, "request.concurrency = 1")).finish().await;
        assert_eq!(finished.dead_letters(), [] as [Value; 0]);
        let taken: Vec<_> = peer.received().iter().map(of_post).filter(|events| events.len() <= 2).flatten().collect();
        assert_eq!(taken, numbered(0..7));
    }
}

#[tokio::test]
async fn a_quota_is_no_limit_of_size() {
    let pipelines = grpc_peer::OVER_QUOTA.map(|(code, message)| async move {
        let peer = GrpcPeer::start([grpc_peer::Reply::Status(code, message)]).await;
        let finished = Pipeline::start(vec![numbered(0..2)], &grpc(&peer, "")).finish().await;
        assert_eq!(peer.calls().iter().map(of_call).collect::<Vec<_>>(), [numbered(0..2), numbered(0..2)], "{message}");
        assert_eq!(finished.dead_letters(), [] as [Value; 0], "{message}");
    });
    futures::future::join_all(pipelines).await;
    // Who says when to come back speaks of a quota, in whatever words.
    let reply = grpc_peer::Reply::Details(8, "request too large for now", RETRY_IN_A_SECOND.to_vec());
    let peer = GrpcPeer::start([reply]).await;
    let finished = Pipeline::start(vec![numbered(0..1)], &grpc(&peer, "")).finish().await;
    assert_eq!((peer.calls().len(), finished.dead_letters().len()), (2, 0));
}

#[tokio::test]
async fn an_event_that_is_too_large_alone_is_kept_with_its_size_and_the_others_are_taken() {
    let mut events = numbered(0..5);
    events[3]["user"]["name"] = "x".repeat(5_000).into();
    let size = events[3].to_string().len();
    let others = [&events[..3], &events[4..]].concat();
    let reason = |said: &str| format!("one event of {size} bytes (as JSON) is more than the peer takes: {said}");
    let message = "grpc: received message larger than max (5000 vs. 4000)";
    let is_taken = |message: &[u8]| message.len() <= 4_000;

    let peer = GrpcPeer::answering(
        move |call| {
            if is_taken(&call.message) { EMPTY } else { grpc_peer::Reply::Status(8, message) }
        },
    )
    .await;
    let more = "request.concurrency = 1\ncompression = \"zstd\"";
    let finished = Pipeline::start(vec![events.clone()], &grpc(&peer, more)).finish().await;
    let letters = finished.dead_letters();
    assert_eq!(events_of(&letters), events[3..4]);
    let said = format!("http://{} has answered ResourceExhausted: {message}", peer.address);
    assert_eq!(letters[0]["reason"], reason(&said));
    let taken: Vec<_> = peer.calls().iter().filter(|call| is_taken(&call.message)).flat_map(of_call).collect();
    assert_eq!(taken, others);

    let peer = HttpPeer::with_limit(4_000).await;
    let finished = Pipeline::start(vec![events.clone()], &http(&peer, "request.concurrency = 1")).finish().await;
    let letters = finished.dead_letters();
    assert_eq!(events_of(&letters), events[3..4]);
    let said = format!("http://{} has answered 413 Payload Too Large", peer.address);
    assert_eq!(letters[0]["reason"], reason(&said));
    assert_eq!(peer.received().iter().flat_map(of_post).collect::<Vec<_>>(), others);
}

#[tokio::test]
async fn what_is_sent_by_default_stays_below_what_servers_usually_take() {
    for compression in ["none", "gzip", "zstd"] {
        let more = format!("compression = \"{compression}\"");
        let peer = GrpcPeer::start([]).await;
        Pipeline::start(bulky(), &grpc(&peer, &more)).finish().await;
        grpc_peer::assert_usual_size(&peer.calls());
    }
}

#[tokio::test]
async fn nothing_is_delivered_before_it_is_acknowledged_and_a_collector_that_comes_back_gets_it() {
    let peer = GrpcPeer::start([EMPTY, grpc_peer::Reply::Late(GUARD)]).await;
    let address = peer.address;
    let more = "request.concurrency = 1\nbatch.max_events = 2";
    let pipeline = Pipeline::start(vec![numbered(0..2), numbered(2..4)], &grpc(&peer, more));
    tokio::time::timeout(GUARD, peer.wait_for(2)).await.unwrap();
    assert_eq!(pipeline.statuses(), [Some(BatchStatus::Delivered), None]);
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.subscriber());
    peer.stop().await;
    log.wait_for("was not acknowledged").await;
    assert_eq!(pipeline.statuses(), [Some(BatchStatus::Delivered), None]);
    let peer = GrpcPeer::at(address, []).await;
    pipeline.finish().await;
    assert_eq!(peer.calls().iter().map(of_call).collect::<Vec<_>>(), [numbered(2..4)]);
}

#[tokio::test]
async fn certificates_are_checked_on_both_sides_over_both_protocols() {
    let certificates = Certificates::new("collector.contoso.com");
    let over_grpc = GrpcPeer::with_tls(&certificates.server, Some(&certificates.clients)).await;
    let config = |tls: &str| grpc(&over_grpc, tls).replace("http:", "https:");
    checks_certificates_on_both_sides(&certificates, config, || over_grpc.calls().len()).await;
    assert_eq!(of_call(&over_grpc.calls()[0]), numbered(0..2));
    let over_http = HttpPeer::with_tls(&certificates.server, Some(&certificates.clients)).await;
    let config = |tls: &str| http(&over_http, tls).replace("http:", "https:");
    checks_certificates_on_both_sides(&certificates, config, || over_http.received().len()).await;
    assert_eq!(of_post(&over_http.received()[0]), numbered(0..2));
}
