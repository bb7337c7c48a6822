//! Copilot and other AI applications: what the AI has read, and attacks that were detected.

use super::mapping::{Mapping, list};
use crate::normalize::{
    audit::scalar_text,
    conversation::{Conversation, is_one},
    json::{Node, Object},
};

/// `severity_id` of an attack: high.
const HIGH: u8 = 4;

/// Fills what conversations have beside what is common. Their class is API Activity.
pub(super) fn fill(mapping: &mut Mapping<'_>) {
    if !is_one(&mut mapping.record, mapping.code) {
        return;
    }
    let Conversation { resources, contexts, is_attack, .. } = Conversation::of(&mut mapping.record);
    mapping.set_some("resources", list(resources.iter().chain(&contexts).filter_map(resource)));
    if is_attack {
        mapping.severity = Some(HIGH);
        mapping.set("is_alert", Node::Bool(true));
        mapping.security_control = true;
    }
}

/// The URL of where the user was.
fn url<'a>(data: &Node<'a>) -> Option<Node<'a>> {
    data.get("Id").and_then(scalar_text).filter(|id| id.contains("://")).map(Node::Text)
}

fn resource<'a>(data: &Node<'a>) -> Option<Node<'a>> {
    let text = |name: &str| data.get(name).and_then(scalar_text).map(Node::Text);
    let mut resource = Object::new();
    resource.set_some("name", text("Name").or_else(|| text("SiteUrl")).or_else(|| url(data)));
    resource.set_some(
        "uid",
        text("ListItemUniqueId").or_else(|| text("listItemUniqueId")).or_else(|| text("Id")).or_else(|| text("ID")),
    );
    if resource.is_empty() {
        return None;
    }
    resource.set_some("type", text("Type"));
    // A resource has no attribute for its sensitivity label but this.
    resource.set_some("labels", list(text("SensitivityLabelId")));
    Some(Node::Object(resource))
}
