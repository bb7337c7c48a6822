//! How the command line reaches a source that runs: a Unix socket in its data directory.
//!
//! The ledger is the running source's alone, so that `tenants` cannot open it. Whoever may enter the data directory may
//! connect; one JSON line asks, one JSON line answers.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    time::{sleep, timeout},
};
use tracing::{debug, warn};

use super::Tenancy;
pub use super::question::{Answer, Question, answer};

/// In the source's own directory, below `data_dir`.
const FILE: &str = "control.sock";

/// The longest line either side takes. Unit: bytes.
const LONGEST_LINE: u64 = 4 * 1024 * 1024;

/// How long a line may take to come. Answers come after requests to Microsoft.
const QUESTION: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(300);

/// Answers whoever connects, for ever. Without a socket, because the path is too long for one, say, the source runs all the
/// same.
pub async fn serve(directory: &Path, tenancy: Tenancy) {
    let socket = match Socket::bind(directory) {
        Ok(socket) => socket,
        Err(error) => {
            warn!(
                message = "No control socket: `office365-source tenants` works only while this source is stopped.",
                directory = %directory.display(), %error
            );
            return std::future::pending().await;
        }
    };
    loop {
        match socket.listener.accept().await {
            // One at a time: it is people who ask.
            Ok((stream, _)) => {
                if let Err(error) = converse(stream, &tenancy).await {
                    debug!(message = "A conversation on the control socket broke off.", %error);
                }
            }
            Err(error) => {
                debug!(message = "The control socket cannot accept a connection.", %error);
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, tenancy: &Tenancy) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let line = timeout(QUESTION, line(&mut stream)).await??;
    let answer = match serde_json::from_str(&line) {
        Ok(question) => answer(tenancy, question).await,
        Err(_) => Answer::Refused {
            problem:
                "this version of the running source does not know the question; use the program of the same version"
                    .to_owned(),
        },
    };
    timeout(QUESTION, send(&mut stream, &answer)).await?
}

/// Asks the source that runs with this directory. `None` when none does.
///
/// # Errors
///
/// When a source is there but does not answer.
pub async fn ask(directory: &Path, question: &Question) -> io::Result<Option<Answer>> {
    let stream = match UnixStream::connect(directory.join(FILE)).await {
        Ok(stream) => stream,
        // Nobody listens, or nobody ever did.
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut stream = BufReader::new(stream);
    send(&mut stream, question).await?;
    let line = timeout(ANSWER, line(&mut stream)).await??;
    serde_json::from_str(&line).map(Some).map_err(io::Error::other)
}

async fn send(stream: &mut BufReader<UnixStream>, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.flush().await
}

async fn line(stream: &mut BufReader<UnixStream>) -> io::Result<String> {
    let mut line = String::new();
    stream.take(LONGEST_LINE).read_line(&mut line).await?;
    Ok(line)
}

/// A socket that goes with its file.
#[derive(Debug)]
struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    fn bind(directory: &Path) -> io::Result<Self> {
        let path = directory.join(FILE);
        // Left by a process that was killed: the ledger's lock is held, so that nobody else's is there.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
