//! The form that members of a record have under `o365.audit` in ECS and under `unmapped` in OCSF.
//!
//! Microsoft writes the same thing in several ways: lists of names and values, JSON within strings, numbers now as numbers and
//! now as strings. An index needs one. This comes first, so that the mapping can look into what was a string.

use std::{borrow::Cow, collections::HashSet};

use super::{
    audit::{Audit, Path, is_absent, parse_integer, paths, scalar_text},
    conversation,
    damage::{Damage, Damages},
    json::{Node, Object, Repeated},
    network_address::ip_of,
    time::{is_unset, parse_time},
};

/// Numbers that stand for something, and are compared, not added.
const CODES: &[Path<'static>] = &paths([
    "RecordType",
    "UserType",
    "Version",
    "AzureActiveDirectoryEventType",
    "InternalLogonType",
    "LogonType",
    "ActorYammerUserId",
    "TargetYammerUserId",
    "YammerNetworkId",
    "ListBaseType",
    "ErrorNumber",
]);

/// Sizes and durations that also come as strings or with a fraction of zero.
const NUMBERS: &[Path<'static>] = &paths(["RunningTime", "FileSize", "FileSizeBytes"]);

/// Members that hold items of mailboxes, however deep, and what the size of an item is named there.
const ITEMS: &[Path<'static>] = &paths(["Item", "AffectedItems", "Folders", "Messages"]);
const ITEM_SIZE: &str = "SizeInBytes";

/// Where what has no name of its own is.
const REST: &str = "_rest";

/// Lists with more names than this look for repeated ones in a set.
const MANY_NAMES: usize = 32;

const TIMES: &[Path<'static>] =
    &paths(["StartTime", "StartTimeUtc", "EndTimeUtc", "LastUpdateTimeUtc", "FilteringDate"]);

/// Names and values that become the members of an object.
const NAMES_AND_VALUES: &[Path<'static>] = &paths(["Parameters", "ExtendedProperties"]);

/// Objects and lists that also come as JSON within a string, from those who export and forward records.
const STRUCTURES: &[Path<'static>] = &paths([
    "Actor",
    "AffectedItems",
    "AppAccessContext",
    "DeviceProperties",
    "EndpointMetaData",
    "Entities",
    "ExchangeMetaData",
    "ExtendedProperties",
    "Folders",
    "Item",
    "MatchedPolicies",
    "Members",
    "Messages",
    "ModifiedProperties",
    "Parameters",
    "PolicyDetails",
    "PolicyMatchInfo",
    "RemovableMediaDeviceAttributes",
    "SensitiveInfoTypeData",
    "SharePointMetaData",
    "Target",
    // Of conversations with an AI.
    "AccessedResources",
    "Contexts",
    "ModelTransparencyDetails",
]);

/// JSON within a string.
const EMBEDDED: &[Path<'static>] = &paths(["OperationProperties", "AdditionalInfo", conversation::DATA]);

/// Microsoft's numbers of `Platform` (schema of Defender for Office 365 and of endpoint data loss prevention).
const PLATFORMS: &[&str] = &["Unknown", "Windows", "MacOS", "iOS", "Android", "Web Browser"];

/// Gives all members of a record of type `code` their form. It is the same in all schemas, so that queries for one
/// schema can be transferred to the other.
pub(in crate::normalize) fn shape(record: &mut Audit<'_>, code: &str) {
    for name in STRUCTURES {
        record.change(name, |node, damages| structure(node, name.as_str(), damages));
    }
    for name in CODES {
        record.change(name, |node, _| Some(whole(node, Node::Text)));
    }
    for name in NUMBERS {
        record.change(name, |node, _| Some(whole(node, Node::Json)));
    }
    for name in ITEMS {
        record.change(name, |node, _| Some(item_sizes(node)));
    }
    for name in NAMES_AND_VALUES {
        record.change(name, |node, _| names_and_values(node));
    }
    record.change("ModifiedProperties", |node, _| modified_properties(node));
    for name in EMBEDDED {
        record.change(name, |node, damages| embedded(node, name.as_str(), Repeated::Last, damages));
    }
    record.change("ExtendedProperties", |node, damages| Some(additional_details(node, damages)));
    for name in ["Actor", "Target"] {
        record.change(name, |node, _| Some(each(node, |object| retype(object, "Type"))));
    }
    for name in TIMES {
        record.change(name, |node, damages| Some(time(node, name.as_str(), damages)));
    }
    record.change("RescanResult", |mut node, damages| {
        if let Some(object) = node.as_object_mut() {
            retime(object, "Timestamp", "RescanResult.Timestamp", damages);
        }
        Some(node)
    });
    record.change("AlertLinks", |node, _| Some(alert_links(node)));
    record.change("Platform", |node, _| Some(platform(node)));
    record.change("ExceptionInfo", |node, _| {
        Some(match node.as_text() {
            Some(reason) => object("Reason", Node::text(reason.into_owned())),
            None => node,
        })
    });
    let repeated = if code == "AirInvestigation" { Repeated::First } else { Repeated::Last };
    record.change("Data", |node, damages| data(node, repeated, damages));
    if code == "AirInvestigation" {
        record.change("Actions", |node, damages| Some(actions(node, damages)));
    }
    if code == "ExchangeItemAggregated" {
        record.rename("Messages", "ExchangeAggregatedMessages");
        record.rename("Folders", "ExchangeAggregatedFolders");
    }
    rename_object(record, "Message", "MessageObject");
    rename_object(record, "Sender", "SenderEntity");
}

/// An index cannot have a field that is text in one event and an object in the next.
fn rename_object(record: &mut Audit<'_>, name: &str, new: &'static str) {
    if matches!(record.node(name), Some(Node::Object(_))) {
        record.rename(name, new);
    }
}

fn object<'a>(name: &'static str, node: Node<'a>) -> Node<'a> {
    let mut object = Object::new();
    object.set(name, node);
    Node::Object(object)
}

/// A number without exponent and fraction, if it is a whole one.
fn whole<'a>(node: Node<'a>, form: fn(Cow<'a, str>) -> Node<'a>) -> Node<'a> {
    let Some(text) = scalar_text(&node) else { return node };
    match parse_integer(&text) {
        Some(number) if text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() < 19 && !text.starts_with('0') => {
            debug_assert!(number >= 0);
            form(text)
        }
        Some(number) => form(Cow::Owned(number.to_string())),
        None => match node {
            // Not a number at all: text stays text, so that the field keeps one type.
            Node::Json(json) if !json.starts_with('"') => Node::Text(json),
            other => other,
        },
    }
}

/// The sizes of items as whole numbers; parsed nodes are not deep.
fn item_sizes(mut node: Node<'_>) -> Node<'_> {
    match &mut node {
        Node::List(list) => list.iter_mut().for_each(|node| *node = item_sizes(take(node))),
        Node::Object(object) => object.iter_mut().for_each(|(name, node)| {
            *node = if name == ITEM_SIZE { whole(take(node), Node::Json) } else { item_sizes(take(node)) };
        }),
        _ => {}
    }
    node
}

fn take<'a>(node: &mut Node<'a>) -> Node<'a> {
    std::mem::replace(node, Node::Bool(false))
}

/// `[{"Name":n,"Value":v}]` → `{n: v}`; a string → `{"_raw": …}`. What is no name and value, and what has a name that came
/// before, is in `_rest`.
fn names_and_values(node: Node<'_>) -> Option<Node<'_>> {
    match node {
        Node::List(list) => by_name(list, |object| object.take("Value"), |name| name),
        object @ Node::Object(_) => Some(object),
        other => Some(object("_raw", other)),
    }
}

/// `[{"Name":n,"OldValue":o,"NewValue":v}]` → `{n: {"OldValue":o,"NewValue":v}}`; names without dots and blanks, which an index
/// would take for objects within objects. A string → `{"_raw": …}`. Exchange only names what has changed: that is in `_rest`.
fn modified_properties(node: Node<'_>) -> Option<Node<'_>> {
    match node {
        Node::List(list) => by_name(
            list,
            |object| {
                let mut property = std::mem::take(object);
                let name = property.take("Name");
                object.set_some("Name", name);
                if property.is_empty() { None } else { Some(Node::Object(property)) }
            },
            plain_name,
        ),
        object @ Node::Object(_) => Some(object),
        other => Some(object("_raw", other)),
    }
}

/// An object of what the elements of a list are about, by their `Name`.
fn by_name<'a>(
    list: Vec<Node<'a>>,
    take: fn(&mut Object<'a>) -> Option<Node<'a>>,
    spell: fn(Cow<'a, str>) -> Cow<'a, str>,
) -> Option<Node<'a>> {
    let (mut members, mut rest) = (Vec::with_capacity(list.len()), Vec::new());
    // A set costs more than it saves, unless a list is longer than any of an honest record.
    let mut known = HashSet::new();
    for mut node in list {
        if members.len() == MANY_NAMES && known.is_empty() {
            known.extend(members.iter().map(|(name, _): &(Cow<'a, str>, _)| name.clone()));
        }
        let is_known = |name: &Cow<'a, str>| {
            if known.is_empty() { members.iter().any(|(known, _)| known == name) } else { known.contains(name) }
        };
        let name = node.get("Name").and_then(scalar_text).map(spell).filter(|name| name != REST && !is_known(name));
        // Only what has a name leaves its element, and all that is not name and value stays.
        let value = if name.is_some() { node.as_object_mut().and_then(take) } else { None };
        let has_more = node.as_object().is_none_or(|object| object.iter().any(|(name, _)| name != "Name"));
        match name.zip(value) {
            Some((name, value)) => {
                if !known.is_empty() {
                    known.insert(name.clone());
                }
                members.push((name, value));
                if has_more {
                    rest.push(node);
                }
            }
            None => rest.push(node),
        }
    }
    let mut object = Object::from_unique(members);
    if !rest.is_empty() {
        object.set(REST, Node::List(rest));
    }
    (!object.is_empty()).then_some(Node::Object(object))
}

fn plain_name(name: Cow<'_, str>) -> Cow<'_, str> {
    if name.contains([' ', '.']) { Cow::Owned(name.replace([' ', '.'], "_")) } else { name }
}

/// JSON in a string is parsed; a string that is not JSON stays as it came, in `_raw`.
fn embedded<'a>(node: Node<'a>, name: &'static str, repeated: Repeated, damages: &mut Damages) -> Option<Node<'a>> {
    let Some(text) = node.as_text() else { return Some(node) };
    // Some is encoded twice.
    let parsed = match Node::parse_embedded(&text, repeated) {
        Ok(Some(inner)) if inner.as_text().is_some() => {
            Node::parse_embedded(&inner.as_text().unwrap_or_default(), repeated)
        }
        parsed => parsed,
    };
    match parsed {
        Ok(Some(parsed @ (Node::Object(_) | Node::List(_)))) => Some(parsed),
        Ok(None) => None,
        Ok(Some(_)) | Err(_) => {
            damages.add(name, Damage::InvalidJson);
            Some(object("_raw", node))
        }
    }
}

/// An object or a list that came as JSON in a string; any other string stays.
fn structure<'a>(node: Node<'a>, name: &'static str, damages: &mut Damages) -> Option<Node<'a>> {
    let is_json = node.as_text().is_some_and(|text| text.trim_start().starts_with(['{', '[']));
    if is_json { embedded(node, name, Repeated::Last, damages) } else { Some(node) }
}

fn additional_details<'a>(mut node: Node<'a>, damages: &mut Damages) -> Node<'a> {
    const NAME: &str = "additionalDetails";
    if let Some(properties) = node.as_object_mut()
        && let Some(details) = properties.take(NAME)
        && let Some(details) = embedded(details, "ExtendedProperties.additionalDetails", Repeated::Last, damages)
    {
        properties.set(NAME, details);
    }
    node
}

/// `Data` of alerts: JSON in a string. All of it goes to `Data.flattened`; its short keys, which are the same in all alerts,
/// also stand beside that.
fn data<'a>(node: Node<'a>, repeated: Repeated, damages: &mut Damages) -> Option<Node<'a>> {
    let parsed = match embedded(node, "Data", repeated, damages)? {
        raw @ Node::Object(_) if raw.get("_raw").is_some() => return Some(raw),
        parsed => parsed,
    };
    let mut out = Vec::new();
    for (name, value) in parsed.as_object().into_iter().flat_map(Object::iter).filter(|(name, _)| is_short(name)) {
        let field = format!("Data.{name}");
        let value = match name {
            "at" | "md" | "te" | "ts" | "ttdt" => time(value.clone(), &field, damages),
            "sip" => {
                if scalar_text(value).is_some_and(|text| ip_of(&text).is_none()) {
                    damages.add(field, Damage::InvalidAddress);
                }
                value.clone()
            }
            _ => value.clone(),
        };
        out.push((Cow::Owned(name.to_owned()), value));
    }
    // No short name is as long as this one.
    out.push((Cow::Borrowed("flattened"), parsed));
    Some(Node::Object(Object::from_unique(out)))
}

/// Microsoft's keys such as `f3u`, `trc` and `imsgid`.
fn is_short(name: &str) -> bool {
    name.len() <= 6 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn each<'a>(mut node: Node<'a>, change: impl Fn(&mut Object<'a>)) -> Node<'a> {
    if let Node::List(list) = &mut node {
        list.iter_mut().filter_map(Node::as_object_mut).for_each(change);
    }
    node
}

fn retype(object: &mut Object<'_>, name: &str) {
    if let Some(node) = object.get_mut(name) {
        *node = whole(node.clone(), Node::Text);
    }
}

fn retime(object: &mut Object<'_>, name: &str, path: &'static str, damages: &mut Damages) {
    if let Some(node) = object.get_mut(name) {
        *node = time(node.clone(), path, damages);
    }
}

/// A time as ECS writes times; what is none stays as it came.
fn time<'a>(node: Node<'a>, field: &str, damages: &mut Damages) -> Node<'a> {
    let Some(text) = scalar_text(&node).filter(|text| !is_absent(text)) else { return node };
    parse_time(&text).map_or_else(
        || {
            if !is_unset(&text) {
                damages.add(field.to_owned(), Damage::InvalidTime);
            }
            node
        },
        Node::Time,
    )
}

fn alert_links(node: Node<'_>) -> Node<'_> {
    match node {
        Node::List(list) => Node::List(
            list.into_iter()
                .map(|mut link| match link.as_object_mut() {
                    Some(members) if members.iter().count() == 1 => members.take("AlertLinkHref").unwrap_or(link),
                    _ => link,
                })
                .collect(),
        ),
        other => other,
    }
}

fn platform(node: Node<'_>) -> Node<'_> {
    let name = scalar_text(&node)
        .and_then(|text| usize::try_from(parse_integer(&text)?).ok())
        .and_then(|at| PLATFORMS.get(at));
    name.map_or(node, |name| Node::text(*name))
}

fn actions<'a>(node: Node<'a>, damages: &mut Damages) -> Node<'a> {
    let Node::List(list) = node else { return node };
    let parse = |action: Node<'a>| embedded(action, "Actions", Repeated::Last, damages);
    Node::List(list.into_iter().filter_map(parse).collect())
}
