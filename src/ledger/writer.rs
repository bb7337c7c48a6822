//! Group commit: whatever is waiting to be written goes into one transaction.
//!
//! A durable transaction costs an fsync, some milliseconds on ordinary disks. With sixteen blobs in flight there are
//! usually several writers; they share one.

use std::{
    any::Any,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use redb::{Database, WriteTransaction};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinError,
};

use super::LedgerError;

/// How many writes share a transaction at most, so that the first does not wait for long.
const GROUP: usize = 256;

/// Done within the transaction; returns what to do once it is durable (or has failed).
type Job = Box<dyn FnOnce(&WriteTransaction) -> Result<Reply, redb::Error> + Send>;
type Reply = Box<dyn FnOnce() + Send>;

#[derive(Clone, Debug)]
pub(super) struct Writer {
    jobs: mpsc::UnboundedSender<Request>,
    path: Arc<PathBuf>,
    first_failure: Arc<OnceLock<LedgerError>>,
}

struct Request {
    job: Job,
    failed: oneshot::Sender<LedgerError>,
}

impl Writer {
    /// Starts the writer. It ends when the last handle is dropped.
    pub fn start(database: Arc<Database>, path: Arc<PathBuf>) -> Self {
        let (jobs, queue) = mpsc::unbounded_channel();
        let first_failure = Arc::default();
        tokio::spawn(write(database, queue, Arc::clone(&path), Arc::clone(&first_failure)));
        Self { jobs, path, first_failure }
    }

    /// The ledger's first failure, which `error` may be: after a failed write redb refuses everything else, and only the
    /// first failure tells why.
    pub fn failed(&self, error: LedgerError) -> LedgerError {
        self.first_failure.get_or_init(|| error).clone()
    }

    /// Runs `work` in a transaction and returns its result after the commit.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (done, result) = oneshot::channel();
        let (failed, failure) = oneshot::channel();
        let job: Job = Box::new(move |transaction| {
            let value = work(transaction)?;
            Ok(Box::new(move || {
                // The caller may have been cancelled; the write stands.
                let _ = done.send(value);
            }))
        });
        let closed = || LedgerError::Closed { path: (*self.path).clone() };
        self.jobs.send(Request { job, failed }).map_err(|_| closed())?;
        match result.await {
            Ok(value) => Ok(value),
            Err(_) => Err(failure.await.unwrap_or_else(|_| closed())),
        }
    }
}

async fn write(
    database: Arc<Database>,
    mut queue: mpsc::UnboundedReceiver<Request>,
    path: Arc<PathBuf>,
    first_failure: Arc<OnceLock<LedgerError>>,
) {
    while let Some(first) = queue.recv().await {
        let mut group = vec![first];
        while group.len() < GROUP {
            match queue.try_recv() {
                Ok(request) => group.push(request),
                Err(_) => break,
            }
        }
        let (jobs, failed): (Vec<_>, Vec<_>) = group.into_iter().map(|request| (request.job, request.failed)).unzip();
        let database = Arc::clone(&database);
        // A blocking task, not a thread of our own: it also keeps a paused test clock from running ahead of the disk.
        let outcome = tokio::task::spawn_blocking(move || commit(&database, jobs)).await;
        let error = match outcome {
            Ok(Ok(replies)) => {
                for reply in replies {
                    reply();
                }
                continue;
            }
            Ok(Err(error)) => LedgerError::from_redb((*path).clone(), error),
            Err(join) => from_panic(&path, join),
        };
        let error = first_failure.get_or_init(|| error);
        for waiting in failed {
            let _ = waiting.send(error.clone());
        }
    }
}

fn commit(database: &Database, jobs: Vec<Job>) -> Result<Vec<Reply>, redb::Error> {
    let transaction = database.begin_write()?;
    let replies = jobs.into_iter().map(|job| job(&transaction)).collect::<Result<Vec<_>, _>>()?;
    transaction.commit()?;
    Ok(replies)
}

/// redb checks its file with assertions, too; a damaged file can end in a panic, which must not pass for anything else.
pub(super) fn from_panic(path: &Path, join: JoinError) -> LedgerError {
    match join.try_into_panic() {
        Ok(payload) => LedgerError::Corrupt { path: path.into(), detail: panic_text(&*payload) },
        Err(_) => LedgerError::Closed { path: path.into() },
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("the storage engine gave up").to_owned()
}
