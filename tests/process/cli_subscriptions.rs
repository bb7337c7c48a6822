//! `subscriptions`, as a user meets it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(unix, feature = "cli", feature = "simulator"))]

use std::fs;

use office365_source::simulator::{SimulatedTenant, TenantFault};
use serde_json::Value;

use crate::{
    support::patience,
    world::{World, lines, text},
};

/// Content types and statuses: of those that are collected, unless others are asked for.
fn statuses(world: &World, arguments: &[&str]) -> Vec<(String, String)> {
    let output = world.run(&[&["subscriptions", "list", "--json"], arguments].concat());
    let listed: Vec<Value> = serde_json::from_str(&lines(&output, 0).join("\n")).unwrap();
    let shown = |entry: &Value, member: &str| entry[member].as_str().unwrap_or("-").to_owned();
    let is_meant = |entry: &&Value| entry["collected"] == true || !arguments.is_empty();
    listed.iter().filter(is_meant).map(|entry| (shown(entry, "content_type"), shown(entry, "status"))).collect()
}

fn of_three(status: &str) -> Vec<(String, String)> {
    ["Audit.AzureActiveDirectory", "Audit.Exchange", "DLP.All"]
        .map(|content_type| (content_type.to_owned(), status.to_owned()))
        .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_started_listed_and_stopped_without_a_ledger() {
    let world = World::new(SimulatedTenant::contoso()).await;
    world.poll(|text| text);
    assert_eq!(statuses(&world, &[]), of_three("missing"));
    let started = lines(&world.run(&["subscriptions", "start", "--content-type", "audit.exchange,DLP.All"]), 0);
    let tenant = world.tenant.id;
    assert_eq!(
        started,
        [format!("Audit.Exchange of tenant {tenant}: started"), format!("DLP.All of tenant {tenant}: started")]
    );
    assert_eq!(world.subscriptions_started(), 2);
    let again = lines(&world.run(&["subscriptions", "start", "--content-type", "DLP.All"]), 0);
    assert_eq!(again, [format!("DLP.All of tenant {tenant}: enabled already, nothing was changed")]);
    assert_eq!(world.subscriptions_started(), 2, "the list is looked at first");

    let stopped = world.run(&["subscriptions", "stop", "--yes", "--content-type", "DLP.All"]);
    assert_eq!(lines(&stopped, 0), [format!("DLP.All of tenant {tenant}: stopped")]);
    assert_eq!(statuses(&world, &["--content-type", "DLP.All"]), [("DLP.All".to_owned(), "disabled".to_owned())]);
    assert_eq!(
        statuses(&world, &["--content-type", "Audit.General"]),
        [("Audit.General".to_owned(), "missing".to_owned())],
        "what is asked for is shown, collected or not"
    );
    assert!(!world.path("data").exists(), "this is no installation");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_asks_and_says_what_it_means() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    let output = world.run(&["subscriptions", "stop"]);
    assert!(lines(&output, 2).is_empty());
    let said = text(&output.stderr);
    for expected in ["lost for good", "starts it again", "write --yes to stop the subscriptions"] {
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(statuses(&world, &["--content-type", "Audit.Exchange"])[0].1, "enabled");
    let table = lines(&world.run(&["subscriptions", "list"]), 0);
    let other = table.iter().find(|row| row.contains("Audit.General")).unwrap();
    assert!(other.contains("enabled, not collected"), "{table:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_runs_is_asked_and_its_starts_count() {
    let world = World::new(SimulatedTenant::contoso()).await;
    world.poll(|text| text);
    let _source = world.start().await;
    let log = || fs::read_to_string(world.path("log")).unwrap();
    patience::until("all are started", || world.subscriptions_started() == 3, log).await;
    assert_eq!(statuses(&world, &[]), of_three("enabled"));
    let exchange = ["--content-type", "Audit.Exchange"];
    let stopped = world.run(&[&["subscriptions", "stop", "--yes"], &exchange[..]].concat());
    assert!(lines(&stopped, 0)[0].ends_with(": stopped"));
    let refused = world.run(&[&["subscriptions", "start"], &exchange[..]].concat());
    let refused = lines(&refused, 1);
    assert!(refused[0].contains(": NOT STARTED: ") && refused[0].contains("every 15 minutes"), "{refused:?}");
    assert_eq!(world.subscriptions_started(), 3, "Microsoft was not asked again");
    let table = lines(&world.run(&["subscriptions", "list"]), 0);
    assert!(table[0].starts_with("TENANT") && table[0].ends_with("LAST STARTED"), "{table:?}");
    let row = table.iter().find(|row| row.contains("Audit.Exchange")).unwrap();
    assert!(row.starts_with("contoso.com") && row.contains("disabled") && row.ends_with(" UTC"), "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_refused() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    let unknown = world.run(&["subscriptions", "list", "--tenant", "00000000-0000-0000-0000-000000000009"]);
    assert!(lines(&unknown, 1).is_empty());
    assert!(text(&unknown.stderr).contains("is not collected; `office365-source tenants list`"));
    let unknown = world.run(&["subscriptions", "start", "--content-type", "Audit.Teams"]);
    assert!(lines(&unknown, 2).is_empty() && text(&unknown.stderr).contains("the content types are"));

    let file = world.path("config.toml");
    let one = fs::read_to_string(&file).unwrap();
    let block = &one[one.find("[sources.m365]").unwrap()..one.find("[sinks.out]").unwrap()];
    fs::write(
        &file,
        format!("{one}\n{}", block.replace("sources.m365", "sources.other"))
            .replace("inputs = [\"m365\"]", "inputs = [\"m365\", \"other\"]"),
    )
    .unwrap();
    let several = world.run(&["subscriptions", "list"]);
    assert!(lines(&several, 2).is_empty());
    assert!(text(&several.stderr).contains("write --source m365 or --source other"), "{}", text(&several.stderr));
    assert_eq!(statuses(&world, &["--source", "other", "--content-type", "DLP.All"])[0].1, "enabled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_in_trouble_is_told() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    world.simulator.break_tenant(world.tenant.id, TenantFault::ConsentRevoked);
    let output = world.run(&["subscriptions", "list"]);
    let table = lines(&output, 1);
    assert!(table[1].contains("unknown"), "{table:?}");
    assert!(text(&output.stderr).contains("AADSTS65001"), "{}", text(&output.stderr));
    let output = world.run(&["subscriptions", "stop", "--yes", "--json"]);
    let changes: Vec<Value> = serde_json::from_str(&lines(&output, 1).join("\n")).unwrap();
    assert_eq!(changes.len(), 3);
    assert!(changes.iter().all(|change| change["outcome"] == "failed" && change["problem"].is_string()), "{changes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_started_by_the_source_that_serves_it() {
    let world = World::subscribed().await;
    world.webhook("https", "enabled = false").await;
    let output = world.run(&["subscriptions", "start"]);
    assert!(lines(&output, 1).is_empty());
    assert!(text(&output.stderr).contains("start the source with `office365-source run`"), "{}", text(&output.stderr));
    assert_eq!(statuses(&world, &[]), of_three("enabled"), "the tenant has registered");
}
