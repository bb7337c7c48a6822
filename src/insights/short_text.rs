//! Texts of events, cut to a length that is bounded.

use crate::printable::printable;

/// The most bytes of a text.
pub(super) const LONGEST: usize = 128;

/// Stands for what was left out.
const GAP: &str = "…";

/// A text for a page: on one line, without characters that hide or reorder others, and of at most [`LONGEST`] bytes. A longer one
/// loses its middle: the beginning of an address names the site, its end the file.
pub(super) fn short(text: &str) -> String {
    // Four bytes a character at most, and no more characters than bytes: what is cut here would not be shown anyway.
    let head = printable(text, LONGEST);
    if head.len() <= LONGEST && head.chars().count() < LONGEST {
        return head;
    }
    // The end has to be seen, too; of a text of megabytes only that.
    let tail_start = ceil_boundary(text, text.len().saturating_sub(4 * LONGEST));
    let tail = printable(&text[tail_start..], 4 * LONGEST);
    let room = LONGEST - GAP.len();
    let (first, last) = (floor_boundary(&head, room / 2), ceil_boundary(&tail, tail.len().saturating_sub(room / 2)));
    if tail_start == 0 && tail.len() <= LONGEST {
        return tail;
    }
    format!("{}{GAP}{}", &head[..first], &tail[last..])
}

fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

fn ceil_boundary(text: &str, at: usize) -> usize {
    (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn beginning_and_end_stay() {
        assert_eq!(short("a\u{202e}b\n c"), "ab c");
        let url = format!("https://contoso.sharepoint.com/{}/Budget.xlsx", "x/".repeat(1_000_000));
        let cut = short(&url);
        assert!(cut.starts_with("https://contoso.sharepoint.com/") && cut.ends_with("/Budget.xlsx"), "{cut}");
        for length in 120..140 {
            let text = "y".repeat(length);
            assert_eq!(short(&text) == text, length <= LONGEST, "{length}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_long(text in "\\PC{0,400}") {
            prop_assert!(short(&text).len() <= LONGEST);
        }
    }
}
