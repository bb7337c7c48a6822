//! Texts that stand for a missing value. As a value they would join unrelated records: every record without an actor
//! would have the same one.

/// What workloads and exporting programs write where they have no name, id or address. In any case.
const PLACEHOLDERS: &[&str] = &[
    "-",
    "--",
    "?",
    "(null)",
    "<null>",
    "<none>",
    "<unknown>",
    "[null]",
    "null",
    "nil",
    "none",
    "n/a",
    "na",
    "n.a.",
    "not available",
    "notavailable",
    "not applicable",
    "notapplicable",
    "not set",
    "notset",
    "undefined",
    "\"undefined\"",
    "unknown",
    "unspecified",
    "unavailable",
    "empty",
];

/// The longest of them, and some blanks.
const LONGEST: usize = 24;

/// Whether a name, id or address says that there is none: blanks, a word for it, an id of zeros.
pub(crate) fn is_placeholder(text: &str) -> bool {
    let text = text.trim();
    if text.is_empty() || is_zero_id(text) {
        return true;
    }
    text.len() <= LONGEST && PLACEHOLDERS.iter().any(|known| known.eq_ignore_ascii_case(text))
}

/// `00000000-0000-0000-0000-000000000000`, with braces or without.
fn is_zero_id(text: &str) -> bool {
    let bare = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
    (bare.len() == 36 || bare.len() == 32) && bare.bytes().all(|byte| byte == b'0' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_ids_for_nothing() {
        for text in [
            "",
            "  ",
            "Unknown",
            " NOT AVAILABLE ",
            "N/A",
            "-",
            "None",
            "<null>",
            "00000000-0000-0000-0000-000000000000",
            "{00000000-0000-0000-0000-000000000000}",
            "00000000000000000000000000000000",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in
            ["Naomi", "unknown@contoso.com", "00000000-0000-0000-0000-000000000001", "0", "Nobody", "app@sharepoint"]
        {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
