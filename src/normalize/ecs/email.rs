//! `email.*`: from rules of mailboxes, from messages, and from the entities of alerts.

use std::borrow::Cow;

use super::{
    common::entities,
    fields::Field as F,
    mapping::Mapping,
    rule::{Filled, fills},
};
use crate::normalize::{
    audit::parse_integer,
    json::{Node, Object},
};

/// What [`fill`] fills.
pub(super) const FILLS: &[Filled] = &[
    fills(
        F::EMAIL_TO_ADDRESS,
        "`Parameters.ForwardTo`, `.ForwardAsAttachmentTo`, `.RedirectTo`, split at `;`; `Recipients`, `destination.user.email`, `Data.trc`, `Data.Entities[].Recipient`",
        "",
    ),
    fills(F::EMAIL_FROM_ADDRESS, "`Parameters.From`, `Data.Entities[].P2Sender`", ""),
    fills(F::RELATED_USER, "`Parameters.User`", ""),
    fills(
        F::EMAIL_MESSAGE_ID,
        "`InternetMessageId`, `Item.InternetMessageId`, `Data.imsgid`, `Data.Entities[].InternetMessageId`",
        "",
    ),
    fills(
        F::EMAIL_LOCAL_ID,
        "`NetworkMessageId`, else the identity in a raw `Parameters`; `Data.aii`, `Data.Entities[].NetworkMessageId`",
        "",
    ),
    fills(F::EMAIL_SENDER_ADDRESS, "`P1Sender`, `source.user.email`, `Data.tsd`, `Data.Entities[].P1Sender`", ""),
    fills(F::EMAIL_SUBJECT, "`Subject`, `Item.Subject`, `Data.ms`, `Data.Entities[].Subject`", ""),
    fills(F::EMAIL_ATTACHMENTS, "`Item.Attachments`: name, extension and size of each", ""),
];

/// Fills `email.*`.
pub(super) fn fill(mapping: &mut Mapping<'_>) {
    for parameter in ["Parameters.ForwardTo", "Parameters.ForwardAsAttachmentTo", "Parameters.RedirectTo"] {
        let texts = mapping.record.texts(parameter);
        let addresses = texts.iter().flat_map(|text| text.split(';')).map(|address| address.trim().to_owned());
        mapping.fields.append(F::EMAIL_TO_ADDRESS, addresses);
    }
    copy(mapping, F::EMAIL_FROM_ADDRESS, &["Parameters.From"], "P2Sender");
    copy(mapping, F::RELATED_USER, &["Parameters.User"], "");
    copy(
        mapping,
        F::EMAIL_MESSAGE_ID,
        &["InternetMessageId", "Item.InternetMessageId", "Data.imsgid"],
        "InternetMessageId",
    );
    local_ids(mapping);
    copy(mapping, F::EMAIL_SENDER_ADDRESS, &["P1Sender"], "");
    let sender = mapping.fields.text(F::SOURCE_USER_EMAIL);
    mapping.fields.append(F::EMAIL_SENDER_ADDRESS, sender);
    copy(mapping, F::EMAIL_SENDER_ADDRESS, &["Data.tsd"], "P1Sender");
    recipients(mapping);
    copy(mapping, F::EMAIL_SUBJECT, &["Subject", "Item.Subject", "Data.ms"], "Subject");
    attachments(mapping);
}

fn copy(mapping: &mut Mapping<'_>, field: F, members: &[&str], entity: &str) {
    for member in members {
        let texts = mapping.record.texts(member);
        mapping.fields.append(field, texts);
    }
    if !entity.is_empty() {
        let texts = entities(mapping, entity);
        mapping.fields.append(field, texts);
    }
}

fn local_ids(mapping: &mut Mapping<'_>) {
    if mapping.record.node("NetworkMessageId").is_none()
        && let Some(raw) = mapping.record.text("Parameters._raw")
        && let Some(identity) = identity(&raw)
    {
        mapping.record.set("NetworkMessageId", Node::text(identity.to_owned()));
    }
    copy(mapping, F::EMAIL_LOCAL_ID, &["NetworkMessageId", "Data.aii"], "NetworkMessageId");
}

/// `-Identity "x"` of a command line.
fn identity(command: &str) -> Option<&str> {
    let (_, rest) = command.split_once("-Identity \"")?;
    rest.split_once('"').map(|(identity, _)| identity).filter(|identity| !identity.is_empty())
}

fn recipients(mapping: &mut Mapping<'_>) {
    let texts = mapping.record.texts("Recipients");
    // Some records hold the list as one string: `[a, b]`.
    let list = |text: &str| {
        let inside = text.strip_prefix('[')?.strip_suffix(']')?;
        Some(inside.split(',').map(|address| address.trim().to_owned()).collect::<Vec<_>>())
    };
    let mut addresses = Vec::with_capacity(texts.len());
    for text in texts {
        match list(&text) {
            Some(inside) => addresses.extend(inside.into_iter().map(Cow::Owned)),
            None => addresses.push(text),
        }
    }
    mapping.fields.append(F::EMAIL_TO_ADDRESS, addresses);
    let users = mapping.fields.texts(F::DESTINATION_USER_EMAIL);
    mapping.fields.append(F::EMAIL_TO_ADDRESS, users);
    copy(mapping, F::EMAIL_TO_ADDRESS, &["Data.trc"], "Recipient");
}

fn attachments(mapping: &mut Mapping<'_>) {
    let Some(text) = mapping.record.text("Item.Attachments") else { return };
    let files: Vec<_> = text.split(';').filter_map(attachment).collect();
    if !files.is_empty() {
        mapping.fields.set(F::EMAIL_ATTACHMENTS, Node::List(files));
    }
}

/// `name.ext (123b)`.
fn attachment<'a>(text: &str) -> Option<Node<'a>> {
    let (name, size) = text.trim().strip_suffix("b)")?.rsplit_once(" (")?;
    let size = size.bytes().all(|byte| byte.is_ascii_digit()).then(|| parse_integer(size)).flatten()?;
    let mut file = Object::new();
    let owned = |text: &str| Node::Text(Cow::Owned(text.to_owned()));
    file.set("name", owned(name));
    if let Some((_, extension)) = name.rsplit_once('.').filter(|(_, extension)| !extension.is_empty()) {
        file.set("extension", owned(extension));
    }
    file.set("size", Node::Integer(size));
    let mut attachment = Object::new();
    attachment.set("file", Node::Object(file));
    Some(Node::Object(attachment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attachments_have_name_extension_and_size() {
        let written = |text: &str| {
            let mut out = Vec::new();
            if let Some(node) = attachment(text) {
                node.write(&mut out);
            }
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(" a (1).tar.gz (12b)"), r#"{"file":{"name":"a (1).tar.gz","extension":"gz","size":12}}"#);
        assert_eq!(written("README (0b)"), r#"{"file":{"name":"README","size":0}}"#);
        for text in ["a.txt", "a.txt (xb)", "a.txt (12)", "", "a.txt (99999999999999999999b)"] {
            assert_eq!(written(text), "", "{text}");
        }
    }

    #[test]
    fn an_identity_stands_in_quotes() {
        assert_eq!(identity(r#"Release-QuarantineMessage -Identity "a\b" -X"#), Some(r"a\b"));
        for command in ["-Identity x", "-Identity \"", "-Identity \"\""] {
            assert_eq!(identity(command), None);
        }
    }
}
