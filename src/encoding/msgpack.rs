//! Events as `MessagePack`, which Fluentd and Fluent Bit speak.
//!
//! An event's JSON text is parsed and written in one go, without a tree between. The sizes that `MessagePack` wants ahead
//! of maps and arrays are put in when their ends are reached.
//!
//! Numbers stay what they are in JSON: whole numbers from -2⁶³ to 2⁶⁴-1 as integers in their shortest form, those beyond as
//! strings with all their digits, all others as 64-bit floats. What no parser can read safely or exactly enough (nested deeper than 128, beyond the range of 64-bit
//! floats, half a surrogate pair) keeps its JSON text as a string, by top-level members, as in
//! `LogEvent::value`, which feature `vrl` has.
//!
//! Sources: the `MessagePack` specification (<https://github.com/msgpack/msgpack/blob/master/spec.md>) and, for the time,
//! the Fluent forward protocol, v1.

use std::{fmt, ops::Range};

use chrono::{DateTime, Utc};
use rmp::encode::{ByteBuf, write_bool, write_f64, write_nil, write_sint, write_str, write_uint};
use serde::{
    Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};

use crate::component::{
    LogEvent,
    whole_number::{Integers, quote_others},
};

/// Appends the event's body: one map of its members, in the order of the record, then those that were added to it.
///
/// A name that comes twice is written once, at its last place, with its last value. Timestamps are the strings that they
/// are in JSON.
pub fn write_event(event: &LogEvent, out: &mut Vec<u8>) {
    let mut encoder = Encoder { out: ByteBuf::from_vec(std::mem::take(out)), keys: Vec::new() };
    let map = encoder.open();
    let record = quote_others(event.record().as_str(), Integers::SignedAndUnsigned);
    if event.overrides_nothing() && encoder.members(&record).is_ok() {
        event.for_each_shared_member(|name, json| encoder.member(name, json));
    } else {
        encoder.reset(&map);
        event.for_each_member(|name, json| encoder.member(name, json));
    }
    encoder.close_map(&map);
    *out = encoder.out.into_vec();
}

/// Appends a time as the `EventTime` of Fluentd and Fluent Bit: extension type 0, seconds and nanoseconds since 1970.
///
/// It reaches from 1970 into 2106; a time outside of that is moved to the nearest one. Fluent Bit gives the last two
/// seconds of the range another meaning, so that they are left out as well.
pub fn write_event_time(time: DateTime<Utc>, out: &mut Vec<u8>) {
    const LAST: u32 = u32::MAX - 2;
    let (seconds, nanoseconds) = match u32::try_from(time.timestamp()) {
        Ok(seconds) if seconds <= LAST => (seconds, time.timestamp_subsec_nanos().min(999_999_999)),
        Ok(_) => (LAST, 0),
        Err(_) => (if time.timestamp() < 0 { 0 } else { LAST }, 0),
    };
    out.extend_from_slice(&[0xd7, 0x00]);
    out.extend_from_slice(&seconds.to_be_bytes());
    out.extend_from_slice(&nanoseconds.to_be_bytes());
}

/// Below this number of members, comparing each name with each is faster than sorting them.
const FEW_MEMBERS: usize = 64;

/// Writes what a parser reads.
struct Encoder {
    out: ByteBuf,
    /// Where the names of all open maps are in `out`, the innermost map's last; each member begins with its name.
    keys: Vec<Range<usize>>,
}

/// A map or an array whose end has not been reached.
struct Open {
    /// Where its header is: one byte, until it is known how long it has to be.
    header: usize,
    /// How many of `Encoder::keys` belong to the maps around it.
    outer_keys: usize,
}

impl Encoder {
    fn open(&mut self) -> Open {
        let open = Open { header: self.len(), outer_keys: self.keys.len() };
        self.out.as_mut_vec().push(0);
        open
    }

    /// Forgets everything since `open`.
    fn reset(&mut self, open: &Open) {
        self.out.as_mut_vec().truncate(open.header + 1);
        self.keys.truncate(open.outer_keys);
    }

    fn len(&self) -> usize {
        self.out.as_vec().len()
    }

    /// Writes the members of a JSON object into the map that is open.
    fn members(&mut self, json: &str) -> serde_json::Result<()> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        deserializer.deserialize_map(Members(self))?;
        deserializer.end()
    }

    /// Writes a member into the map that is open; the text itself where it cannot be parsed.
    fn member(&mut self, name: &str, json: &str) {
        self.key(name);
        let (start, keys) = (self.len(), self.keys.len());
        let exact = quote_others(json, Integers::SignedAndUnsigned);
        let mut deserializer = serde_json::Deserializer::from_str(&exact);
        let parsed = Json(self).deserialize(&mut deserializer).and_then(|()| deserializer.end());
        if parsed.is_err() {
            self.out.as_mut_vec().truncate(start);
            self.keys.truncate(keys);
            self.text(json);
        }
    }

    fn key(&mut self, name: &str) {
        let start = self.len();
        self.text(name);
        self.keys.push(start..self.len());
    }

    // Writing to memory cannot fail, which is in the types here.

    fn text(&mut self, text: &str) {
        let Ok(()) = write_str(&mut self.out, text);
    }

    fn close_array(&mut self, open: &Open, items: usize) {
        self.header(open, items, 0x90, [0xdc, 0xdd]);
    }

    fn close_map(&mut self, open: &Open) {
        self.drop_repeated(open.outer_keys);
        let members = self.keys.len() - open.outer_keys;
        self.keys.truncate(open.outer_keys);
        self.header(open, members, 0x80, [0xde, 0xdf]);
    }

    /// Puts in the header of a map or array with `n` entries: the one of up to 15, of 16 bits, or of 32 bits.
    fn header(&mut self, open: &Open, n: usize, short: u8, [middle, long]: [u8; 2]) {
        let mut header = [0; 5];
        let header = match (u8::try_from(n), u16::try_from(n)) {
            (Ok(n @ 0..=15), _) => {
                header[0] = short | n;
                &header[..1]
            }
            (_, Ok(n)) => {
                header[0] = middle;
                header[1..3].copy_from_slice(&n.to_be_bytes());
                &header[..3]
            }
            // Each entry takes a byte at least, and a record is far smaller than 4 GiB.
            _ => {
                header[0] = long;
                header[1..].copy_from_slice(&u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes());
                &header[..]
            }
        };
        self.out.as_mut_vec().splice(open.header..=open.header, header.iter().copied());
    }

    /// Leaves of each name of the innermost map only the last: Fluent Bit would write both, and readers of JSON differ
    /// in which of them they take.
    fn drop_repeated(&mut self, first_key: usize) {
        let out = self.out.as_mut_vec();
        let keys = self.keys.get(first_key..).unwrap_or_default();
        let text = |key: &Range<usize>| out.get(key.clone()).unwrap_or_default();
        let repeated = if keys.len() <= FEW_MEMBERS {
            keys.iter().enumerate().any(|(index, key)| keys.iter().take(index).any(|other| text(other) == text(key)))
        } else {
            let mut sorted: Vec<_> = keys.iter().map(text).collect();
            sorted.sort_unstable();
            sorted.windows(2).any(|pair| pair.first() == pair.last())
        };
        if !repeated {
            return;
        }
        let ends = keys.iter().skip(1).map(|key| key.start).chain([out.len()]);
        let members: Vec<_> = keys.iter().cloned().zip(ends).collect();
        let mut seen = std::collections::HashSet::new();
        let mut last: Vec<_> = members.iter().rev().filter(|(key, _)| seen.insert(text(key))).collect();
        last.reverse();
        let mut rewritten = Vec::new();
        for (key, end) in &last {
            rewritten.extend_from_slice(out.get(key.start..*end).unwrap_or_default());
        }
        // The names' places are not looked at again, only their number.
        let (start, kept) = (members.first().map_or(out.len(), |(key, _)| key.start), last.len());
        out.truncate(start);
        out.extend_from_slice(&rewritten);
        self.keys.truncate(first_key + kept);
    }
}

/// Any JSON value, to be written.
struct Json<'e>(&'e mut Encoder);

impl<'de> DeserializeSeed<'de> for Json<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Json<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        let Ok(()) = write_nil(&mut self.0.out).map_err(|never| match never {});
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        let Ok(()) = write_bool(&mut self.0.out, value).map_err(|never| match never {});
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        let Ok(_) = write_uint(&mut self.0.out, value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        let Ok(_) = write_sint(&mut self.0.out, value);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        let Ok(()) = write_f64(&mut self.0.out, value);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.0.text(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let open = self.0.open();
        let mut items = 0;
        while seq.next_element_seed(Json(self.0))?.is_some() {
            items += 1;
        }
        self.0.close_array(&open, items);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let open = self.0.open();
        Members(self.0).visit_map(map)?;
        self.0.close_map(&open);
        Ok(())
    }
}

/// The members of an object, to be written into the map that is open.
struct Members<'e>(&'e mut Encoder);

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key_seed(Name(self.0))?.is_some() {
            map.next_value_seed(Json(self.0))?;
        }
        Ok(())
    }
}

/// The name of a member, to be written.
struct Name<'e>(&'e mut Encoder);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<(), E> {
        self.0.key(name);
        Ok(())
    }
}

#[cfg(test)]
#[path = "msgpack_tests.rs"]
mod tests;
