//! Filters, from the configuration to what arrives, and the sum of what became of all records.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use crate::support;

use office365_source::{
    RunMode,
    config::{FilterConfig, FiltersConfig, RecordTypeConfig},
};
use serde_json::{Value, json};
use support::lab::{Lab, minutes};

fn event(lab: &Lab, id: &str, members: &Value) -> Value {
    let mut event = lab.event(id);
    event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    event
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_filters_leave_out_does_not_arrive_is_counted_and_is_not_remembered() {
    let mut lab = Lab::new();
    lab.source.filters = FiltersConfig {
        include: vec![FilterConfig {
            record_type: Some(vec![RecordTypeConfig::Number(25), RecordTypeConfig::Name("sharepoint*".to_owned())]),
            ..FilterConfig::default()
        }],
        exclude: vec![
            FilterConfig { operation: Some(texts(&["FileAccessed*"])), ..FilterConfig::default() },
            FilterConfig { user: Some(texts(&["*@partner.example"])), ..FilterConfig::default() },
        ],
    };
    let guest = json!({ "UserId": "i:0#.f|membership|urn:spo:guest#eve@Partner.example" });
    let records = vec![
        event(&lab, "kept", &json!({ "UserId": "ana@contoso.com" })),
        event(&lab, "kept-too", &json!({ "RecordType": 6, "Operation": "FileDownloaded" })),
        event(&lab, "accessed", &json!({ "RecordType": 6, "Operation": "FileAccessedExtended" })),
        event(&lab, "guest", &guest),
        event(&lab, "other-type", &json!({ "RecordType": 8 })),
        json!("no record"),
    ];
    lab.place(json!(records).to_string());
    lab.place(json!([event(&lab, "only-accessed", &json!({ "Operation": "FileAccessed" }))]).to_string());
    let (result, run) = lab.once().await;
    assert_eq!(result, Ok(()));
    lab.assert_arrived_once(&["kept", "kept-too"]);
    let totals = run.progress.totals();
    assert_eq!((totals.records_received, totals.events_emitted), (7, 2));
    assert_eq!((totals.events_filtered, totals.events_discarded, totals.records_abandoned), (4, 1, 0));
    assert_eq!(totals.blobs_delivered, 2, "a blob without a wanted event is done as well");
    assert_eq!(lab.counters.sum("component_discarded_events_total", "true"), 4);
    assert_eq!(lab.counters.sum("office365_records_total", "filtered"), 4);
    assert_eq!(lab.counters.sum("office365_records_received_total", ""), 7);

    // Another blob has one of them again, now without the filter that left it out.
    lab.source.filters.exclude.clear();
    let again = vec![event(&lab, "guest", &guest), event(&lab, "kept", &json!({}))];
    lab.simulator.publish_events(lab.feed, again, lab.ago(5));
    minutes(5).await;
    let (result, _) = lab.once().await;
    assert_eq!(result, Ok(()));
    lab.assert_arrived_once(&["guest", "kept", "kept-too"]);
}

#[tokio::test(start_paused = true)]
async fn records_that_a_crash_leaves_behind_are_counted_and_received_again() {
    let mut lab = Lab::new();
    lab.source.batch.max_events = 1;
    let ids: Vec<String> = (0..6_000).map(|number| format!("event-{number}")).collect();
    lab.publish(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    // The pipeline takes nothing, so that the source waits in the middle of the blob.
    let (_closed, gate) = tokio::sync::watch::channel(false);
    let mut setup = lab.setup(RunMode::Continuous);
    setup.gate = Some(gate);
    let running = setup.start().await;
    minutes(5).await;
    let progress = running.progress.clone();
    running.crash().await;
    let totals = progress.totals();
    assert_eq!(totals.records_received, 6_000);
    assert!(totals.records_abandoned > 0 && totals.events_emitted > 0, "{totals:?}");
    assert!(totals.is_conserved(), "{totals:?}");

    let (result, run) = lab.once().await;
    assert_eq!(result, Ok(()));
    let totals = run.progress.totals();
    assert_eq!((totals.records_received, totals.events_emitted, totals.records_abandoned), (6_000, 6_000, 0));
}
