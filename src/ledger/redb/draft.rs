//! A ledger that is filled under another name, and takes its place when it is complete.

use std::{fs, io, path::Path};

use chrono::TimeDelta;
use tempfile::TempDir;

use super::{FILE, RedbLedger, open};
use crate::ledger::LedgerError;

/// A ledger that is not visible yet. Dropped before it is complete, it leaves nothing behind.
#[derive(Debug)]
pub struct DraftLedger {
    ledger: RedbLedger,
    directory: TempDir,
}

impl DraftLedger {
    /// Begins a ledger for `directory`, in which there must be none.
    ///
    /// # Errors
    ///
    /// When there is one, or the directory cannot be written.
    pub async fn begin(directory: &Path) -> Result<Self, LedgerError> {
        let path = directory.join(FILE);
        if path.try_exists().map_err(|error| LedgerError::from_io(path.clone(), error))? {
            return Err(LedgerError::Exists { path });
        }
        let draft = TempDir::with_prefix_in("import-", directory).map_err(|error| LedgerError::from_io(path, error))?;
        Ok(Self { ledger: RedbLedger::open(draft.path(), TimeDelta::MAX).await?, directory: draft })
    }

    /// Where to put what it is to hold.
    pub const fn ledger(&self) -> &RedbLedger {
        &self.ledger
    }

    /// Makes it the ledger of `directory`. Everything in it is on disk.
    ///
    /// # Errors
    ///
    /// When there is one by now, or the directory cannot be written.
    pub fn finish(self, directory: &Path) -> Result<(), LedgerError> {
        let (draft, path) = (self.directory.path().join(FILE), directory.join(FILE));
        match open::place(&draft, &path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(LedgerError::Exists { path }),
            Err(error) => Err(LedgerError::from_io(path, error)),
            Ok(()) => {
                open::make_durable(&path);
                // What is left there is a second name at the most.
                let _ = fs::remove_file(&draft);
                Ok(())
            }
        }
    }
}
