//! From JSON of the input to the audit records in it: a record by itself, one in `AuditData`, and those that other
//! programs have put into objects, lists and strings of their own.

use std::borrow::Cow;

use bytes::Bytes;
use snafu::ResultExt;

use super::{
    audit_data::{audit_data, made, members_of},
    elements::{Elements, Step},
    found::{Found, InvalidSnafu, Place, Problem},
    json::JsonReader,
    outline::Outline,
    wrapped::{object_within, wrapped},
};
use crate::{
    collector::Record,
    component::{InvalidRecord, JsonObject, Repair, repair_text},
    normalize::{RecordMembers, has_flattened},
};

/// The most characters of a cell in Excel.
const EXCEL_CELL: usize = 32_767;

/// How deep in objects, lists and strings a record is looked for.
pub(super) const DEEPEST: usize = 8;

/// A record of the input.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) record: Record,
    /// Whether objects in it have become text, because `ConvertTo-Json` did not go so deep.
    pub(super) is_flattened: bool,
}

/// What was found in a piece of input: records, and what is wrong with those that should be some. Nothing in a list without
/// elements.
pub(super) type Reads = Vec<Result<Read, Problem>>;

/// Shows `found` the records in what a reader has found, or why there are no records.
pub(super) fn read(text: Bytes, is_row: bool, found: &mut dyn FnMut(Result<Read, Problem>)) {
    let all = if is_row { object(text, Nest { depth: 0, is_row }) } else { value(text, 0) };
    all.into_iter().for_each(found);
}

/// Where an object stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nest {
    pub(super) depth: usize,
    /// Whether it was made of a row of a table.
    pub(super) is_row: bool,
}

/// An object, a list of them, or the JSON of either as a string.
pub(super) fn value(text: Bytes, depth: usize) -> Reads {
    match text.trim_ascii_start().first() {
        Some(b'[' | b'"') if depth >= DEEPEST => vec![Err(Problem::NoRecord)],
        Some(b'[') => list(&text, depth),
        Some(b'"') => string(&text, depth),
        _ => object(text, Nest { depth, is_row: false }),
    }
}

fn string(text: &Bytes, depth: usize) -> Reads {
    let decoded = String::from_utf8_lossy(text);
    let (whole, repair) = repair_text(&decoded);
    let repair = repair.and(Repair { invalid_utf8: matches!(decoded, Cow::Owned(_)), ..Repair::default() });
    let found = match serde_json::from_str::<String>(&whole) {
        Ok(content) if holds_json(&content) => value(content.into(), depth + 1),
        // As a syslog server writes it before a message.
        Ok(content) => match object_within(&content) {
            Some(json) => value(json.to_owned().into(), depth + 1),
            None => vec![Err(InvalidRecord::NotAnObject { found: "a string" }).context(InvalidSnafu)],
        },
        Err(error) => vec![Err(InvalidRecord::Syntax { reason: error.to_string() }).context(InvalidSnafu)],
    };
    repaired(found, repair)
}

/// Whether JSON begins here that may hold a record.
pub(super) fn holds_json(content: &str) -> bool {
    content.trim_ascii_start().starts_with(['{', '[', '"'])
}

/// One bad element is discarded alone.
pub(super) fn list(text: &Bytes, depth: usize) -> Reads {
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

/// The records in an element, whose place is reported with the problem.
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
        return repaired(audit_data(&object, nest), repair);
    }
    if outline.has_original() {
        let found = wrapped(&object, nest.depth);
        if found.iter().any(Result::is_ok) {
            return repaired(found, repair);
        }
    }
    if outline.is_beside() || (nest.is_row && outline.is_record()) {
        return repaired(vec![made(Vec::new(), members_of(&object, nest.is_row))], repair);
    }
    if outline.is_record() {
        let is_flattened = has_flattened(object.as_str());
        return vec![Ok(Read { record: Record { object, members, repair }, is_flattened })];
    }
    repaired(wrapped(&object, nest.depth), repair)
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

/// A repair around a record may have changed the record, so that it counts as repaired.
pub(super) fn repaired(mut found: Reads, repair: Repair) -> Reads {
    for Read { record, .. } in found.iter_mut().flatten() {
        record.repair = record.repair.and(repair);
    }
    found
}

/// In UTF-16 units, of which each takes one to three bytes.
pub(super) fn is_as_long_as_a_cell(text: &[u8]) -> bool {
    (EXCEL_CELL..=3 * EXCEL_CELL).contains(&text.len())
        && String::from_utf8_lossy(text).encode_utf16().count() == EXCEL_CELL
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
