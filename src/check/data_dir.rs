//! The data directory of a source: its ledger, and room for it.

use std::path::Path;

use super::Outcome;

/// Content blobs of hundreds of megabytes go to disk before they are read.
const LITTLE: u64 = 2 * 1024 * 1024 * 1024;

/// Without this much, the ledger itself may not be written.
const TOO_LITTLE: u64 = 64 * 1024 * 1024;

/// Whether there is room on the disk of a directory, or of what will hold it.
pub(super) fn free_space(directory: &Path) -> Outcome {
    let Some(existing) = directory.ancestors().find(|path| path.exists()) else {
        return Outcome::note("cannot be told");
    };
    match free_bytes(existing) {
        Ok(free) if free < TOO_LITTLE => Outcome::Failed(format!(
            "{} are free in {}: collecting stops when the ledger cannot be written. Make room, or write another data_dir",
            mebibytes(free),
            existing.display()
        )),
        Ok(free) if free < LITTLE => Outcome::note(format!(
            "{} are free in {}; large content blobs are kept there until they are delivered",
            mebibytes(free),
            existing.display()
        )),
        Ok(free) => Outcome::ok(format!("{} are free in {}", mebibytes(free), existing.display())),
        Err(error) => Outcome::note(format!("cannot be told of {}: {error}", existing.display())),
    }
}

#[cfg(unix)]
fn free_bytes(path: &Path) -> std::io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> std::io::Result<u64> {
    Err(std::io::ErrorKind::Unsupported.into())
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes / (1024 * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_looked_for_where_the_directory_will_be() {
        let directory = tempfile::tempdir().unwrap();
        let outcome = free_space(&directory.path().join("not/there/yet"));
        assert!(outcome.text().contains(&format!("MiB are free in {}", directory.path().display())), "{outcome:?}");
    }
}
