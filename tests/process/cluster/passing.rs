//! Runs that end by themselves, and commands where no collector runs: they work on what nobody else works on.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use assert_cmd::cargo::cargo_bin;
use chrono::TimeDelta;
use office365_source::ledger::{IdRetention, NatsLedger, NatsOptions};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::{
    link::Link,
    one_server,
    world::{GAVE_BACK, TENANTS, TOOK, World},
};
use crate::program::Process;

fn told(output: &std::process::Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_end_go_on_where_the_one_before_ended_on_any_machine() {
    let Some((_turn, mut world)) = one_server().await else { return };
    let nothing = world.output("one", &["state", "show"]).await;
    assert!(told(&nothing).contains("there is no state in NATS with state.prefix = \"o365\""), "{}", told(&nothing));

    let before = world.existing();
    let first = world.output("one", &["run", "--once", "-v"]).await;
    assert!(first.status.success(), "{}", told(&first));
    assert_eq!(world.missing(&before), 0);
    let more = world.existing();
    let second = world.output("two", &["run", "--once", "-v"]).await;
    assert!(second.status.success(), "{}", told(&second));
    for run in [&first, &second] {
        assert_eq!(told(run).matches(TOOK).count(), TENANTS);
        assert_eq!(told(run).matches(GAVE_BACK).count(), TENANTS);
    }
    assert_eq!(world.missing(&more), 0);

    // No collector runs, and this machine never had one.
    let state = world.output("three", &["state", "show"]).await;
    assert!(state.status.success(), "{}", told(&state));
    let rows = told(&state).matches("Audit.Exchange").count();
    assert_eq!((rows, told(&state).contains("leaves out")), (TENANTS, false), "{}", told(&state));
    let exported = world.output("three", &["state", "export", "-"]).await;
    assert!(exported.status.success(), "{}", told(&exported));
    // At least a line for each blob of the backlog.
    assert!(told(&exported).lines().count() > TENANTS * 5 * 15, "{}", told(&exported));

    // What commands took is free again: nobody waits for a lease.
    let mut process = world.start("one");
    world.until("all tenants are taken", || world.log("one").matches(TOOK).count() == TENANTS).await;
    process.signal("TERM");
    assert_eq!(process.wait(&|| world.logs()).await, 0);
    assert_eq!(world.check(), 0);

    // What is fetched for once concerns nobody's state.
    world.servers[0].stop();
    let fetched = world.output("one", &["fetch", "--since", "1h"]).await;
    assert!(fetched.status.success(), "{}", told(&fetched));
    assert!(String::from_utf8_lossy(&fetched.stdout).lines().count() > 0);
    assert!(told(&fetched).contains("Tenants that registered are not known here"), "{}", told(&fetched));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_and_commands_leave_out_what_collectors_work_on() {
    let Some((_turn, world)) = one_server().await else { return };
    let process = world.start("one");
    world.until("it has all tenants", || world.log("one").matches(TOOK).count() == TENANTS).await;
    let run = world.output("two", &["run", "--once", "-v"]).await;
    assert!(run.status.success(), "{}", told(&run));
    assert_eq!(told(&run).matches("Another collector works on this tenant").count(), TENANTS, "{}", told(&run));
    let left_out = format!("Other collectors work on {TENANTS} tenants, which were left out.");
    assert!(told(&run).contains(&left_out), "{}", told(&run));
    assert_eq!(world.lines("two"), 0);
    // To look takes nothing, and leaves nothing out.
    let state = world.output("two", &["state", "show"]).await;
    assert!(state.status.success(), "{}", told(&state));
    assert_eq!(told(&state).matches("Audit.Exchange").count(), TENANTS, "{}", told(&state));
    let revived = world.output("two", &["state", "retry-dead"]).await;
    assert_eq!(revived.status.code(), Some(1), "{}", told(&revived));
    assert_eq!(told(&revived).matches("is left out: the collector on").count(), TENANTS, "{}", told(&revived));
    assert_eq!(world.log("one").matches(GAVE_BACK).count(), 0);

    // One that was killed is waited for, as its lease still runs.
    process.signal("KILL");
    let before = world.existing();
    let run = world.output("two", &["run", "--once", "-v"]).await;
    assert!(run.status.success(), "{}", told(&run));
    assert_eq!(told(&run).matches(TOOK).count(), TENANTS, "{}", told(&run));
    assert_eq!(world.missing(&before), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_ends_goes_on_after_its_lease_has_run_out() {
    let Some((_turn, world)) = one_server().await else { return };
    let link = Link::to(vec![world.servers[0].address().to_owned()]).await;
    let existing = world.existing();
    let mut process = world.start_once("one", &[link.url()]);
    world.until("it delivers", || world.lines("one") > 50).await;
    link.is_open.send_replace(false);
    world.until("its lease runs out", || world.log("one").contains("has not renewed the lease")).await;
    link.is_open.send_replace(true);
    assert_eq!(process.wait(&|| world.logs()).await, 0);
    assert_eq!((world.missing(&existing), world.check()), (0, 0));
}

/// The configuration of a member, changed, in a file of its own.
fn changed(world: &World, member: &str, name: &str, change: impl Fn(&str) -> String) -> PathBuf {
    let text = fs::read_to_string(world.path(member, "config.toml")).unwrap();
    let path = world.path(member, name);
    fs::write(&path, change(&text)).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_has_one_collector_whether_it_shares_its_state_or_not() {
    let Some((_turn, world)) = one_server().await else { return };
    let mut member = world.start("one");
    world.until("it delivers", || world.lines("one") > 50).await;
    let own_ledger = |text: &str| text.split_once("[sources.m365.state]").unwrap().0.to_owned();
    let other_file = |text: &str| text.replace("events.ndjson", "other.ndjson");
    let alone = changed(&world, "one", "alone.toml", own_ledger);
    let run = |config: PathBuf| {
        let mut command = Command::new(cargo_bin!("office365-source"));
        command.args(["run", "--config"]).arg(config);
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let beside = changed(&world, "one", "beside.toml", |text| other_file(&own_ledger(text)));
    let refused = run(beside).await.unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", told(&refused));
    assert!(told(&refused).contains("in use"), "{}", told(&refused));
    member.signal("TERM");
    assert_eq!(member.wait(&|| world.logs()).await, 0);

    let before = world.lines("one");
    let mut alone = world.start_on("one", &alone);
    world.until("it delivers anew", || world.lines("one") > before).await;
    assert!(world.log("one").contains("has shared its state before"), "{}", world.log("one"));
    let refused = run(changed(&world, "one", "beside.toml", other_file)).await.unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", told(&refused));
    assert!(told(&refused).contains("in use"), "{}", told(&refused));
    alone.signal("TERM");
    assert_eq!(alone.wait(&|| world.logs()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn collectors_end_when_the_stream_is_deleted_and_the_next_start_makes_a_new_one() {
    let Some((_turn, world)) = one_server().await else { return };
    let mut process = world.start("one");
    world.until("it delivers", || world.lines("one") > 50).await;
    let client = async_nats::connect(world.servers[0].url()).await.unwrap();
    async_nats::jetstream::new(client).delete_stream("KV_o365_state").await.unwrap();
    assert_eq!(process.wait(&|| world.logs()).await, 1);
    assert!(world.log("one").contains("the bucket of JetStream was deleted"), "{}", world.log("one"));
    let taken = world.log("one").matches(TOOK).count();
    let mut process = world.start("one");
    world.until("it has all tenants", || world.log("one").matches(TOOK).count() >= taken + TENANTS).await;
    world.until_all_is_written().await;
    process.signal("TERM");
    assert_eq!(process.wait(&|| world.logs()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_a_signal_ends_gives_its_tenants_back() {
    let Some((_turn, world)) = one_server().await else { return };
    // Makes the bucket, and a configuration to change.
    let first = world.output("one", &["run", "--once"]).await;
    assert!(first.status.success(), "{}", told(&first));
    let directory = TempDir::new().unwrap();
    let options = NatsOptions { replicas: 1, ..NatsOptions::new(vec![world.servers[0].url()], "o365") };
    let ledger = NatsLedger::open(&options, directory.path(), IdRetention::from(TimeDelta::days(7))).await.unwrap();
    let owned = async || {
        let mut count = 0;
        for tenant in ledger.tenants_with_rows().await.unwrap() {
            count += usize::from(ledger.owner(tenant).await.unwrap().session.is_some());
        }
        count
    };
    for signal in ["INT", "TERM"] {
        // Microsoft takes the connection, and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = changed(&world, "one", "silent.toml", |text| {
            text.replace(world.base(), &format!("http://{}", silent.local_addr().unwrap()))
        });
        assert_eq!(owned().await, 0);
        let mut command = Command::new(cargo_bin!("office365-source"));
        command.args(["subscriptions", "start", "--config"]).arg(config);
        let silenced = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Process::from(silenced.spawn().unwrap());
        let _asked = silent.accept().await.unwrap();
        assert_eq!(owned().await, TENANTS);
        process.signal(signal);
        process.wait(&|| world.logs()).await;
        assert_eq!(owned().await, 0, "after {signal}");
    }
}
