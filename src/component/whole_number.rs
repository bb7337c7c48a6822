//! Whole numbers that are too large for a tree.
//!
//! JSON's numbers have any number of digits, those of trees and of binary formats have 64 bits. Readers of JSON make
//! floats of whole numbers beyond that, as VRL's `parse_json` does, and a float keeps 15 to 17 digits. In an audit log
//! such a number is an identifier or a mask of rights: a changed digit makes it a different one. So it becomes text,
//! with all its digits.
//!
//! Numbers with a fraction or an exponent are measures. They stay floats, whatever digits that costs: a field that is sometimes
//! a number and sometimes text would be worse than its seventeenth digit.

use std::borrow::Cow;

/// The whole numbers that a format has room for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Integers {
    /// From -2⁶³ to 2⁶³-1.
    #[cfg_attr(
        not(any(feature = "cli", feature = "vrl")),
        expect(dead_code, reason = "what trees and some sinks have")
    )]
    Signed,
    /// From -2⁶³ to 2⁶⁴-1.
    SignedAndUnsigned,
}

/// The shortest whole number that may not fit has so many digits.
const FEWEST_DIGITS: usize = 19;

/// The JSON text `json` with quotes around all whole numbers that `integers` lacks.
pub(crate) fn quote_others(json: &str, integers: Integers) -> Cow<'_, str> {
    if !has_digits(json.as_bytes(), FEWEST_DIGITS) {
        return Cow::Borrowed(json);
    }
    let (mut quoted, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(byte) = json.as_bytes().get(at) {
        match byte {
            b'"' => at = end_of_string(json.as_bytes(), at),
            b'-' | b'0'..=b'9' => {
                let end = end_of_number(json.as_bytes(), at);
                let number = json.get(at..end).unwrap_or_default();
                if !integers.include(number) {
                    quoted.push_str(json.get(copied..at).unwrap_or_default());
                    quoted.push('"');
                    quoted.push_str(number);
                    quoted.push('"');
                    copied = end;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    quoted.push_str(json.get(copied..).unwrap_or_default());
    Cow::Owned(quoted)
}

impl Integers {
    /// Whether the JSON number `number` needs no quotes: it fits, or is not whole.
    fn include(self, number: &str) -> bool {
        number.len() < FEWEST_DIGITS
            || number.contains(['.', 'e', 'E'])
            || number.parse::<i64>().is_ok()
            || (matches!(self, Self::SignedAndUnsigned) && number.parse::<u64>().is_ok())
    }
}

/// Whether so many digits stand in a row anywhere. Most records have nowhere, and so only a byte in `count` is looked at.
fn has_digits(bytes: &[u8], count: usize) -> bool {
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut at = count - 1;
    while at < bytes.len() {
        if !is_digit(at) {
            at += count;
            continue;
        }
        let before = (0..at).rev().take_while(|at| is_digit(*at)).take(count).count();
        let from = (at..bytes.len()).take_while(|at| is_digit(*at)).take(count).count();
        if before + from >= count {
            return true;
        }
        at += from + count;
    }
    false
}

/// Where the string ends that begins at `start`.
fn end_of_string(json: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(next) = json.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += next;
        if json.get(at) == Some(&b'"') {
            return at + 1;
        }
        // An escape: whatever it is of does not end the string.
        at += 2;
    }
    json.len()
}

/// Where the number ends that begins at `start`.
fn end_of_number(json: &[u8], start: usize) -> usize {
    let rest = json.get(start..).unwrap_or_default();
    let is_part = |byte: &&u8| matches!(**byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    start + rest.iter().take_while(is_part).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_whole_numbers_beyond_the_limits_get_quotes() {
        for (number, is_signed, is_either) in [
            ("9223372036854775807", true, true),
            ("9223372036854775808", false, true),
            ("18446744073709551615", false, true),
            ("18446744073709551616", false, false),
            ("-9223372036854775808", true, true),
            ("-9223372036854775809", false, false),
            ("123456789012345678901234567890", false, false),
            ("0", true, true),
            ("-0", true, true),
            ("1e400", true, true),
            ("12345678901234567890e1", true, true),
            ("12345678901234567890E-1", true, true),
            ("12345678901234567890.5", true, true),
            ("0.12345678901234567890123", true, true),
        ] {
            for (integers, fits) in [(Integers::Signed, is_signed), (Integers::SignedAndUnsigned, is_either)] {
                for (before, after) in
                    [("", ""), (r#"{"a":"#, "}"), ("[1,", ",2]"), ("[\n ", " ]"), (r#"{"\"1":["#, "]}")]
                {
                    let json = format!("{before}{number}{after}");
                    let expected = if fits { json.clone() } else { format!("{before}\"{number}\"{after}") };
                    assert_eq!(quote_others(&json, integers), expected);
                }
            }
        }
    }

    #[test]
    fn digits_in_names_and_texts_are_left_alone() {
        for text in [
            r#"{"12345678901234567890":"12345678901234567890"}"#,
            r#"{"\\":"\\\"12345678901234567890","é":"-12345678901234567890\\"}"#,
        ] {
            assert!(matches!(quote_others(text, Integers::Signed), Cow::Borrowed(_)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn digits_in_a_row_are_found_wherever_they_are(text in "[0-9a]{0,90}", count in 1_usize..25) {
            let longest = text.split('a').map(str::len).max().unwrap_or_default();
            prop_assert_eq!(has_digits(text.as_bytes(), count), longest >= count);
        }

        #[test]
        fn a_number_without_quotes_is_the_same_whole_number(number: i128) {
            let json = number.to_string();
            let quoted = quote_others(&json, Integers::Signed);
            prop_assert_eq!(matches!(quoted, Cow::Borrowed(_)), i64::try_from(number).is_ok());
            prop_assert_eq!(quoted.trim_matches('"'), json.as_str());
        }
    }
}
