//! Microsoft's own spelling of the names of members. Some of what exports and forwards records changes the case of letters:
//! `creationtime`, `CREATIONTIME`, `creationTime`.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    ops::Range,
    sync::LazyLock,
};

use super::{
    json::{decode, write_string},
    redact::{Token, Tokens},
};
use crate::component::JsonObject;

/// Names of members of audit records and of what is in them (the Office 365 Management Activity API schema, and records).
/// Where Microsoft has several spellings, the first is the most common one.
const NAMES: &str = include_str!("member_names.txt");

/// Names that have another spelling within a member, whose name stands before them.
const WITHIN: [(&str, &str); 5] = [
    ("Actor", "ID"),
    ("Target", "ID"),
    ("Members", "UPN"),
    ("AttachmentData", "SHA256"),
    ("ExchangeMetaData", "MessageID"),
];

/// If one of these is not spelt as Microsoft does, a program has changed the case of the record's names.
const OF_ALL_RECORDS: [&str; 3] = ["CreationTime", "Id", "Operation"];

static KNOWN: LazyLock<HashSet<&'static str>> = LazyLock::new(|| NAMES.split_whitespace().collect());

static SPELLINGS: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    // Of those that differ in case only, the first stays.
    NAMES.split_whitespace().rev().map(|name| (name.to_ascii_lowercase(), name)).collect()
});

/// Whether Microsoft spells a member so.
pub(crate) fn is_known(name: &str) -> bool {
    KNOWN.contains(name)
}

/// Microsoft's most common spelling of a name, if it is another. Where all letters may have changed, a spelling that
/// Microsoft has elsewhere is not reliable: `SHA256` in capitals may have been `Sha256`.
fn spelling(name: &str) -> Option<&'static str> {
    SPELLINGS.get(&name.to_ascii_lowercase()).copied().filter(|known| *known != name)
}

/// A record in Microsoft's spelling, if something has changed the case of its members' names: at the top, where an exact match
/// wins over another case, and within. `None` if nothing has, which a look at a few names shows.
pub(super) fn respell(record: &JsonObject) -> Option<JsonObject> {
    if has_all(record) {
        return None;
    }
    let mut names = HashSet::new();
    record.for_each_member(|name, _| {
        names.insert(name.to_owned());
    });
    let is_changed = |name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    if !OF_ALL_RECORDS.iter().any(|name| !names.contains(*name) && is_changed(name)) {
        return None;
    }
    JsonObject::written(rewrite(record.as_str())).ok()
}

/// Whether a record has the members that all records have, in Microsoft's spelling. Mostly they are its first ones.
fn has_all(record: &JsonObject) -> bool {
    let mut missing = OF_ALL_RECORDS.len();
    let mut is_last_missing = |name: &str| {
        missing = missing.saturating_sub(usize::from(OF_ALL_RECORDS.contains(&name)));
        missing == 0
    };
    if let Some(mut members) = record.members() {
        return members.any(|(name, _)| is_last_missing(name));
    }
    let mut has_all = false;
    record.for_each_member(|name, _| has_all |= is_last_missing(name));
    has_all
}

fn rewrite(text: &str) -> Vec<u8> {
    let mut names = names(text);
    let mut out = Vec::with_capacity(text.len());
    let (mut copied, mut member) = (0, String::new());
    for (name, span, container) in Names::new(text) {
        let is_at_top = container == 0;
        if is_at_top {
            name.as_ref().clone_into(&mut member);
        }
        let new = if is_at_top { at_top(&name) } else { within(&member, &name) };
        // What is there in both spellings stays in both.
        let taken = names.get_mut(container);
        if let (Some(new), Some(taken)) = (new, taken)
            && taken.insert(new.to_owned())
        {
            out.extend_from_slice(text.get(copied..span.start).unwrap_or_default().as_bytes());
            write_string(new, &mut out);
            copied = span.end;
        }
    }
    out.extend_from_slice(text.get(copied..).unwrap_or_default().as_bytes());
    out
}

/// The spelling of a member of a record, if it is another.
fn at_top(name: &str) -> Option<&'static str> {
    let of_all = OF_ALL_RECORDS.into_iter().find(|known| known.eq_ignore_ascii_case(name));
    of_all.filter(|known| *known != name).or_else(|| spelling(name))
}

/// The spelling of a name somewhere within a member of a record, if it is another.
fn within(member: &str, name: &str) -> Option<&'static str> {
    let own = WITHIN
        .into_iter()
        .find(|(known, of_it)| known.eq_ignore_ascii_case(member) && of_it.eq_ignore_ascii_case(name));
    match own {
        Some((_, known)) => (known != name).then_some(known),
        None => spelling(name),
    }
}

/// The names in each object of a record, by the order in which objects and arrays begin.
fn names(text: &str) -> Vec<HashSet<String>> {
    let mut names: Vec<HashSet<String>> = Vec::new();
    for (name, _, container) in Names::new(text) {
        if names.len() <= container {
            names.resize_with(container + 1, HashSet::new);
        }
        if let Some(known) = names.get_mut(container) {
            known.insert(name.into_owned());
        }
    }
    names
}

/// The names in valid JSON text, where each is, and in which object, counted with the arrays in the order in which they begin.
struct Names<'a> {
    tokens: Tokens<'a>,
    open: Vec<usize>,
    containers: usize,
}

impl<'a> Names<'a> {
    const fn new(text: &'a str) -> Self {
        Self { tokens: Tokens::new(text), open: Vec::new(), containers: 0 }
    }
}

impl<'a> Iterator for Names<'a> {
    type Item = (Cow<'a, str>, Range<usize>, usize);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.tokens.next()? {
                (Token::Open, _) => {
                    self.open.push(self.containers);
                    self.containers += 1;
                }
                (Token::Close, _) => drop(self.open.pop()),
                (Token::Name(raw), span) => {
                    if let (Some(name), Some(container)) = (decode(raw), self.open.last()) {
                        return Some((name, span, *container));
                    }
                }
                (Token::String(_) | Token::Number | Token::Literal, _) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::{NormalizeOptions, Normalizer, Origin, RecordMembers, Schema};

    fn respelt(text: &'static str) -> Option<String> {
        respell(&JsonObject::parse(text.into()).unwrap()).map(|record| record.as_str().to_owned())
    }

    #[test]
    fn names_are_words_and_each_is_there_once() {
        let names: Vec<&str> = NAMES.split_whitespace().collect();
        assert!(names.len() > 500 && names.len() == KNOWN.len());
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric())));
        assert!(OF_ALL_RECORDS.iter().all(|name| is_known(name)));
        assert!(WITHIN.iter().all(|(member, name)| is_known(member) && is_known(name)));
    }

    #[test]
    fn a_record_in_another_case_gets_the_spelling_of_microsoft_at_all_depths() {
        assert_eq!(
            respelt(
                r#"{"creationtime":"t","id":1,"operation":"o","clientip":"c","my own":{"name":2},"actor":[{"id":"a","type":5}],"item":{"ID":3,"id":"b"},"new":[]}"#
            )
            .as_deref(),
            Some(
                r#"{"CreationTime":"t","Id":1,"Operation":"o","ClientIP":"c","my own":{"Name":2},"Actor":[{"ID":"a","Type":5}],"Item":{"Id":3,"id":"b"},"new":[]}"#
            )
        );
        assert_eq!(respelt(r#"{"CreationTime":"t","ID":1}"#).as_deref(), Some(r#"{"CreationTime":"t","Id":1}"#));
        let one = r#"{"CREATIONTIME" : "t", "Operation":"o","\u0069d":"x", "id":"y"}"#;
        assert_eq!(respelt(one).as_deref(), Some(r#"{"CreationTime" : "t", "Operation":"o","Id":"x", "id":"y"}"#));
    }

    #[test]
    fn an_exact_name_wins_and_what_is_spelt_well_stays() {
        for text in [
            r#"{"CreationTime":"t","Id":"i","Operation":"o","id":1,"clientip":"c"}"#,
            r#"{"Id":"i","Operation":"o","senderip":1}"#,
            r#"{"clientip":"c"}"#,
            "{}",
        ] {
            assert_eq!(respelt(text), None, "{text}");
        }
        assert_eq!(
            respelt(r#"{"creationtime":"t","id":"i","Id":"j","operation":"o","SenderIP":1,"senderip":2}"#).as_deref(),
            Some(r#"{"CreationTime":"t","id":"i","Id":"j","Operation":"o","SenderIp":1,"senderip":2}"#)
        );
    }

    /// A record with the names that Microsoft spells in one way only in another case, at all depths.
    fn recased(text: &str, change: fn(&str) -> String) -> String {
        let (mut out, mut copied) = (String::new(), 0);
        for (token, span) in Tokens::new(text) {
            if let Token::Name(raw) = token
                && let Some(name) = decode(raw)
                && SPELLINGS.get(&name.to_ascii_lowercase()).is_some_and(|known| *known == name)
            {
                out.push_str(&text[copied..span.start]);
                out += &serde_json::json!(change(&name)).to_string();
                copied = span.end;
            }
        }
        out + &text[copied..]
    }

    /// The samples of a family of workloads.
    fn samples(family: &str) -> Vec<String> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/records/{family}.json"));
        let text = std::fs::read_to_string(path).unwrap();
        let records: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(&text).unwrap();
        records.into_iter().map(|record| record.get().to_owned()).collect()
    }

    #[test]
    fn samples_in_another_case_give_the_same_events() {
        let first_small = |name: &str| name[..1].to_ascii_lowercase() + &name[1..];
        for family in ["copilot", "dlp", "entra", "exchange", "other", "security", "sharepoint", "teams", "viva_engage"]
        {
            for sample in samples(family) {
                for schema in [Schema::Ecs, Schema::Ocsf] {
                    let options = NormalizeOptions { user_agents: false, ..NormalizeOptions::new(schema) };
                    let normalizer = Normalizer::new(options);
                    let event = |text: String| -> serde_json::Value {
                        let record = JsonObject::parse(text.into()).unwrap();
                        let now = chrono::DateTime::UNIX_EPOCH;
                        let made = normalizer.event(record, &RecordMembers::default(), &Origin::outside(None), now);
                        serde_json::from_str(&made.event.to_json()).unwrap()
                    };
                    // Microsoft itself spells some names in two ways.
                    let expected = event(String::from_utf8(rewrite(&sample)).unwrap());
                    for change in [str::to_ascii_lowercase, str::to_ascii_uppercase, first_small] {
                        let changed = recased(&sample, change);
                        assert_ne!(changed, sample);
                        assert_eq!(event(changed.clone()), expected, "{changed}");
                    }
                }
            }
        }
    }
}
