//! Email Activity: what was sent, and what Defender scanned.

use std::{borrow::Cow, collections::HashSet};

use super::{
    endpoint, file,
    mapping::{Mapping, list, set_enum},
    user,
};
use crate::normalize::{
    audit::scalar_text,
    damage::Damage,
    json::{Node, Object},
    mail_address::addresses,
    network_address::{NetworkAddress, ip_of},
};

/// `Directionality`, and `direction_id` with its caption.
const DIRECTIONS: &[(&str, u16, &str)] = &[
    ("Inbound", 1, "Inbound"),
    ("Outbound", 2, "Outbound"),
    ("IntraOrg", 3, "Internal"),
    ("Intra-org", 3, "Internal"),
];

/// `DeliveryAction`, and `disposition_id` with its caption (`dictionary.json`).
const DELIVERIES: &[(&str, u16, &str)] = &[
    ("Delivered", 1, "Allowed"),
    ("DeliveredAsSpam", 3, "Quarantined"),
    ("Blocked", 2, "Blocked"),
    ("Replaced", 11, "Corrected"),
];

/// Verdicts that are alerts.
const THREATS: &[&str] = &["Phish", "Malware"];

pub(super) fn fill(mapping: &mut Mapping<'_>) -> Option<()> {
    let from = sender(mapping);
    let to = recipients(mapping);
    if from.is_none() && to.is_empty() {
        return None;
    }
    let mut email = Object::new();
    email.set_some("from", from.clone().map(Node::Text));
    email.set_some("to", list(to.iter().cloned().map(Node::Text)));
    mapping.set_some("from", from.map(Node::Text));
    mapping.set_some("to", list(to.into_iter().map(Node::Text)));
    for path in SENDERS.iter().chain(&["Recipients"]) {
        settle(mapping, path);
    }
    if let Some(path) = mapping.record.text("P1Sender").and_then(|sender| user::address(&sender)) {
        mapping.record.set_moved("P1Sender");
        email.set("return_path", Node::Text(path));
    }
    email.set_some("subject", mapping.take_first(&["Subject", "Item.Subject"]));
    email.set_some("message_uid", mapping.take_first(&["InternetMessageId", "Item.InternetMessageId"]));
    email.set_some("size", mapping.take_integer(&["Item.SizeInBytes"]));
    email.set_some("files", attachments(mapping));
    if let Some(address) = sender_address(mapping) {
        email.set_some("x_originating_ip", list(address.ip.clone().map(Node::text)));
        mapping.set_some("src_endpoint", endpoint::of_address(address));
    }
    mapping.set("email", Node::Object(email));
    let trace = mapping.take("NetworkMessageId");
    mapping.set_some("message_trace_uid", trace);
    let direction = mapping.record.text("Directionality");
    let direction = direction.and_then(|name| DIRECTIONS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(&name)));
    if direction.is_some() {
        mapping.record.set_moved("Directionality");
    }
    let direction = direction.map_or((0, "Unknown"), |(_, id, name)| (*id, *name));
    mapping.set_enum("direction_id", "direction", direction);
    verdict(mapping);
    Some(())
}

/// Where the sender may be, best first. What was sent from a mailbox was sent by its owner, or in the owner's name.
const SENDERS: &[&str] =
    &["P2Sender", "Sender", "SendAsUserSmtp", "SendOnBehalfOfUserSmtp", "MailboxOwnerUPN", "P1Sender"];

fn sender<'a>(mapping: &mut Mapping<'a>) -> Option<Cow<'a, str>> {
    let found = SENDERS.iter().find_map(|path| {
        let text = mapping.record.text(path)?;
        user::address(&text)
    });
    found.or_else(|| {
        if mapping.activity != 1 {
            return None;
        }
        let user = mapping.user.as_ref()?.get("email_addr")?;
        scalar_text(user)
    })
}

fn recipients<'a>(mapping: &mut Mapping<'a>) -> Vec<Cow<'a, str>> {
    // Some records hold the list as one string: `[a, b]`.
    let texts = mapping.record.texts("Recipients");
    texts
        .into_iter()
        .flat_map(|text| match user::address(&text) {
            Some(address) if address == text => vec![text],
            _ => addresses(&text).into_iter().map(Cow::Owned).filter_map(|text| user::address(&text)).collect(),
        })
        .collect()
}

/// Takes a member whose texts are all addresses, and so all in the event; what is none stays.
fn settle(mapping: &mut Mapping<'_>, path: &str) {
    let texts = mapping.record.texts(path);
    let event = &mapping.event;
    let used: HashSet<_> = event
        .get("from")
        .into_iter()
        .chain(event.get("to").and_then(Node::as_list).into_iter().flatten())
        .filter_map(scalar_text)
        .collect();
    if !texts.is_empty() && texts.iter().all(|text| used.contains(text)) && mapping.is_plain(path) {
        mapping.record.set_moved(path);
    }
}

fn attachments<'a>(mapping: &mut Mapping<'a>) -> Option<Node<'a>> {
    let Some(Node::List(attachments)) = mapping.record.node("AttachmentData") else { return None };
    list(attachments.iter().filter_map(file::examined).map(Node::Object))
}

fn sender_address(mapping: &mut Mapping<'_>) -> Option<NetworkAddress> {
    ["SenderIp", "SenderIP"].into_iter().find_map(|from| {
        let text = mapping.record.text(from)?;
        let address = ip_of(&text);
        match &address {
            Some(address) if address.ip.as_deref() == Some(text.as_ref()) => mapping.record.set_moved(from),
            Some(_) => {}
            None => mapping.record.damages.add(from, Damage::InvalidAddress),
        }
        address
    })
}

/// What became of it, and whether it was an attack.
fn verdict(mapping: &mut Mapping<'_>) {
    let delivery = mapping.record.text("DeliveryAction");
    let delivery = delivery.and_then(|name| DELIVERIES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(&name)));
    if let Some((_, id, name)) = delivery {
        set_enum(&mut mapping.event, "disposition_id", "disposition", (*id, name));
        mapping.security_control = true;
    }
    let verdict = mapping.record.text("Verdict");
    if let Some(verdict) = verdict {
        let is_threat = THREATS.iter().any(|threat| threat.eq_ignore_ascii_case(&verdict));
        mapping.set("is_alert", Node::Bool(is_threat));
        mapping.security_control = true;
    }
    if let Some(policy) = mapping.take("Policy") {
        let mut object = Object::new();
        object.set("name", policy);
        mapping.set("policy", Node::Object(object));
        mapping.security_control = true;
    }
}
