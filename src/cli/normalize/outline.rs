//! What an object is, by the names of its members.

use crate::normalize::beside::{AUDIT_DATA, column, record_type};

/// A bit for each thing that names may say.
type Bits = u16;

const CREATION_TIME: Bits = 1 << 0;
const OPERATION: Bits = 1 << 1;
/// The bits of members that every record has.
const COMMON: Bits = 0b0111_1111;
const HAS_AUDIT_DATA: Bits = 1 << 7;
const TIME_BESIDE: Bits = 1 << 8;
const OPERATION_BESIDE: Bits = 1 << 9;
const ORIGINAL: Bits = 1 << 10;
const NAMED_TYPE: Bits = 1 << 11;
const BESIDE: Bits = 1 << 12;
/// The bits of members that only Microsoft has: all except what was done, when, and by which workload.
const TELLING: Bits = 0b0011_1100;

/// What a name says.
const NAMES: &[(&str, Bits)] = &[
    // Members that every record has (the common schema of the Office 365 Management Activity API), without those that are common
    // elsewhere, too: `Id`, `UserId`.
    ("CreationTime", CREATION_TIME),
    ("Operation", OPERATION | OPERATION_BESIDE),
    ("RecordType", 1 << 2),
    ("OrganizationId", 1 << 3),
    ("UserType", 1 << 4),
    ("UserKey", 1 << 5),
    ("Workload", 1 << 6),
    (AUDIT_DATA, HAS_AUDIT_DATA),
    // The time, and what was done, as the columns beside `AuditData` call them, and Sentinel's table `OfficeActivity`.
    ("CreationDate", TIME_BESIDE),
    ("createdDateTime", TIME_BESIDE),
    ("TimeGenerated", TIME_BESIDE),
    ("Operations", OPERATION_BESIDE | BESIDE),
    // Other columns beside it, which distinguish it from what others log.
    ("auditLogRecordType", BESIDE),
    ("userPrincipalName", BESIDE),
    ("service", BESIDE),
    ("UserIds", BESIDE),
    ("RecordId", BESIDE),
    ("OfficeId", BESIDE),
    ("OfficeWorkload", BESIDE),
    // Where Splunk and Elastic keep the record as it came, beside what they have made of it.
    ("_raw", ORIGINAL),
    ("event.original", ORIGINAL),
];

/// How many of the members that every record has make a record: one alone may be a common word.
const ENOUGH: u32 = 2;

/// What the names of an object's members say. Their case makes no difference.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outline(Bits);

impl Outline {
    /// Looks at one member: its name and its JSON text.
    pub(super) fn visit(&mut self, name: &str, raw: &str) {
        // What is empty says nothing of what the object is.
        let is_empty = matches!(raw, "null" | "\"\"");
        self.0 |= said_by(name) & if is_empty { !COMMON } else { Bits::MAX };
        if name.eq_ignore_ascii_case("RecordType") && record_type(raw.trim_matches('"')).is_some() {
            self.0 |= NAMED_TYPE;
        }
    }

    /// Looks at a name alone.
    pub(super) fn visit_name(&mut self, name: &str) {
        self.0 |= said_by(name);
    }

    /// Whether it holds a record in `AuditData`, beside members that say the same in part.
    pub(super) const fn has_audit_data(self) -> bool {
        self.has(HAS_AUDIT_DATA)
    }

    /// Whether it may hold a record as it came, beside what was made of it.
    pub(super) const fn has_original(self) -> bool {
        self.has(ORIGINAL)
    }

    /// Whether it is what is beside `AuditData`, or a record with the name of its type instead of the number.
    pub(super) const fn is_beside(self) -> bool {
        (!self.has(CREATION_TIME)
            && self.has(TIME_BESIDE)
            && self.has(OPERATION_BESIDE)
            && self.has(TELLING | BESIDE | HAS_AUDIT_DATA))
            || (self.has(NAMED_TYPE) && self.is_record())
    }

    /// Whether it is an audit record. What was done in which workload, others log as well.
    pub(super) const fn is_record(self) -> bool {
        (self.0 & COMMON).count_ones() >= ENOUGH && self.has(CREATION_TIME | TELLING)
    }

    /// Whether it is a record with time and operation, so that the members beside it are not needed.
    pub(super) const fn is_complete(self) -> bool {
        self.has(CREATION_TIME) && self.has(OPERATION)
    }

    const fn has(self, bit: Bits) -> bool {
        self.0 & bit != 0
    }
}

fn said_by(name: &str) -> Bits {
    let name = column(name);
    NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or(0, |(_, bits)| *bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(names: &[&str]) -> Outline {
        let mut outline = Outline::default();
        for name in names {
            outline.visit(name, "\"x\"");
        }
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
            &["id", "operation", "workload"],
            &["id", "operation", "createdDateTime"],
            &["id", "createdDateTime", "userPrincipalName", "status"],
            &["error", "message"],
        ] {
            assert!(!outline(names).is_record() && !outline(names).is_beside(), "{names:?}");
        }
        assert!(outline(&["createdDateTime", "operation", "service"]).is_beside());
        let mut empty = outline(&["Operation", "Id"]);
        empty.visit("CreationTime", "null");
        assert!(!empty.is_record(), "what is empty says nothing");
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
