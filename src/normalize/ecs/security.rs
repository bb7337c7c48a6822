//! Alerts of Security & Compliance.

use super::{
    categories::ALERT_CATEGORIES,
    fields::Field as F,
    mapping::Mapping,
    rule::{Family, copied, fills, function, moved},
};
use crate::normalize::{json::Node, user_id::UserId};

pub(super) const FAMILY: Family = Family {
    name: "Security & Compliance alerts",
    codes: &["SecurityComplianceAlerts"],
    steps: &[
        function(
            category,
            &[fills(
                F::EVENT_CATEGORY,
                "`Category`: `AccessGovernance` adds authentication, `DataGovernance` and `DataLossPrevention` file, `ThreatManagement` malware",
                "",
            )],
        ),
        copied(F::MESSAGE, &["Name"]).step(),
        moved(F::RULE_NAME, &["Name"]).step(),
        moved(F::RULE_ID, &["PolicyId"]).step(),
        moved(F::RULE_CATEGORY, &["Category"]).step(),
        moved(F::RULE_RULESET, &["EntityType"]).step(),
        moved(F::RULE_DESCRIPTION, &["AlertEntityId"]).step(),
        moved(F::RULE_REFERENCE, &["AlertLinks"]).texts().step(),
        function(user, &[fills(F::USER_EMAIL, "the address in `Data.f3u`", "`user.email` is absent")]),
    ],
};

fn category(mapping: &mut Mapping<'_>) {
    let Some(category) = mapping.record.text("Category") else { return };
    let about = ALERT_CATEGORIES.iter().find(|(known, _)| known.eq_ignore_ascii_case(&category));
    mapping.fields.append(F::EVENT_CATEGORY, about.map(|(_, about)| *about));
}

fn user(mapping: &mut Mapping<'_>) {
    let user = mapping.record.text("Data.f3u").and_then(|user| UserId::parse(&user));
    mapping.fields.set_default(F::USER_EMAIL, user.and_then(|user| user.email).map(Node::Text));
}
