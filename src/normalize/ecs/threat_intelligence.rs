//! Defender for Office 365: threat intelligence, and automated investigation and response (AIR).

use super::{
    fields::Field as F,
    mapping::Mapping,
    rule::{Family, copied, fills, function},
};
use crate::normalize::{audit::scalar_text, json::Node};

pub(super) const FAMILY: Family = Family {
    name: "Threat intelligence, and automated investigation and response",
    codes: &[
        "ThreatIntelligence",
        "ThreatIntelligenceUrl",
        "ThreatIntelligenceAtpContent",
        "ThreatFinder",
        "AirInvestigation",
        "AirManualInvestigation",
        "AirAdminActionInvestigation",
    ],
    steps: &[
        copied(F::URL_ORIGINAL, &["Url", "URL"]).step(),
        function(
            file,
            &[
                fills(F::FILE_NAME, "`FileData.FileName`, else `AttachmentData[].FileName`", ""),
                fills(F::FILE_PATH, "`FileData.FilePath`", ""),
                fills(F::FILE_HASH_SHA256, "`FileData.SHA256`, else the only `AttachmentData[].SHA256`", ""),
                fills(F::FILE_SIZE, "`FileData.FileSize`", ""),
                fills(F::RELATED_HASH, "`AttachmentData[].SHA256`", ""),
            ],
        ),
    ],
};

fn file(mapping: &mut Mapping<'_>) {
    for (field, member) in [
        (F::FILE_NAME, "FileData.FileName"),
        (F::FILE_PATH, "FileData.FilePath"),
        (F::FILE_HASH_SHA256, "FileData.SHA256"),
    ] {
        let text = mapping.record.keyword(member);
        mapping.fields.set_default(field, text);
    }
    let size = mapping.record.integer("FileData.FileSize");
    mapping.fields.set_default(F::FILE_SIZE, size.map(Node::Integer));

    let Some(Node::List(attachments)) = mapping.record.node("AttachmentData") else { return };
    let texts = |name: &str| -> Vec<_> {
        attachments.iter().filter_map(|attachment| attachment.get(name)).filter_map(scalar_text).collect()
    };
    let (names, hashes) = (texts("FileName"), texts("SHA256"));
    mapping.fields.append(F::FILE_NAME, names);
    if let [hash] = hashes.as_slice() {
        mapping.fields.set_default(F::FILE_HASH_SHA256, Some(Node::Text(hash.clone())));
    }
    mapping.fields.append(F::RELATED_HASH, hashes);
}
