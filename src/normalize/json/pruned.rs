//! Copies JSON text without what is empty, without building anything.

use super::{
    node::{MAX_DEPTH, Node, write_string},
    scan::Scanner,
};

/// Objects with more members than this are taken apart to find repeated names.
const MANY_MEMBERS: usize = 24;

/// Appends valid JSON text as [`Node::parse`] and [`Node::write`] would. Returns whether anything is left of it.
pub(crate) fn write_pruned(text: &str, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    if let Ok(is_written) = copy(&mut Scanner::new(text), out, 0) {
        return is_written;
    }
    out.truncate(start);
    let node = Node::parse(text);
    if let Some(node) = &node {
        node.write(out);
    }
    node.is_some()
}

/// An object that has to be taken apart: a name comes twice, or may do so in another spelling.
struct Intricate;

fn copy(scanner: &mut Scanner<'_>, out: &mut Vec<u8>, depth: usize) -> Result<bool, Intricate> {
    match scanner.peek() {
        Some(b'{') if depth < MAX_DEPTH => {
            scanner.eat(b'{');
            copy_object(scanner, out, depth)
        }
        Some(b'[') if depth < MAX_DEPTH => {
            scanner.eat(b'[');
            copy_list(scanner, out, depth)
        }
        Some(b'{' | b'[') => {
            write_string(scanner.value(), out);
            Ok(true)
        }
        Some(_) => {
            let raw = scanner.value();
            let is_left = !matches!(raw, "null" | "\"\"");
            if is_left {
                out.extend_from_slice(raw.as_bytes());
            }
            Ok(is_left)
        }
        None => Ok(false),
    }
}

fn copy_object(scanner: &mut Scanner<'_>, out: &mut Vec<u8>, depth: usize) -> Result<bool, Intricate> {
    let start = out.len();
    let mut names = [""; MANY_MEMBERS];
    let mut count = 0;
    while scanner.peek() == Some(b'"') {
        let name = scanner.string();
        scanner.eat(b':');
        let known = names.get(..count).unwrap_or_default();
        if memchr::memchr(b'\\', name.as_bytes()).is_some() || known.contains(&name) {
            return Err(Intricate);
        }
        *names.get_mut(count).ok_or(Intricate)? = name;
        count += 1;

        let before = out.len();
        out.push(if before == start { b'{' } else { b',' });
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        if !copy(scanner, out, depth + 1)? {
            out.truncate(before);
        }
        scanner.eat(b',');
    }
    scanner.eat(b'}');
    let is_left = out.len() > start;
    if is_left {
        out.push(b'}');
    }
    Ok(is_left)
}

fn copy_list(scanner: &mut Scanner<'_>, out: &mut Vec<u8>, depth: usize) -> Result<bool, Intricate> {
    let start = out.len();
    while !matches!(scanner.peek(), None | Some(b']')) {
        let before = out.len();
        out.push(if before == start { b'[' } else { b',' });
        if !copy(scanner, out, depth + 1)? {
            out.truncate(before);
        }
        scanner.eat(b',');
    }
    scanner.eat(b']');
    let is_left = out.len() > start;
    if is_left {
        out.push(b']');
    }
    Ok(is_left)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn copied(text: &str) -> (bool, String) {
        let mut out = b"x".to_vec();
        let is_written = write_pruned(text, &mut out);
        (is_written, String::from_utf8(out).unwrap())
    }

    fn built(text: &str) -> (bool, String) {
        let mut out = b"x".to_vec();
        let node = Node::parse(text);
        if let Some(node) = &node {
            node.write(&mut out);
        }
        (node.is_some(), String::from_utf8(out).unwrap())
    }

    #[test]
    fn repeated_names_and_many_members_are_as_in_a_tree() {
        let many: Vec<String> = (0..60).map(|n| format!("\"n{}\":{n}", n % 40)).collect();
        let many = format!("{{\"l\":[{{{}}}]}}", many.join(","));
        for text in [r#"{"a":1,"b":{"c":1,"c":null},"a":2}"#, r#"{"a":1,"\u0061":2}"#, "{}", "[[],{}]", &many] {
            assert_eq!(copied(text), built(text), "{text}");
        }
        let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(copied(&deep), built(&deep));
    }

    proptest! {
        #[test]
        fn a_copy_is_what_a_tree_would_be(text in "[\\[{\"][\\[\\]{}\",:\\\\ n1ab\u{e9}]{0,60}") {
            if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() {
                prop_assert_eq!(copied(&text), built(&text));
            } else {
                // No caller should ask this, and it must not fail.
                copied(&text);
            }
        }

        #[test]
        fn a_copy_of_json_is_what_a_tree_would_be(
            members in prop::collection::vec(
                ("[a-c\"]{0,2}", prop::sample::select(vec!["1", "null", "\"\"", "[ ]", "{\"a\":[null,{\"b\":0}]}", "[\"x\", \"\"]", "1.50"])),
                0..8,
            ),
        ) {
            let members: Vec<_> = members.iter().map(|(name, raw)| format!(" {} : {raw}", serde_json::Value::from(name.as_str()))).collect();
            let text = format!("[{{ {} }}, 7]", members.join(" ,"));
            prop_assert_eq!(copied(&text), built(&text));
        }
    }
}
