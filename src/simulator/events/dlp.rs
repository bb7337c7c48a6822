//! `DLP.All`: matches of data loss prevention rules in SharePoint (`RecordType` 11) and Exchange (`RecordType` 13).

use serde_json::{Value, json};

use super::{
    super::resources::SENSITIVE_TYPES,
    scene::{Common, Scene},
};

pub(super) fn write(mut scene: Scene<'_>) -> Value {
    let person = scene.person();
    let in_mail = scene.chance(0.5);
    let undone = !in_mail && scene.chance(0.2);
    let mut details = json!({
        "ObjectId": scene.guid(),
        "IncidentId": scene.guid(),
        "PolicyDetails": [policy(&mut scene)],
        "SensitiveInfoDetectionIsIncluded": true,
    });
    let (metadata, value) =
        if in_mail { ("ExchangeMetaData", mail(&mut scene)) } else { ("SharePointMetaData", file(&mut scene)) };
    details[metadata] = value;
    if undone {
        details["ExceptionInfo"] =
            json!({ "FalsePositive": false, "Reason": "Override", "Justification": "Customer asked" });
    }
    // Both spellings are seen in records.
    let matched = if in_mail { "DlpRuleMatch" } else { "DLPRuleMatch" };
    let common = Common {
        record_type: if in_mail { 13 } else { 11 },
        workload: if in_mail { "Exchange" } else { "SharePoint" },
        operation: if undone { "DlpRuleUndo" } else { matched },
        user_type: 4,
        user_id: if in_mail { &person.upn } else { "DlpAgent" },
        user_key: "DlpAgent",
    };
    scene.record(&common, details)
}

/// The policy and the rule that matched, with the sensitive text itself: what a collector should not pass on unasked.
fn policy(scene: &mut Scene<'_>) -> Value {
    let (sensitive_type, name, _) = scene.pick(SENSITIVE_TYPES);
    let count = 1 + scene.below(12);
    let secret = scene.pick(["4111 1111 1111 1111", "5105-1051-0510-5100", "078-05-1120"]);
    json!({
        "PolicyId": scene.guid(),
        "PolicyName": "U.S. Financial Data",
        "Rules": [{
            "RuleId": scene.guid(),
            "RuleName": scene.pick(["Low volume of content detected", "High volume of content detected"]),
            "Actions": [scene.pick(["NotifyUser", "BlockAccess", "GenerateAlert"])],
            "ActionParameters": [],
            "Severity": scene.pick(["Low", "Medium", "High"]),
            "RuleMode": "Enable",
            "ConditionsMatched": {
                "SensitiveInformation": [{
                    "Confidence": 85,
                    "Count": count,
                    "UniqueCount": count,
                    "Location": "Message Body",
                    "SensitiveType": sensitive_type,
                    "SensitiveInformationTypeName": name,
                    "SensitiveInformationDetailedClassificationAttributes": [
                        { "Confidence": 85, "Count": count, "IsMatch": true },
                    ],
                    "SensitiveInformationDetections": {
                        "DetectedValues": [{ "Name": secret, "Value": format!("Please charge {secret} for the order") }],
                        "ResultsTruncated": false,
                    },
                }],
            },
        }],
    })
}

fn mail(scene: &mut Scene<'_>) -> Value {
    json!({
        "MessageID": format!("<{}@{}>", scene.guid(), scene.tenant.domain),
        "From": scene.person().upn,
        "To": [scene.stranger(), scene.person().upn],
        "CC": [],
        "BCC": [],
        "Subject": scene.pick(["Card for the booking", "Customer list", "Fwd: W-2"]),
        "Sent": scene.earlier(120),
        "RecipientCount": 2,
    })
}

fn file(scene: &mut Scene<'_>) -> Value {
    let host = scene.tenant.domain.split('.').next().unwrap_or_default().to_owned();
    let site = format!("https://{host}.sharepoint.com/sites/finance");
    let owner = scene.person();
    json!({
        "From": owner.upn,
        "itemCreationTime": scene.earlier(86_400),
        "SiteCollectionGuid": scene.guid(),
        "SiteCollectionUrl": site,
        "FileName": "Customers Financial Data.docx",
        "FileOwner": owner.display_name,
        "FilePathUrl": format!("{site}/Shared Documents/Customers Financial Data.docx"),
        "FileSize": scene.below(900_000),
        "DocumentLastModifier": owner.display_name,
        "DocumentSharer": "",
        "UniqueID": scene.guid(),
        "LastModifiedTime": scene.earlier(3600),
        "IsViewableByExternalUsers": scene.chance(0.3),
        "SensitivityLabelIds": [],
    })
}
