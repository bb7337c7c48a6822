//! Poll mode end to end, over the simulator.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![cfg(feature = "simulator")]

use crate::support;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use office365_source::{
    RunMode,
    clock::Clock,
    component::{EventStatus, LogEvent},
    config::Office365Config,
    content::{ContentType, Feed},
    simulator::{Backlog, Faults, Late, Live, SimulatedTenant, Simulator, SimulatorConfig, TenantFault},
};
use support::{Arrived, Setup, Verdict, assert_exactly_once, no_violations, simulator, source_config, start_of_time};
use tempfile::TempDir;

#[tokio::test(start_paused = true)]
async fn everything_available_arrives_once_and_a_second_run_finds_nothing() {
    let clock = Clock::starting_at(start_of_time());
    let config = SimulatorConfig::default();
    let simulator = simulator(config.clone(), &clock);
    let data = TempDir::new().unwrap();

    let (result, first) = Setup::new(source_config(&config), &simulator, &clock, data.path()).run().await;
    assert_eq!(result, Ok(()), "{:?}", first.progress.feeds());
    assert_exactly_once(&first.arrived, &simulator);
    no_violations(&simulator);

    let (result, second) = Setup::new(source_config(&config), &simulator, &clock, data.path()).run().await;
    assert_eq!(result, Ok(()));
    assert_eq!(second.progress.totals().events_delivered, 0);
    assert!(second.arrived.lock().unwrap().is_empty());
}

/// A multi-tenant application: the same client id and secret everywhere.
fn two_tenants_of_one_application() -> Vec<SimulatedTenant> {
    let (contoso, fabrikam) = (SimulatedTenant::contoso(), SimulatedTenant::fabrikam());
    let SimulatedTenant { client_id, client_secret, .. } = contoso.clone();
    vec![contoso, SimulatedTenant { client_id, client_secret, ..fabrikam }]
}

fn config_of(faults: Faults) -> SimulatorConfig {
    SimulatorConfig {
        tenants: two_tenants_of_one_application(),
        page_size: 7,
        backlog: Backlog { reaches_back: Duration::from_hours(20), blobs_per_feed: 40, events_per_blob: 1..=60 },
        faults,
        ..SimulatorConfig::default()
    }
}

/// Little content, for tests that last for days.
fn small(faults: Faults) -> SimulatorConfig {
    let config = config_of(faults);
    SimulatorConfig { backlog: Backlog { blobs_per_feed: 4, ..config.backlog }, ..config }
}

/// Runs `--once` until it succeeds, as cron would.
async fn run_until_done(
    setup: impl Fn() -> (Office365Config, Arrived),
    simulator: &Simulator,
    clock: &Clock,
    data: &TempDir,
) {
    for attempt in 0.. {
        assert!(attempt < 10, "it does not end");
        let (config, arrived) = setup();
        let mut run = Setup::new(config, simulator, clock, data.path());
        run.arrived = arrived;
        let (result, run) = run.run().await;
        if result.is_ok() {
            return;
        }
        eprintln!("attempt {attempt}: {:?} {:?}", run.progress.totals(), run.progress.feeds());
    }
}

#[tokio::test(start_paused = true)]
async fn faults_of_every_kind_cost_neither_an_event_nor_a_duplicate() {
    let faults = Faults {
        error_rate: 0.05,
        reset_rate: 0.05,
        truncate_rate: 0.05,
        throttle_rate: 0.02,
        unauthorized_rate: 0.02,
        html_rate: 0.02,
        token_error_rate: 0.1,
        hang_rate: 0.005,
        duplicates: 0.1,
        late: Some(Late { share: 0.1, by: Duration::from_mins(5)..=Duration::from_mins(50) }),
        ..Faults::default()
    };
    let clock = Clock::starting_at(start_of_time());
    let config = config_of(faults);
    let simulator = simulator(config.clone(), &clock);
    let data = TempDir::new().unwrap();
    let setup =
        Setup { mode: RunMode::Continuous, ..Setup::new(source_config(&config), &simulator, &clock, data.path()) };
    let running = setup.start().await;
    tokio::time::sleep(Duration::from_hours(8)).await;
    let (arrived, progress) = running.stop().await;
    assert_exactly_once(&arrived, &simulator);
    no_violations(&simulator);
    assert!(simulator.stats().faults > 50, "{:?}", simulator.stats());
    assert!(progress.totals().duplicates_dropped > 0);
    assert_eq!(progress.totals().blobs_dead, 0);
    assert!(progress.totals().is_conserved(), "{:?}", progress.totals());
}

#[tokio::test(start_paused = true)]
async fn seven_days_with_a_two_day_outage() {
    let clock = Clock::starting_at(start_of_time());
    let config = SimulatorConfig {
        backlog: Backlog { reaches_back: Duration::from_hours(10), blobs_per_feed: 10, events_per_blob: 1..=10 },
        live: Some(Live { every: Duration::from_mins(30), events_per_blob: 1..=10 }),
        faults: Faults {
            error_rate: 0.05,
            duplicates: 0.05,
            late: Some(Late { share: 0.2, by: Duration::from_mins(5)..=Duration::from_hours(16) }),
            ..Faults::default()
        },
        ..SimulatorConfig::default()
    };
    let simulator = simulator(config.clone(), &clock);
    let data = TempDir::new().unwrap();
    let arrived = Arrived::default();
    let start = || async {
        let mut source = source_config(&config);
        source.poll.interval_secs = 300;
        // The simulator repeats events of any earlier day; the test is longer than the default of seven.
        source.dedupe.window = "14d".parse().unwrap();
        let mut setup = Setup::new(source, &simulator, &clock, data.path());
        setup.mode = RunMode::Continuous;
        setup.arrived = arrived.clone();
        setup.start().await
    };
    let running = start().await;
    // At a time when nothing is in flight, so that a crash repeats nothing.
    tokio::time::sleep(Duration::from_mins(48 * 60 + 7)).await;
    running.crash().await;
    tokio::time::sleep(Duration::from_hours(48)).await;
    let running = start().await;
    tokio::time::sleep(Duration::from_hours(72)).await;
    // What shows up late is found by a reconciliation, every six hours.
    let expected = simulator.oracle().expected_ids();
    tokio::time::sleep(Duration::from_hours(24)).await;
    running.stop().await;
    assert!(expected.len() > 5_000, "{}", expected.len());
    let arrived = arrived.lock().unwrap();
    let missing: Vec<_> = expected.iter().filter(|id| !arrived.contains_key(*id)).take(5).collect();
    assert!(missing.is_empty(), "missing, among others: {missing:?}");
    let twice: Vec<_> = arrived.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "a crash between batches repeats nothing: {twice:?}");
    no_violations(&simulator);
}

#[tokio::test(start_paused = true)]
async fn a_broken_tenant_or_content_type_holds_up_nobody() {
    let clock = Clock::starting_at(start_of_time());
    let config = config_of(Faults::default());
    for fault in [
        TenantFault::ConsentRevoked,
        TenantFault::SecretExpired,
        TenantFault::AuditingDisabled,
        TenantFault::PermissionsRemoved,
        TenantFault::Unavailable,
        TenantFault::Hang,
        TenantFault::ContentTypeForbidden(ContentType::Dlp),
    ] {
        let simulator = simulator(config.clone(), &clock);
        let (sick, healthy) = (config.tenants[0].id, config.tenants[1].id);
        simulator.break_tenant(sick, fault);
        let data = TempDir::new().unwrap();
        let setup =
            Setup { mode: RunMode::Continuous, ..Setup::new(source_config(&config), &simulator, &clock, data.path()) };
        let running = setup.start().await;
        tokio::time::sleep(Duration::from_mins(10)).await;
        for content_type in ContentType::ALL {
            let feed = Feed { tenant: healthy, content_type };
            for id in simulator.oracle().expected_ids_of(feed) {
                assert!(running.arrived.lock().unwrap().contains_key(&(healthy, id)), "{fault:?}: {feed}");
            }
        }
        let problems = running.progress.feeds();
        let told = problems.iter().filter(|(_, feed)| feed.problem.is_some()).count();
        let expected = if matches!(fault, TenantFault::ContentTypeForbidden(_)) { 1 } else { 5 };
        assert_eq!(told, expected, "{fault:?}: {problems:?}");

        simulator.heal_tenant(sick);
        tokio::time::sleep(Duration::from_hours(2)).await;
        let (arrived, progress) = running.stop().await;
        assert_exactly_once(&arrived, &simulator);
        assert!(progress.feeds().values().all(|feed| feed.problem.is_none()), "{fault:?}");
        no_violations(&simulator);
    }
}

#[tokio::test(start_paused = true)]
async fn once_fails_with_what_is_broken_and_delivers_the_rest() {
    let clock = Clock::starting_at(start_of_time());
    let config = config_of(Faults::default());
    let simulator = simulator(config.clone(), &clock);
    simulator.break_tenant(config.tenants[0].id, TenantFault::ConsentRevoked);
    let data = TempDir::new().unwrap();
    let (result, run) = Setup::new(source_config(&config), &simulator, &clock, data.path()).run().await;
    assert_eq!(result, Err(()));
    assert!(run.progress.totals().events_delivered > 0);
    let problem = run.progress.feeds().values().find_map(|feed| feed.problem.clone()).unwrap();
    assert!(problem.contains("Grant admin consent"), "{problem}");

    simulator.heal_tenant(config.tenants[0].id);
    run_until_done(|| (source_config(&config), run.arrived.clone()), &simulator, &clock, &data).await;
    assert_exactly_once(&run.arrived, &simulator);
}

#[tokio::test(start_paused = true)]
async fn a_machine_whose_clock_is_wrong_by_an_hour_misses_nothing() {
    for ahead in [TimeDelta::hours(1), TimeDelta::hours(-1)] {
        let clock = Clock::starting_at(start_of_time());
        let config = SimulatorConfig {
            live: Some(Live { every: Duration::from_mins(7), events_per_blob: 1..=5 }),
            ..config_of(Faults::default())
        };
        let simulator = simulator(config.clone(), &clock);
        let data = TempDir::new().unwrap();
        let mut source = source_config(&config);
        source.poll.overlap_secs = 60;
        source.start_from = "7d".parse().unwrap();
        let mut setup = Setup::new(source, &simulator, &clock.skewed(ahead), data.path());
        setup.mode = RunMode::Continuous;
        let running = setup.start().await;
        tokio::time::sleep(Duration::from_hours(5)).await;
        let expected = simulator.oracle().expected_ids();
        tokio::time::sleep(Duration::from_mins(3)).await;
        let (arrived, progress) = running.stop().await;
        let arrived = arrived.lock().unwrap();
        let missing = expected.iter().filter(|id| !arrived.contains_key(*id)).count();
        assert_eq!(missing, 0, "{ahead}: {:?}", progress.feeds());
        no_violations(&simulator);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_fails_for_a_while_gets_everything_in_the_end_and_nothing_twice() {
    let clock = Clock::starting_at(start_of_time());
    let config = config_of(Faults { duplicates: 0.3, ..Faults::default() });
    let simulator = simulator(config.clone(), &clock);
    let data = TempDir::new().unwrap();
    let mut source = source_config(&config);
    source.batch.max_events = 10;
    let mut setup = Setup::new(source, &simulator, &clock, data.path());
    setup.mode = RunMode::Continuous;
    let mut batches = 0;
    setup.verdict = Box::new(move |_| {
        batches += 1;
        if batches % 3 == 0 { EventStatus::Errored } else { EventStatus::Delivered }
    });
    let running = setup.start().await;
    tokio::time::sleep(Duration::from_hours(12)).await;
    let (arrived, progress) = running.stop().await;
    assert_exactly_once(&arrived, &simulator);
    assert_eq!(progress.totals().blobs_dead, 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_rejected_once_arrives_with_the_next_try() {
    let clock = Clock::starting_at(start_of_time());
    let config = config_of(Faults::default());
    let simulator = simulator(config.clone(), &clock);
    let data = TempDir::new().unwrap();
    let mut setup = Setup::new(source_config(&config), &simulator, &clock, data.path());
    let mut batches = 0;
    setup.verdict = Box::new(move |_| {
        batches += 1;
        if batches == 5 { EventStatus::Rejected } else { EventStatus::Delivered }
    });
    let (result, run) = setup.run().await;
    assert_eq!(result, Ok(()));
    assert_eq!(run.progress.totals().blobs_dead, 0);
    assert_exactly_once(&run.arrived, &simulator);
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_rejects_everything_for_an_hour_costs_nothing() {
    let clock = Clock::starting_at(start_of_time());
    let config = small(Faults { duplicates: 0.1, ..Faults::default() });
    let simulator = simulator(config.clone(), &clock);
    let data = TempDir::new().unwrap();
    let mut source = source_config(&config);
    source.poll.interval_secs = 1_800;
    let mut setup = Setup::new(source, &simulator, &clock, data.path());
    setup.mode = RunMode::Continuous;
    let healthy = Arc::new(AtomicBool::new(false));
    let is_healthy = Arc::clone(&healthy);
    setup.verdict =
        Box::new(
            move |_| {
                if is_healthy.load(Ordering::Relaxed) { EventStatus::Delivered } else { EventStatus::Rejected }
            },
        );
    let running = setup.start().await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(running.arrived.lock().unwrap().is_empty());
    healthy.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_hours(1)).await;
    let (arrived, progress) = running.stop().await;
    assert_exactly_once(&arrived, &simulator);
    assert_eq!(progress.totals().blobs_dead, 0);
}

/// A pipeline that never takes one event, and how often it has been offered it.
fn rejects(poison: String) -> (Verdict, Arc<AtomicU64>) {
    let offered = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&offered);
    let verdict = move |events: &[LogEvent]| {
        if events.iter().any(|event| event.record().string_member("Id").as_deref() == Some(&*poison)) {
            count.fetch_add(1, Ordering::Relaxed);
            EventStatus::Rejected
        } else {
            EventStatus::Delivered
        }
    };
    (Box::new(verdict), offered)
}

#[tokio::test(start_paused = true)]
async fn what_is_rejected_for_a_day_is_given_up_visibly_and_nothing_else() {
    let clock = Clock::starting_at(start_of_time());
    let config = small(Faults::default());
    let simulator = simulator(config.clone(), &clock);
    let data = TempDir::new().unwrap();
    let expected = simulator.oracle().expected_ids();
    let poison = expected.first().unwrap().1.clone();
    let arrived = Arrived::default();
    let start = async || {
        let mut source = source_config(&config);
        source.batch.max_events = 5;
        source.poll.interval_secs = 1_800;
        let mut setup = Setup::new(source, &simulator, &clock, data.path());
        setup.mode = RunMode::Continuous;
        setup.arrived = arrived.clone();
        let (verdict, offered) = rejects(poison.clone());
        setup.verdict = verdict;
        (setup.start().await, offered)
    };
    let (running, before) = start().await;
    tokio::time::sleep(Duration::from_hours(12)).await;
    let (_, progress) = running.stop().await;
    assert_eq!(progress.totals().blobs_dead, 0, "half a day is not enough");

    let (running, after) = start().await;
    tokio::time::sleep(Duration::from_hours(20)).await;
    let (_, progress) = running.stop().await;
    assert_eq!(progress.totals().blobs_dead, 1);
    let (before, after) = (before.load(Ordering::Relaxed), after.load(Ordering::Relaxed));
    assert_eq!(before + after, 135, "a restart does not begin anew: {before} and {after}");
    let arrived = arrived.lock().unwrap();
    let missing = expected.iter().filter(|id| !arrived.contains_key(*id)).count();
    assert!((1..=5).contains(&missing), "only the batch with the event is missing: {missing}");
    assert!(arrived.values().all(|times| *times == 1), "what was delivered of the blob is not sent again");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_should_end_leaves_what_is_rejected_to_the_next() {
    let clock = Clock::starting_at(start_of_time());
    let config = small(Faults::default());
    let simulator = simulator(config.clone(), &clock);
    let data = TempDir::new().unwrap();
    let poison = simulator.oracle().expected_ids().first().unwrap().1.clone();
    let mut setup = Setup::new(source_config(&config), &simulator, &clock, data.path());
    let (verdict, offered) = rejects(poison);
    setup.verdict = verdict;
    let (result, run) = setup.run().await;
    assert_eq!(result, Err(()), "the run says that something stayed undelivered");
    assert_eq!((offered.load(Ordering::Relaxed), run.progress.totals().blobs_dead), (5, 0));
    assert_eq!(run.progress.totals().blobs_delivered + 1, run.progress.totals().blobs_found);

    run_until_done(|| (source_config(&config), run.arrived.clone()), &simulator, &clock, &data).await;
    assert_exactly_once(&run.arrived, &simulator);
}

#[tokio::test(start_paused = true)]
async fn sixty_restarts_with_crashes_lose_nothing() {
    let clock = Clock::starting_at(start_of_time());
    let config = config_of(Faults {
        duplicates: 0.1,
        latency: Some(Duration::from_millis(1)..=Duration::from_millis(400)),
        ..Faults::default()
    });
    let simulator = simulator(config.clone(), &clock);
    let data = TempDir::new().unwrap();
    let arrived = Arrived::default();
    for crash in 0..60u64 {
        let mut setup = Setup::new(source_config(&config), &simulator, &clock, data.path());
        setup.arrived = arrived.clone();
        let running = setup.start().await;
        tokio::time::sleep(Duration::from_millis(crash * 53 % 911)).await;
        running.crash().await;
    }
    run_until_done(|| (source_config(&config), arrived.clone()), &simulator, &clock, &data).await;
    let arrived = arrived.lock().unwrap();
    let missing = simulator.oracle().expected_ids().iter().filter(|id| !arrived.contains_key(*id)).count();
    assert_eq!(missing, 0);
}

#[tokio::test(start_paused = true)]
async fn what_errored_is_sent_again_even_if_its_neighbour_was_rejected() {
    let clock = Clock::starting_at(start_of_time());
    let config = small(Faults::default());
    let simulator = simulator(config.clone(), &clock);
    let data = TempDir::new().unwrap();
    let mut source = source_config(&config);
    source.batch.max_events = 5;
    source.poll.interval_secs = 1_800;
    let mut setup = Setup::new(source, &simulator, &clock, data.path());
    setup.mode = RunMode::Continuous;
    let poison: BTreeSet<String> = simulator.oracle().expected_ids().into_iter().map(|(_, id)| id).take(20).collect();
    let is_poison = poison.clone();
    let mut batches = 0;
    setup.verdict = Box::new(move |events| {
        batches += 1;
        let holds_poison =
            |event: &LogEvent| event.record().string_member("Id").is_some_and(|id| is_poison.contains(&id));
        if events.iter().any(holds_poison) {
            EventStatus::Rejected
        } else if batches % 4 == 0 {
            EventStatus::Errored
        } else {
            EventStatus::Delivered
        }
    });
    let running = setup.start().await;
    tokio::time::sleep(Duration::from_hours(2)).await;
    let (arrived, progress) = running.stop().await;
    let arrived = arrived.lock().unwrap();
    let missing = simulator.oracle().expected_ids().iter().filter(|id| !arrived.contains_key(*id)).count();
    assert!((1..=poison.len() * 5).contains(&missing), "only what is rejected, and its batch, is missing: {missing}");
    assert!(progress.totals().blobs_dead == 0 && arrived.values().all(|times| *times == 1));
}
