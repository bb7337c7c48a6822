//! SIGHUP: a changed configuration is taken over, and one that cannot be used is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(unix, feature = "cli", feature = "simulator"))]

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use serde_json::Value;

use crate::{
    support::patience,
    world::{World, lines},
};

/// The content types that the running source collects.
fn collected(world: &World) -> Vec<String> {
    let shown = lines(&world.run(&["state", "show", "--json"]), 0).join("\n");
    let feeds: Vec<Value> = serde_json::from_str(&shown).unwrap();
    let collected = feeds.iter().filter(|feed| feed["collected"] == true);
    collected.map(|feed| feed["content_type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_takes_a_good_file_over_and_refuses_a_bad_one() {
    let world = World::subscribed().await;
    let into_file = |text: String| {
        text.replace("type = \"console\"", &format!("type = \"file\"\npath = {:?}", world.path("events.ndjson")))
    };
    world.poll(into_file);
    let log = || fs::read_to_string(world.path("log")).unwrap();
    let delivered = || fs::read_to_string(world.path("events.ndjson")).unwrap_or_default().lines().count();
    let source = world.start().await;
    patience::until("content is delivered", || delivered() > 30, log).await;
    let before = collected(&world);
    assert_eq!(before, ["Audit.AzureActiveDirectory", "Audit.Exchange", "DLP.All"]);

    let refusals = || log().matches("cannot be used; nothing was changed.").count();
    world.poll(|text| into_file(text).replace("domain =", "domian ="));
    source.signal("HUP");
    patience::until("a file with an unknown key is refused", || refusals() == 1, log).await;
    assert!(log().contains("sources.m365.tenants[0].domian"), "{}", log());
    world.poll(|text| into_file(text).replace("TEST_CLIENT_SECRET", "TEST_UNSET_SECRET"));
    source.signal("HUP");
    patience::until("a file without its secret is refused", || refusals() == 2, log).await;
    assert_eq!(collected(&world), before);

    // That shows only when it is tried.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    world.poll(|text| format!("{}\n[telemetry]\nlisten = \"{address}\"\n", into_file(text)));
    source.signal("HUP");
    patience::until("the one before goes on", || log().contains("going on with the one before"), log).await;
    let socket = world.path("data/m365/control.sock");
    patience::until("the source can be asked again", || socket.exists(), log).await;
    assert_eq!(collected(&world), before);

    world.poll(|text| into_file(text).replace("\"Audit.Exchange\", ", "").replace("DLP.All", "Audit.General"));
    source.signal("HUP");
    let starts = || log().matches("Source starts.").count();
    patience::until("the changed one is taken over", || starts() == 3, log).await;
    patience::until("the source can be asked again", || socket.exists(), log).await;
    assert_eq!(collected(&world), ["Audit.AzureActiveDirectory", "Audit.General"]);
    let ids = fs::read_to_string(world.path("events.ndjson")).unwrap();
    let ids: Vec<_> =
        ids.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["event"]["id"].clone()).collect();
    let mut once: Vec<_> = ids.iter().map(ToString::to_string).collect();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), ids.len(), "what was delivered is not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_of_metrics_is_taken_again_after_somebody_has_asked() {
    let world = World::subscribed().await;
    // Free a moment ago, and hardly taken by another process since.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.poll(|text| format!("{text}\n[telemetry]\nlisten = \"{address}\"\n"));
    let log = || fs::read_to_string(world.path("log")).unwrap();
    let source = world.start().await;
    for reloads in 1..=5 {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.write_all(b"GET /status HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut status = [0; 12];
        connection.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        source.signal("HUP");
        let starts = || log().matches("Source starts.").count();
        patience::until("the configuration is read again", || starts() > reloads, log).await;
        assert!(!log().contains("going on with the one before"), "{}", log());
    }
}
