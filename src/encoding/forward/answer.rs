//! What servers say.

use rmpv::{ValueRef, decode::read_value_ref_with_max_depth};
use snafu::Snafu;

use crate::printable::printable;

/// No answer of the protocol is longer, by far. Unit: bytes.
pub const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// No answer of the protocol is nested more deeply, by far.
const MAX_DEPTH: usize = 16;

/// How much of a server's words is kept. Unit: characters.
const MAX_QUOTED_CHARS: usize = 300;

/// What a server says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// It asks for a shared key.
    Helo {
        /// Random bytes, which are part of the digests.
        nonce: Vec<u8>,
        /// Random bytes for the digest of the password; empty if it asks for no user.
        auth: Vec<u8>,
        /// Whether the connection may be used for more than one message.
        keepalive: bool,
    },
    /// It lets the client in, or not.
    Pong {
        /// Whether it does.
        accepted: bool,
        /// Why it does not, on one line; empty if it does.
        reason: String,
        /// Its name; empty if it does not.
        hostname: Vec<u8>,
        /// Its own digest; empty if it does not.
        digest: Vec<u8>,
    },
    /// It has the events of the chunk of this name.
    Ack(Vec<u8>),
    /// It has not taken the events: an acknowledgement without a name. Not in the specification; Vector says so of events
    /// that were lost behind it.
    Nack,
}

/// Something that the protocol does not know.
#[derive(Debug, Eq, PartialEq, Snafu)]
#[snafu(display("an answer that is not of the Forward protocol"))]
pub struct Unintelligible;

/// Reads the first answer in `bytes`, and how many bytes it has; `None` if there is more to come.
///
/// # Errors
///
/// When whatever comes will not make it an answer, and when [`MAX_ANSWER_BYTES`] have come without its end.
pub fn parse_answer(bytes: &[u8]) -> Result<Option<(Answer, usize)>, Unintelligible> {
    // Each answer is an array or a map of a few entries. Looking at the first byte ends the wait for what would never
    // come, such as the rest of a TLS alert.
    if !matches!(bytes.first(), None | Some(0x80..=0x9f | 0xdc..=0xdf)) {
        return Err(Unintelligible);
    }
    let mut rest = bytes;
    match read_value_ref_with_max_depth(&mut rest, MAX_DEPTH) {
        Ok(value) => {
            let answer = read(&value).ok_or(Unintelligible)?;
            Ok(Some((answer, bytes.len() - rest.len())))
        }
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof && bytes.len() < MAX_ANSWER_BYTES => Ok(None),
        Err(_) => Err(Unintelligible),
    }
}

fn read(value: &ValueRef<'_>) -> Option<Answer> {
    if let Some(chunk) = member(value, "ack") {
        return Some(Answer::Ack(bytes(chunk)?.to_vec()));
    }
    let items = match value {
        ValueRef::Map(members) if members.is_empty() => return Some(Answer::Nack),
        ValueRef::Array(items) => items,
        _ => return None,
    };
    match (bytes(items.first()?)?, items.get(1..)?) {
        (b"HELO", [options, ..]) => {
            let option = |name| member(options, name).and_then(bytes).unwrap_or_default().to_vec();
            // A server that says nothing about it keeps connections.
            let keepalive = !matches!(member(options, "keepalive"), Some(ValueRef::Boolean(false)));
            Some(Answer::Helo { nonce: option("nonce"), auth: option("auth"), keepalive })
        }
        (b"PONG", [ValueRef::Boolean(accepted), reason, rest @ ..]) => {
            let text = |index| rest.get(index).and_then(bytes).unwrap_or_default().to_vec();
            let reason = String::from_utf8_lossy(bytes(reason).unwrap_or_default());
            Some(Answer::Pong {
                accepted: *accepted,
                reason: printable(&reason, MAX_QUOTED_CHARS),
                hostname: text(0),
                digest: text(1),
            })
        }
        _ => None,
    }
}

fn member<'v>(value: &'v ValueRef<'_>, name: &str) -> Option<&'v ValueRef<'v>> {
    let ValueRef::Map(members) = value else { return None };
    members.iter().find(|(key, _)| bytes(key) == Some(name.as_bytes())).map(|(_, value)| value)
}

/// Text or bytes: random bytes are one or the other, as servers see fit.
fn bytes<'v>(value: &'v ValueRef<'_>) -> Option<&'v [u8]> {
    match value {
        ValueRef::String(text) => Some(text.as_bytes()),
        ValueRef::Binary(bytes) => Some(bytes),
        _ => None,
    }
}
