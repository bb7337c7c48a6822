//! Sensitivity labels: Microsoft Purview Information Protection (MIP), formerly Azure Information Protection (AIP).
//!
//! ECS has no fields for labels, and the record types have no names in common. So `o365.label.*` says the same for all.

use super::{
    fields::Field as F,
    mapping::Mapping,
    rule::{Family, copied, fills, function},
};
use crate::normalize::audit::parse_integer;

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
        copied(
            F::O365_LABEL_ID,
            &[
                "SensitivityLabelEventData.SensitivityLabelId",
                "SensitivityLabelId",
                "LabelId",
                "MipLabelId",
                "ActionSourceDetail.SensitivityLabelId",
                "DestinationLabel",
            ],
        )
        .step(),
        copied(
            F::O365_LABEL_OLD_ID,
            &["SensitivityLabelEventData.OldSensitivityLabelId", "OldSensitivityLabelId", "OldLabelId", "SourceLabel"],
        )
        .step(),
        copied(F::O365_LABEL_NAME, &["LabelName", "MIPLabelDisplayName", "SensitivityLabelDisplayName"]).step(),
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
    for from in ["SensitivityLabelEventData.LabelEventType", "LabelEventType", "LabelAction"] {
        let Some(text) = mapping.record.text(from) else { continue };
        let named = match parse_integer(&text).map(usize::try_from) {
            Some(Ok(number)) => ACTIONS.get(number).map(|name| (*name).to_owned()),
            Some(Err(_)) => None,
            None => Some(text.trim_start_matches("Label").to_lowercase()),
        };
        if let Some(name) = named {
            mapping.fields.set_text(F::O365_LABEL_ACTION, name);
            return;
        }
    }
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
