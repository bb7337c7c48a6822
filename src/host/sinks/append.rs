//! Appends text to a file: it is on disk, or taken back as a whole.
//!
//! A failed write is undone as a whole. Before each write the path is checked: when it no longer leads to the open
//! file, as after logrotate has moved it, it is opened again.

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use super::tail::Tail;
use crate::{file_id::FileId, host::telemetry};

/// Appends to a file; blocking.
pub(super) struct Appender {
    path: PathBuf,
    open: Option<Open>,
}

struct Open {
    file: File,
    id: FileId,
    /// Devices such as /dev/null cannot be synchronised or cut.
    is_regular: bool,
}

impl Appender {
    /// Opens nothing yet.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), open: None }
    }

    /// Appends `text`, synchronised to disk, or as good as nothing.
    pub(super) fn append(&mut self, text: &[u8]) -> io::Result<()> {
        let is_elsewhere = self.is_elsewhere();
        if is_elsewhere {
            self.open = None;
        }
        if self.open.is_none() {
            self.open()?;
        }
        if is_elsewhere {
            telemetry::file_reopened(&self.path);
        }
        let Some(open) = &self.open else { unreachable!("opened just above") };
        let result = open.append(text);
        if let Err((error, remains)) = result {
            if let Some(error) = remains {
                telemetry::remains_left(&self.path, &error);
            }
            // A new descriptor, because after a failed synchronisation the old one may report success for bytes that
            // never reached the disk; and because opening repairs the tail, should there be one.
            self.open = None;
            return Err(error);
        }
        Ok(())
    }

    fn is_elsewhere(&self) -> bool {
        let Some(open) = &self.open else { return false };
        fs::metadata(&self.path).map_or(true, |now| FileId::of(&now) != open.id)
    }

    /// Opens the file, makes it when it is not there, and puts its tail right.
    pub(super) fn open(&mut self) -> io::Result<()> {
        let is_new = match fs::metadata(&self.path) {
            // Opening a pipe would wait for a reader.
            Ok(metadata) => check_kind(&metadata).map(|()| false)?,
            Err(error) => error.kind() == ErrorKind::NotFound,
        };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            // Audit logs are confidential. A file that exists keeps its permissions.
            options.mode(0o600);
        }
        let file = options.open(&self.path)?;
        let metadata = file.metadata()?;
        if metadata.is_file() {
            lock(&file)?;
            self.repair(&file)?;
        }
        if is_new {
            sync_directory(directory(&self.path));
        }
        self.open = Some(Open { file, id: FileId::of(&metadata), is_regular: metadata.is_file() });
        Ok(())
    }

    /// Makes the file end with a line end.
    fn repair(&self, mut file: &File) -> io::Result<()> {
        let len = file.metadata()?.len();
        match Tail::of(file)? {
            Tail::None => return Ok(()),
            Tail::Torn { start } => {
                file.set_len(start)?;
                telemetry::torn_record_cut(&self.path, len - start);
            }
            Tail::Whole { end } => {
                file.set_len(end)?;
                file.write_all(b"\n")?;
                telemetry::line_ended(&self.path, end);
            }
            Tail::Foreign => {
                file.write_all(b"\n")?;
                telemetry::line_ended(&self.path, len);
            }
        }
        file.sync_data()
    }
}

impl Open {
    /// Appends `text`; an error comes with the error of undoing the write, if that failed, too.
    fn append(&self, text: &[u8]) -> Result<(), (io::Error, Option<io::Error>)> {
        let before = self.file.metadata().map_err(|error| (error, None))?.len();
        let mut written = 0;
        let result = write_all(&self.file, text, &mut written);
        let result = result.and_then(|()| if self.is_regular { self.file.sync_data() } else { Ok(()) });
        result.map_err(|error| {
            let remains = if self.is_regular { self.take_back(before, written).err() } else { None };
            (error, remains)
        })
    }

    fn take_back(&self, before: u64, written: u64) -> io::Result<()> {
        if self.file.metadata()?.len() != before + written {
            return Err(io::Error::other("another program has written to the file, too"));
        }
        self.file.set_len(before)
    }
}

/// As [`Write::write_all`], but returns how far it came.
fn write_all(mut file: &File, mut text: &[u8], written: &mut u64) -> io::Result<()> {
    while !text.is_empty() {
        match file.write(text) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => {
                *written += n as u64;
                text = &text[n..];
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Two of our processes on one file would cut off each other's records. Other programs do not notice the lock.
fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            Err(io::Error::new(ErrorKind::ResourceBusy, "another process of this program writes to it"))
        }
        // Some network file systems have no locks; then no process has one.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Refuses what cannot be appended to.
pub(super) fn check_kind(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        return Err(io::Error::new(ErrorKind::IsADirectory, "it is a directory"));
    }
    if metadata.is_file() || is_device(metadata) {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "it is a pipe or a socket, not a file"))
}

#[cfg(unix)]
fn is_device(metadata: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    metadata.file_type().is_char_device()
}

#[cfg(not(unix))]
fn is_device(_: &Metadata) -> bool {
    true
}

/// Makes a new file's name survive a power failure. Where directories cannot be synchronised there is nothing to do.
fn sync_directory(directory: &Path) {
    #[cfg(unix)]
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
    #[cfg(not(unix))]
    let _ = directory;
}

/// The directory that `path` is in.
pub(super) fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_was_written_in_part_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.ndjson");
        fs::write(&path, "{\"a\":1}\n").unwrap();
        let mut appender = Appender { path: path.clone(), open: None };
        appender.open().unwrap();
        let open = appender.open.unwrap();
        (&open.file).write_all(b"{\"n\":0}\n{\"n\"").unwrap();
        open.take_back(8, 12).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"a\":1}\n");
        // Unless another program has written, too: its text must not be cut.
        fs::write(&path, "{\"a\":1}\n{\"n\"theirs").unwrap();
        open.take_back(8, 4).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{\"n\"theirs");
    }
}
