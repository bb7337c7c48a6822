//! One input, whatever its form: finds out which it is and has it read.

use std::mem;

use super::{
    encoding::Decoder,
    export::ExportReader,
    found::{Found, Place, Problem, line_ends},
    json::JsonReader,
};

/// How much of the input may go by before its form is known, in bytes: more than the header of an export has.
const MAX_HEAD: usize = 64 << 10;

/// Marks of compressed files, for downloads that are passed in as they are.
const COMPRESSED: [(&[u8], &str); 5] = [
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "ZIP or Excel"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
];

/// A resumable reader of one input. What it holds is bounded by the largest record, and by the size of a piece.
#[derive(Debug)]
pub(super) struct Input {
    decoder: Decoder,
    limit: usize,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// What has come so far does not decide it.
    Unknown(Vec<u8>),
    Json(JsonReader),
    Export(Box<ExportReader>),
    /// It was said; the rest is ignored.
    Unreadable,
}

impl Input {
    /// A reader that takes records up to `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { decoder: Decoder::default(), limit, form: Form::Unknown(Vec::new()) }
    }

    /// Reads the next piece and shows `found` every record that ends in it, and what should be one.
    pub(super) fn feed(&mut self, piece: &[u8], found: &mut dyn FnMut(Found)) {
        let text = self.decoder.decode(piece);
        match &mut self.form {
            Form::Unknown(head) => {
                head.extend_from_slice(&text);
                let is_enough = head.len() >= MAX_HEAD;
                self.recognise(is_enough, found);
            }
            form => form.feed(&text, found),
        }
    }

    /// Reads the end of the input.
    pub(super) fn finish(mut self, found: &mut dyn FnMut(Found)) {
        let rest = self.decoder.finish();
        match &mut self.form {
            Form::Unknown(head) => {
                head.extend_from_slice(&rest);
                self.recognise(true, found);
            }
            form => form.feed(&rest, found),
        }
        match self.form {
            Form::Json(reader) => reader.finish(found),
            Form::Export(reader) => reader.finish(found),
            Form::Unknown(_) | Form::Unreadable => {}
        }
    }

    /// Finds the form if the head shows it, or if there will be no more of it, and reads the head in this form.
    fn recognise(&mut self, is_all: bool, found: &mut dyn FnMut(Found)) {
        let Form::Unknown(head) = &mut self.form else { return };
        if let Some((form, read)) = Form::of(head, is_all, self.limit, found) {
            let head = mem::take(head);
            self.form = form;
            self.form.feed(head.get(read..).unwrap_or_default(), found);
        }
    }
}

/// Where the first line ends: at its line feed, or at a carriage return without one, as Excel for the Mac writes it. Whether one follows
/// the last byte, only the next piece shows.
fn line_end(text: &[u8], is_all: bool) -> Option<usize> {
    let at = memchr::memchr2(b'\n', b'\r', text)?;
    match (text.get(at), text.get(at + 1)) {
        (Some(b'\r'), Some(b'\n')) => Some(at + 1),
        (Some(b'\r'), None) if !is_all => None,
        _ => Some(at),
    }
}

impl Form {
    /// The form of an input with this head, and how much of the head has been read by that.
    fn of(head: &[u8], is_all: bool, limit: usize, found: &mut dyn FnMut(Found)) -> Option<(Self, usize)> {
        if let Some((_, format)) = COMPRESSED.iter().find(|(mark, _)| head.starts_with(mark)) {
            found(Found::bad(Place::Input, Problem::Compressed { format }));
            return Some((Self::Unreadable, 0));
        }
        let mut at = 0;
        loop {
            let rest = head.get(at..).unwrap_or_default();
            let blank = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, 0xef | 0xbb | 0xbf);
            at += rest.iter().take_while(|byte| blank(byte)).count();
            let rest = head.get(at..).unwrap_or_default();
            let end = line_end(rest, is_all);
            let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            let next = at + line.len() + usize::from(end.is_some());
            if rest.starts_with(b"{") || rest.starts_with(b"[") || is_json_text(rest) {
                return Some((Self::Json(JsonReader::new(limit)), 0));
            } else if end.is_none() && !is_all {
                return None;
            } else if end.is_some() && is_preamble(line) {
                at = next;
                continue;
            }
            let lines = 1 + line_ends(head.get(..next).unwrap_or_default());
            return Some(match ExportReader::with_header(line, lines, limit) {
                Some(reader) => (Self::Export(Box::new(reader)), next),
                // Every line of it will be reported.
                None => (Self::Json(JsonReader::new(limit)), 0),
            });
        }
    }

    fn feed(&mut self, text: &[u8], found: &mut dyn FnMut(Found)) {
        match self {
            Self::Json(reader) => reader.feed(text, found),
            Self::Export(reader) => reader.feed(text, found),
            Self::Unknown(_) | Self::Unreadable => {}
        }
    }
}

/// Whether JSON in a string begins here, and not the quoted name of a column.
fn is_json_text(text: &[u8]) -> bool {
    text.strip_prefix(b"\"").is_some_and(|inner| matches!(inner.trim_ascii_start().first(), Some(b'{' | b'[' | b'\\')))
}

/// Lines before the header: Windows PowerShell's `Export-Csv` writes the type, and Excel reads the delimiter from one.
fn is_preamble(line: &[u8]) -> bool {
    line.starts_with(b"#TYPE") || line.starts_with(b"sep=")
}

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
