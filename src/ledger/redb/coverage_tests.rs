//! Whatever happens in whatever order, the file says what the plainest implementation says.

use chrono::TimeDelta;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{
    content::{ContentType, Feed},
    ledger::{
        Counts, EventCount, EventKey, ExportPosition, Found, Ledger, MemoryLedger, Wanted,
        contract::{DEDUPE_WINDOW, TENANT, coverage_of_all, day, records_of, request, scope, time},
    },
};

/// What is done. Days, searches and queries are few, so that steps meet.
#[derive(Clone, Debug)]
enum Step {
    Request(AuditDay, i64, bool),
    Search(AuditDay, u32, SearchStep),
    Read(AuditDay, u32, usize),
    Claim(TenantId),
    Complete(TenantId, usize, Vec<EventCount>),
    GiveUp(TenantId, usize),
    Deliver(usize, Vec<EventCount>, i64),
    Spend(TenantId, i64),
    Prune(i64),
    Forget(TenantId),
    Reopen,
}

const QUERIES: [&str; 3] = ["a", "b", "c"];

fn tenant() -> impl Strategy<Value = TenantId> {
    (1..3_u128).prop_map(|tenant| day(tenant, 0).tenant)
}

fn any_day() -> impl Strategy<Value = AuditDay> {
    (1..3_u128, 0..2_i64).prop_map(|(tenant, days)| day(tenant, days))
}

fn search_step() -> impl Strategy<Value = SearchStep> {
    let at = time(50);
    prop_oneof![
        2 => Just(SearchStep::Creating { name: "name".into(), at }),
        6 => (0..QUERIES.len()).prop_map(move |query| SearchStep::Created { query: QUERIES[query].into(), at }),
        1 => any::<bool>().prop_map(move |failed| SearchStep::Replanned {
            not_before: at,
            problem: failed.then(|| "503".into()),
        }),
        1 => (0..3_i64).prop_map(|parts| SearchStep::Split {
            into: (0..parts).map(|part| scope(day(1, 0), part..part + 1)).collect(),
            problem: (parts > 1).then(|| "types".into()),
        }),
        1 => Just(SearchStep::GivenUp { problem: "why".into(), at }),
    ]
}

fn counts() -> impl Strategy<Value = Vec<EventCount>> {
    let count = (any_day(), 0..5_usize, 0..9_u64, any::<bool>()).prop_map(|(of, content_type, events, healed)| {
        let feed = Feed { tenant: of.tenant, content_type: ContentType::ALL[content_type] };
        EventCount { feed, day: of.day, events, healed }
    });
    prop::collection::vec(count, 0..4)
}

fn step() -> impl Strategy<Value = Step> {
    let query = 0..QUERIES.len();
    prop_oneof![
        4 => (any_day(), 0..3_i64, any::<bool>()).prop_map(|(of, searches, heals)| Step::Request(of, searches, heals)),
        8 => (any_day(), 0..3_u32, search_step()).prop_map(|(of, number, step)| Step::Search(of, number, step)),
        8 => (any_day(), 0..3_u32, query.clone()).prop_map(|(of, number, query)| Step::Read(of, number, query)),
        2 => tenant().prop_map(Step::Claim),
        5 => (tenant(), query.clone(), counts()).prop_map(|(tenant, query, counts)| Step::Complete(tenant, query, counts)),
        1 => (tenant(), query).prop_map(|(tenant, query)| Step::GiveUp(tenant, query)),
        3 => (0..3_usize, counts(), 0..12_i64).prop_map(|(events, counts, days)| Step::Deliver(events, counts, days)),
        2 => (tenant(), 0..80_i64).prop_map(|(tenant, hours)| Step::Spend(tenant, hours)),
        1 => prop_oneof![0..20_i64, 398..404_i64].prop_map(Step::Prune),
        1 => tenant().prop_map(Step::Forget),
        2 => Just(Step::Reopen),
    ]
}

fn key(tenant: TenantId, query: usize) -> BlobKey {
    BlobKey::from(&records_of(tenant, QUERIES[query]))
}

/// Takes a step; returns what the ledger says to that.
async fn take(ledger: &impl Ledger, step: Step, number: usize) -> String {
    match step {
        Step::Request(of, searches, heals) => {
            format!("{:?}", ledger.request_day(request(of, searches, heals)).await.unwrap())
        }
        Step::Search(of, number, step) => format!("{:?}", ledger.step_search(of, number, step).await.unwrap()),
        Step::Read(of, number, query) => {
            let content = records_of(of.tenant, QUERIES[query]);
            format!("{:?}", ledger.read_search(of, number, content, time(60)).await.unwrap())
        }
        Step::Claim(tenant) => {
            let claim = ledger.claim(key(tenant, 0).feed, Wanted::Listed).await.unwrap();
            if let Some(claim) = &claim {
                ledger.defer(BlobKey::from(&claim.content), time(61), Counts::Attempt).await.unwrap();
            }
            format!("{claim:?} {:?}", ledger.promote(time(61)).await.unwrap())
        }
        Step::Complete(tenant, query, counts) => {
            let delivery = DeliveredBatch { events: vec![EventKey::new(tenant, &format!("{number}"))], counts };
            let found = [(ContentType::ALL[query], Found { records: 3, missing: 1 })].into();
            let finished = FinishedSearch { query: QUERIES[query].into(), found, problem: None };
            let done = ledger.complete_search(key(tenant, query), finished, delivery, time(70));
            format!("{:?}", done.await.unwrap())
        }
        Step::GiveUp(tenant, query) => {
            format!("{:?}", ledger.dead_letter(key(tenant, query), "gone".into(), time(70)).await.unwrap())
        }
        Step::Deliver(events, counts, days) => {
            let event = |event: usize| EventKey::new(day(1, 0).tenant, &format!("{number} {event}"));
            let delivery = DeliveredBatch { events: (0..events).map(event).collect(), counts };
            format!("{:?}", ledger.deliver(TENANT, delivery, time(0) + TimeDelta::days(days)).await.unwrap())
        }
        Step::Spend(tenant, hours) => {
            format!("{:?}", ledger.spend_query(tenant, time(hours * 3_600), 2).await.unwrap())
        }
        Step::Prune(days) => format!("{:?}", ledger.prune(time(0) + TimeDelta::days(days)).await.unwrap()),
        Step::Forget(tenant) => format!("{:?}", ledger.forget_tenant(tenant).await.unwrap()),
        Step::Reopen => String::new(),
    }
}

/// All that a ledger says.
async fn all(ledger: &impl Ledger) -> String {
    let mut all = Vec::new();
    let mut from = Some(ExportPosition::default());
    while let Some(position) = from {
        let page = ledger.export(position).await.unwrap();
        for piece in &page.pieces {
            assert_eq!(piece.problem(), None);
        }
        all.extend(page.pieces);
        from = page.next;
    }
    let open = ledger.open_days(None).await.unwrap();
    let forgotten = ledger.ids_forgotten_before().await.unwrap();
    let mut pending = Vec::new();
    for tenant in [1, 2] {
        for query in 0..QUERIES.len() {
            pending.push(ledger.is_pending(key(day(tenant, 0).tenant, query)).await.unwrap());
        }
    }
    format!("{all:#?}\n{:#?}\n{open:#?}\n{forgotten:?}\n{pending:?}", coverage_of_all(ledger).await)
}

async fn open(directory: &TempDir) -> RedbLedger {
    // The writer holds the file until it sees that its last handle is gone.
    tokio::task::yield_now().await;
    RedbLedger::open(directory.path(), DEDUPE_WINDOW).await.unwrap()
}

async fn run(steps: Vec<Step>) {
    let directory = TempDir::new().unwrap();
    let mut ledger = open(&directory).await;
    let memory = MemoryLedger::default();
    for (number, step) in steps.into_iter().enumerate() {
        if matches!(step, Step::Reopen) {
            drop(ledger);
            ledger = open(&directory).await;
        }
        let said = take(&ledger, step.clone(), number).await;
        assert_eq!(said, take(&memory, step.clone(), number).await, "{step:?}");
        assert_eq!(all(&ledger).await, all(&memory).await, "after {step:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_file_says_what_memory_says(steps in prop::collection::vec(step(), 1..50)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run(steps));
    }
}
