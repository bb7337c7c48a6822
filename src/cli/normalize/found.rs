//! What readers of input find.

use std::{fmt, mem};

use bytes::Bytes;
use snafu::Snafu;

use crate::component::InvalidRecord;

/// A record, or what stands in the place of one.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) place: Place,
    /// Text that should be JSON with a record in it.
    pub(super) text: Result<Bytes, Problem>,
    /// Whether it was made of a row of a table, so that everything in it is text.
    pub(super) is_row: bool,
}

/// Where in the input something was found. Numbers are from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// The input as a whole.
    Input,
    /// The line where it begins.
    Line(u64),
    /// An element of one of the input's arrays.
    Element { array: u64, element: u64 },
}

/// Why there is no record. Says nothing about the content of the input: it may be confidential.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub(super) enum Problem {
    #[snafu(display("the input is compressed ({format}); unpack it first"))]
    Compressed { format: &'static str },
    #[snafu(display(
        "neither a JSON object nor an array of them, and there is no CSV header with a column AuditData or with the members of \
         records"
    ))]
    NotJson,
    #[snafu(display("neither an audit record nor an object that holds one"))]
    NoRecord,
    #[snafu(display("{place}{source}"))]
    Within { place: Place, source: Box<Problem> },
    #[snafu(display("the record has a line break within a string"))]
    BrokenString,
    #[snafu(display("the record has no end before the next one begins"))]
    Unfinished,
    #[snafu(display("the input ends in the middle of the record"))]
    Truncated,
    #[snafu(display("the input ends in the middle of the array"))]
    TruncatedArray,
    #[snafu(display("the record has more than {limit} bytes"))]
    TooLarge { limit: usize },
    #[snafu(display("the row has no column AuditData"))]
    NoCell,
    #[snafu(display("{source}"))]
    Invalid { source: InvalidRecord },
    #[snafu(display("AuditData: {source}"))]
    AuditData { source: InvalidRecord },
    #[snafu(display("AuditData is neither an object nor a string"))]
    AuditDataKind,
    #[snafu(display("AuditData holds no record, and what stands beside it makes none"))]
    AuditDataEmpty,
    #[snafu(display("AuditData has lost its structure in PowerShell; export it again with ConvertTo-Json -Depth 100"))]
    AuditDataFlattened,
    #[snafu(display(
        "the record was cut after 32767 characters, as Excel does; use the export as it was before Excel saved it"
    ))]
    CutByExcel,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input => Ok(()),
            Self::Line(line) => write!(f, "line {line}: "),
            Self::Element { array: 1, element } => write!(f, "element {element}: "),
            Self::Element { array, element } => write!(f, "array {array}, element {element}: "),
        }
    }
}

impl Found {
    pub(super) const fn json(place: Place, text: Result<Bytes, Problem>) -> Self {
        Self { place, text, is_row: false }
    }

    pub(super) const fn row(place: Place, text: Result<Bytes, Problem>) -> Self {
        Self { place, text, is_row: true }
    }

    pub(super) const fn bad(place: Place, problem: Problem) -> Self {
        Self::json(place, Err(problem))
    }
}

/// The text of one record while it comes in: never more than a limit.
#[derive(Debug)]
pub(super) struct Text {
    bytes: Vec<u8>,
    limit: usize,
    too_large: bool,
}

impl Text {
    pub(super) const fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, too_large: false }
    }

    pub(super) fn push(&mut self, part: &[u8]) {
        if self.too_large || self.bytes.len() + part.len() > self.limit {
            self.too_large = true;
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(part);
        }
    }

    pub(super) const fn is_too_large(&self) -> bool {
        self.too_large
    }

    /// As much of `input` as is needed to know whether the text becomes too large. So the result does not depend on how
    /// the input is cut into pieces.
    pub(super) fn portion<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        input.get(..self.limit.saturating_add(1).saturating_sub(self.bytes.len())).unwrap_or(input)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The text, unless there was too much of it. The next text begins empty.
    pub(super) fn take(&mut self) -> Result<Bytes, Problem> {
        let bytes = mem::take(&mut self.bytes);
        if mem::take(&mut self.too_large) { Err(Problem::TooLarge { limit: self.limit }) } else { Ok(bytes.into()) }
    }
}

/// How many lines end in `part`.
pub(super) fn line_ends(part: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', part).count() as u64
}
