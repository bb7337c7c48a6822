//! Takes `OData`'s annotations out of JSON text: members such as `@odata.type` and `Parameters@odata.type`, with which Microsoft Graph
//! surrounds what other APIs of Microsoft's serve without them.

use super::{node::MAX_DEPTH, scan::Scanner};

/// What every annotation's name has.
const MARK: &[u8] = b"@odata.";

/// The text of a valid JSON value without annotations; `None` if it has none.
pub(crate) fn without_annotations(text: &str) -> Option<String> {
    memchr::memmem::find(text.as_bytes(), MARK)?;
    let mut out = String::with_capacity(text.len());
    copy(&mut Scanner::new(text), &mut out, 0);
    Some(out)
}

fn copy(scanner: &mut Scanner<'_>, out: &mut String, depth: usize) {
    let (open, close) = match scanner.peek() {
        Some(b'{') => ('{', '}'),
        Some(b'[') => ('[', ']'),
        Some(_) => return out.push_str(scanner.value()),
        None => return,
    };
    let mut behind = scanner.clone();
    let whole = behind.value();
    if depth >= MAX_DEPTH || memchr::memmem::find(whole.as_bytes(), MARK).is_none() {
        *scanner = behind;
        return out.push_str(whole);
    }
    scanner.eat(open as u8);
    out.push(open);
    let mut is_first = true;
    while scanner.peek().is_some_and(|next| next != close as u8) {
        let name = if open == '{' {
            let name = scanner.string();
            scanner.eat(b':');
            Some(name)
        } else {
            None
        };
        if name.is_some_and(|name| memchr::memmem::find(name.as_bytes(), MARK).is_some()) {
            scanner.value();
        } else {
            if !std::mem::replace(&mut is_first, false) {
                out.push(',');
            }
            if let Some(name) = name {
                out.push_str(name);
                out.push(':');
            }
            copy(scanner, out, depth + 1);
        }
        scanner.eat(b',');
    }
    scanner.eat(close as u8);
    out.push(close);
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
