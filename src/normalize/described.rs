//! The human-readable table of operations: what each becomes in ECS and in OCSF.

use std::fmt::Write as _;

use super::{
    ecs::categories::{categories, types},
    ocsf,
    operations::{AREAS, Area, Deed, INSTEAD, VERBS},
};

/// The operations of a part of Microsoft 365.
#[derive(Clone, Debug)]
pub struct AreaTable {
    /// Its name.
    pub name: &'static str,
    /// Where Microsoft documents it.
    pub source: &'static str,
    /// Names of record types.
    pub record_types: &'static [&'static str],
    /// Its rows.
    pub rows: Vec<OperationRow>,
    /// What an operation is that has no row and no known verb.
    pub otherwise: OperationRow,
}

/// Operations that become the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OperationRow {
    /// `Operation`.
    pub operations: Vec<&'static str>,
    /// What it adds to `event.category`.
    pub category: String,
    /// What it adds to `event.type`.
    pub types: String,
    /// OCSF's class and activity.
    pub class: String,
}

/// What the verb of a name says.
#[derive(Clone, Debug)]
pub struct VerbRow {
    /// At the beginning of a name.
    pub first: String,
    /// Within it.
    pub within: String,
    /// What it adds to `event.type`.
    pub types: String,
    /// OCSF's activity in API Activity.
    pub activity: String,
}

/// All areas with their rows.
pub fn operations() -> impl Iterator<Item = AreaTable> {
    AREAS.iter().map(|area| {
        let mut rows: Vec<OperationRow> = Vec::new();
        for (row, name) in area.rows.iter().flat_map(|row| row.operations.iter().map(move |name| (row, *name))) {
            let made = described(area, row.deed, name);
            match rows.iter_mut().find(|row| row.says(&made)) {
                Some(row) => row.operations.push(name),
                None => rows.push(made),
            }
        }
        let otherwise = described(area, Deed { subject: area.subject, act: area.act }, "");
        AreaTable { name: area.name, source: area.source, record_types: area.record_types, rows, otherwise }
    })
}

/// The verbs, and the words that overrule them.
pub fn verbs() -> impl Iterator<Item = VerbRow> {
    let list = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let row = move |act, first: &[&str], within: &[&str]| {
        let deed = Deed { subject: super::operations::Subject::Content, act };
        VerbRow {
            first: list(first),
            within: list(within),
            types: joined(types(deed)),
            activity: activity(ocsf::activity_of("", deed).1, "API Activity"),
        }
    };
    let instead = INSTEAD.iter().map(move |(word, act)| row(*act, &[], &[word]));
    VERBS.iter().map(move |verb| row(verb.act, verb.first, verb.within)).chain(instead)
}

impl OperationRow {
    fn says(&self, other: &Self) -> bool {
        (&self.category, &self.types, &self.class) == (&other.category, &other.types, &other.class)
    }
}

fn described(area: &Area, deed: Deed, operation: &'static str) -> OperationRow {
    let code = area.record_types.first().copied().unwrap_or_default();
    let (class, id) = ocsf::activity_of_operation(code, deed, operation);
    OperationRow {
        operations: if operation.is_empty() { Vec::new() } else { vec![operation] },
        category: joined(categories(deed)),
        types: joined(types(deed)),
        class: format!("{} {}: {}", class.name, class.uid, activity(id, class.name)),
    }
}

fn activity(id: u8, class: &str) -> String {
    let name = ocsf::CLASSES.iter().find(|known| known.name == class).and_then(|class| class.activity_name(id));
    format!("{id} {}", name.unwrap_or_default())
}

fn joined(words: impl Iterator<Item = &'static str>) -> String {
    let mut text = String::new();
    for word in words {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}`{word}`");
    }
    text
}
