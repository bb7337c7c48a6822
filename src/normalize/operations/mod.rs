//! What was done to what: all operations that Microsoft documents, for every schema.
//!
//! Source of the rows: Microsoft's page "Audit log activities" (learn.microsoft.com/purview/audit-log-activities) and
//! the pages that it refers to; each area names its own. An operation without a row is classified by the verb of its
//! name ([`verbs`]).

mod areas;
mod names;
mod parameters;
mod verbs;
mod vocabulary;
mod words;

#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::LazyLock};

use self::names::plain;
pub(crate) use self::{
    areas::AREAS,
    parameters::by_parameters,
    vocabulary::{Act, Area, Deed, Subject},
    words::{INSTEAD, VERBS},
};

/// What an area says of an operation.
#[derive(Debug)]
struct Entry {
    area: &'static Area,
    deed: Deed,
}

/// All rows of all areas, by the letters and digits of their names.
static ENTRIES: LazyLock<HashMap<String, Vec<Entry>>> = LazyLock::new(|| {
    let mut entries: HashMap<String, Vec<Entry>> = HashMap::new();
    for (area, row) in AREAS.iter().flat_map(|area| area.rows.iter().map(move |row| (area, row))) {
        for name in row.operations {
            entries.entry(plain(name)).or_default().push(Entry { area, deed: row.deed });
        }
    }
    entries
});

/// What an operation of a record type is; `None` for one of which nothing is known.
///
/// In this order: its row in an area of the record type; its rows elsewhere, if they agree; what its verb says; what the area
/// says of all its operations. Case, and what is neither letter nor digit, make no difference: `Add user.` is `AddUser`.
pub(crate) fn look_up(record_type: &str, operation: &str) -> Option<Deed> {
    known(record_type, operation).or_else(|| {
        let area = AREAS.iter().find(|area| area.record_types.contains(&record_type));
        verbs::guess(area, operation).or_else(|| area.and_then(Area::otherwise))
    })
}

/// What the rows say of an operation.
fn known(record_type: &str, operation: &str) -> Option<Deed> {
    let same = ENTRIES.get(&plain(operation))?;
    let own = same.iter().find(|entry| entry.area.record_types.contains(&record_type));
    let mut elsewhere = same.iter().filter(|entry| entry.area.shared);
    own.or_else(|| {
        let first = elsewhere.next()?;
        elsewhere.all(|entry| entry.deed == first.deed).then_some(first)
    })
    .map(|entry| entry.deed)
}

impl Area {
    /// What an operation is of which only the area is known.
    fn otherwise(&self) -> Option<Deed> {
        let deed = Deed { subject: self.subject, act: self.act };
        (deed != Deed { subject: Subject::Content, act: Act::Other }).then_some(deed)
    }
}
