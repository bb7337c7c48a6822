//! Poll mode end to end, over the simulator.
#![cfg(feature = "simulator")]

mod support;

use office365_source::{clock::Clock, simulator::SimulatorConfig};
use support::{Setup, assert_exactly_once, no_violations, simulator, source_config, start_of_time};
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
