//! With which content type the Management Activity API serves a record. The record itself does not say it.

use super::audit::parse_integer;
use crate::{component::JsonObject, content::ContentType, record_types::record_type_name};

use super::json::decode;

/// The content types that may hold a record, the likeliest first.
///
/// Source: the Management Activity API reference ("Audit.General: includes all other workloads not included in the previous content
/// types", "DLP.All: DLP events only for all workloads"). Events of endpoints are told of under either.
pub(crate) fn content_types_of(record: &JsonObject) -> &'static [ContentType] {
    let (mut record_type, mut workload) = (None, None);
    record.for_each_member(|name, raw| match name {
        "RecordType" => record_type = Some(raw),
        "Workload" => workload = Some(raw),
        _ => {}
    });
    let number = record_type.and_then(|raw| parse_integer(decode(raw).as_deref().unwrap_or(raw)));
    let type_name = number.and_then(record_type_name).unwrap_or_default();
    if type_name.starts_with("ComplianceDLP") {
        return &[ContentType::Dlp];
    }
    if type_name == "DLPEndpoint" || type_name.ends_with("ScannerDlp") {
        return &[ContentType::Dlp, ContentType::General];
    }
    match workload.and_then(decode).as_deref() {
        Some("AzureActiveDirectory") => &[ContentType::AzureActiveDirectory],
        Some("Exchange") => &[ContentType::Exchange],
        Some("SharePoint" | "OneDrive") => &[ContentType::SharePoint],
        _ => &[ContentType::General],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_s_content_type_follows_from_its_type_and_workload() {
        let of = |json: &str| content_types_of(&JsonObject::parse(json.to_owned().into()).unwrap());
        for (record, expected) in [
            (r#"{"RecordType":15,"Workload":"AzureActiveDirectory"}"#, &[ContentType::AzureActiveDirectory][..]),
            (r#"{"RecordType":2,"Workload":"Exchange"}"#, &[ContentType::Exchange]),
            (r#"{"RecordType":6,"Workload":"OneDrive"}"#, &[ContentType::SharePoint]),
            (r#"{"RecordType":13,"Workload":"Exchange"}"#, &[ContentType::Dlp]),
            (r#"{"RecordType":"11","Workload":"SharePoint"}"#, &[ContentType::Dlp]),
            (r#"{"RecordType":63,"Workload":"Endpoint"}"#, &[ContentType::Dlp, ContentType::General]),
            (r#"{"RecordType":25,"Workload":"MicrosoftTeams"}"#, &[ContentType::General]),
            ("{}", &[ContentType::General]),
        ] {
            assert_eq!(of(record), expected, "{record}");
        }
    }
}
