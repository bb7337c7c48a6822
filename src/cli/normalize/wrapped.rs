//! Records in the members of objects that are not records themselves.

use std::collections::HashSet;

use super::{
    carriers::rank,
    found::Problem,
    record::{DEEPEST, Read, Reads, holds_json, value},
};
use crate::{component::JsonObject, normalize::decode};

/// The records in members of an object that is not a record itself. Of several members that hold one, the first in the
/// order of carriers counts: the others are other forms of the same record. The elements of a list are different
/// records.
pub(super) fn wrapped(object: &JsonObject, depth: usize) -> Reads {
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
    let mut all = Distinct::default();
    let mut is_empty_page = false;
    let mut told = None;
    for (_, raw) in known {
        if all.reads.is_empty() || raw.starts_with('[') {
            let found = value(raw.to_owned().into(), depth + 1);
            is_empty_page |= found.is_empty();
            if found.iter().any(Result::is_ok) {
                all.add(found);
            } else {
                told.get_or_insert(found);
            }
        }
    }
    // Under unknown names there may be several, but only objects with a time of their own are records.
    let has_time =
        |read: &Result<Read, Problem>| read.as_ref().is_ok_and(|read| read.record.members.creation_time.is_some());
    let is_alone = all.reads.is_empty();
    for raw in others.into_iter().filter(|raw| is_alone || raw.starts_with('[')) {
        let found = value(raw.to_owned().into(), depth + 1);
        if found.iter().any(has_time) {
            all.add(found);
        }
    }
    if all.reads.is_empty() && !is_empty_page {
        return told.unwrap_or_else(|| vec![Err(Problem::NoRecord)]);
    }
    all.reads
}

/// What several members of an object hold, without what an earlier one holds, too.
#[derive(Default)]
struct Distinct {
    reads: Reads,
    ids: HashSet<String>,
}

impl Distinct {
    fn add(&mut self, found: Reads) {
        let id = |read: &Result<Read, Problem>| read.as_ref().ok().and_then(|read| read.record.members.id.clone());
        let ids: Vec<_> = found.iter().filter_map(id).collect();
        let is_new = |read: &Result<Read, Problem>| id(read).is_none_or(|id| !self.ids.contains(&id));
        self.reads.extend(found.into_iter().filter(is_new));
        self.ids.extend(ids);
    }
}

/// Whether JSON text may have a record in it. Text may have something before it where texts are kept.
fn may_hold(raw: &str, keeps_text: bool) -> bool {
    match raw.as_bytes() {
        [b'{' | b'[', ..] => true,
        [b'"', ..] => {
            decode(raw).is_some_and(|text| holds_json(&text) || (keeps_text && object_within(&text).is_some()))
        }
        _ => false,
    }
}

/// The object in text that has something before it.
pub(super) fn object_within(content: &str) -> Option<&str> {
    content.get(content.find("{\"")?..=content.rfind('}')?)
}
