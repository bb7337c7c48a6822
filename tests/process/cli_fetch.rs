//! `fetch`, as a user meets it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(unix, feature = "cli", feature = "simulator"))]

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
};

use chrono::TimeDelta;
use office365_source::{
    ledger::RedbLedger,
    simulator::{SimulatedTenant, TenantFault},
};
use serde_json::Value;

use crate::world::{World, lines, text};

/// The ids of events in schema raw.
fn ids(lines: &[String]) -> BTreeSet<String> {
    let id = |line: &String| serde_json::from_str::<Value>(line).unwrap()["Id"].as_str().unwrap().to_owned();
    let ids: BTreeSet<_> = lines.iter().map(id).collect();
    assert_eq!(ids.len(), lines.len(), "none comes twice");
    ids
}

fn fetch(world: &World, arguments: &[&str]) -> Vec<String> {
    let output = world.run(&[&["fetch", "--schema", "raw"], arguments].concat());
    assert_eq!(text(&output.stderr), "", "nothing but events, and no progress without a terminal");
    lines(&output, 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn content_is_fetched_again_and_the_ledger_knows_nothing_of_it() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    let all = ids(&fetch(&world, &["--since", "7d"]));
    assert!(all.len() > 30, "{}", all.len());
    assert!(!world.path("data").exists(), "no ledger is made");
    let of_one = ids(&fetch(&world, &["--since", "4h", "--content-type", "Audit.Exchange"]));
    assert!(of_one.len() < all.len() && of_one.is_subset(&all));
    let later = ids(&fetch(&world, &["--since", "90m"]));
    let earlier = ids(&fetch(&world, &["--since", "4h", "--until", "90m"]));
    assert!(!later.is_empty() && !earlier.is_empty());
    assert_eq!(&later | &earlier, all);

    // Fetched content is still delivered, and delivered content can still be fetched.
    assert_eq!(lines(&world.run(&["run", "--once"]), 0).len(), all.len());
    assert_eq!(ids(&fetch(&world, &["--since", "7d"])), all);
    let ecs = lines(&world.run(&["fetch", "--since", "4h", "--tenant", &world.tenant.id.to_string()]), 0);
    assert!(ecs.iter().all(|line| line.contains(r#""ecs":"#)), "as configured");
    assert_eq!(world.subscriptions_started(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_works_beside_a_source_that_runs() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    let _source = world.start().await;
    assert!(!fetch(&world, &["--since", "4h"]).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_anybody_to_ask_the_configuration_tells_the_tenants() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    let directory = world.path("data/m365");
    fs::create_dir_all(&directory).unwrap();
    let _held = RedbLedger::open(&directory, TimeDelta::days(7)).await.unwrap();
    let output = world.run(&["fetch", "--since", "4h"]);
    assert!(!lines(&output, 0).is_empty());
    assert!(text(&output.stderr).starts_with("Tenants that registered are not known here"), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_subscription_is_told_and_not_started() {
    let world = World::new(SimulatedTenant::contoso()).await;
    world.poll(|text| text);
    let output = world.run(&["fetch", "--since", "1h", "--content-type", "DLP.All"]);
    assert!(lines(&output, 1).is_empty());
    let said = text(&output.stderr);
    assert!(said.contains("`office365-source subscriptions start` does"), "{said}");
    assert_eq!((said.lines().count(), world.subscriptions_started()), (1, 0), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_told_and_the_rest_is_printed() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    world.simulator.break_tenant(
        world.tenant.id,
        TenantFault::ContentTypeForbidden(office365_source::content::ContentType::Exchange),
    );
    let output = world.run(&["fetch", "--since", "4h"]);
    assert!(!lines(&output, 1).is_empty());
    assert!(text(&output.stderr).starts_with("Audit.Exchange of tenant "), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_refused() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    for (arguments, code, expected) in [
        (&["--since", "8d"][..], 2, "the last 7 days"),
        (&["--since", "soon"], 2, "neither a time nor a duration"),
        (&["--since", "1h", "--until", "2h"], 2, "--until is not after --since"),
        (&["--since", "1h", "--content-type", "Audit.Teams"], 2, "the content types are"),
        (&["--since", "1h", "--tenant", "00000000-0000-0000-0000-000000000009"], 1, "is not collected"),
        (&[], 2, "--since"),
    ] {
        let output = world.run(&[&["fetch"], arguments].concat());
        assert!(lines(&output, code).is_empty());
        assert!(text(&output.stderr).contains(expected), "{expected}: {}", text(&output.stderr));
    }
    world.poll(|text| {
        let tenants = text.lines().find(|line| line.starts_with("tenants = ")).unwrap();
        let webhook = "[sources.m365.webhook]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://localhost/\"\ntls = { enabled = false }";
        text.replace("mode = \"poll\"", "mode = \"webhook\"").replace(tenants, webhook)
    });
    let output = world.run(&["fetch", "--since", "1h"]);
    assert!(lines(&output, 1).is_empty());
    assert!(text(&output.stderr).contains("there is no tenant yet"), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_mode_webhook_is_fetched_from_without_its_webhook() {
    let world = World::subscribed().await;
    world.webhook("https", "enabled = false").await;
    assert!(!fetch(&world, &["--since", "4h"]).is_empty(), "of the tenant that has registered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_may_have_enough() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    let mut child =
        world.command(&["fetch", "--since", "4h"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::with_capacity(1, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    assert!(first.ends_with("}\n"));
}
