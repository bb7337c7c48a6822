//! Records in everything that other programs put them into.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A record that is complete.
fn record(id: &str) -> Value {
    json!({"Id": id, "CreationTime": "2026-03-04T05:06:07", "Operation": "FileDownloaded", "RecordType": 6})
}

fn found(text: impl Into<Bytes>, is_row: bool) -> Vec<Result<Read, Problem>> {
    let mut all = Vec::new();
    read(text.into(), is_row, &mut |read| all.push(read));
    all
}

/// The Id of each record, or what is wrong.
fn ids(value: &Value) -> Vec<String> {
    let told = |read: Result<Read, Problem>| match read {
        Ok(read) => read.record.members.id.unwrap_or_default(),
        Err(problem) => format!("! {problem}"),
    };
    found(value.to_string(), false).into_iter().map(told).collect()
}

fn id(text: &'static str) -> Option<String> {
    let mut all = found(text, false);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).unwrap().record.members.id
}

/// The only record.
fn only(text: impl Into<Bytes>) -> Read {
    let mut all = found(text, false);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).unwrap()
}

fn tree(read: &Read) -> Value {
    serde_json::from_str(read.record.object.as_str()).unwrap()
}

fn problem(text: impl Into<Bytes>) -> String {
    let mut all = found(text, false);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).unwrap_err().to_string()
}

#[test]
fn a_record_stands_alone_or_in_audit_data() {
    for text in [
        r#"{"Id":"x","CreationTime":"t","Operation":"o"}"#,
        r#"{"id":"x","creationtime":"t","recordtype":15}"#,
        r#"{"RecordType":"AzureActiveDirectory","AuditData":"{\"Id\":\"x\",\"CreationTime\":1,\"Operation\":2}","Id":"outer"}"#,
        r##"{"id":"outer","auditData":{"@odata.type":"#t","Id":"x","CreationTime":1,"Operation":2}}"##,
        r#"{"AUDITDATA" :  "\u007b\"Id\":\"x\",\"CreationTime\":1,\"Operation\":2}" }"#,
        r#"{"AuditData":"\"{\\\"Id\\\":\\\"x\\\",\\\"CreationTime\\\":1,\\\"Operation\\\":2}\""}"#,
        r#"{"AuditData":{"AuditData":" {\"Id\":\"x\",\"CreationTime\":1,\"Operation\":2} "}}"#,
    ] {
        assert_eq!(id(text).as_deref(), Some("x"), "{text}");
    }
}

#[test]
fn records_are_found_under_the_names_that_others_give_them() {
    let text = record("x").to_string();
    for name in [
        "value",
        "Results",
        "results",
        "records",
        "Records",
        "message",
        "Message",
        "event",
        "body",
        "log",
        "data",
        "Items",
        "event.original",
        "result._raw",
        "_raw",
        "_source",
        "RawEventData",
        "properties",
        "anything",
    ] {
        for held in [
            record("x"),
            json!([record("x")]),
            text.clone().into(),
            json!([text.clone()]),
            json!(json!(text).to_string()),
            json!({"original": text.clone()}),
            json!({"value": [{"AuditData": text.clone()}]}),
        ] {
            for object in [json!({name: held}), json!({"@count": 1, "a": [1, {}], name: held, "z": {"y": "{}"}})] {
                assert_eq!(ids(&object), ["x"], "{object}");
            }
        }
    }
    for (held, expected) in [
        (
            json!({"hits": {"total": {"value": 2}, "hits": [{"_source": record("a")}, {"_source": {"message": text}}]}}),
            ["a", "x"],
        ),
        (json!({"Results": [record("a"), [record("b")]]}), ["a", "b"]),
        (json!({"value": [record("b")], "_source": record("a")}), ["a", "b"]),
        (json!({"x": record("a"), "y": record("b").to_string(), "z": record("a")}), ["a", "b"]),
        (json!({"value": [record("a")], "records": [], "more": [record("b"), record("a")]}), ["a", "b"]),
        (json!([[record("a")], text]), ["a", "x"]),
    ] {
        assert_eq!(ids(&held), expected, "{held}");
    }
}

#[test]
fn what_microsoft_sent_counts_before_what_was_made_of_it() {
    let text = record("x").to_string();
    for object in [
        json!({"Operation": "o", "CreationTime": "t", "Workload": "w", "_raw": text}),
        json!({"@timestamp": "t", "message": "m", "o365": {"audit": record("made")}, "event": {"original": text, "id": "y"}}),
        json!({"event.original": text, "Operation": "o", "RecordType": "ExchangeAdmin"}),
    ] {
        assert_eq!(ids(&object), ["x"], "{object}");
    }
    assert_eq!(ids(&json!({"Operation": "o", "CreationTime": "t", "Id": "i", "_raw": "no JSON"})), ["i"]);
    assert_eq!(ids(&json!({"message": format!("<134>1 2026-03-04T05:06:07Z host o365: {text}")})), ["x"]);
}

#[test]
fn what_is_no_record_is_none() {
    for object in [
        json!({}),
        json!({"a": 1}),
        json!({"Id": "x", "UserId": "y"}),
        json!({"error": {"code": "x", "message": "Operation failed"}}),
        json!({"message": "hello"}),
        json!({"id": "1", "createdDateTime": "t", "userPrincipalName": "a@b", "status": {"errorCode": 0}}),
        json!({"@timestamp": "t", "event": {"kind": "event"}, "o365": {"audit": {"RecordType": "15", "UserType": "0"}}}),
        json!({"data": {"x": {"y": []}}}),
    ] {
        assert_eq!(ids(&object), ["! neither an audit record nor an object that holds one"], "{object}");
    }
    for nothing in [json!({"value": []}), json!({"hits": {"hits": []}}), json!([]), json!("[]")] {
        assert!(ids(&nothing).is_empty(), "{nothing}");
    }
    let deep = (0..100).fold(record("x"), |inner, _| json!({"value": [inner]}));
    assert!(ids(&deep)[0].contains("neither an audit record"), "{:?}", ids(&deep));
}

#[test]
fn a_bad_element_costs_itself_and_has_its_place() {
    let list = format!("[{},7,{{\"a\":}},{{}},{}", record("a"), record("b"));
    let expected = [
        "a",
        "! element 2: the record is a number, not an object",
        "! element 3: the record is not valid JSON: expected value at line 1 column 6",
        "! element 4: neither an audit record nor an object that holds one",
        "b",
    ];
    assert_eq!(ids(&json!({"message": format!("{list}]")})), expected);
    assert_eq!(ids(&json!({"AuditData": format!("{list}]")})), expected);
    // The page itself is no JSON.
    let page = format!("{{\"value\":{list}]}}");
    let told: Vec<_> = found(page, false).into_iter().map(|read| read.is_ok()).collect();
    assert_eq!(told, [true, false, false, false, true]);
    assert_eq!(
        ids(&json!({"message": list})).last().unwrap(),
        "! element 5: the input ends in the middle of the record"
    );
}

#[test]
fn what_stands_beside_audit_data_counts_where_that_has_nothing() {
    let beside =
        json!({"id": "g", "createdDateTime": "2026-03-04T05:06:07Z", "operation": "o", "userPrincipalName": "a@b"});
    for audit_data in
        [json!(null), json!(""), json!({}), json!({"@odata.type": "#x"}), json!("null"), json!({"UserAgent": "u"})]
    {
        let mut object = beside.clone();
        object["auditData"] = audit_data.clone();
        let read = only(object.to_string());
        assert_eq!(read.record.members.id.as_deref(), Some("g"), "{audit_data}");
        assert_eq!(read.record.members.creation_time.unwrap().timestamp(), 1_772_600_767);
        assert_eq!(tree(&read)["Operation"], "o");
        assert_eq!(tree(&read).get("UserAgent").is_some(), audit_data.get("UserAgent").is_some());
    }
    let mut partial = beside.clone();
    partial["auditData"] = json!({"Id": "within", "Workload": "w", "RecordType": 1});
    assert_eq!(ids(&partial), ["within"]);
    assert_eq!(ids(&beside), ["g"], "without AuditData");
    for empty in [json!({"AuditData": null}), json!({"id": "x", "auditData": {}}), json!({"AuditData": {"a": 1}})] {
        assert_eq!(ids(&empty), ["! AuditData holds no record, and what stands beside it makes none"], "{empty}");
    }
}

#[test]
fn rows_are_records_whose_cells_may_be_json() {
    let row = json!({
        "CreationDate": "3/4/2026 5:06:07 AM", "RecordType": "ExchangeAdmin", "Operations": "Set-Mailbox", "UserIds": "a@b",
        "Parameters": "[{\"Name\":\"x\"}]", "Note": "{no json", "UserType": "Regular",
    });
    let all = found(row.to_string(), true);
    assert_eq!(
        tree(all[0].as_ref().unwrap()),
        json!({
            "CreationTime": "3/4/2026 5:06:07 AM", "RecordType": 1, "Operation": "Set-Mailbox", "UserId": "a@b",
            "Parameters": [{"Name": "x"}], "Note": "{no json", "UserType": 0,
        })
    );
    let office_activity = json!({
        "TimeGenerated": "2026-03-04T05:06:07Z", "Operation": "FileDownloaded", "RecordType": "SharePointFileOperation",
        "OfficeWorkload": "OneDrive", "OfficeObjectId": "u", "UserType": "Regular",
    });
    let read = only(office_activity.to_string());
    assert_eq!(read.record.members.creation_time.unwrap().timestamp(), 1_772_600_767);
    assert_eq!((&tree(&read)["RecordType"], &tree(&read)["Workload"]), (&json!(6), &json!("OneDrive")));
}

#[test]
fn what_convert_to_json_has_flattened_is_told_and_read() {
    let mut flattened = record("x");
    flattened["Parameters"] = json!("@{Name=Identity; Value=x} @{Name=Type; Value=y}");
    for object in [
        flattened.clone(),
        json!({"AuditData": flattened}),
        json!({"AuditData": flattened.to_string()}),
        json!({"value": [flattened]}),
        json!({"RecordType": "ExchangeAdmin", "AuditData": "@{CreationTime=2026-03-04T05:06:07; Id=x; Operation=o; Item=System.Object[]}"}),
        json!({"CreationDate": "t", "Operations": "o", "Identity": "x", "AuditData": "System.Management.Automation.PSCustomObject"}),
    ] {
        let read = only(object.to_string());
        assert!(read.is_flattened && read.record.members.id.as_deref() == Some("x"), "{object}");
    }
    assert!(!only(record("x").to_string()).is_flattened);
    assert_eq!(
        problem(r#"{"AuditData":"System.Object[]"}"#),
        "AuditData has lost its structure in PowerShell; export it again with ConvertTo-Json -Depth 100"
    );
}

#[test]
fn what_is_repaired_on_either_level_is_told() {
    let read = only(r#"{"a":"\ud800","AuditData":"{\"CreationTime\":1,\"Operation\":\"\\ud800\"}"}"#);
    let expected = r#"{"CreationTime":1,"Operation":"\ufffd"}"#;
    assert_eq!((read.record.object.as_str(), read.record.repair.lone_surrogates), (expected, 2));
    let read = only(b"\"{\\\"CreationTime\\\":1,\\\"Operation\\\":\\\"\\ud800\xff\\\"}\"".as_slice());
    assert_eq!(tree(&read)["Operation"], "\u{fffd}\u{fffd}");
    assert_eq!(read.record.repair, Repair { invalid_utf8: true, lone_surrogates: 1, control_characters: 0 });
    let read = only("{\"a\":\"\t\",\"AuditData\":\"{\\\"CreationTime\\\":1,\\\"Operation\\\":\\\"a\\nb\tc\\\"}\"}");
    let expected = r#"{"CreationTime":1,"Operation":"a\nb\tc"}"#;
    assert_eq!((read.record.object.as_str(), read.record.repair.control_characters), (expected, 4));
    let read = only("\"{\\\"CreationTime\\\":1,\\\"Operation\\\":\\\"a\tb\\\"}\"");
    assert_eq!((&tree(&read)["Operation"], read.record.repair.control_characters), (&json!("a\tb"), 2));
}

#[test]
fn what_is_no_record_is_explained_without_its_content() {
    assert_eq!(problem("[7]"), "element 1: the record is a number, not an object");
    assert_eq!(problem("\"secret\""), "the record is a string, not an object");
    assert_eq!(problem(r#"{"AuditData":7}"#), "AuditData is neither an object nor a string");
    for text in [r#"{"secret":"#, r#"{"AuditData":"{\"secret\":"}"#, r#"{"message":"{\"secret\":"}"#] {
        let problem = problem(text);
        assert!(problem.contains("not valid JSON") && !problem.contains("secret"), "{problem}");
    }
    assert_eq!(problem(r#"{"AuditData":"secret"}"#), "AuditData: the record is not JSON, not an object");
}

#[test]
fn a_cell_that_excel_has_cut_is_known_by_its_length() {
    for (filler, units) in [("x", 1), ("ä", 1), ("😀", 2)] {
        let start = r#"{"Id":""#;
        let cut = format!("{start}{}", filler.repeat((EXCEL_CELL - start.len()) / units));
        assert!(problem(cut.clone()).contains("Excel"), "{filler}");
        assert!(problem(json!({"AuditData": cut}).to_string()).contains("Excel"), "{filler}");
        assert!(!problem(cut + "x").contains("Excel"), "{filler}");
    }
    let start = r#"{"CreationTime":1,"Operation":""#;
    let whole = format!("{start}{}\"}}", "x".repeat(EXCEL_CELL - start.len() - 2));
    assert_eq!(whole.len(), EXCEL_CELL);
    assert!(found(whole, false)[0].is_ok(), "of that length by chance");
}

fn wrapper() -> impl Strategy<Value = fn(Value) -> Value> {
    prop::sample::select(vec![
        (|inner| json!({"value": [inner]})) as fn(Value) -> Value,
        |inner| json!({"@count": 1, "Results": [inner]}),
        |inner| json!([inner]),
        |inner| json!(inner.to_string()),
        |inner| json!({"message": inner.to_string()}),
        |inner| json!({"event": {"original": inner}}),
        |inner| json!({"other": inner}),
        |inner| json!({"auditData": inner, "id": "outer"}),
    ])
}

proptest! {
    #[test]
    fn a_record_is_found_in_any_few_wrappers(wrappers in prop::collection::vec(wrapper(), 0..4)) {
        let wrapped = wrappers.iter().fold(record("x"), |inner, wrap| wrap(inner));
        prop_assert_eq!(ids(&wrapped), ["x"], "{}", wrapped);
    }

    #[test]
    fn any_json_is_read_to_its_end(text in "[\\[\\]{}\",:\\\\n1a ]{0,40}", is_row: bool) {
        found(text, is_row);
    }
}
