//! An ECS document while it is filled.

use std::{borrow::Cow, collections::HashSet, mem};

use super::fields::{Field, Written};
use crate::normalize::{
    audit::{Audit, scalar_text},
    json::{Node, write_string},
};

/// Lists with more texts than this look for repetitions in a set.
const MANY: usize = 16;

/// The values of an event's fields.
#[derive(Debug)]
pub(super) struct Document<'a> {
    values: Vec<Node<'a>>,
    /// Where the value of each field is, plus one; 0 without a value. An event has values for a third of the fields.
    places: [u8; Field::ALL.len()],
}

impl<'a> Document<'a> {
    pub(super) fn new() -> Self {
        Self { values: Vec::with_capacity(48), places: [0; Field::ALL.len()] }
    }

    pub(super) fn get(&self, field: Field) -> Option<&Node<'a>> {
        let place = self.places.get(field.position())?.checked_sub(1)?;
        self.values.get(usize::from(place))
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
        let Some(place) = self.places.get_mut(field.position()) else { return };
        if let Some(value) = place.checked_sub(1).and_then(|place| self.values.get_mut(usize::from(place))) {
            *value = node;
        } else {
            self.values.push(node);
            // There are fewer than 255 fields.
            *place = u8::try_from(self.values.len()).unwrap_or(0);
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

    /// Sets a field to distinct texts: to the one as it is, to several as a list. Nothing, if there are none.
    pub(super) fn set_each(&mut self, field: Field, texts: impl IntoIterator<Item = Cow<'a, str>>) {
        let mut known = HashSet::new();
        let mut distinct: Vec<Cow<'a, str>> = texts.into_iter().filter(|text| known.insert(text.clone())).collect();
        match distinct.len() {
            0 => {}
            1 => self.set_some(field, distinct.pop().map(Node::Text)),
            _ => self.set(field, Node::List(distinct.into_iter().map(Node::Text).collect())),
        }
    }

    /// Takes a field's value away.
    pub(super) fn remove(&mut self, field: Field) {
        // The value stays where it is, without a place that leads to it.
        if let Some(place) = self.places.get_mut(field.position()) {
            *place = 0;
        }
    }

    /// Takes a value to put another in its place.
    fn take(&mut self, field: Field) -> Option<Node<'a>> {
        let place = self.places.get(field.position())?.checked_sub(1)?;
        Some(mem::replace(self.values.get_mut(usize::from(place))?, Node::Bool(false)))
    }

    /// Adds texts to a list, each once.
    pub(super) fn append(&mut self, field: Field, texts: impl IntoIterator<Item = impl Into<Cow<'a, str>>>) {
        let mut texts = texts.into_iter().map(Into::into).filter(|text: &Cow<'a, str>| !text.is_empty()).peekable();
        if texts.peek().is_none() {
            return;
        }
        let mut list = match self.take(field) {
            Some(Node::List(list)) => list,
            Some(other) => vec![other],
            None => Vec::with_capacity(4),
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
    pub(super) fn write(&self, record: &Audit<'a>, content: &str, out: &mut Vec<u8>) {
        let mut writer = Writer { out, open: Vec::with_capacity(4), is_first: true };
        writer.out.push(b'{');
        let mut fields = Field::ALL.iter().filter_map(|field| Some((field.written()?, self.get(*field)?))).peekable();
        while let Some((field, node)) = fields.next_if(|(field, _)| field.parents.first() != Some(&O365)) {
            writer.field(field, node);
        }
        writer.enter(&[O365]);
        writer.record(record);
        if !content.is_empty() {
            writer.key("\"content\":");
            writer.out.extend_from_slice(content.as_bytes());
        }
        for (field, node) in fields {
            writer.field(field, node);
        }
        writer.enter(&[]);
        writer.out.push(b'}');
    }
}

const O365: &str = "o365";

/// Writes fields one after the other, opening and closing the objects that they are in.
struct Writer<'o> {
    out: &'o mut Vec<u8>,
    open: Vec<&'static str>,
    /// Whether the innermost object has no member yet.
    is_first: bool,
}

impl Writer<'_> {
    fn field(&mut self, field: &'static Written, node: &Node<'_>) {
        self.enter(&field.parents);
        self.key(&field.key);
        node.write(self.out);
    }

    /// Closes and opens objects until exactly these are open.
    fn enter(&mut self, parents: &[&'static str]) {
        let common = parents.iter().zip(&self.open).take_while(|(a, b)| a == b).count();
        while self.open.len() > common {
            self.open.pop();
            self.out.push(b'}');
            self.is_first = false;
        }
        for parent in parents.iter().skip(common) {
            if !mem::replace(&mut self.is_first, true) {
                self.out.push(b',');
            }
            write_string(parent, self.out);
            self.out.extend_from_slice(b":{");
            self.open.push(parent);
        }
    }

    /// What is left of the record, if anything is.
    fn record(&mut self, record: &Audit<'_>) {
        const KEY: &str = "\"audit\":";
        let (start, was_first) = (self.out.len(), self.is_first);
        self.key(KEY);
        let before = self.out.len();
        record.write_rest(self.out);
        if self.out.len() == before {
            self.out.truncate(start);
            self.is_first = was_first;
        }
    }

    fn key(&mut self, key: &str) {
        if !mem::replace(&mut self.is_first, false) {
            self.out.push(b',');
        }
        self.out.extend_from_slice(key.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::JsonObject;

    #[test]
    fn fields_become_nested_objects() {
        let mut document = Document::new();
        document.set_text(Field::EVENT_ID, "1");
        document.append(Field::RELATED_USER, ["a", "b", "a", ""]);
        document.set(Field::USER_TARGET_ID, Node::Integer(7));
        document.set_text(Field::USER_NAME, "\"n");
        document.set_text(Field::O365_LABEL_ID, "l");
        let mut out = Vec::new();
        let record = JsonObject::parse("{}".into()).unwrap();
        document.write(&Audit::new(&record), r#"{"id":"x"}"#, &mut out);
        let text = String::from_utf8(out).unwrap();
        let expected = r#"{"event":{"id":"1"},"related":{"user":["a","b"]},"user":{"name":"\"n","target":{"id":7}},"o365":{"content":{"id":"x"},"label":{"id":"l"}}}"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn an_empty_document_is_an_object() {
        let mut out = Vec::new();
        let record = JsonObject::parse(r#"{"a":null}"#.into()).unwrap();
        Document::new().write(&Audit::new(&record), "", &mut out);
        assert_eq!(out, br#"{"o365":{}}"#);
    }
}
