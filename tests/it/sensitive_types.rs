//! Names of sensitive information types: read with the first content of data loss prevention, kept, and read again.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "simulator")]

use crate::support;

use std::time::Duration;

use office365_source::{config::EventSchema, content::ContentType};
use serde_json::{Value, json};
use support::{
    Running,
    lab::{Lab, minutes},
    wire::{Answer, reset},
};

const CARD: &str = "50842eb7-edc8-4019-85dd-5a5c1f2bb085";
const ASKED: &str = "resources/dlpSensitiveTypes";

/// A lab that collects data loss prevention as ECS.
fn lab() -> Lab {
    let mut lab = Lab::new();
    lab.source.content_types = vec![ContentType::Dlp, ContentType::General];
    lab.source.schema = EventSchema::Ecs;
    lab
}

/// Places a blob with a match that leaves the name of its type out.
fn publish(lab: &Lab, id: &str) {
    let mut event = lab.event(id);
    event["RecordType"] = 11.into();
    event["PolicyDetails"] = json!([{ "PolicyId": "p", "Rules": [{ "RuleId": "r", "RuleName": "n", "ConditionsMatched": {
        "SensitiveInformation": [{ "SensitiveType": CARD, "Count": 1, "SensitiveInformationDetections": {
            "DetectedValues": [{ "Name": "4111111111111111", "Value": "pay 4111111111111111" }],
        } }],
    } }] }]);
    lab.simulator.publish_events(lab.feed_of(ContentType::Dlp), vec![event], lab.ago(1));
}

/// The name that the event of this id has for its type.
fn name(running: &Running, id: &str) -> Option<String> {
    let texts = running.texts.lock().unwrap();
    let events = texts.iter().map(|text| serde_json::from_str::<Value>(text).unwrap());
    let event = events.into_iter().find(|event| event["event"]["id"] == id)?;
    let found = &event["o365"]["audit"]["PolicyDetails"][0]["Rules"][0]["ConditionsMatched"]["SensitiveInformation"][0];
    assert_eq!(found["SensitiveType"], CARD);
    Some(found["SensitiveInformationTypeName"].as_str().unwrap_or("none").to_owned())
}

fn named(id: &'static str, name: &str) -> (u16, String) {
    (200, json!([{ "id": id, "name": name }, {}]).to_string())
}

/// Lets the API answer so when it is asked for names.
fn answer(lab: &Lab, (status, body): (u16, String)) {
    lab.wire.rewrite(move |sent, answer| Ok(if sent.asks(ASKED) { Answer::new(status, body.clone()) } else { answer }));
}

#[tokio::test(start_paused = true)]
async fn names_come_with_the_first_blob_and_again_after_a_day() {
    let lab = lab();
    lab.publish(&["general"]);
    let running = lab.start().await;
    minutes(30).await;
    assert!(lab.wire.sent_to(ASKED).is_empty(), "nobody needs them yet");
    publish(&lab, "first");
    publish(&lab, "second");
    minutes(30).await;
    assert_eq!(name(&running, "first").as_deref(), Some("Credit Card Number"));
    assert_eq!(name(&running, "second").as_deref(), Some("Credit Card Number"));
    assert_eq!(lab.wire.sent_to(ASKED).len(), 1);

    answer(&lab, named(CARD, "Renamed"));
    minutes(24 * 60).await;
    publish(&lab, "third");
    minutes(30).await;
    assert_eq!(name(&running, "third").as_deref(), Some("Renamed"));
    assert_eq!(lab.wire.sent_to(ASKED).len(), 2);

    // An answer without any type takes no name away.
    answer(&lab, (200, "[{}]".to_owned()));
    minutes(24 * 60).await;
    publish(&lab, "fourth");
    minutes(30).await;
    assert_eq!(name(&running, "fourth").as_deref(), Some("Renamed"));
    assert_eq!(lab.wire.sent_to(ASKED).len(), 3);
    assert!(running.texts.lock().unwrap().iter().all(|text| !text.contains("4111111111111111")));
    assert_eq!(lab.counters.sum("office365_redacted_records_total", ""), 4);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_reading_keeps_the_names_and_is_told_once() {
    let lab = lab();
    publish(&lab, "first");
    let running = lab.start().await;
    minutes(30).await;
    assert_eq!(name(&running, "first").as_deref(), Some("Credit Card Number"));
    let refused = json!({ "error": { "code": "AF50000", "message": "trouble" } }).to_string();
    answer(&lab, (503, refused));
    minutes(30 * 60).await;
    publish(&lab, "second");
    minutes(30).await;
    assert_eq!(name(&running, "second").as_deref(), Some("Credit Card Number"));
    let attempts = lab.wire.sent_to(ASKED).len();
    assert!((10..60).contains(&attempts), "{attempts}");
    let told = |line: &str| lab.log.text().matches(line).count();
    assert_eq!(told("WARN office365_source::collector::telemetry: Cannot read the names of sensitive"), 1);
    assert!(lab.counters.sum("component_errors_total", "error_code=unavailable") >= 9);

    answer(&lab, named(CARD, "Renamed"));
    minutes(3 * 60).await;
    publish(&lab, "third");
    minutes(30).await;
    assert_eq!(name(&running, "third").as_deref(), Some("Renamed"));
    assert_eq!(told("names of sensitive information types can be read again"), 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn events_wait_a_little_for_the_names_and_then_go_without() {
    let lab = lab();
    lab.wire.rewrite(|sent, answer| if sent.asks(ASKED) { Err(reset()) } else { Ok(answer) });
    publish(&lab, "first");
    lab.publish(&["general"]);
    let running = lab.start().await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(name(&running, "first"), None, "it waits");
    assert!(lab.ids().iter().any(|(id, _)| id == "general"), "others do not");
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(name(&running, "first").as_deref(), Some("none"));
    // The next does not wait again; and when the API has recovered, names come.
    minutes(5).await;
    publish(&lab, "second");
    minutes(2).await;
    assert_eq!(name(&running, "second").as_deref(), Some("none"));
    lab.wire.rewrite(|_, answer| Ok(answer));
    minutes(3 * 60).await;
    publish(&lab, "third");
    minutes(2).await;
    assert_eq!(name(&running, "third").as_deref(), Some("Credit Card Number"));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_has_names_and_does_not_hang_on_them() {
    let lab = lab();
    publish(&lab, "first");
    let (result, running) = lab.once().await;
    assert_eq!((result, name(&running, "first").as_deref()), (Ok(()), Some("Credit Card Number")));

    let lab = self::lab();
    lab.wire.rewrite(|sent, answer| if sent.asks(ASKED) { Err(reset()) } else { Ok(answer) });
    publish(&lab, "first");
    let (result, running) = lab.once().await;
    assert_eq!((result, name(&running, "first").as_deref()), (Ok(()), Some("none")));
}

#[tokio::test(start_paused = true)]
async fn nobody_asks_for_names_that_nobody_wants() {
    for (resolve, schema) in [(false, EventSchema::Ecs), (true, EventSchema::Raw)] {
        let mut lab = lab();
        lab.source.normalize.resolve_sensitive_types = resolve;
        lab.source.schema = schema;
        publish(&lab, "first");
        let (result, running) = lab.once().await;
        assert_eq!(result, Ok(()));
        assert!(lab.wire.sent_to(ASKED).is_empty());
        let texts = running.texts.lock().unwrap();
        assert!(texts.len() == 1 && texts[0].contains(CARD) && !texts[0].contains("SensitiveInformationTypeName"));
    }
}
