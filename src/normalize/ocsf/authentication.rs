//! Authentication: sign-ins of Entra, of mailboxes and of Teams.

use super::{
    mapping::{Mapping, some},
    user,
};
use crate::normalize::json::{Node, Object};

/// How `RequestType` of a sign-in begins, and `auth_protocol_id` with its caption.
const PROTOCOLS: &[(&str, u16, &str)] = &[("OAuth2:", 6, "OAUTH 2.0"), ("Saml2:", 5, "SAML")];

pub(super) fn fill(mapping: &mut Mapping<'_>) {
    let user = mapping.user.clone().unwrap_or_else(user::unknown);
    mapping.set("user", Node::Object(user));
    let mut service = Object::new();
    if mapping.code.starts_with("AzureActiveDirectory") {
        // The application that the token is for.
        service.set_some("uid", mapping.take_object_id().map(Node::Text));
    }
    let name = mapping.record.keyword("Workload").unwrap_or_else(|| Node::text("Microsoft 365"));
    service.set("name", name);
    mapping.set_some("service", some(service));
    if let Some(kind) = mapping.record.text("ExtendedProperties.RequestType")
        && let Some((_, id, name)) = PROTOCOLS.iter().find(|(start, ..)| kind.starts_with(start))
    {
        mapping.set_enum("auth_protocol_id", "auth_protocol", (*id, name));
    }
}
