//! `user.*`, `user.target.*`, `related.user`: who did it, to whom, and who else is named.

use std::{borrow::Cow, collections::HashSet};

use super::{
    common::entities,
    fields::Field as F,
    mapping::Mapping,
    rule::{Filled, fills},
};
use crate::normalize::{
    forwarding,
    json::Node,
    mail_address::addresses,
    named_users::{grantee_is_group, named_group, named_users, principal},
    placeholder::is_placeholder,
    user_id::UserId,
};

/// What [`split`] fills.
pub(super) const SPLIT: &[Filled] = &[
    fills(
        F::USER_ID,
        "the same without blanks around it, else the user principal name in `Actor`; nothing for placeholders such as `Unknown`, `Not Available` and ids of zeros",
        "",
    ),
    fills(
        F::USER_EMAIL,
        "the address in `user.id`: also in claims (`i:0#.f|membership|…`), of guests (`urn:spo:guest#…`, `…#EXT#@…`: theirs at home); replaces an earlier value",
        "`user.id` holds exactly one `@`",
    ),
    fills(F::USER_NAME, "what is before the `@` of that address, or behind the `\\` of `DOMAIN\\name`", ""),
    fills(F::USER_DOMAIN, "what is behind the `@`, or before the `\\`", ""),
    fills(F::USER_TARGET_ID, NAMED, "they are others than the user"),
    fills(F::USER_TARGET_EMAIL, "the address in each, as `user.email`", ""),
    fills(F::USER_TARGET_NAME, "the name in each, as `user.name`", ""),
    fills(F::USER_TARGET_DOMAIN, "the domain in each, as `user.domain`", ""),
    fills(F::GROUP_NAME, "`TargetUserOrGroupName`", "`TargetUserOrGroupType` names a kind of group"),
    fills(F::GROUP_NAME, "`Parameters.Identity`", "the cmdlet is about a group"),
    fills(F::SOURCE_USER_NAME, "the part of `source.user.email` before the `@`", ""),
    fills(F::SOURCE_USER_DOMAIN, "the part of `source.user.email` after the `@`", ""),
    fills(F::DESTINATION_USER_NAME, "the part of `destination.user.email` before the `@`", "there is one"),
    fills(F::DESTINATION_USER_DOMAIN, "the part of `destination.user.email` after the `@`", "there is one"),
];

const NAMED: &str = "all users that the record names beside `UserId`: owners and delegates of mailboxes, `SendAsUserSmtp`, `SendOnBehalfOfUserSmtp`, `Item.ParentFolder.MemberUpn`, `Members[].UPN`, grantees (`TargetUserOrGroupName`), `TargetUserId`, and the `Identity`, `User`, `Member`, `Trustee`, … of cmdlets; one or several";

/// What entities of alerts and investigations have users in.
const ENTITY_USERS: &[&str] = &["Upn", "UserPrincipalName", "MailboxPrimaryAddress"];

/// Splits the ids of all users.
pub(super) fn split(mapping: &mut Mapping<'_>) {
    actor(mapping);
    targets(mapping);
    for (email, name, domain) in [
        (F::SOURCE_USER_EMAIL, F::SOURCE_USER_NAME, F::SOURCE_USER_DOMAIN),
        (F::DESTINATION_USER_EMAIL, F::DESTINATION_USER_NAME, F::DESTINATION_USER_DOMAIN),
    ] {
        if let [address] = mapping.fields.texts(email).collect::<Vec<_>>().as_slice() {
            let Some(user) = UserId::parse(address) else {
                mapping.fields.remove(email);
                continue;
            };
            mapping.fields.set_some(name, user.name.map(Node::Text));
            mapping.fields.set_some(domain, user.domain.map(Node::Text));
        }
    }
}

fn actor(mapping: &mut Mapping<'_>) {
    let user = mapping.fields.text(F::USER_ID).and_then(|id| UserId::parse(&id));
    // Where `UserId` names no user, a failed sign-in may still name the user elsewhere.
    let user = user.or_else(|| principal(&mut mapping.record, "Actor").and_then(|id| UserId::parse(&id)));
    let Some(user) = user else {
        mapping.fields.remove(F::USER_ID);
        return;
    };
    mapping.fields.set_text(F::USER_ID, user.id);
    mapping.fields.set_some(F::USER_EMAIL, user.email.map(Node::Text));
    mapping.fields.set_some(F::USER_NAME, user.name.map(Node::Text));
    mapping.fields.set_some(F::USER_DOMAIN, user.domain.map(Node::Text));
}

/// The first is the object of the operation, if the family has set it.
fn targets(mapping: &mut Mapping<'_>) {
    let object: Vec<_> = mapping.fields.texts(F::USER_TARGET_ID).filter_map(|id| UserId::parse(&id)).collect();
    mapping.fields.remove(F::USER_TARGET_ID);
    let has_object = !object.is_empty();
    // A team may have ten thousand members.
    let mut known: HashSet<String> = object.iter().flat_map(keys).collect();
    let mut users = object;
    let operation = mapping.operation.clone();
    let principal = principal(&mut mapping.record, "Target").and_then(|id| UserId::parse(&id));
    let named = named_users(&mut mapping.record, &operation);
    let others = named.iter().filter_map(UserId::parse).filter(|user| !is_actor(mapping, user));
    for user in principal.into_iter().chain(others.collect::<Vec<_>>()) {
        let keys: Vec<_> = keys(&user).collect();
        if !keys.iter().any(|key| known.contains(key)) {
            known.extend(keys);
            users.push(user);
        }
    }
    // The id of the object is not mixed with other names that the object has.
    let ids = if has_object { &users[..1] } else { users.as_slice() };
    mapping.fields.set_each(F::USER_TARGET_ID, ids.iter().map(|user| user.id.clone()));
    mapping.fields.set_each(F::USER_TARGET_EMAIL, users.iter().filter_map(|user| user.email.clone()));
    mapping.fields.set_each(F::USER_TARGET_NAME, users.iter().filter_map(|user| user.name.clone()));
    mapping.fields.set_each(F::USER_TARGET_DOMAIN, users.iter().filter_map(|user| user.domain.clone()));
    mapping.targets = users;
    let group = if grantee_is_group(&mut mapping.record) {
        mapping.record.text("TargetUserOrGroupName")
    } else {
        named_group(&mut mapping.record, &operation)
    };
    mapping.fields.set_default(F::GROUP_NAME, group.map(Node::Text));
}

/// What users do in their own mailbox is done to no other user.
fn is_actor(mapping: &Mapping<'_>, user: &UserId<'_>) -> bool {
    [F::USER_ID, F::USER_EMAIL].into_iter().filter_map(|field| mapping.fields.text(field)).any(|known| {
        known.eq_ignore_ascii_case(&user.id)
            || user.email.as_ref().is_some_and(|email| known.eq_ignore_ascii_case(email))
    })
}

/// By what a user is known: the id and the address, in any case.
fn keys<'u>(user: &'u UserId<'_>) -> impl Iterator<Item = String> + use<'u> {
    [Some(&user.id), user.email.as_ref()].into_iter().flatten().map(|key| key.to_lowercase())
}

/// Fills `related.user` from all that the event and the record name.
pub(super) fn related(mapping: &mut Mapping<'_>) {
    let mut users: Vec<Cow<'_, str>> = Vec::with_capacity(8);
    users.extend(mapping.fields.text(F::USER_NAME));
    users.extend(mapping.targets.iter().filter_map(|user| user.name.clone()));
    if let Some(owner) = mapping.fields.text(F::FILE_OWNER) {
        users.extend(UserId::parse(&owner).and_then(|user| user.email));
        users.push(owner);
    }
    for key in ["Data.f3u", "Data.suid", "Data.tsd", "Data.trc"] {
        for text in mapping.record.texts(key) {
            let bare = addresses(&text);
            if bare.is_empty() {
                users.push(text);
            }
            users.extend(bare.into_iter().map(Cow::Owned));
        }
    }
    for name in ENTITY_USERS {
        users.extend(entities(mapping, name));
    }
    // What an alert is about, if that is a user or a list of them; the rules of alerts have moved both.
    let kind = mapping.record.text("EntityType").or_else(|| mapping.fields.text(F::RULE_RULESET));
    if kind.is_some_and(|kind| ["user", "recipients"].iter().any(|known| known.eq_ignore_ascii_case(&kind))) {
        let about = mapping.record.text("AlertEntityId").or_else(|| mapping.fields.text(F::RULE_DESCRIPTION));
        users.extend(about.iter().flat_map(|text| addresses(text)).map(Cow::Owned));
    }
    let sharer = mapping.record.texts("SharePointMetaData.From");
    users.extend(sharer.iter().flat_map(|text| addresses(text)).map(Cow::Owned));
    users.extend(mapping.fields.text(F::USER_ID));
    for user in &mapping.targets {
        users.push(user.id.clone());
        users.extend(user.email.clone());
    }
    users.extend(mapping.fields.text(F::USER_EMAIL));
    for field in [
        F::SOURCE_USER_EMAIL,
        F::DESTINATION_USER_EMAIL,
        F::EMAIL_FROM_ADDRESS,
        F::EMAIL_SENDER_ADDRESS,
        F::EMAIL_TO_ADDRESS,
    ] {
        users.extend(mapping.fields.texts(field));
    }
    users.extend(forwarding::names(&mut mapping.record));
    users.retain(|user| !is_placeholder(user));
    mapping.fields.append(F::RELATED_USER, users);
}
