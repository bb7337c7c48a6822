//! Microsoft Graph's names of what records have numbers for.

use std::borrow::Cow;

use crate::record_types::{RECORD_TYPES, record_type_name};

/// A record type as requests name it: `azureActiveDirectoryStsLogon`, `crm`, `dlpEndpoint`. Acronyms at the beginning are
/// lowered as a whole (GRAPH, `auditLogRecordType`).
pub(super) fn camel_case(name: &str) -> String {
    let capitals = name.bytes().take_while(u8::is_ascii_uppercase).count();
    let lowered = match capitals {
        0 | 1 => capitals,
        all if all == name.len() => all,
        // The last capital begins the next word.
        some => some - 1,
    };
    let (acronym, rest) = name.split_at(lowered);
    acronym.to_ascii_lowercase() + rest
}

/// The number of a record type that a request names. Names compare without regard to case.
pub(super) fn record_type(name: &str) -> Option<i64> {
    RECORD_TYPES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(id, _)| i64::from(*id))
}

/// A record type as answers name it: `AzureActiveDirectoryStsLogon` (SEEN), or its number where it has no name.
pub(super) fn in_answers(record_type: i64) -> Cow<'static, str> {
    record_type_name(record_type).map_or_else(|| record_type.to_string().into(), Cow::Borrowed)
}

/// A user type by its number in the Management Activity API's schema.
pub(super) fn user_type(number: i64) -> Cow<'static, str> {
    const NAMES: [&str; 11] = [
        "Regular",
        "Reserved",
        "Admin",
        "DcAdmin",
        "System",
        "Application",
        "ServicePrincipal",
        "CustomPolicy",
        "SystemPolicy",
        "PartnerTechnician",
        "Guest",
    ];
    let name = usize::try_from(number).ok().and_then(|number| NAMES.get(number));
    name.map_or_else(|| number.to_string().into(), |name| Cow::Borrowed(*name))
}

/// The `@odata.type` of `auditData`. Services without a type of their own have the open one (GRAPH, `auditData`).
pub(super) fn audit_data(record_type: i64) -> String {
    record_type_name(record_type).map_or_else(
        || "#microsoft.graph.security.defaultAuditData".to_owned(),
        |name| format!("#microsoft.graph.security.{}AuditRecord", camel_case(name)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_types_are_named_as_microsoft_graph_does() {
        for (name, number) in [
            ("exchangeAdmin", 1),
            ("complianceDLPSharePoint", 11),
            ("azureActiveDirectoryStsLogon", 15),
            ("powerBIAudit", 20),
            ("crm", 21),
            ("aeD", 31),
            ("mipLabel", 43),
            ("dlpEndpoint", 63),
        ] {
            assert_eq!(record_type(name), Some(number), "{name}");
            assert_eq!(camel_case(&in_answers(number)), name);
        }
        assert_eq!(record_type("noSuchType"), None);
        assert_eq!((in_answers(60_000), user_type(4), user_type(77)), ("60000".into(), "System".into(), "77".into()));
        assert_eq!(audit_data(15), "#microsoft.graph.security.azureActiveDirectoryStsLogonAuditRecord");
        assert_eq!(audit_data(60_000), "#microsoft.graph.security.defaultAuditData");
    }
}
