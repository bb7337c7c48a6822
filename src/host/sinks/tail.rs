//! What a file ends with, and how to put it right before more is appended.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
};

use serde::{Deserialize, de::IgnoredAny};

const CHUNK: usize = 64 * 1024;

/// What follows the last line end of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tail {
    /// Nothing.
    None,
    /// A whole JSON object that lacks its line end only, up to the offset `end`.
    Whole { end: u64 },
    /// The beginning of an object that starts at the offset `start`: what a crash in the middle of a write leaves. As
    /// nothing is acknowledged before its line end is on disk, it was not, and may be cut off.
    Torn { start: u64 },
    /// Something that we have not written, and so not ours to destroy.
    Foreign,
}

impl Tail {
    /// Reads the end of a file. Needs little memory, however long the last line is.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        // Power failures fill up with zeros, on some file systems, what was promised but not written.
        let end = last(file, len, |byte| byte != 0)?.map_or(0, |at| at + 1);
        let start = last(file, end, |byte| byte == b'\n')?.map_or(0, |at| at + 1);
        if start == len {
            return Ok(Self::None);
        }
        match parse(file, start, end, "")? {
            Parsed::Object => Ok(Self::Whole { end }),
            Parsed::Beginning => Ok(Self::Torn { start }),
            // In the middle of a number: the parser wants a digit, and does not say that all it lacks is more text.
            Parsed::Other if matches!(parse(file, start, end, "0")?, Parsed::Beginning) => Ok(Self::Torn { start }),
            Parsed::Other => Ok(Self::Foreign),
        }
    }
}

enum Parsed {
    Object,
    Beginning,
    Other,
}

/// Reads the text from `start` to `end` with `more` after it.
fn parse(mut file: &File, start: u64, end: u64, more: &str) -> io::Result<Parsed> {
    file.seek(SeekFrom::Start(start))?;
    let mut text = BufReader::with_capacity(CHUNK, file.take(end - start).chain(more.as_bytes()));
    if text.fill_buf()?.first() != Some(&b'{') {
        return Ok(Parsed::Other);
    }
    let mut json = serde_json::Deserializer::from_reader(text);
    match IgnoredAny::deserialize(&mut json).and_then(|_| json.end()) {
        Ok(()) => Ok(Parsed::Object),
        Err(error) if error.is_eof() => Ok(Parsed::Beginning),
        Err(error) if error.is_io() => Err(error.into()),
        Err(_) => Ok(Parsed::Other),
    }
}

/// The offset of the last byte before `end` that is `wanted`.
fn last(mut file: &File, mut end: u64, wanted: impl Fn(u8) -> bool) -> io::Result<Option<u64>> {
    let mut chunk = Vec::with_capacity(CHUNK);
    while end > 0 {
        let start = end.saturating_sub(CHUNK as u64);
        file.seek(SeekFrom::Start(start))?;
        chunk.clear();
        file.take(end - start).read_to_end(&mut chunk)?;
        if let Some(at) = chunk.iter().rposition(|byte| wanted(*byte)) {
            return Ok(Some(start + at as u64));
        }
        end = start;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn tail(content: &[u8]) -> Tail {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        Tail::of(&file).unwrap()
    }

    #[test]
    fn a_tail_is_ours_to_cut_only_when_it_is_the_beginning_of_an_object() {
        for (content, expected) in [
            (&b""[..], Tail::None),
            (b"{\"a\":1}\n", Tail::None),
            (b"\n", Tail::None),
            (b"{\"a\":1}", Tail::Whole { end: 7 }),
            (b"{\"a\":1}\n{\"a\":2}", Tail::Whole { end: 15 }),
            (b"{\"a\":1}\n{\"a\":", Tail::Torn { start: 8 }),
            (b"{\"a\":1}\n{", Tail::Torn { start: 8 }),
            (b"{", Tail::Torn { start: 0 }),
            ("{\"a\":\"\u{e9}".as_bytes().split_last().unwrap().1, Tail::Torn { start: 0 }),
            (b"{\"a\":tru", Tail::Torn { start: 0 }),
            (b"{\"a\":\"x\\u00", Tail::Torn { start: 0 }),
            (b"{\"a\":1}\n{\"a\":\"x\0\0\0", Tail::Torn { start: 8 }),
            (b"{\"a\":1}\n{\"a\":2}\0\0", Tail::Whole { end: 15 }),
            (b"{\"a\":1}\n\0\0\0", Tail::Foreign),
            (b"hello", Tail::Foreign),
            (b"{\"a\":1}\nhello {", Tail::Foreign),
            (b"{not json", Tail::Foreign),
            (b"{\"a\":1} and more", Tail::Foreign),
            (b"[1,", Tail::Foreign),
        ] {
            assert_eq!(tail(content), expected, "{}", String::from_utf8_lossy(content));
        }
    }

    #[test]
    fn a_tail_longer_than_a_chunk_is_found() {
        let mut content = b"{}\n{\"a\":\"".to_vec();
        content.resize(CHUNK * 3 + 1, b'x');
        assert_eq!(tail(&content), Tail::Torn { start: 3 });
        content.extend_from_slice(b"\"}");
        assert_eq!(tail(&content), Tail::Whole { end: content.len() as u64 });
    }

    #[test]
    fn every_beginning_of_an_object_is_torn() {
        let record = br#"{"a":[1,-2.5e-3,{"b":null}],"c":"\u00e9 \n x","d":true}"#;
        for len in 1..record.len() {
            assert_eq!(tail(&record[..len]), Tail::Torn { start: 0 }, "{len}");
        }
    }
}
