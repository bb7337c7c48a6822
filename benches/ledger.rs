//! What a claim costs while others are held. The rows should not differ: a claim passes nothing that is held.
#![expect(clippy::unwrap_used, reason = "a bench may fail loudly")]

use chrono::{DateTime, TimeDelta, Utc};
use divan::Bencher;
use office365_source::{
    content::{ContentRef, ContentType, Feed, TenantId},
    ledger::{BlobKey, ContentIntake, ContentQueue, RedbLedger, Wanted},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

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
            ledger.complete(BlobKey::from(&claim.content), Vec::new(), now).await.unwrap()
        })
    });
}
