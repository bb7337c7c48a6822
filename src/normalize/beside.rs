//! A record made of the members beside `AuditData`: the members of Microsoft Graph's `auditLogRecord`, the columns of
//! exports and of `Search-UnifiedAuditLog`. They say the same as the record in `AuditData`, but less of it, and under
//! other names.

use std::collections::HashSet;

use super::json::{decode, write_string};
use crate::record_types::RECORD_TYPES;

/// The member that holds a record as text in what `Search-UnifiedAuditLog` returns, in exports of the Purview portal, and, as an
/// object, in what Microsoft Graph does.
pub(crate) const AUDIT_DATA: &str = "AuditData";

/// A name beside `AuditData`, and what it is in a record. Of several for one member the first counts.
///
/// Source: `auditLogRecord` of Microsoft Graph, `Search-UnifiedAuditLog`, the export of the Purview portal, Microsoft Sentinel's
/// table `OfficeActivity`.
const NAMES: &[(&str, &str)] = &[
    ("CreationTime", "CreationTime"),
    ("createdDateTime", "CreationTime"),
    ("CreationDate", "CreationTime"),
    ("TimeGenerated", "CreationTime"),
    ("RecordType", "RecordType"),
    ("auditLogRecordType", "RecordType"),
    ("operation", "Operation"),
    ("Operations", "Operation"),
    ("organizationId", "OrganizationId"),
    ("userType", "UserType"),
    ("UserKey", "UserKey"),
    ("userPrincipalName", "UserId"),
    ("UserIds", "UserId"),
    ("userId", "UserId"),
    ("Workload", "Workload"),
    ("service", "Workload"),
    ("OfficeWorkload", "Workload"),
    ("objectId", "ObjectId"),
    ("OfficeObjectId", "ObjectId"),
    ("clientIp", "ClientIP"),
    ("id", "Id"),
    ("RecordId", "Id"),
    ("OfficeId", "Id"),
    ("Identity", "Id"),
    ("ResultStatus", "ResultStatus"),
    ("administrativeUnits", "AssociatedAdminUnits"),
];

/// Names of the numbers of `UserType` (the common schema), from 0.
const USER_TYPES: [&str; 11] = [
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

/// A member: its name and its JSON text.
pub(crate) type Member = (String, String);

/// The record, as JSON text, of the members within `AuditData` and of those beside it that it does not have.
pub(crate) fn record(within: Vec<Member>, beside: Vec<Member>) -> String {
    let mut record = Record::default();
    for (name, raw) in within.into_iter().filter(|(_, raw)| !is_empty(raw)) {
        record.add(&name, &numbered(&name, &raw).unwrap_or(raw));
    }
    let mut beside: Vec<_> =
        beside.into_iter().filter(|(name, raw)| !is_empty(raw) && !is_audit_data(name)).map(known).collect();
    // Unknown ones come last, in their order.
    beside.sort_by_key(|(at, _, _)| *at);
    for (at, (name, raw), known) in beside {
        let raw = numbered(known, &raw).unwrap_or(raw);
        if at < NAMES.len() && !record.has(known) {
            record.add(known, &raw);
        } else if name.eq_ignore_ascii_case("userId") && !record.has("UserKey") {
            // Graph has the name of the user elsewhere; this is another id of the same.
            record.add("UserKey", &raw);
        } else if !record.has(&name) {
            record.add(&name, &raw);
        }
    }
    record.finish()
}

/// Where a member is in the order of names, and what it is in a record.
fn known((name, raw): Member) -> (usize, Member, &'static str) {
    let at = NAMES.iter().position(|(known, _)| known.eq_ignore_ascii_case(column(&name)));
    let known = at.and_then(|at| NAMES.get(at)).map_or("", |(_, member)| member);
    (at.unwrap_or(NAMES.len()), (name, raw), known)
}

/// The number that records have for what is a name beside them.
fn numbered(member: &str, raw: &str) -> Option<String> {
    let name = || decode(raw);
    if member.eq_ignore_ascii_case("RecordType") {
        return Some(record_type(name()?.trim())?.to_string());
    }
    if member.eq_ignore_ascii_case("UserType") {
        let name = name()?;
        return Some(USER_TYPES.iter().position(|known| known.eq_ignore_ascii_case(name.trim()))?.to_string());
    }
    None
}

/// Whether a name is that of the member that holds the record.
pub(crate) fn is_audit_data(name: &str) -> bool {
    name.eq_ignore_ascii_case(AUDIT_DATA)
}

/// The name of a column without the zone that the portal of Log Analytics writes behind it.
pub(crate) fn column(name: &str) -> &str {
    name.strip_suffix(" [UTC]").unwrap_or(name)
}

/// The number of a record type by its name.
pub(crate) fn record_type(name: &str) -> Option<u16> {
    RECORD_TYPES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(number, _)| *number)
}

fn is_empty(raw: &str) -> bool {
    matches!(raw, "null" | "\"\"")
}

/// The text of an object that is being made.
#[derive(Debug, Default)]
struct Record {
    text: Vec<u8>,
    /// In lower case.
    names: HashSet<String>,
}

impl Record {
    fn has(&self, name: &str) -> bool {
        self.names.contains(&name.to_ascii_lowercase())
    }

    fn add(&mut self, name: &str, raw: &str) {
        self.text.push(if self.text.is_empty() { b'{' } else { b',' });
        write_string(name, &mut self.text);
        self.text.push(b':');
        self.text.extend_from_slice(raw.as_bytes());
        self.names.insert(name.to_ascii_lowercase());
    }

    fn finish(mut self) -> String {
        if self.text.is_empty() {
            self.text.push(b'{');
        }
        self.text.push(b'}');
        String::from_utf8_lossy(&self.text).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn members(object: &Value) -> Vec<Member> {
        object.as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.to_string())).collect()
    }

    fn made(within: &Value, beside: &Value) -> Value {
        serde_json::from_str(&record(members(within), members(beside))).unwrap()
    }

    #[test]
    fn what_stands_beside_gets_the_names_and_numbers_of_records() {
        let graph = json!({
            "@odata.type": "#x", "id": "g", "createdDateTime": "t", "auditLogRecordType": "azureActiveDirectoryStsLogon",
            "operation": "o", "organizationId": "org", "userType": "guest", "userId": "guid", "service": "s", "objectId": "obj",
            "userPrincipalName": "a@b", "clientIp": "c", "administrativeUnits": ["x"], "auditData": null,
        });
        assert_eq!(
            made(&json!({"UserAgent": "u"}), &graph),
            json!({
                "UserAgent": "u", "@odata.type": "#x", "Id": "g", "CreationTime": "t", "RecordType": 15, "Operation": "o",
                "OrganizationId": "org", "UserType": 10, "UserKey": "guid", "Workload": "s", "ObjectId": "obj", "UserId": "a@b",
                "ClientIP": "c", "AssociatedAdminUnits": ["x"],
            })
        );
        let searched = json!({
            "RecordType": "ExchangeAdmin", "CreationDate": "t", "UserIds": "a@b", "Operations": "o", "AuditData": "",
            "ResultIndex": 1, "Identity": "i",
        });
        assert_eq!(
            made(&json!({}), &searched),
            json!({"RecordType": 1, "CreationTime": "t", "UserId": "a@b", "Operation": "o", "ResultIndex": 1, "Id": "i"})
        );
    }

    #[test]
    fn what_is_within_counts_before_what_is_beside() {
        let within = json!({"Id": "within", "Operation": "", "clientip": "c"});
        let beside =
            json!({"id": "beside", "RecordId": "r", "operation": "o", "clientIp": "d", "userId": "u", "UserKey": null});
        assert_eq!(
            made(&within, &beside),
            json!({"Id": "within", "clientip": "c", "Operation": "o", "RecordId": "r", "UserId": "u"})
        );
        assert_eq!(made(&json!({}), &json!({})), json!({}));
    }
}
