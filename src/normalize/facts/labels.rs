//! Sensitivity labels on files, messages, sites and teams.
//!
//! Source of the operations: "Audit log activities: Sensitivity label activities", and the MIP label schema.

use super::{item, user};
use crate::normalize::{
    audit::Audit,
    ecs::labels::{LABEL_IDS, LABEL_NAMES, OLD_LABEL_IDS, label_action},
};

/// What happened to a label.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LabelAction {
    /// Put on an item.
    Applied,
    /// Replaced by another.
    Changed,
    /// Replaced by one of less protection.
    Lowered,
    /// Taken off.
    Removed,
    /// Recommended to the user, or wanted by a policy.
    Recommended,
    /// Met: a labelled file was opened or renamed, a labelled message sent.
    Met,
}

/// Something about a label.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct LabelFact {
    /// What happened.
    pub(crate) action: LabelAction,
    /// The id of the label; of one that was removed, the old one.
    pub(crate) id: Option<String>,
    /// Its name, where the record has it.
    pub(crate) name: Option<String>,
    /// What it is on.
    pub(crate) item: Option<String>,
    /// Who did it.
    pub(crate) user: Option<String>,
}

const OPERATIONS: &[(&str, LabelAction)] = &[
    ("SensitivityLabelApplied", LabelAction::Applied),
    ("FileSensitivityLabelApplied", LabelAction::Applied),
    ("SiteSensitivityLabelApplied", LabelAction::Applied),
    ("MipAutoLabelSharePointItem", LabelAction::Applied),
    ("MipAutoLabelExchangeItem", LabelAction::Applied),
    ("LabelApplied", LabelAction::Applied),
    ("SensitivityLabelUpdated", LabelAction::Changed),
    ("SensitivityLabelChanged", LabelAction::Changed),
    ("FileSensitivityLabelChanged", LabelAction::Changed),
    ("SiteSensitivityLabelChanged", LabelAction::Changed),
    ("LabelChanged", LabelAction::Changed),
    ("SensitivityLabelRemoved", LabelAction::Removed),
    ("FileSensitivityLabelRemoved", LabelAction::Removed),
    ("SiteSensitivityLabelRemoved", LabelAction::Removed),
    ("LabelRemoved", LabelAction::Removed),
    ("SensitivityLabelPolicyMatched", LabelAction::Recommended),
    ("SensitivityLabelRecommended", LabelAction::Recommended),
    ("SensitivityLabelRecommendedAndDismissed", LabelAction::Recommended),
    ("LabelRecommended", LabelAction::Recommended),
    ("LabelRecommendedAndDismissed", LabelAction::Recommended),
    ("SensitivityLabeledFileOpened", LabelAction::Met),
    ("SensitivityLabeledFileRenamed", LabelAction::Met),
    ("MipLabel", LabelAction::Met),
];

/// What an operation does to a label.
pub(super) fn action(operation: &str) -> Option<LabelAction> {
    OPERATIONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(operation)).map(|(_, action)| *action)
}

pub(super) fn read(audit: &mut Audit<'_>, action: LabelAction) -> LabelFact {
    let is_lowered = label_action(audit).is_some_and(|action| action.starts_with("downgrade"));
    let action = if action == LabelAction::Changed && is_lowered { LabelAction::Lowered } else { action };
    let mut first = |names: &[&str]| names.iter().find_map(|name| audit.text(name)).map(|text| text.to_string());
    let id = first(LABEL_IDS).or_else(|| first(OLD_LABEL_IDS));
    let name = first(LABEL_NAMES);
    LabelFact { action, id, name, item: item(audit), user: user(audit) }
}
