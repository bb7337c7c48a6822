//! Texts of others that may repeat what we sent.

use std::borrow::Cow;

/// Shorter words that begin like a token are not tokens.
const SHORTEST: usize = 20;

/// The text without what looks like an access token. Gateways and debugging proxies show the request they refuse, headers
/// and all, and an error's text ends up in logs and in the ledger.
pub fn without_tokens(text: &str) -> Cow<'_, str> {
    if !text.contains("eyJ") && !text.as_bytes().windows(7).any(|word| word.eq_ignore_ascii_case(b"bearer ")) {
        return Cow::Borrowed(text);
    }
    let is_token_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '~' | '+' | '/' | '=');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_bearer = false;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| !is_token_char(c)).unwrap_or(rest.len());
        if end == 0 {
            out.push(first);
            after_bearer &= first == ' ';
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (word, tail) = rest.split_at(end);
        // Entra's tokens are JSON web tokens; the API takes no other so far.
        let hidden = match word.find("eyJ").filter(|at| word.len() - at >= SHORTEST) {
            _ if after_bearer && word.len() >= SHORTEST => Some(0),
            jwt => jwt,
        };
        match hidden {
            Some(at) => out.extend([&word[..at], "[redacted]"]),
            None => out.push_str(word),
        }
        after_bearer = word.to_ascii_lowercase().ends_with("bearer");
        rest = tail;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_are_hidden_and_nothing_else() {
        let jwt = format!("eyJ0eXAiOiJKV1QifQ.eyJhdWQiOiJ4In0.{}", "s-_1".repeat(20));
        for (text, expected) in [
            (format!("Authorization: Bearer {jwt}, Host: x"), "Authorization: Bearer [redacted], Host: x".to_owned()),
            (format!("token={jwt}"), "token=[redacted]".into()),
            ("bearer  opaque-token-of-some-length".into(), "bearer  [redacted]".into()),
            (format!("\"{jwt}\""), "\"[redacted]\"".into()),
            ("the bearer of this message".into(), "the bearer of this message".into()),
            ("AF50000: ü eyJ".into(), "AF50000: ü eyJ".into()),
            (String::new(), String::new()),
        ] {
            assert_eq!(without_tokens(&text), expected);
        }
    }

    proptest! {
        #[test]
        fn texts_without_tokens_stay_as_they_are(text in "\\PC{0,60}") {
            prop_assume!(!text.contains("eyJ") && !text.to_lowercase().contains("bearer"));
            prop_assert_eq!(without_tokens(&text), text.as_str());
        }
    }
}
