//! Repairs text that strict readers of JSON refuse, so that one bad character does not lose its record.

use std::{borrow::Cow, ops::Range, sync::LazyLock};

use memchr::memmem;

/// What had to be repaired in a record before it could be read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Repair {
    /// Bytes that were no UTF-8 were replaced by U+FFFD.
    pub invalid_utf8: bool,
    /// How many escaped halves of a UTF-16 surrogate pair stood alone and were replaced by U+FFFD.
    pub lone_surrogates: usize,
    /// How many control characters stood in strings as they are, and were escaped. Nothing is lost by that.
    pub control_characters: usize,
}

impl Repair {
    /// Whether anything was repaired.
    pub fn is_needed(self) -> bool {
        self != Self::default()
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            invalid_utf8: self.invalid_utf8 || other.invalid_utf8,
            lone_surrogates: self.lone_surrogates + other.lone_surrogates,
            control_characters: self.control_characters + other.control_characters,
        }
    }
}

/// Where `\uD800`–`\uDFFF` escapes stand that are not a high half followed by a low half.
///
/// The API sends them (Splunk's add-on catches "'utf-8' codec can't encode character"); `serde_json` refuses every string
/// that holds one.
pub(super) fn lone_surrogates(text: &[u8]) -> Vec<Range<usize>> {
    static HALVES: LazyLock<[memmem::Finder<'static>; 2]> =
        LazyLock::new(|| [memmem::Finder::new(r"\ud"), memmem::Finder::new(r"\uD")]);
    let mut lone = Vec::new();
    // Most records have no surrogate escape at all; a search for the rare pair of bytes settles that quickly.
    if HALVES.iter().all(|half| half.find(text).is_none()) {
        return lone;
    }
    let mut at = 0;
    while let Some(backslash) = memchr::memchr(b'\\', &text[at..]).map(|offset| at + offset) {
        at = match escaped_unit(text, backslash) {
            None => backslash + 2,
            Some(0xD800..=0xDBFF) if matches!(escaped_unit(text, backslash + 6), Some(0xDC00..=0xDFFF)) => {
                backslash + 12
            }
            Some(0xD800..=0xDFFF) => {
                lone.push(backslash..backslash + 6);
                backslash + 6
            }
            Some(_) => backslash + 6,
        };
        if at >= text.len() {
            break;
        }
    }
    lone
}

/// The UTF-16 unit of the `\uXXXX` escape that starts at `at`, if one does.
fn escaped_unit(text: &[u8], at: usize) -> Option<u16> {
    let hex = text.get(at..at + 6)?.strip_prefix(br"\u")?;
    // `from_str_radix` would take a sign.
    if !hex.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
}

/// Repairs the strings of JSON: escapes control characters, and replaces the escapes of surrogates without their other half by
/// U+FFFD.
pub(crate) fn repair_text(text: &str) -> (Cow<'_, str>, Repair) {
    let (escaped, control_characters) = escape_control_characters(text);
    let lone = lone_surrogates(escaped.as_bytes());
    let repair = Repair { control_characters, lone_surrogates: lone.len(), ..Repair::default() };
    if lone.is_empty() {
        return (escaped, repair);
    }
    // The escapes are ASCII, before and after.
    let repaired = String::from_utf8(replace_escapes(escaped.as_bytes(), &lone));
    (repaired.map_or(escaped, Cow::Owned), repair)
}

/// Escapes the control characters within strings, which JSON does not allow there; returns how many there were.
///
/// One after a backslash stays, since the meaning of the two together is unknown.
pub(crate) fn escape_control_characters(text: &str) -> (Cow<'_, str>, usize) {
    let bytes = text.as_bytes();
    // Most records have none, not even between their members.
    if !has_control_character(bytes) {
        return (Cow::Borrowed(text), 0);
    }
    let mut repaired = String::new();
    let (mut found, mut copied, mut at) = (0, 0, 0);
    while let Some(offset) = memchr::memchr(b'"', &bytes[at..]) {
        at += offset + 1;
        loop {
            let rest = &bytes[at..];
            let end = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
            if has_control_character(&rest[..end]) {
                let controls = rest[..end].iter().enumerate().filter(|(_, byte)| **byte < 0x20);
                for (offset, control) in controls {
                    // Control characters are whole characters in UTF-8.
                    repaired.push_str(&text[copied..at + offset]);
                    push_escape(*control, &mut repaired);
                    copied = at + offset + 1;
                    found += 1;
                }
            }
            at += end;
            match bytes.get(at) {
                // The backslash, and whatever it escapes.
                Some(b'\\') => at = bytes.len().min(at + 2),
                Some(_) => break at += 1,
                None => break,
            }
        }
    }
    if found == 0 {
        return (Cow::Borrowed(text), 0);
    }
    repaired.push_str(&text[copied..]);
    (Cow::Owned(repaired), found)
}

/// Looks at many bytes at a time.
fn has_control_character(bytes: &[u8]) -> bool {
    bytes.chunks(128).any(|some| some.iter().fold(u8::MAX, |least, byte| least.min(*byte)) < b' ')
}

fn push_escape(control: u8, text: &mut String) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match control {
        0x08 => "\\b",
        b'\t' => "\\t",
        b'\n' => "\\n",
        0x0c => "\\f",
        b'\r' => "\\r",
        _ => {
            text.push_str("\\u00");
            text.push(char::from(HEX[usize::from(control >> 4)]));
            text.push(char::from(HEX[usize::from(control & 15)]));
            return;
        }
    };
    text.push_str(short);
}

fn replace_escapes(text: &[u8], escapes: &[Range<usize>]) -> Vec<u8> {
    let mut repaired = text.to_vec();
    for escape in escapes {
        repaired[escape.clone()].copy_from_slice(br"\ufffd");
    }
    repaired
}
