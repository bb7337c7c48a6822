//! Alerts of Defender for Cloud Apps, which was Microsoft Cloud App Security (MCAS).

use super::{
    common::severity_of,
    fields::Field as F,
    mapping::Mapping,
    rule::{Family, copied, fills, function, moved},
};
use crate::normalize::json::Node;

pub(super) const FAMILY: Family = Family {
    name: "Defender for Cloud Apps alerts",
    codes: &["MCASAlerts"],
    steps: &[
        function(
            alert,
            &[fills(F::EVENT_KIND, "`alert`", ""), fills(F::EVENT_SEVERITY, "`AlertSeverity`, as `Severity`", "")],
        ),
        copied(F::MESSAGE, &["AlertDescription", "AlertDisplayName"]).step(),
        moved(F::RULE_NAME, &["AlertDisplayName"]).step(),
        moved(F::RULE_CATEGORY, &["AlertCategory"]).step(),
        moved(F::RULE_REFERENCE, &["AlertUri"]).texts().step(),
    ],
};

fn alert(mapping: &mut Mapping<'_>) {
    mapping.fields.set_text(F::EVENT_KIND, "alert");
    let severity = mapping.record.text("AlertSeverity").and_then(|severity| severity_of(&severity));
    mapping.fields.set_some(F::EVENT_SEVERITY, severity.map(Node::Integer));
}
