//! `state`, as a user meets it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(unix, feature = "cli", feature = "simulator"))]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::Stdio,
};

use chrono::{TimeDelta, Utc};
use office365_source::{
    content::{ContentRef, ContentType, Feed},
    ledger::{BlobKey, ContentIntake, ContentQueue, RedbLedger},
};
use serde_json::Value;

use crate::{
    program::Process,
    support::patience,
    world::{World, lines, text},
};

fn shown(world: &World) -> Vec<Value> {
    serde_json::from_str(&lines(&world.run(&["state", "show", "--json"]), 0).join("\n")).unwrap()
}

fn events_of(world: &World) -> usize {
    lines(&world.run(&["run", "--once"]), 0).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_ledger_there_is_nothing_to_show_and_none_is_made() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    for arguments in [&["state", "show"][..], &["state", "retry-dead"], &["state", "export", "-"]] {
        let output = world.run(arguments);
        assert!(lines(&output, 1).is_empty());
        assert!(text(&output.stderr).contains("the source has not run yet"), "{}", text(&output.stderr));
    }
    assert!(!world.path("data").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn state_is_shown_exported_and_imported_so_that_nothing_is_delivered_twice() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    let delivered = events_of(&world);
    assert!(delivered > 30, "{delivered}");
    let feeds = shown(&world);
    assert_eq!(feeds.len(), 3);
    for feed in &feeds {
        assert_eq!((&feed["pending"], &feed["dead"], &feed["collected"]), (&0.into(), &0.into(), &true.into()));
        assert!(feed["lag_seconds"].as_u64().unwrap() < 600 && feed["oldest_pending"].is_null(), "{feed}");
    }
    let table = lines(&world.run(&["state", "show"]), 0);
    assert!(table[0].starts_with("TENANT") && table[0].ends_with("LAG") && table.len() == 4, "{table:?}");

    let file = world.path("state.ndjson");
    let to_file = ["state", "export", file.to_str().unwrap()];
    let exported = world.run(&to_file);
    assert!(lines(&exported, 0).is_empty());
    let on_stdout = lines(&world.run(&["state", "export", "-"]), 0);
    let in_file: Vec<_> = fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(on_stdout[1..], in_file[1..], "but for the time");
    assert!(in_file[0].starts_with(r#"{"office365_source_state":2,"source":"m365","#), "{}", in_file[0]);
    assert_eq!(in_file.last().unwrap(), &format!(r#"{{"end":{{"pieces":{}}}}}"#, in_file.len() - 2));
    let again = world.run(&to_file);
    assert!(lines(&again, 2).is_empty() && text(&again.stderr).contains("the file exists"));

    let into_its_own = world.run(&["state", "import", file.to_str().unwrap()]);
    assert!(lines(&into_its_own, 1).is_empty());
    assert!(text(&into_its_own.stderr).contains("there is a ledger already"), "{}", text(&into_its_own.stderr));

    // Another machine.
    world.poll(|text| text.replace("/data\"", "/elsewhere\""));
    for (change, expected) in [
        (in_file[..in_file.len() - 1].join("\n"), "it is not whole"),
        (in_file.join("\n").replace("state\":2", "state\":9"), "is exported state of version 9"),
        (String::new(), "is no exported state"),
    ] {
        let bad = world.path("bad.ndjson");
        fs::write(&bad, change).unwrap();
        let output = world.run(&["state", "import", bad.to_str().unwrap()]);
        assert!(lines(&output, 2).is_empty());
        let said = text(&output.stderr);
        assert!(said.contains(expected) && said.contains("Nothing was imported"), "{said}");
        assert_eq!(fs::read_dir(world.path("elsewhere/m365")).unwrap().count(), 0, "no part of a ledger");
    }
    let imported = world.run(&["state", "import", file.to_str().unwrap()]);
    assert!(lines(&imported, 0).is_empty());
    assert!(text(&imported.stderr).contains("3 feeds"), "{}", text(&imported.stderr));
    assert_eq!(fs::read_dir(world.path("elsewhere/m365")).unwrap().count(), 1, "the ledger and nothing else");
    assert_eq!(events_of(&world), 0, "all was delivered");
    assert_eq!(lines(&world.run(&["state", "export", "-"]), 0).len(), in_file.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn state_comes_through_pipes_and_readers_may_have_enough() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    events_of(&world);
    let mut export =
        world.command(&["state", "export", "-"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::with_capacity(1, export.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let output = export.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));

    let exported = world.run(&["state", "export", "-"]).stdout;
    world.poll(|text| text.replace("/data\"", "/elsewhere\""));
    let mut import =
        world.command(&["state", "import", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    import.stdin.take().unwrap().write_all(&exported).unwrap();
    let output = import.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(shown(&world).len(), 3);
}

/// Two dead blobs: of one the time is over.
async fn give_up_two(world: &World) {
    let directory = world.path("data/m365");
    fs::create_dir_all(&directory).unwrap();
    let ledger = RedbLedger::open(&directory, TimeDelta::days(7)).await.unwrap();
    let feed = Feed { tenant: world.tenant.id, content_type: ContentType::Exchange };
    let now = Utc::now();
    for (id, left) in [("held", TimeDelta::days(1)), ("over", TimeDelta::minutes(-1))] {
        let content = ContentRef {
            feed,
            content_id: id.to_owned(),
            content_uri: format!("{}/api/v1.0/{}/activity/feed/audit/{id}", world.base, feed.tenant),
            created: now - TimeDelta::days(6),
            expiration: Some(now + left),
        };
        ledger.record(feed, vec![content], None, now).await.unwrap();
        ledger.dead_letter(BlobKey { feed, content_id: id.to_owned() }, "404".to_owned(), now).await.unwrap();
    }
}

fn exchange(feeds: &[Value]) -> &Value {
    feeds.iter().find(|feed| feed["content_type"] == "Audit.Exchange").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_content_is_tried_again_as_long_as_microsoft_holds_it() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    give_up_two(&world).await;
    assert_eq!(exchange(&shown(&world))["dead"], 2);
    let other = lines(&world.run(&["state", "retry-dead", "--content-type", "DLP.All"]), 0);
    assert_eq!(other, ["Pending again: 0 blobs."]);
    let revived = lines(&world.run(&["state", "retry-dead", "--tenant", &world.tenant.id.to_string()]), 0);
    let expected = [
        "Pending again: 1 blob.",
        "The source fetches them when it runs.",
        "Past their time, and lost to this pipeline: 1 blob.",
    ];
    assert_eq!(revived, expected);
    let feeds = shown(&world);
    assert_eq!((&exchange(&feeds)["dead"], &exchange(&feeds)["pending"]), (&1.into(), &1.into()));
    assert!(exchange(&feeds)["lag_seconds"].as_u64().unwrap() >= 6 * 86_400, "{feeds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_runs_is_asked_and_fetches_what_is_revived() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    give_up_two(&world).await;
    let _source = world.start().await;
    let is_of_it = |line: &&str| line.contains("was given up") && line.contains("content_id=held");
    let given_up = || fs::read_to_string(world.path("log")).unwrap().lines().filter(is_of_it).count();
    assert_eq!((exchange(&shown(&world))["dead"].clone(), given_up()), (2.into(), 0));
    let revived = lines(&world.run(&["state", "retry-dead"]), 0);
    assert_eq!(revived[1], "The source fetches them now.");
    // Microsoft does not know it.
    let log = || fs::read_to_string(world.path("log")).unwrap();
    patience::until("it is given up again", || given_up() > 0, log).await;
    assert_eq!(exchange(&shown(&world))["dead"], 2);
    let exported = lines(&world.run(&["state", "export", "-"]), 0);
    assert!(exported.iter().any(|line| line.contains(r#""content_id":"held""#)), "{exported:?}");
    assert!(exported.last().unwrap().starts_with(r#"{"end":"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_in_use_and_cannot_be_asked_for_is_told() {
    let world = World::subscribed().await;
    world.poll(|text| text);
    let directory = world.path("data/m365");
    fs::create_dir_all(&directory).unwrap();
    let _held = RedbLedger::open(&directory, TimeDelta::days(7)).await.unwrap();
    let output = world.run(&["state", "show"]);
    assert!(lines(&output, 1).is_empty());
    assert!(text(&output.stderr).contains("cannot be asked; stop it first"), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_path_is_too_long_for_a_socket_the_ledger_answers_while_no_source_runs() {
    let world = World::subscribed().await;
    let name = "d".repeat(120);
    world.poll(|text| text.replace("/data\"", &format!("/{name}\"")));
    assert!(events_of(&world) > 30);
    assert_eq!(shown(&world).len(), 3);
    let log = || fs::read_to_string(world.path("log")).unwrap();
    let mut command = world.command(&["run"]);
    let running = command.stdout(Stdio::null()).stderr(fs::File::create(world.path("log")).unwrap()).spawn().unwrap();
    let mut running = Process::from(running);
    patience::until("the source runs", || log().contains("No control socket"), log).await;
    let refused = world.run(&["state", "show"]);
    assert!(lines(&refused, 1).is_empty());
    assert!(text(&refused.stderr).contains("cannot be asked; stop it first"), "{}", text(&refused.stderr));
    running.signal("TERM");
    running.wait(&log).await;
}
