//! `evidences` of findings (`objects/evidences.json`).

use std::borrow::Cow;

use super::{
    endpoint, file,
    mapping::{list, some},
    user,
};
use crate::normalize::{
    audit::scalar_text,
    json::{Node, Object},
    network_address::ip_of,
};

/// Adds to the evidence of an event.
pub(super) fn add<'a>(event: &mut Object<'a>, found: impl IntoIterator<Item = Node<'a>>) {
    let mut evidences = match event.take("evidences") {
        Some(Node::List(list)) => list,
        _ => Vec::new(),
    };
    evidences.extend(found);
    event.set_some("evidences", list(evidences));
}

/// An object of one member, if there is that.
pub(super) fn of<'a>(name: &'static str, node: Option<Node<'a>>) -> Option<Node<'a>> {
    let mut evidence = Object::new();
    evidence.set_some(name, node);
    some(evidence)
}

/// A `url` object.
pub(super) fn url(text: Cow<'_, str>) -> Node<'_> {
    let mut url = Object::new();
    url.set("url_string", Node::Text(text));
    Node::Object(url)
}

/// A user, by name.
pub(super) fn user(name: Cow<'_, str>) -> Option<Node<'_>> {
    of("user", user::named(Some(name), None).map(Node::Object))
}

/// An address, if it is one.
pub(super) fn address<'a>(text: &str) -> Option<Node<'a>> {
    of("src_endpoint", ip_of(text).and_then(endpoint::of_address))
}

/// An `email` object, if there is a sender or a recipient.
pub(super) fn email<'a>(
    from: Option<&Cow<'a, str>>,
    to: &[Cow<'a, str>],
    subject: Option<Cow<'a, str>>,
    message: Option<Cow<'a, str>>,
) -> Option<Node<'a>> {
    let mut email = Object::new();
    email.set_some("from", from.and_then(user::address).map(Node::Text));
    email.set_some("to", list(to.iter().filter_map(user::address).map(Node::Text)));
    if email.is_empty() {
        return None;
    }
    email.set_some("subject", subject.map(Node::Text));
    email.set_some("message_uid", message.map(Node::Text));
    Some(Node::Object(email))
}

/// An entity of an alert or an investigation, by its `Type`.
pub(super) fn of_entity<'a>(entity: &Node<'a>) -> Option<Node<'a>> {
    let text = |name: &str| entity.get(name).and_then(scalar_text);
    match text("Type")?.to_ascii_lowercase().as_str() {
        "mail-message" | "mailmessage" => {
            let from = text("P2Sender").or_else(|| text("Sender"));
            let to = text("Recipient");
            let message = email(from.as_ref(), to.as_slice(), text("Subject"), text("InternetMessageId"))?;
            of("email", Some(message))
        }
        "account" | "user" | "mailbox" => {
            let name = ["UserPrincipalName", "Upn", "MailboxPrimaryAddress", "Name"].into_iter().find_map(text)?;
            user(name)
        }
        "url" => of("url", text("Url").map(url)),
        "ip" => address(&text("Address")?),
        "file" => {
            let name = text("Name").or_else(|| text("FileName"))?;
            of("file", Some(Node::Object(file::named(name))))
        }
        _ => None,
    }
}
