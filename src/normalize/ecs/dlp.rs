//! Data loss prevention.

use super::{
    common::{severity_of, texts_of},
    fields::Field as F,
    mapping::Mapping,
    rule::{Family, copied, fills, function, moved},
};
use crate::normalize::{
    audit::scalar_text,
    json::{Node, Object},
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
        copied(F::RULE_ID, &["PolicyId"]).step(),
        copied(F::RULE_NAME, &["PolicyName"]).step(),
        function(
            verdict,
            &[
                fills(F::RULE_ID, "`PolicyDetails[].Rules[].RuleId`", "any rule has id and name"),
                fills(F::RULE_NAME, "`PolicyDetails[].Rules[].RuleName`", "any rule has id and name"),
                fills(F::EVENT_SEVERITY, "the highest `Severity` of the rules; 0 without any", "`ComplianceDLP…`"),
                fills(F::EVENT_OUTCOME, "`failure` if access was blocked and nobody overrode it", "`ComplianceDLP…`"),
            ],
        ),
        moved(F::FILE_NAME, &["SharePointMetaData.FileName"]).only(MATCHES).step(),
        moved(F::URL_ORIGINAL, &["SharePointMetaData.FilePathUrl"]).only(MATCHES).step(),
        moved(F::FILE_INODE, &["SharePointMetaData.UniqueId", "SharePointMetaData.UniqueID"]).only(MATCHES).step(),
        moved(F::FILE_OWNER, &["SharePointMetaData.FileOwner"]).only(MATCHES).step(),
        copied(F::FILE_MTIME, &["SharePointMetaData.LastModifiedTime"]).time().only(MATCHES).step(),
        copied(F::USER_ID, &["SharePointMetaData.From"]).only(MATCHES).step(),
        moved(F::SOURCE_USER_EMAIL, &["ExchangeMetaData.From"]).only(MATCHES).step(),
        moved(F::DESTINATION_USER_EMAIL, &["ExchangeMetaData.To"]).texts().only(MATCHES).step(),
        moved(F::DESTINATION_USER_EMAIL, &["ExchangeMetaData.CC"]).texts().only(MATCHES).step(),
        moved(F::DESTINATION_USER_EMAIL, &["ExchangeMetaData.BCC"]).texts().only(MATCHES).step(),
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
    severity: i64,
    blocks: bool,
}

impl Rules {
    fn of(policies: &Node<'_>) -> Self {
        let mut found = Self::default();
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
    if mapping.is_one_of(MATCHES) {
        let failed = rules.blocks && !overridden(mapping);
        mapping.fields.set_text(F::EVENT_OUTCOME, if failed { "failure" } else { "success" });
        mapping.fields.set(F::EVENT_SEVERITY, Node::Integer(rules.severity));
    }
    for (field, texts) in [(F::RULE_ID, rules.ids), (F::RULE_NAME, rules.names)] {
        if !texts.is_empty() {
            mapping.fields.set(field, Node::List(texts.into_iter().map(Node::text).collect()));
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
