//! `email.*`: from rules of mailboxes, from messages, and from the entities of alerts.

use std::borrow::Cow;

use super::{
    common::entities,
    fields::Field as F,
    mapping::Mapping,
    rule::{Filled, fills},
};
use crate::normalize::{
    audit::{parse_integer, scalar_text},
    forwarding,
    json::{Node, Object},
    mail_address::addresses,
    mail_items,
};

/// What [`fill`] fills.
pub(super) const FILLS: &[Filled] = &[
    fills(
        F::EMAIL_TO_ADDRESS,
        "where rules and mailboxes forward to (`Parameters.ForwardTo`, `.RedirectTo`, `.ForwardingSmtpAddress`, `.BlindCopyTo`, …, `RuleActions` of `OperationProperties`); `Recipients`, `destination.user.email`, `Data.trc`, `Data.Entities[].Recipient`; bare addresses",
        "",
    ),
    fills(
        F::EMAIL_FROM_ADDRESS,
        "`Parameters.From`, `P2Sender`, `Sender`, `source.user.email`, `Data.tsd`, `Data.Entities[].P2Sender`; of mail sent from a mailbox `SendAsUserSmtp`, else `SendOnBehalfOfUserSmtp`, else `MailboxOwnerUPN`; bare addresses",
        "",
    ),
    fills(
        F::EMAIL_MESSAGE_ID,
        "`InternetMessageId` of the record, of `Item`, of `AffectedItems[]` and of `Folders[].FolderItems[]`; `Data.imsgid`, `ExchangeMetaData.MessageID`, `Data.Entities[].InternetMessageId`",
        "",
    ),
    fills(
        F::EMAIL_LOCAL_ID,
        "`NetworkMessageId`, else the identity in a raw `Parameters` of a cmdlet for quarantined messages; `Data.aii`, `Data.Entities[].NetworkMessageId`",
        "",
    ),
    fills(
        F::EMAIL_SENDER_ADDRESS,
        "`P1Sender`, `source.user.email`, `Data.tsd`, `Data.Entities[].P1Sender`; bare addresses",
        "",
    ),
    fills(
        F::EMAIL_SUBJECT,
        "`Subject` of the record, of `Item` and of `AffectedItems[]`; `Data.ms`, `Data.Entities[].Subject`",
        "",
    ),
    fills(
        F::EMAIL_ATTACHMENTS,
        "`Attachments` of `Item` and of `AffectedItems[]`: name, extension and size of each",
        "",
    ),
];

/// Fills `email.*`.
pub(super) fn fill(mapping: &mut Mapping<'_>) {
    senders(mapping);
    recipients(mapping);
    let ids = mapping.record.texts("ExchangeMetaData.MessageID");
    copy(
        mapping,
        F::EMAIL_MESSAGE_ID,
        &["InternetMessageId", "Item.InternetMessageId", "Data.imsgid"],
        "InternetMessageId",
    );
    mapping.fields.append(F::EMAIL_MESSAGE_ID, ids);
    let ids = items(mapping, "InternetMessageId");
    mapping.fields.append(F::EMAIL_MESSAGE_ID, ids);
    local_ids(mapping);
    copy(mapping, F::EMAIL_SUBJECT, &["Subject", "Item.Subject", "Data.ms"], "Subject");
    let subjects = items(mapping, "Subject");
    mapping.fields.append(F::EMAIL_SUBJECT, subjects);
    attachments(mapping);
}

fn copy(mapping: &mut Mapping<'_>, field: F, members: &[&str], entity: &str) {
    for member in members {
        let texts = mapping.record.texts(member);
        mapping.fields.append(field, texts);
    }
    let texts = entities(mapping, entity);
    mapping.fields.append(field, texts);
}

/// What the items have under a name that an act on several of them was about.
fn items<'a>(mapping: &mut Mapping<'a>, name: &str) -> Vec<Cow<'a, str>> {
    let mut found = Vec::new();
    mail_items::for_each(&mut mapping.record, |item| found.extend(item.get(name).and_then(scalar_text)));
    found
}

/// Adds the bare addresses of members and entities.
fn add(mapping: &mut Mapping<'_>, field: F, members: &[&str], entity: &str) {
    let mut texts: Vec<_> = members.iter().flat_map(|member| mapping.record.texts(member)).collect();
    texts.extend(entities(mapping, entity));
    mapping.fields.append(field, texts.iter().flat_map(|text| addresses(text)));
}

/// Who a recipient sees that a mail is from, first that there is.
const SENT_AS: &[&str] = &["SendAsUserSmtp", "SendOnBehalfOfUserSmtp", "MailboxOwnerUPN"];

fn senders(mapping: &mut Mapping<'_>) {
    // An object of this name has another by now.
    add(mapping, F::EMAIL_FROM_ADDRESS, &["Parameters.From", "P2Sender", "Sender"], "P2Sender");
    add(mapping, F::EMAIL_SENDER_ADDRESS, &["P1Sender"], "");
    let sender = mapping.fields.text(F::SOURCE_USER_EMAIL);
    for field in [F::EMAIL_FROM_ADDRESS, F::EMAIL_SENDER_ADDRESS] {
        mapping.fields.append(field, sender.clone());
        add(mapping, field, &["Data.tsd"], "");
    }
    add(mapping, F::EMAIL_SENDER_ADDRESS, &[], "P1Sender");
    if ["Send", "SendAs", "SendOnBehalf"].iter().any(|known| known.eq_ignore_ascii_case(&mapping.operation)) {
        let sent_as = SENT_AS.iter().find(|member| mapping.record.text(**member).is_some());
        add(mapping, F::EMAIL_FROM_ADDRESS, sent_as.map(std::slice::from_ref).unwrap_or_default(), "");
    }
}

fn recipients(mapping: &mut Mapping<'_>) {
    let targets = forwarding::targets(&mut mapping.record);
    mapping.fields.append(F::EMAIL_TO_ADDRESS, targets);
    // Some records hold the list as one string: `[a, b]`.
    add(mapping, F::EMAIL_TO_ADDRESS, &["Recipients"], "");
    let users: Vec<_> = mapping.fields.texts(F::DESTINATION_USER_EMAIL).collect();
    mapping.fields.append(F::EMAIL_TO_ADDRESS, users.iter().flat_map(|text| addresses(text)));
    add(mapping, F::EMAIL_TO_ADDRESS, &["Data.trc"], "Recipient");
}

fn local_ids(mapping: &mut Mapping<'_>) {
    // Of other cmdlets, the identity is that of a mailbox, a rule or whatever they are about.
    let is_about_messages = mapping.operation.to_ascii_lowercase().contains("quarantinemessage");
    if is_about_messages
        && mapping.record.node("NetworkMessageId").is_none()
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

fn attachments(mapping: &mut Mapping<'_>) {
    let mut texts = mapping.record.texts("Item.Attachments");
    texts.extend(items(mapping, "Attachments"));
    let files: Vec<_> = texts.iter().flat_map(|text| entries(text)).filter_map(attachment).collect();
    if !files.is_empty() {
        mapping.fields.set(F::EMAIL_ATTACHMENTS, Node::List(files));
    }
}

/// The entries of `name (123b); name2 (45b)`. A name may have a semicolon, so an entry ends behind its size.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.find("b);").map_or(rest.len(), |at| at + 2);
        let (entry, more) = rest.split_at(end);
        rest = more.strip_prefix(';').unwrap_or(more);
        Some(entry)
    })
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
        let names = |text| entries(text).map(written).collect::<Vec<_>>();
        assert_eq!(
            names("inv.pdf (1b); a;b.txt (10b)"),
            [
                r#"{"file":{"name":"inv.pdf","extension":"pdf","size":1}}"#,
                r#"{"file":{"name":"a;b.txt","extension":"txt","size":10}}"#
            ]
        );
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
