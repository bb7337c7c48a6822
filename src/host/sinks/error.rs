//! Why a sink cannot be written to, and what to do about it.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use snafu::Snafu;

use crate::{
    secrets::SecretError,
    transport::{ClientTlsError, SetupError},
};

/// Why a sink cannot be written to.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub enum SinkError {
    /// A file cannot be opened.
    #[snafu(display("{key}: cannot open {}: {source}. {}", path.display(), advice(path, source)))]
    Open {
        /// The full path of the key.
        key: String,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file could not be written to for longer than the sink waits.
    #[snafu(display(
        "{key}: cannot write to {} ({attempts} attempts): {source}. {} Then start again: nothing is lost.",
        path.display(),
        advice(path, source)
    ))]
    File {
        /// The full path of the key.
        key: String,
        /// The file.
        path: PathBuf,
        /// How often the same events were tried.
        attempts: u32,
        /// What the operating system said.
        source: io::Error,
    },
    /// What is written to the standard output arrives nowhere.
    #[snafu(display(
        "{key}: cannot write to the standard output: {source}. Start the program with a standard output that goes somewhere, \
         such as a pipe or `>>events.ndjson`, or write a file sink. (/dev/null that is open for reading and writing looks like \
         a closed one. To throw events away, write `>/dev/null`, or a file sink with that path.)"
    ))]
    OpenStdout {
        /// The full path of the key.
        key: String,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The standard output is gone.
    #[snafu(display("{key}: cannot write to the standard output: {source}. {}", console_advice(source, *unread)))]
    Console {
        /// The full path of the key.
        key: String,
        /// What the operating system said.
        source: io::Error,
        /// How many events count as delivered and may not have been read.
        unread: usize,
    },
    /// TLS towards a peer cannot be set up.
    #[snafu(display("{key}.{source}"))]
    Tls {
        /// The sink's path.
        key: String,
        /// Why.
        source: ClientTlsError,
    },
    /// The proxies on the way to a peer cannot be set up.
    #[snafu(display("{key}.{source}"))]
    Proxy {
        /// The sink's path.
        key: String,
        /// Why.
        source: SetupError,
    },
    /// A secret cannot be read.
    #[snafu(transparent)]
    Secret {
        /// Why.
        source: SecretError,
    },
    /// A secret cannot be the value of an HTTP header.
    #[snafu(display("{key}: holds characters that no HTTP header can have. Store the value there, and nothing else."))]
    Header {
        /// The full path of the key.
        key: String,
    },
    /// An address that HTTP cannot have.
    #[snafu(display("{key}: has characters that need to be percent-encoded. Write them as %XX."))]
    Address {
        /// The full path of the key.
        key: String,
    },
    /// A bug in the sink.
    #[snafu(display("{key}: the sink has crashed; please report this with the lines before."))]
    Crashed {
        /// The full path of the key.
        key: String,
    },
}

fn advice(path: &Path, error: &io::Error) -> String {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match error.kind() {
        ErrorKind::NotFound => format!("Create the directory {}, or write another path.", directory.display()),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "Free some space there, or raise the limit; or write a path with more room.".to_owned()
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => format!(
            "Let the user this process runs as read and write the file, and make files in {}; or write another path.",
            directory.display()
        ),
        ErrorKind::IsADirectory | ErrorKind::NotADirectory | ErrorKind::InvalidInput => {
            "Write the path of a file; for a pipe, write a console sink.".to_owned()
        }
        ErrorKind::ResourceBusy => "Stop the other process, or write another path.".to_owned(),
        _ => "See to the disk, or write another path.".to_owned(),
    }
}

fn console_advice(error: &io::Error, unread: usize) -> String {
    match error.kind() {
        ErrorKind::BrokenPipe => format!(
            "The program that read it has ended. Events that count as delivered, because the pipe had taken them, and that were \
             not read: at most {unread}. They are lost, and so is what the program had read and not used, which is not known \
             here. What comes after that is sent with the next start. Start again with a reader that stays, or write a file sink."
        ),
        _ => "What is not written is sent with the next start: see to where it goes and start again, or write a file sink.".to_owned(),
    }
}
