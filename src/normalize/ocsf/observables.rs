//! `observables`: the values that analysts search by, wherever they are in the event (`objects/observable.json`).

use std::{borrow::Cow, collections::HashSet};

use super::mapping::Others;
use crate::normalize::{
    audit::scalar_text,
    json::{Node, Object, split_path},
    mail_address::addresses,
    placeholder::is_placeholder,
};

/// `type_id` and caption of observables (`dictionary.json` and `objects/`, `observable`).
const HOSTNAME: (u8, &str) = (1, "Hostname");
const IP: (u8, &str) = (2, "IP Address");
const USER_NAME: (u8, &str) = (4, "User Name");
const EMAIL: (u8, &str) = (5, "Email Address");
const URL: (u8, &str) = (6, "URL String");
const FILE_NAME: (u8, &str) = (7, "File Name");
const HASH: (u8, &str) = (8, "Hash");

/// Where observables stand in events. Paths go through lists.
const PATHS: &[(&str, (u8, &str))] = &[
    ("actor.user.name", USER_NAME),
    ("actor.user.email_addr", EMAIL),
    ("user.name", USER_NAME),
    ("user.email_addr", EMAIL),
    ("src_endpoint.ip", IP),
    ("src_endpoint.hostname", HOSTNAME),
    ("dst_endpoint.ip", IP),
    ("dst_endpoint.hostname", HOSTNAME),
    ("device.hostname", HOSTNAME),
    ("file.name", FILE_NAME),
    ("file.uri", URL),
    ("file.hashes.value", HASH),
    ("file_result.name", FILE_NAME),
    ("email.from", EMAIL),
    ("email.to", EMAIL),
    ("email.return_path", EMAIL),
    ("email.files.name", FILE_NAME),
    ("email.files.hashes.value", HASH),
    ("web_resources.url_string", URL),
    ("evidences.user.name", USER_NAME),
    ("evidences.user.email_addr", EMAIL),
    ("evidences.src_endpoint.ip", IP),
    ("evidences.src_endpoint.hostname", HOSTNAME),
    ("evidences.email.from", EMAIL),
    ("evidences.email.to", EMAIL),
    ("evidences.url.url_string", URL),
    ("evidences.file.name", FILE_NAME),
    ("evidences.file.uri", URL),
    ("evidences.file.hashes.value", HASH),
    // What has no place in the class, but is searched nevertheless.
    ("unmapped.SharePointMetaData.From", EMAIL),
    ("unmapped.ExchangeMetaData.From", EMAIL),
    ("unmapped.ExchangeMetaData.To", EMAIL),
    ("unmapped.ExchangeMetaData.CC", EMAIL),
    ("unmapped.ExchangeMetaData.BCC", EMAIL),
];

/// Where what has no attribute of its own is.
const REST: &str = "unmapped";

/// No more than these; a message may have thousands of recipients.
const MAX: usize = 256;

/// Sets `observables` to what the event holds, and to what the record names beside, each value of a type once.
pub(super) fn fill(event: &mut Object<'_>, others: &Others) {
    let mut known = HashSet::new();
    let mut observables = Vec::new();
    for (path, kind) in PATHS {
        let (first, Some(rest)) = split_path(path) else { continue };
        let Some(node) = event.get(first) else { continue };
        visit(node, rest, &mut |value| {
            // Mail addresses of what is unmapped stand there as they came.
            let values =
                if *kind == EMAIL { addresses(&value).into_iter().map(Cow::Owned).collect() } else { vec![value] };
            for value in values {
                if !is_placeholder(&value) && observables.len() < MAX && known.insert((kind.0, value.clone())) {
                    observables.push(observable(path, *kind, value));
                }
            }
        });
    }
    for (kind, values) in [(USER_NAME, &others.users), (EMAIL, &others.addresses), (IP, &others.ips)] {
        for value in values {
            if observables.len() < MAX && known.insert((kind.0, Cow::Borrowed(value))) {
                observables.push(observable(REST, kind, Cow::Owned(value.clone())));
            }
        }
    }
    if !observables.is_empty() {
        event.set("observables", Node::List(observables));
    }
}

/// The texts under a path.
fn visit<'a>(node: &Node<'a>, path: &str, found: &mut impl FnMut(Cow<'a, str>)) {
    match node {
        Node::List(list) => list.iter().for_each(|node| visit(node, path, found)),
        Node::Object(object) => {
            let (name, rest) = split_path(path);
            if let Some(node) = object.get(name) {
                visit(node, rest.unwrap_or_default(), found);
            }
        }
        scalar if path.is_empty() => {
            if let Some(text) = scalar_text(scalar) {
                found(text);
            }
        }
        _ => {}
    }
}

fn observable<'a>(path: &'static str, (id, caption): (u8, &'static str), value: Cow<'a, str>) -> Node<'a> {
    Node::Object(Object::from_unique(vec![
        (Cow::Borrowed("name"), Node::text(path)),
        (Cow::Borrowed("type"), Node::text(caption)),
        (Cow::Borrowed("type_id"), Node::Integer(id.into())),
        (Cow::Borrowed("value"), Node::Text(value)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_counts_once_and_lists_are_walked() {
        let mut event = Object::new();
        let text = r#"[{"user":{"name":"a"}},{"user":{"name":"b"}},{"user":{"name":"a"}},{"user":{"name":{"x":1}}}]"#;
        event.set_some("evidences", Node::parse(text));
        event.set_some("user", Node::parse(r#"{"name":"b","email_addr":"Unknown"}"#));
        fill(&mut event, &Others { ips: vec!["192.0.2.1".to_owned()], ..Others::default() });
        let mut out = Vec::new();
        event.get("observables").unwrap().write(&mut out);
        let expected = r#"[{"name":"user.name","type":"User Name","type_id":4,"value":"b"},{"name":"evidences.user.name","type":"User Name","type_id":4,"value":"a"},{"name":"unmapped","type":"IP Address","type_id":2,"value":"192.0.2.1"}]"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
