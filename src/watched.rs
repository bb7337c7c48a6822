//! Noticing that files have changed: certificates are renewed, lists of addresses and databases published while the source
//! runs.

use std::{
    fs::Metadata,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// How often files are looked at.
pub const EVERY: Duration = Duration::from_secs(10);

/// Files, and how they looked when they were last read.
#[derive(Debug)]
pub struct Watched {
    paths: Vec<PathBuf>,
    seen: Vec<Option<Look>>,
}

/// What changes whenever a file is replaced or written to. Through a symbolic link it is what the link leads to, which is
/// how Kubernetes replaces secrets.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Look {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Watched {
    /// Files that are about to be read for the first time.
    pub fn new<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Self {
        let paths: Vec<_> = paths.into_iter().map(Path::to_owned).collect();
        let seen = look(&paths);
        Self { paths, seen }
    }

    /// The files could not be used: they count as changed at the next look, since the cause (a file mode, for example)
    /// may change without changing the file's time.
    pub fn retry(&mut self) {
        self.seen.clear();
    }

    /// Whether any has changed since the last call. Read the files after this call: a change in between shows with the
    /// next call.
    pub fn changed(&mut self) -> bool {
        let now = look(&self.paths);
        let changed = now != self.seen;
        self.seen = now;
        changed
    }
}

fn look(paths: &[PathBuf]) -> Vec<Option<Look>> {
    let of = |metadata: Metadata| Look {
        modified: metadata.modified().ok(),
        length: metadata.len(),
        #[cfg(unix)]
        inode: std::os::unix::fs::MetadataExt::ino(&metadata),
        #[cfg(not(unix))]
        inode: 0,
    };
    paths.iter().map(|path| std::fs::metadata(path).ok().map(of)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_is_written_replaced_or_removed_has_changed() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("a"), directory.path().join("b"));
        fs::write(&path, "one").unwrap();
        let mut watched = Watched::new([path.as_path()]);
        assert!(!watched.changed());
        fs::write(&path, "three").unwrap();
        assert!(watched.changed() && !watched.changed());
        fs::write(&other, "three").unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(watched.changed() && !watched.changed());
        fs::remove_file(&path).unwrap();
        assert!(watched.changed() && !watched.changed());
        watched.retry();
        assert!(watched.changed() && !watched.changed());
    }
}
