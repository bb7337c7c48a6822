//! Identity and access management: users, roles, groups, and the other objects of the directory.

use std::borrow::Cow;

use super::{
    classes::OTHER,
    mapping::{Mapping, list},
    target::{Target, changed},
    user,
};
use crate::normalize::{
    audit::scalar_text,
    json::{Node, Object},
};

/// Account Change.
pub(super) fn account_change(mapping: &mut Mapping<'_>) -> Option<()> {
    let user = target_user(mapping)?;
    mapping.set("user", Node::Object(user));
    Some(())
}

/// User Access Management: the privileges are the roles.
pub(super) fn user_access(mapping: &mut Mapping<'_>) -> Option<()> {
    let role = ["Role_DisplayName", "AppRole_Value", "Role_TemplateId", "Role_ObjectID"]
        .iter()
        .find_map(|property| changed(mapping, property))?;
    let user = target_user(mapping)?;
    mapping.set("user", Node::Object(user));
    mapping.set_some("privileges", list([Node::text(role)]));
    Some(())
}

/// Group Management.
pub(super) fn group_management(mapping: &mut Mapping<'_>) -> Option<()> {
    let (group, user) = match mapping.code {
        "AzureActiveDirectory" => directory_group(mapping)?,
        "SharePointSharingOperation" | "SharePointFileOperation" | "OneDrive" => site_group(mapping)?,
        _ => named_group(mapping)?,
    };
    mapping.set("group", Node::Object(group));
    mapping.set_some("user", user.map(Node::Object));
    Some(())
}

type GroupAndUser<'a> = (Object<'a>, Option<Object<'a>>);

/// Of members, the target is the user, and the group is in the changes; else the target is the group.
fn directory_group<'a>(mapping: &mut Mapping<'a>) -> Option<GroupAndUser<'a>> {
    let uid = changed(mapping, "Group_ObjectID").map(Cow::Owned);
    let name = changed(mapping, "Group_DisplayName").map(Cow::Owned);
    if uid.is_some() || name.is_some() {
        return Some((group(name, uid)?, target_user(mapping)));
    }
    let target = Target::of(mapping);
    let is_group = target.kind.as_deref() == Some("Group");
    let name = target.name.filter(|_| is_group);
    let uid = target.uid.filter(|_| is_group).or_else(|| mapping.take_object_id());
    Some((group(name, uid)?, None))
}

/// A group of a site, whose name stands in something like XML.
fn site_group<'a>(mapping: &mut Mapping<'a>) -> Option<GroupAndUser<'a>> {
    let data = mapping.record.text("EventData")?;
    let (_, rest) = data.split_once("<Group>")?;
    let (name, _) = rest.split_once("</Group>")?;
    let name = (!name.is_empty()).then(|| Cow::Owned(name.to_owned()));
    let group = group(name, None)?;
    Some((group, user::take(mapping, "TargetUserOrGroupName", None)))
}

/// Teams and groups of Viva Engage. Of several members the first who is not the actor is the user; all stay in `unmapped`.
fn named_group<'a>(mapping: &mut Mapping<'a>) -> Option<GroupAndUser<'a>> {
    let name = mapping.take_text("TeamName").or_else(|| mapping.take_text("GroupName"));
    let uid = mapping.take_text("AADGroupId").or_else(|| mapping.take_text("TeamGuid"));
    let group = group(name, uid)?;
    let actor = mapping.user.as_ref().and_then(|user| user.get("name")).and_then(scalar_text);
    let members = mapping.record.node("Members").and_then(Node::as_list).unwrap_or_default();
    let name = |member: &Node<'a>| member.get("UPN").and_then(scalar_text);
    let member = members.iter().find(|member| name(member) != actor).or(members.first()).and_then(|member| {
        let mut user = user::named(name(member), None)?;
        user.set_some("full_name", member.get("DisplayName").and_then(scalar_text).map(Node::Text));
        Some(user)
    });
    Some((group, member))
}

fn group<'a>(name: Option<Cow<'a, str>>, uid: Option<Cow<'a, str>>) -> Option<Object<'a>> {
    let mut group = Object::new();
    group.set_some("name", name.map(Node::Text));
    group.set_some("uid", uid.map(Node::Text));
    (!group.is_empty()).then_some(group)
}

/// Entity Management: `type_id` of kinds that OCSF knows (`objects/managed_entity.json`); all others are 99 by their name.
const ENTITIES: &[(&str, u16)] =
    &[("Device", 1), ("User", 2), ("Group", 3), ("Organization", 4), ("Policy", 5), ("Email", 6)];

/// Entity Management.
pub(super) fn entity_management(mapping: &mut Mapping<'_>) -> Option<()> {
    let target = Target::of(mapping);
    if let Some(entity) = owned(mapping) {
        mapping.set("entity", Node::Object(entity));
        return Some(());
    }
    let object = mapping.take_object_id();
    let mut entity = Object::new();
    entity.set_some("name", target.name.or(target.principal).map(Node::Text));
    entity.set_some("uid", object.or(target.uid).map(Node::Text));
    if entity.is_empty() {
        return None;
    }
    let kind = target
        .kind
        .filter(|kind| kind != "Other")
        .or_else(|| mapping.record.text("ExtendedProperties.extendedAuditEventCategory"));
    if let Some(kind) = kind {
        let known = ENTITIES.iter().find(|(known, _)| *known == kind);
        let id = known.map_or(i64::from(OTHER), |(_, id)| i64::from(*id));
        entity.set("type_id", Node::Integer(id));
        entity.set("type", Node::Text(kind));
    }
    mapping.set("entity", Node::Object(entity));
    Some(())
}

/// What may have owners, beside groups, and where the changes have its name and its id.
const OWNED: &[(&str, &str, &str)] = &[
    ("Application", "Application_DisplayName", "Application_ObjectID"),
    ("ServicePrincipal", "ServicePrincipal_DisplayName", "ServicePrincipal_ObjectID"),
    ("Policy", "Policy_DisplayName", "Policy_ObjectID"),
    ("Device", "Device_DisplayName", "Device_ObjectID"),
];

/// What has got or lost an owner. The target of such a record is the owner.
fn owned<'a>(mapping: &mut Mapping<'a>) -> Option<Object<'a>> {
    if !mapping.operation.to_ascii_lowercase().contains(" owner ") {
        return None;
    }
    OWNED.iter().find_map(|(kind, name, uid)| {
        let (name, uid) = (changed(mapping, name), changed(mapping, uid));
        let mut entity = Object::new();
        entity.set_some("name", name.map(Node::text));
        entity.set_some("uid", uid.map(Node::text));
        if entity.is_empty() {
            return None;
        }
        let known = ENTITIES.iter().find(|(known, _)| known == kind);
        entity.set("type_id", Node::Integer(known.map_or(i64::from(OTHER), |(_, id)| i64::from(*id))));
        entity.set("type", Node::text(*kind));
        Some(entity)
    })
}

/// The user to whom it was done.
fn target_user<'a>(mapping: &mut Mapping<'a>) -> Option<Object<'a>> {
    if mapping.code == "Yammer" {
        let uid = mapping.take_text("TargetObjectId").or_else(|| mapping.take_text("TargetYammerUserId"));
        return user::take(mapping, "TargetUserId", uid);
    }
    let target = Target::of(mapping);
    let object = mapping.object_id();
    // Where `ObjectId` is an id itself, it is no name.
    let is_id = object.as_deref().is_some_and(|id| uuid::Uuid::try_parse(id).is_ok());
    let (id, name) = if is_id { (object.clone(), None) } else { (None, object.clone()) };
    let uid = id.or(target.uid);
    let name = target.principal.or(name).or(target.name);
    let user = user::named(name, uid.clone())?;
    // What was put around the name of a guest is nowhere else.
    let is_whole = |object: &Cow<'_, str>| {
        uid.as_ref() == Some(object) || user.get("name").and_then(scalar_text).as_ref() == Some(object)
    };
    if object.as_ref().is_some_and(is_whole) {
        mapping.record.set_moved("ObjectId");
    }
    Some(user)
}
