//! The embedded ledger: one redb file.

mod counts;
mod coverage;
mod cursors;
mod days;
mod draft;
mod events;
mod file;
mod forgotten;
mod held;
mod intake;
mod open;
#[cfg(feature = "nats")]
mod pieces;
mod queue;
mod recent;
mod rows;
mod subscriptions;
mod tables;
mod tenants;
mod transfer;
mod upkeep;
mod writer;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use redb::{Database, ReadTransaction, ReadableDatabase};
use tracing::Span;

pub use self::draft::DraftLedger;
use self::{cursors::Cursors, file::LedgerFile, held::Held, recent::RecentEvents, writer::Writer};
use super::{IdRetention, LedgerError};
use crate::expected_panic::expecting;

const FILE: &str = "ledger.redb";

/// How long an open waits for another holder to let go.
const REOPEN_ATTEMPTS: u32 = 10;
const REOPEN_PAUSE: Duration = Duration::from_millis(100);

/// How long what a copy has may stay off the disk.
#[cfg(feature = "nats")]
const COPY_MAY_LOSE: Duration = Duration::from_secs(1);

/// A [`Ledger`](super::Ledger) in one file of the data directory. One process at a time has it.
#[derive(Debug)]
pub struct RedbLedger {
    database: Arc<Database>,
    writer: Writer,
    file: Arc<LedgerFile>,
    held: Arc<Held>,
    cursors: Arc<Cursors>,
    recent: Arc<RecentEvents>,
    /// Held while events are moved to their tables.
    moving: tokio::sync::Mutex<()>,
    retention: IdRetention,
}

impl RedbLedger {
    /// Opens the ledger in `directory`, or starts one there. Events are recognised as delivered for `dedupe_window` after
    /// they were (up to a day longer).
    ///
    /// # Errors
    ///
    /// When another process has it, when it is damaged (it is left as it is), or when the directory cannot be written.
    pub async fn open(directory: &Path, retention: impl Into<IdRetention>) -> Result<Self, LedgerError> {
        Self::open_that(Duration::ZERO, directory, retention.into()).await
    }

    /// Starts one in `directory`, where there must be none, that copies what is kept elsewhere: it does not wait for the disk, and a
    /// crash takes what was written last.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    #[cfg(feature = "nats")]
    pub async fn start_copy(directory: &Path, retention: IdRetention) -> Result<Self, LedgerError> {
        Self::open_that(COPY_MAY_LOSE, directory, retention).await
    }

    async fn open_that(may_lose: Duration, directory: &Path, retention: IdRetention) -> Result<Self, LedgerError> {
        let path = directory.join(FILE);
        let mut attempt = 0;
        let (opened, file) = loop {
            let file = LedgerFile::look(&path);
            let (path, span) = (path.clone(), Span::current());
            let opened =
                tokio::task::spawn_blocking(move || span.in_scope(|| expecting(|| open::open_or_create(&path)))).await;
            match opened.unwrap_or_else(|join| Err(writer::from_panic(&file, join))) {
                // When a pipeline reloads, the previous source of this very process may not have released it yet.
                Err(LedgerError::InUse { .. }) if attempt < REOPEN_ATTEMPTS => {
                    attempt += 1;
                    tokio::time::sleep(REOPEN_PAUSE).await;
                }
                opened => break (opened.map_err(|error| file.with_changes(error))?, file.opened()?),
            }
        };
        let open::Opened { database, cursors, recent } = opened;
        let (database, cursors, file) = (Arc::new(database), Arc::new(cursors), Arc::new(file));
        let writer = Writer::start(may_lose, Arc::clone(&database), Arc::clone(&file), Arc::clone(&cursors));
        let ledger = Self {
            database,
            writer,
            file,
            held: Arc::default(),
            cursors,
            recent: Arc::new(recent),
            moving: tokio::sync::Mutex::default(),
            retention,
        };
        ledger.make_filters();
        Ok(ledger)
    }

    /// Makes the filters in the background. What fails there fails again, and is reported, when the tables are asked.
    fn make_filters(&self) {
        if !self.recent.lacks_filters() {
            return;
        }
        let (database, recent) = (Arc::clone(&self.database), Arc::downgrade(&self.recent));
        drop(tokio::task::spawn_blocking(move || expecting(|| events::make_filters(&database, &recent))));
    }

    fn recent(&self) -> Arc<RecentEvents> {
        Arc::clone(&self.recent)
    }

    /// Whether there is a ledger in `directory`, for a caller that must not start one.
    pub fn exists(directory: &Path) -> bool {
        directory.join(FILE).exists()
    }

    /// Fails if another process has the ledger in `directory`. What else is wrong with it is for those to say who need it.
    ///
    /// # Errors
    ///
    /// [`LedgerError::InUse`]
    pub async fn check_unused(directory: &Path, retention: impl Into<IdRetention>) -> Result<(), LedgerError> {
        if !Self::exists(directory) {
            return Ok(());
        }
        match Self::open(directory, retention).await {
            Err(error @ LedgerError::InUse { .. }) => Err(error),
            _ => Ok(()),
        }
    }

    /// Gives the ledger in `directory` another name, so that no source goes on with it. On failure, says which file it is.
    ///
    /// # Errors
    ///
    /// When the file cannot be renamed.
    pub fn put_aside(directory: &Path) -> Result<(), (PathBuf, io::Error)> {
        let path = directory.join(FILE);
        fs::rename(&path, path.with_extension("redb.moved")).map_err(|error| (path, error))
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let database = Arc::clone(&self.database);
        let read = tokio::task::spawn_blocking(move || expecting(|| work(&database.begin_read()?)));
        match read.await {
            Ok(result) => result.map_err(|error| self.writer.failed(self.file.failure(error))),
            Err(join) => Err(self.writer.failed(writer::from_panic(&self.file, join))),
        }
    }

    fn held(&self) -> Arc<Held> {
        Arc::clone(&self.held)
    }
}

#[cfg(test)]
mod tests;
