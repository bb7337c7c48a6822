//! What a user did with Copilot or another AI application, whatever form the record has: its data in
//! `CopilotEventData`, at the top level, or as JSON in text (which [`shape`](super::shape) has read).

use std::borrow::Cow;

use super::{
    audit::{Audit, scalar_text},
    json::{Node, Repeated},
};

/// Record types of conversations ("Copilot schema", and "Audit logs for Copilot and AI applications").
pub(crate) const CODES: &[&str] = &[
    "CopilotInteraction",
    "AIAppInteraction",
    "ConnectedAIAppInteraction",
    "TeamCopilotInteraction",
    "OutlookCopilotAutomation",
    "Microsoft365CopilotScheduledPrompt",
];

/// Where the data of a conversation is.
pub(crate) const DATA: &str = "CopilotEventData";

/// A conversation.
#[derive(Debug, Default)]
pub(crate) struct Conversation<'a> {
    /// What the AI has read: files, messages, pages.
    pub(crate) resources: Vec<Node<'a>>,
    /// Where the user was: the document or chat that the AI was asked in.
    pub(crate) contexts: Vec<Node<'a>>,
    /// The names of the models that answered.
    pub(crate) models: Vec<Cow<'a, str>>,
    /// The labels of what the AI has read.
    pub(crate) labels: Vec<Cow<'a, str>>,
    /// Whether a user tried to break the rules (`JailbreakDetected`), or a prompt was hidden in what the AI has read
    /// (`XPIADetected`, a cross-prompt injection attack).
    pub(crate) is_attack: bool,
    /// Whether a policy kept the AI from reading something.
    pub(crate) is_refused: bool,
}

impl<'a> Conversation<'a> {
    /// The conversation of a record of one of [`CODES`].
    pub(crate) fn of(record: &mut Audit<'a>) -> Self {
        let mut list = |name: &str| match member(record, name).map(unfolded) {
            Some(Node::List(list)) => list,
            Some(object @ Node::Object(_)) => vec![object],
            _ => Vec::new(),
        };
        let (resources, contexts, messages) = (list("AccessedResources"), list("Contexts"), list("Messages"));
        let models = texts(&list("ModelTransparencyDetails"), &["ModelName"]);
        let mut labels = texts(&resources, &["SensitivityLabelId", "sensitivityLabelId"]);
        labels.extend(member(record, "SensitivityLabelId").as_ref().and_then(scalar_text));
        let is_flagged =
            |list: &[Node<'a>], flag| texts(list, &[flag]).iter().any(|flag| flag.eq_ignore_ascii_case("true"));
        let flags = ["JailbreakDetected", "XPIADetected"];
        let is_attack = flags.iter().any(|flag| {
            is_flagged(&messages, flag)
                || is_flagged(&resources, flag)
                || is_flagged(&contexts, flag)
                || member(record, flag)
                    .as_ref()
                    .and_then(scalar_text)
                    .is_some_and(|flag| flag.eq_ignore_ascii_case("true"))
        });
        let is_refused = texts(&resources, &["Status"]).iter().any(|status| status.eq_ignore_ascii_case("failure"));
        Self { resources, contexts, models, labels, is_attack, is_refused }
    }
}

/// A member of the data, wherever that is.
pub(crate) fn member<'a>(record: &mut Audit<'a>, name: &str) -> Option<Node<'a>> {
    let nested = match record.node(DATA) {
        Some(Node::List(list)) => list.iter().find_map(|data| data.get(name)),
        data => data.and_then(|data| data.get(name)),
    };
    nested.cloned().or_else(|| record.node(name).cloned())
}

/// Whether a record is about a conversation: by its type, or because it has the data of one.
pub(crate) fn is_one(record: &mut Audit<'_>, code: &str) -> bool {
    CODES.contains(&code) || record.node(DATA).is_some()
}

/// What JSON in text says.
fn unfolded(node: Node<'_>) -> Node<'_> {
    let parsed = scalar_text(&node).and_then(|text| Node::parse_embedded(&text, Repeated::Last).ok()?);
    parsed.unwrap_or(node)
}

/// The text of the first member that the data has.
pub(crate) fn member_text<'a>(record: &mut Audit<'a>, names: &[&str]) -> Option<Cow<'a, str>> {
    names.iter().find_map(|name| member(record, name).as_ref().and_then(scalar_text))
}

/// The first of some members of each object in a list.
pub(crate) fn texts<'a>(list: &[Node<'a>], names: &[&str]) -> Vec<Cow<'a, str>> {
    list.iter().filter_map(|object| names.iter().find_map(|name| object.get(name).and_then(scalar_text))).collect()
}
