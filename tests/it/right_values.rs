//! The right value of odd records, in every schema: neighbours of what collectors of this API have got wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::normalized;

use normalized::{event, texts};
use office365_source::normalize::Schema;
use serde_json::{Value, json};

/// A record with what every record has.
fn record(members: &Value) -> String {
    let mut record = json!({
        "CreationTime": "2026-03-04T05:06:01",
        "Id": "0c0a7e4e-6a43-4b2e-8c53-0d2c9a1f7b11",
        "Operation": "Op",
        "RecordType": 2,
        "UserId": "ana@contoso.com",
        "Workload": "Exchange",
    });
    record.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    record.to_string()
}

fn ecs(members: &Value, path: &str) -> Vec<String> {
    texts(&event(Schema::Ecs, &record(members)), path)
}

fn ocsf(members: &Value, path: &str) -> Vec<String> {
    texts(&event(Schema::Ocsf, &record(members)), path)
}

#[test]
fn ecs_and_ocsf_agree_on_every_outcome() {
    for (members, outcome) in [
        (json!({ "ResultStatus": "Request Denied" }), "failure"),
        (json!({ "ResultStatus": "HTTP 503" }), "failure"),
        (json!({ "ResultStatus": 3 }), "failure"),
        (json!({ "ResultStatus": true }), "success"),
        (json!({ "ResultStatus": "PartiallySucceeded" }), "success"),
        (json!({ "ResultStatus": "Pending" }), "unknown"),
        (json!({ "Operation": "UserLoginFailed", "RecordType": 8, "ResultStatus": "True" }), "failure"),
        (json!({ "Operation": "UserLoggedIn", "RecordType": 15, "ErrorNumber": "50199" }), "success"),
        (json!({ "Operation": "UserLoggedIn", "RecordType": 15, "ErrorNumber": "50053" }), "failure"),
        (json!({}), "success"),
    ] {
        let status = match outcome {
            "success" => "1",
            "failure" => "2",
            _ => "0",
        };
        assert_eq!(ecs(&members, "event.outcome"), [outcome], "{members}");
        assert_eq!(ocsf(&members, "status_id"), [status], "{members}");
    }
}

#[test]
fn what_a_status_says_beyond_success_and_failure_is_told() {
    assert_eq!(ocsf(&json!({ "ResultStatus": "Pending" }), "status_detail"), ["Pending"]);
    assert_eq!(ocsf(&json!({ "ResultStatus": "AuthorizationFailure" }), "status_detail"), ["AuthorizationFailure"]);
    assert_eq!(ocsf(&json!({ "ResultStatus": "Failed" }), "status_detail"), [""; 0]);
}

#[test]
fn senders_and_servers_are_read_like_clients() {
    let mail = json!({
        "RecordType": 28, "Operation": "TIMailData", "SenderIp": "[198.51.100.7]:25", "P2Sender": "\"C\" <c@evil.example>",
        "Recipients": "[a@contoso.com, \"B\" <b@contoso.com>]",
    });
    assert_eq!(ecs(&mail, "related.ip"), ["198.51.100.7"]);
    assert_eq!(ecs(&mail, "email.from.address"), ["c@evil.example"]);
    assert_eq!(ecs(&mail, "email.to.address"), ["a@contoso.com", "b@contoso.com"]);
    assert_eq!(ocsf(&mail, "src_endpoint.ip"), ["198.51.100.7"]);
    assert_eq!(ocsf(&mail, "email.from"), ["c@evil.example"]);
    assert_eq!(ocsf(&mail, "email.to"), ["a@contoso.com", "b@contoso.com"]);
    let server = json!({ "RecordType": 1, "OriginatingServer": "DB1 (::ffff:198.51.100.8)\r\n" });
    assert_eq!(ecs(&server, "server.ip"), ["198.51.100.8"]);
    assert_eq!(ocsf(&server, "dst_endpoint.ip"), ["198.51.100.8"]);
}

#[test]
fn local_addresses_join_nobody_unless_there_is_no_other() {
    let members = json!({ "ClientIPAddress": "127.0.0.1", "ClientIP": "203.0.113.4", "ActorIpAddress": "0.0.0.0" });
    assert_eq!(ecs(&members, "related.ip"), ["203.0.113.4"]);
    assert_eq!(ecs(&json!({ "ClientIP": "::1" }), "related.ip"), ["::1"]);
}

#[test]
fn every_schema_names_all_users() {
    let shared = json!({
        "RecordType": 14, "Operation": "AddedToSecureLink", "Workload": "SharePoint",
        "TargetUserOrGroupName": "i:0#.f|membership|bo_partner.example#ext#@contoso.com", "TargetUserOrGroupType": "Guest",
    });
    assert_eq!(ecs(&shared, "user.target.email"), ["bo@partner.example"]);
    assert!(ecs(&shared, "related.user").contains(&"bo@partner.example".to_owned()));
    assert!(ocsf(&shared, "observables.value").contains(&"bo@partner.example".to_owned()));
    let group = json!({
        "RecordType": 14, "Operation": "AddedToSecureLink", "TargetUserOrGroupName": "Sales", "TargetUserOrGroupType": "SharePointGroup",
    });
    assert_eq!(ecs(&group, "group.name"), ["Sales"]);
    assert_eq!(ecs(&group, "user.target.id"), [""; 0]);
}

#[test]
fn acts_in_the_own_mailbox_have_no_target() {
    let members = json!({ "Operation": "MailItemsAccessed", "MailboxOwnerUPN": "ANA@contoso.com" });
    assert_eq!(ecs(&members, "user.target.email"), [""; 0]);
}

#[test]
fn the_sender_is_whom_the_recipient_sees() {
    for (members, from) in [
        (json!({ "Operation": "Send", "MailboxOwnerUPN": "ana@contoso.com" }), "ana@contoso.com"),
        (
            json!({ "Operation": "SendAs", "MailboxOwnerUPN": "x@contoso.com", "SendAsUserSmtp": "boss@contoso.com" }),
            "boss@contoso.com",
        ),
        (json!({ "Operation": "SendOnBehalf", "SendOnBehalfOfUserSmtp": "smtp:boss@contoso.com" }), "boss@contoso.com"),
    ] {
        assert_eq!(ecs(&members, "email.from.address"), [from], "{members}");
        assert_eq!(ocsf(&members, "email.from"), [from], "{members}");
    }
    // An action in a mailbox has no sender.
    assert_eq!(
        ecs(&json!({ "Operation": "HardDelete", "MailboxOwnerUPN": "boss@contoso.com" }), "email.from.address"),
        [""; 0]
    );
}

#[test]
fn conversations_are_read_in_every_form() {
    let data = json!({
        "AppHost": "Word",
        "ThreadId": "19:x",
        "AgentName": "Expenses",
        "AgentId": "T_1",
        "AccessedResources": [{ "Name": "plan.docx", "SiteUrl": "https://contoso.example/plan.docx", "SensitivityLabelId": "l-1" }],
        "Messages": [{ "Id": "1", "JailbreakDetected": true }],
        "ModelTransparencyDetails": [{ "ModelName": "m-1" }],
    });
    let common = json!({ "RecordType": 261, "Operation": "CopilotInteraction", "Workload": "Copilot" });
    let with = |members: Value| {
        let mut record = common.clone();
        record.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        record
    };
    for members in [
        with(json!({ "CopilotEventData": data })),
        with(json!({ "CopilotEventData": data.to_string() })),
        with(data.clone()),
    ] {
        for (path, expected) in [
            ("application.name", "Word"),
            ("session.id", "19:x"),
            ("gen_ai.agent.name", "Expenses"),
            ("gen_ai.agent.id", "T_1"),
            ("gen_ai.response.model", "m-1"),
            ("file.name", "plan.docx"),
            ("o365.label.id", "l-1"),
            ("event.kind", "alert"),
            ("event.severity", "4"),
        ] {
            assert_eq!(ecs(&members, path), [expected], "{path} of {members}");
        }
        assert!(ecs(&members, "event.category").contains(&"intrusion_detection".to_owned()));
        assert_eq!(ocsf(&members, "severity_id"), ["4"], "{members}");
        assert_eq!(ocsf(&members, "is_alert"), ["true"]);
        assert_eq!(ocsf(&members, "resources.name"), ["plan.docx", "Expenses"], "{members}");
        assert_eq!(ocsf(&members, "resources.labels"), ["l-1"]);
    }
    let calm = with(json!({ "CopilotEventData": { "Messages": [{ "Id": "1", "JailbreakDetected": false }] } }));
    assert_eq!(ecs(&calm, "event.kind"), ["event"]);
    assert_eq!(ocsf(&calm, "severity_id"), ["1"]);
}

#[test]
fn an_agent_is_named_whatever_is_done_with_it() {
    let members = json!({ "RecordType": 384, "Operation": "DeleteAgent", "AgentID": "T_1", "AgentName": "Expenses" });
    assert_eq!(ecs(&members, "gen_ai.agent.id"), ["T_1"]);
    assert_eq!(ecs(&members, "gen_ai.agent.name"), ["Expenses"]);
    assert_eq!(ocsf(&members, "resources.name"), ["Expenses"]);
}

#[test]
fn the_original_of_a_record_in_another_letter_case_is_what_came() {
    let text = r#"{"id":"x","creationtime":"2026-03-04T05:06:07","operation":"UserLoggedIn","recordtype":15,"clientip":"198.51.100.9"}"#;
    let ecs = normalized::event_with_original(Schema::Ecs, text);
    assert_eq!(texts(&ecs, "event.original"), [text]);
    assert_eq!(texts(&ecs, "source.ip"), ["198.51.100.9"]);
    assert_eq!(texts(&normalized::event_with_original(Schema::Ocsf, text), "raw_data"), [text]);
}

#[test]
fn a_logon_error_is_a_failure_in_every_schema() {
    for code in [15, 9, 2] {
        let members = json!({ "Operation": "UserLoggedIn", "RecordType": code, "ResultStatus": "Success", "LogonError": "IdsLocked" });
        assert_eq!(ecs(&members, "event.outcome"), ["failure"], "{code}");
        assert_eq!(ocsf(&members, "status_id"), ["2"], "{code}");
        assert_eq!(ocsf(&members, "status_detail"), ["IdsLocked"], "{code}");
    }
}

#[test]
fn placeholders_are_nobody_wherever_they_stand() {
    for members in [
        json!({ "RecordType": 25, "Operation": "ChatCreated", "Members": [{ "UPN": "Unknown" }] }),
        json!({ "RecordType": 22, "Operation": "UserSuspension", "TargetUserId": "Unknown" }),
        json!({ "RecordType": 14, "Operation": "AddedToSecureLink", "TargetUserOrGroupName": "Not Available" }),
        json!({ "RecordType": 14, "Operation": "AddedToSecureLink", "TargetUserOrGroupName": "Everyone except external users" }),
    ] {
        assert_eq!(ecs(&members, "related.user"), ["ana", "ana@contoso.com"], "{members}");
        assert_eq!(ecs(&members, "user.target.id"), [""; 0], "{members}");
        assert_eq!(ecs(&members, "email.to.address"), [""; 0], "{members}");
        let observed = ocsf(&members, "observables.value");
        assert!(observed.iter().all(|value| value == "ana@contoso.com"), "{members}: {observed:?}");
    }
}

#[test]
fn what_an_alert_names_is_related() {
    let entities = json!({
        "RecordType": 98, "Operation": "AlertTriggered",
        "Entities": [{ "Type": "ip", "Address": "203.0.113.5" }, { "Type": "account", "Upn": "bo@contoso.com" }],
    });
    assert_eq!(ecs(&entities, "related.ip"), ["203.0.113.5"]);
    assert!(ecs(&entities, "related.user").contains(&"bo@contoso.com".to_owned()));
    let about = json!({
        "RecordType": 40, "Operation": "AlertTriggered", "EntityType": "Recipients", "AlertEntityId": "bo@contoso.com;cy@contoso.com",
        "Data": "{\"trc\":\"\\\"B\\\" <dee@contoso.com>;eve@contoso.com\"}",
    });
    let related = ecs(&about, "related.user");
    for user in ["bo@contoso.com", "cy@contoso.com", "dee@contoso.com", "eve@contoso.com"] {
        assert!(related.contains(&user.to_owned()), "{related:?}");
    }
    assert_eq!(ocsf(&about, "evidences.email.to"), ["dee@contoso.com", "eve@contoso.com"]);
}

#[test]
fn structures_as_text_are_read() {
    let policy = json!([{ "PolicyName": "p", "Rules": [{ "RuleId": "1", "RuleName": "r", "Severity": "High", "Actions": ["BlockAccess"] }] }]);
    let match_info = json!({ "PolicyName": "p", "RuleName": "r" });
    let matched = json!({ "RecordType": 11, "Operation": "DLPRuleMatch", "PolicyDetails": policy.to_string() });
    assert_eq!(ecs(&matched, "rule.name"), ["r"]);
    assert_eq!(ecs(&matched, "event.severity"), ["4"]);
    assert_eq!(ecs(&matched, "event.outcome"), ["failure"]);
    assert_eq!(ocsf(&matched, "disposition"), ["Blocked"]);
    let device = json!({ "RecordType": 63, "Operation": "FileRead", "PolicyMatchInfo": match_info.to_string() });
    assert_eq!(ecs(&device, "rule.ruleset"), ["p"]);
    let items = json!({ "Operation": "HardDelete", "RecordType": 3, "AffectedItems": "[{\"Subject\":\"s\",\"InternetMessageId\":\"<m>\"}]" });
    assert_eq!(ecs(&items, "email.subject"), ["s"]);
    assert_eq!(ocsf(&items, "resources.uid"), ["<m>"]);
    let parameters = json!([{ "Name": "ForwardingSmtpAddress", "Value": "smtp:drop@evil.example" }]);
    let cmdlet = json!({ "Operation": "Set-Mailbox", "RecordType": 1, "Parameters": parameters.to_string() });
    assert_eq!(ecs(&cmdlet, "email.to.address"), ["drop@evil.example"]);
    let broken = json!({ "RecordType": 11, "Operation": "DLPRuleMatch", "PolicyDetails": "[{\"PolicyName\":" });
    assert_eq!(ecs(&broken, "error.message"), ["PolicyDetails is no JSON"]);
}

#[test]
fn lists_of_a_conversation_as_text_hide_no_attack() {
    let members = json!({
        "RecordType": 261, "Operation": "CopilotInteraction",
        "CopilotEventData": { "Messages": "[{\"JailbreakDetected\":true}]", "AccessedResources": "[{\"Name\":\"a.docx\"}]" },
    });
    assert_eq!(ecs(&members, "event.kind"), ["alert"]);
    assert_eq!(ecs(&members, "file.name"), ["a.docx"]);
    assert_eq!(ocsf(&members, "severity_id"), ["4"]);
    let unheard_of = json!({ "RecordType": 999, "Operation": "X", "CopilotEventData": [{ "Messages": [{ "JailbreakDetected": "True" }] }] });
    assert_eq!(ecs(&unheard_of, "event.kind"), ["alert"]);
    assert_eq!(ocsf(&unheard_of, "is_alert"), ["true"]);
}

#[test]
fn device_loss_prevention_has_a_target_and_a_severity() {
    let common = |operation: &str, members: Value| {
        let mut record = json!({
            "RecordType": 63, "Operation": operation, "Workload": "Endpoint", "ObjectId": "C:\\a\\Pay Roll.xlsx",
            "DeviceName": "pc-1", "MDATPDeviceId": "d-1",
        });
        record.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        record
    };
    let upload = common("FileUploadedToCloud", json!({ "TargetDomain": "files.example", "EnforcementMode": "4" }));
    for (path, expected) in [
        ("event.kind", "alert"),
        ("event.severity", "3"),
        ("destination.domain", "files.example"),
        ("file.name", "Pay Roll.xlsx"),
        ("device.id", "d-1"),
        ("host.name", "pc-1"),
    ] {
        assert_eq!(ecs(&upload, path), [expected], "{path}");
    }
    assert_eq!(ocsf(&upload, "class_uid"), ["2006"]);
    assert_eq!(ocsf(&upload, "dst_endpoint.hostname"), ["files.example"]);
    assert_eq!(ocsf(&upload, "severity_id"), ["3"]);
    assert_eq!(ocsf(&upload, "disposition"), ["Blocked"]);
    let matched =
        common("FileRead", json!({ "MatchedPolicies": [{ "PolicyName": "p", "RuleId": "r-1", "RuleName": "r" }] }));
    assert_eq!(ecs(&matched, "event.kind"), ["alert"]);
    assert_eq!(ecs(&upload, "event.outcome"), ["failure"]);
    assert_eq!(ecs(&upload, "related.hosts"), ["pc-1", "contoso.com", "files.example"]);
    let share = common(
        "FileCopiedToNetworkShare",
        json!({ "TargetFilePath": "\\\\203.0.113.9\\s\\a", "EnforcementMode": "Block" }),
    );
    assert_eq!(ecs(&share, "related.ip"), ["203.0.113.9"]);
    assert_eq!(ecs(&share, "event.severity"), ["3"]);
    assert_eq!(ecs(&matched, "rule.name"), ["r"]);
    assert_eq!(ecs(&matched, "rule.ruleset"), ["p"]);
    assert_eq!(ocsf(&matched, "finding_info.analytic.name"), ["r"]);
    // What happens to files all day is no alert.
    assert_eq!(ecs(&common("FileRead", json!({})), "event.kind"), ["event"]);
}

#[test]
fn cmdlets_that_delete_by_a_parameter_are_deletions() {
    for (operation, parameter, value, deletes) in [
        ("New-ComplianceSearchAction", "Purge", "True", true),
        ("New-ComplianceSearchAction", "Preview", "True", false),
        ("Search-Mailbox", "DeleteContent", "True", true),
        ("Search-Mailbox", "DeleteContent", "False", false),
    ] {
        let members =
            json!({ "RecordType": 1, "Operation": operation, "Parameters": [{ "Name": parameter, "Value": value }] });
        assert_eq!(
            ecs(&members, "event.type").contains(&"deletion".to_owned()),
            deletes,
            "{operation} {parameter} {value}"
        );
        assert_eq!(ocsf(&members, "activity_id") == ["4"], deletes, "{operation} {parameter} {value}");
    }
}

#[test]
fn a_group_whose_members_change_is_no_user() {
    let members = json!({
        "RecordType": 1, "Operation": "Add-RoleGroupMember",
        "Parameters": [{ "Name": "Identity", "Value": "Organization Management" }, { "Name": "Member", "Value": "cy@contoso.com" }],
    });
    assert_eq!(ecs(&members, "group.name"), ["Organization Management"]);
    assert_eq!(ecs(&members, "user.target.id"), ["cy@contoso.com"]);
}

#[test]
fn who_failed_to_sign_in_may_be_the_actor() {
    let members = json!({
        "RecordType": 15, "Operation": "UserLoginFailed", "UserId": "Not Available",
        "Actor": [{ "ID": "00000000-0000-0000-0000-000000000000", "Type": 0 }, { "ID": "bo@contoso.com", "Type": 5 }],
    });
    assert_eq!(ecs(&members, "user.email"), ["bo@contoso.com"]);
    assert_eq!(ocsf(&members, "actor.user.email_addr"), ["bo@contoso.com"]);
}

#[test]
fn others_who_are_named_are_told_by_every_workload() {
    for (members, user) in [
        (
            json!({ "RecordType": 20, "Operation": "ShareReport", "SharingInformation": [{ "RecipientEmail": "dee@partner.example" }] }),
            "dee@partner.example",
        ),
        (
            json!({ "RecordType": 20, "Operation": "AddGroupMembers", "UserInformation": { "UsersAdded": ["dee@partner.example"] } }),
            "dee@partner.example",
        ),
        (
            json!({ "RecordType": 30, "Operation": "PutPermissions", "RecipientUPN": "dee@partner.example" }),
            "dee@partner.example",
        ),
    ] {
        assert!(ecs(&members, "related.user").contains(&user.to_owned()), "{members}");
        assert!(ocsf(&members, "observables.value").contains(&user.to_owned()), "{members}");
    }
}

#[test]
fn lists_of_one_that_came_as_an_object_are_read() {
    let members = json!({ "RecordType": 50, "Operation": "MailItemsAccessed", "Folders": { "FolderItems": { "InternetMessageId": "<m1>" } } });
    assert_eq!(ecs(&members, "email.message_id"), ["<m1>"]);
    let members = json!({ "Operation": "Send", "Item": { "Attachments": ["a.txt (3b)", "b.doc (4b)"] } });
    assert_eq!(ecs(&members, "email.attachments.file.name"), ["a.txt", "b.doc"]);
}

#[test]
fn a_mailbox_that_mail_is_forwarded_to_by_its_alias_is_related() {
    let members = json!({ "RecordType": 1, "Operation": "Set-Mailbox", "Parameters": [{ "Name": "ForwardingAddress", "Value": "cy" }] });
    assert!(ecs(&members, "related.user").contains(&"cy".to_owned()));
    assert_eq!(ecs(&members, "email.to.address"), [""; 0]);
    assert!(ocsf(&members, "observables.value").contains(&"cy".to_owned()));
}

#[test]
fn an_application_that_gets_an_owner_is_the_entity() {
    let members = json!({
        "RecordType": 8, "Operation": "Add owner to application.", "Workload": "AzureActiveDirectory", "ObjectId": "cy@contoso.com",
        "Target": [{ "ID": "cy@contoso.com", "Type": 5 }],
        "ModifiedProperties": [{ "Name": "Application.DisplayName", "NewValue": "\"App\"", "OldValue": "" }],
    });
    assert_eq!(ocsf(&members, "class_uid"), ["3004"]);
    assert_eq!(ocsf(&members, "entity.name"), ["App"]);
    assert!(ocsf(&members, "observables.value").contains(&"cy@contoso.com".to_owned()));
    assert_eq!(ecs(&members, "user.target.email"), ["cy@contoso.com"]);
}
