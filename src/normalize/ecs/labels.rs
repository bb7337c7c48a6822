//! Sensitivity labels: Microsoft Purview Information Protection (MIP), formerly Azure Information Protection (AIP).
//!
//! ECS has no fields for labels, and the record types have no names in common. So `o365.label.*` says the same for all.

use super::{
    fields::Field as F,
    mapping::Mapping,
    rule::{Family, copied, fills, function},
};
use crate::normalize::audit::{Audit, parse_integer};

/// Where records have the id of a label, best first.
pub(in crate::normalize) const LABEL_IDS: &[&str] = &[
    "SensitivityLabelEventData.SensitivityLabelId",
    "SensitivityLabelId",
    "LabelId",
    "MipLabelId",
    "ActionSourceDetail.SensitivityLabelId",
    "DestinationLabel",
];

/// Where records have the id of the label before it.
pub(in crate::normalize) const OLD_LABEL_IDS: &[&str] =
    &["SensitivityLabelEventData.OldSensitivityLabelId", "OldSensitivityLabelId", "OldLabelId", "SourceLabel"];

/// Where records have the name of a label.
pub(in crate::normalize) const LABEL_NAMES: &[&str] =
    &["LabelName", "MIPLabelDisplayName", "SensitivityLabelDisplayName"];

pub(super) const FAMILY: Family = Family {
    name: "Sensitivity labels (MIP, AIP)",
    codes: &[
        "MIPLabel",
        "MipAutoLabelSharePointItem",
        "MipAutoLabelSharePointPolicyLocation",
        "MipAutoLabelExchangeItem",
        "SensitivityLabelPolicyMatch",
        "SensitivityLabelAction",
        "SensitivityLabeledFileAction",
        "AipDiscover",
        "AipSensitivityLabelAction",
        "AipProtectionAction",
        "AipFileDeleted",
        "AipHeartBeat",
        "MipLabelAnalyticsAuditRecord",
        "MicrosoftTeamsSensitivityLabelAction",
    ],
    steps: &[
        copied(F::O365_LABEL_ID, LABEL_IDS).step(),
        copied(F::O365_LABEL_OLD_ID, OLD_LABEL_IDS).step(),
        copied(F::O365_LABEL_NAME, LABEL_NAMES).step(),
        copied(
            F::O365_LABEL_JUSTIFICATION,
            &["SensitivityLabelEventData.JustificationText", "SensitivityLabelJustificationText", "JustificationText"],
        )
        .step(),
        function(
            action,
            &[fills(
                F::O365_LABEL_ACTION,
                "`SensitivityLabelEventData.LabelEventType`, else `LabelAction`: none, upgraded, downgraded, removed, changed_same_order",
                "its number is known, or it is text",
            )],
        ),
        function(
            object,
            &[
                fills(F::URL_ORIGINAL, "`ObjectId`", "it is a URL"),
                fills(F::FILE_PATH, "`ObjectId`", "it is a path"),
                fills(F::FILE_NAME, "the last part of `ObjectId`, else `ItemName`, `FileName`, `SourceFileName`", ""),
            ],
        ),
        copied(F::PROCESS_NAME, &["ProcessName", "Common.ProcessName", "ApplicationName"]).step(),
        copied(F::APPLICATION_NAME, &["ApplicationName", "Common.ApplicationName"]).step(),
        copied(F::HOST_NAME, &["Common.DeviceName"]).step(),
    ],
};

/// Numbers of `LabelEventType` (AipSensitivityLabelAction.md beside Microsoft's schema).
const ACTIONS: &[&str] = &["none", "upgraded", "downgraded", "removed", "changed_same_order"];

fn action(mapping: &mut Mapping<'_>) {
    if let Some(action) = label_action(&mut mapping.record) {
        mapping.fields.set_text(F::O365_LABEL_ACTION, action);
    }
}

/// Whether a label became a higher or a lower one.
pub(in crate::normalize) fn label_action(record: &mut Audit<'_>) -> Option<String> {
    ["SensitivityLabelEventData.LabelEventType", "LabelEventType", "LabelAction"].into_iter().find_map(|from| {
        let text = record.text(from)?;
        match parse_integer(&text).map(usize::try_from) {
            Some(Ok(number)) => ACTIONS.get(number).map(|name| (*name).to_owned()),
            Some(Err(_)) => None,
            None => Some(text.trim_start_matches("Label").to_lowercase()),
        }
    })
}

fn object(mapping: &mut Mapping<'_>) {
    let name = ["ItemName", "FileName", "SourceFileName"].iter().find_map(|from| mapping.record.keyword(from));
    mapping.fields.set_default(F::FILE_NAME, name);
    let Some(object) = mapping.record.text("ObjectId") else { return };
    if object.contains("://") {
        mapping.fields.set_text(F::URL_ORIGINAL, object.clone());
    } else if object.contains(['\\', '/']) {
        mapping.fields.set_text(F::FILE_PATH, object.clone());
    } else {
        return;
    }
    let last = object.rsplit(['\\', '/']).next().unwrap_or_default().to_owned();
    if !last.is_empty() && !mapping.fields.has(F::FILE_NAME) {
        mapping.fields.set_text(F::FILE_NAME, last);
    }
}
