//! Whether a path still leads to the file that was opened there.

use std::fs::Metadata;

/// What distinguishes a file from another that now has its path: on Unix its device and inode. A file that is open keeps its
/// inode, so that no other can have the same. Elsewhere all files are the same, and only a path that leads nowhere shows a
/// change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FileId {
    #[cfg(unix)]
    device_and_inode: (u64, u64),
}

impl FileId {
    /// The file that this was read of.
    #[cfg(unix)]
    pub fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device_and_inode: (metadata.dev(), metadata.ino()) }
    }

    /// The file that this was read of.
    #[cfg(not(unix))]
    pub fn of(_: &Metadata) -> Self {
        Self {}
    }
}
