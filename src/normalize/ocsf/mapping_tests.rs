//! What single records become.

use chrono::DateTime;
use serde_json::{Value, json};

use super::*;

fn context() -> Context<'static> {
    Context {
        domain: None,
        content: "",
        created: None,
        ingested: DateTime::from_timestamp_millis(1_772_442_060_000).unwrap(),
        original: None,
        user_agents: None,
        sensitive_types: None,
        geoip: None,
        namespace: "default",
    }
}

fn normalized(record: &Value, context: &Context<'_>) -> (Value, Normalized) {
    let record = JsonObject::parse(record.to_string().into()).unwrap();
    let mut text = Vec::new();
    let normalized = event(&record, context, &mut text);
    (serde_json::from_slice(&text).unwrap(), normalized)
}

fn mapped(record: &Value) -> Value {
    normalized(record, &context()).0
}

/// The values at some places, by JSON pointer.
#[track_caller]
fn assert_values(event: &Value, expected: &[(&str, Value)]) {
    for (place, value) in expected {
        assert_eq!(event.pointer(place).unwrap_or(&Value::Null), value, "{place} of {event:#}");
    }
}

#[test]
fn a_sign_in_fails_by_its_error_whatever_its_result() {
    let event = mapped(&json!({
        "RecordType": 15, "Operation": "UserLoginFailed", "ResultStatus": "Success", "Workload": "AzureActiveDirectory",
        "UserId": "a@contoso.example", "UserKey": "key", "UserType": 0, "ActorIpAddress": "192.0.2.1:80",
        "ObjectId": "00000003-0000-0000-c000-000000000000", "ErrorNumber": "50126", "LogonError": "InvalidUserNameOrPassword",
        "ExtendedProperties": [{"Name": "RequestType", "Value": "OAuth2:Token"}, {"Name": "UserAgent", "Value": "ua"}],
        "DeviceProperties": [{"Name": "SessionId", "Value": "s"}],
    }));
    assert_values(
        &event,
        &[
            ("/type_uid", json!(300_201)),
            ("/type_name", json!("Authentication: Logon")),
            ("/status_id", json!(2)),
            ("/status", json!("Failure")),
            ("/status_code", json!("50126")),
            ("/status_detail", json!("InvalidUserNameOrPassword")),
            (
                "/user",
                json!({
                    "name": "a@contoso.example", "email_addr": "a@contoso.example", "domain": "contoso.example",
                    "uid": "key", "type_id": 1, "type": "User",
                }),
            ),
            ("/src_endpoint", json!({"ip": "192.0.2.1", "port": 80})),
            ("/http_request/user_agent", json!("ua")),
            ("/session/uid", json!("s")),
            ("/auth_protocol_id", json!(6)),
            ("/service/uid", json!("00000003-0000-0000-c000-000000000000")),
        ],
    );
    let event = mapped(&json!({"RecordType": "15", "Operation": "UserLoggedIn", "ErrorNumber": "0", "LogonError": ""}));
    assert_values(&event, &[("/status_id", json!(1)), ("/user", json!({"name": "Unknown"}))]);
}

#[test]
fn a_renamed_file_has_both_names() {
    let event = mapped(&json!({
        "RecordType": 6, "Operation": "FileRenamed", "ItemType": "File", "ObjectId": "https://x.example/docs/a.txt",
        "SourceRelativeUrl": "docs", "SourceFileName": "a.txt", "SourceFileExtension": "txt",
        "DestinationRelativeUrl": "docs", "DestinationFileName": "b.txt", "Sha256": "00ff", "FileSizeBytes": "1e3",
    }));
    assert_values(
        &event,
        &[
            ("/type_uid", json!(600_605)),
            (
                "/file",
                json!({
                    "name": "a.txt", "path": "docs/a.txt", "parent_folder": "docs", "ext": "txt", "size": 1000,
                    "type_id": 1, "type": "Regular File", "uri": "https://x.example/docs/a.txt",
                    "hashes": [{"algorithm_id": 3, "algorithm": "SHA-256", "value": "00ff"}],
                }),
            ),
            ("/file_result/path", json!("docs/b.txt")),
            // User and address are unknown; the class requires both.
            ("/actor/user/name", json!("Unknown")),
            ("/src_endpoint", json!({"name": "Unknown"})),
            ("/unmapped/SourceFileName", Value::Null),
        ],
    );
    assert!(event["observables"].as_array().unwrap().iter().all(|known| known["value"] != "Unknown"));
}

#[test]
fn a_record_without_what_its_class_is_about_is_api_activity() {
    for (record, activity) in [
        (json!({"RecordType": 6, "Operation": "FileDeleted"}), "Delete"),
        (json!({"RecordType": 8, "Operation": "Update user.", "ObjectId": "Not Available"}), "Update"),
        (json!({"RecordType": 8, "Operation": "Add member to role.", "Comment": "x"}), "Update"),
        (json!({"RecordType": 25, "Operation": "MemberAdded", "Members": [{"UPN": "a@contoso.example"}]}), "Update"),
        (json!({"RecordType": 28, "Operation": "TIMailData", "Subject": "x"}), "TIMailData"),
        (json!({"RecordType": 40, "Operation": "AlertTriggered", "Name": "x"}), "AlertTriggered"),
        (json!({"RecordType": 20, "Operation": "ViewReport", "Activity": "x"}), "Read"),
    ] {
        let event = mapped(&record);
        let operation = record["Operation"].clone();
        assert_values(
            &event,
            &[
                ("/class_uid", json!(6003)),
                ("/activity_name", json!(activity)),
                ("/api/operation", operation.clone()),
                ("/metadata/event_code", operation),
            ],
        );
        for (name, value) in
            record.as_object().unwrap().iter().filter(|(name, _)| !matches!(name.as_str(), "Operation" | "RecordType"))
        {
            assert_eq!(event["unmapped"][name], *value, "{name}");
        }
    }
}

#[test]
fn of_several_members_the_first_beside_the_actor_is_the_user() {
    let event = mapped(&json!({
        "RecordType": 25, "Operation": "MemberAdded", "UserId": "a@contoso.example", "TeamName": "T", "AADGroupId": "g",
        "Members": [{"UPN": "a@contoso.example"}, {"UPN": "b@contoso.example", "DisplayName": "B"}, {"UPN": "c@contoso.example"}],
    }));
    let values: Vec<_> =
        event["observables"].as_array().unwrap().iter().map(|known| known["value"].as_str().unwrap()).collect();
    assert_values(
        &event,
        &[
            ("/type_uid", json!(300_603)),
            ("/group", json!({"name": "T", "uid": "g"})),
            ("/user/name", json!("b@contoso.example")),
            ("/user/full_name", json!("B")),
        ],
    );
    assert!(values.contains(&"c@contoso.example"), "{values:?}");
}

#[test]
fn a_role_is_a_privilege_of_the_target() {
    let event = mapped(&json!({
        "RecordType": 8, "Operation": "Add member to role.", "ObjectId": "a@contoso.example",
        "ModifiedProperties": [{"Name": "Role.DisplayName", "OldValue": "", "NewValue": "\"Global Administrator\""}],
        "Target": [
            {"ID": "User_69f75980-e7e0-5efb-b7aa-4e4c35c35243", "Type": 2},
            {"ID": "69f75980-e7e0-5efb-b7aa-4e4c35c35243", "Type": 2},
            {"ID": "User", "Type": 2},
            {"ID": "a@contoso.example", "Type": 5},
        ],
    }));
    assert_values(
        &event,
        &[
            ("/type_uid", json!(300_501)),
            ("/privileges", json!(["Global Administrator"])),
            ("/user/name", json!("a@contoso.example")),
            ("/user/uid", json!("69f75980-e7e0-5efb-b7aa-4e4c35c35243")),
        ],
    );
}

#[test]
fn data_loss_is_blocked_allowed_or_seen() {
    let record = |operation: &str, actions: Value, exception: Value| {
        mapped(&json!({
            "RecordType": 11, "Operation": operation, "IncidentId": "i", "ExceptionInfo": exception,
            "PolicyDetails": [{"PolicyId": "p", "PolicyName": "Cards", "Rules": [
                {"RuleId": "1", "RuleName": "Few", "Severity": "Low"},
                {"RuleId": "2", "RuleName": "Many", "Severity": "HIGH", "Actions": actions},
            ]}],
        }))
    };
    for (operation, actions, exception, activity, disposition) in [
        ("DLPRuleMatch", json!(["BlockAccess"]), Value::Null, 1, "Blocked"),
        ("DlpRuleMatch", json!(["BlockAccess"]), json!("because"), 1, "Allowed"),
        ("DlpRuleMatch", json!(["NotifyUser"]), Value::Null, 1, "Detected"),
        ("DLPRuleUndo", json!([]), json!("because"), 3, "Allowed"),
    ] {
        let event = record(operation, actions, exception);
        assert_values(
            &event,
            &[
                ("/class_uid", json!(2006)),
                ("/activity_id", json!(activity)),
                ("/disposition", json!(disposition)),
                ("/severity", json!("High")),
                ("/finding_info/uid", json!("i")),
                ("/finding_info/types", json!(["Few", "Many"])),
                ("/data_security/policy", json!({"uid": "p", "name": "Cards"})),
                ("/metadata/profiles", json!(["cloud", "host", "security_control"])),
            ],
        );
    }
}

#[test]
fn an_alert_has_its_evidence_and_closes_when_resolved() {
    let alert = |operation: &str, status: &str| {
        mapped(&json!({
            "RecordType": 40, "Operation": operation, "Id": "r", "AlertId": "a", "Name": "Phish", "Severity": "low",
            "Status": status, "PolicyId": "p", "AlertLinks": [{"AlertLinkHref": "https://x.example"}], "ClientIP": "192.0.2.1",
            "Data": "{\"f3u\":\"a@contoso.example\",\"tsd\":\"b@fabrikam.example\",\"sip\":\"192.0.2.7\"}",
        }))
    };
    let event = alert("AlertTriggered", "Active");
    assert_values(
        &event,
        &[
            ("/type_uid", json!(200_401)),
            ("/status", json!("New")),
            ("/severity_id", json!(2)),
            ("/finding_info/uid", json!("a")),
            ("/finding_info/src_url", json!("https://x.example")),
            ("/finding_info/analytic/uid", json!("p")),
            ("/metadata/uid", json!("r")),
            ("/evidences/0/user/name", json!("a@contoso.example")),
            ("/evidences/1/email", json!({"from": "b@fabrikam.example"})),
            ("/evidences/2/src_endpoint/ip", json!("192.0.2.7")),
            ("/evidences/3/src_endpoint/ip", json!("192.0.2.1")),
            ("/src_endpoint", Value::Null),
        ],
    );
    assert_values(&alert("AlertUpdated", "Resolved"), &[("/type_uid", json!(200_403)), ("/status", json!("Resolved"))]);
    assert_values(&alert("AlertUpdated", "Investigating"), &[("/type_uid", json!(200_402))]);
}

#[test]
fn a_mail_has_sender_recipients_and_verdict() {
    let event = mapped(&json!({
        "RecordType": 28, "Operation": "TIMailData", "P1Sender": "bounce@x.example", "P2Sender": "b@x.example",
        "Recipients": "[a@contoso.example, c@contoso.example]", "SenderIp": "192.0.2.9", "Directionality": "inbound",
        "DeliveryAction": "Blocked", "Verdict": "Phish", "Subject": "s", "UserAgent": "ua",
    }));
    assert_values(
        &event,
        &[
            ("/type_uid", json!(400_903)),
            ("/email/from", json!("b@x.example")),
            ("/email/to", json!(["a@contoso.example", "c@contoso.example"])),
            ("/email/return_path", json!("bounce@x.example")),
            ("/src_endpoint/ip", json!("192.0.2.9")),
            ("/direction", json!("Inbound")),
            ("/disposition", json!("Blocked")),
            ("/is_alert", json!(true)),
            // The class has no place for it.
            ("/http_request", Value::Null),
            ("/unmapped/UserAgent", json!("ua")),
        ],
    );
}

#[test]
fn an_attack_on_an_ai_is_an_alert() {
    let event = mapped(&json!({
        "RecordType": 261, "Operation": "CopilotInteraction",
        "CopilotEventData": {"AccessedResources": [{"Name": "a.docx", "Id": "1", "XPIADetected": true}]},
    }));
    assert_values(
        &event,
        &[
            ("/class_uid", json!(6003)),
            ("/is_alert", json!(true)),
            ("/resources", json!([{"name": "a.docx", "uid": "1"}])),
        ],
    );
}

#[test]
fn metadata_tells_where_the_event_came_from() {
    let record = json!({
        "RecordType": 6, "Operation": "FileAccessed", "Id": "r", "CreationTime": "2026-03-02T08:07:00", "Workload": "OneDrive",
        "OrganizationId": "ABC", "CorrelationId": "c", "o365": "kept", "UserId": "u", "UserType": {"x": 1}, "SourceFileName": "a",
    });
    let text = record.to_string();
    let context = Context {
        domain: Some("contoso.example"),
        content: r#"{"type":"Audit.SharePoint","id":"b"}"#,
        created: DateTime::from_timestamp_millis(1_772_442_000_000),
        original: Some(&text),
        ..context()
    };
    let (event, normalized) = normalized(&record, &context);
    assert_eq!(normalized.time.timestamp_millis(), 1_772_438_820_000);
    assert_eq!(normalized.damages.len(), 1);
    assert_values(
        &event,
        &[
            ("/time", json!(1_772_438_820_000_i64)),
            (
                "/metadata",
                json!({
                    "version": OCSF_VERSION, "uid": "r", "event_code": "FileAccessed", "tenant_uid": "abc",
                    "labels": ["SharePointFileOperation"], "correlation_uid": "c", "profiles": ["cloud", "host"],
                    "product": {"name": "Microsoft 365", "vendor_name": "Microsoft", "feature": {"name": "OneDrive"}},
                    "log_name": "Audit.SharePoint", "log_provider": "Office 365 Management Activity API",
                    "original_time": "2026-03-02T08:07:00", "logged_time": 1_772_442_000_000_i64,
                    "processed_time": 1_772_442_060_000_i64, "debug": ["UserType is not of the type that Microsoft documents"],
                }),
            ),
            ("/cloud/org", json!({"uid": "abc", "name": "contoso.example"})),
            ("/cloud/account/type_id", json!(17)),
            ("/unmapped/o365", json!({"audit": "kept", "content": {"type": "Audit.SharePoint", "id": "b"}})),
            ("/unmapped/UserType", json!({"x": 1})),
            ("/raw_data", json!(record.to_string())),
        ],
    );
}

#[test]
fn an_event_without_a_time_has_the_best_that_is_known() {
    for (created, expected) in [(Some(1_772_442_000_000), 1_772_442_000_000_i64), (None, 1_772_442_060_000)] {
        let created = created.and_then(DateTime::from_timestamp_millis);
        let (event, normalized) = normalized(&json!({"CreationTime": "soon"}), &Context { created, ..context() });
        assert_eq!(normalized.time.timestamp_millis(), expected);
        assert_values(
            &event,
            &[
                ("/time", json!(expected)),
                ("/metadata/original_time", json!("soon")),
                ("/api/operation", json!("Unknown")),
            ],
        );
        assert_eq!(normalized.damages.len(), 1);
    }
}

#[test]
fn rows_of_record_types_are_listed_for_the_documentation() {
    let rows: Vec<_> = classes().collect();
    assert!(rows.iter().all(|row| !row.activity.is_empty() && !row.operations.is_empty()));
    let last = rows.last().unwrap();
    assert_eq!((last.class.uid, last.activity_id, last.record_types.as_str()), (6003, 99, "any other"));
}

#[test]
fn every_class_is_that_of_some_operation() {
    let tables: Vec<_> = crate::normalize::operations().collect();
    let made = |class: &Class| tables.iter().flat_map(|table| &table.rows).any(|row| row.class.starts_with(class.name));
    let missing: Vec<_> = CLASSES.iter().filter(|class| !made(class)).map(|class| class.name).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
