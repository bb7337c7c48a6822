//! `Audit.General`: the workloads without a content type of their own.

use serde_json::{Value, json};

use super::scene::{Common, LABELS, Scene};

pub(super) fn write(mut scene: Scene<'_>) -> Value {
    match scene.below(16) {
        0..5 => message_sent(scene),
        5 | 6 => member_added(scene),
        7 | 8 => alert_triggered(scene),
        9 => mail_data(scene),
        10 => view_report(scene),
        11 => yammer(scene),
        12 | 13 => copilot_interaction(scene),
        14 => investigation(scene),
        _ => sensitivity_label(scene),
    }
}

fn message_sent(mut scene: Scene<'_>) -> Value {
    let person = scene.person();
    let thread = scene.guid();
    let details = json!({
        "ClientIP": scene.client_ip(),
        "ResultStatus": "Success",
        "ObjectId": "19:meeting_note@thread.v2",
        "ChatThreadId": format!("19:{thread}@thread.v2"),
        "CommunicationType": scene.pick(["OneOnOne", "GroupChat", "Team"]),
        "MessageId": (1_780_000_000_000 + scene.below(1_000_000_000)).to_string(),
        "MessageVersion": "1",
        "MessageSizeInBytes": 20 + scene.below(4000),
        "MessageURLs": ["https://learn.example.com/"],
        "ItemName": format!("19:{thread}@thread.v2"),
        "ParticipantInfo": {
            "HasForeignTenantUsers": false,
            "HasGuestUsers": scene.chance(0.1),
            "ParticipatingTenantIds": [scene.tenant.id.to_string()],
        },
        "ResourceTenantId": scene.tenant.id.to_string(),
        "ExtraProperties": [{ "Key": "TimeZone", "Value": "Europe/Berlin" }, { "Key": "OsName", "Value": "windows" }],
    });
    let common = teams("MessageSent", &person.upn, &person.object_id);
    scene.record(&common, details)
}

fn member_added(mut scene: Scene<'_>) -> Value {
    let person = scene.person();
    let member = scene.person();
    let guest = scene.stranger().replace('@', "_");
    let details = json!({
        "ClientIP": scene.client_ip(),
        "AADGroupId": scene.guid(),
        "CommunicationType": "Team",
        "TeamGuid": format!("19:{}@thread.skype", scene.guid().replace('-', "")),
        "TeamName": scene.pick(["Finance", "Project X", "All \"Hands\""]),
        "ItemName": "Finance",
        "Members": [
            { "DisplayName": member.display_name, "Role": 0, "UPN": member.upn },
            { "DisplayName": "Guest", "Role": 3, "UPN": format!("{guest}#EXT#@{}", scene.tenant.domain) },
        ],
    });
    let common = teams("MemberAdded", &person.upn, &person.object_id);
    scene.record(&common, details)
}

fn teams<'a>(operation: &'a str, user_id: &'a str, user_key: &'a str) -> Common<'a> {
    Common { record_type: 25, workload: "MicrosoftTeams", operation, user_type: 0, user_id, user_key }
}

fn alert_triggered(mut scene: Scene<'_>) -> Value {
    let person = scene.person();
    let data = json!({
        "etype": "User",
        "eid": person.upn,
        "tid": scene.tenant.id.to_string(),
        "ts": format!("{}.0000000Z", scene.earlier(600)),
        "te": format!("{}.0000000Z", scene.time()),
        "op": "GrantAdminPermission",
        "tdc": "1",
        "suid": person.upn,
        "ut": "Admin",
        "lon": "GrantAdminPermission",
    });
    let details = json!({
        "ResultStatus": "Succeeded",
        "ObjectId": person.upn,
        "AlertId": scene.guid(),
        "AlertType": "System",
        "AlertEntityId": person.upn,
        "AlertLinks": [{ "AlertLinkHref": format!("https://security.example.com/alerts/{}", scene.guid()) }],
        "Category": "AccessGovernance",
        "Comments": "New alert",
        // JSON within a string, as it is in real alerts.
        "Data": data.to_string(),
        "EntityType": "User",
        "Name": scene.pick(["Elevation of Exchange admin privilege", "Suspicious email sending patterns detected"]),
        "PolicyId": scene.guid(),
        "Severity": scene.pick(["Low", "Medium", "High"]),
        "Source": "Office 365 Security & Compliance",
        "Status": "Active",
    });
    let common = Common {
        record_type: 40,
        workload: "SecurityComplianceCenter",
        operation: "AlertTriggered",
        user_type: 4,
        user_id: "SecurityComplianceAlerts",
        user_key: "SecurityComplianceAlerts",
    };
    scene.record(&common, details)
}

fn mail_data(mut scene: Scene<'_>) -> Value {
    let recipient = scene.person();
    let sender = scene.stranger();
    let network_message = scene.guid();
    let details = json!({
        "ObjectId": format!("{network_message}{}", scene.guid()),
        "NetworkMessageId": network_message,
        "InternetMessageId": format!("<{}@mail.example.net>", scene.guid()),
        "MessageTime": scene.earlier(900),
        "P1Sender": sender,
        "P2Sender": sender,
        "Recipients": [recipient.upn],
        "SenderIp": scene.ipv4(),
        "Subject": "You have won ☃",
        "Verdict": scene.pick(["Phish", "Spam", "Malware"]),
        "DetectionType": "Inline",
        "DetectionMethod": "URL malicious reputation",
        "DeliveryAction": "Blocked",
        "OriginalDeliveryLocation": "Quarantine",
        "LatestDeliveryLocation": "Quarantine",
        "Directionality": "Inbound",
        "ThreatsAndDetectionTech": ["Phish: [URL malicious reputation]"],
        "AuthDetails": [{ "Name": "SPF", "Value": "Fail" }, { "Name": "DKIM", "Value": "None" }],
        "AttachmentData": [{ "FileName": "invoice.html", "FileType": "html;text", "SHA256": "0".repeat(64) }],
        "EventDeepLink": "https://security.microsoft.com/?hash=/threatexplorer",
        "Policy": "Phish",
        "PolicyAction": "Quarantine",
    });
    let common = Common {
        record_type: 28,
        workload: "ThreatIntelligence",
        operation: "TIMailData",
        user_type: 4,
        user_id: "ThreatIntel",
        user_key: "ThreatIntel",
    };
    scene.record(&common, details)
}

fn view_report(mut scene: Scene<'_>) -> Value {
    let person = scene.person();
    let details = json!({
        "ClientIP": scene.client_ip(),
        "UserAgent": scene.user_agent(),
        "Activity": "ViewReport",
        "ItemName": "Pipeline 2026",
        "WorkSpaceName": "Sales",
        "DatasetName": "Pipeline 2026",
        "ReportName": "Pipeline 2026",
        "ReportType": "PowerBIReport",
        "WorkspaceId": scene.guid(),
        "ObjectId": "Pipeline 2026",
        "DatasetId": scene.guid(),
        "ReportId": scene.guid(),
        "IsSuccess": true,
        "RequestId": scene.guid(),
        "ActivityId": scene.guid(),
        "DistributionMethod": "Workspace",
        "ConsumptionMethod": "Power BI Web",
    });
    let common = Common {
        record_type: 20,
        workload: "PowerBI",
        operation: "ViewReport",
        user_type: 0,
        user_id: &person.upn,
        user_key: &person.puid,
    };
    scene.record(&common, details)
}

fn yammer(mut scene: Scene<'_>) -> Value {
    let person = scene.person();
    let details = json!({
        "ClientIP": scene.client_ip(),
        "ResultStatus": "TRUE",
        "ObjectId": "notes.txt",
        "ActorUserId": person.upn,
        "ActorYammerUserId": 1_500_000_000_000_i64 + scene.below(1_000_000),
        "YammerNetworkId": 5_846_122_497_i64,
        "FileId": 1_700_000_000_000_i64 + scene.below(1_000_000),
        "FileName": "notes.txt",
        "GroupName": "All Company",
        "VersionId": scene.below(99),
    });
    let common = Common {
        record_type: 22,
        workload: "Yammer",
        operation: "FileVisited",
        user_type: 0,
        user_id: &person.upn,
        user_key: &person.puid,
    };
    scene.record(&common, details)
}

fn copilot_interaction(mut scene: Scene<'_>) -> Value {
    let person = scene.person();
    let host = scene.tenant.domain.split('.').next().unwrap_or_default().to_owned();
    let document = format!("https://{host}.sharepoint.com/sites/finance/Documents/Budget 2026.xlsx");
    let prompt = (1_780_000_000_000 + scene.below(1_000_000_000)).to_string();
    let details = json!({
        "ClientIP": scene.client_ip(),
        "ClientRegion": "de",
        "CopilotLogVersion": "1.0.0.0",
        "CopilotEventData": {
            "AppHost": scene.pick(["Word", "Teams", "Outlook", "Office"]),
            "ThreadId": format!("19:{}@thread.v2", scene.guid()),
            "Contexts": [{ "Id": document, "Type": "xlsx" }],
            "MessageIds": [],
            "Messages": [
                { "Id": prompt, "isPrompt": true, "Size": 30 + scene.below(2000) },
                { "Id": format!("{prompt}1"), "isPrompt": false },
            ],
            "AccessedResources": [{
                "Action": "Read",
                "Id": scene.guid(),
                "Name": "Budget 2026.xlsx",
                "SensitivityLabelId": scene.guid(),
                "SiteUrl": document,
                "Type": "xlsx",
            }],
            "AISystemPlugin": [{ "Id": "BingWebSearch", "Name": "BingWebSearch" }],
            "ModelTransparencyDetails": [{ "ModelName": "DEEP_LEO" }],
        },
    });
    let common = Common {
        record_type: 261,
        workload: "Copilot",
        operation: "CopilotInteraction",
        user_type: 0,
        user_id: &person.upn,
        user_key: &person.object_id,
    };
    scene.record(&common, details)
}

/// `Data` of an investigation has a member twice, in two formats (a fixture of CEL); a JSON tree would keep one.
fn investigation(mut scene: Scene<'_>) -> Value {
    let investigation = format!("urn:SubmissionInvestigation:{}", scene.guid());
    let recipient = scene.person();
    let data = format!(
        r#"{{"Version":"3.0","ProviderName":"OATP","Status":"InProgress","Entities":[{{"$id":"1","Recipient":"{}","QueryTime":"{}.7320497Z","QueryTime":"9/30/2026 6:16:41 AM","Type":"mailMessage"}}]}}"#,
        recipient.upn,
        scene.time(),
    );
    let details = json!({
        "ObjectId": scene.guid(),
        "InvestigationId": investigation,
        "InvestigationName": format!("Mail with malicious urls is zapped - {investigation}"),
        "InvestigationType": "ZappedUrlInvestigation",
        "LastUpdateTimeUtc": scene.time(),
        "StartTimeUtc": scene.earlier(7200),
        "Status": "Pending Action",
        "DeepLinkUrl": format!("https://security.microsoft.com/mtp-investigation/{investigation}"),
        "Actions": [json!({ "ActionType": "EmailRemediation", "ActionStatus": "Pending" }).to_string()],
        "Data": data,
    });
    let common = Common {
        record_type: 64,
        workload: "AirInvestigation",
        operation: "AirInvestigationData",
        user_type: 4,
        user_id: "AirInvestigation",
        user_key: "AirInvestigation",
    };
    scene.record(&common, details)
}

fn sensitivity_label(mut scene: Scene<'_>) -> Value {
    let person = scene.person();
    let (label, name) = scene.pick(LABELS);
    let details = json!({
        "ClientIP": "",
        "ObjectId": format!("<{}@{}>", scene.guid(), scene.tenant.domain),
        "Sender": person.upn,
        "Receivers": [scene.stranger(), scene.stranger()],
        "ItemName": "Offer",
        "LabelId": label,
        "LabelName": name,
        "LabelAction": "None",
        "LabelAppliedDateTime": scene.earlier(300),
        "ApplicationMode": scene.pick(["Standard", "Privileged"]),
    });
    let common = Common {
        record_type: 43,
        workload: "Exchange",
        operation: "MIPLabel",
        user_type: 0,
        user_id: &person.upn,
        user_key: &person.puid,
    };
    scene.record(&common, details)
}
