//! The file that the ledger is in: whether it is still where it was, and whether it has changed.
//!
//! A file that is deleted or replaced while it is open goes on taking writes that no process will ever read: the next
//! start finds nothing, or another ledger. So the writer checks the path after each commit, before it confirms any
//! write.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{file_id::FileId, ledger::LedgerError};

/// The ledger's file.
#[derive(Debug)]
pub(super) struct LedgerFile {
    path: PathBuf,
    /// As it was before it was opened; `None` if it was not there.
    before: Option<Look>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Look {
    id: FileId,
    /// Every write changes it.
    modified: Option<SystemTime>,
    length: u64,
}

impl LedgerFile {
    /// Looks at the file that is about to be opened.
    pub fn look(path: &Path) -> Self {
        Self { path: path.to_owned(), before: look(path).ok() }
    }

    /// Takes the file as opened.
    ///
    /// # Errors
    ///
    /// When it is another than the one that was looked at.
    pub fn opened(mut self) -> Result<Self, LedgerError> {
        match self.before {
            Some(_) => self.check()?,
            None => self.before = look(&self.path).ok(),
        }
        Ok(self)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes it has.
    pub fn length(&self) -> Option<u64> {
        look(&self.path).ok().map(|look| look.length)
    }

    /// Checks that the path still leads to this file. One `stat`, which costs a thousandth of a commit or less.
    ///
    /// # Errors
    ///
    /// When the file was deleted, moved or replaced, or the path cannot be followed any more.
    pub fn check(&self) -> Result<(), LedgerError> {
        let gone = || LedgerError::Replaced { path: self.path.clone() };
        let before = self.before.ok_or_else(gone)?;
        match look(&self.path) {
            Ok(now) if now.id == before.id => Ok(()),
            Ok(_) => Err(gone()),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Err(gone()),
            Err(error) => Err(LedgerError::from_io(self.path.clone(), error)),
        }
    }

    /// What an error of redb means.
    pub fn failure(&self, error: redb::Error) -> LedgerError {
        self.with_changes(LedgerError::from_redb(self.path.clone(), error))
    }

    /// Says, where the file is damaged, whether it has changed since it was opened.
    pub fn with_changes(&self, error: LedgerError) -> LedgerError {
        match error {
            LedgerError::Corrupt { path, detail, .. } => {
                let changed = self.before.is_none() || look(&self.path).ok() != self.before;
                LedgerError::Corrupt { path, detail, changed }
            }
            other => other,
        }
    }
}

fn look(path: &Path) -> io::Result<Look> {
    let metadata = fs::metadata(path)?;
    Ok(Look { id: FileId::of(&metadata), modified: metadata.modified().ok(), length: metadata.len() })
}
