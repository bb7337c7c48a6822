//! The forms that JSON input has, whole and broken.

use proptest::prelude::*;

use super::*;

const LIMIT: usize = 100;

/// What is found in input that comes in pieces: its place, and the text or why there is none.
fn found(input: &str, cut: usize) -> Vec<String> {
    let mut reader = JsonReader::new(LIMIT);
    let mut all = Vec::new();
    let mut found = |Found { place, text, .. }| {
        all.push(match text {
            Ok(text) => format!("{place}{}", String::from_utf8_lossy(&text).split_whitespace().collect::<String>()),
            Err(problem) => format!("{place}! {problem}"),
        });
    };
    for piece in input.as_bytes().chunks(cut) {
        reader.feed(piece, &mut found);
    }
    reader.finish(&mut found);
    all
}

/// Asserts what is found, wherever the input is cut.
fn assert_found(input: &str, expected: &[&str]) {
    for cut in [1, 2, 3, 5, 1000] {
        assert_eq!(found(input, cut), expected, "cut into {cut}: {input}");
    }
}

#[test]
fn every_form_and_any_after_another() {
    assert_found("", &[]);
    assert_found(" \r\n\u{feff}\n", &[]);
    assert_found("{\"a\":1}\r\n\n{\"b\":2}", &["line 1: {\"a\":1}", "line 3: {\"b\":2}"]);
    assert_found("{\"a\":1}{\"b\":2}, {}", &["line 1: {\"a\":1}", "line 1: {\"b\":2}", "line 1: {}"]);
    assert_found("\u{feff}[ {\"a\":1},\n{}]", &["element 1: {\"a\":1}", "element 2: {}"]);
    assert_found(
        "[]\n[{}]\u{feff}[{}][\n{}]",
        &["array 2, element 1: {}", "array 3, element 1: {}", "array 4, element 1: {}"],
    );
    assert_found(
        "{\n  \"a\": [\n    {\n    }\n  ]\n}\n{\n\"b\":\n{\n}\n}\n{}\n[{}]",
        &["line 1: {\"a\":[{}]}", "line 7: {\"b\":{}}", "line 12: {}", "element 1: {}"],
    );
}

#[test]
fn the_records_of_a_page_are_found_in_it() {
    assert_found("{\"value\":[{\"a\":1},{}],\"Count\":2}{}", &["element 1: {\"a\":1}", "element 2: {}", "line 1: {}"]);
    let page = "{\n\"@odata.context\": \"x\",\n\"@odata.list\": [1],\n\"Count\" : 3, \"value\" : [\n{},\n{\"a\":[]}\n],\n\
                \"@odata.next\": \"]}\"\n}\n";
    assert_found(
        &page.repeat(2),
        &["element 1: {}", "element 2: {\"a\":[]}", "array 2, element 1: {}", "array 2, element 2: {\"a\":[]}"],
    );
    for record in [
        r#"{"RecordType":1,"Operation":"x","value":[1]}"#,
        r#"{"a":{"value":[1]}}"#,
        r#"{"a\"value":[1]}"#,
        r#"{"value":7,"valued":[{}]}"#,
        r#"{"Parameters":[{"value":[1]}]}"#,
    ] {
        assert_found(record, &[&format!("line 1: {record}")]);
    }
}

#[test]
fn a_page_is_known_wherever_its_records_are() {
    assert_found(
        "{\"a\":{\"b\":[1]},\"Results\":[{\"x\":1}],\"more\":[2]}\n{\"hits\":{\"total\":{\"value\":1},\"hits\":[{}\n,{\"a\":}]}}\n{}",
        &["element 1: {\"x\":1}", "array 2, element 1: {}", "array 2, element 2: {\"a\":}", "line 4: {}"],
    );
    // A page may have several.
    assert_found(
        "{\"value\":[],\"Records\":[{}],\"body\":{\"items\":[{}]}}",
        &["array 2, element 1: {}", "array 3, element 1: {}"],
    );
}

#[test]
fn strings_with_json_are_records_and_others_are_bad_lines() {
    assert_found(
        "\"{\\\"a\\\":1}\"\n\" [1]\",\n\"a\",\"{b}\"\n\"{\n{}",
        &[
            "line 1: \"{\\\"a\\\":1}\"",
            "line 2: \"[1]\"",
            &format!("line 3: ! {}", Problem::NotJson),
            &format!("line 4: ! {}", Problem::BrokenString),
            "line 5: {}",
        ],
    );
    assert_found("{}\n\"{", &["line 1: {}", &format!("line 2: ! {}", Problem::Truncated)]);
}

#[test]
fn a_bad_line_costs_no_other() {
    assert_found(
        "{}\nx{\"a\":1}\nnull\n\"x\"\n{}",
        &[
            "line 1: {}",
            &format!("line 2: ! {}", Problem::NotJson),
            &format!("line 3: ! {}", Problem::NotJson),
            &format!("line 4: ! {}", Problem::NotJson),
            "line 5: {}",
        ],
    );
    assert_found("{}}\n{}", &["line 1: {}", &format!("line 1: ! {}", Problem::NotJson), "line 2: {}"]);
    for (cut_off, problem) in [
        ("{\"a\":\"x", Problem::BrokenString),
        ("{\"a\":\"x\\", Problem::BrokenString),
        ("{\"a\":1", Problem::Unfinished),
        ("{\"a\":1,", Problem::Unfinished),
        ("{\"a\":[{}", Problem::Unfinished),
        ("{", Problem::Unfinished),
    ] {
        assert_found(
            &format!("{{}}\n{cut_off}\n{{\"b\":1}}\n{{}}"),
            &["line 1: {}", &format!("line 2: ! {problem}"), "line 3: {\"b\":1}", "line 4: {}"],
        );
    }
    for line_end in ["\n", "\r\n", "\n\n"] {
        let page = format!("{{\"value\":[\n{{}}]{line_end}{{}}");
        let next = 2 + line_end.matches('\n').count();
        let expected = ["element 1: {}", &format!("line 2: ! {}", Problem::Unfinished), &format!("line {next}: {{}}")];
        assert_found(&page, &expected);
    }
    // It looks like a line break before a value; no more than that value is lost.
    assert_found("{\"a\":\n{\"b\":1}\n{}", &[&format!("line 1: ! {}", Problem::Unfinished), "line 3: {}"]);
}

#[test]
fn nothing_within_a_bad_object_passes_for_a_record() {
    let bad = "{\n  \"a\": \"x\n  y\",\n  \"b\": [\n    {\n      \"Id\": \"no\"\n    }\n  ]\n}\n";
    assert_found(&format!("{bad}{{}}"), &[&format!("line 1: ! {}", Problem::BrokenString), "line 10: {}"]);
}

#[test]
fn what_is_too_large_is_let_go_by() {
    let large = "x".repeat(LIMIT);
    let too_large = Problem::TooLarge { limit: LIMIT };
    assert_found(&format!("{{\"a\":\"{large}\"}}\n{{}}"), &[&format!("line 1: ! {too_large}"), "line 2: {}"]);
    let lines = "  \"a\": {\n  },\n".repeat(20);
    assert_found(
        &format!("{{}}\n{{\n{lines}  \"b\": 1\n}}\n{{}}"),
        &["line 1: {}", &format!("line 2: ! {too_large}"), "line 45: {}"],
    );
    assert_found(&format!("[{{\"a\":\"{large}\"}},{{}}]"), &[&format!("element 1: ! {too_large}"), "element 2: {}"]);
    assert_found(
        &format!("{{\"value\":[{{}}],\"a\":\"{large}\"\n}}\n{{}}"),
        &["element 1: {}", &format!("line 1: ! {too_large}"), "line 3: {}"],
    );
    let brackets = "[".repeat(10 * LIMIT);
    assert_found(&format!("{{\"a\":{brackets}\n{{}}"), &[&format!("line 1: ! {too_large}"), "line 2: {}"]);
}

#[test]
fn what_the_end_cuts_off_is_told() {
    assert_found("{}\n{\"a\":", &["line 1: {}", &format!("line 2: ! {}", Problem::Truncated)]);
    assert_found("[{},{\"a\":1", &["element 1: {}", &format!("element 2: ! {}", Problem::Truncated)]);
    assert_found("[{},", &["element 1: {}", &format!("element 2: ! {}", Problem::TruncatedArray)]);
    assert_found("{\"value\":[{}]", &["element 1: {}", &format!("line 1: ! {}", Problem::TruncatedArray)]);
    assert_found("[7,x]", &["element 1: 7", "element 2: x"]);
}

fn any_record() -> impl Strategy<Value = serde_json::Value> {
    prop::collection::btree_map("[a-z\"\\\\\\[\\]{}\n]{0,4}", "[\\PC\"\\\\\\[\\]{},:\n]{0,6}", 0..3)
        .prop_map(|members| serde_json::to_value(members).unwrap())
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Lines,
    Pretty,
    Array,
    PrettyArray,
    Page,
}

fn any_form() -> impl Strategy<Value = Form> {
    prop::sample::select(vec![Form::Lines, Form::Pretty, Form::Array, Form::PrettyArray, Form::Page])
}

fn written(form: Form, records: &[serde_json::Value]) -> String {
    let each = |write: fn(&serde_json::Value) -> String| records.iter().map(write).collect::<String>();
    match form {
        Form::Lines => each(|record| format!("{record}\n")),
        Form::Pretty => each(|record| format!("{record:#}\r\n")),
        Form::Array => serde_json::to_string(records).unwrap(),
        Form::PrettyArray => serde_json::to_string_pretty(records).unwrap(),
        Form::Page => format!("{:#}", serde_json::json!({"@odata.context": "x", "value": records})),
    }
}

proptest! {
    #[test]
    fn all_records_of_any_forms_are_found_wherever_the_input_is_cut(
        parts in prop::collection::vec((any_form(), prop::collection::vec(any_record(), 0..4)), 0..4),
        cut in 1..40usize,
    ) {
        let input: String = parts.iter().map(|(form, records)| written(*form, records)).collect();
        let mut reader = JsonReader::new(10_000);
        let mut all: Vec<serde_json::Value> = Vec::new();
        let mut found = |found: Found| all.push(serde_json::from_slice(&found.text.unwrap()).unwrap());
        for piece in input.as_bytes().chunks(cut) {
            reader.feed(piece, &mut found);
        }
        reader.finish(&mut found);
        let records: Vec<_> = parts.into_iter().flat_map(|(_, records)| records).collect();
        prop_assert_eq!(all, records);
    }

    #[test]
    fn lines_after_any_cut_off_line_are_found_but_for_one(
        records in prop::collection::vec(any_record(), 3..4),
        part in 0.0..1.0f64,
    ) {
        let first = r#"{"Id":"0","list":[{"a":["b",{"c":"d"}]},"e"],"f":{"g":null}}"#;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let end = ((first.len() as f64) * part) as usize;
        let input = format!("{}\n{}", &first[..end.max(1)], written(Form::Lines, &records));
        let found = found(&input, 7);
        let good = found.iter().filter(|found| !found.contains("! ")).count();
        prop_assert!(good >= 2 && found.len() > good, "{input}: {found:?}");
    }
}
