//! Names of operations: how they compare, and the words in them.

/// The letters and digits of a name, in lower case, by which operations are told apart.
///
/// The same operation is `Add user.` and `Add user`, and documented as `List Column Deleted` and sent as `ListColumnDeleted`.
pub(super) fn plain(name: &str) -> String {
    name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| char::from(byte.to_ascii_lowercase())).collect()
}

/// The words of a name: `FileSyncUploadedFull`, `Add member to role.`, `New-InboxRule`, `DLPRuleMatch`.
pub(super) fn words(name: &str) -> impl DoubleEndedIterator<Item = &str> + Clone {
    name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).flat_map(camel)
}

/// The words of a part in camel case.
fn camel(part: &str) -> Camel<'_> {
    Camel { rest: part }
}

#[derive(Clone, Debug)]
struct Camel<'a> {
    rest: &'a str,
}

/// Whether a word begins at a place: a capital after a small letter, or before one.
fn begins(text: &str, at: usize) -> bool {
    let byte = |at: usize| text.as_bytes().get(at).copied();
    let (before, here, after) = (at.checked_sub(1).and_then(byte), byte(at), byte(at + 1));
    let small = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase());
    here.is_some_and(|byte| byte.is_ascii_uppercase()) && (small(before) || small(after))
}

impl<'a> Iterator for Camel<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest;
        let end = (1..text.len()).find(|at| begins(text, *at)).unwrap_or(text.len());
        let (word, rest) = text.split_at_checked(end)?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }
}

impl<'a> DoubleEndedIterator for Camel<'a> {
    fn next_back(&mut self) -> Option<&'a str> {
        let text = self.rest;
        let start = (1..text.len()).rfind(|at| begins(text, *at)).unwrap_or(0);
        let (rest, word) = text.split_at_checked(start)?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_punctuation_make_no_difference() {
        for (one, other) in [
            ("Add user.", "add USER"),
            ("List Column Deleted", "ListColumnDeleted"),
            (
                "Update application – Certificates and secrets management ",
                "Update application - Certificates and secrets management",
            ),
        ] {
            assert_eq!(plain(one), plain(other));
        }
        assert_ne!(plain("FileDeleted"), plain("FileDeletedFirstStageRecycleBin"));
    }

    #[test]
    fn names_are_cut_into_words() {
        for (name, expected) in [
            ("FileSyncUploadedFull", &["File", "Sync", "Uploaded", "Full"][..]),
            ("Add member to role.", &["Add", "member", "to", "role"]),
            ("New-InboxRule", &["New", "Inbox", "Rule"]),
            ("DLPRuleMatch", &["DLP", "Rule", "Match"]),
            ("SPOIBIsDisabled", &["SPOIB", "Is", "Disabled"]),
            ("Group_AddMember", &["Group", "Add", "Member"]),
            ("Lösche Nutzer", &["L", "sche", "Nutzer"]),
            ("MCAS_ALERT", &["MCAS", "ALERT"]),
            ("", &[]),
        ] {
            assert_eq!(words(name).collect::<Vec<_>>(), expected, "{name}");
            assert_eq!(
                words(name).rev().collect::<Vec<_>>(),
                expected.iter().rev().copied().collect::<Vec<_>>(),
                "{name}"
            );
        }
    }
}
