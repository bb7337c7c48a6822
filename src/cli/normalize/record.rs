//! From an object of the input to the audit record in it.

use bytes::Bytes;
use snafu::ResultExt;

use super::found::{AuditDataSnafu, InvalidSnafu, Problem};
use crate::{
    collector::{Record, read_record},
    component::{InvalidRecord, JsonObject},
    normalize::RecordMembers,
};

/// The most characters of a cell in Excel.
const EXCEL_CELL: usize = 32_767;

/// The record that is the object, or that is in its member `AuditData`: as a string, as `Search-UnifiedAuditLog` returns
/// it, or as an object, as Microsoft Graph does.
pub(super) fn read(text: Bytes) -> Result<Record, Problem> {
    let may_be_cut = is_as_long_as_a_cell(&text);
    let (mut members, mut audit_data) = (RecordMembers::default(), None);
    let parsed = JsonObject::parse_repairing(text, |name, raw| {
        members.visit(name, raw);
        if name.eq_ignore_ascii_case("AuditData") {
            audit_data = Some(raw.to_owned());
        }
    });
    let (object, repair) = match parsed {
        Err(InvalidRecord::Syntax { .. }) if may_be_cut => return Err(Problem::CutByExcel),
        parsed => parsed.context(InvalidSnafu)?,
    };
    let Some(audit_data) = audit_data else { return Ok(Record { object, members, repair }) };
    let audit_data = audit_data.trim_ascii();
    let text = match audit_data.bytes().next() {
        Some(b'{') => audit_data.to_owned(),
        Some(b'"') => serde_json::from_str(audit_data)
            .map_err(|error| InvalidRecord::Syntax { reason: error.to_string() })
            .context(AuditDataSnafu)?,
        _ => return Err(Problem::AuditDataKind),
    };
    let mut record = read_record(text.into()).context(AuditDataSnafu)?;
    record.repair.invalid_utf8 |= repair.invalid_utf8;
    record.repair.lone_surrogates += repair.lone_surrogates;
    Ok(record)
}

/// In UTF-16 units, of which each takes one to three bytes.
fn is_as_long_as_a_cell(text: &[u8]) -> bool {
    (EXCEL_CELL..=3 * EXCEL_CELL).contains(&text.len())
        && String::from_utf8_lossy(text).encode_utf16().count() == EXCEL_CELL
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &'static str) -> Option<String> {
        read(text.into()).unwrap().members.id
    }

    fn problem(text: impl Into<Bytes>) -> String {
        read(text.into()).unwrap_err().to_string()
    }

    #[test]
    fn a_record_stands_alone_or_in_audit_data() {
        for text in [
            r#"{"Id":"x"}"#,
            r#"{"RecordType":"AzureActiveDirectory","AuditData":"{\"Id\":\"x\"}","Id":"outer"}"#,
            r##"{"id":"outer","auditData":{"@odata.type":"#t","Id":"x"}}"##,
            r#"{"AUDITDATA" :  "\u007b\"Id\":\"x\"}" }"#,
        ] {
            assert_eq!(id(text).as_deref(), Some("x"), "{text}");
        }
    }

    #[test]
    fn what_is_mended_on_either_level_is_told() {
        let record = read(r#"{"a":"\ud800","AuditData":"{\"b\":\"\\ud800\"}"}"#.into()).unwrap();
        assert_eq!((record.object.as_str(), record.repair.lone_surrogates), (r#"{"b":"\ufffd"}"#, 2));
    }

    #[test]
    fn what_is_no_record_is_explained_without_its_content() {
        assert_eq!(problem("[7]"), "the record is an array, not an object");
        assert_eq!(problem(r#"{"AuditData":null}"#), "AuditData is neither an object nor a string");
        assert_eq!(problem(r#"{"AuditData":""}"#), "AuditData: the record is empty, not an object");
        for text in [r#"{"secret":"#, r#"{"AuditData":"{\"secret\":"}"#] {
            let problem = problem(text);
            assert!(problem.contains("not valid JSON") && !problem.contains("secret"), "{problem}");
        }
    }

    #[test]
    fn a_cell_that_excel_has_cut_is_known_by_its_length() {
        for (filler, units) in [("x", 1), ("ä", 1), ("😀", 2)] {
            let start = r#"{"Id":""#;
            let cut = format!("{start}{}", filler.repeat((EXCEL_CELL - start.len()) / units));
            assert!(problem(cut.clone()).contains("Excel"), "{filler}");
            assert!(!problem(cut + "x").contains("Excel"), "{filler}");
        }
        let whole = format!(r#"{{"Id":"{}"}}"#, "x".repeat(EXCEL_CELL - 9));
        assert_eq!(whole.len(), EXCEL_CELL);
        assert!(read(whole.into()).is_ok(), "of that length by chance");
    }
}
