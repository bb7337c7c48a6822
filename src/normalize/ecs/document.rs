//! An ECS document while it is filled.

use std::{borrow::Cow, collections::HashSet, iter, mem, slice};

use super::fields::{Field, Written};
use crate::normalize::{
    audit::{Audit, has_text, scalar_text},
    json::Node,
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
    pub(super) fn texts(&self, field: Field) -> impl Iterator<Item = Cow<'a, str>> {
        let nodes = match self.get(field) {
            Some(Node::List(list)) => list.as_slice(),
            Some(node) => slice::from_ref(node),
            None => &[],
        };
        nodes.iter().filter_map(scalar_text)
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
                !list.iter().any(|node| has_text(node, &text))
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
        let fields = Field::written().iter().zip(self.places).map(|(written, place)| {
            let value = place.checked_sub(1).and_then(|place| self.values.get(usize::from(place)));
            (written, value)
        });
        let (others, ours) = (fields.clone().take(Field::FIRST_OF_O365), fields.skip(Field::FIRST_OF_O365));
        let mut writer = Writer { out, open: 0, shared: 0 };
        writer.out.push(b'{');
        others.for_each(|(written, value)| writer.field(written, value));
        writer.close_to(0);
        writer.begin_member();
        writer.out.extend_from_slice(b"\"o365\":{");
        (writer.open, writer.shared) = (1, 1);
        writer.record(record);
        if !content.is_empty() {
            writer.begin_member();
            writer.out.extend_from_slice(b"\"content\":");
            writer.out.extend_from_slice(content.as_bytes());
        }
        ours.for_each(|(written, value)| writer.field(written, value));
        writer.close_to(0);
        writer.out.push(b'}');
    }
}

/// Writes fields one after the other, opening and closing the objects that they are in.
struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// How many objects are open within the document.
    open: usize,
    /// How many of them the next field is in as well, as far as the fields since the last one that was written tell.
    shared: usize,
}

impl Writer<'_> {
    /// Writes a field if it has a value. All fields come in their order, those without a value as well.
    fn field(&mut self, field: &'static Written, value: Option<&Node<'_>>) {
        self.shared = self.shared.min(field.shared);
        let Some(value) = value else { return };
        self.close_to(self.shared);
        self.begin_member();
        self.out.extend_from_slice(field.key(self.shared).as_bytes());
        value.write(self.out);
        (self.open, self.shared) = (field.depth, field.depth);
    }

    /// Closes objects until so many are open.
    fn close_to(&mut self, open: usize) {
        let closed = self.open.saturating_sub(open);
        self.out.extend(iter::repeat_n(b'}', closed));
        self.open -= closed;
    }

    /// Separates a member from the one before it.
    fn begin_member(&mut self) {
        // No value ends with this brace.
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
    }

    /// What is left of the record, if anything is.
    fn record(&mut self, record: &Audit<'_>) {
        let start = self.out.len();
        self.begin_member();
        self.out.extend_from_slice(b"\"audit\":");
        let before = self.out.len();
        record.write_rest(self.out);
        if self.out.len() == before {
            self.out.truncate(start);
        }
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
