//! Copilot and other AI applications: what the AI has read, and attacks that were detected.

use super::mapping::{Mapping, list};
use crate::normalize::{
    audit::scalar_text,
    json::{Node, Object},
};

/// Record types of conversations.
const CODES: &[&str] =
    &["CopilotInteraction", "AIAppInteraction", "ConnectedAIAppInteraction", "TeamCopilotInteraction"];

/// Lists of a conversation, and what their members are flagged with when somebody tried to break the rules: a user's prompt, or
/// one that was hidden in a document.
const FLAGS: &[(&str, &str)] =
    &[("CopilotEventData.Messages", "JailbreakDetected"), ("CopilotEventData.AccessedResources", "XPIADetected")];

/// Fills what conversations have beside what is common. Their class is API Activity.
pub(super) fn fill(mapping: &mut Mapping<'_>) {
    if !CODES.contains(&mapping.code) {
        return;
    }
    let resources = match mapping.record.node("CopilotEventData.AccessedResources") {
        Some(Node::List(resources)) => resources.iter().filter_map(resource).collect(),
        _ => Vec::new(),
    };
    mapping.set_some("resources", list(resources));
    let detected = FLAGS.iter().any(|(members, flag)| match mapping.record.node(members) {
        Some(Node::List(members)) => members
            .iter()
            .any(|member| member.get(flag).and_then(scalar_text).is_some_and(|flag| flag.eq_ignore_ascii_case("true"))),
        _ => false,
    });
    if detected {
        mapping.set("is_alert", Node::Bool(true));
        mapping.security_control = true;
    }
}

fn resource<'a>(data: &Node<'a>) -> Option<Node<'a>> {
    let text = |name: &str| data.get(name).and_then(scalar_text).map(Node::Text);
    let mut resource = Object::new();
    resource.set_some("name", text("Name").or_else(|| text("SiteUrl")));
    resource.set_some("uid", text("ListItemUniqueId").or_else(|| text("Id")));
    if resource.is_empty() {
        return None;
    }
    resource.set_some("type", text("Type"));
    Some(Node::Object(resource))
}
