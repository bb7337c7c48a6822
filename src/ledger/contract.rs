//! What every implementation of [`Ledger`] does, as tests that run against any of them: [`contract_tests!`] makes them for one.

pub mod coverage;

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use uuid::Uuid;

pub use self::coverage::*;
use super::*;
use crate::content::{ContentRef, ContentType, Feed, TenantId};

/// The window of de-duplication of every ledger that is tested.
pub const DEDUPE_WINDOW: TimeDelta = TimeDelta::days(7);

/// The tenant of tests that need one.
pub const TENANT: TenantId = TenantId(Uuid::from_u128(1));

/// Where an implementation keeps its state. One that is made anew is empty.
pub trait Storage: Default {
    type Ledger: Ledger;

    /// Why it cannot be tested on this machine, if so.
    fn obstacle() -> Option<&'static str> {
        None
    }

    /// Opens the ledger, as after a crash: the holder before has dropped it.
    async fn open(&self) -> Self::Ledger;
}

/// The tests of the contract for one implementation of [`Storage`].
macro_rules! contract_tests {
    ($storage:ty) => {
        mod contract_tests {
            use super::*;

            $crate::ledger::contract::with_every_test!(contract_test, $storage);

            #[test]
            fn nothing_recorded_is_ever_lost() {
                if let Some(obstacle) = <$storage as $crate::ledger::contract::Storage>::obstacle() {
                    eprintln!("skipped: {obstacle}");
                    return;
                }
                $crate::ledger::contract::nothing_recorded_is_ever_lost::<$storage>();
            }
        }
    };
}

pub fn feed(tenant: u128, content_type: ContentType) -> Feed {
    Feed { tenant: TenantId(Uuid::from_u128(tenant)), content_type }
}

pub fn content(feed: Feed, id: &str, created: DateTime<Utc>) -> ContentRef {
    ContentRef {
        feed,
        content_id: id.into(),
        content_uri: format!("https://manage.office.com/api/v1.0/t/activity/feed/audit/{id}"),
        created,
        expiration: Some(created + TimeDelta::days(7)),
    }
}

pub fn time(secs: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000 + secs, 0).unwrap()
}

/// Claims up to `most` blobs.
pub async fn claim_all(ledger: &impl ContentQueue, feed: Feed, most: usize, wanted: Wanted) -> Vec<Claim> {
    let mut claims = Vec::new();
    while claims.len() < most
        && let Some(claim) = ledger.claim(feed, wanted).await.unwrap()
    {
        claims.push(claim);
    }
    claims
}

pub fn ids(claims: &[Claim]) -> Vec<&str> {
    claims.iter().map(|claim| claim.content.content_id.as_str()).collect()
}

async fn dead(ledger: &impl Upkeep) -> u64 {
    ledger.summary().await.unwrap().iter().map(|(_, summary)| summary.dead).sum()
}

/// Calls a macro with each test of the contract.
macro_rules! with_every_test {
    ($macro:ident, $storage:ty) => {
        $crate::ledger::contract::$macro! {
            $storage,
            content_is_recorded_once_and_claimed_oldest_first_by_one_caller,
            what_is_pending_gets_the_newest_uri_and_what_is_done_is_left_alone,
            what_is_done_is_not_given_up,
            deferrals_of_a_wrong_clock_are_not_waited_for,
            a_crash_keeps_what_is_pending_and_forgets_claims,
            cursors_never_move_back,
            a_deferred_blob_waits_for_its_time,
            rejections_are_counted_apart_and_outlive_a_restart,
            rows_stay_until_their_content_expires_and_pending_ones_die_visibly,
            event_ids_are_forgotten_by_the_day_they_arrived,
            a_tenant_that_is_forgotten_takes_its_content_along_and_nobody_elses,
            the_first_auth_id_stays,
            what_was_given_up_is_pending_again_under_another_uri,
            what_only_a_notification_told_of_comes_last_and_only_so_much_of_it,
            a_notification_changes_nothing_of_what_is_known,
            what_was_delivered_under_the_uri_of_other_content_is_pending_when_a_listing_brings_its_own,
            what_a_listing_names_otherwise_while_it_is_fetched_is_pending_again,
            what_a_listing_confirms_is_due_whatever_pause_it_had,
            a_search_finds_what_came_before_its_position,
            what_is_held_is_not_pruned,
            two_callers_never_hold_the_same_blob,
            what_is_dead_is_revived_while_microsoft_holds_it,
            an_export_holds_all_that_another_ledger_needs,
            an_import_goes_before_what_is_known,
            every_cursor_is_told,
            a_day_is_settled_when_all_its_searches_are_done,
            a_comparison_goes_on_until_it_is_settled_and_is_replaced_after_that,
            what_a_search_has_found_is_pending_once,
            records_that_no_search_reads_any_more_change_no_day,
            delivered_events_are_counted_by_the_day_of_the_events,
            days_are_told_in_the_order_of_tenants_and_days,
            a_budget_of_queries_outlives_a_restart,
            it_is_noted_which_ids_are_forgotten,
            days_are_forgotten_after_400_days_unless_they_are_open,
            a_tenant_that_is_forgotten_takes_its_days_along,
            an_export_holds_what_was_compared,
        }
    };
}
pub(super) use with_every_test;

macro_rules! contract_test {
    ($storage:ty, $($name:ident,)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                if let Some(obstacle) = <$storage as $crate::ledger::contract::Storage>::obstacle() {
                    eprintln!("skipped: {obstacle}");
                    return;
                }
                $crate::ledger::contract::$name(&<$storage>::default()).await;
            }
        )*
    };
}
pub(super) use contract_test;

pub async fn content_is_recorded_once_and_claimed_oldest_first_by_one_caller(storage: &impl Storage) {
    let ledger = storage.open().await;
    let (a, b) = (feed(1, ContentType::Exchange), feed(1, ContentType::Dlp));
    let refs = vec![content(a, "new", time(20)), content(a, "old", time(-5)), content(a, "mid", time(10))];
    assert_eq!(ledger.record(a, refs.clone(), None, time(30)).await.unwrap(), 3);
    assert_eq!(ledger.record(a, refs, None, time(30)).await.unwrap(), 0);
    ledger.record(b, vec![content(b, "other", time(0))], None, time(30)).await.unwrap();

    assert_eq!(ids(&claim_all(&ledger, a, 2, Wanted::Any).await), ["old", "mid"]);
    assert_eq!(ids(&claim_all(&ledger, a, 2, Wanted::Any).await), ["new"]);
    assert!(claim_all(&ledger, a, 2, Wanted::Any).await.is_empty());
    ledger.release(&BlobKey { feed: a, content_id: "mid".into() });
    assert_eq!(ids(&claim_all(&ledger, a, 2, Wanted::Any).await), ["mid"]);
    assert_eq!(ids(&claim_all(&ledger, b, 9, Wanted::Any).await), ["other"]);
}

pub async fn what_is_pending_gets_the_newest_uri_and_what_is_done_is_left_alone(storage: &impl Storage) {
    let ledger = storage.open().await;
    let a = feed(1, ContentType::Exchange);
    ledger.record(a, vec![content(a, "pending", time(0)), content(a, "done", time(0))], None, time(0)).await.unwrap();
    ledger.complete(BlobKey { feed: a, content_id: "done".into() }, vec![].into(), time(1)).await.unwrap();
    let moved = |id: &str| ContentRef { content_uri: format!("https://elsewhere/{id}"), ..content(a, id, time(0)) };
    let unknown = ledger.unknown(vec![moved("pending"), moved("done"), content(a, "pending", time(0))]).await.unwrap();
    assert_eq!(unknown, [moved("pending")]);
    assert_eq!(ledger.record(a, vec![moved("pending"), moved("done")], None, time(2)).await.unwrap(), 0);
    let claims = claim_all(&ledger, a, 9, Wanted::Any).await;
    assert_eq!(claims.iter().map(|claim| &claim.content).collect::<Vec<_>>(), [&moved("pending")]);
}

pub async fn what_is_done_is_not_given_up(storage: &impl Storage) {
    let ledger = storage.open().await;
    let a = feed(1, ContentType::Exchange);
    ledger.record(a, vec![content(a, "done", time(0))], None, time(0)).await.unwrap();
    let key = BlobKey { feed: a, content_id: "done".into() };
    ledger.complete(key.clone(), vec![].into(), time(1)).await.unwrap();
    ledger.dead_letter(key, "late".into(), time(2)).await.unwrap();
    assert_eq!(dead(&ledger).await, 0);
    assert_eq!(ledger.revive(vec![a], time(3)).await.unwrap(), Revived::default());
}

pub async fn deferrals_of_a_wrong_clock_are_not_waited_for(storage: &impl Storage) {
    let ledger = storage.open().await;
    let a = feed(1, ContentType::Exchange);
    ledger.record(a, vec![content(a, "x", time(0)), content(a, "y", time(0))], None, time(0)).await.unwrap();
    for (id, seconds) in [("x", 86_400 * 365), ("y", 600)] {
        ledger.defer(BlobKey { feed: a, content_id: id.into() }, time(seconds), Counts::Attempt).await.unwrap();
    }
    assert_eq!(ledger.promote(time(1)).await.unwrap(), Promoted { feeds: vec![a], next_due: Some(time(600)) });
    assert_eq!(ids(&claim_all(&ledger, a, 9, Wanted::Any).await), ["x"]);
}

pub async fn a_crash_keeps_what_is_pending_and_forgets_claims(storage: &impl Storage) {
    let a = feed(1, ContentType::Exchange);
    {
        let ledger = storage.open().await;
        let refs = vec![content(a, "1", time(1)), content(a, "2", time(2)), content(a, "3", time(3))];
        ledger.record(a, refs, Some(CursorMove::ListedThrough(time(9))), time(9)).await.unwrap();
        assert_eq!(claim_all(&ledger, a, 3, Wanted::Any).await.len(), 3);
        let done = BlobKey { feed: a, content_id: "2".into() };
        ledger.complete(done, vec![EventKey::new(a.tenant, "e")].into(), time(10)).await.unwrap();
    }
    // The writer task holds the file until it sees that its last handle is gone.
    tokio::task::yield_now().await;
    let ledger = storage.open().await;
    assert_eq!(ids(&claim_all(&ledger, a, 9, Wanted::Any).await), ["1", "3"]);
    assert_eq!(ledger.cursor(a).await.unwrap().listed_through, Some(time(9)));
    let asked = vec![EventKey::new(a.tenant, "e"), EventKey::new(a.tenant, "f")];
    assert_eq!(ledger.delivered(asked).await.unwrap(), [true, false]);
    assert!(ledger.unknown(vec![content(a, "2", time(2))]).await.unwrap().is_empty(), "done rows are recognised");
}

pub async fn cursors_never_move_back(storage: &impl Storage) {
    let ledger = storage.open().await;
    let a = feed(1, ContentType::Exchange);
    for (step, through, reconciled) in [
        (CursorMove::ListedThrough(time(50)), Some(time(50)), None),
        (CursorMove::ListedThrough(time(40)), Some(time(50)), None),
        (CursorMove::Reconciled(time(60)), Some(time(50)), Some(time(60))),
        (CursorMove::Reconciled(time(10)), Some(time(50)), Some(time(60))),
    ] {
        ledger.record(a, vec![], Some(step), time(99)).await.unwrap();
        let cursor = ledger.cursor(a).await.unwrap();
        assert_eq!((cursor.listed_through, cursor.reconciled_at), (through, reconciled));
    }
}

pub async fn a_deferred_blob_waits_for_its_time(storage: &impl Storage) {
    let ledger = storage.open().await;
    let a = feed(1, ContentType::General);
    ledger.record(a, vec![content(a, "x", time(0))], None, time(0)).await.unwrap();
    let claim = claim_all(&ledger, a, 1, Wanted::Any).await.remove(0);
    ledger.defer(BlobKey::from(&claim.content), time(100), Counts::Attempt).await.unwrap();

    assert!(claim_all(&ledger, a, 1, Wanted::Any).await.is_empty());
    let waiting = ledger.promote(time(99)).await.unwrap();
    assert_eq!((waiting.feeds, waiting.next_due), (vec![], Some(time(100))));
    assert_eq!(ledger.promote(time(100)).await.unwrap(), Promoted { feeds: vec![a], next_due: None });
    let again = claim_all(&ledger, a, 1, Wanted::Any).await.remove(0);
    assert_eq!(again.attempts, 1);
    assert_eq!(again.content, claim.content);
}

pub async fn rejections_are_counted_apart_and_outlive_a_restart(storage: &impl Storage) {
    let a = feed(1, ContentType::General);
    let mut ledger = storage.open().await;
    ledger.record(a, vec![content(a, "x", time(0))], None, time(0)).await.unwrap();
    for (turn, counts) in (0..).zip([Counts::Rejection, Counts::Attempt, Counts::Nothing, Counts::Rejection]) {
        let due = time(turn);
        let claim = claim_all(&ledger, a, 1, Wanted::Any).await.remove(0);
        ledger.defer(BlobKey::from(&claim.content), due, counts).await.unwrap();
        drop(ledger);
        ledger = storage.open().await;
        ledger.promote(due).await.unwrap();
    }
    let claim = claim_all(&ledger, a, 1, Wanted::Any).await.remove(0);
    assert_eq!((claim.attempts, claim.rejections), (1, 2));
}

pub async fn rows_stay_until_their_content_expires_and_pending_ones_die_visibly(storage: &impl Storage) {
    let ledger = storage.open().await;
    let a = feed(1, ContentType::General);
    let mut forever = content(a, "forever", time(0));
    forever.expiration = Some(DateTime::<Utc>::MAX_UTC);
    ledger
        // Recorded at a time with nanoseconds, as times are.
        .record(
            a,
            vec![content(a, "done", time(0)), content(a, "pending", time(0)), forever],
            None,
            time(0) + TimeDelta::nanoseconds(123_456_789),
        )
        .await
        .unwrap();
    for id in ["done", "forever"] {
        ledger.complete(BlobKey { feed: a, content_id: id.into() }, vec![].into(), time(1)).await.unwrap();
    }

    let in_days = |days: i64| time(0) + TimeDelta::days(days);
    assert_eq!(ledger.prune(in_days(7)).await.unwrap(), Pruned::default());
    let pruned = ledger.prune(in_days(9)).await.unwrap();
    assert_eq!(pruned.forgotten, 1);
    assert_eq!(pruned.expired.iter().map(|dead| dead.key.content_id.as_str()).collect::<Vec<_>>(), ["pending"]);
    assert_eq!((pruned.expired[0].created, pruned.expired[0].since), (time(0), in_days(9)));
    let summary = ledger.summary().await.unwrap();
    assert_eq!(summary, [(a, FeedSummary { pending: 0, dead: 1, oldest_pending: None })]);
    assert_eq!(ledger.prune(in_days(60)).await.unwrap().forgotten, 2, "nothing is remembered indefinitely");
    assert_eq!(ledger.summary().await.unwrap(), []);
}

pub async fn event_ids_are_forgotten_by_the_day_they_arrived(storage: &impl Storage) {
    let ledger = storage.open().await;
    let tenant = TenantId(Uuid::from_u128(1));
    let (early, late) = (EventKey::new(tenant, "early"), EventKey::new(tenant, "late"));
    ledger.deliver(TENANT, vec![early].into(), time(0)).await.unwrap();
    ledger.deliver(TENANT, vec![late].into(), time(0) + TimeDelta::days(3)).await.unwrap();
    ledger.prune(time(0) + TimeDelta::days(7)).await.unwrap();
    assert_eq!(ledger.delivered(vec![early, late]).await.unwrap(), [true, true], "at least the window");
    ledger.prune(time(0) + TimeDelta::days(9)).await.unwrap();
    assert_eq!(ledger.delivered(vec![early, late]).await.unwrap(), [false, true]);
}

pub async fn a_tenant_that_is_forgotten_takes_its_content_along_and_nobody_elses(storage: &impl Storage) {
    let ledger = storage.open().await;
    let (gone, stays) = (feed(1, ContentType::Exchange), feed(2, ContentType::Exchange));
    for feed in [gone, stays] {
        let refs = (0..5).map(|number| content(feed, &format!("{number}"), time(number))).collect();
        let cursor = Some(CursorMove::ListedThrough(time(9)));
        ledger.record(feed, refs, cursor, time(9)).await.unwrap();
        claim_all(&ledger, feed, 2, Wanted::Any).await;
        ledger.complete(BlobKey { feed, content_id: "0".into() }, Vec::new().into(), time(9)).await.unwrap();
        ledger.defer(BlobKey { feed, content_id: "1".into() }, time(50), Counts::Attempt).await.unwrap();
        for address in ["https://x/", "https://y/", "https://x/"] {
            ledger.note_webhook(feed, address.into()).await.unwrap();
        }
        ledger.note_subscription_attempt(feed, time(1)).await.unwrap();
        let record = TenantRecord { id: feed.tenant, domain: Some("x.example".into()), registered: Some(time(0)) };
        ledger.put_tenant(record).await.unwrap();
    }
    assert_eq!(ledger.forget_tenant(gone.tenant).await.unwrap(), 4);

    assert_eq!(ledger.tenants().await.unwrap().iter().map(|record| record.id).collect::<Vec<_>>(), [stays.tenant]);
    assert_eq!(ledger.summary().await.unwrap().iter().map(|(feed, _)| *feed).collect::<Vec<_>>(), [stays]);
    assert_eq!(ledger.cursor(gone).await.unwrap(), Cursor::default());
    assert!(ledger.webhooks(gone).await.unwrap().is_empty());
    assert_eq!(ledger.webhooks(stays).await.unwrap(), ["https://y/", "https://x/"]);
    ledger.forget_webhooks(stays).await.unwrap();
    assert!(ledger.webhooks(stays).await.unwrap().is_empty());
    assert_eq!(ledger.subscription_attempt(gone).await.unwrap(), Some(time(1)), "Microsoft remembers it, too");
    // What is in flight comes back to nothing, and nothing dangles.
    ledger.defer(BlobKey { feed: gone, content_id: "1".into() }, time(50), Counts::Attempt).await.unwrap();
    ledger.promote(time(99)).await.unwrap();
    ledger.prune(time(99) + TimeDelta::days(99)).await.unwrap();
    assert_eq!(ledger.record(gone, vec![content(gone, "0", time(0))], None, time(9)).await.unwrap(), 1);
}

pub async fn the_first_auth_id_stays(storage: &impl Storage) {
    let ledger = storage.open().await;
    assert_eq!(ledger.auth_id("first".into()).await.unwrap().expose_secret(), "first");
    drop(ledger);
    assert_eq!(storage.open().await.auth_id("second".into()).await.unwrap().expose_secret(), "first");
}

pub async fn what_was_given_up_is_pending_again_under_another_uri(storage: &impl Storage) {
    let ledger = storage.open().await;
    let feed = feed(1, ContentType::Exchange);
    let right = content(feed, "a", time(0));
    let mut wrong = right.clone();
    wrong.content_uri = "https://manage.office.com/wrong".into();
    ledger.record(feed, vec![wrong.clone()], None, time(1)).await.unwrap();
    claim_all(&ledger, feed, 1, Wanted::Any).await;
    ledger.dead_letter(BlobKey::from(&wrong), "404".into(), time(2)).await.unwrap();
    assert_eq!(ledger.record(feed, vec![wrong], None, time(3)).await.unwrap(), 0, "the same is no news");

    assert_eq!(ledger.unknown(vec![right.clone()]).await.unwrap(), std::slice::from_ref(&right));
    assert_eq!(ledger.record(feed, vec![right.clone()], None, time(3)).await.unwrap(), 1);
    let claims = claim_all(&ledger, feed, 1, Wanted::Any).await;
    assert_eq!((claims[0].content.content_uri.as_str(), claims[0].attempts), (right.content_uri.as_str(), 0));
    assert_eq!(dead(&ledger).await, 0);
}

pub async fn what_only_a_notification_told_of_comes_last_and_only_so_much_of_it(storage: &impl Storage) {
    let ledger = storage.open().await;
    let a = feed(1, ContentType::Exchange);
    let told = |n: i64| content(a, &format!("told-{n}"), time(n));
    let first = ledger.announce(a, (0..3).map(told).collect(), 2, time(9)).await.unwrap();
    assert_eq!(first, Announced { added: 2, postponed: 1 });
    assert_eq!(
        ledger.announce(a, (0..4).map(told).collect(), 2, time(9)).await.unwrap(),
        Announced { added: 0, postponed: 2 }
    );
    let other = feed(1, ContentType::Dlp);
    assert_eq!(ledger.announce(other, vec![content(other, "x", time(0))], 2, time(9)).await.unwrap().added, 1);
    ledger.record(a, vec![content(a, "listed", time(8))], None, time(9)).await.unwrap();
    assert_eq!(ids(&claim_all(&ledger, a, 9, Wanted::Listed).await), ["listed"]);
    ledger.release(&BlobKey { feed: a, content_id: "listed".into() });
    let claims = claim_all(&ledger, a, 9, Wanted::Any).await;
    assert_eq!(ids(&claims), ["listed", "told-0", "told-1"], "whatever is older");
    assert_eq!(claims.iter().map(|claim| claim.announced).collect::<Vec<_>>(), [false, true, true]);

    // One waits for a retry, and still takes its room.
    ledger.defer(BlobKey::from(&told(0)), time(20), Counts::Attempt).await.unwrap();
    assert_eq!(ledger.announce(a, vec![told(2)], 2, time(9)).await.unwrap().postponed, 1);
    ledger.promote(time(30)).await.unwrap();
    assert!(claim_all(&ledger, a, 9, Wanted::Listed).await.is_empty());
    // A listing names one, and there is room for another.
    assert_eq!(ledger.unknown(vec![told(0)]).await.unwrap(), [told(0)]);
    assert_eq!(ledger.record(a, vec![told(0)], None, time(31)).await.unwrap(), 0, "it was found already");
    assert!(ledger.unknown(vec![told(0)]).await.unwrap().is_empty());
    assert_eq!(ids(&claim_all(&ledger, a, 9, Wanted::Listed).await), ["told-0"]);
    assert_eq!(ledger.announce(a, vec![told(2)], 2, time(9)).await.unwrap().added, 1);

    assert!(!ledger.forget_announced(BlobKey::from(&told(0))).await.unwrap(), "a listing has named it");
    assert!(ledger.forget_announced(BlobKey::from(&told(1))).await.unwrap());
    assert_eq!(ledger.summary().await.unwrap()[0].1.pending, 3);
    assert_eq!(dead(&ledger).await, 0);
}

pub async fn a_notification_changes_nothing_of_what_is_known(storage: &impl Storage) {
    let ledger = storage.open().await;
    let a = feed(1, ContentType::Exchange);
    let names = ["pending", "done", "dead"];
    ledger.record(a, names.map(|id| content(a, id, time(0))).to_vec(), None, time(0)).await.unwrap();
    ledger.complete(BlobKey { feed: a, content_id: "done".into() }, vec![].into(), time(1)).await.unwrap();
    ledger.dead_letter(BlobKey { feed: a, content_id: "dead".into() }, "404".into(), time(1)).await.unwrap();
    let moved = |id: &str| ContentRef { content_uri: format!("https://elsewhere/{id}"), ..content(a, id, time(0)) };
    assert_eq!(ledger.announce(a, names.map(moved).to_vec(), 9, time(2)).await.unwrap(), Announced::default());
    let claims = claim_all(&ledger, a, 9, Wanted::Any).await;
    assert_eq!(claims.iter().map(|claim| &claim.content).collect::<Vec<_>>(), [&content(a, "pending", time(0))]);
}

pub async fn what_was_delivered_under_the_uri_of_other_content_is_pending_when_a_listing_brings_its_own(
    storage: &impl Storage,
) {
    let ledger = storage.open().await;
    let a = feed(1, ContentType::Exchange);
    let (victim, honest) = (content(a, "victim", time(0)), content(a, "honest", time(0)));
    let from_notification = |content: &ContentRef| ContentRef {
        content_uri: format!("{}$IsFromNotification", content.content_uri),
        ..content.clone()
    };
    let lied = ContentRef { content_uri: content(a, "other", time(0)).content_uri, ..victim.clone() };
    ledger.announce(a, vec![lied, from_notification(&honest)], 9, time(0)).await.unwrap();
    for content in [&victim, &honest] {
        ledger.complete(BlobKey::from(content), vec![].into(), time(1)).await.unwrap();
    }
    assert_eq!(
        ledger.unknown(vec![victim.clone(), honest.clone()]).await.unwrap().len(),
        2,
        "both are to be confirmed"
    );
    assert_eq!(ledger.record(a, vec![victim.clone(), honest.clone()], None, time(2)).await.unwrap(), 1);
    let claims = claim_all(&ledger, a, 9, Wanted::Listed).await;
    assert_eq!(claims.iter().map(|claim| &claim.content).collect::<Vec<_>>(), [&victim]);
    ledger.complete(BlobKey::from(&victim), vec![].into(), time(3)).await.unwrap();
    assert!(ledger.unknown(vec![victim, honest]).await.unwrap().is_empty());
}

pub async fn what_a_listing_names_otherwise_while_it_is_fetched_is_pending_again(storage: &impl Storage) {
    let ledger = storage.open().await;
    let a = feed(1, ContentType::Exchange);
    let (listed, same) = (content(a, "changed", time(0)), content(a, "same", time(0)));
    let announced = ContentRef { content_uri: format!("{}?other=1", listed.content_uri), ..listed.clone() };
    ledger.announce(a, vec![announced, same.clone()], 9, time(0)).await.unwrap();
    assert_eq!(claim_all(&ledger, a, 9, Wanted::Any).await.len(), 2);
    ledger.record(a, vec![listed.clone(), same.clone()], None, time(1)).await.unwrap();
    assert!(!ledger.complete(BlobKey::from(&listed), vec![].into(), time(2)).await.unwrap());
    assert!(ledger.complete(BlobKey::from(&same), vec![].into(), time(2)).await.unwrap());
    let claims = claim_all(&ledger, a, 9, Wanted::Listed).await;
    assert_eq!(claims.iter().map(|claim| &claim.content).collect::<Vec<_>>(), [&listed]);
    assert!(ledger.complete(BlobKey::from(&listed), vec![].into(), time(3)).await.unwrap());
}

pub async fn what_a_listing_confirms_is_due_whatever_pause_it_had(storage: &impl Storage) {
    let ledger = storage.open().await;
    let a = feed(1, ContentType::Exchange);
    let told = content(a, "told", time(0));
    ledger.announce(a, vec![told.clone()], 9, time(0)).await.unwrap();
    claim_all(&ledger, a, 9, Wanted::Any).await;
    ledger.defer(BlobKey::from(&told), time(900), Counts::Attempt).await.unwrap();
    ledger.record(a, vec![told], None, time(1)).await.unwrap();
    let claims = claim_all(&ledger, a, 9, Wanted::Listed).await;
    assert_eq!((claims.len(), claims[0].attempts), (1, 0));
}
pub async fn a_search_finds_what_came_before_its_position(storage: &impl Storage) {
    let ledger = storage.open().await;
    let a = feed(1, ContentType::Exchange);
    let numbered = |n: i64| content(a, &format!("{n:03}"), time(n));
    let key = |n: i64| BlobKey::from(&numbered(n));
    ledger.record(a, (100..110).map(numbered).collect(), None, time(200)).await.unwrap();
    assert_eq!(claim_all(&ledger, a, 5, Wanted::Any).await.len(), 5);
    // Older content shows up late, blobs are given back and wait no longer.
    ledger.record(a, vec![numbered(50)], None, time(200)).await.unwrap();
    assert_eq!(ids(&claim_all(&ledger, a, 1, Wanted::Any).await), ["050"]);
    ledger.release(&key(102));
    assert_eq!(ids(&claim_all(&ledger, a, 1, Wanted::Any).await), ["102"]);
    ledger.defer(key(101), time(210), Counts::Nothing).await.unwrap();
    assert_eq!(ids(&claim_all(&ledger, a, 1, Wanted::Any).await), ["105"]);
    ledger.promote(time(210)).await.unwrap();
    assert_eq!(ids(&claim_all(&ledger, a, 1, Wanted::Any).await), ["101"]);
    // What is done or given up is passed.
    ledger.complete(key(106), vec![].into(), time(211)).await.unwrap();
    ledger.dead_letter(key(107), "404".into(), time(211)).await.unwrap();
    assert_eq!(ids(&claim_all(&ledger, a, 9, Wanted::Any).await), ["108", "109"]);
    // An announcement older than all that was announced before.
    ledger.announce(a, vec![numbered(150)], 9, time(212)).await.unwrap();
    assert_eq!(ids(&claim_all(&ledger, a, 9, Wanted::Any).await), ["150"]);
    ledger.announce(a, vec![numbered(140)], 9, time(212)).await.unwrap();
    assert_eq!(ids(&claim_all(&ledger, a, 9, Wanted::Any).await), ["140"]);
}

pub async fn what_is_held_is_not_pruned(storage: &impl Storage) {
    let ledger = storage.open().await;
    let a = feed(1, ContentType::Exchange);
    ledger.record(a, vec![content(a, "held", time(0)), content(a, "free", time(1))], None, time(1)).await.unwrap();
    assert_eq!(ids(&claim_all(&ledger, a, 1, Wanted::Any).await), ["held"]);
    let pruned = ledger.prune(time(0) + TimeDelta::days(20)).await.unwrap();
    assert_eq!(pruned.expired.iter().map(|dead| dead.key.content_id.as_str()).collect::<Vec<_>>(), ["free"]);
    assert!(ledger.complete(BlobKey { feed: a, content_id: "held".into() }, vec![].into(), time(2)).await.unwrap());
}

pub async fn two_callers_never_hold_the_same_blob(storage: &impl Storage) {
    let ledger = storage.open().await;
    let a = feed(1, ContentType::Exchange);
    ledger.record(a, (0..40).map(|n| content(a, &format!("{n}"), time(n))).collect(), None, time(99)).await.unwrap();
    let all = futures::future::join_all((0..60).map(|_| ledger.claim(a, Wanted::Any))).await;
    let held: Vec<_> = all.into_iter().filter_map(Result::unwrap).map(|claim| claim.content.content_id).collect();
    assert_eq!(held.len(), 40, "each is claimed");
    assert_eq!(held.iter().collect::<HashSet<_>>().len(), 40, "and only once");
}

pub async fn what_is_dead_is_revived_while_microsoft_holds_it(storage: &impl Storage) {
    let ledger = storage.open().await;
    let (a, b) = (feed(1, ContentType::Exchange), feed(2, ContentType::Exchange));
    let until = |secs: i64, id: &str, of: Feed| ContentRef { expiration: Some(time(secs)), ..content(of, id, time(0)) };
    let unsaid = ContentRef { expiration: None, ..content(a, "unsaid", time(0)) };
    let refs = vec![until(100, "over", a), until(200, "held", a), unsaid, content(a, "pending", time(0))];
    ledger.record(a, refs, None, time(0)).await.unwrap();
    ledger.record(b, vec![until(200, "other", b)], None, time(0)).await.unwrap();
    for (feed, id) in [(a, "over"), (a, "held"), (a, "unsaid"), (b, "other")] {
        let key = BlobKey { feed, content_id: id.into() };
        ledger.defer(key.clone(), time(9), Counts::Attempt).await.unwrap();
        ledger.dead_letter(key, "404".into(), time(10)).await.unwrap();
    }
    let revived = ledger.revive(vec![a], time(100)).await.unwrap();
    assert_eq!(revived, Revived { revived: 2, expired: 1, feeds: vec![a] });
    let claims = claim_all(&ledger, a, 9, Wanted::Any).await;
    let mut found: Vec<_> = claims.iter().map(|claim| (claim.content.content_id.as_str(), claim.attempts)).collect();
    found.sort_unstable();
    assert_eq!(found, [("held", 0), ("pending", 0), ("unsaid", 0)]);
    assert_eq!(dead(&ledger).await, 2);
    assert!(ledger.prune(time(101)).await.unwrap().expired.is_empty(), "it is not given up again at once");
    let in_a_week = time(7 * 86_400);
    let none = Revived { revived: 0, expired: 1, feeds: vec![] };
    assert_eq!(ledger.revive(vec![b], in_a_week).await.unwrap(), none);
    assert_eq!(ledger.revive(vec![], time(100)).await.unwrap(), Revived::default());
}

async fn exported(ledger: &impl Transfer) -> Vec<Piece> {
    let (mut pieces, mut from) = (Vec::new(), Some(ExportPosition::default()));
    while let Some(position) = from {
        // As it goes through a control socket.
        let text = serde_json::to_string(&position).unwrap();
        let page = ledger.export(serde_json::from_str(&text).unwrap()).await.unwrap();
        assert!(page.pieces.len() <= 500);
        pieces.extend(page.pieces);
        from = page.next;
    }
    pieces
}

pub async fn an_export_holds_all_that_another_ledger_needs<S: Storage>(storage: &S) {
    let ledger = storage.open().await;
    let (a, b) = (feed(1, ContentType::Exchange), feed(2, ContentType::Dlp));
    let many = (0..1_100).map(|n| content(a, &format!("{n:04}"), time(n))).collect();
    ledger.record(a, many, Some(CursorMove::ListedThrough(time(2_000))), time(2_000)).await.unwrap();
    ledger.record(a, vec![], Some(CursorMove::Reconciled(time(2_001))), time(2_001)).await.unwrap();
    ledger.announce(b, vec![content(b, "told", time(5))], 9, time(6)).await.unwrap();
    let key = |n: i64| BlobKey { feed: a, content_id: format!("{n:04}") };
    let events = |from: i64| (from..from + 2_500).map(|n| EventKey::new(a.tenant, &n.to_string())).collect::<Vec<_>>();
    ledger.complete(key(0), events(0).into(), time(2_100)).await.unwrap();
    ledger.deliver(TENANT, events(2_500).into(), time(2_100) + TimeDelta::days(1)).await.unwrap();
    ledger.dead_letter(key(1), "404".into(), time(2_200)).await.unwrap();
    ledger.defer(key(2), time(2_300), Counts::Rejection).await.unwrap();
    ledger.note_subscription_attempt(b, time(1)).await.unwrap();
    ledger.note_webhook(a, "https://x/".into()).await.unwrap();
    let record = TenantRecord { id: b.tenant, domain: Some("x.example".into()), registered: Some(time(0)) };
    ledger.put_tenant(record.clone()).await.unwrap();

    let pieces = exported(&ledger).await;
    assert!(pieces.iter().all(|piece| piece.problem().is_none()));
    let elsewhere = S::default();
    let other = elsewhere.open().await;
    for piece in &pieces {
        other.import(vec![piece.clone()]).await.unwrap();
    }
    assert_eq!(exported(&other).await, pieces);
    assert_eq!(other.summary().await.unwrap(), ledger.summary().await.unwrap());
    assert_eq!(other.cursors().await.unwrap(), ledger.cursors().await.unwrap());
    assert_eq!(other.tenants().await.unwrap(), [record]);
    assert_eq!(other.subscription_attempt(b).await.unwrap(), Some(time(1)));
    assert_eq!(other.webhooks(a).await.unwrap(), ["https://x/"]);
    assert!(
        other
            .delivered(events(0))
            .await
            .unwrap()
            .into_iter()
            .chain(other.delivered(events(2_500)).await.unwrap())
            .all(|known| known)
    );
    // What waits and what only a notification announced is as it was.
    assert_eq!(other.promote(time(2_250)).await.unwrap(), Promoted { feeds: vec![], next_due: Some(time(2_300)) });
    assert!(claim_all(&other, b, 9, Wanted::Listed).await.is_empty());
    assert_eq!(other.announce(b, vec![content(b, "more", time(5))], 1, time(6)).await.unwrap().postponed, 1);
    assert_eq!(ids(&claim_all(&other, b, 9, Wanted::Any).await), ["told"]);
    assert_eq!(ids(&claim_all(&other, a, 1, Wanted::Any).await), ["0003"]);
    assert!(other.unknown(vec![content(a, "0000", time(0))]).await.unwrap().is_empty(), "done rows are recognised");
    // Days are forgotten as they would have been.
    other.prune(time(2_100) + TimeDelta::days(8)).await.unwrap();
    assert_eq!(other.delivered(vec![events(0)[0], events(2_500)[0]]).await.unwrap(), [false, true]);
}

pub async fn an_import_goes_before_what_is_known(storage: &impl Storage) {
    let ledger = storage.open().await;
    let a = feed(1, ContentType::Exchange);
    ledger.record(a, vec![content(a, "x", time(0))], None, time(0)).await.unwrap();
    let known = exported(&ledger).await;
    ledger.complete(BlobKey { feed: a, content_id: "x".into() }, vec![].into(), time(1)).await.unwrap();
    assert_eq!(ledger.summary().await.unwrap(), []);
    ledger.import(known).await.unwrap();
    assert_eq!(ledger.summary().await.unwrap()[0].1.pending, 1);
    assert_eq!(ids(&claim_all(&ledger, a, 9, Wanted::Any).await), ["x"]);
    ledger.complete(BlobKey { feed: a, content_id: "x".into() }, vec![].into(), time(2)).await.unwrap();
    assert_eq!(ledger.prune(time(0) + TimeDelta::days(60)).await.unwrap().forgotten, 1, "it is there once");
}

pub async fn every_cursor_is_told(storage: &impl Storage) {
    let ledger = storage.open().await;
    assert_eq!(ledger.cursors().await.unwrap(), []);
    let (a, b) = (feed(1, ContentType::Exchange), feed(1, ContentType::Dlp));
    for (feed, secs) in [(b, 7), (a, 5)] {
        ledger.record(feed, vec![], Some(CursorMove::ListedThrough(time(secs))), time(9)).await.unwrap();
    }
    let cursor = |secs| Cursor { listed_through: Some(time(secs)), ..Cursor::default() };
    assert_eq!(ledger.cursors().await.unwrap(), [(a, cursor(5)), (b, cursor(7))]);
}

/// What the contract says of one blob, as simply as possible.
#[derive(Clone, Copy, Debug, Default)]
struct Model {
    state: Option<ModelState>,
    announced: bool,
    deferred: bool,
    held: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ModelState {
    Pending,
    Done,
    Dead,
}

impl Model {
    fn is_pending(self) -> bool {
        self.state == Some(ModelState::Pending)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Record(usize),
    Announce(usize),
    Forget(usize),
    Claim(Wanted),
    Release(usize),
    Complete(usize),
    Defer(usize),
    DeadLetter(usize),
    Promote,
    Reopen,
}

const BLOBS: usize = 6;

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..BLOBS).prop_map(Step::Record),
        (0..BLOBS).prop_map(Step::Announce),
        (0..BLOBS).prop_map(Step::Forget),
        Just(Step::Claim(Wanted::Any)),
        Just(Step::Claim(Wanted::Any)),
        Just(Step::Claim(Wanted::Listed)),
        (0..BLOBS).prop_map(Step::Release),
        (0..BLOBS).prop_map(Step::Complete),
        (0..BLOBS).prop_map(Step::Defer),
        (0..BLOBS).prop_map(Step::DeadLetter),
        Just(Step::Promote),
        Just(Step::Reopen),
    ]
}

/// Whatever happens in whatever order: what was recorded is pending until it is completed or dead-lettered, and a claim
/// returns the oldest pending blob that is neither held nor deferred.
pub fn nothing_recorded_is_ever_lost<S: Storage>() {
    proptest!(ProptestConfig::with_cases(32), |(steps in prop::collection::vec(any_step(), 1..60))| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(follow(&S::default(), steps));
    });
}

async fn follow(storage: &impl Storage, steps: Vec<Step>) {
    let a = feed(7, ContentType::SharePoint);
    let blob = |n: usize| content(a, &format!("{n}"), time(i64::try_from(n).unwrap()));
    let key = |n: usize| BlobKey::from(&blob(n));
    let mut ledger = storage.open().await;
    let mut model = [Model::default(); BLOBS];
    for step in steps {
        match step {
            Step::Record(n) => {
                ledger.record(a, vec![blob(n)], None, time(0)).await.unwrap();
                let blob = &mut model[n];
                blob.state.get_or_insert(ModelState::Pending);
                // What a listing names is due, whatever pause its announcement has.
                blob.deferred &= !std::mem::take(&mut blob.announced);
            }
            Step::Announce(n) => {
                let announced = ledger.announce(a, vec![blob(n)], BLOBS, time(0)).await.unwrap();
                assert_eq!(announced.added, usize::from(model[n].state.is_none()));
                if model[n].state.is_none() {
                    model[n] = Model { state: Some(ModelState::Pending), announced: true, ..model[n] };
                }
            }
            Step::Forget(n) => {
                let forgotten = ledger.forget_announced(key(n)).await.unwrap();
                assert_eq!(forgotten, model[n].state.is_none() || model[n].announced);
                if forgotten {
                    model[n] = Model::default();
                }
            }
            Step::Claim(wanted) => {
                let claim = ledger.claim(a, wanted).await.unwrap();
                let expected = (0..BLOBS)
                    .filter(|n| {
                        let blob = model[*n];
                        let is_wanted = wanted == Wanted::Any || !blob.announced;
                        blob.is_pending() && !blob.held && !blob.deferred && is_wanted
                    })
                    .min_by_key(|n| (model[*n].announced, *n));
                assert_eq!(claim.map(|claim| BlobKey::from(&claim.content)), expected.map(key));
                if let Some(n) = expected {
                    model[n].held = true;
                }
            }
            Step::Release(n) => {
                ledger.release(&key(n));
                model[n].held = false;
            }
            Step::Complete(n) => {
                assert!(ledger.complete(key(n), vec![].into(), time(0)).await.unwrap());
                model[n].held = false;
                if let Some(state) = &mut model[n].state {
                    *state = ModelState::Done;
                }
            }
            Step::Defer(n) => {
                ledger.defer(key(n), time(5), Counts::Attempt).await.unwrap();
                model[n].held = false;
                model[n].deferred |= model[n].is_pending();
            }
            Step::DeadLetter(n) => {
                ledger.dead_letter(key(n), "gone".into(), time(0)).await.unwrap();
                model[n].held = false;
                if model[n].is_pending() {
                    model[n].state = Some(ModelState::Dead);
                }
            }
            Step::Promote => {
                ledger.promote(time(10)).await.unwrap();
                for blob in &mut model {
                    blob.deferred = false;
                }
            }
            Step::Reopen => {
                drop(ledger);
                tokio::task::yield_now().await;
                ledger = storage.open().await;
                for blob in &mut model {
                    blob.held = false;
                }
            }
        }
        let summary = ledger.summary().await.unwrap().first().map_or(FeedSummary::default(), |(_, summary)| *summary);
        let count = |wanted| model.iter().filter(|blob| blob.state == Some(wanted)).count() as u64;
        assert_eq!((summary.pending, summary.dead), (count(ModelState::Pending), count(ModelState::Dead)));
    }
}
