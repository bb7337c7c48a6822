//! What claims cost while others are held, and what delivered events cost while others were delivered. The rows of each should
//! not differ much: a claim passes nothing that is held, and ids of delivered events move to their tables many at a time.
//!
//! `cargo bench --bench ledger -- --ignored twenty_million` fills a window and prints what an id takes (Linux; some minutes).
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench may fail loudly and prints its result, of some million ids"
)]

use std::{
    fs,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use divan::{Bencher, counter::ItemsCount};
use office365_source::{
    content::{ContentRef, ContentType, Feed, TenantId},
    ledger::{BlobKey, ContentIntake, ContentQueue, DeliveredEvents, EventKey, RedbLedger, Upkeep, Wanted},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

const TENANT: TenantId = TenantId(Uuid::from_u128(1));

fn main() {
    divan::main();
}

fn content(feed: Feed, number: usize, now: DateTime<Utc>) -> ContentRef {
    ContentRef {
        feed,
        content_id: format!("20261128010000000$20261128010000000${number:012}$audit_exchange$Audit_Exchange$na0001"),
        content_uri: format!("https://manage.office.com/api/v1.0/t/activity/feed/audit/{number}"),
        created: now,
        expiration: Some(now + TimeDelta::days(7)),
    }
}

/// Claims a blob and marks it done.
#[divan::bench(args = [0, 100, 1_000, 10_000], sample_count = 200)]
fn claim_and_complete(bencher: Bencher<'_, '_>, held: usize) {
    let runtime = Runtime::new().unwrap();
    let directory = TempDir::new().unwrap();
    let feed = Feed { tenant: TenantId(Uuid::from_u128(1)), content_type: ContentType::Exchange };
    let now = Utc::now();
    let ledger = runtime.block_on(async {
        let ledger = RedbLedger::open(directory.path(), TimeDelta::days(7)).await.unwrap();
        for first in (0..held + 1_000).step_by(500) {
            let refs = (first..first + 500).map(|number| content(feed, number, now)).collect();
            ledger.record(feed, refs, None, now).await.unwrap();
        }
        for _ in 0..held {
            ledger.claim(feed, Wanted::Any).await.unwrap().unwrap();
        }
        ledger
    });
    bencher.bench_local(|| {
        runtime.block_on(async {
            let claim = ledger.claim(feed, Wanted::Any).await.unwrap().unwrap();
            ledger.complete(BlobKey::from(&claim.content), Vec::new().into(), now).await.unwrap()
        })
    });
}

fn keys(first: u64, count: u64) -> Vec<EventKey> {
    (first..first + count).map(|number| EventKey::new(TenantId(Uuid::from_u128(1)), &number.to_string())).collect()
}

/// Looks up events that are new, and notes them as delivered.
async fn look_up_and_deliver(ledger: &RedbLedger, events: Vec<EventKey>, now: DateTime<Utc>) {
    let known = ledger.delivered(events.clone()).await.unwrap();
    assert!(!known.contains(&true));
    ledger.deliver(TENANT, events.into(), now).await.unwrap();
}

/// Delivers 2,000 new events while so many others are in the window of de-duplication.
#[divan::bench(args = [0, 1_000_000], sample_count = 100)]
fn deliver_new_events(bencher: Bencher<'_, '_>, delivered: u64) {
    const EVENTS: u64 = 2_000;
    let runtime = Runtime::new().unwrap();
    let directory = TempDir::new().unwrap();
    let now = Utc::now();
    let ledger = runtime.block_on(async {
        let ledger = RedbLedger::open(directory.path(), TimeDelta::days(7)).await.unwrap();
        for first in (0..delivered).step_by(20_000) {
            ledger.deliver(TENANT, keys(first, 20_000).into(), now).await.unwrap();
        }
        ledger
    });
    let mut first = delivered;
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        runtime.block_on(look_up_and_deliver(&ledger, keys(first, EVENTS), now));
        first += EVENTS;
    });
}

/// User and system time of this process, in steps of 10 ms.
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    Duration::from_millis(10) * (fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap())
}

/// Twenty million events on eight days, 2,000 at a time.
#[divan::bench(sample_count = 1, sample_size = 1, ignore)]
fn twenty_million() {
    const DAYS: u64 = 8;
    const A_DAY: u64 = 2_500_000;
    let runtime = Runtime::new().unwrap();
    let directory = TempDir::new().unwrap();
    let open = async || RedbLedger::open(directory.path(), TimeDelta::days(7)).await.unwrap();
    let size = || fs::metadata(directory.path().join("ledger.redb")).unwrap().len();
    let first_day = Utc::now();
    let on = |day: u64| first_day + TimeDelta::days(day.cast_signed());
    runtime.block_on(async {
        let ledger = open().await;
        for day in 0..DAYS {
            let before = cpu();
            for first in (day * A_DAY..(day + 1) * A_DAY).step_by(2_000) {
                look_up_and_deliver(&ledger, keys(first, 2_000), on(day)).await;
            }
            let seconds = cpu().saturating_sub(before).as_secs_f64();
            println!(
                "day {day}: {:.0} ids a CPU second, {:.1} bytes each",
                A_DAY as f64 / seconds,
                size() as f64 / ((day + 1) * A_DAY) as f64
            );
        }
        drop(ledger);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let began = Instant::now();
        let ledger = open().await;
        println!("open after {:?}", began.elapsed());
        ledger.prune(on(DAYS + 1)).await.unwrap();
        for first in (DAYS * A_DAY..(DAYS + 2) * A_DAY).step_by(2_000) {
            look_up_and_deliver(&ledger, keys(first, 2_000), on(DAYS + 1)).await;
        }
        println!("two days later, two days forgotten: {} bytes", size());
    });
}
