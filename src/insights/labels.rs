//! Sensitivity Label Audit.

use std::collections::HashMap;

use super::{
    distinct::Distinct,
    short_text::short,
    top::{Ranking, Top},
};
use crate::normalize::{LabelAction, LabelFact};

/// The columns of the tables.
pub const LABEL_COLUMNS: [&str; 6] = ["applied", "changed", "lowered", "removed", "recommended", "met"];

/// How many names of labels are known at a time. A tenant has some dozens.
const NAMES: usize = 500;

/// Stands for a label that a record does not name.
const UNNAMED: &str = "(not named)";

/// The names of labels by their ids: few records have both.
#[derive(Debug, Default)]
pub(super) struct LabelNames(HashMap<String, String>);

/// The labels of an hour.
#[derive(Debug, Default)]
pub(super) struct Hour {
    counts: [u64; LABEL_COLUMNS.len()],
    labels: Top<{ LABEL_COLUMNS.len() }>,
    items: Top<{ LABEL_COLUMNS.len() }>,
    users: Top<{ LABEL_COLUMNS.len() }>,
    distinct_items: Distinct,
    distinct_users: Distinct,
}

/// The sensitivity labels of the last 24 hours.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LabelInsights {
    /// How often, by [`LABEL_COLUMNS`].
    pub counts: [u64; LABEL_COLUMNS.len()],
    /// About how many different items.
    pub distinct_items: u64,
    /// About how many different users.
    pub distinct_users: u64,
    /// By label: its name, as far as a record had one, else its id.
    pub labels: Ranking<{ LABEL_COLUMNS.len() }>,
    /// By item.
    pub items: Ranking<{ LABEL_COLUMNS.len() }>,
    /// By user.
    pub users: Ranking<{ LABEL_COLUMNS.len() }>,
}

impl LabelNames {
    /// By what a label is counted: its id, which is the same in all records.
    pub(super) fn key(&mut self, fact: &LabelFact) -> String {
        let id = fact.id.as_deref().map(|id| short(&id.to_lowercase()));
        let name = fact.name.as_deref().map(short);
        match (id, name) {
            (Some(id), Some(name)) => {
                if self.0.len() < NAMES || self.0.contains_key(&id) {
                    self.0.insert(id.clone(), name);
                }
                id
            }
            (id, name) => id.or(name).unwrap_or_else(|| UNNAMED.to_owned()),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|(id, name)| id.len() + name.len() + 2 * size_of::<String>() + 32).sum()
    }
}

impl Hour {
    pub(super) fn add(&mut self, label: &str, fact: LabelFact) {
        let LabelFact { action, item, user, .. } = fact;
        let column = match action {
            LabelAction::Applied => 0,
            LabelAction::Changed => 1,
            LabelAction::Lowered => 2,
            LabelAction::Removed => 3,
            LabelAction::Recommended => 4,
            LabelAction::Met => 5,
        };
        self.counts[column] += 1;
        self.labels.add(label, column);
        if let Some(item) = &item {
            self.items.add(item, column);
            self.distinct_items.add(item);
        }
        if let Some(user) = &user {
            self.users.add(user, column);
            self.distinct_users.add(user);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.labels.bytes()
            + self.items.bytes()
            + self.users.bytes()
            + self.distinct_items.bytes()
            + self.distinct_users.bytes()
    }
}

pub(super) fn summary<'a>(hours: impl Iterator<Item = &'a Hour> + Clone, names: &LabelNames) -> LabelInsights {
    let mut counts = [0; LABEL_COLUMNS.len()];
    for hour in hours.clone() {
        for (sum, more) in counts.iter_mut().zip(hour.counts) {
            *sum += more;
        }
    }
    let mut labels = Top::ranking(hours.clone().map(|hour| &hour.labels));
    for row in &mut labels.rows {
        if let Some(name) = names.0.get(&row.text) {
            row.text.clone_from(name);
        }
    }
    LabelInsights {
        counts,
        distinct_items: Distinct::count(hours.clone().map(|hour| &hour.distinct_items)),
        distinct_users: Distinct::count(hours.clone().map(|hour| &hour.distinct_users)),
        labels,
        items: Top::ranking(hours.clone().map(|hour| &hour.items)),
        users: Top::ranking(hours.map(|hour| &hour.users)),
    }
}
