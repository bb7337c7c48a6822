//! Which class and activity a record is, by record type and operation.
//!
//! OCSF has no published mapping of the Management Activity API. The rows follow what the field does with the same facts in
//! Microsoft Graph, and the descriptions of the classes. Three choices need a reason:
//! - What nothing here knows is API Activity, not Base Event: every record tells who did what through which service, and only
//!   API Activity has places for that which people search.
//! - Items of mailboxes are API Activity, not Datastore Activity: that class knows databases, buckets and tables only.
//! - Automated investigations are Detection Finding, not Incident Finding: that class requires somebody to whom the incident is
//!   assigned, and the records name nobody.

use super::classes::{
    ACCOUNT_CHANGE, API_ACTIVITY, AUTHENTICATION, Class, DATA_SECURITY_FINDING, DETECTION_FINDING, EMAIL_ACTIVITY,
    ENTITY_MANAGEMENT, FILE_HOSTING_ACTIVITY, GROUP_MANAGEMENT, OTHER, USER_ACCESS, WEB_RESOURCES_ACTIVITY,
};

/// What an operation of a record type is.
#[derive(Debug)]
pub(super) struct Row {
    /// Record types.
    pub(super) codes: &'static [&'static str],
    pub(super) operations: Operations,
    pub(super) class: &'static Class,
    /// `activity_id`.
    pub(super) activity: u8,
}

/// Operations of a row. Case, and the dot at the end of Entra's operations, make no difference.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operations {
    /// All.
    Any,
    /// These.
    Named(&'static [&'static str]),
    /// Those that begin so, such as the cmdlets of a verb.
    Starting(&'static [&'static str]),
}

use Operations::{Any, Named, Starting};

const fn row(codes: &'static [&'static str], operations: Operations, class: &'static Class, activity: u8) -> Row {
    Row { codes, operations, class, activity }
}

const LOGONS: &[&str] = &["AzureActiveDirectoryStsLogon", "AzureActiveDirectoryAccountLogon"];
const DIRECTORY: &[&str] = &["AzureActiveDirectory"];
const TEAMS: &[&str] = &["MicrosoftTeams"];
const CMDLETS: &[&str] = &["ExchangeAdmin", "SecurityComplianceCenterEOPCmdlet", "DataCenterSecurityCmdlet"];
const MAILBOXES: &[&str] = &["ExchangeItem", "ExchangeItemGroup", "ExchangeItemAggregated"];
const FILES: &[&str] = &["SharePointFileOperation", "OneDrive", "SharePointSharingOperation"];
const PAGES: &[&str] =
    &["SharePoint", "SharePointListOperation", "SharePointListItemOperation", "SharePointCommentOperation"];
const LABELS: &[&str] = &[
    "MipAutoLabelSharePointItem",
    "SensitivityLabelPolicyMatch",
    "SensitivityLabelAction",
    "SensitivityLabeledFileAction",
    "AipDiscover",
    "AipSensitivityLabelAction",
    "AipProtectionAction",
    "AipFileDeleted",
];
const LOSSES: &[&str] = &[
    "ComplianceDLPSharePoint",
    "ComplianceDLPExchange",
    "ComplianceDLPSharePointClassification",
    "ComplianceDLPExchangeClassification",
    "DLPEndpoint",
    "OnPremisesFileShareScannerDlp",
    "OnPremisesSharePointScannerDlp",
];
const ALERTS: &[&str] = &["SecurityComplianceAlerts"];
const DETECTIONS: &[&str] =
    &["MCASAlerts", "WDATPAlerts", "AadRiskDetection", "ThreatIntelligenceUrl", "ThreatIntelligenceAtpContent"];
const INVESTIGATIONS: &[&str] = &["AirInvestigation", "AirManualInvestigation", "AirAdminActionInvestigation"];
const REPORTS: &[&str] = &["PowerBIAudit"];
const FORMS: &[&str] = &["MicrosoftForms"];
const ENGAGE: &[&str] = &["Yammer"];

/// All rows. The first that fits counts.
pub(super) const ROWS: &[Row] = &[
    row(LOGONS, Any, &AUTHENTICATION, 1),
    // The directory: users.
    row(DIRECTORY, Named(&["Add user", "Invite external user"]), &ACCOUNT_CHANGE, 1),
    row(DIRECTORY, Named(&["Enable account"]), &ACCOUNT_CHANGE, 2),
    row(DIRECTORY, Named(&["Change user password"]), &ACCOUNT_CHANGE, 3),
    row(DIRECTORY, Named(&["Reset user password"]), &ACCOUNT_CHANGE, 4),
    row(DIRECTORY, Named(&["Disable account"]), &ACCOUNT_CHANGE, 5),
    row(DIRECTORY, Named(&["Delete user", "Hard Delete user"]), &ACCOUNT_CHANGE, 6),
    row(DIRECTORY, Named(&["Enable Strong Authentication", "User registered security info"]), &ACCOUNT_CHANGE, 10),
    row(DIRECTORY, Named(&["Disable Strong Authentication", "User deleted security info"]), &ACCOUNT_CHANGE, 11),
    row(
        DIRECTORY,
        Named(&[
            "Update user",
            "Restore user",
            "Change user license",
            "Set license properties",
            "Set force change user password",
            "Update StsRefreshTokenValidFrom Timestamp",
        ]),
        &ACCOUNT_CHANGE,
        OTHER,
    ),
    // Roles.
    row(
        DIRECTORY,
        Starting(&[
            "Add member to role",
            "Add eligible member to role",
            "Add scoped member to role",
            "Add app role assignment grant to user",
        ]),
        &USER_ACCESS,
        1,
    ),
    row(
        DIRECTORY,
        Starting(&[
            "Remove member from role",
            "Remove eligible member from role",
            "Remove scoped member from role",
            "Remove app role assignment from user",
        ]),
        &USER_ACCESS,
        2,
    ),
    // Groups.
    row(DIRECTORY, Named(&["Add member to group"]), &GROUP_MANAGEMENT, 3),
    row(DIRECTORY, Named(&["Remove member from group"]), &GROUP_MANAGEMENT, 4),
    row(DIRECTORY, Named(&["Delete group", "Hard Delete group"]), &GROUP_MANAGEMENT, 5),
    row(DIRECTORY, Named(&["Add group"]), &GROUP_MANAGEMENT, 6),
    row(
        DIRECTORY,
        Named(&["Update group", "Restore group", "Add owner to group", "Remove owner from group"]),
        &GROUP_MANAGEMENT,
        OTHER,
    ),
    // All else of the directory: applications, service principals, consent, policies, devices, domains.
    row(
        DIRECTORY,
        Starting(&[
            "Update ",
            "Set ",
            "Consent to ",
            "Add app role assignment ",
            "Add owner to ",
            "Add service principal credentials",
            "Remove app role assignment ",
            "Remove owner from ",
            "Remove service principal credentials",
        ]),
        &ENTITY_MANAGEMENT,
        3,
    ),
    row(DIRECTORY, Starting(&["Add ", "Create "]), &ENTITY_MANAGEMENT, 1),
    row(DIRECTORY, Starting(&["Delete ", "Remove ", "Hard Delete "]), &ENTITY_MANAGEMENT, 4),
    row(DIRECTORY, Starting(&["Register "]), &ENTITY_MANAGEMENT, 6),
    row(DIRECTORY, Starting(&["Unregister "]), &ENTITY_MANAGEMENT, 7),
    row(DIRECTORY, Starting(&["Enable "]), &ENTITY_MANAGEMENT, 8),
    row(DIRECTORY, Starting(&["Disable "]), &ENTITY_MANAGEMENT, 9),
    // Teams.
    row(TEAMS, Named(&["Delete user"]), &ACCOUNT_CHANGE, 6),
    row(TEAMS, Named(&["MemberAdded"]), &GROUP_MANAGEMENT, 3),
    row(TEAMS, Named(&["MemberRemoved"]), &GROUP_MANAGEMENT, 4),
    row(TEAMS, Named(&["TeamDeleted"]), &GROUP_MANAGEMENT, 5),
    row(TEAMS, Named(&["TeamCreated"]), &GROUP_MANAGEMENT, 6),
    row(TEAMS, Named(&["MemberRoleChanged", "TeamSettingChanged"]), &GROUP_MANAGEMENT, OTHER),
    row(TEAMS, Named(&["TeamsSessionStarted"]), &AUTHENTICATION, 1),
    row(
        TEAMS,
        Named(&["MessageSent", "MessageCreatedHasLink", "MessageCreatedNotification", "ChatCreated", "ChannelAdded"]),
        &WEB_RESOURCES_ACTIVITY,
        1,
    ),
    row(TEAMS, Named(&["MessageRead", "MessagesListed", "ChatRetrieved"]), &WEB_RESOURCES_ACTIVITY, 2),
    row(
        TEAMS,
        Named(&["MessageUpdated", "MessageEditedHasLink", "ChatUpdated", "ChannelSettingChanged"]),
        &WEB_RESOURCES_ACTIVITY,
        3,
    ),
    row(TEAMS, Named(&["MessageDeleted", "ChannelDeleted"]), &WEB_RESOURCES_ACTIVITY, 4),
    // SharePoint and OneDrive: first what is no file, then files.
    row(FILES, Named(&["FileMalwareDetected"]), &DETECTION_FINDING, 1),
    row(FILES, Named(&["AddedToGroup"]), &GROUP_MANAGEMENT, 3),
    row(FILES, Named(&["RemovedFromGroup"]), &GROUP_MANAGEMENT, 4),
    row(FILES, Named(&["FileUploaded", "FileUploadedPartial"]), &FILE_HOSTING_ACTIVITY, 1),
    row(FILES, Named(&["FileDownloaded"]), &FILE_HOSTING_ACTIVITY, 2),
    row(
        FILES,
        Named(&[
            "FileModified",
            "FileModifiedExtended",
            "FolderModified",
            "FileSensitivityLabelApplied",
            "FileSensitivityLabelChanged",
            "FileSensitivityLabelRemoved",
        ]),
        &FILE_HOSTING_ACTIVITY,
        3,
    ),
    row(
        FILES,
        Starting(&["FileDeleted", "FileRecycled", "FolderDeleted", "FolderRecycled"]),
        &FILE_HOSTING_ACTIVITY,
        4,
    ),
    row(FILES, Named(&["FileRenamed", "FolderRenamed"]), &FILE_HOSTING_ACTIVITY, 5),
    row(FILES, Named(&["FileCopied", "FolderCopied"]), &FILE_HOSTING_ACTIVITY, 6),
    row(FILES, Named(&["FileMoved", "FolderMoved"]), &FILE_HOSTING_ACTIVITY, 7),
    row(FILES, Named(&["FileRestored", "FolderRestored"]), &FILE_HOSTING_ACTIVITY, 8),
    row(FILES, Named(&["FilePreviewed"]), &FILE_HOSTING_ACTIVITY, 9),
    row(FILES, Named(&["FileCheckedOut", "LockRecord"]), &FILE_HOSTING_ACTIVITY, 10),
    row(FILES, Named(&["FileCheckedIn", "FileCheckOutDiscarded", "UnlockRecord"]), &FILE_HOSTING_ACTIVITY, 11),
    row(
        FILES,
        Named(&[
            "SharingSet",
            "SharingInvitationCreated",
            "AnonymousLinkCreated",
            "CompanyLinkCreated",
            "SecureLinkCreated",
            "AddedToSecureLink",
        ]),
        &FILE_HOSTING_ACTIVITY,
        12,
    ),
    row(
        FILES,
        Named(&[
            "SharingRevoked",
            "SharingInvitationRevoked",
            "AnonymousLinkRemoved",
            "CompanyLinkRemoved",
            "SecureLinkDeleted",
            "RemovedFromSecureLink",
        ]),
        &FILE_HOSTING_ACTIVITY,
        13,
    ),
    row(
        FILES,
        Named(&["FileAccessed", "FileAccessedExtended", "AnonymousLinkUsed", "CompanyLinkUsed", "SecureLinkUsed"]),
        &FILE_HOSTING_ACTIVITY,
        14,
    ),
    row(FILES, Starting(&["FileSync"]), &FILE_HOSTING_ACTIVITY, 15),
    row(
        FILES,
        Starting(&["File", "Folder", "Sharing", "AnonymousLink", "CompanyLink", "SecureLink"]),
        &FILE_HOSTING_ACTIVITY,
        OTHER,
    ),
    row(PAGES, Named(&["ListCreated", "ListItemCreated", "CommentCreated"]), &WEB_RESOURCES_ACTIVITY, 1),
    row(
        PAGES,
        Named(&[
            "PageViewed",
            "PageViewedExtended",
            "PagePrefetched",
            "ClientViewSignaled",
            "ListViewed",
            "ListItemViewed",
        ]),
        &WEB_RESOURCES_ACTIVITY,
        2,
    ),
    row(PAGES, Named(&["ListUpdated", "ListItemUpdated"]), &WEB_RESOURCES_ACTIVITY, 3),
    row(
        PAGES,
        Named(&["ListDeleted", "ListItemDeleted", "ListItemRecycled", "CommentDeleted"]),
        &WEB_RESOURCES_ACTIVITY,
        4,
    ),
    row(PAGES, Named(&["SearchQueryPerformed"]), &WEB_RESOURCES_ACTIVITY, 5),
    // Labels, wherever the file is.
    row(LABELS, Named(&["FileDeleted"]), &FILE_HOSTING_ACTIVITY, 4),
    row(LABELS, Named(&["SensitivityLabeledFileRenamed"]), &FILE_HOSTING_ACTIVITY, 5),
    row(LABELS, Named(&["SensitivityLabeledFileOpened"]), &FILE_HOSTING_ACTIVITY, 14),
    row(
        LABELS,
        Named(&["SensitivityLabelApplied", "SensitivityLabelUpdated", "SensitivityLabelRemoved"]),
        &FILE_HOSTING_ACTIVITY,
        3,
    ),
    row(LABELS, Any, &FILE_HOSTING_ACTIVITY, OTHER),
    // Exchange.
    row(MAILBOXES, Named(&["MailboxLogin"]), &AUTHENTICATION, 1),
    row(MAILBOXES, Named(&["Send", "SendAs", "SendOnBehalf"]), &EMAIL_ACTIVITY, 1),
    row(MAILBOXES, Named(&["Create", "Copy"]), &API_ACTIVITY, 1),
    row(
        MAILBOXES,
        Named(&["MailItemsAccessed", "AttachmentAccess", "MessageBind", "FolderBind", "SearchQueryInitiated"]),
        &API_ACTIVITY,
        2,
    ),
    row(
        MAILBOXES,
        Named(&[
            "Update",
            "Move",
            "UpdateInboxRules",
            "UpdateFolderPermissions",
            "UpdateCalendarDelegation",
            "AddFolderPermissions",
            "ModifyFolderPermissions",
            "RemoveFolderPermissions",
        ]),
        &API_ACTIVITY,
        3,
    ),
    row(MAILBOXES, Named(&["SoftDelete", "HardDelete", "MoveToDeletedItems"]), &API_ACTIVITY, 4),
    row(CMDLETS, Starting(&["New-", "Add-", "Import-", "Install-"]), &API_ACTIVITY, 1),
    row(CMDLETS, Starting(&["Get-", "Search-", "Test-", "Export-"]), &API_ACTIVITY, 2),
    row(CMDLETS, Starting(&["Set-", "Update-", "Enable-", "Disable-", "Start-", "Stop-"]), &API_ACTIVITY, 3),
    row(CMDLETS, Starting(&["Remove-", "Uninstall-"]), &API_ACTIVITY, 4),
    // Data loss prevention. DlpInfo tells more about an earlier match.
    row(LOSSES, Named(&["DlpRuleMatch"]), &DATA_SECURITY_FINDING, 1),
    row(LOSSES, Named(&["DlpInfo"]), &DATA_SECURITY_FINDING, 2),
    row(LOSSES, Named(&["DlpRuleUndo"]), &DATA_SECURITY_FINDING, 3),
    // Alerts.
    row(ALERTS, Named(&["AlertUpdated"]), &DETECTION_FINDING, 2),
    row(ALERTS, Any, &DETECTION_FINDING, 1),
    row(DETECTIONS, Any, &DETECTION_FINDING, 1),
    row(INVESTIGATIONS, Any, &DETECTION_FINDING, 2),
    row(&["ThreatIntelligence"], Any, &EMAIL_ACTIVITY, 3),
    // Power BI, Forms, Viva Engage.
    row(REPORTS, Starting(&["Create"]), &WEB_RESOURCES_ACTIVITY, 1),
    row(REPORTS, Starting(&["View", "Get", "Read"]), &WEB_RESOURCES_ACTIVITY, 2),
    row(REPORTS, Starting(&["Edit", "Update", "Rename", "Set"]), &WEB_RESOURCES_ACTIVITY, 3),
    row(REPORTS, Starting(&["Delete"]), &WEB_RESOURCES_ACTIVITY, 4),
    row(REPORTS, Starting(&["Import"]), &WEB_RESOURCES_ACTIVITY, 6),
    row(REPORTS, Starting(&["Export", "Download"]), &WEB_RESOURCES_ACTIVITY, 7),
    row(REPORTS, Starting(&["Share"]), &WEB_RESOURCES_ACTIVITY, 8),
    row(FORMS, Named(&["CreateForm", "SubmitResponse"]), &WEB_RESOURCES_ACTIVITY, 1),
    row(FORMS, Starting(&["View", "Preview", "List"]), &WEB_RESOURCES_ACTIVITY, 2),
    row(FORMS, Starting(&["Edit", "Update"]), &WEB_RESOURCES_ACTIVITY, 3),
    row(FORMS, Starting(&["Delete"]), &WEB_RESOURCES_ACTIVITY, 4),
    row(FORMS, Starting(&["Export"]), &WEB_RESOURCES_ACTIVITY, 7),
    row(ENGAGE, Named(&["UserSuspension", "NetworkUserSuspended"]), &ACCOUNT_CHANGE, 5),
    row(ENGAGE, Named(&["GroupDeletion"]), &GROUP_MANAGEMENT, 5),
    row(ENGAGE, Named(&["GroupCreation"]), &GROUP_MANAGEMENT, 6),
    row(ENGAGE, Named(&["FileCreated", "MessageCreation"]), &WEB_RESOURCES_ACTIVITY, 1),
    row(ENGAGE, Named(&["FileVisited", "FileDownloaded", "MessageViewed"]), &WEB_RESOURCES_ACTIVITY, 2),
    row(ENGAGE, Named(&["FileUpdateName", "FileUpdateDescription", "MessageUpdated"]), &WEB_RESOURCES_ACTIVITY, 3),
    row(ENGAGE, Named(&["FileDeleted", "MessageDeleted"]), &WEB_RESOURCES_ACTIVITY, 4),
    row(ENGAGE, Named(&["FileShared"]), &WEB_RESOURCES_ACTIVITY, 8),
];

/// The class and activity of an operation.
pub(super) fn classify(code: &str, operation: &str) -> (&'static Class, u8) {
    ROWS.iter()
        .find(|row| row.codes.contains(&code) && row.operations.contain(operation))
        .map_or((&API_ACTIVITY, OTHER), |row| (row.class, row.activity))
}

impl Operations {
    fn contain(self, operation: &str) -> bool {
        let operation = operation.trim_end_matches(['.', ' ']);
        match self {
            Any => true,
            Named(names) => names.iter().any(|name| name.eq_ignore_ascii_case(operation)),
            Starting(starts) => starts.iter().any(|start| {
                operation.get(..start.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(start))
            }),
        }
    }

    /// For people.
    pub(super) fn describe(self) -> String {
        let list = |names: &[&str], end: &str| {
            names.iter().map(|name| format!("`{name}{end}`")).collect::<Vec<_>>().join(", ")
        };
        match self {
            Any => "any".to_owned(),
            Named(names) => list(names, ""),
            Starting(starts) => list(starts, "…"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::RECORD_TYPES;

    #[test]
    fn operations_have_the_class_and_activity_of_their_row() {
        for (code, operation, class, activity) in [
            ("AzureActiveDirectoryStsLogon", "UserLoginFailed", 3002, 1),
            ("AzureActiveDirectory", "Add user.", 3001, 1),
            ("AzureActiveDirectory", "add USER", 3001, 1),
            ("AzureActiveDirectory", "Add member to role.", 3005, 1),
            ("AzureActiveDirectory", "Add eligible member to role in PIM completed (permanent)", 3005, 1),
            ("AzureActiveDirectory", "Add app role assignment to service principal.", 3004, 3),
            ("AzureActiveDirectory", "Add application.", 3004, 1),
            ("SharePointFileOperation", "FileDeletedFirstStageRecycleBin", 6006, 4),
            ("SharePointFileOperation", "FileMalwareDetected", 2004, 1),
            ("SharePointFileOperation", "FileUnheardOf", 6006, 99),
            ("ExchangeAdmin", "Remove-Mailbox", 6003, 4),
            ("ExchangeItem", "SendAs", 4009, 1),
            ("ComplianceDLPExchange", "DLPRuleUndo", 2006, 3),
            ("SecurityComplianceAlerts", "AlertUpdated", 2004, 2),
            ("", "Add user.", 6003, 99),
            ("AzureActiveDirectory", "", 6003, 99),
        ] {
            let (found, id) = classify(code, operation);
            assert_eq!((found.uid, id), (class, activity), "{code} {operation}");
        }
    }

    #[test]
    fn rows_name_known_record_types_and_activities_of_their_class() {
        for row in ROWS {
            assert!(row.class.activity_name(row.activity).is_some(), "{row:?}");
            for code in row.codes {
                assert!(RECORD_TYPES.iter().any(|(_, known)| known == code), "{code}");
            }
        }
    }

    #[test]
    fn no_row_is_hidden_by_an_earlier_one() {
        for (at, row) in ROWS.iter().enumerate() {
            let names: &[&str] = match row.operations {
                Any => &["\u{1}"],
                Named(names) | Starting(names) => names,
            };
            for (code, name) in row.codes.iter().flat_map(|code| names.iter().map(move |name| (code, name))) {
                // Of starts, what lies between the words counts.
                let operation =
                    if matches!(row.operations, Starting(_)) { format!("{name}\u{1}") } else { (*name).to_owned() };
                let first = ROWS.iter().position(|row| row.codes.contains(code) && row.operations.contain(&operation));
                assert_eq!(first, Some(at), "{code} {operation}");
            }
        }
    }
}
