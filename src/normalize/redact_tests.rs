use chrono::DateTime;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::normalize::{NormalizeOptions, Normalizer, Origin, RecordMembers, Schema};

fn redacted(text: &str) -> Option<String> {
    let record = JsonObject::parse(text.to_owned().into()).unwrap();
    redact(&record).map(|record| {
        // What is made is checked as strictly as what comes in.
        JsonObject::parse(record.as_bytes().clone()).unwrap().as_str().to_owned()
    })
}

/// Both as JSON in which a string stands for what JSON it holds.
fn assert_redacted(text: &str, expected: &str) {
    assert_eq!(redacted(text).as_deref(), Some(expected), "{text}");
}

#[test]
fn strings_and_numbers_go_and_every_other_byte_stays() {
    assert_redacted(
        r#" { "Id" : "a",
  "PolicyDetails": [ {"Rules":[{"ConditionsMatched":{"SensitiveInformation":[{ "Count":2,"SensitiveInformationDetections":
  {"DetectedValues":[ {"Name":"4111 1111", "Value" : "pay \"4111\" now"}, {"Name":"078-05-1120","Value":78051120.0,"x":true} , null ],
   "ResultsTruncated":false}, "n":1.0}]}}]}] } "#,
        r#" { "Id" : "a",
  "PolicyDetails": [ {"Rules":[{"ConditionsMatched":{"SensitiveInformation":[{ "Count":2,"SensitiveInformationDetections":
  {"DetectedValues":[ {"Name":"[redacted]", "Value" : "[redacted]"}, {"Name":"[redacted]","Value":"[redacted]","[redacted]":true} , null ],
   "ResultsTruncated":false}, "n":1.0}]}}]}] } "#,
    );
}

#[test]
fn the_name_counts_in_any_case_and_however_it_is_escaped_with_any_content() {
    for (text, expected) in [
        (r#"{"detectedvalues":"x","a":"x"}"#, r#"{"detectedvalues":"[redacted]","a":"x"}"#),
        (r#"{"DETECTEDVALUES":7,"a":7}"#, r#"{"DETECTEDVALUES":"[redacted]","a":7}"#),
        (r#"{"D\u0065tectedValues":["x"]}"#, r#"{"D\u0065tectedValues":["[redacted]"]}"#),
        (
            r#"{"Detections.DetectedValues":{"a":{"b":"x"}}}"#,
            r#"{"Detections.DetectedValues":{"[redacted]":{"[redacted]":"[redacted]"}}}"#,
        ),
        (
            r#"{"DetectedValues":{"4111":1,"5105":[2]},"b":1}"#,
            r#"{"DetectedValues":{"[redacted]":"[redacted]","[redacted 2]":["[redacted]"]},"b":1}"#,
        ),
        (r#"{"DetectedValues":"{\"a\":1}","b":[1]}"#, r#"{"DetectedValues":"[redacted]","b":[1]}"#),
        (
            r#"{"l":[{"DetectedValues":[]},{"DetectedValues":[1]}],"c":1}"#,
            r#"{"l":[{"DetectedValues":[]},{"DetectedValues":["[redacted]"]}],"c":1}"#,
        ),
    ] {
        assert_redacted(text, expected);
    }
}

#[test]
fn json_in_strings_is_looked_into() {
    assert_redacted(
        r#"{"PolicyDetails":"[{\"a\" : 1,\"DetectedValues\":[{\"Name\":\"4111\",\"Value\":\"x\"}]}]","z":"\u00e9"}"#,
        r#"{"PolicyDetails":"[{\"a\" : 1,\"DetectedValues\":[{\"Name\":\"[redacted]\",\"Value\":\"[redacted]\"}]}]","z":"\u00e9"}"#,
    );
    // Twice, and with the name escaped in the inner text only.
    let inner = r#"{"DetectedV\u0061lues":["4111"],"n":1.0}"#;
    let middle = json!({ "Data": inner, "s": "\u{1f600}" }).to_string();
    let outer = json!({ "Data": middle, "Subject": "DLP" }).to_string();
    let found: Value = serde_json::from_str(&redacted(&outer).unwrap()).unwrap();
    let found: Value = serde_json::from_str(found["Data"].as_str().unwrap()).unwrap();
    assert_eq!(found["s"], "\u{1f600}");
    assert_eq!(found["Data"], r#"{"DetectedV\u0061lues":["[redacted]"],"n":1.0}"#);
    // Control characters in strings of the inner text.
    assert_redacted(
        r#"{"d":"{\"a\":\"x\ny\",\"DetectedValues\":1}"}"#,
        r#"{"d":"{\"a\":\"x\\ny\",\"DetectedValues\":\"[redacted]\"}"}"#,
    );
    // Half a surrogate pair in the inner text.
    assert_redacted(
        r#"{"d":"{\"a\":\"\\ud83d\",\"DetectedValues\":1}"}"#,
        r#"{"d":"{\"a\":\"\\ud83d\",\"DetectedValues\":\"[redacted]\"}"}"#,
    );
}

#[test]
fn a_string_that_has_the_name_and_is_no_json_goes_as_a_whole() {
    for text in [
        r#"{\"DetectedValues\":[{\"Name\":\"41"#,
        r#"{\"x\":1,\u0022DetectedValues\u0022:[{\u0022Value\u0022:\u00224111"#,
        r"&quot;DetectedValues&quot;:4111",
        r"%22DetectedValues%22%3A4111",
        r"@{DetectedValues=@{Value=4111}}",
        r#"{\"DetectedValues\":[1]} and more"#,
        r"<DetectedValues>4111",
        r#"{\"D\\u0065tectedValues\":[{\"Name\":\"41"#,
        r#"{\"D\\u005cu0065tectedValues\":[{\"Name\":\"41"#,
    ] {
        assert_redacted(&format!(r#"{{"Data":"{text}","a":"b"}}"#), r#"{"Data":"[redacted]","a":"b"}"#);
    }
}

#[test]
fn a_pair_of_name_and_value_counts_like_a_member() {
    assert_redacted(
        r#"{"p":[{"Name":"DetectedValues","Value":"4111","Count":1},{"Value":["4111"],"Name":"x.DetectedValues"},{"Name":"y","Value":"z"}]}"#,
        r#"{"p":[{"Name":"DetectedValues","Value":"[redacted]","Count":1},{"Value":["[redacted]"],"Name":"x.DetectedValues"},{"Name":"y","Value":"z"}]}"#,
    );
    // A file or an alert of that name hides nothing.
    for name in [
        "DetectedValues",
        "DetectedValues.exe",
        "my DetectedValues, new",
        "DetectedValues=1.docm",
        "evil DetectedValues'.exe",
        "{DetectedValues}.exe",
        "evil DetectedValues: x",
    ] {
        assert_eq!(redacted(&format!(r#"{{"Name":"{name}","UserId":"x","n":1}}"#)), None, "{name}");
    }
}

#[test]
fn records_without_detected_values_are_not_touched() {
    for text in [
        r#"{"Id":"a","v":"Values detected, \u003cb\u003e \u0026"}"#,
        r#"{"DetectedValue":"x","Detected":{"Values":[1]}}"#,
        r#"{"s":"\u0044ear","t":"{\"\\u0061\":1}","u":"C:\\u0061"}"#,
        r#"{"DetectedValues":[],"d":"{\"DetectedValues\":null}"}"#,
    ] {
        assert_eq!(redacted(text), None, "{text}");
    }
}

#[test]
fn deep_nesting_and_many_layers_of_strings_are_no_trouble() {
    let deep = |inner: &str| format!("{{\"a\":{}{inner}{}}}", "[".repeat(50_000), "]".repeat(50_000));
    assert_redacted(&deep(r#"{"DetectedValues":1}"#), &deep(r#"{"DetectedValues":"[redacted]"}"#));
    // Each layer escapes the quotes of the one within by six characters, so that hundreds of them fit.
    let mut text = r#"{"DetectedValues":"4111"}"#.to_owned();
    for _ in 0..60 {
        text = format!("{{\"a\":\"{}\"}}", text.replace('\\', r"\u005c").replace('"', r"\u0022"));
    }
    let found = redacted(&text).unwrap();
    assert!(!found.contains("4111") && found.contains("[redacted]"), "{found}");
}

/// What a secret looks like in these tests: nothing else has these characters.
fn secret() -> impl Strategy<Value = String> {
    "§[0-9a-z\"\\\\ \u{e9}]{0,6}§"
}

/// JSON that is all secret.
fn detected() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        secret().prop_map(Value::from),
        (777_000_000..778_000_000_u64).prop_map(Value::from),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            (inner.clone(), inner.clone()).prop_map(|(name, value)| json!({ "Name": name, "Value": value })),
            prop::collection::vec((secret(), inner), 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn object(members: Vec<(String, Value)>) -> Value {
    Value::Object(members.into_iter().collect())
}

/// JSON with secrets below the name at some places, some of them in strings that hold JSON or a part of it.
fn with_secrets() -> impl Strategy<Value = Value> {
    let plain =
        prop_oneof!["[a-z\\\\\" ]{0,5}".prop_map(Value::from), (0..700_u32).prop_map(Value::from), Just(Value::Null)];
    let name = "(Detections\\.)?(DetectedValues|detectedvalues|DETECTEDVALUES|detectedValues)";
    let secrets = (name, detected()).prop_map(|(name, value)| object(vec![(name, value)]));
    let pair = detected().prop_map(|value| json!([{ "Name": "DetectedValues", "Value": value }]));
    prop_oneof![2 => plain, 2 => secrets, 1 => pair].prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(
                (
                    "PolicyDetails|Rules|Data|SensitiveInformation|ExtendedProperties|AdditionalInfo|[a-z]{1,3}",
                    inner.clone()
                ),
                0..4
            )
            .prop_map(object),
            (inner.clone(), any::<bool>()).prop_map(|(value, escaped)| Value::from(text_of(&value, escaped))),
            // Cut off: no valid JSON any more, but as much of it as there was room for. Without the name it cannot be
            // recognised.
            (inner, any::<prop::sample::Index>()).prop_map(|(value, cut)| {
                let text = text_of(&value, false);
                let cut: String = text.chars().take(cut.index(text.chars().count() + 1)).collect();
                Value::from(if has_name(&cut) { cut } else { String::new() })
            }),
        ]
    })
}

/// JSON text, perhaps with a letter of each name escaped.
fn text_of(value: &Value, escaped: bool) -> String {
    let text = value.to_string();
    if escaped { text.replace("tectedV", r"t\u0065ctedV").replace("tectedv", r"t\u0065ctedv") } else { text }
}

/// Whether a secret is left, at whatever depth of escaping.
fn has_secret(text: &str) -> bool {
    text.contains('§') || text.contains("\\u00a7") || text.contains("777")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_detected_value_is_in_any_event(
        members in prop::collection::vec(("PolicyDetails|Data|ExtendedProperties|Parameters|[A-Z][a-z]{1,6}", with_secrets()), 1..5),
        record_type in prop::sample::select(vec![1, 2, 6, 8, 11, 13, 15, 28, 40, 63, 64, 99, 999]),
        escaped: bool,
        pretty: bool,
    ) {
        let mut record: Map<String, Value> = members.into_iter().collect();
        record.insert("RecordType".into(), record_type.into());
        record.insert("Id".into(), "x".into());
        let record = Value::Object(record);
        let text = if pretty { format!("{record:#}") } else { text_of(&record, escaped) };
        let record = JsonObject::parse(text.into()).unwrap();
        for schema in [Schema::Raw, Schema::Ecs, Schema::Ocsf] {
            let options = NormalizeOptions { keep_original: true, ..NormalizeOptions::new(schema) };
            let made = Normalizer::new(options).event(
                record.clone(),
                &RecordMembers::default(),
                &Origin::outside(Some("contoso.com")),
                DateTime::UNIX_EPOCH,
            );
            let event = made.event.to_json();
            prop_assert!(!has_secret(&event), "{}", event);
            serde_json::from_str::<Map<String, Value>>(&event).unwrap();
        }
    }

    #[test]
    fn any_record_stays_a_record(text in "[\\[\\]{}\",:\\\\ udDetectedValues005c7n1\u{e9}]{0,60}") {
        let text = json!({ "a": text, "b": { "DetectedValues": text } }).to_string();
        let found: Value = serde_json::from_str(&redacted(&text).unwrap()).unwrap();
        prop_assert_eq!(&found["b"]["DetectedValues"], "[redacted]");
    }
}
