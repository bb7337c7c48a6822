//! Runs that end by themselves, and commands where no collector runs: they work on what nobody else works on.

use super::{
    TURN, skips,
    world::{GAVE_BACK, TENANTS, TOOK, World},
};
use crate::nats_server::NatsServer;

fn told(output: &std::process::Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_end_go_on_where_the_one_before_ended_on_any_machine() {
    if skips() {
        return;
    }
    let _turn = TURN.lock().await;
    let mut world = World::new(vec![NatsServer::start()]).await;
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
    if skips() {
        return;
    }
    let _turn = TURN.lock().await;
    let world = World::new(vec![NatsServer::start()]).await;
    let process = world.start("one");
    world.until("it has all tenants", || world.log("one").matches(TOOK).count() == TENANTS).await;
    let run = world.output("two", &["run", "--once", "-v"]).await;
    assert!(run.status.success(), "{}", told(&run));
    assert_eq!(told(&run).matches("Another collector works on this tenant").count(), TENANTS, "{}", told(&run));
    assert_eq!(world.lines("two"), 0);
    let state = world.output("two", &["state", "show"]).await;
    assert!(state.status.success(), "{}", told(&state));
    let expected = format!("This leaves out {TENANTS} tenants, on which other collectors work (");
    assert!(told(&state).contains(&expected), "{}", told(&state));

    // One that was killed is waited for, as its lease still runs.
    process.signal("KILL");
    let before = world.existing();
    let run = world.output("two", &["run", "--once", "-v"]).await;
    assert!(run.status.success(), "{}", told(&run));
    assert_eq!(told(&run).matches(TOOK).count(), TENANTS, "{}", told(&run));
    assert_eq!(world.missing(&before), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn collectors_end_when_the_stream_is_deleted_and_the_next_start_makes_a_new_one() {
    if skips() {
        return;
    }
    let _turn = TURN.lock().await;
    let world = World::new(vec![NatsServer::start()]).await;
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
