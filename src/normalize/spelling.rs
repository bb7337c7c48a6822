//! Microsoft's own spelling of the names of members. Some of what exports and forwards records changes the case of letters:
//! `creationtime`, `CREATIONTIME`, `creationTime`.

use std::{
    collections::{HashMap, HashSet},
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

/// Members in which all names have a spelling of their own: the identities of Entra's records.
const IDENTITIES: [&str; 2] = ["Actor", "Target"];

/// A record in which one of these is not spelt as Microsoft does has come through something that changes letters.
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

/// Microsoft's spelling of a name that is none itself.
fn spelling(name: &str) -> Option<&'static str> {
    if is_known(name) { None } else { SPELLINGS.get(&name.to_ascii_lowercase()).copied() }
}

/// A record in Microsoft's spelling, if something has changed the case of its members' names: at the top, where an exact match
/// wins over another case, and within. `None` if nothing has, which a look at a few names tells.
pub(super) fn respell(record: &JsonObject) -> Option<JsonObject> {
    let mut missing = OF_ALL_RECORDS.len();
    record.for_each_member(|name, _| missing = missing.saturating_sub(usize::from(OF_ALL_RECORDS.contains(&name))));
    if missing == 0 {
        return None;
    }
    let mut names: HashSet<String> = HashSet::new();
    record.for_each_member(|name, _| {
        names.insert(name.to_owned());
    });
    let is_changed = |name: &str| names.iter().any(|known| known != name && known.eq_ignore_ascii_case(name));
    if !OF_ALL_RECORDS.iter().any(|name| !names.contains(*name) && is_changed(name)) {
        return None;
    }
    // What has come through that and is written twice keeps both.
    let mut at_top = |name: &str| {
        let of_all = OF_ALL_RECORDS.into_iter().find(|known| known.eq_ignore_ascii_case(name));
        let new = of_all.or_else(|| spelling(name)).filter(|new| !names.contains(*new))?;
        names.insert(new.to_owned());
        Some(new)
    };
    JsonObject::written(rewrite(record.as_str(), &mut at_top)).ok()
}

fn rewrite(text: &str, at_top: &mut dyn FnMut(&str) -> Option<&'static str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let (mut copied, mut depth, mut in_identities) = (0, 0_usize, false);
    for (token, span) in Tokens::new(text) {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Name(raw) => {
                let Some(name) = decode(raw) else { continue };
                let new = if depth == 1 {
                    in_identities = IDENTITIES.iter().any(|known| known.eq_ignore_ascii_case(&name));
                    at_top(&name)
                } else if in_identities && name.eq_ignore_ascii_case("ID") {
                    Some("ID")
                } else {
                    spelling(&name)
                };
                if let Some(new) = new {
                    out.extend_from_slice(text.get(copied..span.start).unwrap_or_default().as_bytes());
                    write_string(new, &mut out);
                    copied = span.end;
                }
            }
            Token::String(_) | Token::Number | Token::Literal => {}
        }
    }
    out.extend_from_slice(text.get(copied..).unwrap_or_default().as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn respelt(text: &'static str) -> Option<String> {
        respell(&JsonObject::parse(text.into()).unwrap()).map(|record| record.as_str().to_owned())
    }

    #[test]
    fn names_are_words_and_each_is_there_once() {
        let names: Vec<&str> = NAMES.split_whitespace().collect();
        assert!(names.len() > 500 && names.len() == KNOWN.len());
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric())));
        assert!(OF_ALL_RECORDS.iter().chain(&IDENTITIES).all(|name| is_known(name)));
    }

    #[test]
    fn a_record_in_another_case_gets_the_spelling_of_microsoft_at_all_depths() {
        assert_eq!(
            respelt(
                r#"{"creationtime":"t","id":1,"operation":"o","clientip":"c","my own":{"name":2},"actor":[{"id":"a","type":5}],"item":{"ID":3,"id":"b"},"new":[]}"#
            )
            .as_deref(),
            Some(
                r#"{"CreationTime":"t","Id":1,"Operation":"o","ClientIP":"c","my own":{"Name":2},"Actor":[{"ID":"a","Type":5}],"Item":{"ID":3,"Id":"b"},"new":[]}"#
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
            Some(r#"{"CreationTime":"t","id":"i","Id":"j","Operation":"o","SenderIP":1,"SenderIp":2}"#)
        );
    }
}
