//! Data loss prevention.

use std::borrow::Cow;

use super::{
    common::{severity_of, texts_of},
    fields::Field as F,
    mapping::Mapping,
    rule::{Family, copied, fills, function, moved},
};
use crate::normalize::{
    audit::scalar_text,
    endpoint_dlp::{self, Severity},
    json::{Node, Object},
    mail_address::addresses,
    network_address::ip_of,
    placeholder::is_placeholder,
};

/// What Exchange and SharePoint have found.
const MATCHES: &[&str] = &["ComplianceDLPSharePoint", "ComplianceDLPExchange"];

pub(super) const FAMILY: Family = Family {
    name: "Data loss prevention",
    codes: &[
        "ComplianceDLPSharePoint",
        "ComplianceDLPExchange",
        "ComplianceDLPSharePointClassification",
        "ComplianceDLPExchangeClassification",
        "DLPEndpoint",
        "OnPremisesFileShareScannerDlp",
        "OnPremisesSharePointScannerDlp",
    ],
    steps: &[
        function(
            endpoint,
            &[
                fills(
                    F::EVENT_KIND,
                    "`alert`",
                    "`DLPEndpoint`, when a rule matched or the operation takes a file off the device",
                ),
                fills(
                    F::EVENT_SEVERITY,
                    "`EnforcementMode`: warned or blocked 3, bypassed 4, else 2",
                    "`DLPEndpoint`, likewise",
                ),
                fills(F::RULE_ID, "`RuleId` of `PolicyMatchInfo` and `MatchedPolicies[]`", "`DLPEndpoint`"),
                fills(F::RULE_NAME, "`RuleName` of these", "`DLPEndpoint`"),
                fills(F::RULE_RULESET, "`PolicyName` of the first of these", "`DLPEndpoint`"),
                fills(
                    F::DESTINATION_ADDRESS,
                    "the target: `TargetDomain`, the printer, the removable medium (`RemovableMediaDeviceAttributes`), the share of `TargetFilePath`",
                    "`DLPEndpoint`",
                ),
                fills(F::DESTINATION_DOMAIN, "`TargetDomain`", "`DLPEndpoint`"),
                fills(F::DESTINATION_IP, "`destination.address`", "`DLPEndpoint`; it is an IP address"),
                fills(F::FILE_NAME, "`FileName`, else the last part of `ObjectId`", "`DLPEndpoint`"),
            ],
        ),
        copied(F::DEVICE_ID, &["MDATPDeviceId", "DeviceId"]).step(),
        copied(F::RULE_ID, &["PolicyId"]).step(),
        copied(F::RULE_NAME, &["PolicyName"]).step(),
        function(
            verdict,
            &[
                fills(F::EVENT_KIND, "`alert`", "`Operation` begins with `DlpRule`"),
                fills(F::RULE_ID, "`PolicyDetails[].Rules[].RuleId`", "any rule has id and name"),
                fills(F::RULE_NAME, "`PolicyDetails[].Rules[].RuleName`", "any rule has id and name"),
                fills(F::RULE_RULESET, "`PolicyDetails[].PolicyName` of the first", ""),
                fills(F::EVENT_SEVERITY, "the highest `Severity` of the rules; 0 without any", "`ComplianceDLP…`"),
                fills(
                    F::EVENT_OUTCOME,
                    "`failure` if access was blocked and nobody overrode it",
                    "`ComplianceDLP…`, `DLPEndpoint`",
                ),
            ],
        ),
        moved(F::FILE_NAME, &["SharePointMetaData.FileName"]).only(MATCHES).step(),
        moved(F::URL_ORIGINAL, &["SharePointMetaData.FilePathUrl"]).only(MATCHES).step(),
        moved(F::FILE_INODE, &["SharePointMetaData.UniqueId", "SharePointMetaData.UniqueID"]).only(MATCHES).step(),
        moved(F::FILE_OWNER, &["SharePointMetaData.FileOwner"]).only(MATCHES).step(),
        copied(F::FILE_MTIME, &["SharePointMetaData.LastModifiedTime"]).time().only(MATCHES).step(),
        copied(F::USER_ID, &["SharePointMetaData.From"]).only(MATCHES).step(),
        function(
            mail,
            &[
                fills(
                    F::SOURCE_USER_EMAIL,
                    "`ExchangeMetaData.From` (moved, if it is a bare address)",
                    "`ComplianceDLP…`",
                ),
                fills(
                    F::DESTINATION_USER_EMAIL,
                    "`ExchangeMetaData.To`, `.CC`, `.BCC` (moved, if they are bare addresses), one list",
                    "`ComplianceDLP…`",
                ),
            ],
        ),
        function(
            message,
            &[
                fills(
                    F::MESSAGE,
                    "a sentence with `Operation`, `user.id` and `ExchangeMetaData.Subject`",
                    "`ComplianceDLPExchange`",
                ),
                fills(F::EMAIL_SUBJECT, "`ExchangeMetaData.Subject`", "`ComplianceDLPExchange`"),
            ],
        ),
        copied(F::FILE_PATH, &["ObjectId"]).only(&["DLPEndpoint"]).step(),
    ],
};

/// What the rules of all policies say together.
#[derive(Debug, Default)]
struct Rules {
    ids: Vec<String>,
    names: Vec<String>,
    policy: Option<String>,
    severity: i64,
    blocks: bool,
}

impl Rules {
    fn of(policies: &Node<'_>) -> Self {
        let policy = policies.as_list().into_iter().flatten().find_map(|policy| scalar_text(policy.get("PolicyName")?));
        let mut found = Self { policy: policy.map(Cow::into_owned), ..Self::default() };
        let rules =
            policies.as_list().into_iter().flatten().filter_map(|policy| policy.get("Rules")?.as_list()).flatten();
        for rule in rules.filter_map(Node::as_object) {
            found.add(rule);
        }
        found
    }

    fn add(&mut self, rule: &Object<'_>) {
        let text = |name| rule.get(name).and_then(scalar_text);
        if let (Some(id), Some(name)) = (text("RuleId"), text("RuleName")) {
            self.ids.push(id.into_owned());
            self.names.push(name.into_owned());
        }
        self.severity = self.severity.max(text("Severity").and_then(|name| severity_of(&name)).unwrap_or(0));
        self.blocks |=
            rule.get("Actions").is_some_and(|actions| texts_of(actions).iter().any(|action| action == "BlockAccess"));
    }
}

fn verdict(mapping: &mut Mapping<'_>) {
    let rules = mapping.record.node("PolicyDetails").map(Rules::of).unwrap_or_default();
    let is_match = mapping.operation.to_ascii_lowercase().starts_with("dlprule");
    if is_match {
        mapping.fields.set_text(F::EVENT_KIND, "alert");
    }
    if mapping.code == endpoint_dlp::CODE
        && endpoint_dlp::is_blocked(&mut mapping.record, rules.blocks)
        && !overridden(mapping)
    {
        mapping.fields.set_text(F::EVENT_OUTCOME, "failure");
    }
    if mapping.is_one_of(MATCHES) {
        let failed = rules.blocks && !overridden(mapping);
        mapping.fields.set_text(F::EVENT_OUTCOME, if failed { "failure" } else { "success" });
        mapping.fields.set(F::EVENT_SEVERITY, Node::Integer(rules.severity));
    } else if rules.severity > 0 {
        mapping.fields.set(F::EVENT_SEVERITY, Node::Integer(rules.severity));
    }
    mapping.fields.set_default(F::RULE_RULESET, rules.policy.map(Node::text));
    for (field, texts) in [(F::RULE_ID, rules.ids), (F::RULE_NAME, rules.names)] {
        if !texts.is_empty() {
            mapping.fields.set(field, Node::List(texts.into_iter().map(Node::text).collect()));
        }
    }
}

/// The file on a device, where it was going, and which rule had something against it.
fn endpoint(mapping: &mut Mapping<'_>) {
    if mapping.code != endpoint_dlp::CODE {
        return;
    }
    let name = mapping.record.text("FileName").or_else(|| {
        let path = mapping.record.text("ObjectId").filter(|path| !is_placeholder(path))?;
        path.rsplit(['\\', '/']).next().map(|name| Cow::Owned(name.to_owned()))
    });
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        mapping.fields.set_text(F::FILE_NAME, name);
    }
    let found = endpoint_dlp::matches(&mut mapping.record);
    mapping.fields.append(F::RULE_ID, found.iter().filter_map(|one| one.rule_id.clone()));
    mapping.fields.append(F::RULE_NAME, found.iter().filter_map(|one| one.rule_name.clone()));
    let policy = found.into_iter().find_map(|one| one.policy_name);
    mapping.fields.set_some(F::RULE_RULESET, policy.map(Node::Text));
    if let Some(target) = endpoint_dlp::target(&mut mapping.record) {
        if target.kind == "Domain" {
            mapping.fields.set_text(F::DESTINATION_DOMAIN, target.name.clone());
        }
        if let Some(ip) = ip_of(&target.name).and_then(|address| address.ip) {
            mapping.fields.set_text(F::DESTINATION_IP, ip);
        }
        mapping.fields.set_text(F::DESTINATION_ADDRESS, target.name);
    }
    if endpoint_dlp::is_alert(&mut mapping.record, &mapping.operation) {
        mapping.fields.set_text(F::EVENT_KIND, "alert");
        let severity = match endpoint_dlp::severity(&mut mapping.record) {
            Severity::Low => 2,
            Severity::Medium => 3,
            Severity::High => 4,
        };
        mapping.fields.set_default(F::EVENT_SEVERITY, Some(Node::Integer(severity)));
    }
}

fn mail(mapping: &mut Mapping<'_>) {
    if !mapping.is_one_of(MATCHES) {
        return;
    }
    for (field, member) in [
        (F::SOURCE_USER_EMAIL, "ExchangeMetaData.From"),
        (F::DESTINATION_USER_EMAIL, "ExchangeMetaData.To"),
        (F::DESTINATION_USER_EMAIL, "ExchangeMetaData.CC"),
        (F::DESTINATION_USER_EMAIL, "ExchangeMetaData.BCC"),
    ] {
        let texts = mapping.record.texts(member);
        let bare: Vec<_> = texts.iter().flat_map(|text| addresses(text)).collect();
        if !texts.is_empty() && texts == bare && mapping.record.is_plain(member) {
            mapping.record.set_moved(member);
        }
        if field == F::SOURCE_USER_EMAIL {
            mapping.fields.set_some(field, bare.into_iter().next().map(Node::text));
        } else {
            mapping.fields.append(field, bare);
        }
    }
}

/// Whether what a rule blocked was let through: the rule was undone, or a user gave a reason for an exception.
fn overridden(mapping: &mut Mapping<'_>) -> bool {
    let operation = mapping.fields.text(F::EVENT_ACTION).unwrap_or_default().to_ascii_lowercase();
    match operation.as_str() {
        "dlpruleundo" => true,
        "dlpinfo" => false,
        _ => mapping.record.node("ExceptionInfo").is_some(),
    }
}

fn message(mapping: &mut Mapping<'_>) {
    if mapping.code != "ComplianceDLPExchange" {
        return;
    }
    let Some(subject) = mapping.record.text("ExchangeMetaData.Subject") else { return };
    let operation = mapping.fields.text(F::EVENT_ACTION).unwrap_or_default();
    let user = mapping.fields.text(F::USER_ID).unwrap_or_default();
    let message = format!("Office365 Alert: {operation} detected in email sent by {user} with subject '{subject}'");
    mapping.fields.set_text(F::MESSAGE, message);
    mapping.fields.append(F::EMAIL_SUBJECT, [subject]);
}
