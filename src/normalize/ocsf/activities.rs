//! Which class and activity a record is: what was done to what ([`operations`](crate::normalize::operations)), in the words of OCSF.
//!
//! OCSF has no published mapping of the Management Activity API. The choices follow what the field does with the same facts in
//! Microsoft Graph, and the descriptions of the classes. Four need a reason:
//! - Unknown operations are API Activity, not Base Event: every record says who did what through which service, and
//!   only API Activity has fields for that which are commonly searched.
//! - Items of mailboxes are API Activity, not Datastore Activity: that class knows databases, buckets and tables only.
//! - Automated investigations are Detection Finding, not Incident Finding: that class requires an assignee of the
//!   incident, and the records name none.
//! - Cmdlets are API Activity whatever they change: the call is what the record describes, with its parameters.

use super::classes::{
    ACCOUNT_CHANGE, API_ACTIVITY, AUTHENTICATION, Class, DATA_SECURITY_FINDING, DETECTION_FINDING, EMAIL_ACTIVITY,
    ENTITY_MANAGEMENT, FILE_HOSTING_ACTIVITY, GROUP_MANAGEMENT, OTHER, USER_ACCESS, WEB_RESOURCES_ACTIVITY,
};
use crate::normalize::operations::{Act, Deed, Subject, look_up};

/// What the records of some types are, whatever was done.
#[derive(Debug)]
pub(super) struct Row {
    /// Record types.
    pub(super) codes: &'static [&'static str],
    /// Operations, in any case; any, if empty.
    pub(super) operations: &'static [&'static str],
    pub(super) class: &'static Class,
    /// `activity_id`.
    pub(super) activity: u8,
}

const fn row(
    codes: &'static [&'static str],
    operations: &'static [&'static str],
    class: &'static Class,
    activity: u8,
) -> Row {
    Row { codes, operations, class, activity }
}

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

/// Record types of cmdlets.
const CMDLETS: &[&str] = &[
    "ExchangeAdmin",
    "SecurityComplianceCenterEOPCmdlet",
    "DataCenterSecurityCmdlet",
    "SkypeForBusinessCmdlets",
    "SecurityComplianceRBAC",
    "SecurityComplianceUserChange",
];

/// Record types that name a user or an object to whom something was done.
const DIRECTORIES: &[&str] = &["AzureActiveDirectory", "MicrosoftTeams", "Yammer"];

/// All rows. The first that fits counts.
pub(super) const ROWS: &[Row] = &[
    // DlpInfo says more about an earlier match.
    row(LOSSES, &["DlpRuleMatch"], &DATA_SECURITY_FINDING, 1),
    row(LOSSES, &["DlpInfo"], &DATA_SECURITY_FINDING, 2),
    row(LOSSES, &["DlpRuleUndo"], &DATA_SECURITY_FINDING, 3),
    row(ALERTS, &["AlertUpdated"], &DETECTION_FINDING, 2),
    row(ALERTS, &[], &DETECTION_FINDING, 1),
    row(DETECTIONS, &[], &DETECTION_FINDING, 1),
    row(INVESTIGATIONS, &[], &DETECTION_FINDING, 2),
    row(&["ThreatIntelligence"], &[], &EMAIL_ACTIVITY, 3),
];

/// What a record is to OCSF.
#[derive(Clone, Copy, Debug)]
pub(super) struct Activity {
    pub(super) class: &'static Class,
    /// `activity_id`.
    pub(super) id: u8,
    /// `activity_id` of API Activity, which a record becomes that lacks what its class is about.
    pub(super) fallback: u8,
}

/// The class and activity of an operation; `deed` is what it was by more than its name.
pub(super) fn classify(code: &str, operation: &str, deed: Option<Deed>) -> Activity {
    let deed = deed.or_else(|| look_up(code, operation));
    let fallback = deed.map_or(OTHER, |deed| call(deed.act));
    let (class, id) =
        of_type(code, operation).or_else(|| deed.map(|deed| of(code, deed))).unwrap_or((&API_ACTIVITY, fallback));
    Activity { class, id, fallback }
}

/// What the rows of record types say.
pub(super) fn of_type(code: &str, operation: &str) -> Option<(&'static Class, u8)> {
    ROWS.iter().find(|row| row.fits(code, operation)).map(|row| (row.class, row.activity))
}

/// The class and activity of a deed, in a record of a type.
pub(in crate::normalize) fn of(code: &str, deed: Deed) -> (&'static Class, u8) {
    let act = deed.act;
    match deed.subject {
        _ if CMDLETS.contains(&code) => (&API_ACTIVITY, call(act)),
        Subject::File if act == Act::Detect => (&DETECTION_FINDING, 1),
        Subject::File | Subject::Folder | Subject::Sharing => (&FILE_HOSTING_ACTIVITY, hosting(deed)),
        Subject::Page
        | Subject::List
        | Subject::Message
        | Subject::Channel
        | Subject::Report
        | Subject::Form
        | Subject::Task
        | Subject::Video => (&WEB_RESOURCES_ACTIVITY, web(act)),
        Subject::Search if act == Act::Query => (&WEB_RESOURCES_ACTIVITY, web(act)),
        Subject::User | Subject::Password | Subject::StrongAuthentication if DIRECTORIES.contains(&code) => {
            (&ACCOUNT_CHANGE, account(deed))
        }
        Subject::Group => (&GROUP_MANAGEMENT, group(act)),
        Subject::Role if matches!(act, Act::Grant | Act::Revoke) => {
            (&USER_ACCESS, if act == Act::Grant { 1 } else { 2 })
        }
        Subject::Role | Subject::Application | Subject::Device | Subject::Directory if DIRECTORIES.contains(&code) => {
            (&ENTITY_MANAGEMENT, entity(act))
        }
        Subject::SignIn | Subject::Session => (&AUTHENTICATION, logon(act)),
        Subject::MailItem if act == Act::Send => (&EMAIL_ACTIVITY, 1),
        _ => (&API_ACTIVITY, call(act)),
    }
}

/// `activity_id` of Authentication.
fn logon(act: Act) -> u8 {
    match act {
        Act::Start => 1,
        Act::End => 2,
        _ => OTHER,
    }
}

/// `activity_id` of API Activity.
fn call(act: Act) -> u8 {
    match act {
        Act::Create | Act::Upload | Act::SyncUpload | Act::Copy | Act::Import | Act::Register | Act::Send => 1,
        Act::Access | Act::Download | Act::SyncDownload | Act::Preview | Act::Query | Act::Export => 2,
        Act::Update
        | Act::Rename
        | Act::Move
        | Act::Restore
        | Act::Lock
        | Act::Unlock
        | Act::Share
        | Act::Unshare
        | Act::Enable
        | Act::Disable
        | Act::AddMember
        | Act::RemoveMember
        | Act::Grant
        | Act::Revoke
        | Act::Reset
        | Act::Start
        | Act::End => 3,
        Act::Delete | Act::Unregister => 4,
        Act::Allow | Act::Deny | Act::Detect | Act::Ask | Act::Request | Act::Other => OTHER,
    }
}

/// `activity_id` of File Hosting Activity.
fn hosting(deed: Deed) -> u8 {
    match (deed.act, deed.subject) {
        // A link that was changed, refused or made is no file that was.
        (Act::Create | Act::Update | Act::Allow | Act::Deny, Subject::Sharing) | (Act::Create, Subject::Folder) => {
            OTHER
        }
        (Act::Create | Act::Upload | Act::Import, _) => 1,
        (Act::Download | Act::Export, _) => 2,
        (Act::Update, _) => 3,
        (Act::Delete | Act::Unregister, _) => 4,
        (Act::Rename, _) => 5,
        (Act::Copy, _) => 6,
        (Act::Move, _) => 7,
        (Act::Restore, _) => 8,
        (Act::Preview, _) => 9,
        (Act::Lock, _) => 10,
        (Act::Unlock, _) => 11,
        (Act::Share | Act::Grant, _) => 12,
        (Act::Unshare | Act::Revoke, _) => 13,
        (Act::Access | Act::Query, _) => 14,
        (Act::SyncUpload | Act::SyncDownload, _) => 15,
        _ => OTHER,
    }
}

/// `activity_id` of Web Resources Activity.
fn web(act: Act) -> u8 {
    match act {
        Act::Query => 5,
        Act::Import => 6,
        Act::Export | Act::Download => 7,
        Act::Share => 8,
        Act::Start | Act::End => OTHER,
        act => call(act),
    }
}

/// `activity_id` of Account Change.
fn account(deed: Deed) -> u8 {
    match (deed.subject, deed.act) {
        (Subject::Password, Act::Update) => 3,
        (Subject::Password, Act::Reset) => 4,
        (Subject::StrongAuthentication, Act::Create | Act::Enable | Act::Register) => 10,
        (Subject::StrongAuthentication, Act::Delete | Act::Disable | Act::Unregister) => 11,
        (Subject::User, Act::Create) => 1,
        (Subject::User, Act::Enable) => 2,
        (Subject::User, Act::Disable) => 5,
        (Subject::User, Act::Delete | Act::Unregister) => 6,
        (Subject::User, Act::Lock) => 9,
        (Subject::User, Act::Unlock) => 12,
        _ => OTHER,
    }
}

/// `activity_id` of Group Management.
fn group(act: Act) -> u8 {
    match act {
        Act::Grant => 1,
        Act::Revoke => 2,
        Act::AddMember => 3,
        Act::RemoveMember => 4,
        Act::Delete | Act::Unregister => 5,
        Act::Create => 6,
        _ => OTHER,
    }
}

/// `activity_id` of Entity Management.
fn entity(act: Act) -> u8 {
    match act {
        Act::Register => 6,
        Act::Unregister => 7,
        Act::Enable => 8,
        Act::Disable => 9,
        Act::Move => 5,
        Act::Start | Act::End => OTHER,
        act => call(act),
    }
}

impl Row {
    fn fits(&self, code: &str, operation: &str) -> bool {
        self.codes.contains(&code)
            && (self.operations.is_empty() || self.operations.iter().any(|name| name.eq_ignore_ascii_case(operation)))
    }

    /// The operations, for display.
    pub(super) fn describe(&self) -> String {
        let names: Vec<_> = self.operations.iter().map(|name| format!("`{name}`")).collect();
        if names.is_empty() { "any".to_owned() } else { names.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::{
        RECORD_TYPES,
        ecs::categories::types,
        operations::{AREAS, VERBS},
    };

    #[test]
    fn operations_have_the_class_and_activity_of_what_was_done() {
        for (code, operation, class, activity) in [
            ("AzureActiveDirectoryStsLogon", "UserLoginFailed", 3002, 1),
            ("AzureActiveDirectoryStsLogon", "UserLoggedOff", 3002, 2),
            ("AzureActiveDirectory", "Add user.", 3001, 1),
            ("AzureActiveDirectory", "add USER", 3001, 1),
            ("AzureActiveDirectory", "Change user password.", 3001, 3),
            ("AzureActiveDirectory", "Reset user password.", 3001, 4),
            ("AzureActiveDirectory", "Disable Strong Authentication.", 3001, 11),
            ("AzureActiveDirectory", "Update StsRefreshTokenValidFrom Timestamp.", 3001, 99),
            ("AzureActiveDirectory", "Add member to role.", 3005, 1),
            ("AzureActiveDirectory", "Add eligible member to role in PIM completed (permanent)", 3005, 1),
            ("AzureActiveDirectory", "Add eligible member to role in PIM requested (permanent)", 3004, 99),
            ("AzureActiveDirectory", "Add app role assignment to service principal.", 3004, 3),
            ("AzureActiveDirectory", "Add application.", 3004, 1),
            ("AzureActiveDirectory", "Register device.", 3004, 6),
            ("AzureActiveDirectory", "Add owner to group.", 3006, 99),
            ("SharePointFileOperation", "FileDeletedFirstStageRecycleBin", 6006, 4),
            ("SharePointFileOperation", "FileMalwareDetected", 2004, 1),
            ("SharePointFileOperation", "FileUnheardOf", 6006, 99),
            ("SharePointFileOperation", "FolderCreated", 6006, 99),
            ("SharePointSharingOperation", "AnonymousLinkUpdated", 6006, 99),
            ("ExchangeAdmin", "Remove-Mailbox", 6003, 4),
            ("ExchangeAdmin", "New-DistributionGroup", 6003, 1),
            ("ExchangeAdmin", "Add-MailboxPermission", 6003, 3),
            ("ExchangeItem", "SendAs", 4009, 1),
            ("ComplianceDLPExchange", "DLPRuleUndo", 2006, 3),
            ("SecurityComplianceAlerts", "AlertUpdated", 2004, 2),
            ("PowerBIAudit", "CreateFolder", 6001, 1),
            ("", "FileDownloaded", 6006, 2),
            ("", "BrandNewThing", 6003, 99),
            ("AzureActiveDirectory", "", 3004, 99),
        ] {
            let found = classify(code, operation, None);
            assert_eq!((found.class.uid, found.id), (class, activity), "{code} {operation}");
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
            let names = if row.operations.is_empty() { &["\u{1}"] } else { row.operations };
            for (code, name) in row.codes.iter().flat_map(|code| names.iter().map(move |name| (code, name))) {
                assert_eq!(ROWS.iter().position(|row| row.fits(code, name)), Some(at), "{code} {name}");
            }
        }
    }

    /// What an activity's name says in the words of ECS; `None` if it says none of them.
    fn kind(activity: &str) -> Option<&'static str> {
        Some(match activity {
            "Create" | "Upload" | "Copy" | "Import" | "Enroll" => "creation",
            "Read" | "Download" | "Preview" | "Open" | "Search" | "Export" => "access",
            "Update" | "Rename" | "Move" | "Restore" | "Lock" | "Unlock" | "Share" | "Unshare" | "Enable"
            | "Disable" | "Assign Privileges" | "Revoke Privileges" | "Add User" | "Remove User"
            | "Password Change" | "Password Reset" | "MFA Factor Enable" | "MFA Factor Disable" => "change",
            "Delete" | "Unenroll" => "deletion",
            "Logon" => "start",
            "Logoff" => "end",
            // ECS says whether it was brought up or down.
            "Sync" | "Send" | "Scan" | "Other" => return None,
            other => panic!("{other} is not compared"),
        })
    }

    #[test]
    fn ecs_and_ocsf_agree_on_what_was_done() {
        const KINDS: &[&str] = &["creation", "access", "change", "deletion", "start", "end"];
        let mut compared = 0;
        for area in AREAS {
            let verbs = VERBS.iter().map(|verb| Deed { subject: area.subject, act: verb.act });
            for deed in area.rows.iter().map(|row| row.deed).chain(verbs) {
                for code in area.record_types {
                    let (class, activity) = of(code, deed);
                    let name = class.activity_name(activity).unwrap_or_else(|| panic!("{deed:?} {activity}"));
                    let said: Vec<_> = types(deed).filter(|kind| KINDS.contains(kind)).collect();
                    // OCSF has no word for what begins or ends, but for sign-ins; there it is a change.
                    let runs = matches!(deed.act, Act::Start | Act::End) && class.uid == 6003;
                    if class.category_uid == 2 || runs {
                        continue;
                    }
                    if let Some(kind) = kind(name) {
                        compared += 1;
                        assert!(said.contains(&kind), "{code} {deed:?}: {name}, but {said:?}");
                    }
                    // What is deleted in one is deleted in the other, unless the class has no word for it.
                    let has_word = class.activities.iter().any(|(_, name)| ["Delete", "Unenroll"].contains(name));
                    if said.contains(&"deletion") && has_word && class.uid != 3001 {
                        assert_eq!(kind(name), Some("deletion"), "{code} {deed:?}");
                    }
                }
            }
        }
        assert!(compared > 1000, "{compared}");
    }
}
