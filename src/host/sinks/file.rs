//! Events to the end of a file.
//!
//! A group is written, synchronised to disk once, and then acknowledged. A group that cannot be written is taken back
//! from the file as a whole. Before each group the path is looked at: when it no longer leads to the open file, as after
//! logrotate has moved it, it is opened anew (no `copytruncate` and no signal needed; `delaycompress` is, since a group
//! that is being written at that moment still goes to the moved file).

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use snafu::ResultExt;
use tokio::task;

use super::{Sink, SinkError, WriteError, error::OpenSnafu, ndjson, tail::Tail};
use crate::{
    config::SinkConfig,
    host::{delivery::Delivery, telemetry},
};

/// Appends groups to a file.
pub(super) struct FileSink {
    key: String,
    path: PathBuf,
    // Shared with the blocking thread that writes; never with another sink.
    appender: Arc<Mutex<Appender>>,
}

impl FileSink {
    pub(super) async fn open(name: &str, path: &Path) -> Result<Self, SinkError> {
        let key = key(name);
        let mut appender = Appender { path: path.to_owned(), open: None };
        let opened = task::spawn_blocking(move || appender.open().map(|()| appender)).await;
        let appender = opened.map_err(io::Error::from).flatten();
        let appender = appender.with_context(|_| OpenSnafu { key: key.as_str(), path })?;
        Ok(Self { key, path: path.to_owned(), appender: Arc::new(Mutex::new(appender)) })
    }
}

fn key(name: &str) -> String {
    format!("sinks.{name}.path")
}

#[async_trait]
impl Sink for FileSink {
    async fn write(&mut self, group: &[Delivery]) -> Result<u64, WriteError> {
        let mut text = Vec::new();
        ndjson::render(group, &mut text);
        let appender = Arc::clone(&self.appender);
        let written = task::spawn_blocking(move || {
            let mut appender = appender.lock().unwrap_or_else(PoisonError::into_inner);
            appender.append(&text).map(|()| text.len() as u64)
        });
        written.await.map_err(io::Error::from).flatten().map_err(WriteError::MayPass)
    }

    fn failure(&self, source: io::Error, attempts: u32) -> SinkError {
        SinkError::File { key: self.key.clone(), path: self.path.clone(), attempts, source }
    }
}

/// Says what keeps a sink from being opened, without making or changing anything.
///
/// # Errors
///
/// When the file is a directory or a pipe, or its directory is missing.
pub fn check_sink(name: &str, config: &SinkConfig) -> Result<(), SinkError> {
    let SinkConfig::File(file) = config else { return Ok(()) };
    let found = match fs::metadata(&file.path) {
        Ok(metadata) => check_kind(&metadata),
        Err(error) if error.kind() == ErrorKind::NotFound => fs::metadata(directory(&file.path)).map(drop),
        Err(error) => Err(error),
    };
    found.with_context(|_| OpenSnafu { key: key(name), path: file.path.as_path() })
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The blocking half.
struct Appender {
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
    /// Appends `text`, synchronised to disk, or as good as nothing.
    fn append(&mut self, text: &[u8]) -> io::Result<()> {
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
            // never reached the disk; and because opening mends the tail, should there be one.
            self.open = None;
            return Err(error);
        }
        Ok(())
    }

    fn is_elsewhere(&self) -> bool {
        let Some(open) = &self.open else { return false };
        fs::metadata(&self.path).map_or(true, |now| FileId::of(&now) != open.id)
    }

    fn open(&mut self) -> io::Result<()> {
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
            // Audit logs are nobody else's business. A file that exists keeps its permissions.
            options.mode(0o600);
        }
        let file = options.open(&self.path)?;
        let metadata = file.metadata()?;
        if metadata.is_file() {
            lock(&file)?;
            self.mend(&file)?;
        }
        if is_new {
            sync_directory(directory(&self.path));
        }
        self.open = Some(Open { file, id: FileId::of(&metadata), is_regular: metadata.is_file() });
        Ok(())
    }

    /// Makes the file end with a line end.
    fn mend(&self, mut file: &File) -> io::Result<()> {
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
    /// Appends `text`; an error comes with what kept the file from being put back as it was, if anything did.
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

/// As [`Write::write_all`], but tells how far it came.
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
        // Some network file systems have no locks; then nobody has one.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

fn check_kind(metadata: &Metadata) -> io::Result<()> {
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

/// What tells a file from another that has taken over its path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct FileId {
    #[cfg(unix)]
    device_and_inode: (u64, u64),
}

impl FileId {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device_and_inode: (metadata.dev(), metadata.ino()) }
    }

    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Self {
        Self {}
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
