//! What was done to what: category and type of ECS, class and activity of OCSF, for operations as records have them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use chrono::DateTime;
use office365_source::{
    component::JsonObject,
    normalize::{NormalizeOptions, Normalizer, Origin, RecordMembers, Schema},
};
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn event(schema: Schema, record: &Value) -> Value {
    let normalizer = Normalizer::new(NormalizeOptions { user_agents: false, ..NormalizeOptions::new(schema) });
    let mut members = RecordMembers::default();
    let text = record.to_string();
    let (record, _) = JsonObject::parse_repairing(text.into(), |name, raw| members.visit(name, raw)).unwrap();
    let event = normalizer.event(record, &members, &Origin::outside(None), DateTime::UNIX_EPOCH).event;
    serde_json::from_str(&event.to_json()).unwrap()
}

fn words(event: &Value, pointer: &str) -> Vec<String> {
    let list = event.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    list.iter().filter_map(|word| Some(word.as_str()?.to_owned())).collect()
}

/// Operations of files, and what ECS and OCSF say of them beside `web`, `info` and the class.
const FILES: &[(&str, &str, &str)] = &[
    ("FileAccessed", "access", "Open"),
    ("FileAccessedExtended", "access", "Open"),
    ("FileCheckedIn", "change", "Unlock"),
    ("FileCheckedOut", "change", "Lock"),
    ("FileCheckOutDiscarded", "change", "Unlock"),
    ("FileCopied", "creation", "Copy"),
    ("FileDeleted", "deletion", "Delete"),
    ("FileDeletedFirstStageRecycleBin", "deletion", "Delete"),
    ("FileDeletedSecondStageRecycleBin", "deletion", "Delete"),
    ("FileDownloaded", "access", "Download"),
    ("FileModified", "change", "Update"),
    ("FileModifiedExtended", "change", "Update"),
    ("FileMoved", "change", "Move"),
    ("FilePreviewed", "access", "Preview"),
    ("FileRecycled", "deletion", "Delete"),
    ("FileRenamed", "change", "Rename"),
    ("FileRestored", "change", "Restore"),
    ("FileSyncDownloadedFull", "access", "Sync"),
    ("FileSyncDownloadedPartial", "access", "Sync"),
    ("FileSyncUploadedFull", "creation", "Sync"),
    ("FileSyncUploadedPartial", "creation", "Sync"),
    ("FileTranscriptRequest", "access", "Open"),
    ("FileUploaded", "creation", "Upload"),
    ("FileUploadedPartial", "creation", "Upload"),
    ("FileVersionRecycled", "deletion", "Delete"),
    ("FileVersionsAllDeleted", "deletion", "Delete"),
    ("FileVersionsAllMinorsRecycled", "deletion", "Delete"),
    ("FileVersionsAllRecycled", "deletion", "Delete"),
    ("FolderCopied", "creation", "Copy"),
    ("FolderCreated", "creation", "FolderCreated"),
    ("FolderDeleted", "deletion", "Delete"),
    ("FolderDeletedFirstStageRecycleBin", "deletion", "Delete"),
    ("FolderDeletedSecondStageRecycleBin", "deletion", "Delete"),
    ("FolderModified", "change", "Update"),
    ("FolderRecycled", "deletion", "Delete"),
    ("FolderRestored", "change", "Restore"),
    ("FileNobodyHeardOfDeleted", "deletion", "Delete"),
    ("FileNobodyHeardOfUploaded", "creation", "Upload"),
];

#[track_caller]
fn assert_file(record: &Value, kind: &str, activity: &str) {
    let (ecs, ocsf) = (event(Schema::Ecs, record), event(Schema::Ocsf, record));
    assert_eq!(words(&ecs, "/event/category"), ["web", "file"], "{record}");
    assert_eq!(words(&ecs, "/event/type"), ["info", kind], "{record}");
    assert_eq!(ocsf["class_name"], "File Hosting Activity", "{record}");
    assert_eq!(ocsf["activity_name"], activity, "{record}");
}

fn assert_malware(record: &Value) {
    let (ecs, ocsf) = (event(Schema::Ecs, record), event(Schema::Ocsf, record));
    assert_eq!(words(&ecs, "/event/category"), ["web", "file", "malware"]);
    assert_eq!(words(&ecs, "/event/type"), ["info"]);
    assert_eq!(ocsf["class_name"], "Detection Finding");
}

fn record(operation: &str) -> Value {
    json!({
        "CreationTime": "2026-03-04T05:06:45", "Id": "3a1c0bfb-5b4f-4a46-9d7b-6e1a4c0d7b11", "Operation": operation,
        "OrganizationId": "5e5f1c2a-0b1d-4c3e-9f4a-0123456789ab", "RecordType": 6, "UserType": 0, "Workload": "OneDrive",
        "UserId": "ana.lee@fabrikam.example", "ClientIP": "198.51.100.9", "SourceFileName": "q.docx",
        "ObjectId": "https://fabrikam.example/s/q.docx", "VirusInfo": "Win32/X",
    })
}

#[test]
fn operations_of_files_are_what_their_names_say() {
    for (operation, kind, activity) in FILES {
        assert_file(&record(operation), kind, activity);
        let mut drive = record(operation);
        drive["RecordType"] = 7.into();
        assert_file(&drive, kind, activity);
    }
    assert_malware(&record("FileMalwareDetected"));
}

#[test]
fn reported_operations_of_files_are_what_their_names_say() {
    let path = root().join("../shared/reports/46-sharepoint-operations.ndjson");
    let Ok(text) = fs::read_to_string(&path) else {
        eprintln!("SKIPPED: {} is not there", path.display());
        return;
    };
    let mut seen = 0;
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let operation = record["Operation"].as_str().unwrap();
        seen += 1;
        if operation == "FileMalwareDetected" {
            assert_malware(&record);
            continue;
        }
        let (_, kind, activity) = FILES
            .iter()
            .find(|(known, ..)| *known == operation)
            .unwrap_or_else(|| panic!("{operation} is not in the test's list"));
        assert_file(&record, kind, activity);
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn operations_of_other_workloads_have_category_and_type() {
    for (record_type, operation, category, kinds) in [
        (8, "Add user.", &["iam"][..], &["user", "creation"][..]),
        (8, "Delete user.", &["iam"], &["user", "deletion"]),
        (8, "Reset user password.", &["iam"], &["user", "change"]),
        (8, "Disable Strong Authentication.", &["iam"], &["user", "change"]),
        (8, "User registered security info", &["iam"], &["user", "change"]),
        (8, "Add member to role.", &["iam"], &["admin", "user", "change"]),
        (8, "Add member to group.", &["iam"], &["group", "change"]),
        (8, "Delete group.", &["iam"], &["group", "deletion"]),
        (8, "Consent to application.", &["iam"], &["admin", "change"]),
        (8, "Add service principal.", &["iam"], &["admin", "creation"]),
        (8, "Update Conditional Access policy", &["iam", "configuration"], &["admin", "change"]),
        (8, "Set federation settings on domain.", &["iam", "configuration"], &["admin", "change"]),
        (15, "UserLoggedIn", &["authentication"], &["start", "access"]),
        (15, "UserLoggedOff", &["authentication"], &["end"]),
        (25, "TeamsSessionStarted", &["authentication", "session"], &["start"]),
        (25, "MemberRemoved", &["iam"], &["group", "change"]),
        (25, "MessageDeleted", &["api"], &["deletion"]),
        (2, "Create", &["email"], &["creation"]),
        (2, "Update", &["email"], &["change"]),
        (3, "HardDelete", &["email"], &["deletion"]),
        (50, "MailItemsAccessed", &["email"], &["access"]),
        (1, "New-InboxRule", &["email", "configuration"], &["creation"]),
        (1, "Add-MailboxPermission", &["email", "configuration", "iam"], &["change"]),
        (1, "Remove-TransportRule", &["configuration"], &["deletion"]),
        (65, "QuarantineRelease", &["email", "api"], &["allowed"]),
        (14, "AnonymousLinkCreated", &["file"], &["change"]),
        (14, "AnonymousLinkUsed", &["file"], &["access"]),
        (14, "SharingInvitationBlocked", &["file", "api"], &["denied"]),
        (4, "PageViewed", &[], &["access"]),
        (4, "SharingPolicyChanged", &["configuration"], &["change"]),
        (4, "SiteCollectionAdminAdded", &["iam"], &["admin", "user", "change"]),
        (63, "FileCopiedToRemovableMedia", &["file"], &["creation"]),
        (83, "SensitivityLabelRemoved", &["file"], &["change"]),
        (24, "SearchExportDownloaded", &[], &["access"]),
        (20, "ExportReport", &[], &["access"]),
        (20, "DeleteReport", &["api"], &["deletion"]),
        (38, "NewRetentionCompliancePolicy", &["configuration"], &["creation"]),
    ] {
        let mut record = record(operation);
        record["RecordType"] = record_type.into();
        let event = event(Schema::Ecs, &record);
        let (categories, types) = (words(&event, "/event/category"), words(&event, "/event/type"));
        assert_eq!(categories, [&["web"], category].concat(), "{operation}");
        assert_eq!(types, [&["info"], kinds].concat(), "{operation}");
    }
}

/// Operations of the samples that stay general web events, and why.
const LEFT: &[(&str, &str)] = &[
    ("HeartBeat", "a scanner tells that it runs; nothing was done"),
    ("BrandNewThing", "made up: neither record type, verb nor noun is known"),
    ("deep", "made up for a record of unheard-of depth"),
    ("long", "made up for a record of unheard-of length"),
    ("wide", "made up for a record of unheard-of width"),
    ("x", "made up: the least that a record can have"),
    ("", "there is no operation"),
];

/// All records within a file's JSON.
fn records(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(map) if map.get("Operation").is_some_and(Value::is_string) => found.push(value.clone()),
        Value::Object(map) => map.values().for_each(|value| records(value, found)),
        Value::Array(list) => list.iter().for_each(|value| records(value, found)),
        Value::String(text) if text.contains("\"Operation\"") => {
            if let Ok(value) = serde_json::from_str(text) {
                records(&value, found);
            }
        }
        _ => {}
    }
}

#[test]
fn of_every_sample_more_is_known_than_that_it_is_of_the_web() {
    let mut left = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for directory in ["tests/records", "../shared/fixtures/elastic", "../shared/fixtures/sekoia"] {
        let Ok(entries) = fs::read_dir(root().join(directory)) else {
            eprintln!("SKIPPED: {directory} is not there");
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_input =
                path.extension().is_some_and(|extension| extension == "json") && !name.contains("-expected.");
            let Some(tree) =
                is_input.then(|| fs::read(&path).unwrap()).and_then(|json| serde_json::from_slice(&json).ok())
            else {
                continue;
            };
            let mut found = Vec::new();
            records(&tree, &mut found);
            for record in found {
                let event = event(Schema::Ecs, &record);
                let operation = record["Operation"].as_str().unwrap().to_owned();
                if words(&event, "/event/category") == ["web"] && words(&event, "/event/type") == ["info"] {
                    left.insert(operation.clone());
                }
                seen.insert(operation);
            }
        }
    }
    let unnamed: Vec<_> = left.iter().filter(|operation| !LEFT.iter().any(|(known, _)| known == operation)).collect();
    assert!(unnamed.is_empty(), "{unnamed:?}");
    let idle: Vec<_> = LEFT.iter().filter(|(operation, _)| !left.contains(*operation)).collect();
    assert!(idle.is_empty(), "more is known of these, or no sample has them: {idle:?}");
    assert!(seen.len() > 80, "{}", seen.len());
    println!("{} operations, {} of them left", seen.len(), left.len());
}
