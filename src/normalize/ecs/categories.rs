//! `event.category` and `event.type`, by record type and operation.
//!
//! Every event begins as `["web"]` and `["info"]`; the rows add to that. The rows are those of Elastic's integration as the
//! field knows them, and what its order of steps loses for alerts.

use super::{fields::Field, mapping::Mapping};
use crate::normalize::json::Node;

/// What an operation is.
pub(super) struct Row {
    /// The record type; any, if empty.
    code: &'static str,
    /// `event.action` as Microsoft names it; any, if empty.
    actions: &'static [&'static str],
    category: &'static [&'static str],
    types: &'static [&'static str],
    /// What `event.action` becomes.
    action: Option<&'static str>,
}

const fn row(
    code: &'static str,
    actions: &'static [&'static str],
    category: &'static [&'static str],
    types: &'static [&'static str],
) -> Row {
    Row { code, actions, category, types, action: None }
}

const fn renamed(
    code: &'static str,
    actions: &'static [&'static str],
    types: &'static [&'static str],
    action: &'static str,
) -> Row {
    Row { code, actions, category: &["iam"], types, action: Some(action) }
}

/// All rows. Each that fits counts, in this order.
pub(super) const ROWS: &[Row] = &[
    renamed("AzureActiveDirectory", &["Add user."], &["user", "creation"], "added-user-account"),
    renamed("AzureActiveDirectory", &["Update user."], &["user", "change"], "modified-user-account"),
    renamed("AzureActiveDirectory", &["Delete user."], &["user", "deletion"], "deleted-user-account"),
    row("AzureActiveDirectoryStsLogon", &[], &["authentication"], &["start", "access"]),
    row("AzureActiveDirectoryAccountLogon", &[], &["authentication"], &["start", "access"]),
    row(
        "",
        &[
            "FileAccessed",
            "FileDeleted",
            "FileDownloaded",
            "FileModified",
            "FileMoved",
            "FileRenamed",
            "FileRestored",
            "FileUploaded",
            "FolderCopied",
            "FolderCreated",
            "FolderDeleted",
            "FolderModified",
            "FolderMoved",
            "FolderRenamed",
            "FolderRestored",
        ],
        &["file"],
        &[],
    ),
    row("", &["FileAccessed", "FileDownloaded"], &[], &["access"]),
    row("", &["ComplianceSettingChanged"], &["configuration"], &["change"]),
    row(
        "",
        &[
            "FileModified",
            "FileMoved",
            "FileRenamed",
            "FileRestored",
            "FolderModified",
            "FolderMoved",
            "FolderRenamed",
            "FolderRestored",
        ],
        &[],
        &["change"],
    ),
    row("", &["FileDeleted", "FolderDeleted"], &[], &["deletion"]),
    row("", &["FileUploaded", "FolderCopied", "FolderCreated"], &[], &["creation"]),
    row("ComplianceDLPSharePoint", &[], &["file"], &["access"]),
    row("ComplianceDLPExchange", &[], &["file"], &["access"]),
    row(
        "Yammer",
        &[
            "NetworkConfigurationUpdated",
            "NetworkSecurityConfigurationUpdated",
            "SoftDeleteSettingsUpdated",
            "ProcessProfileFields",
            "SupervisorAdminToggled",
        ],
        &["configuration"],
        &["change"],
    ),
    row("Yammer", &["NetworkSecurityConfigurationUpdated"], &["iam"], &["admin"]),
    row("Yammer", &["GroupCreation"], &["iam"], &["creation", "group"]),
    row("Yammer", &["GroupDeletion"], &["iam"], &["deletion", "group"]),
    row("Yammer", &["NetworkUserSuspended", "UserSuspension"], &["iam"], &[]),
    row("Yammer", &["FileCreated", "FileUpdateName"], &["file"], &["creation"]),
    row("Yammer", &["FileDownloaded", "FileShared", "FileUpdateDescription", "FileVisited"], &["file"], &["access"]),
    renamed("MicrosoftTeams", &["TeamCreated"], &["group", "creation"], "added-group-account-to"),
    renamed("MicrosoftTeams", &["MemberAdded"], &["group", "change"], "added-users-to-group"),
    renamed("MicrosoftTeams", &["Delete user."], &["user", "deletion"], "deleted-user-account"),
    row("ExchangeItem", &[], &["email"], &[]),
    row("ExchangeItemAggregated", &[], &["email"], &["access"]),
];

/// `Category` of an alert (Microsoft's schema: `AlertCategory`), and what it is about.
pub(super) const ALERT_CATEGORIES: &[(&str, &str)] = &[
    ("AccessGovernance", "authentication"),
    ("DataGovernance", "file"),
    ("DataLossPrevention", "file"),
    ("ThreatManagement", "malware"),
];

/// Fills `event.category`, `event.type` and, for a few, `event.action`.
pub(super) fn categorise(mapping: &mut Mapping<'_>) {
    mapping.fields.append(Field::EVENT_CATEGORY, ["web"]);
    mapping.fields.append(Field::EVENT_TYPE, ["info"]);
    let action = mapping.fields.text(Field::EVENT_ACTION).unwrap_or_default();
    for row in ROWS.iter().filter(|row| row.fits(mapping.code, &action)) {
        mapping.fields.append(Field::EVENT_CATEGORY, row.category.iter().copied());
        mapping.fields.append(Field::EVENT_TYPE, row.types.iter().copied());
        if let Some(renamed) = row.action {
            // Microsoft's own name stays where it was.
            mapping.record.set("Operation", Node::Text(action.clone()));
            mapping.fields.set_text(Field::EVENT_ACTION, renamed);
        }
    }
}

impl Row {
    fn fits(&self, code: &str, action: &str) -> bool {
        (self.code.is_empty() || self.code == code) && (self.actions.is_empty() || self.actions.contains(&action))
    }

    /// The row for people: when, category, type, action.
    pub(super) fn columns(&self) -> [String; 4] {
        let code = if self.code.is_empty() { "any".to_owned() } else { format!("`{}`", self.code) };
        let list = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let when = if self.actions.is_empty() { code } else { format!("{code}: {}", list(self.actions)) };
        [
            when,
            list(self.category),
            list(self.types),
            self.action.map(|action| format!("`{action}`")).unwrap_or_default(),
        ]
    }
}
