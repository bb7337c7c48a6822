//! How the command line reaches a source that runs: a Unix socket in its data directory.
//!
//! The running source has the ledger locked, so that `tenants` cannot open it. A user who may enter the data directory
//! may connect; one JSON line asks, one JSON line answers.

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
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{Instrument, debug, warn};

use super::Administration;
pub use super::question::{Answer, Question, answer};

/// In the source's own directory, below `data_dir`.
const FILE: &str = "control.sock";

/// The longest lines that are taken. Unit: bytes.
const LONGEST_QUESTION: u64 = 64 * 1024;
const LONGEST_ANSWER: u64 = 64 * 1024 * 1024;

/// Questions that are answered at a time. There are few; but a client that says nothing must not keep the others
/// waiting.
const CONVERSATIONS: usize = 8;

/// How long a question may take to come or to be taken, and an answer to be taken. Answers come after requests to Microsoft.
const QUESTION: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(300);

/// Answers every connection, indefinitely. Without a socket, because the path is too long for one, say, the source runs all the
/// same.
pub async fn serve(directory: &Path, source: Administration) {
    let socket = match Socket::bind(directory) {
        Ok(socket) => socket,
        Err(error) => {
            warn!(
                message = "No control socket: `office365-source tenants`, `subscriptions` and `state` work only while this source is stopped.",
                directory = %directory.display(), %error
            );
            return std::future::pending().await;
        }
    };
    let mut conversations = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = conversations.join_next() => {}
            accepted = socket.listener.accept() => match accepted {
                Ok((stream, _)) if conversations.len() < CONVERSATIONS => {
                    conversations.spawn(converse(stream, source.clone()).in_current_span());
                }
                Ok((stream, _)) => turn_away(&stream),
                Err(error) => {
                    debug!(message = "The control socket cannot accept a connection.", %error);
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

/// Says that all turns are taken. An empty socket takes so little at once.
fn turn_away(stream: &UnixStream) {
    let busy = Answer::Refused {
        problem: format!(
            "the running source answers {CONVERSATIONS} other questions at the moment; ask again in {} seconds",
            QUESTION.as_secs()
        ),
    };
    let mut line = serde_json::to_vec(&busy).unwrap_or_default();
    line.push(b'\n');
    if let Err(error) = stream.try_write(&line) {
        debug!(message = "A conversation on the control socket broke off.", %error);
    }
}

async fn converse(stream: UnixStream, source: Administration) {
    if let Err(error) = hold_conversation(stream, &source).await {
        debug!(message = "A conversation on the control socket broke off.", %error);
    }
}

async fn hold_conversation(stream: UnixStream, source: &Administration) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let line = timeout(QUESTION, line(&mut stream, LONGEST_QUESTION)).await??;
    let answer = match serde_json::from_str(&line) {
        Ok(question) => answer(source, question).await,
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
    let stream = match timeout(QUESTION, UnixStream::connect(directory.join(FILE))).await? {
        Ok(stream) => stream,
        // No process listens, or none ever did.
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut stream = BufReader::new(stream);
    // A client that was turned away has an answer, too, and may not have sent the question.
    let sent = timeout(QUESTION, send(&mut stream, question)).await?;
    let line = timeout(ANSWER, line(&mut stream, LONGEST_ANSWER)).await?;
    let line = match line {
        Ok(line) if !line.is_empty() => line,
        Ok(_) => sent.and(Err(io::ErrorKind::UnexpectedEof.into()))?,
        Err(error) => return Err(sent.err().unwrap_or(error)),
    };
    serde_json::from_str(&line).map(Some).map_err(io::Error::other)
}

async fn send(stream: &mut BufReader<UnixStream>, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.flush().await
}

async fn line(stream: &mut BufReader<UnixStream>, longest: u64) -> io::Result<String> {
    let mut line = String::new();
    stream.take(longest).read_line(&mut line).await?;
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
        // Left by a process that was killed: this process holds the ledger's lock, so that no other source uses it.
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
