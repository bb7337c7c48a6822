//! The classic record, as the Management Activity API serves it, of a record of Microsoft Graph.

use bytes::Bytes;

use crate::{
    component::JsonObject,
    graph::{AuditLogRecord, names_id},
    normalize::{beside, without_annotations},
};

/// The classic record of a record, as JSON text. It is checked with all others later.
///
/// `auditData` is it, but for annotations. Where that is empty, what stands beside it makes a record that says less. `None` if
/// nothing has an `Id`: without one nobody can tell whether it was delivered.
pub fn classic_record(record: &AuditLogRecord) -> Option<Bytes> {
    let data = record.audit_data.clone().map(unwrapped);
    if let Some(data) = data.as_ref().filter(|data| names_id(data)) {
        // Not valid UTF-8 only if a page was.
        let without = str::from_utf8(data).ok().and_then(without_annotations);
        return Some(without.map_or_else(|| data.clone(), Bytes::from));
    }
    let outer = JsonObject::parse_repairing(record.text.clone()?, |_, _| {}).ok()?.0;
    let within = data.and_then(|data| JsonObject::parse_repairing(data, |_, _| {}).ok());
    let within = within.map(|(object, _)| members(&object)).unwrap_or_default();
    let made = beside::record(within, members(&outer));
    names_id(made.as_bytes()).then(|| Bytes::from(made))
}

/// What is in a string, as `Search-UnifiedAuditLog` returns records; anything else as it is.
fn unwrapped(data: Bytes) -> Bytes {
    match serde_json::from_slice::<String>(&data) {
        Ok(text) => Bytes::from(text),
        Err(_) => data,
    }
}

/// The members of an object, without annotations.
fn members(object: &JsonObject) -> Vec<beside::Member> {
    let text = without_annotations(object.as_str());
    let text = text.as_deref().unwrap_or_else(|| object.as_str());
    let mut members = Vec::new();
    if let Ok(object) = JsonObject::parse(Bytes::copy_from_slice(text.as_bytes())) {
        object.for_each_member(|name, raw| members.push((name.to_owned(), raw.to_owned())));
    }
    members
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn classic(record: &Value) -> Option<Value> {
        let text = |value: &Value| Bytes::from(value.to_string());
        let record = AuditLogRecord {
            id: None,
            record_type: None,
            text: Some(text(record)),
            audit_data: record.get("auditData").filter(|data| !data.is_null()).map(text),
        };
        classic_record(&record).map(|text| serde_json::from_slice(&text).unwrap())
    }

    #[test]
    fn audit_data_is_the_record_without_annotations() {
        let record = json!({
            "id": "1", "userId": "key", "auditData": {
                "@odata.type": "#x", "Id": "1", "P@odata.type": "#c", "P": [{"@odata.type": "#n", "Name": "a"}]
            }
        });
        assert_eq!(classic(&record), Some(json!({"Id": "1", "P": [{"Name": "a"}]})));
    }

    #[test]
    fn audit_data_may_be_text() {
        let record = json!({"id": "1", "auditData": "{\"Id\":\"1\",\"@odata.type\":\"#x\"}"});
        assert_eq!(classic(&record), Some(json!({"Id": "1"})));
    }

    #[test]
    fn empty_audit_data_is_made_up_for_by_what_stands_beside_it() {
        for data in [json!(null), json!({}), json!({"@odata.type": "#x"}), json!({"ResultStatus": "Success"})] {
            let record = json!({
                "@odata.type": "#r", "id": "1", "createdDateTime": "2026-03-04T05:06:07Z",
                "auditLogRecordType": "exchangeAdmin", "operation": "Set-Mailbox", "userId": "key",
                "userPrincipalName": "ana@fabrikam.example", "service": "Exchange", "auditData": data
            });
            let mut expected = json!({
                "CreationTime": "2026-03-04T05:06:07Z", "RecordType": 1, "Operation": "Set-Mailbox",
                "UserId": "ana@fabrikam.example", "Workload": "Exchange", "Id": "1", "UserKey": "key"
            });
            if let Some(status) = data.get("ResultStatus") {
                expected["ResultStatus"] = status.clone();
            }
            assert_eq!(classic(&record), Some(expected), "{data}");
        }
        assert_eq!(classic(&json!({"operation": "x", "auditData": null})), None);
    }
}
