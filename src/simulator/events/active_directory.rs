//! `Audit.AzureActiveDirectory`: directory changes (`RecordType` 8) and sign-ins (`RecordType` 15).

use serde_json::{Value, json};

use super::scene::{Common, Person, Scene, modified, named};

pub(super) fn write(mut scene: Scene<'_>) -> Value {
    match scene.below(20) {
        0..12 => sign_in(scene, true),
        12..15 => sign_in(scene, false),
        15 => add_application(scene),
        16 => user_change(scene, "Add user.", "User"),
        17 => user_change(scene, "Update user.", "User"),
        18 => add_member_to_role(scene),
        _ => user_change(scene, "Disable Strong Authentication.", "User"),
    }
}

/// A sign-in. A failed one says `Success` in `ResultStatus`: that is the result of the request, not of the logon
/// (a record in wazuh/wazuh#20784).
fn sign_in(mut scene: Scene<'_>, succeeds: bool) -> Value {
    let person = scene.person();
    let address = scene.ipv4();
    let application = scene.pick([
        "4345a7b9-9a63-4910-a426-35363201d503",
        "00000002-0000-0ff1-ce00-000000000000",
        "1fec8e78-bce4-4aaf-ab1b-5451cc387264",
    ]);
    let (browser, os) = scene.pick([("Edge", "Windows10"), ("Safari", "MacOs"), ("Mobile Safari", "Ios")]);
    let (error, logon_error) = scene.pick([
        ("50126", "InvalidUserNameOrPassword"),
        ("50074", "UserStrongAuthClientAuthNRequiredInterrupt"),
        ("53003", "BlockedByConditionalAccess"),
    ]);
    let agent = scene.user_agent();
    let session = scene.guid();
    let device = scene.guid();
    let target = scene.pick(["00000003-0000-0000-c000-000000000000", "Unknown"]);
    let mut details = directory(&mut scene, &person, &address, 0);
    details["ResultStatus"] = "Success".into();
    details["ClientIP"] = address.as_str().into();
    details["ObjectId"] = target.into();
    details["Target"] = json!([{ "ID": target, "Type": 0 }]);
    details["ApplicationId"] = application.into();
    details["DeviceProperties"] = named([
        ("Id", &device),
        ("OS", os),
        ("BrowserType", browser),
        ("IsCompliantAndManaged", if succeeds { "True" } else { "False" }),
        ("SessionId", &session),
    ]);
    let detail = if succeeds { "Redirect" } else { "UserError" };
    details["ExtendedProperties"] = named([
        ("ResultStatusDetail", detail),
        ("UserAgent", agent),
        ("UserAuthenticationMethod", "1"),
        ("RequestType", "OAuth2:Authorize"),
    ]);
    details["ModifiedProperties"] = json!([]);
    details["ErrorNumber"] = if succeeds { "0" } else { error }.into();
    if !succeeds {
        details["LogonError"] = logon_error.into();
    }
    let operation = if succeeds { "UserLoggedIn" } else { "UserLoginFailed" };
    record(&scene, &person, 15, operation, details)
}

fn add_application(mut scene: Scene<'_>) -> Value {
    let person = scene.person();
    let application = scene.guid();
    let object = scene.guid();
    let name = scene.pick(["Expense Importer", "Audit Log Reader", "Travel Bot"]);
    let address = scene.client_ip();
    let mut details = directory(&mut scene, &person, &address, 1);
    let app_address = format!(
        "[\r\n  {{\r\n    \"AddressType\": 0,\r\n    \"Address\": \"https://apps.{}/{object}\",\r\n    \
         \"ReplyAddressClientType\": 1\r\n  }}\r\n]",
        scene.tenant.domain
    );
    let included = "AppAddress, AppId, AvailableToOtherTenants, DisplayName, RequiredResourceAccess";
    details["ObjectId"] = "Not Available".into();
    details["Target"] = json!([
        { "ID": format!("Application_{object}"), "Type": 2 },
        { "ID": object, "Type": 2 },
        { "ID": "Application", "Type": 2 },
        { "ID": name, "Type": 1 },
    ]);
    details["ModifiedProperties"] = modified([
        ("AppAddress", &app_address, "[]"),
        ("AppId", &format!("[\r\n  \"{application}\"\r\n]"), "[]"),
        ("AvailableToOtherTenants", "[\r\n  false\r\n]", "[]"),
        ("DisplayName", &format!("[\r\n  \"{name}\"\r\n]"), "[]"),
        ("Included Updated Properties", included, ""),
    ]);
    details["ExtendedProperties"] = extended(&scene, &person, &object, "Application", "ApplicationManagement");
    record(&scene, &person, 8, "Add application.", details)
}

fn user_change(mut scene: Scene<'_>, operation: &str, class: &str) -> Value {
    let person = scene.person();
    let target = scene.person();
    let address = scene.client_ip();
    let mut details = directory(&mut scene, &person, &address, 1);
    details["ObjectId"] = target.upn.as_str().into();
    details["Target"] = json!([
        { "ID": format!("{class}_{}", target.object_id), "Type": 2 },
        { "ID": target.object_id, "Type": 2 },
        { "ID": class, "Type": 2 },
        { "ID": target.upn, "Type": 5 },
        { "ID": target.puid, "Type": 3 },
    ]);
    let name = format!("[\r\n  \"{}\"\r\n]", target.display_name);
    let upn = format!("[\r\n  \"{}\"\r\n]", target.upn);
    details["ModifiedProperties"] = match operation {
        "Add user." => modified([
            ("AccountEnabled", "[\r\n  true\r\n]", "[]"),
            ("DisplayName", &name, "[]"),
            ("UserPrincipalName", &upn, "[]"),
            ("Included Updated Properties", "AccountEnabled, DisplayName, UserPrincipalName", ""),
        ]),
        "Update user." => modified([
            ("Department", "[\r\n  \"Finance\"\r\n]", "[\r\n  \"Sales\"\r\n]"),
            ("Included Updated Properties", "Department", ""),
            ("TargetId.UserType", "Member", ""),
        ]),
        _ => modified([
            (
                "StrongAuthenticationRequirement",
                "[]",
                "[\r\n  {\r\n    \"RelyingParty\": \"*\",\r\n    \"State\": 1\r\n  }\r\n]",
            ),
            ("Included Updated Properties", "StrongAuthenticationRequirement", ""),
        ]),
    };
    details["ExtendedProperties"] = extended(&scene, &person, &target.object_id, class, "UserManagement");
    record(&scene, &person, 8, operation, details)
}

fn add_member_to_role(mut scene: Scene<'_>) -> Value {
    let person = scene.person();
    let target = scene.person();
    let role = scene.pick(["Global Administrator", "Exchange Administrator", "Security Reader"]);
    let role_id = scene.guid();
    let address = scene.client_ip();
    let mut details = directory(&mut scene, &person, &address, 1);
    details["ObjectId"] = target.upn.as_str().into();
    details["Target"] = json!([
        { "ID": format!("User_{}", target.object_id), "Type": 2 },
        { "ID": target.object_id, "Type": 2 },
        { "ID": "User", "Type": 2 },
        { "ID": target.upn, "Type": 5 },
        { "ID": target.puid, "Type": 3 },
    ]);
    details["ModifiedProperties"] = modified([
        ("Role.ObjectID", &role_id, ""),
        ("Role.DisplayName", role, ""),
        ("Role.TemplateId", &role_id, ""),
        ("Role.WellKnownObjectName", role, ""),
    ]);
    details["ExtendedProperties"] = extended(&scene, &person, &target.object_id, "User", "RoleManagement");
    record(&scene, &person, 8, "Add member to role.", details)
}

/// What all records of the directory have.
fn directory(scene: &mut Scene<'_>, person: &Person, address: &str, event_type: u32) -> Value {
    let tenant = scene.tenant.id.to_string();
    json!({
        "ResultStatus": "Success",
        "AzureActiveDirectoryEventType": event_type,
        "ActorContextId": tenant,
        "ActorIpAddress": address,
        "ClientIP": address,
        "InterSystemsId": scene.guid(),
        "IntraSystemId": scene.guid(),
        "SupportTicketId": "",
        "TargetContextId": tenant,
        "Actor": [
            { "ID": person.upn, "Type": 5 },
            { "ID": person.puid, "Type": 3 },
            { "ID": format!("User_{}", person.object_id), "Type": 2 },
            { "ID": person.object_id, "Type": 2 },
            { "ID": "User", "Type": 2 },
        ],
    })
}

fn extended(scene: &Scene<'_>, person: &Person, target: &str, class: &str, category: &str) -> Value {
    named([
        ("actorContextId", &scene.tenant.id.to_string()),
        ("actorObjectId", &person.object_id),
        ("actorObjectClass", "User"),
        ("actorUPN", &person.upn),
        ("actorPUID", &person.puid),
        ("teamName", "MSODS."),
        ("targetObjectId", target),
        ("extendedAuditEventCategory", class),
        ("additionalDetails", "{\"User-Agent\":\"Mozilla/5.0\",\"AppId\":\"74658136-14ec-4630-ad9b-26e160ff0fc6\"}"),
        ("resultType", "Success"),
        ("auditEventCategory", category),
        ("env_ver", "2.1"),
    ])
}

fn record(scene: &Scene<'_>, person: &Person, record_type: u32, operation: &str, details: Value) -> Value {
    let key = format!("{}@{}", person.puid, scene.tenant.domain);
    let user_key = if record_type == 15 { &person.object_id } else { &key };
    let common = Common {
        record_type,
        workload: "AzureActiveDirectory",
        operation,
        user_type: 0,
        user_id: &person.upn,
        user_key,
    };
    scene.record(&common, details)
}
