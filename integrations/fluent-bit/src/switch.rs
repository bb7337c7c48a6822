//! What Fluent Bit takes for yes and no.

/// The meaning of a switch, in any case: `on`, `true`, `yes` and `1`, or `off`, `false`, `no` and `0`.
///
/// Source: `flb_utils_bool` in Fluent Bit's `src/flb_utils.c` knows the words; digits are common in its examples.
pub(crate) fn switch(text: &str) -> Option<bool> {
    let is = |words: [&str; 4]| words.iter().any(|word| text.trim().eq_ignore_ascii_case(word));
    if is(["on", "true", "yes", "1"]) {
        Some(true)
    } else if is(["off", "false", "no", "0"]) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_known_in_any_case() {
        assert_eq!([switch("On"), switch("TRUE "), switch("1")], [Some(true); 3]);
        assert_eq!([switch("off"), switch("No"), switch("0")], [Some(false); 3]);
        assert_eq!([switch(""), switch("maybe")], [None; 2]);
    }
}
