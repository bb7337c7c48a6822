//! The sink against servers that behave, and servers that do not.

mod fail_over;
mod handshake;
mod messages;
mod server;
mod whole_sink;

use std::path::Path;

use self::server::{Act, Received, Security, TestServer};
use super::*;
use crate::{config::SinkConfig, host::tests::events};

/// Enough for a machine that is busy with other things; no test waits for it to pass unless it says so.
const PATIENCE: Duration = Duration::from_secs(20);

/// The configuration of a sink that sends to `servers`, with more keys in TOML.
fn config(servers: &[&TestServer], more: &str) -> FluentSinkConfig {
    let servers: Vec<_> = servers.iter().map(|server| server.url()).collect();
    let text = format!("type = \"fluent\"\ninputs = [\"m365\"]\nservers = {servers:?}\n{more}");
    match toml::from_str(&text).unwrap() {
        SinkConfig::Fluent(config) => config,
        other => panic!("{other:?}"),
    }
}

fn labels() -> SinkLabels {
    SinkLabels { id: "siem".to_owned(), component_type: "fluent" }
}

/// A peer of these servers that is patient.
async fn peer_with(servers: &[&TestServer], more: &str) -> FluentPeer {
    let mut peer = FluentPeer::new(&labels(), &config(servers, more)).await.unwrap();
    peer.timeout = PATIENCE;
    peer
}

async fn peer(server: &TestServer) -> FluentPeer {
    peer_with(&[server], "").await
}

/// A message with these numbers.
fn message(peer: &FluentPeer, numbers: std::ops::Range<u64>) -> Message {
    let (mut entries, count) = (Vec::new(), numbers.clone().count());
    for event in events(numbers) {
        write_entry(&event, &mut entries);
    }
    Message::new(&peer.tag, entries, count, peer.compression).unwrap()
}

/// Why a message was not acknowledged, which may pass.
async fn failure(peer: &FluentPeer, message: &Message) -> String {
    match peer.send(message).await.unwrap_err() {
        Failure::MayPass { reason, after: None } => reason,
        other => panic!("{other:?}"),
    }
}

async fn accepted(peer: &FluentPeer, message: &Message) {
    let bytes = message.bytes.len() as u64;
    assert_eq!(peer.send(message).await, Ok(Accepted { byte_size: bytes, rejected: None }));
}

/// The numbers of all messages that a server has taken.
fn numbers(server: &TestServer) -> Vec<u64> {
    server.received().iter().flat_map(Received::numbers).collect()
}

fn certificates(directory: &Path) -> crate::simulator::CertificateFiles {
    crate::simulator::CertificateFiles::make(directory).unwrap()
}
