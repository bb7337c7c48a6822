//! Untrusted texts, cleaned for a log line.

/// At most `most` characters of a text: white space and control characters become single blanks, and characters that hide
/// or reorder others are left out. The result is not escaped for HTML.
pub fn printable(text: &str, most: usize) -> String {
    let mut out = String::new();
    let (mut length, mut gap) = (0, false);
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            gap = length > 0;
            continue;
        }
        if is_invisible(c) {
            continue;
        }
        if length + usize::from(gap) >= most {
            break;
        }
        if gap {
            out.push(' ');
        }
        out.push(c);
        length += 1 + usize::from(gap);
        gap = false;
    }
    out
}

/// Whether a text can be shown as it is.
pub fn is_printable(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() || is_invisible(c))
}

/// Whether a terminal shows nothing for it, or shows what follows in another order.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_seen_is_left_out() {
        for (text, expected) in [
            ("AADSTS65004: declined.\r\n\r\nTrace ID: 1", "AADSTS65004: declined. Trace ID: 1"),
            (" \u{1b}[31mred\0\u{202e}der\u{200b} ", "[31mred der"),
            ("ü 日本", "ü 日本"),
            ("", ""),
        ] {
            assert_eq!(printable(text, 100), expected);
        }
        assert_eq!(printable("a b c", 2), "a");
        assert_eq!(printable("a b c", 3), "a b");
    }

    proptest! {
        #[test]
        fn texts_are_short_and_on_one_line(text in any::<String>(), most in 0_usize..50) {
            let shown = printable(&text, most);
            prop_assert!(shown.chars().count() <= most && is_printable(&shown));
            prop_assert_eq!(printable(&shown, most), shown);
        }
    }
}
