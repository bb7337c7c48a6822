//! Text in UTF-8 or UTF-16, as UTF-8. Windows PowerShell and Excel write UTF-16 with a byte order mark.

use std::{borrow::Cow, mem};

/// Turns input into UTF-8 piece by piece. Input that is neither UTF-8 nor UTF-16 passes as it is.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    encoding: Encoding,
    /// Bytes that mean something only with those that follow.
    held: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Encoding {
    /// Two bytes are enough.
    #[default]
    Unknown,
    Utf8,
    Utf16 {
        big_endian: bool,
    },
}

impl Decoder {
    /// The next piece in UTF-8. A byte order mark stays, as U+FEFF.
    pub(super) fn decode<'a>(&mut self, piece: &'a [u8]) -> Cow<'a, [u8]> {
        let piece = if self.held.is_empty() {
            Cow::Borrowed(piece)
        } else {
            let mut whole = mem::take(&mut self.held);
            whole.extend_from_slice(piece);
            Cow::Owned(whole)
        };
        if self.encoding == Encoding::Unknown {
            let Some(encoding) = recognise(&piece) else {
                self.held = piece.into_owned();
                return Cow::Borrowed(&[]);
            };
            self.encoding = encoding;
        }
        match self.encoding {
            Encoding::Unknown | Encoding::Utf8 => piece,
            Encoding::Utf16 { big_endian } => Cow::Owned(self.utf16(&piece, big_endian)),
        }
    }

    /// What is left at the end of the input.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let held = mem::take(&mut self.held);
        match self.encoding {
            Encoding::Utf16 { .. } if !held.is_empty() => "\u{fffd}".as_bytes().to_vec(),
            _ => held,
        }
    }

    fn utf16(&mut self, piece: &[u8], big_endian: bool) -> Vec<u8> {
        let (pairs, odd) = piece.as_chunks::<2>();
        let read = if big_endian { u16::from_be_bytes } else { u16::from_le_bytes };
        let mut units: Vec<u16> = pairs.iter().map(|pair| read(*pair)).collect();
        if units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
            // The first half of a character.
            units.pop();
            self.held.extend_from_slice(pairs.last().map_or(&[], |pair| pair.as_slice()));
        }
        self.held.extend_from_slice(odd);
        String::from_utf16_lossy(&units).into_bytes()
    }
}

/// By the byte order mark, or by where the zero byte of the first ASCII character stands; `None` if there are too few bytes.
fn recognise(head: &[u8]) -> Option<Encoding> {
    Some(match head {
        [] | [_] => return None,
        [0xff, 0xfe, ..] | [1..=0xff, 0, ..] => Encoding::Utf16 { big_endian: false },
        [0xfe, 0xff, ..] | [0, 1..=0xff, ..] => Encoding::Utf16 { big_endian: true },
        _ => Encoding::Utf8,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(input: &[u8], cut: usize) -> Vec<u8> {
        let mut decoder = Decoder::default();
        let mut found = Vec::new();
        for piece in input.chunks(cut) {
            found.extend_from_slice(&decoder.decode(piece));
        }
        found.extend_from_slice(&decoder.finish());
        found
    }

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn utf_16_is_known_by_its_mark_or_by_its_zeros() {
        for text in ["\u{feff}{\"ä\":\"😀\"}", "[1]"] {
            for cut in [1, 2, 3, 5, 100] {
                assert_eq!(decode(&utf16(text, u16::to_le_bytes), cut), text.as_bytes());
                assert_eq!(decode(&utf16(text, u16::to_be_bytes), cut), text.as_bytes());
                assert_eq!(decode(text.as_bytes(), cut), text.as_bytes());
            }
        }
    }

    #[test]
    fn half_a_character_is_replaced_and_other_bytes_pass() {
        let mut cut_off = utf16("\u{feff}a😀", u16::to_le_bytes);
        cut_off.truncate(7);
        assert_eq!(decode(&cut_off, 100), "\u{feff}a\u{fffd}".as_bytes());
        for bytes in [b"".as_slice(), b"{", b"\xe9t\xe9", b"\xff\xff"] {
            assert_eq!(decode(bytes, 1), bytes);
        }
    }

    proptest! {
        #[test]
        fn cutting_changes_nothing(input in prop::collection::vec(prop::sample::select(
            b"\xff\xfe\x00\xd8\xdca{".to_vec()), 0..24), cut in 1..6usize) {
            prop_assert_eq!(decode(&input, cut), decode(&input, usize::MAX));
        }
    }
}
