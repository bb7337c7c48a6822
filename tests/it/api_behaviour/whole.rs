//! A whole run.

use std::{collections::HashMap, time::Duration};

use office365_source::{
    content::ContentType,
    simulator::{Faults, Late, Live, SimulatorConfig},
};

use super::{BLOB, CONTENT, LIST, assert_exactly_once_of};
use crate::support::{
    Setup,
    lab::{Lab, empty, minutes},
    no_violations,
};

#[tokio::test(start_paused = true)]
async fn every_request_names_the_publisher_once_and_uses_links_as_they_are() {
    let lab = {
        let mut lab = Lab::of(SimulatorConfig {
            page_size: 3,
            backlog: SimulatorConfig::default().backlog,
            live: Some(Live { every: Duration::from_mins(5), events_per_blob: 1..=3 }),
            faults: Faults {
                duplicates: 0.1,
                late: Some(Late { share: 0.2, by: Duration::from_mins(1)..=Duration::from_mins(50) }),
                ..Faults::stormy()
            },
            ..empty()
        });
        lab.source.content_types = ContentType::ALL.to_vec();
        lab
    };
    let running = lab.start().await;
    minutes(12 * 60).await;
    lab.simulator.set_faults(Faults::default());
    let expected = lab.simulator.oracle().expected_ids();
    minutes(2 * 60).await;
    running.stop().await;
    no_violations(&lab.simulator);
    let publisher = lab.feed.tenant.to_string();
    let mut operations = HashMap::<_, u32>::new();
    for sent in lab.wire.sent_to("/activity/") {
        assert_eq!(sent.parameter("PublisherIdentifier").as_ref(), Some(&publisher), "{}", sent.url);
        assert!(!sent.url.as_str().contains("%24"), "{}", sent.url);
        *operations.entry([LIST, CONTENT, BLOB].into_iter().find(|operation| sent.asks(operation))).or_default() += 1;
    }
    assert!(operations.len() >= 3, "{operations:?}");
    let arrived = lab.arrived.lock().unwrap();
    assert!(expected.iter().all(|id| arrived.contains_key(id)) && arrived.values().all(|times| *times == 1));
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_a_pipeline_under_back_pressure_and_repeats_nothing() {
    let mut config = empty();
    config.backlog.blobs_per_feed = 60;
    config.backlog.events_per_blob = 50..=150;
    let mut lab = Lab::of(config);
    lab.source.batch.max_events = 20;
    lab.source.batch.max_bytes = "10KiB".parse().unwrap();
    lab.source.memory.max_buffered_bytes = "1MiB".parse().unwrap();
    lab.source.request.concurrency = 4;
    let (gate, open) = tokio::sync::watch::channel(false);
    let running = {
        let mut setup = Setup::new(lab.source.clone(), &lab.simulator, &lab.clock, lab.data.path());
        setup.mode = office365_source::RunMode::Continuous;
        setup.arrived = lab.arrived.clone();
        setup.gate = Some(open);
        setup.start().await
    };
    minutes(5).await;
    assert_eq!(lab.ids().len(), 0, "the pipeline takes nothing");
    let stopped = tokio::spawn(running.stop());
    minutes(2).await;
    assert!(!stopped.is_finished(), "what is on its way is neither dropped nor taken for delivered");
    gate.send_replace(true);
    let (_, progress) = stopped.await.unwrap();
    let delivered = lab.ids().len();
    assert!(delivered > 0);
    assert!(progress.totals().blobs_delivered < 60, "a stop fetches nothing new");
    assert_eq!(lab.once().await.0, Ok(()));
    assert_exactly_once_of(&lab);
}
