//! A file for a body that memory is too small for.
//!
//! It has no name, so that no crash leaves it behind, and it shares its disk with the ledger, which comes first: a body that
//! cannot be spooled waits, a ledger that cannot be written ends the source.

use std::{io, path::Path};

use tokio::{
    fs::File,
    io::{AsyncSeekExt, AsyncWriteExt, BufWriter},
};

use super::telemetry;

/// How much is written between two looks at the free space, in bytes.
const STEP: usize = 256 * 1024;

/// How much space the ledger keeps, in bytes; on a small disk a quarter of it.
#[cfg(unix)]
const KEPT: u64 = 16 * 1024 * 1024;

/// A body on its way to disk.
pub struct Spool {
    file: BufWriter<File>,
    unchecked: usize,
    occupied: Occupied,
}

/// Bytes on disk, counted for as long as this is there.
#[derive(Debug, Default)]
pub struct Occupied(u64);

impl Occupied {
    fn add(&mut self, bytes: usize) {
        self.0 += bytes as u64;
        telemetry::spooled(bytes as u64);
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        telemetry::unspooled(self.0);
    }
}

impl Spool {
    /// Makes a file in `directory`.
    ///
    /// # Errors
    ///
    /// What the operating system says, and [`io::ErrorKind::StorageFull`] when only the ledger's space is left.
    pub async fn create(directory: &Path) -> io::Result<Self> {
        let directory = directory.to_owned();
        let made = tokio::task::spawn_blocking(move || {
            let file = tempfile::tempfile_in(directory)?;
            check_space(&file).map(|()| file)
        });
        let file = File::from_std(made.await.map_err(io::Error::other)??);
        Ok(Self { file: BufWriter::with_capacity(STEP, file), unchecked: 0, occupied: Occupied::default() })
    }

    /// Appends `bytes`. An error may be returned only by the next call.
    ///
    /// # Errors
    ///
    /// As [`Spool::create`].
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.unchecked += bytes.len();
        if self.unchecked >= STEP {
            self.unchecked = 0;
            check_space(self.file.get_ref())?;
        }
        self.occupied.add(bytes.len());
        self.file.write_all(bytes).await
    }

    /// The file, whole and to be read from its beginning, and what it occupies.
    ///
    /// # Errors
    ///
    /// As [`Spool::create`].
    pub async fn finish(mut self) -> io::Result<(File, Occupied)> {
        self.file.flush().await?;
        let mut file = self.file.into_inner();
        file.rewind().await?;
        Ok((file, self.occupied))
    }
}

/// Whether there is no room: other blobs may fit, and this one after space has been freed.
pub fn is_no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// Takes microseconds, so that it needs no thread of its own.
#[cfg(unix)]
fn check_space(file: impl std::os::fd::AsFd) -> io::Result<()> {
    let disk = rustix::fs::fstatvfs(file)?;
    let (free, total) = (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize));
    // File systems that do not know their size say 0.
    if total > 0 && free < KEPT.min(total / 4) {
        let kept = KEPT.min(total / 4) / 1024;
        return Err(io::Error::new(
            io::ErrorKind::StorageFull,
            format!("no space left but {kept} KiB that are kept for the ledger"),
        ));
    }
    Ok(())
}

/// Without a quick way to ask, only a write shows it.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
fn check_space<T>(_: &T) -> io::Result<()> {
    Ok(())
}
