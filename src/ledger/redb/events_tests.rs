use std::collections::BTreeMap;

use chrono::TimeDelta;
use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::{
    content::TenantId,
    ledger::{
        Upkeep,
        contract::{DEDUPE_WINDOW, TENANT, time},
    },
};

#[derive(Clone, Debug)]
enum Step {
    /// So many new events are delivered, so many days after the first.
    Deliver(usize, i64),
    /// What waits is moved.
    Move,
    /// The same, but the process ends after so many transactions.
    Crash(usize),
    /// The process ends and starts again.
    Restart,
    /// So many days after the first have passed.
    Prune(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..250_usize, 0..4_i64).prop_map(|(count, days)| Step::Deliver(count, days)),
        1 => Just(Step::Move),
        2 => (0..4_usize).prop_map(Step::Crash),
        1 => Just(Step::Restart),
        1 => (0..12_i64).prop_map(Step::Prune),
    ]
}

async fn open(directory: &TempDir) -> RedbLedger {
    // The writer holds the file until it sees that its last handle is gone.
    tokio::task::yield_now().await;
    RedbLedger::open(directory.path(), DEDUPE_WINDOW).await.unwrap()
}

fn keys(numbers: std::ops::Range<usize>) -> Vec<EventKey> {
    numbers.map(|number| EventKey::new(TenantId(Uuid::nil()), &number.to_string())).collect()
}

/// Moves as [`RedbLedger::move_to_tables`] does, up to some transaction.
async fn move_in_part(ledger: &RedbLedger, transactions: usize) {
    let mut left = transactions;
    for day in ledger.recent.waiting_days() {
        for some in ledger.recent.waiting(day).0.chunks(MOST_MOVED) {
            if left == 0 {
                return;
            }
            left -= 1;
            ledger.recent.moving(day, some);
            let some = some.to_vec();
            ledger.writer.write(Rank::Bulk(1), move |tx| insert(tx, &some, day)).await.unwrap();
        }
    }
}

/// All events of the file, by day, as an export has them.
async fn exported(ledger: &RedbLedger) -> BTreeMap<Day, Vec<EventKey>> {
    let all = |tx: &ReadTransaction| {
        let mut all = BTreeMap::new();
        let mut from = 0;
        while let Some(day) = next_day(tx, from)? {
            let events: &mut Vec<EventKey> = all.entry(day).or_default();
            loop {
                let some = of_day(tx, day, events.last().copied(), 90)?;
                if some.is_empty() {
                    break;
                }
                events.extend(some);
            }
            from = day + 1;
        }
        Ok(all)
    };
    ledger.read(all).await.unwrap()
}

async fn run(steps: Vec<Step>) {
    let directory = TempDir::new().unwrap();
    let mut ledger = open(&directory).await;
    // The day of each event that must be known, by its number.
    let (mut model, mut count) = (BTreeMap::<usize, i64>::new(), 0);
    for step in steps {
        match step {
            Step::Deliver(new, days) => {
                ledger.deliver(TENANT, keys(count..count + new).into(), time(0) + TimeDelta::days(days)).await.unwrap();
                model.extend((count..count + new).map(|number| (number, days)));
                count += new;
            }
            Step::Move => ledger.move_to_tables().await.unwrap(),
            Step::Crash(transactions) => {
                move_in_part(&ledger, transactions).await;
                drop(ledger);
                ledger = open(&directory).await;
            }
            Step::Restart => {
                drop(ledger);
                ledger = open(&directory).await;
            }
            Step::Prune(days) => {
                let now = time(0) + TimeDelta::days(days);
                ledger.prune(now).await.unwrap();
                let oldest_kept = day(now - DEDUPE_WINDOW) - day(time(0));
                model.retain(|_, day| *day >= oldest_kept);
            }
        }
        let expected: Vec<bool> = (0..count).map(|number| model.contains_key(&number)).collect();
        assert_eq!(ledger.delivered(keys(0..count)).await.unwrap(), expected);
        let unknown = ledger.delivered(keys(count..count + 50)).await.unwrap();
        assert_eq!(unknown, [false; 50]);
    }
    let mut by_day = BTreeMap::<Day, Vec<EventKey>>::new();
    for (number, days) in model {
        by_day.entry(day(time(0)) + days).or_default().extend(keys(number..number + 1));
    }
    for events in by_day.values_mut() {
        events.sort_unstable();
    }
    let mut exported = exported(&ledger).await;
    exported.retain(|_, events| !events.is_empty());
    assert_eq!(exported, by_day);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn events_are_known_until_their_day_is_forgotten_whatever_happens(steps in prop::collection::vec(step(), 1..12)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run(steps));
    }
}

#[tokio::test]
async fn what_is_delivered_while_events_move_is_kept() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
    ledger.deliver(TENANT, keys(0..100).into(), time(0)).await.unwrap();
    let (day, (events, newest)) = (day(time(0)), ledger.recent.waiting(day(time(0))));
    ledger.deliver(TENANT, keys(100..200).into(), time(0)).await.unwrap();
    ledger.recent.moving(day, &events);
    let those = events.clone();
    ledger.writer.write(Rank::Bulk(1), move |tx| insert(tx, &those, day)).await.unwrap();
    ledger.writer.write(Rank::Bulk(1), move |tx| remove_batches(tx, (day, 0)..=(day, newest))).await.unwrap();
    ledger.recent.moved(day, &events);
    drop(ledger);
    let ledger = open(&directory).await;
    assert_eq!(ledger.delivered(keys(0..200)).await.unwrap(), [true; 200]);
    // Numbers of batches go on after those that are there: nothing is overwritten.
    ledger.deliver(TENANT, keys(200..300).into(), time(0)).await.unwrap();
    drop(ledger);
    assert_eq!(open(&directory).await.delivered(keys(0..300)).await.unwrap(), [true; 300]);
}

#[tokio::test]
async fn a_batch_of_half_an_id_is_damage() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
    let half = |tx: &WriteTransaction| {
        tx.open_table(BATCHES)?.insert((1, 1), [0; 24].as_slice())?;
        Ok(())
    };
    ledger.writer.write(Rank::Urgent, half).await.unwrap();
    drop(ledger);
    tokio::task::yield_now().await;
    let error = RedbLedger::open(directory.path(), DEDUPE_WINDOW).await.unwrap_err();
    assert!(matches!(error, LedgerError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn filters_of_tables_are_made_after_a_start() {
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory).await;
    ledger.deliver(TENANT, keys(0..1_000).into(), time(0)).await.unwrap();
    ledger.move_to_tables().await.unwrap();
    drop(ledger);
    let ledger = open(&directory).await;
    while ledger.recent.lacks_filters() {
        tokio::task::yield_now().await;
    }
    assert_eq!(ledger.delivered(keys(0..1_000)).await.unwrap(), [true; 1_000]);
    let others = ledger.recent.look(&keys(1_000..2_000));
    assert!(others.perhaps.len() < 20);
}
