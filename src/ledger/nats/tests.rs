use std::{collections::BTreeSet, path::Path, sync::atomic::Ordering};

use bytes::Bytes;
use chrono::TimeDelta;
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::{connection::Connection, *};
use crate::{
    content::{ContentType, Feed, TenantId},
    ledger::{
        BlobKey, ContentIntake, ContentQueue, Counts, CoverageStore, CursorMove, DeliveredBatch, DeliveredEvents,
        EventCount, EventKey, ExportPosition, Piece, SearchStep, SubscriptionStore, TenantStore, Transfer, Upkeep,
        Wanted,
        contract::{DEDUPE_WINDOW, Storage, claim_all, content, day, feed, ids, request, time},
    },
    nats_server::{self, NatsServer},
};

contract_tests!(TestBucket);

/// A server, and a member's directory.
struct TestBucket {
    server: NatsServer,
    directory: TempDir,
}

impl Default for TestBucket {
    fn default() -> Self {
        Self { server: NatsServer::start(), directory: TempDir::new().unwrap() }
    }
}

impl Storage for TestBucket {
    type Ledger = NatsLedger;

    fn obstacle() -> Option<&'static str> {
        nats_server::obstacle()
    }

    async fn open(&self) -> NatsLedger {
        // The writer of the ledger before ends when it sees that its last handle is gone.
        tokio::task::yield_now().await;
        let ledger = open(&self.server, self.directory.path()).await;
        ledger.renew(&member(&ledger)).await.unwrap();
        // The tenants of the suite.
        for number in (0..10).chain([u128::MAX]) {
            take(&ledger, TenantId(Uuid::from_u128(number))).await;
        }
        ledger
    }
}

fn options(server: &NatsServer, login: NatsLogin) -> NatsOptions {
    NatsOptions { login, ..NatsOptions::new(vec![server.url()], "test") }
}

async fn open(server: &NatsServer, directory: &Path) -> NatsLedger {
    NatsLedger::open(&options(server, NatsLogin::Anonymous), directory, DEDUPE_WINDOW).await.unwrap()
}

fn member(ledger: &NatsLedger) -> Member {
    Member { session: ledger.session().to_owned(), host: "test".to_owned(), ..Member::default() }
}

/// Takes a tenant from whoever has it.
async fn take(ledger: &NatsLedger, tenant: TenantId) {
    let owner = ledger.owner(tenant).await.unwrap();
    assert!(ledger.take(tenant, &owner).await.unwrap());
}

/// Two members of one cluster, or nothing where there is no server.
async fn two_members() -> Option<(NatsServer, [NatsLedger; 2], [TempDir; 2])> {
    if let Some(obstacle) = nats_server::obstacle() {
        eprintln!("skipped: {obstacle}");
        return None;
    }
    let (server, directories) = (NatsServer::start(), [TempDir::new().unwrap(), TempDir::new().unwrap()]);
    let members = [open(&server, directories[0].path()).await, open(&server, directories[1].path()).await];
    for ledger in &members {
        ledger.renew(&member(ledger)).await.unwrap();
    }
    Some((server, members, directories))
}

/// All that a member has.
async fn everything(ledger: &NatsLedger) -> BTreeSet<String> {
    let (mut found, mut position) = (BTreeSet::new(), Some(ExportPosition::Beginning));
    while let Some(from) = position {
        let page = ledger.export(from).await.unwrap();
        for piece in page.pieces {
            match piece {
                // How many come together is of no importance.
                Piece::Delivered(record) => {
                    found.extend(record.events.iter().map(|key| format!("{} {key:?}", record.day)));
                }
                piece => drop(found.insert(serde_json::to_string(&piece).unwrap())),
            }
        }
        position = page.next;
    }
    found
}

#[tokio::test]
async fn what_a_member_writes_after_another_took_its_tenant_does_not_count() {
    let Some((_server, [one, two], _directories)) = two_members().await else { return };
    let a = feed(1, ContentType::Exchange);
    take(&one, a.tenant).await;
    let step = |secs: i64| Some(CursorMove::ListedThrough(time(secs)));
    one.record(a, vec![content(a, "x", time(0))], step(10), time(0)).await.unwrap();
    let held = one.claim(a, Wanted::Any).await.unwrap().unwrap();
    let mut lost = one.lost();

    take(&two, a.tenant).await;
    // The first one does not know it yet.
    assert_eq!(one.owned(), [a.tenant]);
    let refused = one.record(a, vec![content(a, "y", time(5))], step(10_000), time(0)).await.unwrap_err();
    assert!(refused.is_taken(), "{refused}");
    assert!(lost.has_changed().unwrap());
    lost.mark_unchanged();
    assert!(one.owned().is_empty());
    one.complete(BlobKey::from(&held.content), DeliveredBatch::default(), time(1)).await.unwrap();
    assert_eq!(one.claim(a, Wanted::Any).await.unwrap(), None);

    assert_eq!(ids(&claim_all(&two, a, 9, Wanted::Any).await), ["x"]);
    assert_eq!(two.cursor(a).await.unwrap().listed_through, Some(time(10)));
    // Nor in the bucket.
    take(&one, a.tenant).await;
    assert_eq!(ids(&claim_all(&one, a, 9, Wanted::Any).await), ["x"]);
    assert_eq!(one.cursor(a).await.unwrap().listed_through, Some(time(10)));
}

#[tokio::test]
async fn a_caller_that_stops_waiting_leaves_no_cursor_without_its_content() {
    let Some((_server, [one, two], _directories)) = two_members().await else { return };
    let a = feed(1, ContentType::Exchange);
    let blob = |number: i64| content(a, &number.to_string(), time(number));
    take(&one, a.tenant).await;
    let mut waited_for = Vec::new();
    for number in 1..200 {
        let through = Some(CursorMove::ListedThrough(time(number * 10_000)));
        let recording = one.record(a, vec![blob(number)], through, time(0));
        // Stopped at any of its steps, as a poller is whose tenant goes.
        tokio::select! {
            biased;
            recorded = recording => {
                recorded.unwrap();
                waited_for.push(number);
            }
            () = yields(number % 11) => {}
        }
        // It writes the row that has the cursor, too.
        one.note_subscription_attempt(a, time(number)).await.unwrap();
        if number % 20 == 0 {
            take(&two, a.tenant).await;
            let through = two.cursor(a).await.unwrap().listed_through;
            // What was recorded with the cursor, and what its caller has waited for.
            let newest = (1..=number).find(|number| Some(time(number * 10_000)) == through);
            let listed = newest.into_iter().chain(waited_for.iter().copied());
            let unknown = two.unknown(listed.map(blob).collect()).await.unwrap();
            assert!(unknown.is_empty(), "{through:?}: {unknown:?}");
            take(&one, a.tenant).await;
        }
    }
}

async fn yields(times: i64) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_owner_of_a_tenant_is_there_from_before_it_takes_it() {
    let Some((server, [one, two], _directories)) = two_members().await else { return };
    let tenant = feed(1, ContentType::Exchange).tenant;
    take(&one, tenant).await;
    let owner = two.owner(tenant).await.unwrap();
    assert!(two.is_there(&owner).await.unwrap());
    one.resign().await.unwrap();
    assert!(!two.is_there(&owner).await.unwrap());
    drop(server);
}

#[tokio::test]
async fn a_tenant_is_taken_once() {
    let Some((_server, [one, two], _directories)) = two_members().await else { return };
    let tenant = feed(1, ContentType::Exchange).tenant;
    let owner = one.owner(tenant).await.unwrap();
    assert_eq!(owner.session, None);
    let (first, second) = tokio::join!(one.take(tenant, &owner), two.take(tenant, &owner));
    assert_eq!(u8::from(first.unwrap()) + u8::from(second.unwrap()), 1);
    let owner = two.owner(tenant).await.unwrap().session.unwrap();
    assert!(owner == one.session() || owner == two.session());
}

#[tokio::test]
async fn a_member_whose_lease_has_run_out_begins_nothing_until_it_knows_what_is_its_own() {
    let Some((_server, [one, two], _directories)) = two_members().await else { return };
    let (a, b) = (feed(1, ContentType::Exchange), feed(2, ContentType::Exchange));
    for of in [a, b] {
        take(&one, of.tenant).await;
        one.record(of, vec![content(of, "x", time(0))], None, time(0)).await.unwrap();
    }
    one.owned.renew(tokio::time::Instant::now());
    assert_eq!(one.claim(a, Wanted::Any).await.unwrap(), None);
    take(&two, a.tenant).await;
    // The lease is renewed, but what happened in the gap is not known yet.
    one.renew(&member(&one)).await.unwrap();
    assert_eq!(one.claim(b, Wanted::Any).await.unwrap(), None);
    one.confirm().await.unwrap();
    assert_eq!(one.owned(), [b.tenant]);
    assert!(one.claim(b, Wanted::Any).await.unwrap().is_some());
    assert_eq!(one.claim(a, Wanted::Any).await.unwrap(), None);
}

#[tokio::test]
async fn an_outage_of_the_server_is_waited_for() {
    let Some((mut server, [one, two], _directories)) = two_members().await else { return };
    let a = feed(1, ContentType::Exchange);
    take(&one, a.tenant).await;
    server.stop();
    let recording = tokio::spawn(async move {
        one.record(a, vec![content(a, "x", time(0))], None, time(0)).await.unwrap();
        one
    });
    tokio::task::yield_now().await;
    server.restart();
    let one = recording.await.unwrap();
    assert!(one.owned().contains(&a.tenant));
    take(&two, a.tenant).await;
    assert_eq!(ids(&claim_all(&two, a, 9, Wanted::Any).await), ["x"]);
}

#[tokio::test]
async fn small_moves_of_a_cursor_come_with_the_tenant() {
    let Some((_server, [one, two], _directories)) = two_members().await else { return };
    let a = feed(1, ContentType::Exchange);
    take(&one, a.tenant).await;
    for secs in [0, 60, 120] {
        one.record(a, vec![], Some(CursorMove::ListedThrough(time(secs))), time(0)).await.unwrap();
    }
    one.give_back(a.tenant).await.unwrap();
    assert!(one.owned().is_empty());
    assert_eq!(two.owner(a.tenant).await.unwrap().session, None);
    take(&two, a.tenant).await;
    assert_eq!(two.cursor(a).await.unwrap().listed_through, Some(time(120)));
}

#[tokio::test]
async fn a_tenant_is_not_given_back_while_a_blob_of_it_is_held() {
    let Some((_server, [one, two], _directories)) = two_members().await else { return };
    let a = feed(1, ContentType::Exchange);
    take(&one, a.tenant).await;
    one.record(a, vec![content(a, "x", time(0))], None, time(0)).await.unwrap();
    let held = one.claim(a, Wanted::Any).await.unwrap().unwrap();
    let one = Arc::new(one);
    let giving = Arc::clone(&one);
    let given_back = tokio::spawn(async move { giving.give_back(a.tenant).await.unwrap() });
    tokio::task::yield_now().await;
    assert!(two.owner(a.tenant).await.unwrap().session.is_some());
    one.complete(BlobKey::from(&held.content), DeliveredBatch::default(), time(1)).await.unwrap();
    given_back.await.unwrap();
    take(&two, a.tenant).await;
    assert_eq!(two.claim(a, Wanted::Any).await.unwrap(), None, "it is done");
}

#[tokio::test]
async fn content_that_is_announced_to_another_member_reaches_the_owner() {
    let Some((_server, [one, two], _directories)) = two_members().await else { return };
    let a = feed(1, ContentType::Exchange);
    let refs = || vec![content(a, "x", time(0)), content(a, "y", time(1))];
    let nobody = two.announce(a, refs(), 9, time(0)).await.unwrap();
    assert_eq!((nobody.added, nobody.postponed), (0, 2), "the listing finds it");

    take(&one, a.tenant).await;
    let mut announcements = one.announcements().await.unwrap();
    let owner = async {
        let announced = announcements.next().await.unwrap();
        one.take_announcement(announced).await.unwrap()
    };
    let (told, heard) = tokio::join!(two.announce(a, refs(), 9, time(0)), owner);
    assert_eq!((told.unwrap().added, heard), (2, Some(a)));
    assert_eq!(ids(&claim_all(&one, a, 9, Wanted::Any).await), ["x", "y"]);
}

#[tokio::test]
async fn members_know_each_other_until_they_go() {
    let Some((_server, [one, two], _directories)) = two_members().await else { return };
    let sessions = |members: Vec<Member>| members.into_iter().map(|member| member.session).collect::<BTreeSet<_>>();
    let both = [one.session().to_owned(), two.session().to_owned()];
    assert_eq!(sessions(one.members().await.unwrap()), both.clone().into());
    one.resign().await.unwrap();
    assert_eq!(sessions(two.members().await.unwrap()), [both[1].clone()].into());
}

#[tokio::test]
async fn another_configuration_of_the_bucket_is_refused() {
    let Some((server, [one, _], [directory, _])) = two_members().await else { return };
    let options = |replicas| NatsOptions {
        servers: vec![server.url()],
        prefix: "test".to_owned(),
        replicas,
        login: NatsLogin::Anonymous,
        tls: None,
        requires_tls: false,
    };
    drop(one);
    let refused = NatsLedger::open(&options(3), directory.path(), DEDUPE_WINDOW).await.unwrap_err().to_string();
    assert!(refused.contains("num_replicas = 1 where 3 is needed"), "{refused}");
    let other = NatsOptions { prefix: "other".to_owned(), ..options(3) };
    let refused = NatsLedger::open(&other, directory.path(), DEDUPE_WINDOW).await.unwrap_err().to_string();
    assert!(refused.contains("write state.replicas = 1"), "{refused}");
}

/// What an owner does with one of few blobs, days and events.
#[derive(Clone, Debug)]
enum Step {
    Record(usize, i64),
    Announce(usize),
    Complete(usize),
    Defer,
    DeadLetter,
    Revive,
    Deliver(usize),
    Start(i64),
    Webhook(usize),
    Day(i64),
    Search(i64),
    Query(i64),
    Prune(i64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..6_usize, 0..400_i64).prop_map(|(blob, minutes)| Step::Record(blob, minutes)),
        1 => (0..6_usize).prop_map(Step::Announce),
        3 => (0..9_usize).prop_map(Step::Complete),
        1 => Just(Step::Defer),
        1 => Just(Step::DeadLetter),
        1 => Just(Step::Revive),
        1 => (0..9_usize).prop_map(Step::Deliver),
        1 => (0..9_i64).prop_map(Step::Start),
        1 => (0..3_usize).prop_map(Step::Webhook),
        1 => (0..3_i64).prop_map(Step::Day),
        1 => (0..3_i64).prop_map(Step::Search),
        1 => (0..9_i64).prop_map(Step::Query),
        1 => (0..12_i64).prop_map(Step::Prune),
    ]
}

async fn take_step(ledger: &NatsLedger, step: Step) {
    let a = feed(1, ContentType::Exchange);
    let blob = |number: usize| content(a, &format!("{number}$x"), time(i64::try_from(number).unwrap()));
    let delivery = |number: usize| DeliveredBatch {
        events: (0..number).map(|event| EventKey::new(a.tenant, &event.to_string())).collect(),
        counts: vec![EventCount {
            feed: a,
            day: time(0).date_naive(),
            events: number as u64,
            healed: number.is_multiple_of(2),
        }],
    };
    let claim = async || ledger.claim(a, Wanted::Any).await.unwrap().map(|claim| BlobKey::from(&claim.content));
    match step {
        Step::Record(number, minutes) => {
            let moved = CursorMove::ListedThrough(time(minutes * 60));
            ledger.record(a, vec![blob(number)], Some(moved), time(0)).await.unwrap();
        }
        Step::Announce(number) => {
            let _ = ledger.announce(a, vec![blob(number)], 3, time(0)).await.unwrap();
        }
        Step::Complete(number) => {
            if let Some(key) = claim().await {
                ledger.complete(key, delivery(number), time(1)).await.unwrap();
            }
        }
        Step::Defer => {
            if let Some(key) = claim().await {
                ledger.defer(key, time(60), Counts::Attempt).await.unwrap();
            }
        }
        Step::DeadLetter => {
            if let Some(key) = claim().await {
                ledger.dead_letter(key, "a test".to_owned(), time(2)).await.unwrap();
            }
        }
        Step::Revive => {
            let _ = ledger.revive(vec![a], time(3)).await.unwrap();
        }
        Step::Deliver(number) => ledger.deliver(a.tenant, delivery(number), time(1)).await.unwrap(),
        Step::Start(secs) => ledger.note_subscription_attempt(a, time(secs)).await.unwrap(),
        Step::Webhook(0) => ledger.forget_webhooks(a).await.unwrap(),
        Step::Webhook(number) => ledger.note_webhook(a, format!("https://{number}/")).await.unwrap(),
        Step::Day(days) => {
            let _ = ledger.request_day(request(day(1, days), 2, true)).await.unwrap();
        }
        Step::Search(days) => {
            let step = SearchStep::Creating { name: "a query".to_owned(), at: time(0) };
            ledger.step_search(day(1, days), 0, step).await.unwrap();
        }
        Step::Query(secs) => {
            let _ = ledger.spend_query(a.tenant, time(secs), 5).await.unwrap();
        }
        Step::Prune(days) => {
            let _ = ledger.prune(time(0) + TimeDelta::days(days)).await.unwrap();
        }
    }
}

#[test]
fn whoever_takes_a_tenant_over_has_all_that_its_owner_had() {
    if let Some(obstacle) = nats_server::obstacle() {
        eprintln!("skipped: {obstacle}");
        return;
    }
    proptest!(ProptestConfig::with_cases(24), |(steps in prop::collection::vec(any_step(), 1..40))| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_server, [one, two], _directories) = two_members().await.unwrap();
            let tenant = TenantId(Uuid::from_u128(1));
            take(&one, tenant).await;
            let mut pruned = 0;
            for step in steps {
                if let Step::Prune(days) = step {
                    pruned = pruned.max(days);
                }
                take_step(&one, step).await;
            }
            // What is over goes from the bucket by itself, a day later.
            take_step(&one, Step::Prune(pruned)).await;
            // The last small moves of cursors are written.
            one.write(ownership::feeds(tenant)).await.unwrap();
            let had = everything(&one).await;
            take(&two, tenant).await;
            take_step(&two, Step::Prune(pruned)).await;
            prop_assert_eq!(had, everything(&two).await);
            Ok(())
        })?;
    });
}

#[tokio::test]
async fn a_user_that_may_not_do_what_members_do_is_told_before_the_start() {
    if let Some(obstacle) = nats_server::obstacle() {
        eprintln!("skipped: {obstacle}");
        return;
    }
    // The permissions of docs/cluster.md, and each user but the first lacks one of them.
    let server = NatsServer::configured(
        r#"
        authorization {
          inboxes = "_INBOX.>"
          users = [
            { user: member, password: hunter2hunter2, permissions: {
                publish: ["$KV.test_state.>", "$JS.API.>", "test.announced.*", $inboxes], subscribe: [$inboxes, "test.announced.*"] } }
            { user: reader, password: hunter2hunter2, permissions: {
                publish: ["$JS.API.>", "test.announced.*", $inboxes], subscribe: [$inboxes, "test.announced.*"] } }
            { user: silent, password: hunter2hunter2, permissions: {
                publish: ["$KV.test_state.>", "$JS.API.>", $inboxes], subscribe: [$inboxes, "test.announced.*"] } }
            { user: keeper, password: hunter2hunter2, permissions: {
                publish: { allow: ["$KV.test_state.>", "$JS.API.>", "test.announced.*", $inboxes], deny: "$JS.API.STREAM.PURGE.>" },
                subscribe: [$inboxes, "test.announced.*"] } }
            { user: blind, password: hunter2hunter2, permissions: {
                publish: { allow: ["$KV.test_state.>", "$JS.API.>", "test.announced.*", $inboxes], deny: "$JS.API.CONSUMER.>" },
                subscribe: [$inboxes, "test.announced.*"] } }
            { user: deaf, password: hunter2hunter2, permissions: {
                publish: ["$KV.test_state.>", "$JS.API.>", "test.announced.*", $inboxes], subscribe: [$inboxes] } }
          ]
        }
        "#,
    );
    let as_user =
        |name: &str| options(&server, NatsLogin::User { name: name.to_owned(), password: "hunter2hunter2".into() });
    assert_eq!(NatsLedger::probe(&as_user("member")).await.unwrap().members, None);
    for name in ["reader", "silent", "keeper", "blind", "deaf"] {
        let error = NatsLedger::probe(&as_user(name)).await.unwrap_err().to_string();
        assert!(error.starts_with("state: NATS refuses"), "{name}, where there is no bucket yet: {error}");
    }
    assert_eq!(NatsLedger::probe(&as_user("member")).await.unwrap().members, None, "nothing was made");
    let directory = TempDir::new().unwrap();
    let ledger = NatsLedger::open(&as_user("member"), directory.path(), DEDUPE_WINDOW).await.unwrap();
    ledger.renew(&member(&ledger)).await.unwrap();
    assert_eq!(NatsLedger::probe(&as_user("member")).await.unwrap().members, Some(1));
    assert!(!format!("{:?} {ledger:?}", as_user("member")).contains("hunter2"));
    for (name, expected) in [
        ("reader", "Publish to \"$KV.test_state.shared.check\""),
        ("silent", "Publish to \"test.announced."),
        ("deaf", "Subscription to \"test.announced."),
        ("keeper", "Publish to \"$JS.API.STREAM.PURGE.KV_test_state\""),
        ("blind", "Publish to \"$JS.API.CONSUMER.CREATE.KV_test_state\""),
    ] {
        let error = NatsLedger::probe(&as_user(name)).await.unwrap_err().to_string();
        assert!(error.starts_with("state: NATS refuses") && error.contains(expected), "{name}: {error}");
        assert!(error.contains("permissions that docs/cluster.md lists"), "{error}");
    }
    let probe = NatsLedger::probe(&as_user("member")).await.unwrap();
    assert_eq!((probe.room, probe.clock_ahead.map(|ahead| ahead.abs() < 60)), (None, Some(true)));
    assert!(ledger.bucket.last(subject::CHECK).await.unwrap().is_none(), "nothing was changed");
}

#[tokio::test]
async fn a_member_whose_row_is_old_is_gone_although_a_server_has_brought_the_row_back() {
    let Some((_server, [one, two], _directories)) = two_members().await else { return };
    let tenant = feed(1, ContentType::Exchange).tenant;
    take(&one, tenant).await;
    assert_eq!(two.members().await.unwrap().len(), 2);
    let owner = two.owner(tenant).await.unwrap();
    assert!(two.is_there(&owner).await.unwrap());
    // A minute later the row is still there.
    two.server_time.fetch_add(60, Ordering::Relaxed);
    assert!(!two.is_there(&owner).await.unwrap());
    // It was none.
    assert_eq!(two.members().await.unwrap().len(), 2);
    assert!(two.is_there(&owner).await.unwrap());
}

#[tokio::test]
async fn a_tenant_whose_owner_row_names_this_member_is_taken_again_when_the_answer_was_lost() {
    let Some((_server, [one, two], _directories)) = two_members().await else { return };
    let tenant = feed(1, ContentType::Exchange).tenant;
    take(&one, tenant).await;
    // As if the answer to that had not come.
    one.owned.remove(tenant);
    let owner = one.owner(tenant).await.unwrap();
    assert!(two.is_there(&owner).await.unwrap());
    assert!(!one.is_there(&owner).await.unwrap());
    assert!(one.take(tenant, &owner).await.unwrap());
    assert_eq!(one.owned(), [tenant]);
}

#[tokio::test]
async fn no_consumer_is_left_behind() {
    let Some((server, [one, two], _directories)) = two_members().await else { return };
    take(&one, feed(1, ContentType::Exchange).tenant).await;
    two.view(None).await.unwrap();
    two.tenants().await.unwrap();
    NatsLedger::probe(&options(&server, NatsLogin::Anonymous)).await.unwrap();
    let connection = Connection::open(&options(&server, NatsLogin::Anonymous)).await.unwrap();
    let stream = connection.context.get_stream(connection.stream()).await.unwrap();
    assert_eq!(stream.cached_info().state.consumer_count, 0);
}

#[tokio::test]
async fn who_owned_a_tenant_in_a_bucket_that_was_deleted_owns_nothing_in_the_next() {
    let Some((server, [one, _two], _directories)) = two_members().await else { return };
    let a = feed(1, ContentType::Exchange);
    take(&one, a.tenant).await;
    assert!(!one.is_gone().await);
    let connection = Connection::open(&options(&server, NatsLogin::Anonymous)).await.unwrap();
    connection.context.delete_stream(connection.stream()).await.unwrap();
    assert!(one.is_gone().await);
    let directory = TempDir::new().unwrap();
    let next = open(&server, directory.path()).await;
    next.renew(&member(&next)).await.unwrap();
    take(&next, a.tenant).await;
    let error = one
        .record(a, vec![content(a, "x", time(0))], Some(CursorMove::ListedThrough(time(0))), time(0))
        .await
        .unwrap_err();
    assert!(error.is_taken(), "{error}");
    assert!(one.owned().is_empty());
    assert_eq!(next.owned(), [a.tenant]);
}

/// nats-server 2.15.1 stores the beginning of an atomic batch, and answers nothing, when the account's limit is met in the middle of it.
#[tokio::test]
async fn a_batch_of_which_only_the_beginning_is_stored_has_no_cursor_without_its_content() {
    if let Some(obstacle) = nats_server::obstacle() {
        eprintln!("skipped: {obstacle}");
        return;
    }
    let server = NatsServer::configured(
        "accounts { A { jetstream { max_file: 3MB }, users: [ { user: a, password: a } ] }, S { users: [ { user: s, password: s } ] } }
         system_account: S\nno_auth_user: a",
    );
    let directories = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let a = feed(1, ContentType::Exchange);
    // The first member ends with a runtime of its own, in the middle of what it does.
    let runtime = Runtime::new().unwrap();
    let (of_server, directory) = (options(&server, NatsLogin::Anonymous), directories[0].path().to_owned());
    runtime.spawn(async move { record_where_there_is_no_room(&of_server, &directory, a).await }).await.unwrap();
    runtime.shutdown_background();

    let connection = Connection::open(&options(&server, NatsLogin::Anonymous)).await.unwrap();
    connection.bucket().await.unwrap().purge("shared.junk.>").await.unwrap();
    let two = open(&server, directories[1].path()).await;
    two.renew(&member(&two)).await.unwrap();
    take(&two, a.tenant).await;
    assert!(!claim_all(&two, a, 1, Wanted::Any).await.is_empty());
    assert_eq!(two.cursor(a).await.unwrap().listed_through, None);
}

/// Records content with a cursor, until a part of it is stored.
async fn record_where_there_is_no_room(options: &NatsOptions, directory: &Path, a: Feed) {
    let one = NatsLedger::open(options, directory, DEDUPE_WINDOW).await.unwrap();
    take(&one, a.tenant).await;
    // The last room that is free is smaller than the batch, and larger than its beginning.
    let junk = |number: usize, size: usize| {
        let value = Some(Bytes::from(vec![b'x'; size]));
        change::message(format!("shared.junk.{number}"), value, None)
    };
    for number in 0..30 {
        one.bucket.put(junk(number, 100_000)).await.unwrap();
    }
    let refs: Vec<_> = (0..900).map(|number| content(a, &number.to_string(), time(number))).collect();
    let recording = one.record(a, refs, Some(CursorMove::ListedThrough(time(10_000))), time(0));
    let stored = async {
        let of_content = format!("{}.content.>", a.tenant);
        while one.bucket.subjects(&of_content).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    // Who records waits until there is room.
    tokio::select! {
        recorded = recording => panic!("there was room: {recorded:?}"),
        () = stored => {}
    }
}

#[tokio::test]
async fn a_row_that_no_member_wrote_stops_nobody_and_check_names_it() {
    let Some((server, [one, two], _directories)) = two_members().await else { return };
    one.bucket.create("member.zzz", Bytes::from_static(b"{\"session\":")).await.unwrap();
    assert_eq!(two.members().await.unwrap().len(), 2);
    let error = NatsLedger::probe(&options(&server, NatsLogin::Anonymous)).await.unwrap_err().to_string();
    assert!(error.contains("member.zzz") && error.contains("nats kv del"), "{error}");
}

#[tokio::test]
async fn one_server_is_not_asked_for_several_copies() {
    if let Some(obstacle) = nats_server::obstacle() {
        eprintln!("skipped: {obstacle}");
        return;
    }
    let server = NatsServer::start();
    let three = NatsOptions { replicas: 3, ..options(&server, NatsLogin::Anonymous) };
    let error = NatsLedger::probe(&three).await.unwrap_err().to_string();
    assert!(error.contains("write state.replicas = 1"), "{error}");
}

#[tokio::test]
async fn a_copy_that_a_crash_left_damaged_is_made_anew() {
    if let Some(obstacle) = nats_server::obstacle() {
        eprintln!("skipped: {obstacle}");
        return;
    }
    let (server, directory) = (NatsServer::start(), TempDir::new().unwrap());
    let copy = NatsLedger::copy_in(directory.path());
    std::fs::create_dir(&copy).unwrap();
    std::fs::write(copy.join("ledger.redb"), "no ledger").unwrap();
    let ledger = open(&server, directory.path()).await;
    let a = feed(1, ContentType::Exchange);
    take(&ledger, a.tenant).await;
    ledger.record(a, vec![content(a, "blob", time(0))], None, time(0)).await.unwrap();
    assert_eq!(claim_all(&ledger, a, 9, Wanted::Any).await.len(), 1);
}
