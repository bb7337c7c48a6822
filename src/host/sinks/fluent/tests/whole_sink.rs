//! The sink as the host runs it.

use std::collections::BTreeSet;

use tokio::sync::mpsc;

use super::*;
use crate::{
    component::{BatchNotifier, BatchStatus},
    host::{
        delivery::Delivery,
        sinks::{Run, network::NetworkSink},
    },
};

/// Sends deliveries of 100 events with the numbers up to `count`; all of them have to be delivered.
async fn deliver(config: FluentSinkConfig, count: u64) {
    let directory = tempfile::tempdir().unwrap();
    let peer = FluentPeer::new(&labels(), &config).await.unwrap();
    let sink = NetworkSink::new(peer, "siem", &config.network, directory.path());
    let (inbox, waiting) = mpsc::channel(4);
    let running = tokio::spawn(Box::new(sink).run(labels(), waiting));
    let mut statuses = Vec::new();
    for start in (0..count).step_by(100) {
        let mut events = events(start..start + 100);
        statuses.push(BatchNotifier::apply_to(&mut events));
        inbox.send(Delivery::new(events)).await.unwrap();
    }
    drop(inbox);
    for status in statuses {
        assert_eq!(status.await, BatchStatus::Delivered);
    }
    running.await.unwrap().unwrap();
    assert!(!directory.path().join("dead-letters").exists());
}

#[tokio::test]
async fn no_event_is_lost_by_a_server_that_fails_in_every_way() {
    let script = [
        Act::HalfAcknowledge,
        Act::Acknowledge,
        Act::CloseAfter(1),
        Act::Twice,
        Act::WrongChunk,
        Act::AcknowledgeAndClose,
        Act::CloseUnacknowledged,
        Act::Silence,
    ];
    let server = TestServer::start(script).await;
    let more = "compression = \"gzip\"\nbatch = { max_events = 250 }\n\
                request = { timeout_secs = 1, retry_initial_backoff_secs = 1, retry_max_duration_secs = 1 }";
    deliver(config(&[&server], more), 5_000).await;
    let received = numbers(&server);
    assert_eq!(received.iter().copied().collect::<BTreeSet<_>>(), (0..5_000).collect());
    // Twice only what was taken and not acknowledged properly: half an acknowledgement, a wrong one, none, and silence.
    assert!(received.len() > 5_000 && received.len() <= 5_000 + 4 * 250, "{}", received.len());
    assert!(server.received().iter().all(|message| message.size <= 250));
}

#[tokio::test]
async fn a_batch_that_no_server_takes_at_once_is_cut_until_one_does() {
    // As a server with a buffer of 80 kB: it closes on whatever is larger.
    let server = TestServer::start_with_limit(80_000).await;
    let more = "batch = { max_events = 20000 }\n\
                request = { concurrency = 1, retry_initial_backoff_secs = 1, retry_max_duration_secs = 1 }";
    deliver(config(&[&server], more), 5_000).await;
    assert_eq!(numbers(&server), (0..5_000).collect::<Vec<_>>());
}
