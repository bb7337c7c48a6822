//! Checks JSON text and finds the members of its object, in one pass that decodes and builds nothing.
//!
//! It takes half the time of `serde_json`. What it cannot read, `serde_json` reads, or says what is wrong: everything that is accepted
//! here is valid, but not everything valid is accepted.

use std::ops::Range;

/// What was found in the text of an object.
#[derive(Debug)]
pub(super) struct Checked {
    /// In their order.
    pub members: Vec<Member>,
    /// Whether `\u` is somewhere in the text: in an escape, or in one of a string within a string.
    pub has_backslash_u: bool,
    /// Whether the text has more than one line.
    pub has_line_breaks: bool,
}

/// Where a member is in the text of its object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// The name without its quotes; it holds no escapes.
    pub name: Span,
    pub value: Span,
}

/// A range of bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Where `part` is in `whole`; `None` if it is a copy, or beyond 4 GiB.
    pub fn of(part: &str, whole: &str) -> Option<Self> {
        let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
        let end = start.checked_add(part.len()).filter(|end| *end <= whole.len())?;
        Self::new(start..end)
    }

    /// `None` beyond 4 GiB.
    fn new(range: Range<usize>) -> Option<Self> {
        Some(Self { start: u32::try_from(range.start).ok()?, end: u32::try_from(range.end).ok()? })
    }

    pub fn get(self, whole: &str) -> &str {
        whole.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// The object that `text` is; `None` if it may be none, has escapes in a name, or is nested too deeply.
pub(super) fn object(text: &str) -> Option<Checked> {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0, has_backslash_u: false, has_line_breaks: false };
    // Records have some dozens of members.
    let mut members = Vec::with_capacity(32);
    reader.expect(b'{')?;
    if reader.peek()? == b'}' {
        reader.at += 1;
    } else {
        loop {
            let name = reader.plain_string()?;
            reader.expect(b':')?;
            reader.peek()?;
            let start = reader.at;
            reader.value()?;
            members.push(Member { name: Span::new(name)?, value: Span::new(start..reader.at)? });
            match reader.next()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
    }
    if reader.peek().is_some() {
        return None;
    }
    let Reader { has_backslash_u, has_line_breaks, .. } = reader;
    Some(Checked { members, has_backslash_u, has_line_breaks })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    has_backslash_u: bool,
    has_line_breaks: bool,
}

/// The containers that are open: a bit for each, set for objects, behind a first bit that is always set.
#[derive(Clone, Copy)]
struct Open(u64);

impl Open {
    const NONE: Self = Self(1);

    /// `None` if there are too many.
    fn push(self, is_object: bool) -> Option<Self> {
        (self.0.leading_zeros() > 0).then_some(Self(self.0 << 1 | u64::from(is_object)))
    }

    const fn pop(self) -> Self {
        Self(self.0 >> 1)
    }

    const fn is_none(self) -> bool {
        self.0 == Self::NONE.0
    }

    const fn is_object(self) -> bool {
        self.0 & 1 == 1
    }
}

impl Reader<'_> {
    /// The next byte that is no white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            match byte {
                b' ' | b'\t' => {}
                b'\n' | b'\r' => self.has_line_breaks = true,
                _ => return Some(byte),
            }
            self.at += 1;
        }
    }

    /// Consumes the next byte that is no white space.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn expect(&mut self, expected: u8) -> Option<()> {
        (self.next()? == expected).then_some(())
    }

    /// Consumes a value, which begins at the next byte.
    fn value(&mut self) -> Option<()> {
        let mut open = Open::NONE;
        loop {
            match self.peek()? {
                b'"' => self.string()?,
                b'{' => {
                    self.at += 1;
                    if self.peek()? != b'}' {
                        open = open.push(true)?;
                        self.name()?;
                        continue;
                    }
                    self.at += 1;
                }
                b'[' => {
                    self.at += 1;
                    if self.peek()? != b']' {
                        open = open.push(false)?;
                        continue;
                    }
                    self.at += 1;
                }
                b't' => self.literal(b"true")?,
                b'f' => self.literal(b"false")?,
                b'n' => self.literal(b"null")?,
                _ => self.number()?,
            }
            // A value has ended, and so may the containers that it is in.
            loop {
                if open.is_none() {
                    return Some(());
                }
                match (self.next()?, open.is_object()) {
                    (b',', true) => break self.name()?,
                    (b',', false) => break,
                    (b'}', true) | (b']', false) => open = open.pop(),
                    _ => return None,
                }
            }
        }
    }

    /// Consumes the name of a member and its colon.
    fn name(&mut self) -> Option<()> {
        self.peek()?;
        self.string()?;
        self.expect(b':')
    }

    /// Consumes a string without escapes. Returns the place of its content.
    fn plain_string(&mut self) -> Option<Range<usize>> {
        self.expect(b'"')?;
        let start = self.at;
        self.at += find_special(self.bytes.get(start..)?)?;
        let end = self.at;
        (self.byte()? == b'"').then_some(start..end)
    }

    /// Consumes a string.
    #[inline]
    fn string(&mut self) -> Option<()> {
        if self.byte()? != b'"' {
            return None;
        }
        loop {
            self.at += find_special(self.bytes.get(self.at..)?)?;
            match self.byte()? {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                _ => return None,
            }
        }
    }

    /// Consumes what stands behind a backslash.
    fn escape(&mut self) -> Option<()> {
        match self.byte()? {
            b'\\' => {
                self.has_backslash_u |= self.bytes.get(self.at) == Some(&b'u');
                Some(())
            }
            b'"' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits = self.bytes.get(self.at..self.at + 4)?;
                self.at += 4;
                self.has_backslash_u = true;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => None,
        }
    }

    fn literal(&mut self, literal: &[u8]) -> Option<()> {
        let found = self.bytes.get(self.at..self.at + literal.len())? == literal;
        self.at += literal.len();
        found.then_some(())
    }

    fn number(&mut self) -> Option<()> {
        self.skip(b'-');
        // No digit comes behind a zero.
        if !self.skip(b'0') {
            self.digits()?;
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            if !self.skip(b'+') {
                self.skip(b'-');
            }
            self.digits()?;
        }
        Some(())
    }

    /// Consumes one or more digits.
    fn digits(&mut self) -> Option<()> {
        let rest = self.bytes.get(self.at..)?;
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(())
    }

    /// Consumes a byte if it comes next.
    fn skip(&mut self, byte: u8) -> bool {
        let found = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    /// Consumes a byte.
    #[inline]
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }
}

/// Where the first byte is that means something within a string, or must not be there: a quotation mark, a backslash or a control
/// character.
#[inline]
pub(crate) fn find_special(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let found = specials(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(at * 8 + (found.trailing_zeros() / u8::BITS) as usize);
        }
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..b' ');
    rest.iter().position(is_special).map(|at| words.len() * 8 + at)
}

/// The highest bit of each byte that is special, up to and including the first; those behind it may be wrong.
const fn specials(word: u64) -> u64 {
    const LOW: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let quotes = word ^ u64::from_le_bytes([b'"'; 8]);
    let backslashes = word ^ u64::from_le_bytes([b'\\'; 8]);
    let below = word.wrapping_sub(u64::from_le_bytes([b' '; 8])) & !word;
    ((quotes.wrapping_sub(LOW) & !quotes) | (backslashes.wrapping_sub(LOW) & !backslashes) | below) & HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn found(text: &str) -> Option<Vec<(&str, &str)>> {
        Some(object(text)?.members.into_iter().map(|member| (member.name.get(text), member.value.get(text))).collect())
    }

    #[test]
    fn members_are_found_with_their_values() {
        let text =
            " { \"a\" : [1, {\"x\":\"]\", \"y\":[]}, {}, []] ,\"b\":\"\\\"}\\u00e9\", \"d\":-1.50e+9,\"e\":null } ";
        let expected =
            [("a", r#"[1, {"x":"]", "y":[]}, {}, []]"#), ("b", r#""\"}\u00e9""#), ("d", "-1.50e+9"), ("e", "null")];
        assert_eq!(found(text).unwrap(), expected);
        assert_eq!(found("{ }\n").unwrap(), []);
    }

    #[test]
    fn what_is_not_sure_is_left_to_serde_json() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(65), "]".repeat(65));
        for text in [r#"{"\u0061":1}"#, &deep] {
            assert!(found(text).is_none() && serde_json::from_str::<&RawValue>(text).is_ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_valid(text in r#"\{("a":)?[\[\]{}",:\\ utrefals01.eE+\n-]{0,12}\}"#) {
            if let Some(found) = object(&text) {
                prop_assert_eq!(found.has_line_breaks, text.contains(['\n', '\r']));
                prop_assert!(serde_json::from_str::<&RawValue>(&text).is_ok(), "{}", text);
            }
        }

        #[test]
        fn numbers_and_strings_are_as_in_serde_json(value in r#"-?[0-9.eE+-]{0,6}|"[\\"nuU0a/\PC\x00-\x20]{0,12}"|true|false|nul{1,2}"#) {
            let text = format!("{{\"a\":[{value}],\"b\":{value}}}");
            prop_assert_eq!(found(&text).is_some(), serde_json::from_str::<&RawValue>(&text).is_ok(), "{}", text);
        }

        #[test]
        fn what_is_escaped_is_noticed_at_any_depth(content in r#"[\\"u0eb]{0,12}"#, depth in 1..4_usize) {
            let raw = format!(r#"{{"a":"{content}"}}"#);
            let escaped = (0..depth).fold(content, |text, _| serde_json::json!({"a": [text]}).to_string());
            for text in [escaped, raw] {
                if let Some(found) = object(&text) {
                    prop_assert_eq!(found.has_backslash_u, text.contains(r"\u"), "{}", text);
                }
            }
        }
    }
}
