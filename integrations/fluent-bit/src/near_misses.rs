//! Misspelt properties. Fluent Bit accepts any name and cannot list those it was given, so that the only way to find a slip
//! is to ask for what slips make of the names there are.

use std::collections::{BTreeMap, BTreeSet};

use crate::properties::{ALL, Key};

/// Names that the user wrote instead of ones there are: what is there, and what was probably meant.
pub(crate) fn near_misses(is_given: impl Fn(&str) -> bool) -> Vec<(String, &'static str)> {
    let known: BTreeSet<_> = ALL.iter().map(|property| property.name).collect();
    let mut slips = BTreeMap::new();
    for property in ALL {
        for slip in slips_of(property.name).chain(other_spellings(property.key)) {
            if !known.contains(slip.as_str()) {
                slips.entry(slip).or_insert(property.name);
            }
        }
    }
    for (slip, meant) in SYNONYMS {
        slips.insert((*slip).to_owned(), meant);
    }
    slips.into_iter().filter(|(slip, _)| is_given(slip)).collect()
}

/// Words that others use.
const SYNONYMS: &[(&str, &str)] = &[
    ("tenant", "tenant_id"),
    ("directory_id", "tenant_id"),
    ("application_id", "client_id"),
    ("app_id", "client_id"),
    ("secret", "client_secret"),
    ("interval", "poll_interval_secs"),
    ("poll_interval", "poll_interval_secs"),
    ("domain", "tenant_domain"),
    ("format", "schema"),
    ("path", "data_dir"),
    ("db", "data_dir"),
    ("config", "config_file"),
    ("batch_size", "chunk_bytes"),
];

/// What one slip of the fingers makes of a name: a letter left out, doubled, wrong or too many, two letters swapped; and the
/// name without its underscores, or with other signs in their place.
fn slips_of(name: &str) -> impl Iterator<Item = String> {
    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz_-.";
    let letters: Vec<char> = name.chars().collect();
    let mut slips = Vec::new();
    for at in 0..=letters.len() {
        let (before, after) = letters.split_at(at);
        let text = |middle: &[char], after: &[char]| before.iter().chain(middle).chain(after).collect::<String>();
        slips.extend(LETTERS.chars().map(|letter| text(&[letter], after)));
        if let Some((left, rest)) = after.split_first() {
            slips.push(text(&[], rest));
            slips.extend(LETTERS.chars().map(|letter| text(&[letter], rest)));
            if let Some((right, rest)) = rest.split_first() {
                slips.push(text(&[*right, *left], rest));
            }
        }
    }
    slips.extend(["", "-", ".", " "].map(|sign| name.replace('_', sign)));
    slips.into_iter().filter(move |slip| !slip.is_empty())
}

/// The key as the source's own file has it, in the ways in which it may be carried over.
fn other_spellings(key: Key) -> impl Iterator<Item = String> {
    let key = match key {
        Key::Source(key) | Key::Top(key) => Some(key),
        Key::Plugin => None,
    };
    let dotted = key.filter(|key| key.contains('.'));
    dotted.into_iter().flat_map(|key| [key.to_owned(), key.replace('.', "_")])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(given: &[&str]) -> Vec<(String, &'static str)> {
        near_misses(|name| given.iter().any(|given| given.eq_ignore_ascii_case(name)))
    }

    #[test]
    fn slips_are_found() {
        for (slip, meant) in [
            ("tennant_id", "tenant_id"),
            ("tenantid", "tenant_id"),
            ("ClientId", "client_id"),
            ("client-secret", "client_secret"),
            ("client_secert", "client_secret"),
            ("content_type", "content_types"),
            ("datadir", "data_dir"),
            ("auth.client_id", "client_id"),
            ("poll.interval_secs", "poll_interval_secs"),
            ("webhook.tls.crt_file", "webhook_crt_file"),
            ("webhook_tls_crt_file", "webhook_crt_file"),
            ("secret", "client_secret"),
            ("endpiont", "endpoint"),
        ] {
            assert_eq!(found(&[slip]), [(slip.to_lowercase(), meant)]);
        }
    }

    #[test]
    fn names_there_are_and_fluent_bit_s_own_are_no_slips() {
        let known: Vec<_> = ALL.iter().map(|property| property.name).collect();
        assert_eq!(found(&known), []);
        assert_eq!(
            found(&[
                "name",
                "tag",
                "alias",
                "host",
                "port",
                "listen",
                "log_level",
                "mem_buf_limit",
                "storage.type",
                "threaded",
                "tls",
                "rate_gate",
                "routable",
                "match"
            ]),
            []
        );
    }
}
