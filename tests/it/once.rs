//! Runs that should end: what they ride out, when they give up, and what the next one makes of it.
#![cfg(feature = "simulator")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use crate::support;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use office365_source::{
    RunMode,
    component::EventStatus,
    content::ContentType,
    transport::{Request, Response, Transport, TransportError, TransportFailure},
};
use support::{
    lab::{Lab, minutes},
    wire::{Answer, Sent, Wire, reset},
};
use tokio::time::Instant;

/// A little more than two minutes: a run notices after a part of its patience, and may be waiting for a request.
const SOON_AFTER_PATIENCE: Duration = Duration::from_secs(200);

/// Which requests fail, and how.
type Concerned = fn(&Sent) -> bool;
type Failing = fn() -> Result<Answer, TransportError>;

/// How long a run took, in the time of the test, and how it ended.
async fn timed(lab: &Lab) -> (Result<(), ()>, Duration) {
    let began = Instant::now();
    let (result, _) = lab.once().await;
    (result, began.elapsed())
}

/// Changes answers for so long.
fn for_a_while(
    lab: &Lab,
    duration: Duration,
    concerns: impl Fn(&Sent) -> bool + Send + 'static,
    instead: impl Fn() -> Result<Answer, TransportError> + Send + 'static,
) {
    let end = Instant::now() + duration;
    lab.wire.rewrite(move |sent, answer| if Instant::now() < end && concerns(sent) { instead() } else { Ok(answer) });
}

#[tokio::test(start_paused = true)]
async fn a_spell_of_failures_is_ridden_out() {
    let unreachable = || Err(TransportError::new(TransportFailure::Connect, "no route to host"));
    let everything: Concerned = |_| true;
    let tokens: Concerned = |sent| sent.asks("/token");
    let blobs: Concerned = |sent| sent.asks("feed/audit/");
    let lists: Concerned = |sent| sent.asks("subscriptions/");
    let cases: [(&str, Concerned, Failing); 9] = [
        ("no network", everything, unreachable),
        ("broken connections", everything, || Err(reset())),
        ("Entra out of reach", tokens, unreachable),
        ("Entra busy", tokens, || Ok(Answer::new(503, "").with("retry-after", "30"))),
        ("a page of a proxy for Entra", tokens, || Ok(Answer::new(502, "<html>Bad Gateway</html>"))),
        ("listings refused", lists, || Ok(Answer::new(503, "Service Unavailable"))),
        ("blobs refused", blobs, || Ok(Answer::new(500, ""))),
        ("blobs forbidden", blobs, || Ok(Answer::new(401, ""))),
        ("throttled", everything, || Ok(Answer::new(429, "").with("retry-after", "20"))),
    ];
    for (name, concerns, instead) in cases {
        let lab = Lab::new();
        let blobs: Vec<_> = (0..12).map(|number| format!("{name}-{number}")).collect();
        for id in &blobs {
            lab.publish(&[id]);
        }
        for_a_while(&lab, Duration::from_secs(90), concerns, instead);
        let (result, took) = timed(&lab).await;
        assert_eq!(result, Ok(()), "{name} after {took:?}: {}", lab.log.text());
        lab.assert_arrived_once(&blobs.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn what_lasts_longer_ends_the_run_and_the_next_heals_it_at_once() {
    let everything: Concerned = |_| true;
    let blobs: Concerned = |sent| sent.asks("feed/audit/");
    let cases: [(&str, Concerned, Failing); 5] = [
        ("broken connections", everything, || Err(reset())),
        ("blobs refused", blobs, || Ok(Answer::new(500, ""))),
        ("blobs that are no JSON", blobs, || Ok(Answer::new(200, "<html>"))),
        ("a subscription that is none", blobs, || {
            Ok(Answer::new(400, r#"{"error":{"code":"AF20022","message":"No subscription found."}}"#))
        }),
        ("throttled for an hour", blobs, || Ok(Answer::new(429, "").with("retry-after", "3600"))),
    ];
    for (name, concerns, instead) in cases {
        let lab = Lab::new();
        lab.publish(&["a"]);
        lab.publish(&["b"]);
        for_a_while(&lab, Duration::from_hours(99), concerns, instead);
        let (result, took) = timed(&lab).await;
        assert_eq!(result, Err(()), "{name}");
        assert!(took <= SOON_AFTER_PATIENCE, "{name}: {took:?}\n{}", lab.log.text());
        assert!(lab.ids().is_empty());

        lab.wire.rewrite(|_, answer| Ok(answer));
        let (result, took) = timed(&lab).await;
        assert_eq!(result, Ok(()), "{name}: {}", lab.log.text());
        assert!(took <= Duration::from_secs(20), "{name}: {took:?}");
        lab.assert_arrived_once(&["a", "b"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_people_must_change_is_not_waited_for() {
    let lab = Lab::new();
    lab.publish(&["a"]);
    lab.wire.rewrite(|sent, answer| {
        let wrong =
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided."}"#;
        Ok(if sent.asks("/token") { Answer::new(401, wrong) } else { answer })
    });
    let (result, took) = timed(&lab).await;
    assert_eq!(result, Err(()));
    assert!(took < Duration::from_secs(60), "{took:?}");
    assert!(lab.log.text().contains("AADSTS7000215"), "{}", lab.log.text());
}

#[tokio::test(start_paused = true)]
async fn a_run_tries_what_another_has_put_off() {
    let lab = Lab::new();
    lab.publish(&["a"]);
    for_a_while(&lab, Duration::from_hours(99), |sent| sent.asks("feed/audit/"), || Ok(Answer::new(500, "")));
    let running = lab.start().await;
    // By now its attempts are a quarter of an hour apart.
    minutes(120).await;
    running.stop().await;
    lab.wire.rewrite(|_, answer| Ok(answer));
    let (result, took) = timed(&lab).await;
    assert_eq!(result, Ok(()), "{}", lab.log.text());
    assert!(took < Duration::from_secs(20), "{took:?}");
    lab.assert_arrived_once(&["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_takes_nothing_ends_the_run_with_nothing_delivered() {
    let lab = Lab::new();
    for number in 0..20 {
        lab.publish(&[&format!("{number:02}")]);
    }
    let (open, gate) = tokio::sync::watch::channel(false);
    let mut setup = lab.setup(RunMode::ONCE);
    setup.gate = Some(gate);
    let began = Instant::now();
    let running = setup.start().await;
    let (source, progress) = running.source_alone().await;
    assert_eq!(source, Err(()));
    assert!(began.elapsed() <= SOON_AFTER_PATIENCE, "{:?}", began.elapsed());
    assert_eq!(progress.totals().events_delivered, 0);
    assert!(lab.log.text().contains("no sink has acknowledged anything"), "{}", lab.log.text());
    drop(open);

    assert_eq!(timed(&lab).await.0, Ok(()));
    let ids: Vec<_> = (0..20).map(|number| format!("{number:02}")).collect();
    lab.assert_arrived_once(&ids.iter().map(String::as_str).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_slowly_is_not_given_up() {
    let lab = Lab::new();
    for number in 0..12 {
        lab.publish(&[&format!("{number:02}")]);
    }
    // Each request takes a minute and a half, one at a time.
    let mut source = lab.source.clone();
    source.request.concurrency = 1;
    source.request.timeout_secs = 300;
    lab.simulator.faults().update(|faults| {
        faults.latency = Some(Duration::from_secs(90)..=Duration::from_secs(90));
    });
    let mut setup = lab.setup(RunMode::ONCE);
    setup.config = source;
    let (result, _) = setup.run().await;
    assert_eq!(result, Ok(()), "{}", lab.log.text());
    assert_eq!(lab.ids().len(), 12);
}

#[tokio::test(start_paused = true)]
async fn patience_is_as_long_as_asked_for() {
    let lab = Lab::new();
    lab.publish(&["a"]);
    for_a_while(&lab, Duration::from_hours(99), |sent| sent.asks("feed/audit/"), || Ok(Answer::new(500, "")));
    for (patience, most) in [(Duration::from_secs(10), 30), (Duration::from_mins(20), 1_300)] {
        let began = Instant::now();
        let (result, _) = lab.setup(RunMode::Once { patience }).run().await;
        assert_eq!(result, Err(()));
        let took = began.elapsed();
        assert!(took < Duration::from_secs(most) && took >= patience / 2, "{patience:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_answer_got_lost_is_not_waited_for() {
    let mut config = support::lab::empty();
    config.tenants[0].subscribed_since = None;
    let lab = Lab::of(config);
    lab.publish(&["a"]);
    // Microsoft has started it, and the answer is lost.
    lab.wire.rewrite(|sent, answer| if sent.asks("subscriptions/start") { Err(reset()) } else { Ok(answer) });
    let (result, took) = timed(&lab).await;
    assert_eq!(result, Ok(()), "{}", lab.log.text());
    assert!(took < Duration::from_secs(60), "{took:?}");
    lab.assert_arrived_once(&["a"]);
    assert_eq!(lab.simulator.stats().start_calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_shows_late_is_believed_when_it_shows() {
    let mut config = support::lab::empty();
    config.tenants[0].subscribed_since = None;
    let lab = Lab::of(config);
    lab.publish(&["a"]);
    let shows = Instant::now() + Duration::from_mins(3);
    lab.wire.rewrite(move |sent, answer| {
        if sent.asks("subscriptions/start") {
            return Err(reset());
        }
        let early = Instant::now() < shows;
        let no_subscription = r#"{"error":{"code":"AF20022","message":"No subscription found."}}"#;
        Ok(match () {
            () if early && sent.asks("subscriptions/list") => Answer::new(200, "[]"),
            () if early && sent.asks("subscriptions/content") => Answer::new(400, no_subscription),
            () => answer,
        })
    });
    let running = lab.start().await;
    minutes(2).await;
    let problem = running.problem(lab.feed).unwrap();
    assert!(
        problem.contains("Microsoft was asked for it at 2026-08-01T12:00:0")
            && problem.contains("shows none yet, and is asked again at 2026-08-01T12:15:"),
        "{problem}"
    );
    minutes(3).await;
    lab.assert_arrived_once(&["a"]);
    assert_eq!(lab.simulator.stats().start_calls(), 1);
    running.stop().await;

    // A run that ends waits for it as well, for as long as it is patient.
    let mut config = support::lab::empty();
    config.tenants[0].subscribed_since = None;
    let lab = Lab::of(config);
    lab.publish(&["a"]);
    let shows = Instant::now() + Duration::from_secs(70);
    lab.wire.rewrite(move |sent, answer| match () {
        () if sent.asks("subscriptions/start") => Err(reset()),
        () if Instant::now() < shows && sent.asks("subscriptions/list") => Ok(Answer::new(200, "[]")),
        () => Ok(answer),
    });
    let (result, took) = timed(&lab).await;
    assert_eq!(result, Ok(()), "{took:?} {}", lab.log.text());
    lab.assert_arrived_once(&["a"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_pipeline_errs_on_for_a_while_is_ridden_out() {
    let lab = Lab::new();
    lab.publish(&["a"]);
    let end = Instant::now() + Duration::from_secs(60);
    let mut setup = lab.setup(RunMode::ONCE);
    setup.verdict = Box::new(move |_| if Instant::now() < end { EventStatus::Errored } else { EventStatus::Delivered });
    assert_eq!(setup.run().await.0, Ok(()), "{}", lab.log.text());
    lab.assert_arrived_once(&["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_listed_and_refused_is_told_as_that_and_not_waited_for() {
    let lab = Lab::new();
    lab.publish(&["a"]);
    let disabled = r#"{"error":{"code":"AF20023","message":"The subscription was disabled."}}"#;
    lab.wire.rewrite(move |sent, answer| {
        Ok(if sent.asks("subscriptions/content") { Answer::new(400, disabled) } else { answer })
    });
    let began = Instant::now();
    let (result, run) = lab.once().await;
    assert_eq!(result, Err(()));
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    let problem = run.problem(lab.feed).unwrap();
    assert!(problem.contains("lists the subscription of Audit.General"), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn content_that_is_empty_for_a_moment_is_waited_for() {
    let lab = Lab::new();
    lab.publish(&["a"]);
    for_a_while(&lab, Duration::from_secs(10), |sent| sent.asks("feed/audit/"), || Ok(Answer::new(200, "[]")));
    assert_eq!(lab.once().await.0, Ok(()), "{}", lab.log.text());
    lab.assert_arrived_once(&["a"]);
}

/// Never answers the start of one content type.
#[derive(Debug)]
struct Silent(Wire);

#[async_trait]
impl Transport for Silent {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        if request.url.path().ends_with("subscriptions/start") && request.url.query().unwrap().contains("DLP.All") {
            std::future::pending::<()>().await;
        }
        self.0.send(request).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_gets_no_answer_holds_up_no_other_content_type() {
    let mut config = support::lab::empty();
    config.tenants[0].subscribed_since = None;
    let mut lab = Lab::of(config);
    lab.source.content_types = vec![ContentType::Dlp, ContentType::General];
    lab.publish(&["a"]);
    let mut setup = lab.setup(RunMode::Continuous);
    setup.transport = Some(Arc::new(Silent(lab.wire.clone())));
    let running = setup.start().await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    lab.assert_arrived_once(&["a"]);
    running.stop().await;
}
