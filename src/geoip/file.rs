//! Reading one file.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use snafu::{ResultExt, Snafu, ensure};

use crate::normalize::DatabaseError;

/// The largest database that is read, in bytes; GeoIP2 Enterprise, the largest of MaxMind's, has less than half a GiB.
const LARGEST: u64 = 2 << 30;

/// Why a database cannot be used.
#[derive(Debug, Snafu)]
pub enum GeoipError {
    /// The file cannot be read.
    #[snafu(display(
        "{key}: cannot read {}: {source}. Write the path of a MaxMind DB file {wanted}, that this process may read.",
        path.display()
    ))]
    Unreadable {
        /// What names the path.
        key: String,
        /// The path.
        path: PathBuf,
        /// What should be there.
        wanted: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is no plain file, or larger than any database.
    #[snafu(display("{key}: {} is no file of up to 2 GiB. Write the path of a MaxMind DB file {wanted}.", path.display()))]
    NoFile {
        /// What names the path.
        key: String,
        /// The path.
        path: PathBuf,
        /// What should be there.
        wanted: &'static str,
    },
    /// What is in the file cannot be used.
    #[snafu(display("{key}: {} {source}. Download a MaxMind DB file {wanted}, again.", path.display()))]
    Unusable {
        /// What names the path.
        key: String,
        /// The path.
        path: PathBuf,
        /// What should be there.
        wanted: &'static str,
        /// What is wrong.
        source: DatabaseError,
    },
}

impl GeoipError {
    /// Whether the file itself may be right.
    pub(super) const fn is_about_access(&self) -> bool {
        matches!(self, Self::Unreadable { .. })
    }
}

/// Reads a file, and has a database made of it.
pub(super) fn read<T>(
    key: &str,
    path: &Path,
    wanted: &'static str,
    database: impl FnOnce(Vec<u8>) -> Result<T, DatabaseError>,
) -> Result<T, GeoipError> {
    let unreadable = || UnreadableSnafu { key, path, wanted };
    // Before it is opened: to open a named pipe waits for a writer.
    let metadata = std::fs::metadata(path).with_context(|_| unreadable())?;
    ensure!(metadata.is_file() && metadata.len() <= LARGEST, NoFileSnafu { key, path, wanted });
    let file = File::open(path).with_context(|_| unreadable())?;
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    // One byte more than there was: a file that grows meanwhile is damaged, and read again.
    file.take(metadata.len() + 1).read_to_end(&mut bytes).with_context(|_| unreadable())?;
    database(bytes).context(UnusableSnafu { key, path, wanted })
}
