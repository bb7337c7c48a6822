//! The tables of operations, and what is found in them.

use std::collections::HashSet;

use super::{
    Act::{self, *},
    Subject::{self, *},
    names::plain,
    *,
};
use crate::normalize::RECORD_TYPES;

#[track_caller]
fn assert_deeds(expected: &[(&str, &str, Subject, Act)]) {
    let wrong: Vec<_> = expected
        .iter()
        .map(|(code, operation, subject, act)| (code, operation, Deed { subject: *subject, act: *act }))
        .filter(|(code, operation, deed)| look_up(code, operation) != Some(*deed))
        .map(|(code, operation, deed)| format!("{code} {operation}: {:?}, not {deed:?}", look_up(code, operation)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_participle_at_the_end_says_more_than_a_noun_at_the_beginning() {
    for (operation, act) in [
        ("PostDeleted", Delete),
        ("ViewCreated", Create),
        ("AccessPolicyCreated", Create),
        ("ReadOnlyEnabled", Enable),
        ("UploadPolicyRemoved", Delete),
        ("TagRemoved", Delete),
        ("IssueClosed", Update),
        ("ThingDownloadedExtended", Download),
        ("CreateReport", Create),
        ("Deletes file", Delete),
        ("Creating site", Create),
        ("DeviceWiped", Update),
        ("UserDeprovisioned", Delete),
        ("FileUndeleted", Restore),
    ] {
        assert_eq!(look_up("", operation).map(|deed| deed.act), Some(act), "{operation}");
    }
    for (operation, act) in [("UserSignedIn", Start), ("Login", Start), ("LogoffUser", End), ("SignOut", End)] {
        let deed = look_up("", operation).unwrap();
        assert_eq!((deed.subject, deed.act), (SignIn, act), "{operation}");
    }
}

#[test]
fn no_name_is_twice_in_an_area() {
    for area in AREAS {
        let mut known = HashSet::new();
        for name in area.rows.iter().flat_map(|row| row.operations) {
            assert!(known.insert(plain(name)), "{}: {name}", area.name);
        }
    }
}

#[test]
fn a_name_is_the_same_in_all_areas_of_a_record_type() {
    for (name, entries) in &*ENTRIES {
        for (at, one) in entries.iter().enumerate() {
            for other in &entries[at + 1..] {
                let common = one.area.record_types.iter().find(|code| other.area.record_types.contains(code));
                assert!(common.is_none(), "{name} is in {} and {}", one.area.name, other.area.name);
            }
        }
    }
}

#[test]
fn each_record_type_has_an_area_and_each_area_known_record_types() {
    let missing: Vec<_> = RECORD_TYPES
        .iter()
        .map(|(_, code)| code)
        .filter(|code| !AREAS.iter().any(|area| area.record_types.contains(code)))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    for area in AREAS {
        assert!(!area.source.is_empty() && !area.record_types.is_empty(), "{}", area.name);
        for code in area.record_types {
            assert!(RECORD_TYPES.iter().any(|(_, known)| known == code), "{code}");
        }
    }
}

#[test]
fn there_are_rows_for_what_microsoft_documents() {
    let rows: usize = ENTRIES.values().map(Vec::len).sum();
    println!("{rows} rows in {} areas", AREAS.len());
    assert!(rows > 1500, "{rows}");
}

#[test]
fn a_name_of_two_areas_is_told_by_the_record_type() {
    assert_deeds(&[
        ("ExchangeItem", "Create", MailItem, Create),
        ("CRM", "Create", Content, Create),
        ("MicrosoftTeams", "MessageRead", Message, Access),
        ("AttackSim", "MessageRead", Content, Access),
        ("PlannerTask", "TaskCreated", Task, Create),
        ("PowerBIAudit", "CreateFolder", Report, Create),
        ("PowerBIAudit", "SensitivityLabelApplied", Report, Update),
        ("SensitivityLabelAction", "SensitivityLabelApplied", File, Update),
        ("MicrosoftTeams", "SensitivityLabelApplied", Setting, Update),
        ("MicrosoftTeams", "Delete user.", User, Delete),
        ("Yammer", "FileDownloaded", File, Download),
        ("DLPEndpoint", "FileDownloadedFromBrowser", File, Download),
    ]);
    // In a record of a type that Microsoft has not documented yet, a name of which all areas say the same.
    assert_deeds(&[("", "FileDownloaded", File, Download), ("", "Add user.", User, Create)]);
    // Of a mailbox, and of nothing else.
    assert_deeds(&[("", "HardDelete", Content, Delete)]);
}

#[test]
fn letter_case_and_the_dot_at_the_end_make_no_difference() {
    assert_deeds(&[
        ("AzureActiveDirectory", "Add member to role.", Role, Grant),
        ("AzureActiveDirectory", "add member to ROLE", Role, Grant),
        ("SharePointFileOperation", "filedeletedfirststagerecyclebin", File, Delete),
        ("SharePointListItemOperation", "List Item Deleted", List, Delete),
        ("DataGovernance", "New-RetentionCompliancePolicy", Setting, Create),
    ]);
}

#[test]
fn what_has_no_row_is_told_by_its_verb() {
    assert_deeds(&[
        // Camel case, the verb behind.
        ("SharePointFileOperation", "FileFrobnicatedDeleted", File, Delete),
        ("SharePointFileOperation", "FileArchivedRestored", File, Restore),
        ("SharePointFileOperation", "FileSyncUploadedTwice", File, SyncUpload),
        ("SharePointFileOperation", "FileSyncDownloadedTwice", File, SyncDownload),
        ("SharePointFileOperation", "FolderPinned2Created", Folder, Create),
        ("SharePointFileOperation", "FileFoo", File, Other),
        ("OneDrive", "FileTranscriptDownloaded", File, Download),
        ("SharePoint", "SiteThemeChanged", Site, Update),
        ("SharePointListOperation", "ListFormViewed", List, Access),
        ("SharePointSharingOperation", "TeamLinkCreated", Sharing, Create),
        ("MicrosoftTeams", "ChannelMessagePinned2Deleted", Message, Delete),
        ("MicrosoftTeams", "WebinarCreated", Meeting, Create),
        ("Yammer", "CommunityDeletion", Group, Delete),
        ("Yammer", "NetworkUserSuspension", User, Disable),
        ("Yammer", "PollAccessFailure", Message, Deny),
        ("PlannerTask", "TaskArchivedDeleted", Task, Delete),
        ("PowerPlatformAdministratorActivity", "CanvasPolicyCreate", Setting, Create),
        // Camel case, the verb before.
        ("PowerBIAudit", "ExportNewThing", Report, Export),
        ("PowerBIAudit", "DeleteEventstream", Report, Delete),
        ("PowerBIAudit", "ViewEventstream", Report, Access),
        ("FabricAudit", "UpdateGatewayThing", Setting, Update),
        ("MicrosoftForms", "DownloadForm", Form, Download),
        ("MicrosoftFlow", "EnableFlow", App, Enable),
        ("AeD", "SearchSomething", Search, Query),
        // Words.
        ("AzureActiveDirectory", "Update shiny user.", User, Update),
        ("AzureActiveDirectory", "Remove member from shiny role.", Role, Revoke),
        ("AzureActiveDirectory", "Add member to shiny group", Group, AddMember),
        ("AzureActiveDirectory", "Add member to shiny role requested", Role, Request),
        ("AzureActiveDirectory", "Add member to shiny role denied", Role, Deny),
        ("AzureActiveDirectory", "Delete shiny policy", Directory, Delete),
        ("AzureActiveDirectory", "Get shiny application", Application, Access),
        ("AzureActiveDirectory", "Enable shiny thing", Directory, Enable),
        ("AzureActiveDirectory", "Group_Get", Group, Access),
        ("AzureActiveDirectory", "Group_GetShinyThings", Group, Access),
        ("AzureActiveDirectory", "Bulk invite shiny guests", User, Create),
        // Cmdlets.
        ("ExchangeAdmin", "New-Shiny", Setting, Create),
        ("ExchangeAdmin", "Set-ShinyMailbox", Mailbox, Update),
        ("ExchangeAdmin", "Remove-ShinyGroup", Group, Delete),
        ("ExchangeAdmin", "Get-ShinyPolicy", Setting, Access),
        ("ExchangeAdmin", "Enable-ShinyRule", Setting, Enable),
        ("ExchangeAdmin", "Disable-ShinyRule", Setting, Disable),
        ("SecurityComplianceCenterEOPCmdlet", "Search-Shiny", Search, Query),
        ("SecurityComplianceCenterEOPCmdlet", "Export-Shiny", Setting, Export),
        // Of unknown record types.
        ("", "FileShinyDeleted", File, Delete),
        ("", "GroupShinyCreation", Group, Create),
        ("", "Delete shiny user", User, Delete),
        ("", "ShinyThingCreated", Content, Create),
    ]);
    assert_eq!(look_up("", "BrandNewThing"), None);
    assert_eq!(look_up("", &format!("{}FileDeleted", "Shiny".repeat(1000))), None);
    assert_eq!(look_up("", ""), None);
}

#[test]
fn an_area_says_what_nothing_else_does() {
    assert_deeds(&[
        ("AzureActiveDirectoryStsLogon", "Shiny", SignIn, Start),
        ("ExchangeItemAggregated", "Shiny", MailItem, Access),
        ("SecurityComplianceAlerts", "Shiny", Alert, Detect),
        ("ComplianceDLPExchange", "Shiny", DataLoss, Detect),
        ("CopilotInteraction", "Shiny", Conversation, Ask),
        ("ExchangeItem", "", MailItem, Other),
    ]);
}
