//! `Audit.SharePoint`: file operations (`RecordType` 6) and sharing (`RecordType` 14), in SharePoint and OneDrive.

use serde_json::{Value, json};

use super::scene::{Common, LABELS, Scene};

pub(super) fn write(mut scene: Scene<'_>) -> Value {
    match scene.below(14) {
        0..4 => file(scene, 6, "FileDownloaded"),
        4..7 => file(scene, 6, "FileUploaded"),
        7 => file(scene, 6, "FileAccessed"),
        8 => label(scene),
        9 => file(scene, 14, "AnonymousLinkCreated"),
        10 => file(scene, 14, "CompanyLinkCreated"),
        11 => file(scene, 14, "SecureLinkCreated"),
        12 => {
            let operation = scene.pick(["AnonymousLinkUsed", "AnonymousLinkUsed", "CompanyLinkUsed", "SecureLinkUsed"]);
            file(scene, 14, operation)
        }
        _ => file(scene, 14, "SharingSet"),
    }
}

fn label(mut scene: Scene<'_>) -> Value {
    let operation = scene.pick(["Applied", "Applied", "Changed", "Removed"]);
    let (new, old) = (scene.pick(LABELS).0, scene.pick(LABELS).0);
    let mut record = file(scene, 6, &format!("FileSensitivityLabel{operation}"));
    if operation != "Removed" {
        record["SensitivityLabelId"] = new.into();
    }
    if operation != "Applied" {
        record["OldSensitivityLabelId"] = old.into();
    }
    record
}

fn file(mut scene: Scene<'_>, record_type: u32, operation: &str) -> Value {
    let person = scene.person();
    let host = scene.tenant.domain.split('.').next().unwrap_or_default().to_owned();
    let personal = scene.chance(0.4);
    let (workload, site_url) = if personal {
        let name = person.upn.replace(['@', '.'], "_");
        ("OneDrive", format!("https://{host}-my.sharepoint.com/personal/{name}/"))
    } else {
        ("SharePoint", format!("https://{host}.sharepoint.com/sites/{}/", scene.pick(["finance", "hr", "Project X"])))
    };
    let (name, extension) =
        scene.pick([("Budget 2026.xlsx", "xlsx"), ("Contract (signed).pdf", "pdf"), ("Übersicht.docx", "docx")]);
    let folder = scene.pick(["Documents", "Shared Documents/Q3", "Documents/Apps/Microsoft Teams"]);
    let mut details = json!({
        "ClientIP": scene.client_ip(),
        "UserAgent": scene.user_agent(),
        "EventSource": "SharePoint",
        "ItemType": "File",
        "ObjectId": format!("{site_url}{folder}/{name}"),
        "SiteUrl": site_url,
        "SourceRelativeUrl": folder,
        "SourceFileName": name,
        "SourceFileExtension": extension,
        "Site": scene.guid(),
        "WebId": scene.guid(),
        "ListId": scene.guid(),
        "ListItemUniqueId": scene.guid(),
        "CorrelationId": scene.guid(),
        "ApplicationDisplayName": scene.pick(["OneDrive SyncEngine", "Office 365 SharePoint Online", "Teams"]),
        "Platform": scene.pick(["WinDesktop", "Web", "iOS"]),
        "AuthenticationType": "FormsCookieAuth",
        "IsManagedDevice": scene.chance(0.5),
        "AppAccessContext": { "AADSessionId": scene.guid(), "CorrelationId": scene.guid() },
    });
    if record_type == 6 {
        details["FileSizeBytes"] = scene.below(40_000_000).into();
        details["HighPriorityMediaProcessing"] = false.into();
    } else {
        details["UniqueSharingId"] = scene.guid().into();
        details["SharingLinkScope"] = operation.trim_end_matches("LinkCreated").into();
        details["EventData"] = format!("<Type>Edit</Type><SharingId>{}</SharingId>", scene.guid()).into();
        if operation == "SharingSet" {
            details["TargetUserOrGroupName"] = scene.stranger().into();
            details["TargetUserOrGroupType"] = "Guest".into();
        }
    }
    let key = format!("i:0h.f|membership|{}@live.com", person.puid.to_lowercase());
    let common = Common { record_type, workload, operation, user_type: 0, user_id: &person.upn, user_key: &key };
    scene.record(&common, details)
}
