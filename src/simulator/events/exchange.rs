//! `Audit.Exchange`: administration (`RecordType` 1), single items (2) and groups of items (3).

use serde_json::{Value, json};

use super::scene::{Common, Person, Scene, named};

pub(super) fn write(mut scene: Scene<'_>) -> Value {
    match scene.below(10) {
        0 => set_mailbox(scene),
        1 => new_inbox_rule(scene),
        2 | 3 => mail_items_accessed(scene),
        4 => mailbox_login(scene),
        5 | 6 => item(scene, "Create", "\\Drafts"),
        7 | 8 => item(scene, "Send", "\\Sent Items"),
        _ => move_to_deleted_items(scene),
    }
}

fn set_mailbox(mut scene: Scene<'_>) -> Value {
    let admin = scene.person();
    let target = scene.person();
    let forward = scene.stranger();
    let parameters = named([
        ("Identity", target.display_name),
        ("ForwardingSmtpAddress", &format!("smtp:{forward}")),
        ("DeliverToMailboxAndForward", "True"),
    ]);
    administration(scene, &admin, "Set-Mailbox", target.display_name, &parameters)
}

fn new_inbox_rule(mut scene: Scene<'_>) -> Value {
    let person = scene.person();
    let forward = scene.stranger();
    let parameters = named([
        ("AlwaysDeleteOutlookRulesBlob", "False"),
        ("Force", "False"),
        ("From", &person.upn),
        ("ForwardTo", &forward),
        ("Name", "..."),
        ("MarkAsRead", "True"),
        ("StopProcessingRules", "True"),
    ]);
    let object = format!("{}\\...", person.display_name);
    administration(scene, &person, "New-InboxRule", &object, &parameters)
}

fn administration(mut scene: Scene<'_>, person: &Person, operation: &str, object: &str, parameters: &Value) -> Value {
    let organization = organization(&scene);
    let details = json!({
        "ResultStatus": "True",
        "ClientIP": scene.client_ip(),
        "ObjectId": format!(
            "EURPR01A002.PROD.OUTLOOK.COM/Microsoft Exchange Hosted Organizations/{organization}/{object}"
        ),
        "ExternalAccess": false,
        "OrganizationName": organization,
        // The line feed at its end is real (CEL's fixtures).
        "OriginatingServer": format!("AM6PR01MB4535 ({})\n", scene.pick(["15.20.8655.000", "15.20.8678.012"])),
        "Parameters": parameters,
        "AppId": "fb78d390-0c51-40cd-8e17-fdbfab77341b",
        "ClientAppId": "",
        "AppPoolName": "MSExchangeAdminApiNetCore",
        "CorrelationID": "",
        "RequestId": scene.guid(),
        "SessionId": scene.guid(),
        "TokenObjectId": person.object_id,
        "TokenTenantId": scene.tenant.id.to_string(),
    });
    record(&scene, person, 1, operation, 2, details)
}

fn mail_items_accessed(mut scene: Scene<'_>) -> Value {
    let person = scene.person();
    let items: Vec<_> = (0..=scene.below(3))
        .map(|_| {
            json!({
                "Id": store_id(&mut scene),
                "ImmutableId": store_id(&mut scene),
                "InternetMessageId": message_id(&mut scene),
                "SizeInBytes": 4096 + scene.below(90_000),
            })
        })
        .collect();
    let mut details = mailbox(&mut scene, &person);
    details["OperationCount"] = items.len().into();
    details["OperationProperties"] = named([("MailAccessType", "Bind"), ("IsThrottled", "False")]);
    details["Folders"] = json!([{ "Id": store_id(&mut scene), "Path": "\\Inbox", "FolderItems": items }]);
    record(&scene, &person, 50, "MailItemsAccessed", 0, details)
}

fn mailbox_login(mut scene: Scene<'_>) -> Value {
    let person = scene.person();
    let mut details = mailbox(&mut scene, &person);
    if scene.chance(0.2) {
        details["ResultStatus"] = "Failed".into();
        details["LogonError"] = "AccessDenied".into();
    }
    record(&scene, &person, 2, "MailboxLogin", 0, details)
}

fn item(mut scene: Scene<'_>, operation: &str, folder: &str) -> Value {
    let person = scene.person();
    let subject = subject(&mut scene);
    let mut item = json!({
        "Id": store_id(&mut scene),
        "InternetMessageId": message_id(&mut scene),
        "IsRecord": false,
        "ParentFolder": { "Id": store_id(&mut scene), "Name": folder.trim_start_matches('\\'), "Path": folder },
        "SizeInBytes": 4096 + scene.below(900_000),
        "Subject": subject,
    });
    if scene.chance(0.4) {
        item["Attachments"] = "Quarterly figures.xlsx (48213b); agenda.docx (1403b)".into();
    }
    let mut details = mailbox(&mut scene, &person);
    details["Item"] = item;
    if operation == "Send" {
        details["SaveToSentItems"] = true.into();
    }
    record(&scene, &person, 2, operation, 0, details)
}

fn move_to_deleted_items(mut scene: Scene<'_>) -> Value {
    let person = scene.person();
    let subject = subject(&mut scene);
    let mut details = mailbox(&mut scene, &person);
    details["AffectedItems"] = json!([{
        "Id": store_id(&mut scene),
        "InternetMessageId": message_id(&mut scene),
        "ParentFolder": { "Id": store_id(&mut scene), "Path": "\\Inbox" },
        "Subject": subject,
    }]);
    details["CrossMailboxOperation"] = false.into();
    details["Folder"] = json!({ "Id": store_id(&mut scene), "Path": "\\Inbox" });
    details["DestFolder"] = json!({ "Id": store_id(&mut scene), "Path": "\\Deleted Items" });
    record(&scene, &person, 3, "MoveToDeletedItems", 0, details)
}

/// What all records of a mailbox have.
fn mailbox(scene: &mut Scene<'_>, owner: &Person) -> Value {
    let address = scene.client_ip();
    let sid = format!("S-1-5-21-1004336348-1177238915-682003330-{}", owner.puid.len() + owner.upn.len());
    json!({
        "ResultStatus": "Succeeded",
        "ClientIP": address,
        "ClientIPAddress": address,
        "ClientInfoString": scene.pick(["Client=OWA;Action=ViaProxy", "Client=REST;;", "Client=MSExchangeRPC"]),
        "ClientRequestId": format!("{{{}}}", scene.guid().to_uppercase()),
        "ExternalAccess": false,
        "InternalLogonType": 0,
        "LogonType": 0,
        "LogonUserSid": sid,
        "MailboxGuid": owner.object_id,
        "MailboxOwnerSid": sid,
        "MailboxOwnerUPN": owner.upn,
        "OrganizationName": organization(scene),
        "OriginatingServer": format!("AM6PR01MB{} ({})\r\n", 1000 + scene.below(8999), scene.ipv4()),
        "SessionId": scene.guid(),
        "AppAccessContext": { "AADSessionId": scene.guid(), "UniqueTokenId": "XqB7b0eP2k-9CTAd0_cBAA" },
    })
}

fn organization(scene: &Scene<'_>) -> String {
    format!("{}.onmicrosoft.com", scene.tenant.domain.split('.').next().unwrap_or_default())
}

fn store_id(scene: &mut Scene<'_>) -> String {
    format!("LgAAAAC{}AAAB", scene.guid().replace('-', ""))
}

fn message_id(scene: &mut Scene<'_>) -> String {
    format!("<{}@{}>", scene.guid(), scene.tenant.domain)
}

fn subject(scene: &mut Scene<'_>) -> &'static str {
    scene.pick(["Invoice 4711", "Re: \"Budget\" draft", "Weekly report", "Einladung: Sommerfest ☀", "FW: 見積書"])
}

fn record(
    scene: &Scene<'_>,
    person: &Person,
    record_type: u32,
    operation: &str,
    user_type: u32,
    details: Value,
) -> Value {
    let common = Common {
        record_type,
        workload: "Exchange",
        operation,
        user_type,
        user_id: &person.upn,
        user_key: &person.puid,
    };
    scene.record(&common, details)
}
