//! One record of the search: members of its own around the record of the Management Activity API.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{api::write_time, names};

/// What the search reads of a record of the Management Activity API.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Classic {
    pub id: String,
    pub record_type: i64,
    pub operation: String,
    pub organization_id: String,
    pub user_type: i64,
    pub user_key: String,
    pub user_id: String,
    pub workload: String,
    pub object_id: Option<String>,
    #[serde(rename = "ClientIP")]
    client_ip: Option<String>,
    #[serde(rename = "ClientIPAddress")]
    client_ip_address: Option<String>,
}

impl Classic {
    /// Reads as much as there is. Of a record that a test placed, that may be nothing.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Exchange has another name for it.
    pub fn client_ip(&self) -> Option<&str> {
        self.client_ip.as_deref().or(self.client_ip_address.as_deref())
    }
}

/// Writes a record as the search shows it. `id` and `at` are known even where the record cannot be read.
pub(super) fn write(text: &str, id: &str, at: DateTime<Utc>) -> String {
    let classic = Classic::read(text);
    let outer = json!({
        "@odata.type": "#microsoft.graph.security.auditLogRecord",
        "id": id,
        "createdDateTime": write_time(at),
        "auditLogRecordType": names::in_answers(classic.record_type),
        "operation": classic.operation,
        "organizationId": classic.organization_id,
        "userType": names::user_type(classic.user_type),
        "userId": classic.user_key,
        "service": classic.workload,
        "objectId": classic.object_id,
        "userPrincipalName": classic.user_id,
        "clientIp": classic.client_ip(),
        "administrativeUnits": [""],
    })
    .to_string();
    let kind = Value::from(names::audit_data(classic.record_type));
    // The record stands as it is, so that nothing in it can get lost.
    let members = text.trim_ascii().strip_prefix('{').unwrap_or("}");
    let separator = if members.trim_ascii_start() == "}" { "" } else { "," };
    let open = outer.strip_suffix('}').unwrap_or(&outer);
    format!(r#"{open},"auditData":{{"@odata.type":{kind}{separator}{members}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_wrapped_with_its_numbers_named() {
        let text = r#"{"Id":"a","CreationTime":"2026-08-01T01:02:03","RecordType":15,"Operation":"UserLoggedIn",
            "OrganizationId":"o","UserType":0,"UserKey":"key","UserId":"adelev@contoso.com",
            "Workload":"AzureActiveDirectory","ClientIPAddress":"192.0.2.7","Big":12345678901234567890123}"#;
        let at = "2026-08-01T01:02:03Z".parse().unwrap();
        let written = write(text, "a", at);
        assert!(written.contains("12345678901234567890123"));
        let record: Value = serde_json::from_str(&written).unwrap();
        for (name, value) in [
            ("@odata.type", "#microsoft.graph.security.auditLogRecord"),
            ("id", "a"),
            ("createdDateTime", "2026-08-01T01:02:03Z"),
            ("auditLogRecordType", "AzureActiveDirectoryStsLogon"),
            ("operation", "UserLoggedIn"),
            ("organizationId", "o"),
            ("userType", "Regular"),
            ("userId", "key"),
            ("service", "AzureActiveDirectory"),
            ("userPrincipalName", "adelev@contoso.com"),
            ("clientIp", "192.0.2.7"),
        ] {
            assert_eq!(record[name], value, "{name}");
        }
        assert_eq!((&record["objectId"], &record["administrativeUnits"]), (&Value::Null, &json!([""])));
        let mut data = record["auditData"].clone();
        let kind = data.as_object_mut().unwrap().remove("@odata.type").unwrap();
        assert_eq!(kind, "#microsoft.graph.security.azureActiveDirectoryStsLogonAuditRecord");
        assert_eq!(data, serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn what_cannot_be_read_is_still_json() {
        for text in ["{}", "{ }", "7", r#"{"RecordType":"text"}"#] {
            let record: Value = serde_json::from_str(&write(text, "a", DateTime::UNIX_EPOCH)).unwrap();
            assert_eq!((&record["id"], record["auditData"].is_object()), (&json!("a"), true), "{text}");
        }
    }
}
