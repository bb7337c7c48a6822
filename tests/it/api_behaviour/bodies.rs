//! Bodies of content blobs, and what is in the place of a JSON array.

use super::{BLOB, error_body, first};
use crate::support::{
    lab::{Lab, minutes},
    wire::Answer,
};

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
async fn json_lines_are_records() {
    for spool_threshold in ["0B", "1MiB"] {
        let mut lab = Lab::new();
        lab.source.memory.spool_threshold = spool_threshold.parse().unwrap();
        lab.source.batch.max_events = 2;
        let event = |id: &str| lab.event(id).to_string();
        lab.place(["a", "b", "c", "d"].map(|id| event(id) + "\n").concat());
        lab.place(["e", "f"].map(|id| serde_json::to_string_pretty(&lab.event(id)).unwrap()).join("\r\n"));
        lab.place(["g", "h"].map(event).concat());
        // One bad line is discarded alone.
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
