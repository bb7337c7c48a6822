//! To whom or what an operation of the directory was done.

use std::borrow::Cow;

use super::mapping::{Mapping, is_known};
use crate::normalize::{
    audit::{parse_integer, scalar_text},
    ecs::entra::unquoted,
    json::Node,
};

/// The object of an operation: `Target` of Entra's records, a list of ids and names of one object, and `ObjectId`.
#[derive(Debug, Default)]
pub(super) struct Target<'a> {
    /// `User`, `Group`, `ServicePrincipal` and the like.
    pub(super) kind: Option<Cow<'a, str>>,
    /// The object's id.
    pub(super) uid: Option<Cow<'a, str>>,
    /// Its name.
    pub(super) name: Option<Cow<'a, str>>,
    /// Its user principal name.
    pub(super) principal: Option<Cow<'a, str>>,
}

/// Kinds of objects, as `Target` names them.
const KINDS: &[&str] = &["User", "Group", "Role", "ServicePrincipal", "Application", "Device", "Policy", "Other"];

/// `Type` of a member of `Target`. Microsoft's schema (`IdentityType`) has the names; the numbers are those of records.
const NAME: i64 = 1;
const OTHER: i64 = 2;
const PRINCIPAL: i64 = 5;

impl<'a> Target<'a> {
    /// The target of a record.
    pub(super) fn of(mapping: &mut Mapping<'a>) -> Self {
        let mut target = Self::default();
        let Some(Node::List(members)) = mapping.record.node("Target") else { return target };
        for member in members {
            let Some(id) = member.get("ID").and_then(scalar_text).filter(|id| is_known(id)) else { continue };
            match member.get("Type").and_then(scalar_text).and_then(|kind| parse_integer(&kind)) {
                Some(NAME) => target.name = target.name.or(Some(id)),
                Some(PRINCIPAL) => target.principal = target.principal.or(Some(id)),
                Some(OTHER) if KINDS.contains(&id.as_ref()) => target.kind = target.kind.or(Some(id)),
                Some(OTHER) if uuid::Uuid::try_parse(&id).is_ok() => target.uid = target.uid.or(Some(id)),
                _ => {}
            }
        }
        target
    }
}

/// What a property was changed to, else what it was before.
pub(super) fn changed(mapping: &mut Mapping<'_>, property: &str) -> Option<String> {
    let property = mapping.record.node(&format!("ModifiedProperties.{property}"))?;
    ["NewValue", "OldValue"].iter().find_map(|name| unquoted(property.get(name)?))
}
