//! JSON as the kind of protobuf message that can hold any value: Vector's `event.Value` and OpenTelemetry's `AnyValue`.
//!
//! The two are alike but for the numbers of their fields: an object is a list of entries in field 1 of a message, each
//! with the name in field 1 and the value in field 2; an array is a list of values in field 1 of a message.

use std::{borrow::Cow, collections::HashSet, fmt, ops::Range};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::protobuf::{bytes, cancel, close, double, int, open, uint};
use crate::component::{
    Field,
    whole_number::{Integers, quote_others},
};

/// Decoders refuse messages that are nested deeper than 100, as prost does; an object takes three levels, an array two.
/// What is around the event, and what the peer puts the event into, need the rest.
const MAX_DEPTH: u32 = 90;
const OBJECT_DEPTH: u32 = 3;
const ARRAY_DEPTH: u32 = 2;

/// From here on names are compared by their hashes.
const MANY_NAMES: usize = 32;

/// The numbers of the fields of the message that holds a value of each kind.
#[derive(Debug)]
pub(super) struct Dialect {
    pub(super) text: u32,
    pub(super) integer: u32,
    pub(super) float: u32,
    pub(super) boolean: u32,
    pub(super) object: u32,
    pub(super) array: u32,
    /// `None` if null is a message without fields.
    pub(super) null: Option<u32>,
    /// `None` if a time is text.
    pub(super) timestamp: Option<u32>,
    /// Whether a name may not come twice in an object. Otherwise decoders take the last, as JSON's do.
    pub(super) unique_names: bool,
}

/// The field of a message that holds the entries of an object, or the values of an array.
const ITEMS: u32 = 1;

impl Dialect {
    /// Appends the object that the JSON text `object` is: its entries, without what would be around them. Members
    /// whose names `skip` says are left out.
    ///
    /// A whole number that is no `int64` is text with all its digits. What cannot be a number of the message at all is the text
    /// of its JSON, with the member it belongs to.
    pub(super) fn entries<'a>(&self, out: &mut Vec<u8>, object: &'a str, skip: impl Fn(&str) -> bool) {
        let start = out.len();
        let exact = quote_others(object, Integers::Signed);
        let mut json = serde_json::Deserializer::from_str(&exact);
        let whole = Entries { dialect: self, out, depth: OBJECT_DEPTH, skip: &skip };
        if (&mut json).deserialize_map(whole).is_err() {
            // A number beyond all floats, somewhere. Only its member loses the structure.
            out.truncate(start);
            let visitor = Members {
                visit: |name: &str, raw: &'a RawValue| {
                    if !skip(name) {
                        entry(out, name, |out| {
                            let start = out.len();
                            let value = Item { dialect: self, out, depth: OBJECT_DEPTH };
                            let exact = quote_others(raw.get(), Integers::Signed);
                            if value.deserialize(&mut serde_json::Deserializer::from_str(&exact)).is_err() {
                                out.truncate(start);
                                bytes(out, self.text, raw.get().as_bytes());
                            }
                        });
                    }
                },
            };
            // Cannot fail: the text is known to be an object.
            let _ = serde_json::Deserializer::from_str(object).deserialize_map(visitor);
        }
        if self.unique_names {
            drop_repeated(out, start);
        }
    }

    /// Appends the content of the message that holds `time`.
    pub(super) fn time(&self, out: &mut Vec<u8>, time: DateTime<Utc>) {
        let Some(field) = self.timestamp else {
            let text = time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
            return bytes(out, self.text, text.as_bytes());
        };
        // google/protobuf/timestamp.proto: int64 seconds = 1, int32 nanos = 2; nothing is written for zero.
        let message = open(out, field);
        for (field, value) in [(1, time.timestamp()), (2, i64::from(time.timestamp_subsec_nanos()))] {
            if value != 0 {
                int(out, field, value);
            }
        }
        close(out, message);
    }

    /// Appends the content of the message that holds `field`.
    pub(super) fn field(&self, out: &mut Vec<u8>, field: &Field) {
        match field {
            Field::Text(text) => self.text(out, text),
            Field::Timestamp(time) => self.time(out, *time),
            Field::Object(fields) => {
                let message = open(out, self.object);
                for (name, field) in fields {
                    entry(out, name, |out| self.field(out, field));
                }
                close(out, message);
            }
        }
    }

    fn text(&self, out: &mut Vec<u8>, text: &str) {
        bytes(out, self.text, text.as_bytes());
    }

    fn null(&self, out: &mut Vec<u8>) {
        if let Some(field) = self.null {
            uint(out, field, 0);
        }
    }
}

/// Appends an entry of an object; `value` appends the content of the message that holds its value.
pub(super) fn entry(out: &mut Vec<u8>, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
    let entry = open(out, ITEMS);
    bytes(out, 1, name.as_bytes());
    let message = open(out, 2);
    value(out);
    close(out, message);
    close(out, entry);
}

/// A value, appended as the content of the message that holds it.
struct Item<'s> {
    dialect: &'s Dialect,
    out: &'s mut Vec<u8>,
    /// How deep the message is that holds the value.
    depth: u32,
}

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.depth + OBJECT_DEPTH <= MAX_DEPTH {
            return deserializer.deserialize_any(self);
        }
        // An object or an array would be too deep: it stays text.
        let raw: &RawValue = serde::Deserialize::deserialize(deserializer)?;
        if raw.get().starts_with(['{', '[']) {
            self.dialect.text(self.out, raw.get());
            return Ok(());
        }
        serde_json::Deserializer::from_str(raw.get()).deserialize_any(self).map_err(D::Error::custom)
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        uint(self.out, self.dialect.boolean, u64::from(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        int(self.out, self.dialect.integer, value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => int(self.out, self.dialect.integer, value),
            // Has quotes before it comes here.
            Err(_) => self.dialect.text(self.out, &value.to_string()),
        }
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        double(self.out, self.dialect.float, value);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.dialect.text(self.out, value);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.dialect.null(self.out);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { dialect, out, depth } = self;
        let message = open(out, dialect.array);
        loop {
            let item = open(out, ITEMS);
            let next = Item { dialect, out: &mut *out, depth: depth + ARRAY_DEPTH };
            if items.next_element_seed(next)?.is_none() {
                // There was no item to open.
                cancel(out, item);
                break;
            }
            close(out, item);
        }
        close(out, message);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        let Self { dialect, out, depth } = self;
        let message = open(out, dialect.object);
        let start = out.len();
        Entries { dialect, out: &mut *out, depth: depth + OBJECT_DEPTH, skip: &|_: &str| false }.visit_map(members)?;
        if dialect.unique_names {
            drop_repeated(out, start);
        }
        close(out, message);
        Ok(())
    }
}

/// The members of an object, appended as entries.
struct Entries<'s, F> {
    dialect: &'s Dialect,
    out: &'s mut Vec<u8>,
    /// How deep the message is that holds a member's value.
    depth: u32,
    skip: &'s F,
}

impl<'de, F: Fn(&str) -> bool> Visitor<'de> for Entries<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { dialect, out, depth, skip } = self;
        loop {
            let entry = open(out, ITEMS);
            match members.next_key_seed(Name { out: &mut *out, skip })? {
                None => {
                    // There was no entry to open.
                    cancel(out, entry);
                    return Ok(());
                }
                Some(true) => {
                    cancel(out, entry);
                    members.next_value::<serde::de::IgnoredAny>()?;
                }
                Some(false) => {
                    let message = open(out, 2);
                    members.next_value_seed(Item { dialect, out: &mut *out, depth })?;
                    close(out, message);
                    close(out, entry);
                }
            }
        }
    }
}

/// A member's name, appended; `true` for one that is to be left out.
struct Name<'s, F> {
    out: &'s mut Vec<u8>,
    skip: &'s F,
}

impl<'de, F: Fn(&str) -> bool> DeserializeSeed<'de> for Name<'_, F> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<F: Fn(&str) -> bool> Visitor<'_> for Name<'_, F> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        bytes(self.out, 1, name.as_bytes());
        Ok((self.skip)(name))
    }
}

/// The members of an object as JSON texts.
struct Members<F> {
    visit: F,
}

impl<'de, F: FnMut(&str, &'de RawValue)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some((name, value)) = members.next_entry::<Cow<'_, str>, &RawValue>()? {
            (self.visit)(&name, value);
        }
        Ok(())
    }
}

/// Takes out the entries from `start` on whose names come again later: a name may come only once, and readers of JSON take
/// the last.
fn drop_repeated(out: &mut Vec<u8>, start: usize) {
    let repeated = repeated(out.get(start..).unwrap_or_default());
    for range in repeated.into_iter().rev() {
        out.drain(start + range.start..start + range.end);
    }
}

/// Where the entries are whose names come again later.
fn repeated(entries: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut rest) = (Vec::with_capacity(MANY_NAMES), entries);
    while let Some((name, after)) = split_entry(rest) {
        found.push((name, entries.len() - rest.len()..entries.len() - after.len()));
        rest = after;
    }
    let mut ranges = Vec::new();
    if found.len() <= MANY_NAMES {
        let mut later = found.as_slice();
        while let Some(((name, range), rest)) = later.split_first() {
            if rest.iter().any(|(other, _)| other == name) {
                ranges.push(range.clone());
            }
            later = rest;
        }
        return ranges;
    }
    let mut names = HashSet::with_capacity(found.len());
    ranges.extend(found.into_iter().rev().filter(|(name, _)| !names.insert(*name)).map(|(_, range)| range));
    ranges.reverse();
    ranges
}

/// The name of the first entry, and the entries after it.
fn split_entry(entries: &[u8]) -> Option<(&[u8], &[u8])> {
    let (entry, rest) = split_field(entries)?;
    Some((split_field(entry)?.0, rest))
}

fn split_field(message: &[u8]) -> Option<(&[u8], &[u8])> {
    // All keys here are of one byte.
    let (_, mut rest) = message.split_first()?;
    let length = prost::decode_length_delimiter(&mut rest).ok()?;
    rest.split_at_checked(length)
}
