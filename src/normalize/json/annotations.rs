//! Takes `OData`'s annotations out of JSON text: members such as `@odata.type` and `Parameters@odata.type`, with which Microsoft Graph
//! surrounds what other APIs of Microsoft's serve without them.

use memchr::memmem;

use super::scan::Scanner;

/// What every annotation's name has.
const MARK: &[u8] = b"@odata.";

/// The text of a valid JSON value without annotations; `None` if it has none.
pub(crate) fn without_annotations(text: &str) -> Option<String> {
    let next_mark = |from: usize| Some(from + memmem::find(text.as_bytes().get(from..)?, MARK)?);
    let mut mark = next_mark(0)?;
    let mut out = String::with_capacity(text.len());
    let (mut scanner, mut copied) = (Scanner::new(text), 0);
    while let Some(start) = scanner.seek_string() {
        scanner.string();
        if scanner.position() <= mark {
            continue;
        }
        if start < mark && scanner.eat(b':') {
            scanner.value();
            out.push_str(text.get(copied..start).unwrap_or_default());
            if !scanner.eat(b',') {
                // Without a member behind it, the comma before it goes.
                let kept = out.trim_end();
                out.truncate(kept.strip_suffix(',').unwrap_or(kept).trim_end().len());
            }
            copied = scanner.position();
        }
        // As a rule, the only annotation comes first, and nothing behind it need be looked at.
        match next_mark(scanner.position()) {
            Some(next) => mark = next,
            None => break,
        }
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn annotations_go_and_the_rest_stays_as_it_was() {
        for (text, expected) in [
            (r##"{"@odata.type":"#x","Id":"1"}"##, r#"{"Id":"1"}"#),
            (r##"{"Id":"1","@odata.type":"#x"}"##, r#"{"Id":"1"}"#),
            (r##"{ "@odata.type" : "#x" }"##, "{}"),
            (r##"{"A":1 , "@odata.type":"#x", "a@odata.id":[{"b":"}"}] }"##, r#"{"A":1}"#),
            (
                r##"[{"A":"\"@odata.x\":1,","@odata.type":"#x","B":["@odata.y",{"@odata.z":1}]}]"##,
                r#"[{"A":"\"@odata.x\":1,","B":["@odata.y",{}]}]"#,
            ),
            (
                r##"{"P@odata.type":"#C","P":[{"@odata.type":"#n","Name":"a"},7],"N":1.50e+9}"##,
                r#"{"P":[{"Name":"a"},7],"N":1.50e+9}"#,
            ),
            (r#"{"Text":"@odata.type","X":{"@odata.id":null}}"#, r#"{"Text":"@odata.type","X":{}}"#),
        ] {
            assert_eq!(without_annotations(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(without_annotations(r#"{"a":"@"}"#), None);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<i64>().prop_map(Value::from), "[a-z@\"\\\\.]{0,12}".prop_map(Value::from)];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((prop_oneof!["[a-z]{1,3}", Just("x@odata.type".to_owned())], inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn pruned(value: &Value) -> Value {
        match value {
            Value::Object(members) => members
                .iter()
                .filter(|(name, _)| !name.contains("@odata."))
                .map(|(name, value)| (name.clone(), pruned(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            Value::Array(items) => items.iter().map(pruned).collect(),
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn what_is_left_is_what_a_tree_would_leave(value in any_value()) {
            let value = json!({"root": value, "@odata.type": "#t"});
            let text = serde_json::to_string_pretty(&value).unwrap();
            let left: Value = serde_json::from_str(&without_annotations(&text).unwrap()).unwrap();
            prop_assert_eq!(left, pruned(&value));
        }

        #[test]
        fn text_that_is_no_json_ends_without_a_panic(text in "[\\[\\]{}\",:@odt.\\\\ \u{e9}a1]{0,60}") {
            let _ = without_annotations(&format!("{text}@odata.{text}"));
        }
    }
}
