//! Content blobs: gone, refused, stuck.

use std::time::Duration;

use chrono::TimeDelta;
use office365_source::simulator::BlobSpec;
use serde_json::json;

use super::{BLOB, CONTENT, LIST, TOKEN, edit, error_body, first};
use crate::support::{
    lab::{Lab, minutes},
    wire::{Answer, reset},
};

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
