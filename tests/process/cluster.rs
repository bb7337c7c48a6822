//! Several collectors that share their state through a real NATS server: killed, stopped, and cut off from it.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![cfg(all(unix, feature = "cli", feature = "nats", feature = "simulator"))]

mod link;
mod logins;
mod passing;
mod world;

use std::{collections::BTreeMap, fs, process::Command, sync::Arc};

use assert_cmd::cargo::cargo_bin;
use office365_source::transport::{HttpTransport, TransportOptions};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use self::{
    link::Link,
    world::{IN_FLIGHT, LOST, MEMBERS, TENANTS, TOOK, World},
};
use crate::{
    nats_server::{NatsServer, obstacle},
    support::webhook::Notifying,
};

/// Held by the tests that run: each has several processes busy. More of them at once would collect less than comes meanwhile.
static TURNS: Semaphore = Semaphore::const_new(3);

async fn turn() -> SemaphorePermit<'static> {
    TURNS.acquire().await.unwrap()
}

/// Says why this cannot be tested here, if so.
fn skips() -> bool {
    if let Some(obstacle) = obstacle() {
        eprintln!("skipped: {obstacle}");
        return true;
    }
    false
}

/// A world with one server, and the turn to use it; nothing where there is none.
async fn one_server() -> Option<(SemaphorePermit<'static>, World)> {
    if skips() {
        return None;
    }
    let turn = turn().await;
    Some((turn, World::new(vec![NatsServer::start()]).await))
}

#[tokio::test(flavor = "multi_thread")]
async fn members_share_the_tenants_and_take_over_those_of_one_that_is_killed_or_stopped() {
    let Some((_turn, world)) = one_server().await else { return };
    let mut processes = MEMBERS.map(|member| (member, world.start(member))).into_iter().collect::<BTreeMap<_, _>>();
    // Each has a share, and delivers events of it.
    for member in MEMBERS {
        world.until(&format!("{member} delivers"), || world.lines(member) > 50).await;
    }

    let has = |member: &str| world.holds(member);
    processes["one"].signal("KILL");
    world.until("the others take its tenants", || has("two") + has("three") == TENANTS).await;

    // It sleeps for longer than its lease, in the middle of its work.
    processes["two"].signal("STOP");
    world.until("the last one takes its tenants", || has("three") == TENANTS).await;
    processes["two"].signal("CONT");
    world.until("it knows that it has lost them", || world.log("two").contains(LOST)).await;

    // It comes back, and gets a share again.
    let before = world.log("one").matches(TOOK).count();
    processes.insert("one", world.start("one"));
    world.until("it has a share again", || world.log("one").matches(TOOK).count() > before).await;

    world.until_all_is_written().await;
    for (member, process) in &mut processes {
        process.signal("TERM");
        assert_eq!(process.wait(&|| world.logs()).await, 0, "{member}");
    }
    let repeated = world.check();
    assert!(repeated <= 2 * IN_FLIGHT, "{repeated} events were written twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_costs_nothing() {
    let Some((_turn, mut world)) = one_server().await else { return };
    let mut process = world.start("one");
    world.until("it delivers", || world.lines("one") > 200).await;
    world.servers[0].restart();
    world.until_all_is_written().await;
    process.signal("TERM");
    assert_eq!(process.wait(&|| world.logs()).await, 0);
    assert_eq!(world.check(), 0);

    // Another machine goes on where it has ended.
    let mut other = world.start("two");
    world.until_more_is_written().await;
    other.signal("TERM");
    assert_eq!(other.wait(&|| world.logs()).await, 0);
    assert_eq!(world.check(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_cut_off_from_nats_leaves_its_tenants_to_the_others_until_it_is_back() {
    let Some((_turn, world)) = one_server().await else { return };
    let link = Link::to(vec![world.servers[0].address().to_owned()]).await;
    let mut processes = [world.start("one"), world.start_with("two", &[link.url()])];
    for member in ["one", "two"] {
        world.until(&format!("{member} delivers"), || world.lines(member) > 50).await;
    }
    let before = world.log("two").matches(TOOK).count();
    link.is_open.send_replace(false);
    world.until("it stops", || world.log("two").contains("has not renewed the lease")).await;
    world.until("the other takes its tenants", || world.holds("one") == TENANTS).await;
    link.is_open.send_replace(true);
    world.until("it has a share again", || world.log("two").matches(TOOK).count() > before).await;
    world.until_all_is_written().await;
    for process in &mut processes {
        process.signal("TERM");
        assert_eq!(process.wait(&|| world.logs()).await, 0);
    }
    let repeated = world.check();
    assert!(repeated <= IN_FLIGHT, "{repeated} events were written twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_servers_can_be_lost_and_all_can_be_restarted() {
    if skips() {
        return;
    }
    let _turn = turn().await;
    let mut world = World::new(NatsServer::cluster(3)).await;
    let mut processes = MEMBERS.map(|member| world.start(member));
    for member in MEMBERS {
        world.until(&format!("{member} delivers"), || world.lines(member) > 50).await;
    }
    world.servers[0].stop();
    world.until_all_is_written().await;
    for server in &mut world.servers {
        server.stop();
    }
    for server in &mut world.servers {
        server.restart();
    }
    world.until_more_is_written().await;
    for process in &mut processes {
        process.signal("TERM");
        assert_eq!(process.wait(&|| world.logs()).await, 0);
    }
    assert!(world.check() <= MEMBERS.len() * IN_FLIGHT);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_member_may_be_notified_and_the_owner_collects() {
    if skips() {
        return;
    }
    let _turn = turn().await;
    let balancer = Link::to(Vec::new()).await;
    let url = format!("http://{}/wh/o365/", balancer.address);
    let world = World::of(vec![NatsServer::start()], Some(url)).await;
    let _notifying =
        Notifying::start(&world.simulator, Arc::new(HttpTransport::new(&TransportOptions::default()).unwrap()));
    let mut processes = MEMBERS.map(|member| world.start(member));
    for member in MEMBERS {
        world.until(&format!("{member} listens"), || world.webhook_address(member).is_some()).await;
    }
    *balancer.leads_to.lock().unwrap() = MEMBERS.iter().filter_map(|member| world.webhook_address(member)).collect();
    world.until("all tenants are notified of", || world.notified() > 0).await;
    world.until_all_is_written().await;
    // One that is killed leaves its tenants and its part of the notifications to the others.
    processes[0].signal("KILL");
    world.until("the others take its tenants", || world.holds("two") + world.holds("three") == TENANTS).await;
    let before = world.notified();
    world.until("more is notified", || world.notified() > before + 20).await;
    world.until_all_is_written().await;
    for process in &mut processes[1..] {
        process.signal("TERM");
        assert_eq!(process.wait(&|| world.logs()).await, 0);
    }
    assert!(world.check() <= IN_FLIGHT);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_of_a_cluster_ends_with_nothing_missing() {
    if skips() {
        return;
    }
    let _turn = turn().await;
    let directory = TempDir::new().unwrap();
    let mut command = Command::new(cargo_bin!("office365-source"));
    command.args(["demo", "--cluster", "--seconds", "1"]).env("TMPDIR", directory.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}");
    assert!(told.contains("  collector 3: "), "{told}");
    let missing = told.lines().find_map(|line| line.strip_prefix("missing")).map(str::trim);
    assert_eq!(missing, Some("0"), "{told}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left behind");
}
