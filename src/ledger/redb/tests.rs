use std::{fs, path::Path};

use chrono::{DateTime, TimeDelta, Utc};
use redb::TableDefinition;
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio::time::Instant;

use super::{
    events::BATCHES,
    open::{FORMAT, OLDEST_FORMAT, format_of},
    tables::{ANNOUNCED, ANNOUNCED_PENDING, Bytes, META},
    *,
};
use crate::{
    content::{ContentType, Feed},
    ledger::{
        AuditDay, BlobKey, ContentIntake, ContentQueue, CoverageStore, Cursor, CursorMove, DayRequest, DeliveredBatch,
        DeliveredEvents, EventCount, EventKey, IdRetention, SearchScope, SearchStep, SubscriptionStore, TenantStore,
        Upkeep, Wanted,
        contract::{DEDUPE_WINDOW, Storage, TENANT, content, feed, time},
    },
};

contract_tests!(TempLedger);

/// A directory for the ledger of a test.
struct TempLedger(TempDir);

impl Default for TempLedger {
    fn default() -> Self {
        Self(TempDir::new().unwrap())
    }
}

impl Storage for TempLedger {
    type Ledger = RedbLedger;

    async fn open(&self) -> RedbLedger {
        open(&self.0).await
    }
}

async fn open(directory: &TempDir) -> RedbLedger {
    // The writer holds the file until it sees that its last handle is gone.
    tokio::task::yield_now().await;
    RedbLedger::open(directory.path(), DEDUPE_WINDOW).await.unwrap()
}

#[tokio::test]
async fn a_second_opener_is_told_who_is_in_the_way() {
    let directory = TempDir::new().unwrap();
    RedbLedger::check_unused(directory.path(), DEDUPE_WINDOW).await.unwrap();
    assert!(!RedbLedger::exists(directory.path()), "none is made");
    let first = open(&directory).await;
    let error = RedbLedger::check_unused(directory.path(), DEDUPE_WINDOW).await.unwrap_err();
    assert!(matches!(error, LedgerError::InUse { .. }), "{error}");
    let error = RedbLedger::open(directory.path(), DEDUPE_WINDOW).await.unwrap_err();
    assert!(matches!(error, LedgerError::InUse { .. }), "{error}");
    drop(first);
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
        let error = RedbLedger::open(directory.path(), DEDUPE_WINDOW).await.unwrap_err();
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
        let error = RedbLedger::open(directory.path(), DEDUPE_WINDOW).await.unwrap_err();
        assert!(matches!(error, LedgerError::Corrupt { .. }), "cut at {cut}: {error}");
    }
}

#[tokio::test(start_paused = true)]
#[cfg(feature = "nats")]
async fn a_copy_takes_many_writes_in_little_space_and_can_be_opened_after_a_crash() {
    let (directory, crashed) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let copy = RedbLedger::start_copy(directory.path(), DEDUPE_WINDOW.into()).await.unwrap();
    let a = feed(1, ContentType::Exchange);
    let path = directory.path().join(FILE);
    let before = fs::metadata(&path).unwrap().len();
    for number in 0..3_000 {
        copy.record(a, vec![content(a, "the same", time(number))], None, time(number)).await.unwrap();
        tokio::time::advance(COPY_MAY_LOSE / 200).await;
    }
    assert_eq!(copy.summary().await.unwrap()[0].1.pending, 1);
    let after = fs::metadata(&path).unwrap().len();
    assert!(after < before + 4 * 1_024 * 1_024, "{before} bytes have become {after}");
    // What is in the file at any time, as after a crash.
    fs::copy(&path, crashed.path().join(FILE)).unwrap();
    drop(copy);
    open(&crashed).await.summary().await.unwrap();
}

/// Takes the ledger away while it is in use, by `how`; nothing counts as written after that.
#[cfg(unix)]
async fn assert_stops(how: impl FnOnce(&Path)) {
    let directory = TempDir::new().unwrap();
    let home = directory.path().join("source");
    fs::create_dir(&home).unwrap();
    let ledger = RedbLedger::open(&home, DEDUPE_WINDOW).await.unwrap();
    let a = feed(1, ContentType::Exchange);
    ledger.record(a, vec![content(a, "before", time(0))], None, time(0)).await.unwrap();
    how(&home);
    let error = ledger.record(a, vec![content(a, "after", time(1))], None, time(1)).await.unwrap_err();
    assert!(matches!(error, LedgerError::Replaced { .. }), "{error}");
    let key = BlobKey { feed: a, content_id: "before".into() };
    assert!(ledger.complete(key, vec![].into(), time(2)).await.is_err(), "it stays so");
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
    let error = RedbLedger::open(directory.path(), DEDUPE_WINDOW).await.unwrap_err();
    assert!(matches!(error, LedgerError::TooNew { .. }), "{error}");
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
        tx.delete_table(BATCHES).unwrap();
        let table = TableDefinition::<[u8; 16], ()>::new("events_20000");
        tx.open_table(table).unwrap().insert(EventKey::new(a.tenant, "delivered").0, ()).unwrap();
        tx.commit().unwrap();
    }
    tokio::task::yield_now().await;
    let ledger = open(&directory).await;
    let asked = vec![EventKey::new(a.tenant, "delivered"), EventKey::new(a.tenant, "another")];
    assert_eq!(ledger.delivered(asked).await.unwrap(), [true, false]);
    let claim = ledger.claim(a, Wanted::Listed).await.unwrap().unwrap();
    assert_eq!(claim.content.content_id, "pending");
    assert_eq!(ledger.announce(a, vec![content(a, "told", time(0))], 9, time(1)).await.unwrap().added, 1);
    assert_eq!(format_of(&ledger.database).unwrap(), Some(FORMAT));
    assert_eq!(ledger.ids_forgotten_before().await.unwrap(), events::date(20_000));
}

/// Makes of a ledger what the version before the audit search would have left.
fn make_format_3(ledger: &RedbLedger) {
    let tx = ledger.database.begin_write().unwrap();
    tx.open_table(META).unwrap().insert("format", 3).unwrap();
    for (table, value) in
        [("audit_days", "bytes"), ("queries", "bytes"), ("delivered_counts", "numbers"), ("open_audit_days", "none")]
    {
        let deleted = match value {
            "bytes" => tx.delete_table(TableDefinition::<Bytes, Bytes>::new(table)),
            "numbers" => tx.delete_table(TableDefinition::<Bytes, (u64, u64)>::new(table)),
            _ => tx.delete_table(TableDefinition::<Bytes, ()>::new(table)),
        };
        assert!(deleted.unwrap());
    }
    tx.commit().unwrap();
}

#[tokio::test]
async fn what_an_earlier_version_may_have_forgotten_is_noted_once() {
    let a = feed(1, ContentType::Exchange);
    let today = chrono::Utc::now().date_naive();
    let delivered = time(0) + TimeDelta::days(3);
    for (has_listed, has_delivered, is_noted) in [(false, false, false), (true, false, true), (true, true, true)] {
        let directory = TempDir::new().unwrap();
        let ledger = open(&directory).await;
        if has_listed {
            let step = CursorMove::Reconciled(time(0));
            ledger.record(a, Vec::new(), Some(step), time(0)).await.unwrap();
        }
        if has_delivered {
            ledger.deliver(TENANT, vec![EventKey::new(a.tenant, "e")].into(), delivered).await.unwrap();
        }
        assert_eq!(ledger.ids_forgotten_before().await.unwrap(), None);
        make_format_3(&ledger);
        drop(ledger);
        let ledger = open(&directory).await;
        let noted = ledger.ids_forgotten_before().await.unwrap();
        if has_delivered {
            assert_eq!(noted, Some(delivered.date_naive()));
        } else {
            assert_eq!(noted.is_some_and(|day| day >= today), is_noted);
        }
        assert!(ledger.open_days(None).await.unwrap().is_empty());
        // What this version delivers from now on is not taken for forgotten at its next start.
        ledger.deliver(TENANT, vec![EventKey::new(a.tenant, "f")].into(), time(0)).await.unwrap();
        drop(ledger);
        assert_eq!(open(&directory).await.ids_forgotten_before().await.unwrap(), noted);
    }
}

#[tokio::test]
#[cfg(unix)]
async fn only_its_owner_reads_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let directory = TempDir::new().unwrap();
    drop(open(&directory).await);
    let mode = fs::metadata(directory.path().join(FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Each search begins where the last one ended, so that a claim costs the same however much is held.
#[tokio::test]
async fn a_claim_does_not_pass_what_is_held() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
    let a = feed(1, ContentType::Exchange);
    ledger.record(a, (0..50).map(|n| content(a, &format!("{n:02}"), time(n))).collect(), None, time(99)).await.unwrap();
    for number in 0..50 {
        let start = ledger.held.start(a, held::Queue::Listed);
        assert_eq!(start.after.is_some(), number > 0, "{number}");
        let claim = ledger.claim(a, Wanted::Any).await.unwrap().unwrap();
        assert_eq!(claim.content.content_id, format!("{number:02}"));
        // Done blobs rewind nothing.
        if number % 2 == 0 {
            ledger.complete(BlobKey::from(&claim.content), vec![].into(), time(100)).await.unwrap();
        }
    }
}

/// What the file says of a cursor, whatever memory says.
fn stored(ledger: &RedbLedger, feed: Feed) -> Option<DateTime<Utc>> {
    Cursors::of_file(&ledger.database.begin_read().unwrap()).unwrap().get(feed).listed_through
}

#[tokio::test(start_paused = true)]
async fn small_moves_of_cursors_become_durable_together_and_soon() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
    let (a, b) = (feed(1, ContentType::Exchange), feed(2, ContentType::Exchange));
    let step = async |feed, secs| {
        let step = CursorMove::ListedThrough(time(secs));
        ledger.record(feed, Vec::new(), Some(step), time(secs)).await.unwrap();
        assert_eq!(ledger.cursor(feed).await.unwrap().listed_through, Some(time(secs)));
    };
    step(a, 0).await;
    step(b, 0).await;
    assert_eq!([stored(&ledger, a), stored(&ledger, b)], [Some(time(0)); 2], "the first one counts at once");
    step(a, 60).await;
    step(b, 61).await;
    assert_eq!([stored(&ledger, a), stored(&ledger, b)], [Some(time(0)); 2]);
    let began = Instant::now();
    while stored(&ledger, a) != Some(time(60)) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(began.elapsed() <= cursors::LATEST + Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(stored(&ledger, b), Some(time(61)));
    step(a, 60 + 3_601).await;
    assert_eq!(stored(&ledger, a), Some(time(60 + 3_601)), "what skips much counts at once");
    let correction = CursorMove::Anchored(time(50));
    ledger.record(a, Vec::new(), Some(correction), time(4_000)).await.unwrap();
    assert_eq!(stored(&ledger, a), Some(time(50)));
    // A stop writes what is left, and a tenant that is forgotten leaves nothing to write.
    step(a, 100).await;
    step(b, 100).await;
    ledger.forget_tenant(b.tenant).await.unwrap();
    assert_eq!(ledger.cursor(b).await.unwrap(), Cursor::default());
    step(a, 150).await;
    step(a, 200).await;
    drop(ledger);
    let ledger = open(&directory).await;
    assert_eq!([stored(&ledger, a), stored(&ledger, b)], [Some(time(200)), None]);
}

/// With thousands of feeds, one of them is reconciled every few seconds.
#[tokio::test(start_paused = true)]
async fn cursors_that_are_written_at_once_put_off_no_others() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
    let (a, b) = (feed(1, ContentType::Exchange), feed(2, ContentType::Exchange));
    for secs in [0, 60] {
        let step = CursorMove::ListedThrough(time(secs));
        ledger.record(a, Vec::new(), Some(step), time(secs)).await.unwrap();
    }
    let began = Instant::now();
    while stored(&ledger, a) != Some(time(60)) {
        assert!(began.elapsed() < 2 * cursors::LATEST, "it is put off");
        let now = time(i64::try_from(began.elapsed().as_secs()).unwrap());
        ledger.record(b, Vec::new(), Some(CursorMove::Reconciled(now)), now).await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

#[tokio::test]
async fn ids_stay_while_a_day_is_not_proved_complete_but_not_indefinitely() {
    let directory = TempDir::new().unwrap();
    let retention = IdRetention { window: TimeDelta::days(7), while_needed: TimeDelta::days(20) };
    let ledger = RedbLedger::open(directory.path(), retention).await.unwrap();
    let (a, delivered) = (feed(1, ContentType::Exchange), time(0));
    let of = AuditDay { tenant: a.tenant, day: delivered.date_naive() };
    let event = EventKey::new(a.tenant, "e");
    let counts = vec![EventCount { feed: a, day: of.day, events: 1, healed: false }];
    ledger.deliver(TENANT, DeliveredBatch { events: vec![event], counts }, delivered).await.unwrap();
    let is_known = async |days: i64| {
        ledger.prune(delivered + TimeDelta::days(days)).await.unwrap();
        ledger.delivered(vec![event]).await.unwrap() == [true]
    };
    assert!(is_known(10).await);
    assert_eq!(ledger.ids_forgotten_before().await.unwrap(), None);
    let scopes = vec![SearchScope { start: delivered, end: delivered + TimeDelta::days(1), record_types: Vec::new() }];
    let request = DayRequest { of, heals: true, scopes, hidden: Vec::new(), at: delivered };
    ledger.request_day(request.clone()).await.unwrap();
    assert!(is_known(11).await, "its comparison is under way");
    ledger.step_search(of, 0, SearchStep::GivenUp { problem: "x".into(), at: delivered }).await.unwrap();
    assert!(is_known(12).await, "its comparison came to nothing");
    ledger.request_day(DayRequest { scopes: Vec::new(), ..request }).await.unwrap();
    assert!(!is_known(13).await);
    assert!(ledger.ids_forgotten_before().await.unwrap() > Some(of.day));

    let counts = vec![EventCount { feed: a, day: of.day, events: 1, healed: false }];
    let other = AuditDay { tenant: feed(2, ContentType::Exchange).tenant, ..of };
    let counts = counts.into_iter().map(|count| EventCount { feed: Feed { tenant: other.tenant, ..a }, ..count });
    let batch = DeliveredBatch { events: vec![event], counts: counts.collect() };
    ledger.deliver(TENANT, batch, delivered).await.unwrap();
    assert!(is_known(19).await && !is_known(22).await, "nobody compares it");
}
