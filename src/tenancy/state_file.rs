//! The format of an exported state: one JSON object a line. The first names the format, the last marks a complete file.

use std::io::{self, BufRead, Read};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use snafu::{ResultExt, Snafu};

use crate::ledger::Piece;

/// The version of the form. Since 2, it has days that are compared with the audit search, their counts and content, and what has been
/// forgotten: a program that does not know them would take the file for a damaged one.
pub const STATE_VERSION: u64 = 2;

/// The oldest version that can be read.
const OLDEST_VERSION: u64 = 1;

/// No line is longer. Unit: bytes.
const LONGEST_LINE: u64 = 8 * 1024 * 1024;

/// The first line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StateHeader {
    /// The version of the form.
    pub office365_source_state: u64,
    /// The source that it comes from.
    pub source: String,
    /// When.
    pub exported: DateTime<Utc>,
}

/// The last line.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StateEnd {
    /// How many lines are between the first and this one.
    pub pieces: u64,
}

/// What the first line of any version has.
#[derive(Deserialize)]
struct Version {
    office365_source_state: u64,
}

/// A line after the first.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum StateLine {
    End { end: StateEnd },
    Piece(Piece),
}

/// The last line, as it is written.
pub(super) fn end_line(pieces: u64) -> serde_json::Result<String> {
    serde_json::to_string(&StateLine::End { end: StateEnd { pieces } })
}

/// What is wrong with a file of state.
#[derive(Debug, Snafu)]
pub enum StateFileError {
    /// It cannot be read.
    #[snafu(display("cannot be read: {source}"))]
    Read {
        /// Why not.
        source: io::Error,
    },
    /// It is something else.
    #[snafu(display(
        "is no exported state: its first line is not {{\"office365_source_state\": {STATE_VERSION}, …}}; `office365-source state export` \
         writes it"
    ))]
    Foreign,
    /// It is of another version.
    #[snafu(display(
        "is exported state of version {found}, and this program knows versions up to {STATE_VERSION}; import it with the program that \
         wrote it, or a newer one"
    ))]
    Version {
        /// Which.
        found: u64,
    },
    /// A line cannot be read.
    #[snafu(display("line {number}: {problem}; the file was changed or damaged: export again"))]
    Line {
        /// Which, from 1.
        number: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// It has no end.
    #[snafu(display("ends after line {lines} without the line {{\"end\": …}}: it is not whole; export again"))]
    Truncated {
        /// How many lines there are.
        lines: u64,
    },
    /// Lines are missing in the middle, or there are too many.
    #[snafu(display("has {found} lines of state where its last line says {expected}; export again"))]
    Count {
        /// How many there are.
        found: u64,
        /// How many there should be.
        expected: u64,
    },
}

/// Reads a file of state piece by piece.
#[derive(Debug)]
pub(super) struct StateReader<R> {
    input: R,
    /// How many lines have been read.
    lines: u64,
    pub header: StateHeader,
}

impl<R: BufRead> StateReader<R> {
    /// Reads the first line.
    pub fn new(mut input: R) -> Result<Self, StateFileError> {
        let line = line(&mut input)?.ok_or(StateFileError::Foreign)?;
        let version: Version = serde_json::from_slice(&line).map_err(|_| StateFileError::Foreign)?;
        if !(OLDEST_VERSION..=STATE_VERSION).contains(&version.office365_source_state) {
            return VersionSnafu { found: version.office365_source_state }.fail();
        }
        let header = serde_json::from_slice(&line).map_err(|_| StateFileError::Foreign)?;
        Ok(Self { input, lines: 1, header })
    }

    /// The next piece; `None` at the end of a file that is whole.
    pub fn next(&mut self) -> Result<Option<Piece>, StateFileError> {
        let Some(line) = line(&mut self.input)? else { return TruncatedSnafu { lines: self.lines }.fail() };
        let number = self.lines + 1;
        // The end of a line that is cut is the end of the file.
        let is_whole = line.ends_with(b"\n");
        let piece = match serde_json::from_slice(&line) {
            Err(_) if !is_whole && (line.len() as u64) < LONGEST_LINE => {
                return TruncatedSnafu { lines: self.lines }.fail();
            }
            Err(error) => return LineSnafu { number, problem: error.to_string() }.fail(),
            Ok(StateLine::End { end: StateEnd { pieces: expected } }) => {
                let found = self.lines - 1;
                if found != expected {
                    return CountSnafu { found, expected }.fail();
                }
                let problem = "it follows the line that ends the state";
                return match self::line(&mut self.input)? {
                    None => Ok(None),
                    Some(_) => LineSnafu { number: number + 1, problem }.fail(),
                };
            }
            Ok(StateLine::Piece(piece)) => piece,
        };
        if let Some(problem) = piece.problem() {
            return LineSnafu { number, problem }.fail();
        }
        self.lines = number;
        Ok(Some(piece))
    }
}

fn line(input: &mut impl BufRead) -> Result<Option<Vec<u8>>, StateFileError> {
    let mut line = Vec::new();
    input.take(LONGEST_LINE).read_until(b'\n', &mut line).context(ReadSnafu)?;
    Ok((!line.is_empty()).then_some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"{"office365_source_state":2,"source":"m365","exported":"2026-08-01T12:00:00Z"}"#;
    const PIECE: &str = r#"{"delivered":{"day":"2026-08-01","events":["000102030405060708090a0b0c0d0e0f"]}}"#;
    const END: &str = r#"{"end":{"pieces":1}}"#;

    fn read(text: &str) -> Result<usize, StateFileError> {
        let mut reader = StateReader::new(text.as_bytes())?;
        let mut pieces = 0;
        while reader.next()?.is_some() {
            pieces += 1;
        }
        Ok(pieces)
    }

    #[test]
    fn a_whole_file_is_read_and_every_other_is_told() {
        assert_eq!(read(&format!("{HEADER}\n{PIECE}\n{END}\n")).unwrap(), 1);
        assert_eq!(
            read(&format!("{HEADER}\n{PIECE}\n{END}")).unwrap(),
            1,
            "an editor may have cut the last line break"
        );
        for (text, expected) in [
            (String::new(), "is no exported state"),
            ("<html>".to_owned(), "is no exported state"),
            ("{}".to_owned(), "is no exported state"),
            (HEADER.replace(":2,", ":3,"), "is exported state of version 3, and this program knows versions up to 2"),
            (HEADER.replace(":2,", ":0,"), "is exported state of version 0, and this program knows versions up to 2"),
            (HEADER.to_owned(), "ends after line 1 without"),
            (format!("{HEADER}\n{PIECE}\n"), "ends after line 2 without"),
            (format!("{HEADER}\n{PIECE}\n{}", &PIECE[..30]), "ends after line 2 without"),
            (format!("{HEADER}\n{PIECE}\n{{}}\n{END}"), "line 3: "),
            (format!("{HEADER}\n{PIECE}\n{END}\n{PIECE}\n"), "line 4: it follows the line that ends the state"),
            (format!("{HEADER}\n{}\n{END}", PIECE.replace("0f", "0g")), "line 2: "),
            (format!("{HEADER}\n{}\n{END}", PIECE.replace("2026", "0001")), "line 2: a time is before 1970"),
            (format!("{HEADER}\n{END}\n"), "has 0 lines of state where its last line says 1"),
            (format!("{HEADER}\n{PIECE}\n{PIECE}\n{END}\n"), "has 2 lines of state where its last line says 1"),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_file_of_the_version_before_is_read() {
        assert_eq!(read(&format!("{}\n{PIECE}\n{END}\n", HEADER.replace(":2,", ":1,"))).unwrap(), 1);
    }

    #[test]
    fn the_last_line_reads_back() {
        assert_eq!(read(&format!("{HEADER}\n{PIECE}\n{}\n", end_line(1).unwrap())).unwrap(), 1);
    }
}
