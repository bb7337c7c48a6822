//! Records of what blinds the audit log: an attacker's first step, which the log itself still shows.
//!
//! Source: the reference of the cmdlets of Exchange Online PowerShell, and MITRE ATT&CK T1562.008 (disable or modify cloud
//! logs).

use super::{
    audit::{Audit, is_absent},
    shape::shape,
};
use crate::component::JsonObject;

/// Cmdlets, the parameter that turns auditing off, and the value that does.
const CMDLETS: [(&str, &str, bool); 5] = [
    ("Set-AdminAuditLogConfig", "UnifiedAuditLogIngestionEnabled", false),
    ("Set-AdminAuditLogConfig", "AdminAuditLogEnabled", false),
    ("Set-MailboxAuditBypassAssociation", "AuditBypassEnabled", true),
    ("Set-Mailbox", "AuditEnabled", false),
    ("Set-OrganizationConfig", "AuditDisabled", true),
];

/// What somebody did so that less is audited.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditingReduced {
    /// The cmdlet, such as `Set-Mailbox`.
    pub cmdlet: &'static str,
    /// Its parameter, such as `AuditEnabled`.
    pub parameter: &'static str,
    /// `UserId`, if it is there.
    pub user: Option<String>,
    /// `ObjectId`: the mailbox or the configuration, if it is there.
    pub object: Option<String>,
}

/// Whether the raw value of `Operation` may be that of such a record. All records are asked.
pub(super) fn may_reduce(operation: &str) -> bool {
    let name = operation.trim_matches('"');
    CMDLETS.iter().any(|(cmdlet, ..)| cmdlet.eq_ignore_ascii_case(name))
}

/// What a record says was done so that less is audited, if it does. An attempt that failed counts as well.
pub(crate) fn auditing_reduced(record: &JsonObject) -> Option<AuditingReduced> {
    let mut audit = Audit::new(record);
    shape(&mut audit, "ExchangeAdmin");
    let operation = audit.text("Operation")?.into_owned();
    let of_cmdlet = CMDLETS.iter().filter(|(cmdlet, ..)| cmdlet.eq_ignore_ascii_case(operation.trim()));
    let (cmdlet, parameter, _) = of_cmdlet.into_iter().find(|(_, parameter, off)| {
        let value = audit.text(&format!("Parameters.{parameter}"));
        value.as_deref().and_then(switch) == Some(*off)
    })?;
    let mut text = |name| audit.text(name).filter(|text| !is_absent(text)).map(std::borrow::Cow::into_owned);
    Some(AuditingReduced { cmdlet, parameter, user: text("UserId"), object: text("ObjectId") })
}

/// The value of a Boolean parameter, as PowerShell takes it.
fn switch(text: &str) -> Option<bool> {
    let text = text.trim().trim_start_matches('$');
    match text {
        "1" => Some(true),
        "0" => Some(false),
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reduced(operation: &str, name: &str, value: &str) -> Option<AuditingReduced> {
        let record = json!({
            "RecordType": 1, "Operation": operation, "UserId": "admin@contoso.com", "ObjectId": "ana",
            "Parameters": [{ "Name": "Identity", "Value": "ana" }, { "Name": name, "Value": value }]
        });
        assert_eq!(
            may_reduce(&record["Operation"].to_string()),
            CMDLETS.iter().any(|row| row.0.eq_ignore_ascii_case(operation))
        );
        auditing_reduced(&JsonObject::parse(record.to_string().into()).unwrap())
    }

    #[test]
    fn what_turns_auditing_off_is_told_from_what_turns_it_on() {
        for (cmdlet, parameter, off) in CMDLETS {
            let [is_off, is_on] = if off { ["True", "False"] } else { ["False", "True"] };
            let found = reduced(cmdlet, parameter, is_off).unwrap();
            assert_eq!((found.cmdlet, found.parameter), (cmdlet, parameter));
            assert_eq!((found.user.as_deref(), found.object.as_deref()), (Some("admin@contoso.com"), Some("ana")));
            assert_eq!(reduced(&cmdlet.to_lowercase(), parameter, &format!("${}", is_off.to_lowercase())), Some(found));
            assert_eq!(reduced(cmdlet, parameter, is_on), None);
            assert_eq!(reduced(cmdlet, "Comment", is_off), None);
        }
        assert_eq!(reduced("Set-CASMailbox", "AuditEnabled", "False"), None);
    }
}
