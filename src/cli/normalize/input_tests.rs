//! The forms of whole inputs, found out by themselves.

use proptest::prelude::*;

use super::{super::record, *};

fn found(input: &[u8], cut: usize) -> Vec<(Place, Result<String, String>)> {
    found_within(1000, input, cut)
}

fn found_within(limit: usize, input: &[u8], cut: usize) -> Vec<(Place, Result<String, String>)> {
    let mut reader = Input::new(limit);
    let mut all = Vec::new();
    let mut found = |Found { place, text, is_row }: Found| match text {
        Ok(text) => record::read(text, is_row, &mut |read| {
            let id = read.map(|read| read.record.members.id.unwrap_or_default());
            all.push((place, id.map_err(|problem| problem.to_string())));
        }),
        Err(problem) => all.push((place, Err(problem.to_string()))),
    };
    for piece in input.chunks(cut) {
        reader.feed(piece, &mut found);
    }
    reader.finish(&mut found);
    all
}

/// The Ids of the records, which must all be good, wherever the input is cut.
fn ids(input: &[u8]) -> Vec<String> {
    let whole = found(input, usize::MAX);
    for cut in [1, 2, 3, 10] {
        assert_eq!(found(input, cut), whole);
    }
    whole.into_iter().map(|(place, id)| id.unwrap_or_else(|problem| panic!("{place}{problem}"))).collect()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// As the Purview portal writes it.
const EXPORT: &str = "RecordId,CreationDate,RecordType,Operation,UserId,AuditData,AssociatedAdminUnits\n\
    r1,2026-08-01T12:00:00.0000000Z,15,UserLoggedIn,a@contoso.com,\"{\"\"Id\"\":\"\"1\"\",\"\"Text\"\":\"\"a,\\n\"\"}\",\n\
    r2,2026-08-01T12:00:01.0000000Z,6,FileAccessed,b@contoso.com,\"{\n  \"\"Id\"\": \"\"2\"\"\n}\",\n";

/// A record of no more members than it needs to be one.
fn record(id: &str) -> String {
    format!(r#"{{"Id":"{id}","CreationTime":"2026-08-01T12:00:00","Operation":"o"}}"#)
}

#[test]
fn exports_with_and_without_marks_and_preambles() {
    assert_eq!(ids(EXPORT.as_bytes()), ["1", "2"]);
    assert_eq!(ids(format!("\u{feff}{EXPORT}").as_bytes()), ["1", "2"]);
    assert_eq!(ids(format!("\u{feff}\r\n#TYPE System.Object\r\n{EXPORT}{EXPORT}").as_bytes()), ["1", "2", "1", "2"]);
    assert_eq!(ids(&utf16(&format!("\u{feff}{}", EXPORT.replace('\n', "\r\n")))), ["1", "2"]);
    let semicolons = format!("sep=;\nUserId;auditdata\nu;\"{}\"\n", record("1").replace('"', "\"\""));
    assert_eq!(ids(semicolons.as_bytes()), ["1"]);
    assert_eq!(ids(b"RecordId,AuditData"), [""; 0]);
    let lines: Vec<_> =
        found(format!("\n#TYPE x\n{EXPORT}").as_bytes(), 7).into_iter().map(|(place, _)| place).collect();
    assert_eq!(lines, [Place::Line(4), Place::Line(5)]);
}

#[test]
fn what_powershell_and_graph_make_json_of() {
    let wrapped = format!(r#"{{"RecordType":"X","AuditData":{},"ResultIndex":1}}"#, serde_json::json!(record("1")));
    let graph = format!(
        r#"{{"@odata.context":"c","value":[{{"id":"g","auditData":{}}},{{"id":"h","auditData":{}}}]}}"#,
        record("1"),
        record("2"),
    );
    assert_eq!(ids(wrapped.as_bytes()), ["1"]);
    assert_eq!(ids(format!("{wrapped}\n{wrapped}\n").as_bytes()), ["1", "1"]);
    assert_eq!(ids(format!("[\r\n    {wrapped},\r\n    {wrapped}\r\n]\r\n").as_bytes()), ["1", "1"]);
    assert_eq!(ids(graph.as_bytes()), ["1", "2"]);
    let list: serde_json::Value = serde_json::from_str(&format!("[{wrapped},{wrapped}]")).unwrap();
    assert_eq!(ids(&utf16(&format!("\u{feff}{list:#}"))), ["1", "1"]);
    assert_eq!(ids(&utf16(&format!("{list}"))), ["1", "1"], "without a mark");
}

#[test]
fn columns_may_be_the_members_of_records() {
    let table = "CreationTime,Id,Operation,Parameters\n2026-08-01T12:00:00,1,o,\"[{\"\"Name\"\":\"\"x\"\"}]\"\n,,,\n2026-08-01,2,o,\n";
    assert_eq!(ids(table.as_bytes()), ["1", "2"]);
    assert_eq!(ids(&utf16(&format!("\u{feff}{}", table.replace(',', "\t")))), ["1", "2"]);
    let searched = "CreationDate;UserIds;Operations;Identity\n8/1/2026 1:00:00 PM;u;o;1\n";
    assert_eq!(ids(searched.as_bytes()), ["1"]);
}

#[test]
fn json_in_strings_is_no_header() {
    let text = serde_json::json!(record("1")).to_string();
    assert_eq!(ids(format!("{text}\n{text}\n").as_bytes()), ["1", "1"]);
    let twice = serde_json::json!(text).to_string();
    assert_eq!(ids(format!("\u{feff}{twice}\r\n[{twice},{text}]").as_bytes()), ["1", "1", "1"]);
    let in_order = serde_json::json!(
        r#"{"a":"b, message, AuditData, c","CreationTime":"2026-08-01T12:00:00","Operation":"o","Id":"1"}"#
    );
    assert_eq!(ids(in_order.to_string().as_bytes()), ["1"]);
}

#[test]
fn lines_may_end_as_on_an_old_mac() {
    let export = "RecordId,AuditData\r1,\"{\"\"Id\"\":\"\"a\"\",\"\"CreationTime\"\":\"\"x\"\",\"\"UserKey\"\":\"\"k\"\"}\"\r2,\"{\"\"Id\"\":\"\"b\"\",\"\"CreationTime\"\":\"\"x\"\",\"\"UserKey\"\":\"\"k\"\"}\"\r";
    assert_eq!(ids(export.as_bytes()), ["a", "b"]);
    assert_eq!(ids(export.replace('\r', "\r\n").as_bytes()), ["a", "b"]);
}

#[test]
fn nothing_is_nothing() {
    for input in [b"".as_slice(), b" \n", b"\xef\xbb\xbf", b"\xff\xfe", b"[]", b"\xff\xfe[\0]\0"] {
        assert_eq!(ids(input), [""; 0], "{input:?}");
    }
}

#[test]
fn other_files_are_refused_once_or_line_by_line() {
    for mark in [b"\x1f\x8b\x08\x00".as_slice(), b"PK\x03\x04\n", b"\x28\xb5\x2f\xfd"] {
        for cut in [1, 100] {
            let all = found(&[mark, b"{}\n{}\n"].concat(), cut);
            assert_eq!(all.len(), 1, "{all:?}");
            assert!(all[0].0 == Place::Input && all[0].1.as_ref().unwrap_err().contains("unpack"), "{all:?}");
        }
    }
    let all = found(format!("RecordId,Audit\nr1,{{}}\n{}", record("x")).as_bytes(), 5);
    assert_eq!(all.iter().map(|(_, id)| id.is_ok()).collect::<Vec<_>>(), [false, false, true]);
    let long = ["x".repeat(2 * MAX_HEAD).as_bytes(), b"\n", record("x").as_bytes()].concat();
    assert_eq!(found(&long, 1000).last().unwrap(), &(Place::Line(2), Ok("x".to_owned())));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_cutting_changes_nothing(
        input in prop::collection::vec(
            prop_oneof![
                8 => prop::sample::select(b"[]{},:;\"\\ \n\r\ta1\xff\xfe\xef\xbb\xbf\x00".to_vec()).prop_map(|byte| vec![byte]),
                1 => prop::sample::select(vec![
                    "{\"value\":[", "AuditData", "\"Id\":\"", "\r\n{\"", "{\"AuditData\":", "#TYPE", "\"{\\\"", "\"message\":\"",
                    "\"CreationTime\":1,\"Operation\":\"", "{\"hits\":{\"Records\" : [",
                ])
                    .prop_map(|text| text.as_bytes().to_vec()),
                1 => any::<u8>().prop_map(|byte| vec![byte]),
            ],
            0..60,
        ),
        header in any::<bool>(),
        cut in 1..9usize,
        limit in prop::sample::select(vec![5, 20, 1000]),
    ) {
        let mut input = input.concat();
        if header {
            input.splice(..0, *b"Id,AuditData\n");
        }
        prop_assert_eq!(found_within(limit, &input, cut), found_within(limit, &input, usize::MAX));
    }
}
