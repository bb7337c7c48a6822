//! What the Management Activity API and what stands before it are known to do, end to end over the simulator.
//!
//! docs/api-behaviour.md lists each behaviour with its source and names the test that shows it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![cfg(feature = "simulator")]

use crate::support;

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use http::StatusCode;
use office365_source::{
    component::EventStatus,
    content::ContentType,
    simulator::{BlobSpec, Denial, Faults, Late, Live, SimulatorConfig, TenantFault},
    transport::{Request, Transport},
};
use serde_json::{Value, json};
use support::{
    Setup,
    lab::{Lab, empty, minutes},
    no_violations,
    wire::{Answer, Sent, Wire, reset},
};

const TOKEN: &str = "/oauth2/";
const LIST: &str = "/subscriptions/list";
const START: &str = "/subscriptions/start";
const CONTENT: &str = "/subscriptions/content";
const BLOB: &str = "/activity/feed/audit/";

/// Answers the first `times` requests for an operation with `answer`.
fn first(
    mut times: u32,
    operation: &'static str,
    answer: Answer,
) -> impl FnMut(&Sent, Answer) -> Result<Answer, office365_source::transport::TransportError> + Send {
    move |sent, real| {
        if sent.asks(operation) && times > 0 {
            times -= 1;
            return Ok(answer.clone());
        }
        Ok(real)
    }
}

/// Changes the array that an operation answers with.
fn edit(
    operation: &'static str,
    change: impl Fn(&mut Vec<Value>) + Send,
) -> impl FnMut(&Sent, Answer) -> Result<Answer, office365_source::transport::TransportError> + Send {
    move |sent, mut answer| {
        if sent.asks(operation)
            && let Ok(Value::Array(mut elements)) = serde_json::from_slice(&answer.body)
        {
            change(&mut elements);
            answer.body = Value::Array(elements).to_string().into();
        }
        Ok(answer)
    }
}

fn error_body(code: &str, message: &str) -> String {
    json!({ "error": { "code": code, "message": message } }).to_string()
}

// --- Hosts, tokens, permissions -------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn the_older_token_endpoint_writes_numbers_as_strings() {
    let mut lab = Lab::new();
    lab.source.token_path = Some("/oauth2/token".into());
    lab.publish(&["a"]);
    let running = lab.start().await;
    minutes(3 * 60).await;
    running.stop().await;
    lab.assert_arrived_once(&["a"]);
    let requests = lab.wire.sent_to(TOKEN);
    assert!(requests.iter().all(|sent| sent.url.path().ends_with("/oauth2/token")));
    let form = String::from_utf8(requests[0].body.to_vec()).unwrap();
    assert!(form.contains("resource=https%3A%2F%2Fmanage.office.com") && !form.contains("scope="), "{form}");
    // A life of "3599" that went unread would be taken for ten minutes, and cost a token every few.
    assert!((3..=5).contains(&requests.len()), "{}", requests.len());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_entra_says_what_to_click() {
    for (code, advice) in [
        (7_000_215, "Secret ID was pasted instead of the Value"),
        (7_000_222, "the client secret has expired"),
        (70_002, "the client secret is wrong"),
        (7_000_218, "check auth.client_secret"),
        (700_016, "check auth.client_id"),
        (700_011, "check auth.client_id"),
        (70_001, "Enterprise applications"),
        (7_000_112, "Enterprise applications"),
        (700_027, "upload its public part"),
        (700_030, "not one of the application's"),
        (90_002, "there is no such tenant in this cloud"),
        (900_382, "change `cloud`"),
        (900_432, "change `cloud`"),
        (90_038, "change `cloud`"),
        (65_001, "Grant admin consent"),
        (90_094, "Grant admin consent"),
        (650_056, "Grant admin consent"),
        (650_052, "check its licences"),
        (53_003, "Conditional Access"),
        (530_035, "Conditional Access"),
        (50_196, "another program"),
        (90_055, "tries again by itself"),
        (90_006, "tries again by itself"),
        (90_012, "tries again by itself"),
        (90_024, "tries again by itself"),
        (90_033, "tries again by itself"),
        // A code that nobody knows keeps its text.
        (999_999, "AADSTS999999: Something new"),
    ] {
        let lab = Lab::new();
        lab.publish(&["a"]);
        let body = json!({ "error": "invalid_client", "error_description":
            format!("AADSTS{code}: Something new. Trace ID: 1 Correlation ID: 2"), "error_codes": [code] });
        lab.wire.rewrite(first(1, TOKEN, Answer::new(400, body.to_string())));
        let running = lab.start().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let problem = running.problem(lab.feed).unwrap();
        assert!(problem.contains(advice) && problem.contains(&lab.feed.tenant.to_string()), "{code}: {problem}");
        assert!(lab.wire.sent_to("/activity/").is_empty(), "no request without a token");
        // And once the cause is gone, collecting begins without a restart.
        minutes(30).await;
        assert_eq!(running.problem(lab.feed), None);
        running.stop().await;
        lab.assert_arrived_once(&["a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_is_missing_is_named_and_costs_no_other_content_type() {
    for denial in [Denial::Coded, Denial::Bare] {
        let mut config = empty();
        config.denial = denial;
        config.tenants[0].roles = vec!["ActivityFeed.Read".into()];
        let mut lab = Lab::of(config);
        lab.source.content_types = vec![ContentType::Dlp, ContentType::General];
        lab.publish(&["a"]);
        let running = lab.start().await;
        minutes(10).await;
        let problem = running.problem(lab.feed_of(ContentType::Dlp)).unwrap();
        assert!(problem.contains("lacks the permission ActivityFeed.ReadDlp"), "{denial:?}: {problem}");
        assert!(problem.contains("Grant admin consent"), "{problem}");
        assert_eq!(running.problem(lab.feed), None, "{denial:?}");
        lab.assert_arrived_once(&["a"]);
        running.stop().await;
        // One for each pass at the most, since a permission may have been granted meanwhile; in ten minutes there are six.
        assert!(lab.simulator.stats().tokens_issued <= 7, "a 401 is no reason to ask for token after token");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_without_any_role_lacks_activity_feed_read() {
    let mut lab = Lab::new();
    lab.source.content_types = vec![ContentType::Dlp, ContentType::General];
    lab.simulator.break_tenant(lab.feed.tenant, TenantFault::PermissionsRemoved);
    let (result, run) = lab.once().await;
    assert_eq!(result, Err(()));
    for content_type in [ContentType::Dlp, ContentType::General] {
        let problem = run.problem(lab.feed_of(content_type)).unwrap();
        assert!(problem.contains("lacks the permission ActivityFeed.Read:"), "{problem}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_401_for_one_blob_is_its_own_trouble_and_gets_a_new_token() {
    for body in [
        "",
        r#"{"Message":"Authorization has been denied for this request."}"#,
        &error_body("AF10001", "The permission set () …"),
    ] {
        let lab = Lab::new();
        lab.publish(&["a"]);
        lab.publish(&["b"]);
        lab.wire.rewrite(first(1, BLOB, Answer::new(401, body.to_owned())));
        let (result, run) = lab.once().await;
        assert_eq!(result, Ok(()), "{}", lab.log.text());
        assert_eq!(run.problem(lab.feed), None, "{body}");
        lab.assert_arrived_once(&["a", "b"]);
        assert!(!lab.log.text().contains("lacks the permission"), "{}", lab.log.text());
        let tokens: std::collections::HashSet<_> =
            lab.wire.sent_to(BLOB).into_iter().filter_map(|sent| sent.authorization).collect();
        assert_eq!(tokens.len(), 2, "the retry had a token of its own");
    }
}

#[tokio::test(start_paused = true)]
async fn entra_is_obeyed_when_it_asks_to_wait_also_by_a_run_that_ends() {
    let busy = |status: u16| Answer::new(status, r#"{"error":"temporarily_unavailable"}"#).with("retry-after", "40");
    for status in [429, 503] {
        let lab = Lab::new();
        lab.publish(&["a"]);
        lab.wire.rewrite(first(2, TOKEN, busy(status)));
        let (result, _) = lab.once().await;
        assert_eq!(result, Ok(()), "{}", lab.log.text());
        lab.assert_arrived_once(&["a"]);
        let asked: Vec<_> = lab.wire.sent_to(TOKEN).iter().map(|sent| sent.at).collect();
        let pauses: Vec<_> = asked.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
        assert!(pauses.len() == 2 && pauses.iter().all(|pause| (40..45).contains(pause)), "{pauses:?}");
    }
    // But a run that ends does not wait indefinitely.
    let lab = Lab::new();
    lab.wire.rewrite(first(u32::MAX, TOKEN, busy(429)));
    let began = tokio::time::Instant::now();
    let (result, _) = lab.once().await;
    assert_eq!(result, Err(()));
    assert!(began.elapsed() < Duration::from_secs(150), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_page_in_the_place_of_a_401_is_told_with_what_to_check() {
    let lab = Lab::new();
    lab.publish(&["a"]);
    for status in [401, 403] {
        let page = format!("<!DOCTYPE html><html><title>{status} - Unauthorized</title></html>");
        lab.wire.rewrite(first(u32::MAX, LIST, Answer::new(status, page)));
        let (result, run) = lab.once().await;
        assert_eq!(result, Err(()));
        let problem = run.problem(lab.feed).unwrap();
        assert!(problem.contains("proxy or firewall") && problem.contains(" - Unauthorized"), "{problem}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_new_token_is_neither_called_a_missing_permission_nor_waited_out() {
    for operation in [LIST, BLOB, "subscriptions/list"] {
        let lab = Lab::new();
        lab.publish(&["a"]);
        // The token is seconds old each time.
        lab.wire.rewrite(first(1, operation, Answer::new(401, "")));
        let began = tokio::time::Instant::now();
        assert_eq!(lab.once().await.0, Ok(()), "{operation}: {}", lab.log.text());
        assert!(began.elapsed() < Duration::from_secs(10), "{operation}: {:?}", began.elapsed());
        lab.assert_arrived_once(&["a"]);
        assert!(!lab.log.text().contains("lacks the permission"), "{operation}: {}", lab.log.text());
        assert_eq!(lab.simulator.stats().tokens_issued, 2, "{operation}");
    }
    // For minutes, as after a revocation that has not reached all of Microsoft's machines.
    let lab = Lab::new();
    lab.publish(&["a"]);
    let end = tokio::time::Instant::now() + Duration::from_mins(3);
    lab.wire.rewrite(move |sent, answer| {
        let refused = tokio::time::Instant::now() < end && sent.asks("/activity/feed/");
        Ok(if refused { Answer::new(401, "") } else { answer })
    });
    let running = lab.start().await;
    minutes(1).await;
    let problem = running.problem(lab.feed).unwrap();
    assert!(problem.contains("refuses an access token that has the permission ActivityFeed.Read;"), "{problem}");
    assert!(problem.contains("Conditional Access"), "{problem}");
    minutes(7).await;
    assert_eq!(running.problem(lab.feed), None);
    lab.assert_arrived_once(&["a"]);
    assert!(lab.simulator.stats().tokens_issued < 40, "{} tokens", lab.simulator.stats().tokens_issued);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn revoked_tokens_are_replaced_in_mid_run() {
    let lab = Lab::new();
    let running = lab.start().await;
    minutes(10).await;
    lab.simulator.revoke_tokens();
    lab.publish(&["a"]);
    minutes(2).await;
    lab.assert_arrived_once(&["a"]);
    assert_eq!(running.problem(lab.feed), None);
    running.stop().await;
    assert_eq!(lab.simulator.stats().tokens_issued, 2);
    assert!(!lab.log.text().contains("lacks the permission"), "{}", lab.log.text());
}

// --- Subscriptions --------------------------------------------------------------------------------------------------

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

// --- Listing --------------------------------------------------------------------------------------------------------

fn window(sent: &Sent) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    // Exactly this form: seconds, no zone.
    let time = |name| {
        let text = sent.parameter(name)?;
        let time = NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S").unwrap();
        assert_eq!(text.len(), 19, "{text}");
        Some(time.and_utc())
    };
    Some((time("startTime")?, time("endTime")?))
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_caught_up_oldest_first_in_windows_the_api_lists_whole() {
    let lab = Lab::of(SimulatorConfig {
        live: Some(Live { every: Duration::from_hours(1), events_per_blob: 1..=1 }),
        ..empty()
    });
    let running = lab.start().await;
    minutes(61).await;
    running.crash().await;
    let before = lab.wire.sent_to(CONTENT).len();
    minutes(4 * 24 * 60).await;
    let running = lab.start().await;
    minutes(5).await;
    running.stop().await;
    let windows: Vec<_> = lab.wire.sent_to(CONTENT)[before..].iter().filter_map(window).collect();
    assert!(windows.len() >= 5, "{windows:?}");
    assert!(windows.iter().all(|(start, end)| start < end && *end - *start <= TimeDelta::hours(24)), "{windows:?}");
    assert!(windows[..5].is_sorted(), "{windows:?}");
    let expected = lab.simulator.oracle().expected_ids_of(lab.feed);
    assert!(expected.len() > 90);
    lab.assert_arrived_once(&expected.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(lab.counters.sum("office365_gap_seconds_total", ""), 0);
}

#[tokio::test(start_paused = true)]
async fn every_listing_names_both_times_in_seconds_without_zone() {
    let lab = Lab::new();
    let running = lab.start().await;
    minutes(30 * 60).await;
    running.stop().await;
    let listings = lab.wire.sent_to(CONTENT);
    assert!(listings.len() > 1_700);
    for sent in &listings {
        let (start, end) = window(sent).expect("both times");
        assert!(end - start <= TimeDelta::hours(24));
    }
    no_violations(&lab.simulator);
}

#[tokio::test(start_paused = true)]
async fn what_an_outage_of_more_than_seven_days_lost_is_told_once_and_the_rest_collected() {
    let mut lab = Lab::new();
    lab.source.start_from = "1h".parse().unwrap();
    let running = lab.start().await;
    minutes(5).await;
    running.crash().await;
    minutes(9 * 24 * 60).await;
    lab.publish_at(&["kept"], lab.ago(6 * 24 * 60));
    lab.publish_at(&["lost"], lab.ago(8 * 24 * 60));
    // The first passes fail after the loss has been noticed; that must not multiply it.
    lab.wire.rewrite(first(12, CONTENT, Answer::new(500, "")));
    let running = lab.start().await;
    minutes(60).await;
    let (_, progress) = running.stop().await;
    lab.assert_arrived_once(&["kept"]);
    let gap = lab.counters.sum("office365_gap_seconds_total", &lab.feed.tenant.to_string());
    let expected = 2 * 86_400 + 300;
    assert!((expected - 900..expected + 900).contains(&gap), "{gap}");
    assert_eq!(progress.totals().gap_seconds, gap);
    assert!(lab.log.text().contains("can no longer be listed"));
}

#[tokio::test(start_paused = true)]
async fn a_window_that_is_refused_is_never_taken_for_an_empty_one() {
    for code in ["AF20030", "AF20055"] {
        let lab = Lab::new();
        lab.publish(&["a"]);
        let refusal = Answer::new(400, error_body(code, "Start time and end time must both be specified"));
        lab.wire.rewrite(first(u32::MAX, CONTENT, refusal));
        let running = lab.start().await;
        minutes(3 * 60).await;
        let problem = running.problem(lab.feed).unwrap();
        assert!(problem.contains(code), "{problem}");
        assert_eq!(running.progress.feeds()[&lab.feed].listed_through, None);
        lab.wire.rewrite(|_, answer| Ok(answer));
        minutes(20).await;
        assert_eq!(running.problem(lab.feed), None);
        running.stop().await;
        lab.assert_arrived_once(&["a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_part_of_a_blob_that_a_first_listing_names_is_not_taken_for_the_blob() {
    let mut lab = Lab::new();
    lab.source.start_from = "1h".parse().unwrap();
    // Created in the second in which the first window begins, and listed by no earlier one.
    lab.publish_at(&["a", "b", "c", "d"], lab.ago(60) + TimeDelta::milliseconds(500));
    assert_eq!(lab.once().await.0, Ok(()));
    assert_eq!(lab.simulator.stats().partial_refs, 1, "the test hit the second");
    lab.assert_arrived_once(&["a", "b", "c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn a_window_that_begins_where_a_blob_was_created_costs_no_event() {
    let mut lab = Lab::of(SimulatorConfig {
        live: Some(Live { every: Duration::from_secs(1), events_per_blob: 2..=4 }),
        ..empty()
    });
    // Without overlap, every pass begins in a second in which a blob was created.
    lab.source.poll.overlap_secs = 0;
    let running = lab.start().await;
    minutes(20).await;
    let expected = lab.simulator.oracle().expected_ids_of(lab.feed);
    minutes(3).await;
    running.stop().await;
    assert!(lab.simulator.stats().partial_refs > 10, "{:?}", lab.simulator.stats());
    let arrived = lab.ids();
    let missing = expected.iter().filter(|id| !arrived.iter().any(|(arrived, _)| arrived == *id)).count();
    assert_eq!(missing, 0, "of {}", expected.len());
    assert!(arrived.iter().all(|(_, times)| *times == 1));
}

#[tokio::test(start_paused = true)]
async fn blobs_of_the_same_time_on_unsorted_pages_all_arrive() {
    let lab = Lab::of(SimulatorConfig { page_size: 2, ..empty() });
    let ids: Vec<String> = (0..9).map(|n| format!("event-{n}")).collect();
    for (n, id) in ids.iter().enumerate() {
        // Three times three blobs that share their contentCreated.
        lab.publish_at(&[id], lab.now() - TimeDelta::minutes(60 + i64::try_from(n / 3).unwrap()));
    }
    lab.wire.rewrite(edit(CONTENT, |entries| entries.reverse()));
    assert_eq!(lab.once().await.0, Ok(()));
    lab.assert_arrived_once(&ids.iter().map(String::as_str).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn links_to_next_pages_are_used_as_they_are() {
    let lab = Lab::of(SimulatorConfig { page_size: 1, ..empty() });
    lab.publish(&["a"]);
    lab.publish(&["b"]);
    lab.publish(&["c"]);
    assert_eq!(lab.once().await.0, Ok(()));
    lab.assert_arrived_once(&["a", "b", "c"]);
    let pages: Vec<_> =
        lab.wire.sent_to(CONTENT).into_iter().filter(|sent| sent.parameter("nextPage").is_some()).collect();
    assert!(pages.len() >= 2);
    for page in pages {
        assert!(page.url.path().starts_with("/api/v1/") && page.parameter("starttime").is_some(), "{}", page.url);
        assert!(page.parameter("startTime").is_none());
    }
    no_violations(&lab.simulator);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_repeats_the_publisher_does_not_get_it_twice() {
    let lab = Lab::of(SimulatorConfig { page_size: 1, next_page_repeats_publisher: true, ..empty() });
    lab.publish(&["a"]);
    lab.publish(&["b"]);
    assert_eq!(lab.once().await.0, Ok(()));
    lab.assert_arrived_once(&["a", "b"]);
    for sent in lab.wire.sent_to("/activity/") {
        assert_eq!(sent.url.as_str().to_lowercase().matches("publisheridentifier=").count(), 1, "{}", sent.url);
    }
    no_violations(&lab.simulator);
}

#[tokio::test(start_paused = true)]
async fn a_refused_link_to_a_next_page_restarts_the_listing() {
    let lab = Lab::of(SimulatorConfig { page_size: 1, ..empty() });
    lab.publish(&["a"]);
    lab.publish(&["b"]);
    let mut refused = 0;
    lab.wire.rewrite(move |sent, answer| {
        if sent.parameter("nextPage").is_some() && refused < 2 {
            refused += 1;
            return Ok(Answer::new(400, error_body("AF20031", "Invalid nextPage Input: 2015.")));
        }
        Ok(answer)
    });
    let (result, run) = lab.once().await;
    assert_eq!(result, Ok(()), "{:?}", run.progress.feeds());
    lab.assert_arrived_once(&["a", "b"]);
    assert!(!lab.log.text().contains("Cannot collect"), "begun again within the pass: {}", lab.log.text());
}

#[tokio::test(start_paused = true)]
async fn pages_that_lead_in_a_circle_end_and_are_a_problem_while_content_flows() {
    let lab = Lab::of(SimulatorConfig {
        live: Some(Live { every: Duration::from_secs(20), events_per_blob: 1..=1 }),
        page_size: 1_000,
        ..empty()
    });
    lab.publish(&["a"]);
    lab.simulator.faults().update(|faults| faults.next_page_loop = true);
    let running = lab.start().await;
    minutes(60).await;
    assert!(lab.wire.sent_to(CONTENT).len() < 200, "{}", lab.wire.sent_to(CONTENT).len());
    // Blobs of the first page are served all the while; that does not make the listing complete.
    assert!(lab.ids().len() > 100, "{}", lab.ids().len());
    let problem = running.problem(lab.feed).unwrap();
    assert!(problem.contains("circle"), "{problem}");
    // The window that holds the circle is never taken for listed; an empty one before it may be.
    assert!(running.progress.feeds()[&lab.feed].listed_through <= Some(support::start_of_time()));
    lab.simulator.faults().update(|faults| faults.next_page_loop = false);
    minutes(20).await;
    assert_eq!(running.problem(lab.feed), None);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_next_page_at_another_host_is_never_requested() {
    let lab = Lab::new();
    lab.publish(&["a"]);
    lab.wire.rewrite(|sent, mut answer| {
        if sent.asks(CONTENT) {
            answer = answer.with("nextpageuri", "https://manage.office.com.evil.example/api/v1.0/x?nextPage=1");
        }
        Ok(answer)
    });
    let running = lab.start().await;
    minutes(10).await;
    let problem = running.problem(lab.feed).unwrap();
    assert!(problem.contains("https://manage.office.com.evil.example"), "{problem}");
    assert_eq!(running.progress.feeds()[&lab.feed].listed_through, None);
    // What the page itself names is good.
    lab.assert_arrived_once(&["a"]);
    lab.wire.rewrite(|_, answer| Ok(answer));
    minutes(20).await;
    assert_eq!(running.problem(lab.feed), None);
    running.stop().await;
    assert!(lab.wire.sent().iter().all(|sent| !sent.url.as_str().contains("evil")));
}

#[tokio::test(start_paused = true)]
async fn a_blob_at_another_host_is_never_requested_stays_pending_and_is_a_problem() {
    let mut lab = Lab::new();
    lab.source.poll.interval_secs = 300;
    lab.publish(&["a"]);
    lab.publish(&["b"]);
    lab.wire.rewrite(edit(CONTENT, |entries| {
        // Always the same one: a good URI would replace the bad one in the ledger.
        let id = |entry: &serde_json::Value| entry["contentId"].as_str().map(str::to_owned);
        if entries.len() == 2
            && let Some(entry) = entries.iter_mut().min_by_key(|entry| id(entry))
        {
            let uri = entry["contentUri"].as_str().unwrap();
            entry["contentUri"] = uri.replace("https://manage.office.com/", "https://evil.example/").into();
        }
    }));
    let running = lab.start().await;
    minutes(24 * 60).await;
    assert_eq!(lab.ids().len(), 1, "the other blob is not held up");
    assert!(lab.wire.sent().iter().all(|sent| !sent.url.as_str().contains("evil")), "a token would have gone there");
    let problem = running.problem(lab.feed).unwrap();
    assert!(problem.contains("https://evil.example") && problem.contains("endpoint"), "{problem}");
    let totals = running.progress.totals();
    assert_eq!((totals.blobs_found, totals.blobs_delivered, totals.blobs_dead), (2, 1, 0), "still pending");
    assert!(lab.counters.sum("component_errors_total", "foreign_uri") > 0);
    minutes(8 * 24 * 60).await;
    assert_eq!(running.progress.totals().blobs_dead, 1, "expired, and told");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn entries_that_lack_something_cost_only_themselves_and_are_told() {
    let lab = Lab::new();
    lab.publish(&["a"]);
    lab.wire.rewrite(edit(CONTENT, |entries| {
        let whole = entries.first().cloned().unwrap_or_default();
        for missing in ["contentUri", "contentCreated", "contentId"] {
            let mut entry = whole.clone();
            entry["contentId"] = format!("without-{missing}").into();
            entry.as_object_mut().unwrap().remove(missing);
            entries.push(entry);
        }
        entries.extend([json!(null), json!(7), json!([])]);
    }));
    let (result, _) = lab.once().await;
    assert_eq!(result, Ok(()));
    lab.assert_arrived_once(&["a"]);
    assert_eq!(lab.counters.sum("office365_unusable_entries_total", ""), 6);
    assert!(lab.log.text().contains("no contentUri") && lab.log.text().contains("without-contentUri"));
}

#[tokio::test(start_paused = true)]
async fn an_entry_of_another_content_type_is_fetched_all_the_same() {
    let lab = Lab::new();
    lab.publish(&["a"]);
    lab.simulator.faults().update(|faults| faults.wrong_content_type = 1.0);
    let running = lab.start().await;
    minutes(5).await;
    running.stop().await;
    lab.assert_arrived_once(&["a"]);
    assert!(lab.log.text().contains("an entry of another content type"));
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_is_none_is_asked_for_again() {
    for body in [
        &b""[..],
        b" \r\n",
        b"null",
        b"7",
        br#"{"error":{"code":"AF50000","message":"An internal error occurred."}}"#,
        b"<html><body>Please log in</body></html>",
        b"[{\"contentType\":\"Audit.General\"",
        b"[] trailing",
        b"[\xff]",
    ] {
        for operation in [LIST, CONTENT] {
            let lab = Lab::new();
            lab.publish(&["a"]);
            lab.wire.rewrite(first(2, operation, Answer::new(200, body)));
            let (result, run) = lab.once().await;
            let case = format!("{} from {operation}", String::from_utf8_lossy(body));
            assert_eq!(result, Ok(()), "{case}: {:?}", run.progress.feeds());
            assert_eq!(lab.ids(), [("a".to_owned(), 1)], "{case}");
            assert_eq!(lab.simulator.stats().start_calls(), 0, "{case}: not taken for a tenant without subscriptions");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn late_content_with_old_events_arrives_and_repeated_events_do_not() {
    let mut lab = Lab::new();
    lab.source.content_types = vec![ContentType::General, ContentType::Exchange];
    let running = lab.start().await;
    minutes(10).await;
    // Created five hours ago, listed only from now on; its events are five days old.
    let old = |id: &str| {
        let mut event = lab.event(id);
        event["CreationTime"] = "2026-07-27T08:00:00".into();
        event
    };
    let body = json!([old("late"), old("late-too")]).to_string();
    let spec = BlobSpec::new(body, lab.ago(5 * 60)).available_from(lab.now());
    lab.simulator.add_blob(lab.feed, spec);
    minutes(7 * 60).await;
    lab.assert_arrived_once(&["late", "late-too"]);
    // The same events again: in another blob, in another content type, twice in one blob, with members in another order.
    let mut reordered: Vec<_> = old("late").as_object().unwrap().clone().into_iter().collect();
    reordered.reverse();
    let reordered = reordered.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect::<Vec<_>>();
    let body = format!("[{{{}}},{}]", reordered.join(","), lab.event("new"));
    lab.simulator.add_blob(lab.feed, BlobSpec::new(body, lab.ago(1)));
    let exchange = lab.feed_of(ContentType::Exchange);
    let copies = vec![old("late-too"), lab.event("twice"), lab.event("twice")];
    lab.simulator.publish_events(exchange, copies, lab.ago(1));
    minutes(5).await;
    let (_, progress) = running.stop().await;
    lab.assert_arrived_once(&["late", "late-too", "new", "twice"]);
    assert_eq!(progress.totals().duplicates_dropped, 3);
    assert_eq!(lab.counters.sum("office365_duplicate_events_total", ""), 3);
}

// --- Content blobs --------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn throttling_as_403_with_single_quotes_pauses_the_tenant_as_long_as_asked() {
    let quoted = "{'error':{'code':'AF429','message':'Too many requests. Method=GetBlob, PublisherId=0'}}";
    // The date is counted from Microsoft's clock, which stands still during the request.
    for (form, operation) in [("300", BLOB), ("date", BLOB), ("300", CONTENT), ("date", CONTENT)] {
        let lab = Lab::new();
        let running = lab.start().await;
        minutes(3).await;
        lab.publish(&["a"]);
        let clock = lab.clock.clone();
        let mut refused = false;
        lab.wire.rewrite(move |sent, answer| {
            if refused || !sent.asks(operation) {
                return Ok(answer);
            }
            refused = true;
            let date = httpdate(clock.now() + TimeDelta::seconds(300));
            Ok(Answer::new(403, quoted).with("retry-after", if form == "date" { &date } else { form }))
        });
        minutes(15).await;
        let problem = running.problem(lab.feed);
        running.stop().await;
        lab.assert_arrived_once(&["a"]);
        let sent = lab.wire.sent_to("/activity/");
        let longest = sent.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap();
        assert!((299..330).contains(&longest.as_secs()), "{form} to {operation}: {longest:?}");
        assert!(lab.counters.sum("office365_throttled_total", "") == 1, "{form} to {operation}");
        assert_eq!(problem, None, "not a missing permission");
    }
}

fn httpdate(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[tokio::test(start_paused = true)]
async fn a_quota_smaller_than_configured_is_kept_to() {
    let mut config = SimulatorConfig { requests_per_minute: 60, ..empty() };
    config.backlog.blobs_per_feed = 400;
    config.backlog.reaches_back = Duration::from_hours(5);
    let lab = Lab::of(config);
    let running = lab.start().await;
    minutes(60).await;
    running.stop().await;
    let expected = lab.simulator.oracle().expected_ids_of(lab.feed);
    lab.assert_arrived_once(&expected.iter().map(String::as_str).collect::<Vec<_>>());
    let stats = lab.simulator.stats();
    assert!(stats.throttled > 0 && stats.throttled < 120, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn content_that_is_gone_is_given_up_at_once_and_told() {
    for (status, body) in [
        (404, error_body("AF20050", "The specified content (x) does not exist.")),
        (400, error_body("AF20050", "The specified content (x) does not exist.")),
        (400, error_body("AF20051", "Content requested with the key x has already expired.")),
        (400, error_body("AF20052", "Content ID x in the URL is invalid.")),
        (404, String::new()),
    ] {
        let lab = Lab::new();
        lab.publish(&["a"]);
        lab.publish(&["b"]);
        lab.wire.rewrite(first(1, BLOB, Answer::new(status, body.clone())));
        let running = lab.start().await;
        minutes(60).await;
        assert_eq!(lab.wire.sent_to(BLOB).len(), 2, "{body}: no second attempt");
        let (_, progress) = running.stop().await;
        let totals = progress.totals();
        assert_eq!((totals.blobs_dead, totals.blobs_delivered), (1, 1), "{body}");
        assert_eq!(lab.counters.sum("office365_content_dead_total", "Audit.General"), 1);
        assert!(lab.log.text().contains("Content was given up"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_expiration_is_read_and_never_derived() {
    let mut lab = Lab::new();
    lab.source.poll.interval_secs = 900;
    let place = |id: &str, days: Option<i64>| {
        let body = json!([lab.event(id)]).to_string();
        let spec = BlobSpec::new(body, lab.ago(60)).expiring(lab.now() + TimeDelta::days(days.unwrap_or(7)));
        lab.simulator.add_blob(lab.feed, spec)
    };
    let (short, long, unknown) = (place("short", Some(2)), place("long", Some(15)), place("unknown", None));
    let mut content = edit(CONTENT, move |entries| {
        for entry in entries.iter_mut().filter(|entry| entry["contentId"] == unknown.as_str()) {
            entry.as_object_mut().unwrap().remove("contentExpiration");
        }
    });
    let (sick, healed_at) = ([short.clone(), long], lab.now() + TimeDelta::days(8));
    let clock = lab.clock.clone();
    let six_days = lab.now() + TimeDelta::days(6);
    lab.wire.rewrite(move |sent, answer| {
        let until = if sick.iter().any(|id| sent.url.path().contains(id.as_str())) { healed_at } else { six_days };
        if sent.asks(BLOB) && clock.now() < until {
            return Ok(Answer::new(503, ""));
        }
        content(sent, answer)
    });
    let running = lab.start().await;
    minutes(9 * 24 * 60).await;
    let (_, progress) = running.stop().await;
    lab.assert_arrived_once(&["long", "unknown"]);
    assert_eq!(progress.totals().blobs_dead, 1, "what expired after two days was given up");
    assert!(lab.log.text().contains(&short));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_broken_emits_nothing_and_is_fetched_again() {
    for (body, case) in [
        (String::new(), "empty"),
        (" \n".into(), "blank"),
        ("null".into(), "null"),
        ("true".into(), "true"),
        ("<html><body>Sorry</body></html>".into(), "page"),
        (error_body("AF50000", "An internal error occurred. Retry the request."), "error with 200"),
        (r#"{"Message":"An error has occurred."}"#.into(), "framework's error with 200"),
        ("[".into(), "bracket"),
        (r#"[{"Id":"x","OrganizationId":"#.into(), "cut in a record"),
        (r#"[{"Id":"x"},"#.into(), "cut between records"),
        (r#"{"Id":"x""#.into(), "cut single record"),
    ] {
        let lab = Lab::new();
        lab.publish(&["a", "b"]);
        lab.wire.rewrite(first(2, BLOB, Answer::new(200, body)));
        let (result, run) = lab.once().await;
        assert_eq!(result, Ok(()), "{case}: {}", lab.log.text());
        assert_eq!(lab.ids(), [("a".to_owned(), 1), ("b".to_owned(), 1)], "{case}");
        assert_eq!(run.texts.lock().unwrap().len(), 2, "{case}");
        assert_eq!(lab.counters.sum("office365_content_retries_total", ""), 2, "{case}");
        assert!(lab.counters.sum("component_errors_total", "malformed") == 2, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_refusal_of_a_backend_in_trouble_is_tried_again() {
    let html = "<html><h1>503</h1></html>".to_owned();
    let af = |code| error_body(code, "An internal error occurred. Retry the request.");
    for (status, body) in [
        (408, String::new()),
        (500, af("AF50000")),
        (500, af("AF50005")),
        (400, af("AF50006")),
        (500, html.clone()),
        (502, html.clone()),
        (503, html.clone()),
        (503, "not json at all".into()),
        (504, String::new()),
        (403, html.clone()),
        (407, html.clone()),
        (429, html.clone()),
        (429, "{".into()),
        (302, String::new()),
        (400, "{\"error\":".into()),
        (400, "\u{feff}{}".into()),
    ] {
        for operation in [TOKEN, LIST, CONTENT, BLOB] {
            let lab = Lab::new();
            lab.publish(&["a"]);
            let answer = Answer::new(status, body.clone()).with("location", "https://evil.example/");
            lab.wire.rewrite(first(2, operation, answer));
            let running = lab.start().await;
            minutes(30).await;
            let case = format!("{status} {body:?} from {operation}");
            assert_eq!(lab.ids(), [("a".to_owned(), 1)], "{case}: {}", lab.log.text());
            assert_eq!(running.problem(lab.feed), None, "{case}");
            let (_, progress) = running.stop().await;
            assert_eq!(progress.totals().blobs_dead, 0, "{case}");
            assert!(lab.wire.sent().iter().all(|sent| !sent.url.as_str().contains("evil")), "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_blob_that_hangs_or_breaks_off_holds_up_no_other() {
    let lab = Lab::new();
    let sick = lab.publish(&["sick"]);
    for n in 0..40 {
        lab.publish(&[&format!("event-{n}")]);
    }
    lab.wire.rewrite(move |sent, answer| if sent.url.path().contains(&sick) { Err(reset()) } else { Ok(answer) });
    let running = lab.start().await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(lab.ids().len(), 40);
    assert_eq!(running.problem(lab.feed), None, "one blob is no problem of the feed");
    lab.wire.rewrite(|_, answer| Ok(answer));
    minutes(30).await;
    running.stop().await;
    assert_eq!(lab.ids().len(), 41);
}

#[tokio::test(start_paused = true)]
async fn the_content_type_of_an_answer_does_not_matter() {
    for content_type in ["text/html", "application/octet-stream", "application/json; utf-8", ""] {
        let lab = Lab::new();
        lab.publish(&["a"]);
        let content_type = content_type.to_owned();
        lab.wire.rewrite(move |_, answer| Ok(answer.with("content-type", &content_type)));
        assert_eq!(lab.once().await.0, Ok(()));
        lab.assert_arrived_once(&["a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn odd_bodies_are_read() {
    let lab = Lab::new();
    let event = |id: &str| lab.event(id).to_string();
    // A byte order mark; a single record instead of an array; white space; what follows the array.
    lab.place([&b"\xef\xbb\xbf["[..], event("bom").as_bytes(), b"]"].concat());
    lab.place(event("alone"));
    lab.place(format!(" \r\n[\r\n {} ,\t{}\r\n]\r\n", event("spaced"), event("spaced-too")));
    lab.place(format!("[{}]\0\0 }}];<br>,", event("trailed")));
    lab.place(format!("[{}][]\n", event("followed")));
    lab.place("[]");
    let (result, run) = lab.once().await;
    assert_eq!(result, Ok(()), "{}", lab.log.text());
    lab.assert_arrived_once(&["bom", "alone", "spaced", "spaced-too", "trailed", "followed"]);
    assert_eq!(lab.counters.sum("office365_trailing_bytes_total", ""), 10);
    assert_eq!(lab.counters.sum("office365_content_retries_total", ""), 3, "those of the empty array");
    assert!(lab.log.text().contains("Bytes follow the array"));
    assert!(run.texts.lock().unwrap().iter().all(|text| !text.contains('\n')), "one line an event");
}

#[tokio::test(start_paused = true)]
async fn an_element_that_is_no_record_is_discarded_visibly_and_the_rest_passes() {
    let lab = Lab::new();
    let body = format!(r#"[{}, 7, null, "x", [1], {{"Id":}}, {}]"#, lab.event("a"), lab.event("b"));
    lab.place(body);
    let (_, run) = lab.once().await;
    lab.assert_arrived_once(&["a", "b"]);
    assert_eq!(run.progress.totals().events_discarded, 5);
    assert_eq!(lab.counters.sum("component_discarded_events_total", "intentional=false"), 5);
    assert!(lab.log.text().contains("the record is a number, not an object"), "{}", lab.log.text());
    assert_eq!(run.progress.totals().blobs_delivered, 1, "it is not fetched indefinitely");
}

#[tokio::test(start_paused = true)]
async fn records_with_bad_text_pass_repaired() {
    let lab = Lab::new();
    let event = |id: &str, text: &[u8]| {
        let record = lab.event(id).to_string();
        let (head, _) = record.rsplit_once('}').unwrap();
        [head.as_bytes(), br#","Text":""#, text, br#""}"#].concat()
    };
    let records = [
        event("utf-8", b"a\xff\xfeb"),
        event("lone-lead", br"a\ud83db"),
        event("lone-trail", br"\udc00"),
        event("pair", br"\ud83d\ude00"),
        event("escaped-backslash", br"\\ud83d"),
        event("control", b"a\x00b\tc\r\nd\x1f"),
    ];
    lab.place([&b"["[..], &records.join(&b","[..]), b"]"].concat());
    let (result, run) = lab.once().await;
    assert_eq!(result, Ok(()));
    lab.assert_arrived_once(&["utf-8", "lone-lead", "lone-trail", "pair", "escaped-backslash", "control"]);
    assert_eq!(lab.counters.sum("office365_repaired_records_total", ""), 4);
    let texts = run.texts.lock().unwrap();
    let text = |id: &str| {
        let event: Value = texts
            .iter()
            .map(|text| serde_json::from_str(text).unwrap())
            .find(|event: &Value| event["Id"] == id)
            .unwrap();
        event["Text"].as_str().unwrap().to_owned()
    };
    assert_eq!(text("lone-lead"), "a\u{fffd}b");
    assert_eq!(text("control"), "a\0b\tc\r\nd\u{1f}");
    assert_eq!(text("pair"), "😀");
    assert_eq!(text("escaped-backslash"), "\\ud83d");
    assert!(text("utf-8").starts_with("a\u{fffd}"));
}

#[tokio::test(start_paused = true)]
async fn deep_nesting_costs_neither_the_stack_nor_the_record_nor_its_neighbours() {
    let lab = Lab::new();
    let deep = |id: &str, depth: usize| {
        let record = lab.event(id).to_string();
        format!(r#"{},"Deep":{}{}}}"#, record.rsplit_once('}').unwrap().0, "[".repeat(depth), "]".repeat(depth))
    };
    lab.place(format!("[{},{},{}]", lab.event("before"), deep("deep", 1_000_000), lab.event("after")));
    let (result, run) = lab.once().await;
    assert_eq!(result, Ok(()), "{}", lab.log.text().len());
    assert_eq!(run.progress.totals().events_discarded, 0);
    lab.assert_arrived_once(&["before", "deep", "after"]);
}

// --- Records --------------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn records_pass_as_they_came_whatever_is_in_their_fields() {
    let lab = Lab::new();
    let tenant = lab.feed.tenant;
    let records = [
        format!(
            r#"{{"Id":"a","OrganizationId":"{tenant}","RecordType":"20","ClientIP":"[NAME (10.90.0.1)]","n":1e9}}"#
        ),
        format!(r#"{{"Id":"b","OrganizationId":"{tenant}","ModifiedProperties":["x",{{"Name":"y"}}],"n":1000.0}}"#),
        format!(r#"{{"Id":"c","OrganizationId":"{tenant}","Operation":"UserLoginFailed","ResultStatus":"Success"}}"#),
        format!(r#"{{"Id":"d","OrganizationId":"{tenant}","n":12345678901234567890.10,"OriginatingServer":"x\n"}}"#),
        format!(
            r#"{{"Id":"e","OrganizationId":"{tenant}","RecordType":99999,"ExtendedProperties":[{{"Value":"{{}}"}}]}}"#
        ),
    ];
    lab.place(format!("[{}]", records.join(",")));
    let (_, run) = lab.once().await;
    let texts = run.texts.lock().unwrap();
    for record in &records {
        let inner = &record[..record.len() - 1];
        assert!(texts.iter().any(|text| text.starts_with(inner)), "{record}\n{texts:?}");
    }
    assert_eq!(texts.len(), records.len());
}

#[tokio::test(start_paused = true)]
async fn events_without_id_are_never_taken_for_copies_and_without_time_get_none() {
    let lab = Lab::new();
    let record = |n: u32| json!({ "OrganizationId": lab.feed.tenant.to_string(), "n": n });
    let with_id = |id: Value| json!({ "Id": id, "OrganizationId": lab.feed.tenant.to_string() });
    let body =
        json!([record(1), record(1), with_id("".into()), with_id("".into()), with_id(7.into()), with_id(7.into())]);
    lab.place(body.to_string());
    lab.place(json!([record(1)]).to_string());
    let times = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&times);
    let mut setup = Setup::new(lab.source.clone(), &lab.simulator, &lab.clock, lab.data.path());
    setup.verdict = Box::new(move |events| {
        seen.lock().unwrap().extend(events.iter().map(office365_source::component::LogEvent::timestamp));
        EventStatus::Delivered
    });
    let (result, run) = setup.run().await;
    assert_eq!(result, Ok(()));
    assert_eq!(run.texts.lock().unwrap().len(), 7);
    assert_eq!(run.progress.totals().duplicates_dropped, 0);
    assert!(times.lock().unwrap().iter().all(Option::is_none), "no time of collection is made up");
}

// --- The tenant is not ready ----------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_tenant_that_does_not_exist_has_auditing_off() {
    for status in [400, 401, 403, 500] {
        let lab = Lab::new();
        lab.publish(&["a"]);
        let text = format!(
            "Microsoft.Office.Compliance.Audit.DataServiceException: Tenant {} does not exist.",
            lab.feed.tenant
        );
        lab.wire.rewrite(first(1, LIST, Answer::new(status, error_body("", &text))));
        let running = lab.start().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let problem = running.problem(lab.feed).unwrap_or_default();
        if status == 401 {
            // A token just issued is not replaced; but the text says what is wrong all the same.
            assert!(!problem.contains("lacks the permission"), "{problem}");
        }
        assert!(problem.contains("unified auditing is off"), "{status}: {problem}");
        minutes(30).await;
        running.stop().await;
        lab.assert_arrived_once(&["a"]);
    }
    let lab = Lab::new();
    lab.simulator.break_tenant(lab.feed.tenant, TenantFault::AuditingDisabled);
    let (result, run) = lab.once().await;
    assert_eq!(result, Err(()));
    assert!(run.problem(lab.feed).unwrap().contains("unified auditing is off"));
}

// --- The whole ------------------------------------------------------------------------------------------------------

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

fn assert_exactly_once_of(lab: &Lab) {
    let expected = lab.simulator.oracle().expected_ids_of(lab.feed);
    lab.assert_arrived_once(&expected.iter().map(String::as_str).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_page_of_a_proxy_in_the_place_of_content_costs_nothing() {
    for status in [404, 410, 403, 302] {
        let lab = Lab::new();
        lab.publish(&["a"]);
        lab.publish(&["b"]);
        lab.wire.rewrite(move |sent, answer| {
            Ok(if sent.asks(BLOB) { Answer::new(status, "<html>Lunch break</html>") } else { answer })
        });
        let running = lab.start().await;
        minutes(90).await;
        assert_eq!(lab.ids(), []);
        assert_eq!(running.progress.totals().blobs_dead, 0, "{status}");
        lab.wire.rewrite(|_, answer| Ok(answer));
        minutes(60).await;
        running.stop().await;
        lab.assert_arrived_once(&["a", "b"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_blob_that_a_proxy_objects_to_holds_up_no_other() {
    let lab = Lab::new();
    let id = lab.publish_at(&["bad"], lab.ago(120));
    lab.wire
        .rewrite(move |sent, answer| Ok(if sent.url.as_str().contains(&id) { Answer::new(403, "") } else { answer }));
    let running = lab.start().await;
    // A quiet feed: the oldest blob, which is always refused, must not be the only one that is tried.
    minutes(120).await;
    lab.publish_at(&["good"], lab.ago(5));
    minutes(60).await;
    assert_eq!(lab.ids(), [("good".to_owned(), 1)]);
    assert_eq!(running.progress.totals().blobs_dead, 0);
    lab.wire.rewrite(|_, answer| Ok(answer));
    minutes(60).await;
    running.stop().await;
    lab.assert_arrived_once(&["bad", "good"]);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_date_of_a_proxy_neither_buries_content_nor_moves_the_cursor() {
    let lab = Lab::new();
    lab.publish(&["a"]);
    lab.wire.rewrite(|sent, answer| {
        let date = |answer: Answer| answer.with("date", "Fri, 01 Jan 2100 00:00:00 GMT");
        Ok(if sent.asks(BLOB) { date(Answer::new(502, "<html>502</html>")) } else { answer })
    });
    let running = lab.start().await;
    minutes(60).await;
    assert_eq!(running.progress.totals().blobs_dead, 0);
    lab.wire.rewrite(|_, answer| Ok(answer));
    minutes(30).await;
    lab.publish(&["b"]);
    minutes(5).await;
    running.stop().await;
    lab.assert_arrived_once(&["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_of_once_fails_when_a_listing_broke_off_even_if_downloads_succeed_after_that() {
    let mut lab = Lab::of(SimulatorConfig { page_size: 1, ..empty() });
    lab.source.request.concurrency = 1;
    for id in ["a", "b", "c"] {
        lab.publish(&[id]);
    }
    let mut pages = 0;
    lab.wire.rewrite(move |sent, answer| {
        pages += u32::from(sent.asks(CONTENT));
        Ok(if sent.asks(CONTENT) && pages > 1 { Answer::new(500, "") } else { answer })
    });
    let (result, run) = lab.once().await;
    assert_eq!(result, Err(()), "{:?}", run.progress);
    lab.wire.rewrite(|_, answer| Ok(answer));
    minutes(10).await;
    let (result, _) = lab.once().await;
    assert_eq!(result, Ok(()));
    lab.assert_arrived_once(&["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn json_lines_are_records() {
    for spool_threshold in ["0B", "1MiB"] {
        let mut lab = Lab::new();
        lab.source.memory.spool_threshold = spool_threshold.parse().unwrap();
        lab.source.batch.max_events = 2;
        let event = |id: &str| lab.event(id).to_string();
        lab.place(["a", "b", "c", "d"].map(|id| event(id) + "\n").concat());
        lab.place(["e", "f"].map(|id| serde_json::to_string_pretty(&lab.event(id)).unwrap()).join("\r\n"));
        lab.place(["g", "h"].map(event).concat());
        // One bad line costs itself.
        lab.place(format!("{}\n{{\"Id\":}}\n{}\n[{}]", event("i"), event("j"), event("k")));
        let (result, run) = lab.once().await;
        assert_eq!(result, Ok(()), "{}", lab.log.text());
        lab.assert_arrived_once(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]);
        assert_eq!(run.progress.totals().events_discarded, 1);
        assert_eq!(lab.counters.sum("office365_content_retries_total", ""), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn json_lines_that_break_off_or_end_in_an_error_are_fetched_again() {
    for end in [r#"{"Id":"x","Crea"#, r#"{"error":{"code":"AF50000","message":"Try again."}}"#, "["] {
        let mut lab = Lab::new();
        lab.source.batch.max_events = 1;
        lab.publish(&["a", "b"]);
        let lines = format!("{}\n{}\n{end}", lab.event("a"), lab.event("b"));
        lab.wire.rewrite(first(2, BLOB, Answer::new(200, lines)));
        let (result, run) = lab.once().await;
        assert_eq!(result, Ok(()), "{end}: {}", lab.log.text());
        lab.assert_arrived_once(&["a", "b"]);
        assert_eq!(run.texts.lock().unwrap().len(), 2, "{end}: a broken one emits nothing");
        assert_eq!(lab.counters.sum("component_errors_total", "malformed"), 2, "{end}");
        assert_eq!(run.progress.totals().events_discarded, 0, "{end}");
    }
    // Error messages only are no content, however often.
    let lab = Lab::new();
    lab.place("{\"Message\":\"An error has occurred.\"}\n".repeat(2));
    let running = lab.start().await;
    minutes(120).await;
    assert!(lab.counters.sum("component_errors_total", "malformed") > 5);
    let (_, progress) = running.stop().await;
    assert_eq!((progress.totals().blobs_delivered, progress.totals().events_discarded), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn records_behind_the_array_are_a_failed_attempt_and_taken_when_they_stay() {
    type Behind = fn(&str) -> String;
    let cases: [(Behind, &[&str], u64); 7] = [
        (|b| b.to_owned(), &["a", "b"], 0),
        (|b| format!("\n[{b}]\n"), &["a", "b"], 0),
        (|b| format!(",{b}"), &["a", "b"], 0),
        (|b| format!("\0\0{b}]"), &["a", "b"], 0),
        // What is no record, and what is cut off, is discarded when it stays.
        (|_| r#"{"error":{"code":"AF50000"}}"#.to_owned(), &["a"], 1),
        (|b| format!("[{b},{{\"Id\":\"x"), &["a", "b"], 1),
        (|_| r#"{"Id":"x"#.to_owned(), &["a"], 1),
    ];
    for (behind, ids, discarded) in cases {
        let passing = Lab::new();
        passing.publish(&["a", "b"]);
        let body = |lab: &Lab| format!("[{}]{}", lab.event("a"), behind(&lab.event("b").to_string()));
        passing.wire.rewrite(first(2, BLOB, Answer::new(200, body(&passing))));
        let (result, run) = passing.once().await;
        let case = body(&passing);
        assert_eq!(result, Ok(()), "{case}: {}", passing.log.text());
        passing.assert_arrived_once(&["a", "b"]);
        assert_eq!(run.texts.lock().unwrap().len(), 2, "{case}: a failed attempt emits nothing");
        assert_eq!(passing.counters.sum("component_errors_total", "malformed"), 2, "{case}");
        assert_eq!(run.progress.totals().events_discarded, 0, "{case}");

        let lasting = Lab::new();
        lasting.place(body(&lasting));
        let (result, run) = lasting.once().await;
        assert_eq!(result, Ok(()), "{case}: {}", lasting.log.text());
        lasting.assert_arrived_once(ids);
        assert_eq!(lasting.counters.sum("component_errors_total", "malformed"), 3, "{case}");
        assert_eq!(run.progress.totals().events_discarded, discarded, "{case}");
        assert!(lasting.log.text().contains("Records follow the array of a content blob"), "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_array_is_asked_for_again_before_it_is_believed() {
    let lab = Lab::new();
    lab.publish(&["a"]);
    lab.place("[]");
    lab.wire.rewrite(first(2, BLOB, Answer::new(200, "[]")));
    let (result, run) = lab.once().await;
    assert_eq!(result, Ok(()), "{:?}", run.progress);
    lab.assert_arrived_once(&["a"]);
    assert_eq!(run.progress.totals().blobs_delivered, 2);
}
