//! What can go wrong with the ledger, and what an administrator does about it.

use std::{io, path::PathBuf, sync::Arc};

use snafu::Snafu;

#[cfg(feature = "nats")]
use super::nats::NatsError;

/// The ledger cannot be used, or no longer.
///
/// Cheap to clone: one failed write fails everything that waits for it.
#[derive(Clone, Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub enum LedgerError {
    /// Another process has it.
    #[snafu(display(
        "data_dir: the ledger {} is in use by another process; stop the other office365-source (or pipeline) first, wait for the end of a \
         `verify` or `backfill`, or give this one a data_dir of its own",
        path.display()
    ))]
    InUse {
        /// The ledger file.
        path: PathBuf,
    },
    /// It cannot be read as a ledger.
    #[snafu(display(
        "data_dir: the ledger {} is damaged: {detail}. {} Restore it from a backup, or move it away to start over: the \
         source then collects again as far back as start_from says, up to 7 days, and sends again what it had sent",
        path.display(),
        if *changed { "The file has changed since it was opened." } else { "Nothing was changed." }
    ))]
    Corrupt {
        /// The ledger file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
        /// Whether anything was written to the file after it was opened and before the damage was met.
        changed: bool,
    },
    /// Its path leads to another file than the one that is open, or nowhere.
    #[snafu(display(
        "data_dir: the ledger {} was deleted, moved or replaced while this program used it, and what is written to it now \
         would not be there at the next start. Nothing counts as done that was written after that. If it was moved, stop this \
         program first and move it back; if another ledger was put there, see that it is the right one. Then start again: \
         without a ledger the source collects again as far back as start_from says, and sends again what it had sent",
        path.display()
    ))]
    Replaced {
        /// The ledger file.
        path: PathBuf,
    },
    /// There is one where a new one was to be.
    #[snafu(display(
        "data_dir: there is a ledger already, {}; state is imported into a new ledger only. Stop the source, if it runs, move the file \
         away, and import again",
        path.display()
    ))]
    Exists {
        /// The ledger file.
        path: PathBuf,
    },
    /// It was written by a newer version.
    #[snafu(display(
        "data_dir: the ledger {} has format {found}, this version knows formats up to {known}; use the newer \
         office365-source that wrote it",
        path.display()
    ))]
    TooNew {
        /// The ledger file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest format this version knows.
        known: u64,
    },
    /// There is no room.
    #[snafu(display(
        "data_dir: no space left for the ledger {}; free some space (or raise the limit of the size of files) and start again: nothing is lost",
        path.display()
    ))]
    DiskFull {
        /// The ledger file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[snafu(display("data_dir: cannot use the ledger {}: {source}; check the directory's owner and permissions and the disk", path.display()))]
    Io {
        /// The ledger file.
        path: PathBuf,
        /// What it said.
        source: Arc<io::Error>,
    },
    /// This program used it wrongly.
    #[snafu(display(
        "the ledger {} was used in a way that it does not allow: {detail}. Nothing is lost; please report this",
        path.display()
    ))]
    Defect {
        /// The ledger file.
        path: PathBuf,
        /// What redb said.
        detail: String,
    },
    /// The state that several collectors share cannot be used.
    #[cfg(feature = "nats")]
    #[snafu(display("{source}"))]
    Nats {
        /// Why.
        source: Arc<NatsError>,
    },
    /// The runtime is shutting down.
    #[snafu(display("the ledger {} has been closed", path.display()))]
    Closed {
        /// The ledger file.
        path: PathBuf,
    },
}

#[cfg(feature = "nats")]
impl From<NatsError> for LedgerError {
    fn from(error: NatsError) -> Self {
        Self::Nats { source: Arc::new(error) }
    }
}

impl LedgerError {
    /// The error's kind, for the metric label `error_code`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "ledger_in_use",
            Self::Corrupt { .. } => "ledger_corrupt",
            Self::Replaced { .. } => "ledger_replaced",
            Self::TooNew { .. } => "ledger_too_new",
            Self::Exists { .. } => "ledger_exists",
            Self::DiskFull { .. } => "disk_full",
            Self::Io { .. } => "ledger_io",
            Self::Defect { .. } => "ledger_defect",
            Self::Closed { .. } => "ledger_closed",
            #[cfg(feature = "nats")]
            Self::Nats { .. } => "nats",
        }
    }

    /// Whether it may pass without a new start: NATS was asked and does not answer now, or a row has to be put right.
    #[cfg(feature = "nats")]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Nats { source } if matches!(**source, NatsError::Answer { .. } | NatsError::Row { .. } | NatsError::Taken))
    }

    /// Whether nothing is wrong but that another collector has taken the tenant.
    pub fn is_taken(&self) -> bool {
        #[cfg(feature = "nats")]
        if let Self::Nats { source } = self {
            return matches!(**source, NatsError::Taken);
        }
        false
    }

    /// Whether the file has changed, [`LedgerFile`](super::file::LedgerFile) knows.
    pub(super) fn from_io(path: PathBuf, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::DiskFull { path }
            }
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                Self::Corrupt { path, detail: error.to_string(), changed: false }
            }
            _ => Self::Io { path, source: Arc::new(error) },
        }
    }

    pub(super) fn from_redb(path: PathBuf, error: redb::Error) -> Self {
        match error {
            redb::Error::DatabaseAlreadyOpen => Self::InUse { path },
            redb::Error::Io(error) => Self::from_io(path, error),
            // The failure that led to these has been reported already, and is no damage.
            redb::Error::PreviousIo | redb::Error::DatabaseClosed | redb::Error::LockPoisoned(_) => {
                Self::Closed { path }
            }
            redb::Error::Corrupted(_)
            | redb::Error::UpgradeRequired(_)
            | redb::Error::RepairAborted
            | redb::Error::TableDoesNotExist(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. } => {
                Self::Corrupt { path, detail: error.to_string(), changed: false }
            }
            // Moving the file away would not help.
            other => Self::Defect { path, detail: other.to_string() },
        }
    }
}
