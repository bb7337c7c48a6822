//! Where a rule of a mailbox, a mailbox itself or a rule of the organisation sends mail on to.

use std::borrow::Cow;

use super::{
    audit::{Audit, Path, paths, scalar_text},
    damage::Damage,
    json::{Node, NotJson, Repeated},
    mail_address::addresses,
};

/// Parameters of `New-InboxRule`, `Set-InboxRule`, `Set-Mailbox`, `New-TransportRule`, `New-JournalRule` and their kin that take
/// recipients (Exchange PowerShell).
const PARAMETERS: &[Path<'static>] = &paths([
    "Parameters.ForwardTo",
    "Parameters.ForwardAsAttachmentTo",
    "Parameters.RedirectTo",
    "Parameters.ForwardingSmtpAddress",
    "Parameters.ForwardingAddress",
    "Parameters.RedirectMessageTo",
    "Parameters.BlindCopyTo",
    "Parameters.CopyTo",
    "Parameters.AddToRecipients",
    "Parameters.GenerateIncidentReport",
    "Parameters.JournalEmailAddress",
    "Parameters.JournalingReportNdrTo",
    "Parameters.RedirectToRecipients",
    "Parameters.RedirectAddress",
    "Parameters.ModerateMessageByUser",
    "Parameters.BccSuspiciousOutboundAdditionalRecipients",
    "Parameters.ExternalEmailAddress",
]);

/// What Outlook's rules do: JSON in the value of `OperationProperties` (`UpdateInboxRules`).
const ACTIONS: &str = "RuleActions";

/// The addresses, each once. What is no address, such as the name of a mailbox, stays in the record only.
pub(crate) fn targets(record: &mut Audit<'_>) -> Vec<String> {
    let mut found = Vec::new();
    if record.node("Parameters").is_some() {
        for parameter in PARAMETERS {
            record.texts(parameter).iter().for_each(|text| add(text, &mut found));
        }
    }
    let actions = record.node("OperationProperties").and_then(|properties| property(properties, ACTIONS));
    if let Some(actions) = actions.or_else(|| record.node(ACTIONS).cloned()) {
        match unfolded(actions) {
            Ok(actions) => collect(&actions, false, &mut found),
            Err(NotJson) => record.damages.add(ACTIONS, Damage::InvalidJson),
        }
    }
    found
}

/// The names of mailboxes among the recipients: aliases and display names, which are no addresses. Addresses of Exchange's own
/// (`EX:/o=…`, `/o=…`) are no names.
pub(crate) fn names<'a>(record: &mut Audit<'a>) -> Vec<Cow<'a, str>> {
    if record.node("Parameters").is_none() {
        return Vec::new();
    }
    let texts = PARAMETERS.iter().flat_map(|parameter| record.texts(parameter));
    texts.filter(|text| addresses(text).is_empty() && !text.contains(['/', '[', '<', '{'])).collect()
}

fn add(text: &str, found: &mut Vec<String>) {
    for address in addresses(text) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
}

/// What JSON in text says, however often it was encoded.
fn unfolded(node: Node<'_>) -> Result<Node<'_>, NotJson> {
    const DEEPEST: usize = 3;
    let mut node = node;
    for _ in 0..DEEPEST {
        let Some(text) = scalar_text(&node) else { return Ok(node) };
        node = Node::parse_embedded(&text, Repeated::Last)?.unwrap_or(Node::List(Vec::new()));
    }
    Err(NotJson)
}

/// The value of a property in a list of names and values, or in an object.
fn property<'a>(properties: &Node<'a>, name: &str) -> Option<Node<'a>> {
    match properties {
        Node::List(list) => list
            .iter()
            .find(|pair| pair.get("Name").and_then(scalar_text).is_some_and(|known| known.eq_ignore_ascii_case(name)))?
            .get("Value"),
        Node::Object(object) => object.get(name),
        _ => None,
    }
    .cloned()
}

/// Members of an action that hold whom mail is sent to.
fn holds_recipients(name: &str) -> bool {
    ["recipients", "to", "address", "addresses"].iter().any(|end| name.to_ascii_lowercase().ends_with(end))
}

/// The addresses in the recipients of actions; parsed nodes are not deep.
fn collect(node: &Node<'_>, is_recipient: bool, found: &mut Vec<String>) {
    match node {
        Node::List(list) => list.iter().for_each(|node| collect(node, is_recipient, found)),
        Node::Object(object) => {
            object.iter().for_each(|(name, node)| collect(node, is_recipient || holds_recipients(name), found));
        }
        scalar if is_recipient => add(&scalar_text(scalar).unwrap_or(Cow::Borrowed("")), found),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{component::JsonObject, normalize::shape::shape};

    fn found(record: &str) -> Vec<String> {
        let record = JsonObject::parse(record.to_owned().into()).unwrap();
        let mut audit = Audit::new(&record);
        shape(&mut audit, "ExchangeItem");
        targets(&mut audit)
    }

    #[test]
    fn parameters_of_cmdlets_take_recipients() {
        let record = r#"{"Parameters":[
            {"Name":"ForwardTo","Value":"drop@evil.example;\"Two\" [SMTP:two@evil.example]"},
            {"Name":"ForwardingSmtpAddress","Value":"smtp:three@evil.example"},
            {"Name":"BlindCopyTo","Value":"drop@evil.example"},
            {"Name":"RedirectTo","Value":"Sales"},
            {"Name":"Name","Value":"not@this.example"}
        ]}"#;
        assert_eq!(found(record), ["drop@evil.example", "two@evil.example", "three@evil.example"]);
        let record = JsonObject::parse(record.to_owned().into()).unwrap();
        let mut audit = Audit::new(&record);
        shape(&mut audit, "ExchangeAdmin");
        assert_eq!(names(&mut audit), ["Sales"]);
    }

    #[test]
    fn rules_of_outlook_have_json_in_text() {
        let actions = r#"[{\"ActionType\":\"Forward\",\"Recipients\":[\"drop@evil.example\",\"B <b@evil.example>\"],\"Note\":\"no@x.example\"},{\"ActionType\":\"Delete\"}]"#;
        let expected = ["drop@evil.example", "b@evil.example"];
        let list = format!(
            r#"{{"OperationProperties":[{{"Name":"RuleName","Value":"."}},{{"Name":"RuleActions","Value":"{actions}"}}]}}"#
        );
        assert_eq!(found(&list), expected);
        let object = format!(r#"{{"OperationProperties":{{"RuleActions":"{actions}"}}}}"#);
        assert_eq!(found(&object), expected);
        let nested = r#"{"OperationProperties":[{"Name":"RuleActions","Value":"{\"ForwardTo\":[{\"Address\":\"drop@evil.example\"}]}"}]}"#;
        assert_eq!(found(nested), ["drop@evil.example"]);
        let twice = serde_json::to_string(&format!("\"{actions}\"")).unwrap();
        let twice = format!(r#"{{"OperationProperties":[{{"Name":"RuleActions","Value":{twice}}}]}}"#);
        assert_eq!(found(&twice), expected, "{twice}");
        assert_eq!(found(&format!(r#"{{"RuleActions":"{actions}"}}"#)), expected);
        for nothing in
            [r#"{"OperationProperties":[{"Name":"RuleActions","Value":"[broken"}]}"#, r#"{"OperationProperties":"x"}"#]
        {
            assert_eq!(found(nothing), [""; 0]);
        }
        let broken = JsonObject::parse(r#"{"RuleActions":"[broken"}"#.into()).unwrap();
        let mut audit = Audit::new(&broken);
        targets(&mut audit);
        assert_eq!(audit.damages.to_string(), "RuleActions is no JSON");
    }
}
