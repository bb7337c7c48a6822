//! Messages and their acknowledgements.

use super::*;

#[tokio::test]
async fn events_arrive_with_tag_time_and_members_and_connections_are_used_again() {
    let server = TestServer::start([]).await;
    let peer = peer(&server).await;
    for start in [0, 5] {
        accepted(&peer, &message(&peer, start..start + 5)).await;
    }
    let received = server.received();
    assert_eq!(numbers(&server), (0..10).collect::<Vec<_>>());
    assert_eq!((received[0].tag.as_str(), received[0].size, &received[0].compressed), ("office365", 5, &None));
    assert_ne!(received[0].chunk, received[1].chunk);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn events_arrive_compressed() {
    let server = TestServer::start([]).await;
    for compression in ["gzip", "zstd"] {
        let peer = peer_with(&[&server], &format!("compression = \"{compression}\"")).await;
        let message = message(&peer, 0..1_000);
        assert!(message.bytes.len() * 2 < message.entry_bytes);
        accepted(&peer, &message).await;
        let received = server.received().pop().unwrap();
        assert_eq!((received.compressed.as_deref(), received.size), (Some(compression), 1_000));
        assert_eq!(received.numbers(), (0..1_000).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_late_acknowledgement_is_one() {
    let server = TestServer::start([Act::Late(Duration::from_millis(100))]).await;
    let peer = peer(&server).await;
    accepted(&peer, &message(&peer, 0..1)).await;
}

#[tokio::test]
async fn an_acknowledgement_may_come_twice() {
    for act in [Act::Twice, Act::AgainLater] {
        let server = TestServer::start([act.clone()]).await;
        let peer = peer(&server).await;
        for n in 0..3 {
            accepted(&peer, &message(&peer, n..n + 1)).await;
        }
        assert_eq!(numbers(&server), [0, 1, 2], "{act:?}");
    }
}

#[tokio::test]
async fn what_is_not_acknowledged_is_sent_again_the_same_on_another_connection() {
    let cases = [
        (Act::WrongChunk, "has acknowledged another chunk than the one that was sent"),
        (Act::Say(b"HTTP/1.1 400 Bad Request\r\n".to_vec()), "has given an answer that is not of the Forward protocol"),
        (Act::Say(vec![0x15, 3, 3, 0, 2, 2, 0x46]), "write tls:// in sinks.siem.servers for a server with TLS"),
        (Act::Say(vec![0x80]), "has not taken the events"),
        (Act::CloseAfter(1), "has closed the connection without an acknowledgement"),
        (Act::CloseAfter(20_000), "has closed the connection without an acknowledgement"),
        (Act::CloseUnacknowledged, "has closed the connection without an acknowledgement"),
        (Act::HalfAcknowledge, "has closed the connection in the middle of an answer"),
        (Act::Silence, "has not acknowledged within 0 seconds"),
    ];
    for (act, words) in cases {
        let server = TestServer::start([act.clone()]).await;
        let mut peer = peer(&server).await;
        let message = message(&peer, 0..2_000);
        if matches!(act, Act::Silence) {
            peer.timeout = Duration::from_millis(300);
        }
        let reason = failure(&peer, &message).await;
        assert!(reason.starts_with(&server.url()) && reason.contains(words), "{act:?}: {reason}");
        peer.timeout = PATIENCE;
        accepted(&peer, &message).await;
        let received = server.received();
        assert!(received.iter().all(|received| received.chunk == message.chunk && received.size == 2_000));
        assert_eq!(received.last().unwrap().numbers(), (0..2_000).collect::<Vec<_>>());
        assert_eq!(server.connections(), 2, "{act:?}");
    }
}

#[tokio::test]
async fn a_connection_that_the_server_has_closed_between_messages_costs_no_failure() {
    // Closed where it can be seen before the next message is sent, and where it cannot.
    for script in [vec![Act::AcknowledgeAndClose], vec![Act::Acknowledge, Act::CloseAfter(1)]] {
        let server = TestServer::start(script).await;
        let peer = peer(&server).await;
        for n in 0..3 {
            accepted(&peer, &message(&peer, n..n + 1)).await;
        }
        assert_eq!((numbers(&server), server.connections()), (vec![0, 1, 2], 2));
    }
}

#[tokio::test]
async fn a_send_that_is_given_up_takes_its_connection_with_it() {
    let server = TestServer::start([Act::Acknowledge, Act::Silence]).await;
    let peer = peer(&server).await;
    accepted(&peer, &message(&peer, 0..1)).await;
    let given_up = message(&peer, 1..2);
    let received = async {
        while server.received().len() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        result = peer.send(&given_up) => panic!("{result:?}"),
        () = received => {}
    }
    accepted(&peer, &message(&peer, 2..3)).await;
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn messages_at_once_have_a_connection_each() {
    let server = TestServer::start(vec![Act::Late(Duration::from_millis(100)); 4]).await;
    let peer = peer(&server).await;
    let messages: Vec<_> = (0..4).map(|n| message(&peer, n..n + 1)).collect();
    for result in futures::future::join_all(messages.iter().map(|message| peer.send(message))).await {
        result.unwrap();
    }
    assert_eq!(server.connections(), 4);
    let message = message(&peer, 4..5);
    accepted(&peer, &message).await;
    assert_eq!(server.connections(), 4);
}

#[tokio::test]
async fn a_message_that_connections_are_closed_on_again_and_again_is_taken_for_too_large() {
    let closing = || TestServer::start(vec![Act::CloseAfter(1); 10]);
    let peer_of = peer;
    // Many events, and far more than any server needs to close a connection for nothing.
    let server = closing().await;
    let peer = peer_of(&server).await;
    let large = message(&peer, 0..5_000);
    assert!(large.bytes.len() > SURELY_SMALL);
    for _ in 1..SUSPICIOUS_CLOSINGS {
        failure(&peer, &large).await;
    }
    let Err(Failure::TooLarge { reason }) = peer.send(&large).await else { panic!() };
    assert!(reason.contains("has closed the connection") && reason.ends_with(", 3 times on this message"), "{reason}");

    // One event is sent for as long as it takes, unless no server of default settings would take it.
    for (bytes, is_given_up) in [(1_000, false), (SURELY_LARGE / 2, false), (SURELY_LARGE + 1, true)] {
        let server = closing().await;
        let peer = peer_of(&server).await;
        let single = Message::new("tag", vec![0; bytes], 1, Compression::Gzip).unwrap();
        for _ in 1..SUSPICIOUS_CLOSINGS {
            failure(&peer, &single).await;
        }
        assert_eq!(matches!(peer.send(&single).await, Err(Failure::TooLarge { .. })), is_given_up, "{bytes}");
    }
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_named() {
    let server = TestServer::start([]).await;
    server.stop().await;
    let peer = peer(&server).await;
    let reason = failure(&peer, &message(&peer, 0..1)).await;
    assert!(reason.starts_with(&format!("{}: cannot connect to 127.0.0.1:", server.url())), "{reason}");
}
