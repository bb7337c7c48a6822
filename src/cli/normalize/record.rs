//! From JSON of the input to the audit records in it: one that stands for itself, one in `AuditData`, and those that other programs
//! have put into objects, lists and strings of their own.

use std::borrow::Cow;

use bytes::Bytes;
use snafu::ResultExt;

use super::{
    beside::{self, Member},
    carriers::rank,
    elements::{Elements, Step},
    found::{AuditDataSnafu, Found, InvalidSnafu, Place, Problem},
    json::JsonReader,
    outline::{Outline, is_audit_data},
    powershell,
};
use crate::{
    collector::Record,
    component::{InvalidRecord, JsonObject, Repair},
    normalize::{RecordMembers, decode, has_flattened, is_flattened},
};

/// The most characters of a cell in Excel.
const EXCEL_CELL: usize = 32_767;

/// How deep in objects, lists and strings a record is looked for.
const DEEPEST: usize = 8;

/// A record of the input.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) record: Record,
    /// Whether objects in it have become text, because `ConvertTo-Json` did not go so deep.
    pub(super) is_flattened: bool,
}

/// What was found in a piece of input: records, and what is wrong with those that should be some. Nothing in a list without
/// elements.
type Reads = Vec<Result<Read, Problem>>;

/// Shows `found` the records in what a reader has found, or why there are none.
pub(super) fn read(text: Bytes, is_row: bool, found: &mut dyn FnMut(Result<Read, Problem>)) {
    let all = if is_row { object(text, Nest { depth: 0, is_row }) } else { value(text, 0) };
    all.into_iter().for_each(found);
}

/// Where an object stands.
#[derive(Clone, Copy, Debug)]
struct Nest {
    depth: usize,
    is_row: bool,
}

/// An object, a list of them, or the JSON of either as a string.
fn value(text: Bytes, depth: usize) -> Reads {
    match text.trim_ascii_start().first() {
        Some(b'[' | b'"') if depth >= DEEPEST => vec![Err(Problem::NoRecord)],
        Some(b'[') => list(&text, depth),
        Some(b'"') => string(&text, depth),
        _ => object(text, Nest { depth, is_row: false }),
    }
}

fn string(text: &Bytes, depth: usize) -> Reads {
    match serde_json::from_slice::<String>(text) {
        Ok(content) if holds_json(&content) => value(content.into(), depth + 1),
        // As a syslog server writes it before a message.
        Ok(content) => match within(&content) {
            Some(json) => value(json.to_owned().into(), depth + 1),
            None => vec![Err(InvalidRecord::NotAnObject { found: "a string" }).context(InvalidSnafu)],
        },
        Err(error) => vec![Err(InvalidRecord::Syntax { reason: error.to_string() }).context(InvalidSnafu)],
    }
}

fn holds_json(content: &str) -> bool {
    content.trim_ascii_start().starts_with(['{', '[', '"'])
}

/// The object in text that has something before it.
fn within(content: &str) -> Option<&str> {
    content.get(content.find("{\"")?..=content.rfind('}')?)
}

/// One bad element costs itself only.
fn list(text: &Bytes, depth: usize) -> Reads {
    let mut rest = text.trim_ascii_start().get(1..).unwrap_or_default();
    let mut elements = Elements::new(1, usize::MAX);
    let mut all = Vec::new();
    loop {
        if rest.is_empty() {
            all.extend(elements_of(elements.truncated(), depth));
            return all;
        }
        let (consumed, step) = elements.step(rest);
        rest = rest.get(consumed..).unwrap_or_default();
        match step {
            Step::More => {}
            Step::Element(found) => all.extend(elements_of(found, depth)),
            Step::End => return all,
        }
    }
}

/// The records in an element, whose place is told with what is wrong.
fn elements_of(Found { place, text, .. }: Found, depth: usize) -> Reads {
    let found = text.map_or_else(|problem| vec![Err(problem)], |text| value(text, depth + 1));
    found.into_iter().map(|read| read.map_err(|source| Problem::Within { place, source: Box::new(source) })).collect()
}

fn object(text: Bytes, nest: Nest) -> Reads {
    let bytes = text.clone();
    let (mut members, mut outline) = (RecordMembers::default(), Outline::default());
    let parsed = JsonObject::parse_repairing(text, |name, raw| {
        members.visit(name, raw);
        outline.visit(name, raw);
    });
    let (object, repair) = match parsed {
        Ok(parsed) => parsed,
        Err(InvalidRecord::Syntax { .. }) if is_as_long_as_a_cell(&bytes) => return vec![Err(Problem::CutByExcel)],
        Err(problem @ InvalidRecord::Syntax { .. }) => {
            return page(&bytes, nest.depth).unwrap_or_else(|| vec![Err(problem).context(InvalidSnafu)]);
        }
        Err(problem) => return vec![Err(problem).context(InvalidSnafu)],
    };
    if outline.has_audit_data() {
        return mended(audit_data(&object, nest), repair);
    }
    if outline.has_original() {
        let found = carried(&object, nest.depth);
        if found.iter().any(Result::is_ok) {
            return mended(found, repair);
        }
    }
    if outline.is_beside() || (nest.is_row && outline.is_record()) {
        return mended(vec![made(Vec::new(), members_of(&object, nest.is_row))], repair);
    }
    if outline.is_record() {
        let is_flattened = has_flattened(object.as_str());
        return vec![Ok(Read { record: Record { object, members, repair }, is_flattened })];
    }
    mended(carried(&object, nest.depth), repair)
}

/// The records of a page that is broken somewhere: the others are not.
fn page(text: &[u8], depth: usize) -> Option<Reads> {
    let mut reader = JsonReader::new(usize::MAX);
    let mut elements = Vec::new();
    let mut found = |found: Found| elements.push(found);
    reader.feed(text, &mut found);
    reader.finish(&mut found);
    let is_page = matches!(elements.first(), Some(Found { place: Place::Element { .. }, .. }));
    (is_page && depth < DEEPEST).then(|| elements.into_iter().flat_map(|found| elements_of(found, depth)).collect())
}

/// What was mended around a record was mended in it, for all that anybody knows.
fn mended(mut found: Reads, Repair { invalid_utf8, lone_surrogates }: Repair) -> Reads {
    for Read { record, .. } in found.iter_mut().flatten() {
        record.repair.invalid_utf8 |= invalid_utf8;
        record.repair.lone_surrogates += lone_surrogates;
    }
    found
}

/// The records in members of an object that is none itself.
fn carried(object: &JsonObject, depth: usize) -> Reads {
    if depth >= DEEPEST {
        return vec![Err(Problem::NoRecord)];
    }
    let (mut known, mut others) = (Vec::new(), Vec::new());
    object.for_each_member(|name, raw| match rank(name) {
        Some(rank) if may_hold(raw, true) => known.push((rank, raw)),
        None if may_hold(raw, false) => others.push(raw),
        _ => {}
    });
    known.sort_by_key(|(rank, _)| *rank);
    let mut is_empty_page = false;
    let mut told = None;
    for (_, raw) in known {
        let found = value(raw.to_owned().into(), depth + 1);
        if found.iter().any(Result::is_ok) {
            return found;
        }
        is_empty_page |= found.is_empty();
        told.get_or_insert(found);
    }
    // Under a name that nobody knows, only what says itself when it happened is a record.
    let has_time =
        |read: &Result<Read, Problem>| read.as_ref().is_ok_and(|read| read.record.members.creation_time.is_some());
    others
        .into_iter()
        .map(|raw| value(raw.to_owned().into(), depth + 1))
        .find(|found| found.iter().any(has_time))
        .or_else(|| is_empty_page.then(Vec::new))
        .or(told)
        .unwrap_or_else(|| vec![Err(Problem::NoRecord)])
}

/// Whether JSON text may have a record in it. Text may have something before it where texts are kept.
fn may_hold(raw: &str, keeps_text: bool) -> bool {
    match raw.as_bytes() {
        [b'{' | b'[', ..] => true,
        [b'"', ..] => decode(raw).is_some_and(|text| holds_json(&text) || (keeps_text && within(&text).is_some())),
        _ => false,
    }
}

/// The record in `AuditData`: as a string, as `Search-UnifiedAuditLog` returns it, or as an object, as Microsoft Graph does. What is
/// beside it counts where it has nothing.
fn audit_data(object: &JsonObject, nest: Nest) -> Reads {
    let mut raw = "null";
    object.for_each_member(|name, value| {
        if is_audit_data(name) {
            raw = value;
        }
    });
    let mut text = raw.trim_ascii().to_owned();
    // Also as a string in a string.
    for _ in 0..DEEPEST {
        if !text.starts_with('"') {
            break;
        }
        match serde_json::from_str::<String>(&text) {
            Ok(content) => content.trim_ascii().clone_into(&mut text),
            Err(error) => {
                let source = InvalidRecord::Syntax { reason: error.to_string() };
                return vec![Err(source).context(AuditDataSnafu)];
            }
        }
    }
    let beside = || members_of(object, nest.is_row);
    match text.bytes().next() {
        Some(b'{') => whole(text, nest.depth, beside),
        Some(b'[') if nest.depth < DEEPEST => list(&text.into(), nest.depth + 1),
        _ if text.is_empty() || text == "null" => vec![made(Vec::new(), beside())],
        _ if is_flattened(&text) => {
            let json = |text: &str| serde_json::to_string(text).unwrap_or_default();
            let within = powershell::members(&text).into_iter().map(|(name, text)| (name.to_owned(), json(text)));
            vec![made(within.collect(), beside()).map(|read| Read { is_flattened: true, ..read })]
        }
        _ if raw.starts_with('"') => {
            let source = InvalidRecord::NotAnObject { found: "not JSON" };
            vec![Err(source).context(AuditDataSnafu)]
        }
        _ => vec![Err(Problem::AuditDataKind)],
    }
}

/// The record of an object in `AuditData`, completed if need be.
fn whole(text: String, depth: usize, beside: impl FnOnce() -> Vec<Member>) -> Reads {
    let (mut members, mut outline) = (RecordMembers::default(), Outline::default());
    let may_be_cut = is_as_long_as_a_cell(text.as_bytes());
    let parsed = JsonObject::parse_repairing(text.into(), |name, raw| {
        members.visit(name, raw);
        outline.visit(name, raw);
    });
    vec![match parsed {
        Ok((object, repair)) if outline.is_complete() => {
            let is_flattened = has_flattened(object.as_str());
            Ok(Read { record: Record { object, members, repair }, is_flattened })
        }
        Ok((object, repair)) if outline.has_audit_data() && depth < DEEPEST => {
            return mended(audit_data(&object, Nest { depth: depth + 1, is_row: false }), repair);
        }
        Ok((object, repair)) => {
            if !outline.is_record() {
                let found = carried(&object, depth);
                if found.iter().any(Result::is_ok) {
                    return mended(found, repair);
                }
            }
            let read = made(members_of(&object, false), beside());
            read.map(|read| Read { record: Record { repair, ..read.record }, ..read })
        }
        Err(InvalidRecord::Syntax { .. }) if may_be_cut => Err(Problem::CutByExcel),
        Err(problem) => Err(problem).context(AuditDataSnafu),
    }]
}

/// The members of an object. Of a row, where everything is text, what is JSON is taken as that.
fn members_of(object: &JsonObject, is_row: bool) -> Vec<Member> {
    let mut members = Vec::new();
    object.for_each_member(|name, raw| {
        let json =
            if is_row { decode(raw).filter(|text| text.trim_ascii_start().starts_with(['{', '['])) } else { None };
        let json = json.filter(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
        members.push((name.to_owned(), json.map_or_else(|| raw.to_owned(), Cow::into_owned)));
    });
    members
}

/// A record of what is in `AuditData` and beside it.
fn made(within: Vec<Member>, beside: Vec<Member>) -> Result<Read, Problem> {
    let (mut members, mut outline) = (RecordMembers::default(), Outline::default());
    let parsed = JsonObject::parse_repairing(beside::record(within, beside).into(), |name, raw| {
        members.visit(name, raw);
        outline.visit(name, raw);
    });
    let (object, repair) = parsed.context(InvalidSnafu)?;
    if !outline.is_record() {
        return Err(Problem::AuditDataEmpty);
    }
    let is_flattened = has_flattened(object.as_str());
    Ok(Read { record: Record { object, members, repair }, is_flattened })
}

/// In UTF-16 units, of which each takes one to three bytes.
fn is_as_long_as_a_cell(text: &[u8]) -> bool {
    (EXCEL_CELL..=3 * EXCEL_CELL).contains(&text.len())
        && String::from_utf8_lossy(text).encode_utf16().count() == EXCEL_CELL
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
