//! What `/metrics` of the running program says.
#![cfg(all(unix, feature = "simulator"))]

use crate::{support::patience, world::World};

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Stdio},
};

use serde_json::Value;

/// A program that is killed when it is dropped, as by `kill -9`.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut text = String::new();
    if let Ok(mut connection) = TcpStream::connect(address) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).unwrap();
        connection.read_to_string(&mut text).unwrap();
    }
    text
}

/// The sum of the samples of a metric whose labels have this text, without what is behind the point.
fn sum(metrics: &str, name: &str, label: &str) -> u64 {
    let of_name = |line: &&str| line.starts_with(&format!("{name}{{")) && line.contains(label);
    let whole = |line: &str| line.rsplit(' ').next().unwrap().split('.').next().unwrap().parse::<u64>().unwrap();
    metrics.lines().filter(of_name).map(whole).sum()
}

fn start(world: &World) -> Killed {
    // Labels do not depend on what is logged.
    let mut command = world.command(&["run", "--log-level", "error"]);
    Killed(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// Waits until so many events have been delivered since the start, and nothing is in progress.
async fn settled(address: SocketAddr, events: u64) -> String {
    let status = || get(address, "/status");
    let delivered = || {
        let text = status();
        let body: Value = serde_json::from_str(text.lines().last().unwrap_or_default()).ok()?;
        body["sources"]["m365"]["totals"]["events_delivered"].as_u64()
    };
    patience::until("all is delivered", || delivered().is_some_and(|count| count >= events), status).await;
    let metrics = || get(address, "/metrics");
    let blobs = |metrics: &str| {
        sum(metrics, "office365_content_found_total", "") - sum(metrics, "office365_content_delivered_total", "")
    };
    patience::until("each blob is done", || blobs(&metrics()) == 0, metrics).await;
    metrics()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_of_a_source_names_it_and_all_records_add_up_after_a_kill() {
    let world = World::subscribed().await;
    // Free a moment ago, and hardly taken by another process since.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let telemetry = format!("\n[telemetry]\nlisten = \"{address}\"\n");
    let filters = "[[sources.m365.filters.exclude]]\nrecord_type = [\"ExchangeAdmin\"]\n";
    world.poll(|text| format!("{text}{filters}{telemetry}"));
    let source = start(&world);
    let first = settled(address, 1).await;
    let received = sum(&first, "office365_records_received_total", "");
    let outcome = |name: &str| sum(&first, "office365_records_total", &format!("outcome=\"{name}\""));
    assert!(received > 0 && outcome("filtered") > 0 && outcome("emitted") > 0, "{first}");
    assert_eq!(received, sum(&first, "office365_records_total", ""), "{first}");
    for line in first.lines().filter(|line| line.starts_with("office365_") || line.starts_with("component_received")) {
        for label in ["component_id=\"m365\"", "component_kind=\"source\"", "component_type=\"office365\""] {
            assert!(line.contains(label), "{line}");
        }
    }
    for (name, label) in [
        ("office365_requests_total", "operation=\"retrieve_content\",status=\"200\""),
        ("office365_token_requests_total", "result=\"granted\""),
        ("office365_content_lag_seconds_bucket", "le=\"604800\""),
        ("office365_event_lag_seconds_count", "content_type=\"Audit.Exchange\""),
        ("office365_last_listing_timestamp_seconds", "content_type=\"DLP.All\""),
        ("office365_ledger_bytes", "component_id=\"m365\""),
    ] {
        assert!(sum(&first, name, label) > 0, "{name}{{{label}}}: {first}");
    }
    assert_eq!(sum(&first, "office365_unaccounted_records_total", ""), 0);

    drop(source);
    let content = world.simulator.oracle().expected_ids().len();
    assert!(content > 0);
    let _again = start(&world);
    let text = || get(address, "/status");
    patience::until("it lists again", || text().contains("\"listed_through\":\"2"), text).await;
    let metrics = get(address, "/metrics");
    let received = sum(&metrics, "office365_records_received_total", "");
    assert_eq!(received, sum(&metrics, "office365_records_total", ""), "{metrics}");
}
