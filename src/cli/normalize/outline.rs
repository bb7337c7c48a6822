//! What an object is, by the names of its members.

use crate::normalize::RECORD_TYPES;

/// The member that holds a record as text in what `Search-UnifiedAuditLog` returns, in exports of the Purview portal, and, as an
/// object, in what Microsoft Graph does.
const AUDIT_DATA: &str = "AuditData";

/// Members that every record has (the common schema of the Office 365 Management Activity API), without those that are common
/// elsewhere, too: `Id`, `UserId`.
const COMMON: [&str; 7] =
    ["CreationTime", "Operation", "RecordType", "OrganizationId", "UserType", "UserKey", "Workload"];

const CREATION_TIME: u8 = 0b01;
const OPERATION: u8 = 0b10;

/// How many of them make a record: one alone is a word that anybody may use.
const ENOUGH: u32 = 2;

/// Where Splunk and Elastic keep the record as it came, beside what they have made of it.
const ORIGINALS: [&str; 2] = ["_raw", "event.original"];

/// The time, and what was done, as the columns beside `AuditData` call them, and Sentinel's table `OfficeActivity`.
const TIMES_BESIDE: [&str; 3] = ["CreationDate", "createdDateTime", "TimeGenerated"];
const OPERATIONS_BESIDE: [&str; 2] = ["Operation", "Operations"];

/// What the names of an object's members say. Their case makes no difference.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outline {
    /// A bit for each of the common members that were seen.
    common: u8,
    has_audit_data: bool,
    has_time_beside: bool,
    has_operation_beside: bool,
    has_named_type: bool,
    has_original: bool,
}

impl Outline {
    /// Looks at one member: its name and its JSON text, which may be empty.
    pub(super) fn visit(&mut self, name: &str, raw: &str) {
        self.common |= common_member(name);
        self.has_audit_data |= is_audit_data(name);
        self.has_time_beside |= is_one_of(&TIMES_BESIDE, name);
        self.has_operation_beside |= is_one_of(&OPERATIONS_BESIDE, name);
        self.has_original |= is_one_of(&ORIGINALS, name);
        self.has_named_type |= name.eq_ignore_ascii_case("RecordType") && record_type(raw.trim_matches('"')).is_some();
    }

    /// Whether it holds a record in `AuditData`, beside members that say the same in part.
    pub(super) const fn has_audit_data(self) -> bool {
        self.has_audit_data
    }

    /// Whether it may hold a record as it came, beside what was made of it.
    pub(super) const fn has_original(self) -> bool {
        self.has_original
    }

    /// Whether it is what stands beside `AuditData`, or a record with the name of its type instead of the number.
    pub(super) const fn is_beside(self) -> bool {
        let has_no_time = self.common & CREATION_TIME == 0;
        (has_no_time && self.has_time_beside && self.has_operation_beside) || (self.has_named_type && self.is_record())
    }

    /// Whether it is an audit record.
    pub(super) const fn is_record(self) -> bool {
        self.common.count_ones() >= ENOUGH
    }

    /// Whether it is a record that says when and what, so that nobody needs to look beside it.
    pub(super) const fn is_complete(self) -> bool {
        self.common & (CREATION_TIME | OPERATION) == CREATION_TIME | OPERATION
    }
}

/// A bit for a member that all records have; 0 for any other.
pub(super) fn common_member(name: &str) -> u8 {
    COMMON.iter().position(|known| known.eq_ignore_ascii_case(name)).map_or(0, |at| 1 << at)
}

/// Whether an object with these members is a record.
pub(super) const fn make_record(common: u8) -> bool {
    common.count_ones() >= ENOUGH
}

pub(super) fn is_audit_data(name: &str) -> bool {
    name.eq_ignore_ascii_case(AUDIT_DATA)
}

/// The number of a record type by its name.
pub(super) fn record_type(name: &str) -> Option<u16> {
    RECORD_TYPES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(number, _)| *number)
}

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(names: &[&str]) -> Outline {
        let mut outline = Outline::default();
        names.iter().for_each(|name| outline.visit(name, "\"x\""));
        outline
    }

    #[test]
    fn two_members_of_all_records_make_one() {
        for names in [&["CreationTime", "Operation"][..], &["recordtype", "WORKLOAD", "x"], &["UserKey", "UserType"]] {
            assert!(outline(names).is_record(), "{names:?}");
        }
        for names in [
            &[][..],
            &["Id", "UserId", "Name"],
            &["Operation", "Id", "operation"],
            &["id", "createdDateTime", "userPrincipalName", "status"],
            &["error", "message"],
        ] {
            assert!(!outline(names).is_record() && !outline(names).is_beside(), "{names:?}");
        }
        assert!(outline(&["createdDateTime", "operation", "id"]).is_beside());
        assert!(outline(&["CreationDate", "Operations", "UserIds"]).is_beside());
        assert!(!outline(&["CreationTime", "CreationDate", "Operation"]).is_beside());
        assert!(outline(&["auditdata"]).has_audit_data());
    }

    #[test]
    fn types_have_numbers_by_name() {
        assert_eq!(record_type("azureActiveDirectoryStsLogon"), Some(15));
        assert_eq!(record_type("15"), None);
        let mut named = outline(&["CreationTime", "Operation"]);
        named.visit("RecordType", "\"ExchangeAdmin\"");
        assert!(named.is_beside());
    }
}
