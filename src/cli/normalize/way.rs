//! The path from an object to an array within it, by the names of members: whether the object is a page, which holds
//! records and is not a record itself.

use super::{
    carriers::{holds_list, rank},
    outline::Outline,
};

/// How many objects deep a page may hold its records: `{"result":{"hits":{"hits":[…]}}}` has three.
const DEEPEST: usize = 4;

/// How much of a name is kept: more than those that matter have.
const LONGEST: usize = 32;

/// Follows the names of the members that lead to the current place.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// The name that is being read.
    name: Vec<u8>,
    is_name: bool,
    /// The current member of each open object.
    steps: [Step; DEEPEST],
    /// What the names in the objects on the way say.
    outline: Outline,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Step {
    /// Of a name that says nothing.
    #[default]
    Other,
    /// Holds an object on the way to records.
    Carrier,
    /// Holds records, or an object on the way to them.
    List,
}

impl Way {
    /// A string begins in the innermost of these brackets, of which there may be none; it may be the name of a member.
    pub(super) fn string_begins(&mut self, open: &[u8], may_be_name: bool) {
        self.name.clear();
        self.is_name = may_be_name
            && !self.outline.is_record()
            && open.len() <= DEEPEST
            && !open.is_empty()
            && open.iter().all(|bracket| *bracket == b'{');
    }

    /// A part of the string.
    pub(super) fn string_goes_on(&mut self, part: &[u8]) {
        if self.is_name && self.name.len() <= LONGEST {
            self.name.extend_from_slice(part.get(..LONGEST + 1).unwrap_or(part));
        }
    }

    /// The string ends, `depth` objects deep.
    pub(super) fn string_ends(&mut self, depth: usize) {
        if !self.is_name {
            return;
        }
        let name = std::str::from_utf8(&self.name).unwrap_or_default();
        self.outline.visit_name(name);
        let step = match rank(name) {
            Some(_) if holds_list(name) => Step::List,
            Some(_) => Step::Carrier,
            None => Step::Other,
        };
        if let Some(known) = depth.checked_sub(1).and_then(|at| self.steps.get_mut(at)) {
            *known = step;
        }
    }

    /// Whether an array that begins in these brackets holds records, so that the objects around it are not records.
    pub(super) fn leads_to_records(&self, open: &[u8]) -> bool {
        let Some((last, before)) = self.steps.get(..open.len()).and_then(<[Step]>::split_last) else { return false };
        *last == Step::List
            && before.iter().all(|step| *step != Step::Other)
            && open.iter().all(|bracket| *bracket == b'{')
            && !self.outline.is_record()
    }
}
