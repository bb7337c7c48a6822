//! The addresses of mail, in the many forms that Exchange and its cmdlets write them.

/// What may stand before an address, in any case.
const SCHEMES: &[&str] = &["smtp:", "mailto:", "sip:"];

/// All addresses of a text, bare: of `a@b.example`, `"Name" <a@b.example>`, `Name [SMTP:a@b.example]`, `smtp:a@b.example`, and of lists
/// of these, separated by `;` or `,`, with or without brackets around them. What has no address, such as the name of a mailbox or
/// an address of Exchange's own (`EX:/o=…`), is left out.
pub(crate) fn addresses(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let text = text.trim();
    // Lists in brackets, as records have them, and in braces, as PowerShell writes them.
    let text = [('[', ']'), ('{', '}')]
        .into_iter()
        .find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close).filter(|inside| !inside.contains(open)))
        .unwrap_or(text);
    for entry in entries(text) {
        if let Some(address) = address(entry)
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found
}

/// The entries of a list. What separates them may also stand in the name of one, in quotation marks.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    // A quotation mark too many would make one entry of all that follows.
    let has_quotes = text.bytes().filter(|byte| *byte == b'"').count() % 2 == 0;
    let mut is_quoted = false;
    text.split(move |c: char| {
        is_quoted ^= has_quotes && c == '"';
        !is_quoted && matches!(c, ';' | ',' | '\r' | '\n')
    })
}

/// The address of one entry.
fn address(entry: &str) -> Option<String> {
    let inside = [('<', '>'), ('[', ']')].into_iter().find_map(|(open, close)| {
        let (_, rest) = entry.rsplit_once(open)?;
        rest.split_once(close).map(|(inside, _)| inside)
    });
    let mut bare = inside.unwrap_or(entry).trim().trim_matches(['"', '\'']);
    for scheme in SCHEMES {
        if let Some((start, rest)) = bare.split_at_checked(scheme.len())
            && start.eq_ignore_ascii_case(scheme)
        {
            bare = rest.trim();
        }
    }
    is_address(bare).then(|| bare.to_owned())
}

/// Whether a text is one address and nothing else.
pub(crate) fn is_address(text: &str) -> bool {
    let is_odd = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '<' | '>' | '[' | ']' | '(' | ')' | '{' | '}' | '"' | ',' | ';' | ':' | '\\')
    };
    text.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty() && !domain.is_empty() && !domain.contains('@') && !text.contains(is_odd)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bare_addresses_are_found_in_every_form() {
        for (text, expected) in [
            ("drop@evil.example", &["drop@evil.example"][..]),
            (" smtp:drop@evil.example ", &["drop@evil.example"]),
            ("SMTP:drop@evil.example", &["drop@evil.example"]),
            ("mailto:drop@evil.example", &["drop@evil.example"]),
            ("\"C E O\" <ceo@evil.example>", &["ceo@evil.example"]),
            ("C E O <ceo@evil.example>", &["ceo@evil.example"]),
            ("<ceo@evil.example>", &["ceo@evil.example"]),
            ("\"Drop Two\" [SMTP:drop2@evil.example]", &["drop2@evil.example"]),
            ("[SMTP:drop2@evil.example]", &["drop2@evil.example"]),
            ("\"Lee, Ana; HR\" <a@b.example>, c@d.example", &["a@b.example", "c@d.example"]),
            ("Lee, Ana <a@b.example>", &["a@b.example"]),
            ("a@b.example;\"Two\" [SMTP:c@d.example];a@b.example", &["a@b.example", "c@d.example"]),
            ("[a@b.example, c@d.example]", &["a@b.example", "c@d.example"]),
            ("{a@b.example, c@d.example}", &["a@b.example", "c@d.example"]),
            ("\"a@b.example\"", &["a@b.example"]),
            ("\"a@b.example; c@d.example", &["a@b.example", "c@d.example"]),
            ("Ana [EX:/o=ExchangeLabs/ou=Exchange/cn=Recipients/cn=ana]", &[]),
            ("ana", &[]),
            ("a@b@c.example", &[]),
            ("@", &[]),
            ("", &[]),
        ] {
            assert_eq!(addresses(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_found_is_an_address(text in "\\PC{0,40}|[a@.<>\\[\\]\";, :smtp]{0,40}") {
            for found in addresses(&text) {
                prop_assert!(is_address(&found), "{found}");
            }
        }
    }
}
