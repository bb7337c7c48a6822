//! An ECS document while it is filled.

use std::{borrow::Cow, collections::HashSet};

use super::fields::Field;
use crate::normalize::{
    audit::scalar_text,
    json::{Node, Object, write_string},
};

/// Lists with more texts than this look for repetitions in a set.
const MANY: usize = 16;

/// The values of an event's fields.
#[derive(Debug)]
pub(super) struct Document<'a> {
    values: Vec<Option<Node<'a>>>,
}

impl<'a> Document<'a> {
    pub(super) fn new() -> Self {
        let mut values = Vec::new();
        values.resize_with(Field::ALL.len(), || None);
        Self { values }
    }

    pub(super) fn get(&self, field: Field) -> Option<&Node<'a>> {
        self.values.get(field.position())?.as_ref()
    }

    pub(super) fn has(&self, field: Field) -> bool {
        self.get(field).is_some()
    }

    /// The field's text, if it has one.
    pub(super) fn text(&self, field: Field) -> Option<Cow<'a, str>> {
        self.get(field).and_then(scalar_text)
    }

    /// The field's texts: those of a list, or the one.
    pub(super) fn texts(&self, field: Field) -> Vec<Cow<'a, str>> {
        match self.get(field) {
            Some(Node::List(list)) => list.iter().filter_map(scalar_text).collect(),
            Some(node) => scalar_text(node).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Sets a field, whatever it had.
    pub(super) fn set(&mut self, field: Field, node: Node<'a>) {
        if let Some(value) = self.values.get_mut(field.position()) {
            *value = Some(node);
        }
    }

    /// Sets a field to text.
    pub(super) fn set_text(&mut self, field: Field, text: impl Into<Cow<'a, str>>) {
        self.set(field, Node::Text(text.into()));
    }

    /// Sets a field if there is a value.
    pub(super) fn set_some(&mut self, field: Field, node: Option<Node<'a>>) {
        if let Some(node) = node {
            self.set(field, node);
        }
    }

    /// Sets a field unless it has a value.
    pub(super) fn set_default(&mut self, field: Field, node: Option<Node<'a>>) {
        if !self.has(field) {
            self.set_some(field, node);
        }
    }

    /// Adds texts to a list, each once.
    pub(super) fn append(&mut self, field: Field, texts: impl IntoIterator<Item = impl Into<Cow<'a, str>>>) {
        let mut texts = texts.into_iter().map(Into::into).filter(|text: &Cow<'a, str>| !text.is_empty()).peekable();
        if texts.peek().is_none() {
            return;
        }
        let mut list = match self.values.get_mut(field.position()).and_then(Option::take) {
            Some(Node::List(list)) => list,
            Some(other) => vec![other],
            None => Vec::new(),
        };
        // Looking through a short list costs less than a set; a list of ten thousand needs one.
        let mut many: HashSet<Cow<'a, str>> = HashSet::new();
        for text in texts {
            let is_new = if list.len() < MANY {
                !list.iter().any(|node| scalar_text(node).is_some_and(|known| known == text))
            } else {
                if many.is_empty() {
                    many = list.iter().filter_map(scalar_text).collect();
                }
                many.insert(text.clone())
            };
            if is_new {
                list.push(Node::Text(text));
            }
        }
        self.set(field, Node::List(list));
    }

    /// Appends the document as JSON, with the rest of the record and where it came from under `o365`.
    pub(super) fn write(&self, audit: &Object<'a>, content: &str, out: &mut Vec<u8>) {
        let mut open: Vec<&'static str> = Vec::with_capacity(4);
        out.push(b'{');
        let mut fields = Field::ALL.iter().filter_map(|field| Some((field.path(), self.get(*field)?))).peekable();
        let mut first = true;
        while let Some((path, node)) = fields.next_if(|(path, _)| !path.starts_with(O365)) {
            write_field(path, node, &mut open, &mut first, out);
        }
        close(&mut open, 0, &mut first, out);
        begin_member("o365", &mut first, out);
        out.push(b'{');
        open.push("o365");
        first = true;
        if !audit.is_empty() {
            begin_member("audit", &mut first, out);
            audit.write(out);
        }
        if !content.is_empty() {
            begin_member("content", &mut first, out);
            out.extend_from_slice(content.as_bytes());
        }
        for (path, node) in fields {
            write_field(path, node, &mut open, &mut first, out);
        }
        close(&mut open, 0, &mut first, out);
        out.push(b'}');
    }
}

const O365: &str = "o365.";

fn write_field(path: &'static str, node: &Node<'_>, open: &mut Vec<&'static str>, first: &mut bool, out: &mut Vec<u8>) {
    let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
    let common = parents.split('.').zip(open.iter()).take_while(|(a, b)| a == *b).count();
    close(open, common, first, out);
    for parent in parents.split('.').skip(common).filter(|parent| !parent.is_empty()) {
        begin_member(parent, first, out);
        out.push(b'{');
        open.push(parent);
        *first = true;
    }
    begin_member(name, first, out);
    node.write(out);
}

fn begin_member(name: &str, first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::replace(first, false) {
        out.push(b',');
    }
    write_string(name, out);
    out.push(b':');
}

/// Closes objects until `depth` are open.
fn close(open: &mut Vec<&'static str>, depth: usize, first: &mut bool, out: &mut Vec<u8>) {
    while open.len() > depth {
        open.pop();
        out.push(b'}');
        *first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_nested_objects() {
        let mut document = Document::new();
        document.set_text(Field::EVENT_ID, "1");
        document.append(Field::RELATED_USER, ["a", "b", "a", ""]);
        document.set(Field::USER_TARGET_ID, Node::Integer(7));
        document.set_text(Field::USER_NAME, "\"n");
        document.set_text(Field::O365_LABEL_ID, "l");
        let mut out = Vec::new();
        document.write(&Object::new(), r#"{"id":"x"}"#, &mut out);
        let text = String::from_utf8(out).unwrap();
        let expected = r#"{"event":{"id":"1"},"related":{"user":["a","b"]},"user":{"name":"\"n","target":{"id":7}},"o365":{"content":{"id":"x"},"label":{"id":"l"}}}"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn an_empty_document_is_an_object() {
        let mut out = Vec::new();
        Document::new().write(&Object::new(), "", &mut out);
        assert_eq!(out, br#"{"o365":{}}"#);
    }
}
