//! The state of a source on its way to another machine.

use std::{
    io::{self, BufRead},
    path::Path,
};

use chrono::Utc;
use snafu::{ResultExt, Snafu};

use super::{
    Answer, AskError, Connection, Question, UNEXPECTED,
    state_file::{STATE_VERSION, StateFileError, StateHeader, StateReader, end_line},
};
use crate::ledger::{DraftLedger, ExportPosition, LedgerError, Piece, Transfer};

/// Pieces that are put into a ledger at a time.
const PIECES: usize = 200;

/// Why state was not exported.
#[derive(Debug, Snafu)]
pub enum ExportError {
    /// The source does not answer.
    #[snafu(display("{source}"), context(false))]
    Ask {
        /// Why not.
        source: AskError,
    },
    /// It refuses.
    #[snafu(display("{problem}"))]
    Refused {
        /// Why.
        problem: String,
    },
    /// It is of another version.
    #[snafu(display("{UNEXPECTED}"))]
    Unexpected,
    /// The state cannot be written.
    #[snafu(display("cannot be written: {source}"))]
    Write {
        /// Why not.
        source: io::Error,
    },
}

/// Why state was not imported. Nothing was changed.
#[derive(Debug, Snafu)]
pub enum ImportError {
    /// The file cannot be used.
    #[snafu(display("{source}"), context(false))]
    File {
        /// Why not.
        source: StateFileError,
    },
    /// The ledger cannot be made.
    #[snafu(display("{source}"), context(false))]
    Ledger {
        /// Why not.
        source: LedgerError,
    },
}

/// What an import has brought.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Imported {
    /// From which source, and when it was exported.
    pub header: StateHeader,
    /// Tenants that registered, or whose domain was set.
    pub tenants: u64,
    /// Feeds.
    pub feeds: u64,
    /// Blobs: pending, done and dead.
    pub content: u64,
    /// Ids of delivered events.
    pub events: u64,
}

/// Exports the state of a source line by line; `write` gets a line without its end. Returns how many pieces there were.
///
/// # Errors
///
/// When the source does not answer, or `write` fails.
pub async fn export_state(
    connection: &mut Connection<'_>,
    mut write: impl FnMut(&str) -> io::Result<()>,
) -> Result<u64, ExportError> {
    let json = |line: serde_json::Result<String>| line.map_err(io::Error::other).context(WriteSnafu);
    let (mut pieces, mut has_begun, mut from) = (0, false, Some(ExportPosition::default()));
    let source = connection.name().to_owned();
    while let Some(position) = from {
        let page = match connection.ask(&Question::Export { from: position }).await?.answer {
            Answer::Exported { page } => page,
            Answer::Refused { problem } => return RefusedSnafu { problem }.fail(),
            _ => return UnexpectedSnafu.fail(),
        };
        // After the first answer, so that a source that refuses leaves nothing that looks like an export.
        if !has_begun {
            has_begun = true;
            let header =
                StateHeader { office365_source_state: STATE_VERSION, source: source.clone(), exported: Utc::now() };
            write(&json(serde_json::to_string(&header))?).context(WriteSnafu)?;
        }
        for piece in &page.pieces {
            write(&json(serde_json::to_string(piece))?).context(WriteSnafu)?;
            pieces += 1;
        }
        from = page.next;
    }
    write(&json(end_line(pieces))?).context(WriteSnafu)?;
    Ok(pieces)
}

/// Makes a ledger in `directory` of exported state. The ledger is not there until the file has been read to its end.
///
/// # Errors
///
/// When there is a ledger, or the file cannot be used.
pub async fn import_state(directory: &Path, input: impl BufRead) -> Result<Imported, ImportError> {
    let draft = DraftLedger::begin(directory).await?;
    let mut reader = StateReader::new(input)?;
    let header = reader.header.clone();
    let mut imported = Imported { header, tenants: 0, feeds: 0, content: 0, events: 0 };
    let mut waiting = Vec::new();
    loop {
        let piece = reader.next()?;
        let is_last = piece.is_none();
        if let Some(piece) = piece {
            match &piece {
                Piece::Tenant(_) => imported.tenants += 1,
                Piece::Feed(_) => imported.feeds += 1,
                Piece::Content(_) => imported.content += 1,
                Piece::Delivered(delivered) => imported.events += delivered.events.len() as u64,
            }
            waiting.push(piece);
        }
        if waiting.len() == PIECES || (is_last && !waiting.is_empty()) {
            draft.ledger().import(std::mem::take(&mut waiting)).await?;
        }
        if is_last {
            draft.finish(directory)?;
            return Ok(imported);
        }
    }
}
