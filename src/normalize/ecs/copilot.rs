//! Microsoft Copilot and other AI applications.

use std::borrow::Cow;

use super::{
    fields::Field as F,
    mapping::Mapping,
    rule::{Family, copied, fills, function},
};
use crate::normalize::{
    conversation::{self, Conversation},
    json::Node,
};

pub(super) const FAMILY: Family = Family {
    name: "Copilot and AI applications",
    codes: conversation::CODES,
    steps: &[
        copied(F::APPLICATION_NAME, &["CopilotEventData.AppHost", "AppHost"]).step(),
        copied(F::APPLICATION_ID, &["AppIdentity", "CopilotEventData.AppIdentity"]).step(),
        copied(F::SESSION_ID, &["CopilotEventData.ThreadId", "ThreadId"]).step(),
        function(
            talk,
            &[
                fills(F::GEN_AI_RESPONSE_MODEL, "`ModelTransparencyDetails[].ModelName`", ""),
                fills(F::FILE_NAME, "`AccessedResources[].Name`", ""),
                fills(
                    F::URL_ORIGINAL,
                    "`AccessedResources[].SiteUrl` and its id, if that is a URL; `Contexts[].Id`, likewise: where the user was",
                    "",
                ),
                fills(F::O365_LABEL_ID, "`SensitivityLabelId` of the record and of `AccessedResources[]`", ""),
                fills(F::EVENT_CATEGORY, "`file`", "the AI has read resources"),
                fills(F::EVENT_TYPE, "`access`", "the AI has read resources"),
                fills(F::EVENT_TYPE, "`denied`", "a policy kept the AI from a resource"),
                fills(F::EVENT_KIND, "`alert`", ATTACK),
                fills(F::EVENT_CATEGORY, "`intrusion_detection`", ATTACK),
                fills(F::EVENT_SEVERITY, "4", ATTACK),
            ],
        ),
    ],
};

const ATTACK: &str =
    "a jailbreak or a prompt injected by a document was detected (`JailbreakDetected`, `XPIADetected`)";

/// `event.severity` of an attack: high.
const HIGH: i64 = 4;

fn talk(mapping: &mut Mapping<'_>) {
    let Conversation { resources, contexts, models, labels, is_attack, is_refused } =
        Conversation::of(&mut mapping.record);
    let fields = &mut mapping.fields;
    fields.append(F::GEN_AI_RESPONSE_MODEL, models);
    if !resources.is_empty() {
        fields.append(F::FILE_NAME, conversation::texts(&resources, &["Name"]));
        fields.append(
            F::URL_ORIGINAL,
            conversation::texts(&resources, &["SiteUrl"]).into_iter().chain(urls_in(&resources)),
        );
        fields.append(F::EVENT_CATEGORY, ["file"]);
        fields.append(F::EVENT_TYPE, ["access"]);
    }
    fields.append(F::URL_ORIGINAL, urls_in(&contexts));
    fields.set_each(F::O365_LABEL_ID, labels);
    if is_refused {
        fields.append(F::EVENT_TYPE, ["denied"]);
    }
    if is_attack {
        fields.set_text(F::EVENT_KIND, "alert");
        fields.append(F::EVENT_CATEGORY, ["intrusion_detection"]);
        fields.set(F::EVENT_SEVERITY, Node::Integer(HIGH));
    }
}

/// The ids that are URLs.
fn urls_in<'a>(list: &[Node<'a>]) -> impl Iterator<Item = Cow<'a, str>> {
    conversation::texts(list, &["Id", "ID"]).into_iter().filter(|id| id.contains("://"))
}
