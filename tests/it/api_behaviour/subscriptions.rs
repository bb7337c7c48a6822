//! Subscriptions: what is started, when, and what becomes of it.

use std::time::Duration;

use http::StatusCode;
use office365_source::{
    content::ContentType,
    transport::{Request, Transport},
};
use serde_json::Value;

use super::{CONTENT, LIST, START, edit, error_body, first};
use crate::support::{
    lab::{Lab, empty, minutes},
    wire::{Answer, Wire, reset},
};

#[tokio::test(start_paused = true)]
async fn subscriptions_that_exist_are_not_started() {
    let mut lab = Lab::new();
    lab.source.content_types = ContentType::ALL.to_vec();
    let running = lab.start().await;
    minutes(24 * 60).await;
    running.stop().await;
    assert_eq!(lab.simulator.stats().start_calls(), 0, "a start would remove somebody's webhook");
}

#[tokio::test(start_paused = true)]
async fn already_enabled_is_a_success() {
    let lab = Lab::new();
    lab.publish(&["a"]);
    // The list does not know the subscription, so that it is started, and the API answers AF20024.
    lab.wire.rewrite(edit(LIST, Vec::clear));
    let (result, run) = lab.once().await;
    assert_eq!(result, Ok(()), "{:?}", run.progress.feeds());
    assert_eq!(lab.simulator.stats().start_calls(), 1);
    lab.assert_arrived_once(&["a"]);
}

#[tokio::test(start_paused = true)]
async fn no_second_start_within_fifteen_minutes_not_even_across_crashes() {
    let lab = Lab::new();
    // Whatever is started never comes to be; and the answers to starts are lost.
    lab.wire.rewrite(|sent, answer| {
        if sent.asks(START) {
            return Err(reset());
        }
        if sent.asks(LIST) {
            return Ok(Answer::new(200, "[]"));
        }
        Ok(answer)
    });
    for _ in 0..30 {
        let running = lab.start().await;
        minutes(2).await;
        let problem = running.problem(lab.feed).unwrap();
        assert!(problem.contains("subscription"), "{problem}");
        running.crash().await;
    }
    let running = lab.start().await;
    minutes(60).await;
    running.stop().await;
    let starts: Vec<_> = lab.wire.sent_to(START).iter().map(|sent| sent.at).collect();
    assert!((4..=8).contains(&starts.len()), "{}", starts.len());
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_mins(15)), "{starts:?}");
    assert_eq!(lab.simulator.stats().starts_throttled, 0);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_comes_too_soon_after_somebody_elses_is_made_later() {
    for status in [429, 403] {
        let mut config = empty();
        config.tenants[0].subscribed_since = None;
        let lab = Lab::of(config);
        lab.publish(&["a"]);
        let text = "Too many frequent subscription start requests. Please retry again after 14m 56s";
        let mut start = first(1, START, Answer::new(status, error_body("429", text)));
        let mut list = edit(LIST, Vec::clear);
        lab.wire.rewrite(move |sent, answer| start(sent, list(sent, answer)?));
        let running = lab.start().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let problem = running.problem(lab.feed).unwrap();
        assert!(problem.contains("every 15 minutes") && problem.contains("896 s"), "{problem}");
        minutes(40).await;
        assert_eq!(running.problem(lab.feed), None);
        running.stop().await;
        lab.assert_arrived_once(&["a"]);
        let starts = lab.wire.sent_to(START);
        assert_eq!(starts.len(), 2);
        assert!(starts[1].at - starts[0].at >= Duration::from_secs(896));
    }
}

#[tokio::test(start_paused = true)]
async fn a_type_that_was_never_started_but_is_listed_without_status_is_started() {
    let mut config = empty();
    config.tenants[0].subscribed_since = None;
    let mut lab = Lab::of(config);
    lab.source.content_types = vec![ContentType::Exchange];
    assert_eq!(lab.once().await.0, Ok(()));
    // With one subscription there, the simulator lists the first of the others without status, as Microsoft's sample does.
    let other = lab.feed_of(ContentType::AzureActiveDirectory);
    lab.simulator.publish_events(other, vec![lab.event("a")], lab.ago(60));
    lab.source.content_types = vec![ContentType::AzureActiveDirectory];
    let running = lab.start().await;
    minutes(30).await;
    assert_eq!(running.problem(other), None);
    running.stop().await;
    lab.assert_arrived_once(&["a"]);
    assert_eq!(lab.simulator.stats().start_calls(), 2);
    assert_eq!(lab.counters.sum("office365_subscriptions_lost_total", ""), 0, "what never worked was not lost");
}

/// Does what another administrator might, with the token of the source.
async fn stop_subscription(lab: &Lab) {
    let sent = lab.wire.sent_to(LIST).pop().unwrap();
    let mut url = sent.url;
    url.set_path(&format!("/api/v1.0/{}/activity/feed/subscriptions/stop", lab.feed.tenant));
    url.query_pairs_mut().append_pair("contentType", "Audit.General");
    let mut request = Request::new(http::Method::POST, url);
    request.headers.insert(http::header::AUTHORIZATION, sent.authorization.unwrap());
    request.headers.insert(http::header::CONTENT_LENGTH, 0.into());
    let response = Wire::listening(&lab.simulator).send(request).await.unwrap();
    assert_eq!(response.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_stays_disabled_after_a_restart_is_visible_and_tried_every_fifteen_minutes() {
    let lab = Lab::new();
    let running = lab.start().await;
    minutes(5).await;
    stop_subscription(&lab).await;
    lab.simulator.faults().update(|faults| faults.stuck_after_restart = true);
    minutes(120).await;
    let problem = running.problem(lab.feed).unwrap();
    assert!(problem.contains("shows none yet, and is asked again at") || problem.contains("disabled"), "{problem}");
    let starts: Vec<_> = lab.wire.sent_to(START).iter().map(|sent| sent.at).collect();
    assert!((4..=9).contains(&starts.len()), "{starts:?}");
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_mins(15)), "{starts:?}");
    assert_eq!(lab.counters.sum("office365_subscriptions_lost_total", ""), 1, "told once, however long it stays so");
    assert!(lab.log.text().contains("The subscription was stopped by somebody else"));

    lab.simulator.faults().update(|faults| faults.stuck_after_restart = false);
    minutes(40).await;
    lab.publish_at(&["a"], lab.ago(1));
    minutes(5).await;
    assert_eq!(running.problem(lab.feed), None);
    running.stop().await;
    lab.assert_arrived_once(&["a"]);
}

#[tokio::test(start_paused = true)]
async fn content_from_before_the_first_start_is_collected() {
    let mut config = empty();
    config.tenants[0].subscribed_since = None;
    let lab = Lab::of(config);
    lab.publish_at(&["a"], lab.ago(21 * 60));
    let (result, _) = lab.once().await;
    assert_eq!(result, Ok(()), "{}", lab.log.text());
    lab.assert_arrived_once(&["a"]);
}

#[tokio::test(start_paused = true)]
async fn content_types_come_in_any_case() {
    let lab = Lab::new();
    lab.publish(&["a"]);
    let shout = |elements: &mut Vec<Value>| {
        for element in elements {
            element["contentType"] = element["contentType"].as_str().unwrap().to_uppercase().into();
        }
    };
    let (mut list, mut content) = (edit(LIST, shout), edit(CONTENT, shout));
    lab.wire.rewrite(move |sent, answer| content(sent, list(sent, answer)?));
    assert_eq!(lab.once().await.0, Ok(()));
    lab.assert_arrived_once(&["a"]);
    assert_eq!(lab.simulator.stats().start_calls(), 0);
    assert_eq!(lab.counters.sum("office365_unusable_entries_total", ""), 0);
}
