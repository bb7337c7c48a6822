//! Defender for Office 365: threat intelligence, and automated investigation and response (AIR).

use super::{
    fields::Field as F,
    mapping::Mapping,
    rule::{Family, copied, fills, function},
};
use crate::normalize::{audit::scalar_text, json::Node, network_address::ip_of};

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
            sender,
            &[
                fills(F::SOURCE_IP, "`SenderIp`: where a mail came from", "no member names the client"),
                fills(F::SOURCE_PORT, "`SenderIp`", "it has a port"),
            ],
        ),
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

fn sender(mapping: &mut Mapping<'_>) {
    if mapping.fields.has(F::SOURCE_IP) {
        return;
    }
    let Some(text) = ["SenderIp", "SenderIP"].into_iter().find_map(|from| mapping.record.text(from)) else { return };
    if let Some(address) = ip_of(&text) {
        mapping.fields.set_some(F::SOURCE_IP, address.ip.map(Node::text));
        mapping.fields.set_some(F::SOURCE_PORT, address.port.map(|port| Node::Integer(port.into())));
    }
}

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
