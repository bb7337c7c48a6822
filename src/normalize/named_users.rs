//! The users whom a record names beside the one who acted: owners, delegates, grantees, members, and whom a cmdlet is about.

use std::{borrow::Cow, collections::HashSet};

use super::{
    audit::{Audit, Path, paths, scalar_text},
    json::Node,
    mail_address::{addresses, is_address},
    placeholder::is_placeholder,
};

/// Members that name a user ("Exchange Mailbox schema", "Yammer schema" and others of the Management Activity API).
const MEMBERS: &[Path<'static>] = &paths([
    "MailboxOwnerUPN",
    "DestMailboxOwnerUPN",
    "SendAsUserSmtp",
    "SendOnBehalfOfUserSmtp",
    "Item.ParentFolder.MemberUpn",
    "Folder.MemberUpn",
    "DestFolder.MemberUpn",
    "MemberUpn",
    "TargetUserId",
    "TargetUserUPN",
    "TargetUserPrincipalName",
    "TargetUPN",
    "AffectedUser",
    "AffectedUserUPN",
    "UserUPN",
    "RecipientUPN",
    "ReleaseTo",
    "UserInformation.UsersAdded",
    "UserInformation.UsersRemoved",
]);

/// Lists of objects, and the member of each that names a user.
const LISTS: &[(Path<'static>, &str)] = &[
    (Path::new("Members"), "UPN"),
    (Path::new("Attendees"), "UPN"),
    (Path::new("Item.ParentFolder.Permissions"), "MemberUpn"),
    (Path::new("AffectedUsers"), "UPN"),
    (Path::new("SharingInformation"), "RecipientEmail"),
];

/// Whom something was shared with: a user, or a group.
const GRANTEE: &str = "TargetUserOrGroupName";
const GRANTEE_TYPE: &str = "TargetUserOrGroupType";

/// Parameters of cmdlets that take users.
const PARAMETERS: &[Path<'static>] = &paths([
    "Parameters.User",
    "Parameters.Users",
    "Parameters.Member",
    "Parameters.Members",
    "Parameters.Trustee",
    "Parameters.GrantSendOnBehalfTo",
    "Parameters.Delegate",
    "Parameters.Delegates",
    "Parameters.Owner",
    "Parameters.Mailbox",
    "Parameters.TargetMailbox",
    "Parameters.UserPrincipalName",
    "Parameters.MicrosoftOnlineServicesID",
    "Parameters.WindowsEmailAddress",
    "Parameters.PrimarySmtpAddress",
    "Parameters.Links",
    "Parameters.ResourceDelegates",
    "Parameters.ManagedBy",
    "Parameters.SourceMailboxes",
]);

/// What a cmdlet was about.
const IDENTITY: &str = "Parameters.Identity";

/// Nouns of cmdlets whose identity is a user or a mailbox; also those that begin so.
const NOUNS: &[&str] = &[
    "Mailbox",
    "CASMailbox",
    "RemoteMailbox",
    "UserPhoto",
    "User",
    "MailUser",
    "RecipientPermission",
    "CalendarProcessing",
    "FocusedInbox",
    "Clutter",
    "ActiveSyncMailbox",
];

/// Names that stand for no particular user: users of folder permissions, and groups of all.
const ANYBODY: &[&str] =
    &["Default", "Anonymous", "Everyone", "Everyone except external users", "All", "$null", r"NT AUTHORITY\SELF"];

/// Prefixes of names that are not users: groups of a site that stand for a link, and claims of groups.
const NO_USERS: &[&str] = &["SharingLinks.", "c:0"];

/// All users that a record names beside `UserId`, in this order, each once.
pub(crate) fn named_users<'a>(record: &mut Audit<'a>, operation: &str) -> Vec<Cow<'a, str>> {
    let mut found = Found::default();
    for member in MEMBERS {
        add_all(record.texts(member), &mut found);
    }
    for (list, name) in LISTS {
        let list = match record.node(list) {
            Some(Node::List(list)) => list.as_slice(),
            Some(object) => std::slice::from_ref(object),
            None => &[],
        };
        if !list.is_empty() {
            add_all(list.iter().filter_map(|object| scalar_text(object.get(name)?)).collect(), &mut found);
        }
    }
    if !grantee_is_group(record) {
        add_all(record.texts(GRANTEE), &mut found);
    }
    if record.node("Parameters").is_some() {
        let identities = record.texts(IDENTITY);
        add_all(identities.into_iter().filter_map(|text| user_of(&text, operation)).collect(), &mut found);
        for parameter in PARAMETERS {
            add_all(record.texts(parameter), &mut found);
        }
    }
    found.users
}

/// The user principal name in `Target` or `Actor` of a directory operation: the identity of type 5.
pub(crate) fn principal<'a>(record: &mut Audit<'a>, list: &str) -> Option<Cow<'a, str>> {
    let Some(Node::List(members)) = record.node(list) else { return None };
    members
        .iter()
        .find(|member| member.get("Type").and_then(scalar_text).is_some_and(|kind| kind == "5"))
        .and_then(|member| scalar_text(member.get("ID")?))
}

/// The group that a cmdlet is about, whose members or owners its other parameters name.
pub(crate) fn named_group<'a>(record: &mut Audit<'a>, operation: &str) -> Option<Cow<'a, str>> {
    if is_about_groups(operation) { record.text(IDENTITY) } else { None }
}

/// Users, each once; there may be ten thousand.
#[derive(Default)]
struct Found<'a> {
    users: Vec<Cow<'a, str>>,
    known: HashSet<Cow<'a, str>>,
}

/// Whether something was shared with a group, and not with a user.
pub(crate) fn grantee_is_group(record: &mut Audit<'_>) -> bool {
    record.text(GRANTEE_TYPE).is_some_and(|kind| kind.to_ascii_lowercase().ends_with("group"))
}

fn add_all<'a>(texts: Vec<Cow<'a, str>>, found: &mut Found<'a>) {
    for text in texts {
        let bare = if text.trim_start().starts_with("@{") { flattened(&text) } else { addresses(&text) };
        // An address that stands alone stays borrowed.
        let users = match bare.as_slice() {
            // Of an object that PowerShell has written as text, only its addresses are users.
            [] if text.trim_start().starts_with("@{") => Vec::new(),
            [] => vec![text],
            [only] if *only == text => vec![text],
            _ => bare.into_iter().map(Cow::Owned).collect(),
        };
        for user in users {
            let name = user.trim();
            let is_nobody = ANYBODY.iter().any(|known| known.eq_ignore_ascii_case(name))
                || NO_USERS.iter().any(|start| name.starts_with(start));
            if !is_nobody && !is_placeholder(&user) && found.known.insert(user.clone()) {
                found.users.push(user);
            }
        }
    }
}

/// The addresses in `@{Add=…; Remove=…}`.
fn flattened(text: &str) -> Vec<String> {
    text.split(['{', '}', '=', ';', ',', '"', ' ']).filter(|part| is_address(part)).map(str::to_owned).collect()
}

/// Nouns of cmdlets that are about the members of a group.
const GROUPS: &[&str] = &[
    "UnifiedGroup",
    "DistributionGroup",
    "DynamicDistributionGroup",
    "RoleGroup",
    "eDiscoveryCaseAdmin",
    "SecurityGroup",
];

fn is_about_groups(cmdlet: &str) -> bool {
    let noun = cmdlet.split_once('-').map_or("", |(_, noun)| noun);
    GROUPS.iter().any(|known| noun.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known)))
}

/// The user in the identity that a cmdlet was given. `ana@contoso.com\rule` and `ana@contoso.com:\Calendar` name a thing in
/// Ana's mailbox. Of other things, such as a transport rule, an identity is no user.
fn user_of<'a>(identity: &Cow<'a, str>, cmdlet: &str) -> Option<Cow<'a, str>> {
    if is_about_groups(cmdlet) {
        return None;
    }
    let is_owner = |at: &usize| identity[..*at].contains(['@', '/']);
    let end = identity.find(":\\").or_else(|| identity.find('\\').filter(is_owner)).unwrap_or(identity.len());
    // `domain/container/name`, as Exchange writes what it has found.
    let is_path = !identity[..end].contains('@') && !identity.starts_with('/');
    let start = identity[..end].rfind('/').filter(|_| is_path).map_or(0, |at| at + 1);
    let owner = super::text::part(identity, start..end);
    let noun = cmdlet.split_once('-').map_or("", |(_, noun)| noun);
    let is_about_users = NOUNS.iter().any(|known| {
        noun.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known))
            && !noun.eq_ignore_ascii_case("MailboxPlan")
    });
    (is_about_users || !addresses(&owner).is_empty()).then_some(owner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        component::JsonObject,
        normalize::{json::Object, shape::shape},
    };

    fn users(operation: &str, record: &str) -> Vec<String> {
        let record = JsonObject::parse(record.to_owned().into()).unwrap();
        let mut audit = Audit::new(&record);
        shape(&mut audit, "ExchangeAdmin");
        named_users(&mut audit, operation).into_iter().map(Cow::into_owned).collect()
    }

    fn cmdlet(operation: &str, parameters: &[(&str, &str)]) -> Vec<String> {
        let list: Vec<_> = parameters
            .iter()
            .map(|(name, value)| {
                let mut parameter = Object::new();
                parameter.set("Name", Node::text((*name).to_owned()));
                parameter.set("Value", Node::text((*value).to_owned()));
                Node::Object(parameter)
            })
            .collect();
        let mut text = b"{\"Parameters\":".to_vec();
        Node::List(list).write(&mut text);
        text.push(b'}');
        users(operation, std::str::from_utf8(&text).unwrap())
    }

    #[test]
    fn owners_delegates_grantees_and_members_are_users() {
        let record = r#"{
            "MailboxOwnerUPN": "boss@contoso.com",
            "SendAsUserSmtp": "\"Boss\" <boss@contoso.com>",
            "SendOnBehalfOfUserSmtp": "chair@contoso.com",
            "Item": {"ParentFolder": {"MemberUpn": "drop@contoso.com"}},
            "Members": [{"UPN": "one@contoso.com"}, {"DisplayName": "no address"}, {"UPN": "Unknown"}],
            "TargetUserOrGroupName": "guest@partner.example",
            "TargetUserOrGroupType": "Guest"
        }"#;
        assert_eq!(
            users("SendAs", record),
            ["boss@contoso.com", "chair@contoso.com", "drop@contoso.com", "one@contoso.com", "guest@partner.example"]
        );
        let group = r#"{"TargetUserOrGroupName":"Sales","TargetUserOrGroupType":"SecurityGroup"}"#;
        assert_eq!(users("AddedToGroup", group), [""; 0]);
    }

    #[test]
    fn cmdlets_name_users_in_their_parameters() {
        assert_eq!(
            cmdlet(
                "Add-MailboxPermission",
                &[("Identity", "boss"), ("User", "drop@contoso.com"), ("AccessRights", "FullAccess")]
            ),
            ["boss", "drop@contoso.com"]
        );
        assert_eq!(
            cmdlet("Add-MailboxFolderPermission", &[("Identity", "boss@contoso.com:\\Calendar"), ("User", "Default")]),
            ["boss@contoso.com"]
        );
        assert_eq!(cmdlet("Set-InboxRule", &[("Identity", "ana@contoso.com\\12345")]), ["ana@contoso.com"]);
        assert_eq!(
            cmdlet("Add-RoleGroupMember", &[("Identity", "Organization Management"), ("Member", "drop")]),
            ["drop"]
        );
        assert_eq!(
            cmdlet("Update-DistributionGroupMember", &[("Members", "a@contoso.com;\"B\" [SMTP:b@contoso.com]")]),
            ["a@contoso.com", "b@contoso.com"]
        );
        for (operation, identity) in
            [("Set-TransportRule", "Block all"), ("Set-InboxRule", "x"), ("Set-MailboxPlan", "E5")]
        {
            assert_eq!(cmdlet(operation, &[("Identity", identity)]), [""; 0], "{operation}");
        }
        // Nothing is read out of a command line.
        assert_eq!(users("Set-Mailbox", r#"{"Parameters":"-Identity \"x\" -Type Shared"}"#), [""; 0]);
    }
}
