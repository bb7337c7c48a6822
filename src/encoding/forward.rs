//! The messages of the Forward protocol, v1, which Fluentd and Fluent Bit speak: `MessagePack` both ways.
//!
//! ```text
//! server ──► HELO   only when it asks for a shared key
//! client ──► PING   the client proves that it knows the key
//! server ──► PONG   and so does the server, or it says why not
//! client ──► events, with the name of the chunk
//! server ──► ack    the name again: it has them
//! ```
//!
//! Source: <https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1>.

mod answer;
mod digest;
#[cfg(test)]
mod tests;

use std::fmt;

use chrono::Utc;
use rmp::encode::{ByteBuf, write_array_len, write_bin_len, write_map_len, write_str, write_uint};
use snafu::{ResultExt, Snafu};

pub use self::{
    answer::{Answer, MAX_ANSWER_BYTES, Unintelligible, parse_answer},
    digest::{is_same_digest, password_digest, shared_key_digest},
};
use super::msgpack::{write_event, write_event_time};
use crate::component::LogEvent;

/// Appends an event as an entry of a stream of events: its time and its members.
///
/// An event without a time of its own gets the present one.
pub fn write_entry(event: &LogEvent, out: &mut Vec<u8>) {
    // An array of two.
    out.push(0x92);
    write_event_time(event.timestamp().unwrap_or_else(Utc::now), out);
    write_event(event, out);
}

/// Many events in one message: `PackedForward`, or `CompressedPackedForward` if `compressed` says how.
#[derive(Clone, Copy, Debug)]
pub struct PackedForward<'a> {
    /// The tag, by which the server routes.
    pub tag: &'a str,
    /// The entries one after the other, compressed or not.
    pub entries: &'a [u8],
    /// How many entries there are.
    pub size: usize,
    /// The name of the chunk, which the server's acknowledgement repeats. Fluent Bit takes text only.
    pub chunk: &'a str,
    /// How the entries are compressed, as the protocol calls it, such as `gzip`.
    pub compressed: Option<&'a str>,
}

/// A message that the protocol has no way to write.
#[derive(Debug, Snafu)]
#[snafu(display("the events have {bytes} bytes together, more than a message can hold"))]
pub struct MessageTooLong {
    bytes: usize,
    source: std::num::TryFromIntError,
}

impl PackedForward<'_> {
    /// The message as bytes.
    ///
    /// # Errors
    ///
    /// When the entries have 4 GiB or more.
    pub fn encode(&self) -> Result<Vec<u8>, MessageTooLong> {
        let Self { tag, entries, size, chunk, compressed } = *self;
        let length = u32::try_from(entries.len()).context(MessageTooLongSnafu { bytes: entries.len() })?;
        let mut out = ByteBuf::with_capacity(entries.len() + tag.len() + 128);
        // Writing to memory cannot fail, which is in the types here.
        let Ok(_) = write_array_len(&mut out, 3);
        let Ok(()) = write_str(&mut out, tag);
        let Ok(_) = write_bin_len(&mut out, length);
        out.as_mut_vec().extend_from_slice(entries);
        let Ok(_) = write_map_len(&mut out, if compressed.is_some() { 3 } else { 2 });
        let Ok(()) = write_str(&mut out, "size");
        let Ok(_) = write_uint(&mut out, size as u64);
        let Ok(()) = write_str(&mut out, "chunk");
        let Ok(()) = write_str(&mut out, chunk);
        if let Some(compressed) = compressed {
            let Ok(()) = write_str(&mut out, "compressed");
            let Ok(()) = write_str(&mut out, compressed);
        }
        Ok(out.into_vec())
    }
}

/// What a client says about itself when the server asks for a shared key. No part of it is secret.
#[derive(Clone)]
pub struct Ping<'a> {
    /// The client's name, which is part of the digest.
    pub hostname: &'a str,
    /// Random text, which is part of the digest.
    pub salt: &'a str,
    /// [`shared_key_digest`] of the client's name.
    pub digest: &'a str,
    /// The user, or nothing.
    pub username: &'a str,
    /// [`password_digest`], or nothing.
    pub password_digest: &'a str,
}

impl Ping<'_> {
    /// The message as bytes. Fluent Bit wants it in one piece, of up to 1,023 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = ByteBuf::new();
        let Ok(_) = write_array_len(&mut out, 6);
        for text in ["PING", self.hostname, self.salt, self.digest, self.username, self.password_digest] {
            let Ok(()) = write_str(&mut out, text);
        }
        out.into_vec()
    }
}

impl fmt::Debug for Ping<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A digest that is printed could be tried against lists of passwords.
        f.debug_struct("Ping")
            .field("hostname", &self.hostname)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}
