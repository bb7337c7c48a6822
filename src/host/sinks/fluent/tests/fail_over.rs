//! Several servers.

use super::*;

/// A peer whose servers rest for so long when they have failed.
async fn resting(rest: Duration, servers: &[&TestServer]) -> FluentPeer {
    let mut peer = peer_with(servers, "").await;
    let backoff = Backoff { first: rest, longest: rest };
    peer.servers = config(servers, "").servers.iter().map(|url| Server::new(url, backoff)).collect();
    peer
}

#[tokio::test]
async fn the_second_takes_over_until_the_first_is_back() {
    const REST: Duration = Duration::from_millis(200);
    let (mut first, second) = (TestServer::start([]).await, TestServer::start([]).await);
    let peer = resting(REST, &[&first, &second]).await;
    accepted(&peer, &message(&peer, 0..1)).await;
    first.stop().await;
    // The send that finds out does not fail either.
    for n in 1..4 {
        accepted(&peer, &message(&peer, n..n + 1)).await;
    }
    assert_eq!((numbers(&first), numbers(&second)), (vec![0], vec![1, 2, 3]));
    first.start_again().await;
    // At least: a busy machine only makes it longer.
    tokio::time::sleep(2 * REST).await;
    for n in 4..6 {
        accepted(&peer, &message(&peer, n..n + 1)).await;
    }
    assert_eq!((numbers(&first), numbers(&second)), (vec![0, 4, 5], vec![1, 2, 3]));
}

#[tokio::test]
async fn a_server_that_is_silent_does_not_keep_events_from_the_next() {
    let (first, second) = (TestServer::start([Act::Silence, Act::Silence]).await, TestServer::start([]).await);
    let mut peer = resting(Duration::from_hours(1), &[&first, &second]).await;
    // How long this test takes, and far more than the second needs.
    peer.timeout = Duration::from_secs(3);
    // What the host allows has room for both.
    assert!(peer.timeout(peer.timeout) > 2 * peer.timeout);
    accepted(&peer, &message(&peer, 0..1)).await;
    assert_eq!((numbers(&first), numbers(&second)), (vec![0], vec![0]), "sent to both, acknowledged by one");
    accepted(&peer, &message(&peer, 1..2)).await;
    assert_eq!(numbers(&first), [0], "left alone");
}

#[tokio::test]
async fn when_all_fail_each_says_why_and_all_are_tried_again() {
    let (first, second) = (TestServer::start([Act::WrongChunk]).await, TestServer::start([]).await);
    second.stop().await;
    let peer = peer_with(&[&first, &second], "").await;
    let message = message(&peer, 0..1);
    let reason = failure(&peer, &message).await;
    assert!(reason.contains("another chunk") && reason.contains("; ") && reason.contains("cannot connect"), "{reason}");
    // Both rest; there is no other server.
    accepted(&peer, &message).await;
    assert_eq!(numbers(&first), [0, 0]);
}
