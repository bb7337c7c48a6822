//! The standard output of this process: whether there is one, and what its reader has not read yet.

use std::io::{self, ErrorKind, Stdout, Write};

/// An output that another program reads events from.
pub(super) trait Output: Write {
    /// How many bytes may have been taken and not read, now that the reader is gone.
    fn unread(&self) -> u64;
}

/// How much a pipe holds where it does not say so, in bytes: as on Linux and macOS.
#[cfg(unix)]
const PIPE: u64 = 64 * 1024;

/// How much of what was written last is looked at, in bytes: the most that an unprivileged pipe of Linux holds, and more
/// than a socket does.
pub(super) const LARGEST_BUFFER: u64 = 1024 * 1024;

/// Makes sure that the standard output leads somewhere.
///
/// A program that is started with its standard output closed (`>&-`) does not get an error when it writes: Rust's
/// runtime has put `/dev/null` there before `main`. It opens it for reading and writing, a shell's `>/dev/null` for
/// writing only, and nothing else distinguishes the two. Some supervisors open `/dev/null` as the runtime does when
/// they throw an output away; they are refused, too, since a lost audit log weighs more than a restart with a `file`
/// sink.
///
/// # Errors
///
/// When nothing arrives.
#[cfg(unix)]
pub(super) fn check() -> io::Result<()> {
    use rustix::fs::{OFlags, fcntl_getfl};

    let out = io::stdout();
    match fcntl_getfl(&out)? & OFlags::ACCMODE {
        // Written to, it would fail; but Rust's standard output takes that failure for a success.
        OFlags::RDONLY => Err(io::Error::new(ErrorKind::PermissionDenied, "it is open for reading only")),
        OFlags::RDWR if unix::is_null(&out)? => Err(io::Error::new(ErrorKind::NotConnected, "it is closed")),
        _ => Ok(()),
    }
}

/// As on Unix. A process without a standard output has no handle there, and Rust takes every write for a success.
#[cfg(windows)]
pub(super) fn check() -> io::Result<()> {
    use std::os::windows::io::AsRawHandle;

    if io::stdout().as_raw_handle().is_null() {
        return Err(io::Error::new(ErrorKind::NotConnected, "it is closed"));
    }
    Ok(())
}

/// The standard output without Rust's buffer, which would take bytes that the operating system has not, and without Rust's
/// habit of taking a write for a success when there is no standard output. (On Windows with both: a console there wants UTF-16.)
pub(super) struct Raw(Stdout);

impl Raw {
    pub(super) fn new() -> Self {
        Self(io::stdout())
    }
}

#[cfg(unix)]
impl Write for Raw {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(&self.0, text)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(not(unix))]
impl Write for Raw {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Output for Raw {
    fn unread(&self) -> u64 {
        #[cfg(unix)]
        return unix::unread(&self.0);
        #[cfg(not(unix))]
        return LARGEST_BUFFER;
    }
}

#[cfg(unix)]
mod unix {
    use std::{
        fs::{self, File, Metadata},
        io,
        os::{
            fd::AsFd,
            unix::fs::{FileTypeExt, MetadataExt},
        },
    };

    use super::{LARGEST_BUFFER, PIPE};

    fn metadata(out: impl AsFd) -> io::Result<Metadata> {
        File::from(out.as_fd().try_clone_to_owned()?).metadata()
    }

    pub(super) fn is_null(out: impl AsFd) -> io::Result<bool> {
        let (found, null) = (metadata(out)?, fs::metadata("/dev/null")?);
        Ok(found.file_type().is_char_device() && found.rdev() == null.rdev())
    }

    pub(super) fn unread(out: impl AsFd) -> u64 {
        if !metadata(&out).is_ok_and(|found| found.file_type().is_fifo()) {
            return LARGEST_BUFFER;
        }
        // Linux keeps what is in a pipe until both ends are closed, and shows it at either.
        #[cfg(target_os = "linux")]
        return rustix::io::ioctl_fionread(&out).unwrap_or(PIPE);
        #[cfg(not(target_os = "linux"))]
        return PIPE;
    }
}

#[cfg(test)]
impl Output for Vec<u8> {
    fn unread(&self) -> u64 {
        0
    }
}

#[cfg(all(test, unix))]
impl Output for io::PipeWriter {
    fn unread(&self) -> u64 {
        unix::unread(self)
    }
}
