//! Microsoft Copilot and other AI applications.

use super::{
    common::texts_of,
    fields::Field as F,
    mapping::Mapping,
    rule::{Family, copied, fills, function},
};
use crate::normalize::json::Node;

pub(super) const FAMILY: Family = Family {
    name: "Copilot and AI applications",
    codes: &["CopilotInteraction", "AIAppInteraction", "ConnectedAIAppInteraction", "TeamCopilotInteraction"],
    steps: &[
        copied(F::APPLICATION_NAME, &["CopilotEventData.AppHost", "AppHost"]).step(),
        copied(F::APPLICATION_ID, &["AppIdentity"]).step(),
        copied(F::SESSION_ID, &["CopilotEventData.ThreadId", "ThreadId"]).step(),
        copied(F::GEN_AI_AGENT_ID, &["AgentId"]).step(),
        copied(F::GEN_AI_AGENT_NAME, &["AgentName"]).step(),
        function(
            models,
            &[fills(F::GEN_AI_RESPONSE_MODEL, "`CopilotEventData.ModelTransparencyDetails[].ModelName`", "")],
        ),
        function(
            resources,
            &[
                fills(F::FILE_NAME, "`CopilotEventData.AccessedResources[].Name`", ""),
                fills(F::URL_ORIGINAL, "`CopilotEventData.AccessedResources[].SiteUrl`", ""),
                fills(F::EVENT_CATEGORY, "`file`", "the AI has read resources"),
                fills(F::EVENT_TYPE, "`access`", "the AI has read resources"),
            ],
        ),
        function(
            attack,
            &[
                fills(F::EVENT_KIND, "`alert`", "a jailbreak or a prompt injected by a document was detected"),
                fills(
                    F::EVENT_CATEGORY,
                    "`intrusion_detection`",
                    "a jailbreak or a prompt injected by a document was detected",
                ),
            ],
        ),
    ],
};

/// Members of the objects in a list of `CopilotEventData`.
fn values<'a>(mapping: &mut Mapping<'a>, list: &str, name: &str) -> Vec<std::borrow::Cow<'a, str>> {
    match mapping.record.node(list) {
        Some(Node::List(list)) => list.iter().filter_map(|object| object.get(name)).flat_map(texts_of).collect(),
        _ => Vec::new(),
    }
}

fn models(mapping: &mut Mapping<'_>) {
    let names = values(mapping, "CopilotEventData.ModelTransparencyDetails", "ModelName");
    mapping.fields.append(F::GEN_AI_RESPONSE_MODEL, names);
}

const RESOURCES: &str = "CopilotEventData.AccessedResources";

fn resources(mapping: &mut Mapping<'_>) {
    if !matches!(mapping.record.node(RESOURCES), Some(Node::List(_))) {
        return;
    }
    let names = values(mapping, RESOURCES, "Name");
    mapping.fields.append(F::FILE_NAME, names);
    let urls = values(mapping, RESOURCES, "SiteUrl");
    mapping.fields.append(F::URL_ORIGINAL, urls);
    mapping.fields.append(F::EVENT_CATEGORY, ["file"]);
    mapping.fields.append(F::EVENT_TYPE, ["access"]);
}

/// A prompt of a user that tried to break the rules (`JailbreakDetected`), or one hidden in a document (`XPIADetected`, a
/// cross-prompt injection attack).
fn attack(mapping: &mut Mapping<'_>) {
    let detected = [("CopilotEventData.Messages", "JailbreakDetected"), (RESOURCES, "XPIADetected")]
        .into_iter()
        .any(|(list, name)| values(mapping, list, name).iter().any(|flag| flag.eq_ignore_ascii_case("true")));
    if detected {
        mapping.fields.set_text(F::EVENT_KIND, "alert");
        mapping.fields.append(F::EVENT_CATEGORY, ["intrusion_detection"]);
    }
}
