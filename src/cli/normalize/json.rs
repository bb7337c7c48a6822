//! Records as JSON: one a line, pretty-printed, in arrays, in pages such as Microsoft Graph's, as JSON in strings, and any of
//! these after another.

use std::mem;

use super::{
    elements::{Elements, Step},
    found::{Found, Place, Problem, Text, line_ends},
    nesting::{Event, Nesting},
};

/// A resumable reader of JSON objects.
#[derive(Debug)]
pub(super) struct JsonReader {
    limit: usize,
    /// The number of the current line.
    line: u64,
    /// How many arrays have begun.
    arrays: u64,
    state: ReaderState,
}

#[derive(Debug)]
enum ReaderState {
    /// Between records and arrays.
    Between,
    Object {
        /// Where it begins.
        line: u64,
        text: Text,
        nesting: Nesting,
    },
    Array {
        elements: Elements,
        /// The object that the array is a member of, if its elements are records and the object is none.
        page: Option<Nesting>,
    },
    /// In a page, after its records.
    PageEnd {
        /// Where its records end.
        line: u64,
        nesting: Nesting,
        length: usize,
    },
    /// In a line of which nothing is expected any more.
    BadLine,
    /// In an object over several lines of which nothing is expected any more. What it holds is indented, or else looks like
    /// the next record.
    BadObject { line_start: bool },
}

impl JsonReader {
    /// A reader that takes records up to `limit` bytes.
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, line: 1, arrays: 0, state: ReaderState::Between }
    }

    /// Reads the next piece of input.
    pub(super) fn feed(&mut self, mut input: &[u8], found: &mut dyn FnMut(Found)) {
        while !input.is_empty() {
            let consumed = self.step(input, found);
            let (part, rest) = input.split_at_checked(consumed).unwrap_or((input, &[]));
            self.line += line_ends(part);
            input = rest;
        }
    }

    /// Says what the end of the input leaves unfinished.
    pub(super) fn finish(self, found: &mut dyn FnMut(Found)) {
        match self.state {
            ReaderState::Between | ReaderState::BadLine | ReaderState::BadObject { .. } => {}
            ReaderState::Object { line, .. } => found(Found::bad(Place::Line(line), Problem::Truncated)),
            ReaderState::Array { elements, .. } => found(elements.truncated()),
            ReaderState::PageEnd { .. } => found(Found::bad(Place::Line(self.line), Problem::TruncatedArray)),
        }
    }

    /// Consumes a part of the input and returns how many bytes that is: at least one, or the state is another.
    fn step(&mut self, input: &[u8], found: &mut dyn FnMut(Found)) -> usize {
        match &mut self.state {
            ReaderState::Between => self.between(input, found),
            ReaderState::Object { .. } => self.object(input, found),
            ReaderState::Array { elements, page } => {
                let (consumed, step) = elements.step(input);
                match step {
                    Step::Element(element) => found(element),
                    Step::More => {}
                    Step::End => {
                        self.state = match page.take() {
                            Some(mut nesting) => {
                                nesting.leave_array();
                                let line = self.line + line_ends(input.get(..consumed).unwrap_or(input));
                                ReaderState::PageEnd { line, nesting, length: 0 }
                            }
                            None => ReaderState::Between,
                        };
                    }
                }
                consumed
            }
            ReaderState::PageEnd { .. } => self.page_end(input, found),
            ReaderState::BadLine => match memchr::memchr(b'\n', input) {
                Some(at) => {
                    self.state = ReaderState::Between;
                    at + 1
                }
                None => input.len(),
            },
            ReaderState::BadObject { line_start: true } if matches!(input.first(), Some(b'{' | b'[')) => {
                self.state = ReaderState::Between;
                0
            }
            ReaderState::BadObject { line_start } => {
                let end = memchr::memchr(b'\n', input);
                *line_start = end.is_some();
                end.map_or(input.len(), |at| at + 1)
            }
        }
    }

    fn between(&mut self, input: &[u8], found: &mut dyn FnMut(Found)) -> usize {
        // Files that were put together have byte order marks within, and parts of arrays commas after the records.
        let ignored = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | 0xef | 0xbb | 0xbf);
        let (at, byte) = match input.iter().enumerate().find(|(_, byte)| !ignored(byte)) {
            Some((at, byte)) => (at, *byte),
            None => return input.len(),
        };
        let line = self.line + line_ends(input.get(..at).unwrap_or_default());
        match byte {
            // A string may hold the JSON of one.
            b'{' | b'"' => {
                self.state = ReaderState::Object { line, text: Text::new(self.limit), nesting: Nesting::default() };
                at
            }
            b'[' => {
                self.state = ReaderState::Array { elements: self.elements(), page: None };
                at + 1
            }
            _ => {
                found(Found::bad(Place::Line(line), Problem::NotJson));
                self.state = ReaderState::BadLine;
                at
            }
        }
    }

    fn object(&mut self, input: &[u8], found: &mut dyn FnMut(Found)) -> usize {
        let ReaderState::Object { line, text, nesting } = &mut self.state else { return 0 };
        let input = text.portion(input);
        let (consumed, event) = nesting.next(input);
        let part = input.get(..consumed).unwrap_or(input);
        text.push(part);
        let place = Place::Line(*line);
        let is_one_line = last_line(self.line, part) == *line;
        let (problem, next) = match event {
            Some(Event::Closed) if is_other_string(text.as_bytes()) => (Problem::NotJson, ReaderState::BadLine),
            Some(Event::Closed) => {
                found(Found::json(place, text.take()));
                self.state = ReaderState::Between;
                return consumed;
            }
            Some(Event::Array) if !text.is_too_large() => {
                let page = Some(mem::take(nesting));
                self.state = ReaderState::Array { elements: self.elements(), page };
                return consumed;
            }
            Some(Event::Misplaced) => (Problem::Unfinished, ReaderState::Between),
            Some(Event::BrokenString) if is_one_line => (Problem::BrokenString, ReaderState::Between),
            Some(Event::BrokenString) => (Problem::BrokenString, ReaderState::BadObject { line_start: true }),
            None if !text.is_too_large() => return consumed,
            Some(Event::Array) | None if is_one_line && !part.ends_with(b"\n") => {
                (Problem::TooLarge { limit: self.limit }, ReaderState::BadLine)
            }
            Some(Event::Array) | None => {
                let line_start = part.ends_with(b"\n");
                (Problem::TooLarge { limit: self.limit }, ReaderState::BadObject { line_start })
            }
        };
        found(Found::bad(place, problem));
        self.state = next;
        consumed
    }

    fn page_end(&mut self, input: &[u8], found: &mut dyn FnMut(Found)) -> usize {
        let ReaderState::PageEnd { line, nesting, length } = &mut self.state else { return 0 };
        let records_end = *line;
        let room = self.limit.saturating_add(1).saturating_sub(*length);
        let (consumed, event) = nesting.next(input.get(..room).unwrap_or(input));
        *length += consumed;
        let is_too_large = *length > self.limit;
        let part = input.get(..consumed).unwrap_or(input);
        let (problem, next) = match event {
            Some(Event::Closed) => {
                self.state = ReaderState::Between;
                return consumed;
            }
            Some(Event::Array) if !is_too_large => {
                let page = Some(mem::take(nesting));
                self.state = ReaderState::Array { elements: self.elements(), page };
                return consumed;
            }
            Some(Event::Misplaced) => (Problem::Unfinished, ReaderState::Between),
            Some(Event::BrokenString) => (Problem::BrokenString, ReaderState::BadObject { line_start: true }),
            Some(Event::Array) | None if is_too_large => {
                let line_start = part.ends_with(b"\n");
                (Problem::TooLarge { limit: self.limit }, ReaderState::BadObject { line_start })
            }
            Some(Event::Array) | None => return consumed,
        };
        // Where the next one begins depends on how the input is cut; where the records end does not.
        let line = if matches!(problem, Problem::Unfinished) { records_end } else { last_line(self.line, part) };
        found(Found::bad(Place::Line(line), problem));
        self.state = next;
        consumed
    }

    fn elements(&mut self) -> Elements {
        self.arrays += 1;
        Elements::new(self.arrays, self.limit)
    }
}

/// The line of the last byte of a part that begins on the line `first`.
fn last_line(first: u64, part: &[u8]) -> u64 {
    // A line end belongs to the line it ends.
    first + line_ends(part.strip_suffix(b"\n").unwrap_or(part))
}

/// Whether this is a string in which no JSON begins, such as a row of a table.
fn is_other_string(text: &[u8]) -> bool {
    let Some(inner) = text.strip_prefix(b"\"") else { return false };
    !matches!(inner.trim_ascii_start().first(), Some(b'{' | b'[' | b'\\'))
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
