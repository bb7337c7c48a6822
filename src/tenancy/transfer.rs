//! The state of a source on its way to another machine.

use std::{
    io::{self, BufRead},
    path::Path,
};

use chrono::{NaiveDate, Utc};
use snafu::{ResultExt, Snafu};

use super::{
    Answer, AskError, Connection, Question, UNEXPECTED,
    state_file::{STATE_VERSION, StateFileError, StateHeader, StateReader, end_line},
};
use crate::ledger::{DeliveredRecord, DraftLedger, ExportPosition, LedgerError, Piece, Transfer};

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
    let mut unknown = Unknown::new(&imported.header);
    loop {
        let piece = reader.next()?;
        let is_last = piece.is_none();
        if let Some(piece) = piece {
            unknown.learn(&piece);
            match &piece {
                Piece::Tenant(_) => imported.tenants += 1,
                Piece::Feed(_) => imported.feeds += 1,
                Piece::Content(_) => imported.content += 1,
                Piece::Delivered(delivered) => imported.events += delivered.events.len() as u64,
                Piece::Queries { .. } | Piece::Day(_) | Piece::DeliveredCount { .. } | Piece::Forgotten { .. } => {}
            }
            waiting.push(piece);
        } else {
            waiting.extend(unknown.forgotten());
        }
        if waiting.len() >= PIECES || (is_last && !waiting.is_empty()) {
            draft.ledger().import(std::mem::take(&mut waiting)).await?;
        }
        if is_last {
            draft.finish(directory)?;
            return Ok(imported);
        }
    }
}

/// What state does not say that was exported by a version which did not know which ids of delivered events it had forgotten.
struct Unknown {
    /// The state says it.
    is_told: bool,
    has_listed: bool,
    /// The first day of which there are ids.
    first: Option<NaiveDate>,
    exported: NaiveDate,
}

impl Unknown {
    fn new(header: &StateHeader) -> Self {
        Self { is_told: false, has_listed: false, first: None, exported: header.exported.date_naive() }
    }

    fn learn(&mut self, piece: &Piece) {
        match piece {
            Piece::Forgotten { .. } => self.is_told = true,
            Piece::Feed(_) => self.has_listed = true,
            Piece::Delivered(DeliveredRecord { day, .. }) => {
                self.first = self.first.into_iter().chain([*day]).min();
            }
            _ => {}
        }
    }

    /// What may have been forgotten, as a ledger of such a version has it when it is opened: all before the first day that is there,
    /// and all to the day of the export when there is none.
    fn forgotten(&self) -> Option<Piece> {
        let before = self.first.or_else(|| self.has_listed.then_some(self.exported));
        before.filter(|_| !self.is_told).map(|before| Piece::Forgotten { before: Some(before) })
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::ledger::{CoverageStore, RedbLedger};

    const FEED: &str = r#"{"feed":{"tenant":"00000000-0000-0000-0000-000000000001","content_type":"Audit.Exchange","listed_through":"2026-08-01T11:00:00Z","reconciled_at":null}}"#;
    const IDS: &str = r#"{"delivered":{"day":"2026-07-28","events":["000102030405060708090a0b0c0d0e0f"]}}"#;
    const LATER_IDS: &str = r#"{"delivered":{"day":"2026-07-30","events":["000102030405060708090a0b0c0d0e10"]}}"#;
    const NONE: &str = r#"{"forgotten":{"before":null}}"#;
    const SOME: &str = r#"{"forgotten":{"before":"2026-07-20"}}"#;

    /// What an imported ledger says of the ids that were forgotten.
    async fn forgotten(version: u64, lines: &[&str]) -> Option<NaiveDate> {
        let header =
            format!(r#"{{"office365_source_state":{version},"source":"m365","exported":"2026-08-01T12:00:00Z"}}"#);
        let text = format!("{header}\n{}\n{}\n", lines.join("\n"), end_line(lines.len() as u64).unwrap());
        let directory = tempfile::tempdir().unwrap();
        import_state(directory.path(), text.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
        let ledger = RedbLedger::open(directory.path(), TimeDelta::days(7)).await.unwrap();
        ledger.ids_forgotten_before().await.unwrap()
    }

    #[tokio::test]
    async fn state_that_does_not_say_what_was_forgotten_is_not_taken_for_complete() {
        let day = |day| NaiveDate::from_ymd_opt(2026, 7, day);
        assert_eq!(forgotten(1, &[FEED, IDS, LATER_IDS]).await, day(28));
        assert_eq!(forgotten(1, &[FEED]).await, NaiveDate::from_ymd_opt(2026, 8, 1));
        // A program of this version has asked a source of the version before, which was running.
        assert_eq!(forgotten(2, &[FEED, IDS]).await, day(28));
        assert_eq!(forgotten(2, &[FEED, IDS, SOME]).await, day(20));
        assert_eq!(forgotten(2, &[FEED, IDS, NONE]).await, None);
    }
}
