//! Where a rule of a mailbox, a mailbox itself or a rule of the organisation sends mail on to.

use std::borrow::Cow;

use super::{
    audit::{Audit, scalar_text},
    json::{Node, Repeated},
    mail_address::addresses,
};

/// Parameters of `New-InboxRule`, `Set-InboxRule`, `Set-Mailbox`, `New-TransportRule`, `New-JournalRule` and their kin that take
/// recipients (Exchange PowerShell).
const PARAMETERS: &[&str] = &[
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
];

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
    if let Some(properties) = record.node("OperationProperties")
        && let Some(actions) = property(properties, ACTIONS)
    {
        collect(&actions, false, &mut found);
    }
    found
}

fn add(text: &str, found: &mut Vec<String>) {
    for address in addresses(text) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
}

/// The value of a property in a list of names and values, or in an object; JSON in text is read.
fn property<'a>(properties: &Node<'a>, name: &str) -> Option<Node<'a>> {
    let value = match properties {
        Node::List(list) => list
            .iter()
            .find(|pair| pair.get("Name").and_then(scalar_text).is_some_and(|known| known.eq_ignore_ascii_case(name)))?
            .get("Value")?,
        Node::Object(object) => object.get(name)?,
        _ => return None,
    };
    match scalar_text(value) {
        Some(text) => Node::parse_embedded(&text, Repeated::Last).ok()?,
        None => Some(value.clone()),
    }
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
        for nothing in
            [r#"{"OperationProperties":[{"Name":"RuleActions","Value":"[broken"}]}"#, r#"{"OperationProperties":"x"}"#]
        {
            assert_eq!(found(nothing), [""; 0]);
        }
    }
}
