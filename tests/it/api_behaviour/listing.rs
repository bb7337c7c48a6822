//! Listing: windows, pages and what they name.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use office365_source::{
    content::ContentType,
    simulator::{BlobSpec, Live, SimulatorConfig},
};
use serde_json::json;

use super::{CONTENT, LIST, edit, error_body, first};
use crate::support::{
    lab::{Lab, empty, minutes},
    no_violations, start_of_time,
    wire::{Answer, Sent},
};

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
    assert!(running.progress.feeds()[&lab.feed].listed_through <= Some(start_of_time()));
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
    assert_eq!(lab.counters.sum("office365_records_total", "repeated"), 3);
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
async fn content_that_shows_up_days_after_its_creation_is_found_by_relisting() {
    let mut lab = Lab::new();
    lab.source.poll.interval_secs = 900;
    let running = lab.start().await;
    minutes(4 * 24 * 60).await;
    // Created three days ago, when the source was running, and listed only from now on.
    let late =
        BlobSpec::new(json!([lab.event("three-days")]).to_string(), lab.ago(3 * 24 * 60)).available_from(lab.now());
    lab.simulator.add_blob(lab.feed, late);
    // Created before the source began, which was told to begin a day ago: it is not asked for.
    let before =
        BlobSpec::new(json!([lab.event("before")]).to_string(), lab.ago(6 * 24 * 60)).available_from(lab.now());
    lab.simulator.add_blob(lab.feed, before);
    minutes(26 * 60).await;
    lab.assert_arrived_once(&["three-days"]);
    assert_eq!(lab.counters.sum("office365_content_found_total", "relisting"), 1);
    assert_eq!(
        lab.counters.sum("office365_late_content_total", "days=3")
            + lab.counters.sum("office365_late_content_total", "days=4"),
        1
    );
    assert!(lab.log.text().contains("Content has shown up days after its creation"));
    // Seven listings a day of up to a day each, beside the regular ones.
    running.stop().await;

    // A source that runs now and then has its rounds as well.
    let content =
        BlobSpec::new(json!([lab.event("for-cron")]).to_string(), lab.ago(3 * 24 * 60)).available_from(lab.now());
    lab.simulator.add_blob(lab.feed, content);
    for _ in 0..30 {
        minutes(60).await;
        let (result, _) = lab.once().await;
        assert_eq!(result, Ok(()));
    }
    lab.assert_arrived_once(&["for-cron", "three-days"]);
}
