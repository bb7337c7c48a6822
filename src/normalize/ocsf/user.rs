//! `user` objects (`objects/user.json`).

use std::borrow::Cow;

use super::mapping::{Mapping, set_enum};
use crate::normalize::{
    audit::{parse_integer, scalar_text},
    json::{Node, Object},
    mail_address::addresses,
    named_users::principal,
    placeholder::is_placeholder,
    user_id::UserId,
};

/// `UserType` by Microsoft's number and name (schema, 8a539d33), and `type_id` with its caption. What OCSF has no type for is
/// 99 Other, with Microsoft's name as caption.
const TYPES: &[(&str, u16, &str)] = &[
    ("Regular", 1, "User"),
    ("Reserved", 99, "Reserved"),
    ("Admin", 2, "Admin"),
    ("DcAdmin", 2, "Admin"),
    ("System", 3, "System"),
    ("Application", 4, "Service"),
    ("ServicePrincipal", 4, "Service"),
    ("CustomPolicy", 99, "CustomPolicy"),
    ("SystemPolicy", 99, "SystemPolicy"),
    ("PartnerTechnician", 99, "PartnerTechnician"),
    ("Guest", 99, "Guest"),
];

/// Who did it: `UserId`, `UserKey` and `UserType`. `None` if the record names nobody.
pub(super) fn actor<'a>(mapping: &mut Mapping<'a>) -> Option<Object<'a>> {
    let key = mapping.record.text("UserKey").filter(|key| !is_placeholder(key));
    if key.is_some() {
        mapping.record.set_moved("UserKey");
    }
    let named = take(mapping, "UserId", key.clone());
    let mut user = match named {
        Some(user) if user.get("name").is_some() => user,
        // Where `UserId` names no user, a failed sign-in may still name the user elsewhere.
        other => principal(&mut mapping.record, "Actor").and_then(|name| self::named(Some(name), key)).or(other)?,
    };
    user.set_some("full_name", mapping.take("LogonUserDisplayName"));
    if let Some(kind) = mapping.record.text("UserType").and_then(|kind| type_of(&kind)) {
        set_enum(&mut user, "type_id", "type", kind);
    }
    Some(user)
}

/// A user of a name, an id, or both; a placeholder is neither. An address is the name as well, without what SharePoint and Entra put
/// around it.
pub(super) fn named<'a>(name: Option<Cow<'a, str>>, uid: Option<Cow<'a, str>>) -> Option<Object<'a>> {
    let mut user = Object::new();
    if let Some(parsed) = name.and_then(|name| UserId::parse(&name)) {
        let email = parsed.strict_email().cloned();
        let is_split = email.is_some() || (parsed.email.is_none() && parsed.name.is_some());
        user.set_some("domain", parsed.domain.filter(|_| is_split).map(Node::Text));
        user.set_some("email_addr", email.map(Node::Text));
        user.set("name", Node::Text(parsed.email.or(parsed.name).unwrap_or(parsed.id)));
    }
    user.set_some("uid", uid.filter(|uid| !is_placeholder(uid)).map(Node::Text));
    (!user.is_empty()).then_some(user)
}

/// Takes a user out of a member. What says more than the user's name stays as well.
pub(super) fn take<'a>(mapping: &mut Mapping<'a>, path: &str, uid: Option<Cow<'a, str>>) -> Option<Object<'a>> {
    let name = mapping.record.text(path);
    let user = named(name.clone(), uid)?;
    if name.is_some() && user.get("name").and_then(scalar_text) == name {
        mapping.record.set_moved(path);
    }
    Some(user)
}

/// A user of whom nothing is known, where one is required.
pub(super) fn unknown<'a>() -> Object<'a> {
    let mut user = Object::new();
    user.set("name", Node::text("Unknown"));
    user
}

/// The address in a name, if it is one as OCSF defines them: with one `@` and a dot in the domain. Also of `"Name" <address>`.
pub(super) fn address<'a>(name: &Cow<'a, str>) -> Option<Cow<'a, str>> {
    let strict = |name: &Cow<'a, str>| UserId::parse(name)?.strict_email().cloned();
    strict(name).or_else(|| strict(&Cow::Owned(addresses(name).into_iter().next()?)))
}

/// `type_id` and `type` of a `UserType`, given by number or name.
fn type_of(kind: &str) -> Option<(u16, &'static str)> {
    let row = match parse_integer(kind) {
        Some(number) => TYPES.get(usize::try_from(number).ok()?)?,
        None => TYPES.iter().find(|(name, ..)| name.eq_ignore_ascii_case(kind))?,
    };
    Some((row.1, row.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_behind_prefixes_and_names_are_none() {
        for (name, expected) in [
            ("a@b.example", Some("a@b.example")),
            ("urn:spo:guest#a@b.example", Some("a@b.example")),
            ("i:0#.f|membership|a@b.example", Some("a@b.example")),
            ("app@sharepoint", None),
            ("a@b@c.example", None),
            ("a b@c.example", None),
            ("[a@c.example", None),
            ("\"A\" <a@b.example>", Some("a@b.example")),
            ("smtp:a@b.example", Some("a@b.example")),
            ("ServicePrincipal_1", None),
            ("a@b.ex/ample", None),
        ] {
            assert_eq!(address(&Cow::Borrowed(name)).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn types_have_numbers_and_names() {
        assert_eq!(type_of("0"), Some((1, "User")));
        assert_eq!(type_of("5.0"), Some((4, "Service")));
        assert_eq!(type_of("guest"), Some((99, "Guest")));
        for unknown in ["11", "-1", "x", ""] {
            assert_eq!(type_of(unknown), None);
        }
    }
}
