//! Walks JSON text that is known to be valid.
//!
//! Records are checked once, when they are split from their blob ([`crate::component::JsonObject`]). After that no code
//! needs to look for errors again, and finding the members of an object comes down to finding quotes and brackets.

use std::borrow::Cow;

use memchr::memchr;

use crate::component::find_quote_or_backslash;

/// A place in valid JSON text. On text that is not valid after all, it ends early; it never panics.
#[derive(Clone, Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// The beginning of `text`.
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// How many bytes are before this place.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    /// The next byte that is no white space, without consuming it.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                _ => return Some(*byte),
            }
        }
        None
    }

    /// Consumes the next byte if it is `expected`.
    pub(crate) fn eat(&mut self, expected: u8) -> bool {
        let found = self.peek() == Some(expected);
        self.at += usize::from(found);
        found
    }

    /// Consumes a string with its quotes.
    pub(crate) fn string(&mut self) -> &'a str {
        self.peek();
        let start = self.at;
        self.skip_string();
        self.since(start)
    }

    /// Goes to the next quote, which begins a string if this place is outside of one. Returns its position.
    pub(crate) fn seek_string(&mut self) -> Option<usize> {
        self.at += memchr(b'"', self.text.as_bytes().get(self.at..)?)?;
        Some(self.at)
    }

    /// Consumes any value.
    pub(crate) fn value(&mut self) -> &'a str {
        let first = self.peek();
        let start = self.at;
        match first {
            Some(b'"') => self.skip_string(),
            Some(b'{' | b'[') => self.skip_container(),
            _ => self.skip_literal(),
        }
        self.since(start)
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn skip_string(&mut self) {
        let bytes = self.text.as_bytes();
        let mut at = (self.at + 1).min(bytes.len());
        while let Some(found) = find_quote_or_backslash(&bytes[at..]) {
            let is_end = bytes[at + found] == b'"';
            at = (at + found + if is_end { 1 } else { 2 }).min(bytes.len());
            if is_end {
                self.at = at;
                return;
            }
        }
        self.at = bytes.len();
    }

    fn skip_container(&mut self) {
        let bytes = self.text.as_bytes();
        let mut depth = 0_usize;
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.skip_string();
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    /// A number, `true`, `false` or `null`.
    fn skip_literal(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| matches!(byte, b',' | b']' | b'}' | b':' | b' ' | b'\t' | b'\n' | b'\r'))
            .unwrap_or(rest.len());
        // At least one byte, so that a walk over nonsense comes to its end.
        self.at = (self.at + length.max(1)).min(self.text.len());
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
    }
}

/// The members of an object in the order of its text: name and raw value.
#[derive(Clone, Debug)]
pub(crate) struct Members<'a>(Scanner<'a>);

impl<'a> Members<'a> {
    /// Those of `object`; none if it is no object.
    pub(crate) fn of(object: &'a str) -> Self {
        let mut scanner = Scanner::new(object);
        if !scanner.eat(b'{') {
            scanner = Scanner::new("");
        }
        Self(scanner)
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let scanner = &mut self.0;
        scanner.eat(b',');
        if scanner.peek() != Some(b'"') {
            return None;
        }
        let name = decode(scanner.string())?;
        scanner.eat(b':').then(|| (name, scanner.value()))
    }
}

/// The content of a JSON string; `None` if `raw` is none.
pub(crate) fn decode(raw: &str) -> Option<Cow<'_, str>> {
    let content = raw.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', content.as_bytes()).is_none() {
        return Some(Cow::Borrowed(content));
    }
    serde_json::from_str(raw).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn members_come_in_order_with_their_raw_values() {
        let text = " { \"a\" : [1, {\"x\":\"]\"}] ,\"b\\u0063\":\"\\\"}\", \"d\":-1.50e+9,\"e\":null } ";
        let members: Vec<_> = Members::of(text).collect();
        let expected = [("a", r#"[1, {"x":"]"}]"#), ("bc", r#""\"}""#), ("d", "-1.50e+9"), ("e", "null")]
            .map(|(name, raw)| (name.into(), raw));
        assert_eq!(members, expected);
        for nothing in ["{}", "[1]", "\"a\"", "", "null"] {
            assert_eq!(Members::of(nothing).next(), None, "{nothing}");
        }
    }

    proptest! {
        #[test]
        fn text_that_is_no_json_ends_without_a_panic(text in "[\\[\\]{}\",:\\\\ \u{e9}\u{1f600}a1]{0,60}") {
            let _ = Members::of(&text).count();
        }

        #[test]
        fn valid_objects_are_read_as_serde_json_reads_them(
            members in prop::collection::vec(("\\PC{0,4}", prop_oneof!["[a-z\"\\\\]{0,5}".prop_map(serde_json::Value::from), any::<i64>().prop_map(serde_json::Value::from)]), 0..6),
        ) {
            let object: serde_json::Map<_, _> = members.into_iter().collect();
            let text = serde_json::to_string_pretty(&object).unwrap();
            let found: serde_json::Map<_, _> = Members::of(&text)
                .map(|(name, raw)| (name.into_owned(), serde_json::from_str(raw).unwrap()))
                .collect();
            prop_assert_eq!(found, object);
        }
    }
}
