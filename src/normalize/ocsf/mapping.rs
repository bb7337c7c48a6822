//! A record on its way to an OCSF event.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::classes::{API_ACTIVITY, Class};
use crate::normalize::{
    audit::Audit,
    json::{Node, Object},
    placeholder::is_placeholder,
};

/// Whom and what a record names.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// Names and addresses of users.
    pub(super) users: Vec<String>,
    /// Addresses that mail is sent on to.
    pub(super) addresses: Vec<String>,
    /// IP addresses.
    pub(super) ips: Vec<String>,
}

/// What a mapping works on.
#[derive(Debug)]
pub(super) struct Mapping<'a> {
    /// What is left of the record.
    pub(super) record: Audit<'a>,
    /// What was made of it.
    pub(super) event: Object<'a>,
    /// The name of the record type; empty if it is not known.
    pub(super) code: &'static str,
    /// `Operation`; empty without one.
    pub(super) operation: Cow<'a, str>,
    pub(super) class: &'static Class,
    /// `activity_id`.
    pub(super) activity: u8,
    /// `activity_id` if it becomes an event of the class that takes every record.
    pub(super) fallback: u8,
    /// Who did it.
    pub(super) user: Option<Object<'a>>,
    /// `status_id`, if the class found one.
    pub(super) status: Option<u8>,
    /// `severity_id`, if the class found one.
    pub(super) severity: Option<u8>,
    /// When it happened.
    pub(super) time: DateTime<Utc>,
    /// Whom and what the record names beside what has an attribute: for observables.
    pub(super) others: Others,
    /// Whether attributes of the profile `security_control` are set.
    pub(super) security_control: bool,
}

impl<'a> Mapping<'a> {
    /// Takes a scalar out of the record, as a string.
    pub(super) fn take(&mut self, path: &str) -> Option<Node<'a>> {
        let node = self.record.keyword(path)?;
        self.record.set_moved(path);
        Some(node)
    }

    /// Takes the first of some scalars that the record has.
    pub(super) fn take_first(&mut self, paths: &[&str]) -> Option<Node<'a>> {
        paths.iter().find_map(|path| self.take(path))
    }

    /// As [`Mapping::take`], as text.
    pub(super) fn take_text(&mut self, path: &str) -> Option<Cow<'a, str>> {
        let text = self.record.text(path)?;
        self.record.set_moved(path);
        Some(text)
    }

    /// Takes the first of some whole numbers.
    pub(super) fn take_integer(&mut self, paths: &[&str]) -> Option<Node<'a>> {
        paths.iter().find_map(|path| {
            let number = self.record.integer(path)?;
            self.record.set_moved(path);
            Some(Node::Integer(number))
        })
    }

    /// Takes the first of some times, as milliseconds since 1970.
    pub(super) fn take_time(&mut self, paths: &[&str]) -> Option<Node<'a>> {
        paths.iter().find_map(|path| {
            // Some have had their form already.
            let time = match self.record.node(path)? {
                Node::Time(time) => *time,
                _ => self.record.time(path)?,
            };
            self.record.set_moved(path);
            Some(Node::Integer(time.timestamp_millis()))
        })
    }

    /// Takes the strings of a member. What is in a list beside strings stays where it was.
    pub(super) fn take_texts(&mut self, path: &str) -> Vec<Cow<'a, str>> {
        let texts = self.record.texts(path);
        if !texts.is_empty() && self.is_plain(path) {
            self.record.set_moved(path);
        }
        texts
    }

    /// Whether a member has nothing but scalars, and so nothing but what its texts say.
    pub(super) fn is_plain(&mut self, path: &str) -> bool {
        self.record.is_plain(path)
    }

    /// Takes `ObjectId`, unless it says that there is none.
    pub(super) fn take_object_id(&mut self) -> Option<Cow<'a, str>> {
        let id = self.object_id()?;
        self.record.set_moved("ObjectId");
        Some(id)
    }

    /// `ObjectId`, unless it says that there is none.
    pub(super) fn object_id(&mut self) -> Option<Cow<'a, str>> {
        self.record.text("ObjectId").filter(|id| is_known(id))
    }

    /// Sets an attribute of the event.
    pub(super) fn set(&mut self, name: &'static str, node: Node<'a>) {
        self.event.set(name, node);
    }

    /// Sets an attribute of the event, if there is a value.
    pub(super) fn set_some(&mut self, name: &'static str, node: Option<Node<'a>>) {
        self.event.set_some(name, node);
    }

    /// Sets an attribute of the event to text.
    pub(super) fn set_text(&mut self, name: &'static str, text: impl Into<Cow<'a, str>>) {
        self.set(name, Node::text(text));
    }

    /// Sets an attribute and the caption beside it.
    pub(super) fn set_enum(&mut self, id: &'static str, caption: &'static str, value: (u16, &'static str)) {
        set_enum(&mut self.event, id, caption, value);
    }

    /// Makes the event one of the class that takes every record.
    pub(super) fn fall_back(&mut self) {
        (self.class, self.activity) = (&API_ACTIVITY, self.fallback);
    }
}

/// Sets an attribute of an object and the caption beside it.
pub(super) fn set_enum(
    object: &mut Object<'_>,
    id: &'static str,
    caption: &'static str,
    (number, name): (u16, &'static str),
) {
    object.set(id, Node::Integer(number.into()));
    object.set(caption, Node::text(name));
}

/// Whether an id or name is one.
pub(super) fn is_known(text: &str) -> bool {
    !is_placeholder(text)
}

/// An object, unless nothing is in it.
pub(super) fn some(object: Object<'_>) -> Option<Node<'_>> {
    (!object.is_empty()).then_some(Node::Object(object))
}

/// A list, unless nothing is in it.
pub(super) fn list<'a>(nodes: impl IntoIterator<Item = Node<'a>>) -> Option<Node<'a>> {
    let nodes: Vec<_> = nodes.into_iter().collect();
    (!nodes.is_empty()).then_some(Node::List(nodes))
}
