use std::collections::{HashMap, HashSet, hash_map::Entry};

use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::content::{ContentType, TenantId};

fn feed(tenant: u128, content_type: ContentType) -> Feed {
    Feed { tenant: TenantId(Uuid::from_u128(tenant)), content_type }
}

fn content(feed: Feed, id: &str, created: DateTime<Utc>) -> ContentRef {
    ContentRef {
        feed,
        content_id: id.into(),
        content_uri: format!("https://manage.office.com/api/v1.0/t/activity/feed/audit/{id}"),
        created,
        expiration: Some(created + TimeDelta::days(7)),
    }
}

fn time(secs: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000 + secs, 0).unwrap()
}

fn retry(not_before: DateTime<Utc>) -> Retry {
    Retry { not_before, reason: "HTTP 500".into(), counts: Counts::Attempt }
}

async fn open(directory: &TempDir) -> RedbLedger {
    RedbLedger::open(directory.path(), TimeDelta::days(7)).await.unwrap()
}

fn ids(claims: &[Claim]) -> Vec<&str> {
    claims.iter().map(|claim| claim.content.content_id.as_str()).collect()
}

#[tokio::test]
async fn content_is_recorded_once_and_claimed_oldest_first_by_one_caller() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
    let (a, b) = (feed(1, ContentType::Exchange), feed(1, ContentType::Dlp));
    let refs = vec![content(a, "new", time(20)), content(a, "old", time(-5)), content(a, "mid", time(10))];
    assert_eq!(ledger.record(a, refs.clone(), None, time(30)).await.unwrap(), 3);
    assert_eq!(ledger.record(a, refs, None, time(30)).await.unwrap(), 0);
    ledger.record(b, vec![content(b, "other", time(0))], None, time(30)).await.unwrap();

    assert_eq!(ids(&ledger.claim(a, 2, Wanted::Any).await.unwrap()), ["old", "mid"]);
    assert_eq!(ids(&ledger.claim(a, 2, Wanted::Any).await.unwrap()), ["new"]);
    assert!(ledger.claim(a, 2, Wanted::Any).await.unwrap().is_empty());
    ledger.release(&BlobKey { feed: a, content_id: "mid".into() });
    assert_eq!(ids(&ledger.claim(a, 2, Wanted::Any).await.unwrap()), ["mid"]);
    assert_eq!(ids(&ledger.claim(b, 9, Wanted::Any).await.unwrap()), ["other"]);
}

#[tokio::test]
async fn what_is_pending_gets_the_newest_uri_and_what_is_done_is_left_alone() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
    let a = feed(1, ContentType::Exchange);
    ledger.record(a, vec![content(a, "pending", time(0)), content(a, "done", time(0))], None, time(0)).await.unwrap();
    ledger.complete(BlobKey { feed: a, content_id: "done".into() }, vec![], time(1)).await.unwrap();
    let moved = |id: &str| ContentRef { content_uri: format!("https://elsewhere/{id}"), ..content(a, id, time(0)) };
    let unknown = ledger.unknown(vec![moved("pending"), moved("done"), content(a, "pending", time(0))]).await.unwrap();
    assert_eq!(unknown, [moved("pending")]);
    assert_eq!(ledger.record(a, vec![moved("pending"), moved("done")], None, time(2)).await.unwrap(), 0);
    let claims = ledger.claim(a, 9, Wanted::Any).await.unwrap();
    assert_eq!(claims.iter().map(|claim| &claim.content).collect::<Vec<_>>(), [&moved("pending")]);
}

#[tokio::test]
async fn deferrals_of_a_wrong_clock_are_not_waited_for() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
    let a = feed(1, ContentType::Exchange);
    ledger.record(a, vec![content(a, "x", time(0)), content(a, "y", time(0))], None, time(0)).await.unwrap();
    for (id, seconds) in [("x", 86_400 * 365), ("y", 600)] {
        ledger.fail(BlobKey { feed: a, content_id: id.into() }, retry(time(seconds))).await.unwrap();
    }
    assert_eq!(ledger.promote(time(1)).await.unwrap(), Promoted { feeds: vec![a], next_due: Some(time(600)) });
    assert_eq!(ids(&ledger.claim(a, 9, Wanted::Any).await.unwrap()), ["x"]);
}

#[tokio::test]
async fn a_crash_keeps_what_is_pending_and_forgets_claims() {
    let directory = TempDir::new().unwrap();
    let a = feed(1, ContentType::Exchange);
    {
        let ledger = open(&directory).await;
        let refs = vec![content(a, "1", time(1)), content(a, "2", time(2)), content(a, "3", time(3))];
        ledger.record(a, refs, Some(CursorMove::ListedThrough(time(9))), time(9)).await.unwrap();
        assert_eq!(ledger.claim(a, 3, Wanted::Any).await.unwrap().len(), 3);
        let done = BlobKey { feed: a, content_id: "2".into() };
        ledger.complete(done, vec![EventKey::new(a.tenant, "e")], time(10)).await.unwrap();
    }
    // The writer task holds the file until it sees that its last handle is gone.
    tokio::task::yield_now().await;
    let ledger = open(&directory).await;
    assert_eq!(ids(&ledger.claim(a, 9, Wanted::Any).await.unwrap()), ["1", "3"]);
    assert_eq!(ledger.cursor(a).await.unwrap().listed_through, Some(time(9)));
    let asked = vec![EventKey::new(a.tenant, "e"), EventKey::new(a.tenant, "f")];
    assert_eq!(ledger.delivered(asked).await.unwrap(), [true, false]);
    assert!(ledger.unknown(vec![content(a, "2", time(2))]).await.unwrap().is_empty(), "done rows are recognised");
}

#[tokio::test]
async fn cursors_never_move_back() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
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

#[tokio::test]
async fn a_failed_blob_waits_for_its_time_and_remembers_why() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
    let a = feed(1, ContentType::General);
    ledger.record(a, vec![content(a, "x", time(0))], None, time(0)).await.unwrap();
    let claim = ledger.claim(a, 1, Wanted::Any).await.unwrap().remove(0);
    ledger.fail(BlobKey::from(&claim.content), retry(time(100))).await.unwrap();

    assert!(ledger.claim(a, 1, Wanted::Any).await.unwrap().is_empty());
    let waiting = ledger.promote(time(99)).await.unwrap();
    assert_eq!((waiting.feeds, waiting.next_due), (vec![], Some(time(100))));
    assert_eq!(ledger.promote(time(100)).await.unwrap(), Promoted { feeds: vec![a], next_due: None });
    let again = ledger.claim(a, 1, Wanted::Any).await.unwrap().remove(0);
    assert_eq!((again.attempts, again.last_error.as_deref()), (1, Some("HTTP 500")));
    assert_eq!(again.content, claim.content);
}

#[tokio::test]
async fn rejections_are_counted_apart_and_outlive_a_restart() {
    let directory = TempDir::new().unwrap();
    let a = feed(1, ContentType::General);
    let mut ledger = open(&directory).await;
    ledger.record(a, vec![content(a, "x", time(0))], None, time(0)).await.unwrap();
    for (turn, counts) in (0..).zip([Counts::Rejection, Counts::Attempt, Counts::Nothing, Counts::Rejection]) {
        let due = time(turn);
        let claim = ledger.claim(a, 1, Wanted::Any).await.unwrap().remove(0);
        ledger.fail(BlobKey::from(&claim.content), Retry { counts, ..retry(due) }).await.unwrap();
        drop(ledger);
        ledger = open(&directory).await;
        ledger.promote(due).await.unwrap();
    }
    let claim = ledger.claim(a, 1, Wanted::Any).await.unwrap().remove(0);
    assert_eq!((claim.attempts, claim.rejections), (1, 2));
}

#[tokio::test]
async fn rows_stay_until_their_content_expires_and_pending_ones_die_visibly() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
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
        ledger.complete(BlobKey { feed: a, content_id: id.into() }, vec![], time(1)).await.unwrap();
    }

    let in_days = |days: i64| time(0) + TimeDelta::days(days);
    assert_eq!(ledger.prune(in_days(7)).await.unwrap(), Pruned::default());
    let pruned = ledger.prune(in_days(9)).await.unwrap();
    assert_eq!(pruned.forgotten, 1);
    assert_eq!(pruned.expired.iter().map(|dead| dead.key.content_id.as_str()).collect::<Vec<_>>(), ["pending"]);
    assert_eq!(ledger.dead(10).await.unwrap(), pruned.expired);
    let summary = ledger.summary().await.unwrap();
    assert_eq!(summary, [(a, FeedSummary { pending: 0, dead: 1, oldest_pending: None })]);
    assert_eq!(ledger.prune(in_days(60)).await.unwrap().forgotten, 2, "nothing is remembered indefinitely");
    assert!(ledger.dead(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn event_ids_are_forgotten_by_the_day_they_arrived() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
    let tenant = TenantId(Uuid::from_u128(1));
    let (early, late) = (EventKey::new(tenant, "early"), EventKey::new(tenant, "late"));
    ledger.deliver(vec![early], time(0)).await.unwrap();
    ledger.deliver(vec![late], time(0) + TimeDelta::days(3)).await.unwrap();
    ledger.prune(time(0) + TimeDelta::days(7)).await.unwrap();
    assert_eq!(ledger.delivered(vec![early, late]).await.unwrap(), [true, true], "at least the window");
    ledger.prune(time(0) + TimeDelta::days(9)).await.unwrap();
    assert_eq!(ledger.delivered(vec![early, late]).await.unwrap(), [false, true]);
}

#[tokio::test]
async fn a_second_opener_is_told_who_is_in_the_way() {
    let directory = TempDir::new().unwrap();
    let _first = open(&directory).await;
    let error = RedbLedger::open(directory.path(), TimeDelta::days(7)).await.unwrap_err();
    assert!(matches!(error, LedgerError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("in use by another process"));
}

#[tokio::test]
async fn what_is_no_ledger_is_refused_and_left_alone() {
    let mut garbage = vec![0x5a; 64 * 1024];
    garbage[..4].copy_from_slice(b"redb");
    for contents in [b"".as_slice(), b"hello", &garbage] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join(FILE);
        fs::write(&path, contents).unwrap();
        let error = RedbLedger::open(directory.path(), TimeDelta::days(7)).await.unwrap_err();
        assert!(matches!(error, LedgerError::Corrupt { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), contents, "the file is evidence");
    }
}

#[tokio::test]
async fn damage_anywhere_in_the_file_never_passes_for_an_empty_ledger() {
    let directory = TempDir::new().unwrap();
    let a = feed(1, ContentType::Exchange);
    {
        let ledger = open(&directory).await;
        let refs = (0..2_000).map(|n| content(a, &format!("blob-{n}"), time(n))).collect();
        ledger.record(a, refs, Some(CursorMove::ListedThrough(time(2_000))), time(2_000)).await.unwrap();
    }
    tokio::task::yield_now().await;
    let path = directory.path().join(FILE);
    let good = fs::read(&path).unwrap();
    for cut in [good.len() / 2, 4_096, 1_000] {
        fs::write(&path, &good[..cut]).unwrap();
        let error = RedbLedger::open(directory.path(), TimeDelta::days(7)).await.unwrap_err();
        assert!(matches!(error, LedgerError::Corrupt { .. }), "cut at {cut}: {error}");
    }
}

/// Takes the ledger away while it is in use, by `how`; nothing counts as written after that.
#[cfg(unix)]
async fn assert_stops(how: impl FnOnce(&Path)) {
    let directory = TempDir::new().unwrap();
    let home = directory.path().join("source");
    fs::create_dir(&home).unwrap();
    let ledger = RedbLedger::open(&home, TimeDelta::days(7)).await.unwrap();
    let a = feed(1, ContentType::Exchange);
    ledger.record(a, vec![content(a, "before", time(0))], None, time(0)).await.unwrap();
    how(&home);
    let error = ledger.record(a, vec![content(a, "after", time(1))], None, time(1)).await.unwrap_err();
    assert!(matches!(error, LedgerError::Replaced { .. }), "{error}");
    let key = BlobKey { feed: a, content_id: "before".into() };
    assert!(ledger.complete(key, vec![], time(2)).await.is_err(), "it stays so");
}

#[tokio::test]
#[cfg(unix)]
async fn a_ledger_that_is_taken_away_stops_before_anything_counts_as_done() {
    assert_stops(|home| fs::remove_file(home.join(FILE)).unwrap()).await;
    assert_stops(|home| fs::remove_dir_all(home).unwrap()).await;
    assert_stops(|home| fs::rename(home, home.with_extension("moved")).unwrap()).await;
    assert_stops(|home| {
        let path = home.join(FILE);
        fs::copy(&path, home.join("copy")).unwrap();
        fs::rename(home.join("copy"), &path).unwrap();
    })
    .await;
    assert_stops(|home| {
        fs::remove_dir_all(home).unwrap();
        fs::write(home, "a file is in the way").unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let directory = TempDir::new().unwrap();
    drop(open(&directory).await);
    tokio::task::yield_now().await;
    {
        let database = Database::open(directory.path().join(FILE)).unwrap();
        let tx = database.begin_write().unwrap();
        tx.open_table(META).unwrap().insert("format", FORMAT + 1).unwrap();
        tx.commit().unwrap();
    }
    let error = RedbLedger::open(directory.path(), TimeDelta::days(7)).await.unwrap_err();
    assert!(matches!(error, LedgerError::TooNew { .. }), "{error}");
}

/// What a ledger must do, as simply as possible.
#[derive(Default)]
struct Model {
    blobs: HashMap<&'static str, &'static str>,
    announced: HashSet<&'static str>,
}

#[derive(Clone, Debug)]
enum Step {
    Record(usize),
    Announce(usize),
    Forget(usize),
    Claim,
    Complete(usize),
    Fail(usize),
    DeadLetter(usize),
    Promote,
    Reopen,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..6usize).prop_map(Step::Record),
        (0..6usize).prop_map(Step::Announce),
        (0..6usize).prop_map(Step::Forget),
        Just(Step::Claim),
        (0..6usize).prop_map(Step::Complete),
        (0..6usize).prop_map(Step::Fail),
        (0..6usize).prop_map(Step::DeadLetter),
        Just(Step::Promote),
        Just(Step::Reopen),
    ]
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever happens in whatever order, what was recorded is pending until it is completed or dead-lettered, exactly.
    #[test]
    fn nothing_recorded_is_ever_lost(steps in prop::collection::vec(any_step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let directory = TempDir::new().unwrap();
            let a = feed(7, ContentType::SharePoint);
            let mut ledger = open(&directory).await;
            let mut model = Model::default();
            for step in steps {
                let key = |n: usize| BlobKey { feed: a, content_id: NAMES[n].into() };
                match step {
                    Step::Record(n) => {
                        ledger.record(a, vec![content(a, NAMES[n], time(i64::try_from(n).unwrap()))], None, time(0)).await.unwrap();
                        model.blobs.entry(NAMES[n]).or_insert("pending");
                        model.announced.remove(NAMES[n]);
                    }
                    Step::Announce(n) => {
                        let refs = vec![content(a, NAMES[n], time(i64::try_from(n).unwrap()))];
                        ledger.announce(a, refs, 99, time(0)).await.unwrap();
                        if let Entry::Vacant(new) = model.blobs.entry(NAMES[n]) {
                            new.insert("pending");
                            model.announced.insert(NAMES[n]);
                        }
                    }
                    Step::Forget(n) => {
                        let forgotten = ledger.forget_announced(key(n)).await.unwrap();
                        let known = model.blobs.contains_key(NAMES[n]);
                        assert_eq!(forgotten, !known || model.announced.contains(NAMES[n]));
                        if forgotten {
                            model.blobs.remove(NAMES[n]);
                            model.announced.remove(NAMES[n]);
                        }
                    }
                    Step::Claim => {
                        ledger.claim(a, 2, Wanted::Any).await.unwrap();
                    }
                    Step::Complete(n) => {
                        ledger.complete(key(n), vec![], time(0)).await.unwrap();
                        model.blobs.entry(NAMES[n]).and_modify(|state| *state = "done");
                    }
                    Step::Fail(n) => ledger.fail(key(n), retry(time(5))).await.unwrap(),
                    Step::DeadLetter(n) => {
                        ledger.dead_letter(key(n), "gone".into(), time(0)).await.unwrap();
                        model.blobs.entry(NAMES[n]).and_modify(|state| *state = "dead");
                    }
                    Step::Promote => {
                        ledger.promote(time(10)).await.unwrap();
                    }
                    Step::Reopen => {
                        drop(ledger);
                        tokio::task::yield_now().await;
                        ledger = open(&directory).await;
                    }
                }
                let summary = ledger.summary().await.unwrap().first().map_or(FeedSummary::default(), |(_, s)| *s);
                let count = |wanted: &str| model.blobs.values().filter(|state| **state == wanted).count() as u64;
                assert_eq!((summary.pending, summary.dead), (count("pending"), count("dead")));
            }
            drop(ledger);
            tokio::task::yield_now().await;
            let ledger = open(&directory).await;
            ledger.promote(time(10)).await.unwrap();
            let mut claimed: Vec<_> = ids(&ledger.claim(a, 99, Wanted::Any).await.unwrap()).into_iter().map(str::to_owned).collect();
            claimed.sort();
            let mut pending: Vec<_> =
                model.blobs.iter().filter(|(_, state)| **state == "pending").map(|(name, _)| (*name).to_owned()).collect();
            pending.sort();
            assert_eq!(claimed, pending);
        });
    }
}

#[tokio::test]
async fn a_tenant_that_is_forgotten_takes_its_content_along_and_nobody_elses() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
    let (gone, stays) = (feed(1, ContentType::Exchange), feed(2, ContentType::Exchange));
    for feed in [gone, stays] {
        let refs = (0..5).map(|number| content(feed, &format!("{number}"), time(number))).collect();
        let cursor = Some(CursorMove::ListedThrough(time(9)));
        ledger.record(feed, refs, cursor, time(9)).await.unwrap();
        ledger.claim(feed, 2, Wanted::Any).await.unwrap();
        ledger.complete(BlobKey { feed, content_id: "0".into() }, Vec::new(), time(9)).await.unwrap();
        ledger.fail(BlobKey { feed, content_id: "1".into() }, retry(time(50))).await.unwrap();
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
    ledger.fail(BlobKey { feed: gone, content_id: "1".into() }, retry(time(50))).await.unwrap();
    ledger.promote(time(99)).await.unwrap();
    ledger.prune(time(99) + TimeDelta::days(99)).await.unwrap();
    assert_eq!(ledger.record(gone, vec![content(gone, "0", time(0))], None, time(9)).await.unwrap(), 1);
}

#[tokio::test]
async fn the_first_auth_id_stays() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
    assert_eq!(ledger.auth_id("first".into()).await.unwrap().expose_secret(), "first");
    drop(ledger);
    assert_eq!(open(&directory).await.auth_id("second".into()).await.unwrap().expose_secret(), "first");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(directory.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "only its owner reads it");
    }
}

#[tokio::test]
async fn a_ledger_of_a_version_without_tenants_gains_them() {
    let directory = TempDir::new().unwrap();
    {
        let ledger = open(&directory).await;
        let tx = ledger.database.begin_write().unwrap();
        assert!(tx.delete_table(TableDefinition::<Bytes, Bytes>::new("tenants")).unwrap());
        assert!(tx.delete_table(TableDefinition::<Bytes, &str>::new("webhooks")).unwrap());
        assert!(tx.delete_table(TableDefinition::<&str, &str>::new("secrets")).unwrap());
        tx.commit().unwrap();
    }
    let ledger = open(&directory).await;
    assert!(ledger.tenants().await.unwrap().is_empty());
    assert!(ledger.webhooks(feed(1, ContentType::Exchange)).await.unwrap().is_empty());
    assert_eq!(ledger.auth_id("first".into()).await.unwrap().expose_secret(), "first");
}

#[tokio::test]
async fn what_was_given_up_is_pending_again_under_another_uri() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
    let feed = feed(1, ContentType::Exchange);
    let right = content(feed, "a", time(0));
    let mut wrong = right.clone();
    wrong.content_uri = "https://manage.office.com/wrong".into();
    ledger.record(feed, vec![wrong.clone()], None, time(1)).await.unwrap();
    ledger.claim(feed, 1, Wanted::Any).await.unwrap();
    ledger.dead_letter(BlobKey::from(&wrong), "404".into(), time(2)).await.unwrap();
    assert_eq!(ledger.record(feed, vec![wrong], None, time(3)).await.unwrap(), 0, "the same is no news");

    assert_eq!(ledger.unknown(vec![right.clone()]).await.unwrap(), std::slice::from_ref(&right));
    assert_eq!(ledger.record(feed, vec![right.clone()], None, time(3)).await.unwrap(), 1);
    let claims = ledger.claim(feed, 1, Wanted::Any).await.unwrap();
    assert_eq!((claims[0].content.content_uri.as_str(), claims[0].attempts), (right.content_uri.as_str(), 0));
    assert!(ledger.dead(9).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_only_a_notification_told_of_comes_last_and_only_so_much_of_it() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
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
    assert_eq!(ids(&ledger.claim(a, 9, Wanted::Listed).await.unwrap()), ["listed"]);
    ledger.release(&BlobKey { feed: a, content_id: "listed".into() });
    let claims = ledger.claim(a, 9, Wanted::Any).await.unwrap();
    assert_eq!(ids(&claims), ["listed", "told-0", "told-1"], "whatever is older");
    assert_eq!(claims.iter().map(|claim| claim.announced).collect::<Vec<_>>(), [false, true, true]);

    // One waits for a retry, and takes its room all the same.
    ledger.fail(BlobKey::from(&told(0)), retry(time(20))).await.unwrap();
    assert_eq!(ledger.announce(a, vec![told(2)], 2, time(9)).await.unwrap().postponed, 1);
    ledger.promote(time(30)).await.unwrap();
    assert!(ledger.claim(a, 9, Wanted::Listed).await.unwrap().is_empty());
    // A listing names one, and there is room for another.
    assert_eq!(ledger.unknown(vec![told(0)]).await.unwrap(), [told(0)]);
    assert_eq!(ledger.record(a, vec![told(0)], None, time(31)).await.unwrap(), 0, "it was found already");
    assert!(ledger.unknown(vec![told(0)]).await.unwrap().is_empty());
    assert_eq!(ids(&ledger.claim(a, 9, Wanted::Listed).await.unwrap()), ["told-0"]);
    assert_eq!(ledger.announce(a, vec![told(2)], 2, time(9)).await.unwrap().added, 1);

    assert!(!ledger.forget_announced(BlobKey::from(&told(0))).await.unwrap(), "a listing has named it");
    assert!(ledger.forget_announced(BlobKey::from(&told(1))).await.unwrap());
    assert_eq!(ledger.summary().await.unwrap()[0].1.pending, 3);
    assert!(ledger.dead(9).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_notification_changes_nothing_of_what_is_known() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
    let a = feed(1, ContentType::Exchange);
    let names = ["pending", "done", "dead"];
    ledger.record(a, names.map(|id| content(a, id, time(0))).to_vec(), None, time(0)).await.unwrap();
    ledger.complete(BlobKey { feed: a, content_id: "done".into() }, vec![], time(1)).await.unwrap();
    ledger.dead_letter(BlobKey { feed: a, content_id: "dead".into() }, "404".into(), time(1)).await.unwrap();
    let moved = |id: &str| ContentRef { content_uri: format!("https://elsewhere/{id}"), ..content(a, id, time(0)) };
    assert_eq!(ledger.announce(a, names.map(moved).to_vec(), 9, time(2)).await.unwrap(), Announced::default());
    let claims = ledger.claim(a, 9, Wanted::Any).await.unwrap();
    assert_eq!(claims.iter().map(|claim| &claim.content).collect::<Vec<_>>(), [&content(a, "pending", time(0))]);
}

#[tokio::test]
async fn what_was_delivered_under_the_uri_of_other_content_is_pending_when_a_listing_brings_its_own() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
    let a = feed(1, ContentType::Exchange);
    let (victim, honest) = (content(a, "victim", time(0)), content(a, "honest", time(0)));
    let from_notification = |content: &ContentRef| ContentRef {
        content_uri: format!("{}$IsFromNotification", content.content_uri),
        ..content.clone()
    };
    let lied = ContentRef { content_uri: content(a, "other", time(0)).content_uri, ..victim.clone() };
    ledger.announce(a, vec![lied, from_notification(&honest)], 9, time(0)).await.unwrap();
    for content in [&victim, &honest] {
        ledger.complete(BlobKey::from(content), vec![], time(1)).await.unwrap();
    }
    assert_eq!(
        ledger.unknown(vec![victim.clone(), honest.clone()]).await.unwrap().len(),
        2,
        "both are to be confirmed"
    );
    assert_eq!(ledger.record(a, vec![victim.clone(), honest.clone()], None, time(2)).await.unwrap(), 1);
    let claims = ledger.claim(a, 9, Wanted::Listed).await.unwrap();
    assert_eq!(claims.iter().map(|claim| &claim.content).collect::<Vec<_>>(), [&victim]);
    ledger.complete(BlobKey::from(&victim), vec![], time(3)).await.unwrap();
    assert!(ledger.unknown(vec![victim, honest]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_ledger_of_the_format_before_goes_on() {
    let directory = TempDir::new().unwrap();
    let a = feed(1, ContentType::Exchange);
    {
        let ledger = open(&directory).await;
        ledger.record(a, vec![content(a, "pending", time(0))], None, time(0)).await.unwrap();
        let tx = ledger.database.begin_write().unwrap();
        tx.open_table(META).unwrap().insert("format", OLDEST_FORMAT).unwrap();
        tx.delete_table(ANNOUNCED).unwrap();
        tx.delete_table(ANNOUNCED_PENDING).unwrap();
        tx.commit().unwrap();
    }
    tokio::task::yield_now().await;
    let ledger = open(&directory).await;
    assert_eq!(ids(&ledger.claim(a, 9, Wanted::Listed).await.unwrap()), ["pending"]);
    assert_eq!(ledger.announce(a, vec![content(a, "told", time(0))], 9, time(1)).await.unwrap().added, 1);
    assert_eq!(format_of(&ledger.database).unwrap(), Some(FORMAT));
}

#[tokio::test]
async fn what_a_listing_names_otherwise_while_it_is_fetched_is_pending_again() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
    let a = feed(1, ContentType::Exchange);
    let (listed, same) = (content(a, "changed", time(0)), content(a, "same", time(0)));
    let announced = ContentRef { content_uri: format!("{}?other=1", listed.content_uri), ..listed.clone() };
    ledger.announce(a, vec![announced, same.clone()], 9, time(0)).await.unwrap();
    assert_eq!(ledger.claim(a, 9, Wanted::Any).await.unwrap().len(), 2);
    ledger.record(a, vec![listed.clone(), same.clone()], None, time(1)).await.unwrap();
    assert!(!ledger.complete(BlobKey::from(&listed), vec![], time(2)).await.unwrap());
    assert!(ledger.complete(BlobKey::from(&same), vec![], time(2)).await.unwrap());
    let claims = ledger.claim(a, 9, Wanted::Listed).await.unwrap();
    assert_eq!(claims.iter().map(|claim| &claim.content).collect::<Vec<_>>(), [&listed]);
    assert!(ledger.complete(BlobKey::from(&listed), vec![], time(3)).await.unwrap());
}

#[tokio::test]
async fn what_a_listing_confirms_is_due_whatever_pause_it_had() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
    let a = feed(1, ContentType::Exchange);
    let told = content(a, "told", time(0));
    ledger.announce(a, vec![told.clone()], 9, time(0)).await.unwrap();
    ledger.claim(a, 9, Wanted::Any).await.unwrap();
    ledger.fail(BlobKey::from(&told), retry(time(900))).await.unwrap();
    ledger.record(a, vec![told], None, time(1)).await.unwrap();
    let claims = ledger.claim(a, 9, Wanted::Listed).await.unwrap();
    assert_eq!((claims.len(), claims[0].attempts), (1, 0));
}
