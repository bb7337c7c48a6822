//! Records, as they pass.

use std::sync::Arc;

use office365_source::component::EventStatus;
use serde_json::{Value, json};

use crate::support::{Setup, lab::Lab};

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
