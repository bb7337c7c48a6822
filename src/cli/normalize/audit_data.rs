//! The record in `AuditData`, and the one that what stands beside it makes.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use snafu::ResultExt;

use super::{
    found::{AuditDataSnafu, InvalidSnafu, Problem},
    outline::Outline,
    powershell,
    record::{DEEPEST, Nest, Read, Reads, is_as_long_as_a_cell, list, repaired},
    wrapped::wrapped,
};
use crate::{
    collector::Record,
    component::{InvalidRecord, JsonObject},
    normalize::{
        RecordMembers,
        beside::{self, Member, is_audit_data},
        decode, has_flattened, is_flattened,
    },
};

/// The record in `AuditData`: as a string, as `Search-UnifiedAuditLog` returns it, or as an object, as Microsoft Graph
/// does. Members beside it count where it lacks them.
pub(super) fn audit_data(object: &JsonObject, nest: Nest) -> Reads {
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
            let read = made(within.collect(), beside()).map_err(|_| Problem::AuditDataFlattened);
            vec![read.map(|read| Read { is_flattened: true, ..read })]
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
            return repaired(audit_data(&object, Nest { depth: depth + 1, is_row: false }), repair);
        }
        Ok((object, repair)) => {
            if !outline.is_record() {
                let found = wrapped(&object, depth);
                if found.iter().any(Result::is_ok) {
                    return repaired(found, repair);
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
pub(super) fn members_of(object: &JsonObject, is_row: bool) -> Vec<Member> {
    let mut members = Vec::new();
    object.for_each_member(|name, raw| {
        let json =
            if is_row { decode(raw).filter(|text| text.trim_ascii_start().starts_with(['{', '['])) } else { None };
        let json = json.filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        members.push((name.to_owned(), json.map_or_else(|| raw.to_owned(), Cow::into_owned)));
    });
    members
}

/// A record of what is in `AuditData` and beside it.
pub(super) fn made(within: Vec<Member>, beside: Vec<Member>) -> Result<Read, Problem> {
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
