//! The directory of what must survive a restart: is it there, and may this process write to it?

use std::{
    fs::{self, DirBuilder},
    io,
    path::{Path, PathBuf},
};

use snafu::{ResultExt, Snafu, ensure};

/// Why the data directory cannot be used.
#[derive(Debug, Snafu)]
pub enum DataDirError {
    /// It does not exist and cannot be made.
    #[snafu(display(
        "data_dir: cannot make {}: {source}. This process needs write permission on {}; or write another data_dir.",
        path.display(),
        parent.display()
    ))]
    Create {
        /// The directory.
        path: PathBuf,
        /// The nearest directory above it that exists.
        parent: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Something else has its name.
    #[snafu(display("data_dir: {} is not a directory. Write the path of a directory.", path.display()))]
    NotADirectory {
        /// What is in the way.
        path: PathBuf,
    },
    /// No file can be made in it.
    #[snafu(display(
        "data_dir: cannot write to {}: {source}. {}; or write another data_dir.",
        path.display(),
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "Free some space there",
            _ => "This process needs write permission on it",
        }
    ))]
    NotWritable {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Makes sure that the directory exists and can be written to; makes it when it is missing.
pub fn check_data_dir(path: &Path) -> Result<(), DataDirError> {
    if !path.exists() {
        create(path).with_context(|_| CreateSnafu { path, parent: nearest_existing(path) })?;
    }
    ensure!(path.is_dir(), NotADirectorySnafu { path });
    // Permission bits do not tell: file systems are mounted read-only, disks are full, users are mapped.
    tempfile::tempfile_in(path)
        .and_then(|mut file| io::Write::write_all(&mut file, b"?"))
        .context(NotWritableSnafu { path })
}

fn create(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        // Spooled audit logs are confidential.
        builder.mode(0o700);
    }
    builder.create(path)
}

fn nearest_existing(path: &Path) -> PathBuf {
    let existing = path.ancestors().skip(1).find(|parent| fs::metadata(parent).is_ok());
    // A relative path ends in the empty one, which stands for the working directory.
    existing.filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_directory_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        check_data_dir(&path).unwrap();
        check_data_dir(&path).unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0, "the check leaves nothing behind");
    }

    #[test]
    fn a_full_disk_needs_space_and_no_permission() {
        let refused =
            |kind: io::ErrorKind| DataDirError::NotWritable { path: "x".into(), source: kind.into() }.to_string();
        let full = refused(io::ErrorKind::StorageFull);
        assert!(full.contains("Free some space there") && !full.contains("permission"), "{full}");
        assert!(refused(io::ErrorKind::PermissionDenied).contains("needs write permission on it"));
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(check_data_dir(&file).unwrap_err().to_string().contains("is not a directory"));
        let error = check_data_dir(&file.join("below")).unwrap_err().to_string();
        assert!(
            error.contains("file/below") && error.contains(&format!("write permission on {}", file.display())),
            "{error}"
        );
    }
}
