//! Group commit: whatever is waiting to be written goes into one transaction.
//!
//! A durable transaction costs an fsync, some milliseconds on ordinary disks. With sixteen blobs in flight there are
//! usually several writers; they share one.
//!
//! A transaction must not grow without bound, though: ids of delivered events are spread over their whole table, so
//! that each dirties a page, and a backlog at full speed would make transactions of seconds. Microsoft waits for a
//! notification's answer, which waits for the transaction before its own. So writes that a remote peer or user waits
//! for go first, and while there are such writes, the other transactions are kept to about ten milliseconds. Larger
//! ones cost less for each row, and are made when nobody waits.
//!
//! A copy of what is kept elsewhere needs no fsync for each. It has one from time to time, because only that lets redb use pages again.

use std::{
    any::Any,
    sync::{Arc, OnceLock},
    time::Duration,
};

use redb::{Database, Durability, WriteTransaction};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinError,
    time::Instant,
};

use super::{
    cursors::{self, Cursors},
    file::LedgerFile,
};
use crate::{expected_panic::expecting, ledger::LedgerError};

/// How many urgent writes share a transaction at most.
const URGENT_GROUP: usize = 256;

/// How long a bulk transaction should take at most while there are urgent writes, and when there are none. Its size follows
/// from how long the last ones took.
const SHORT: Duration = Duration::from_millis(12);
const LONG: Duration = Duration::from_millis(100);

/// For how long after an urgent write the next is expected.
const EXPECTED: Duration = Duration::from_secs(2);

/// Bounds of the size of a transaction. Unit: rows.
const SMALLEST: usize = 50;
const LARGEST: usize = 20_000;

/// Done within the transaction; returns what to do once it is durable (or has failed).
type Job = Box<dyn FnOnce(&WriteTransaction) -> Result<Reply, redb::Error> + Send>;
type Reply = Box<dyn FnOnce() + Send>;

/// How a write stands to others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rank {
    /// A remote peer or user waits for it, and it is small.
    Urgent,
    /// It takes its turn. Unit: rows, more or less.
    Bulk(usize),
}

#[derive(Clone, Debug)]
pub(super) struct Writer {
    urgent: mpsc::UnboundedSender<Request>,
    bulk: mpsc::UnboundedSender<Request>,
    file: Arc<LedgerFile>,
    first_failure: Arc<OnceLock<LedgerError>>,
}

struct Request {
    job: Job,
    rows: usize,
    failed: oneshot::Sender<LedgerError>,
}

impl Writer {
    /// Starts the writer. It ends when the last handle is dropped. A crash takes what was written in the last `may_lose`; with zero, a
    /// write that has returned is on disk.
    pub fn start(may_lose: Duration, database: Arc<Database>, file: Arc<LedgerFile>, cursors: Arc<Cursors>) -> Self {
        let (urgent, urgent_queue) = mpsc::unbounded_channel();
        let (bulk, bulk_queue) = mpsc::unbounded_channel();
        let first_failure = Arc::default();
        let queue = Queue {
            urgent: urgent_queue,
            bulk: bulk_queue,
            next: None,
            last_urgent: None,
            last_durable: None,
            may_lose,
            cursors,
            short: Size::new(SHORT),
            long: Size::new(LONG),
        };
        tokio::spawn(write(database, queue, Arc::clone(&file), Arc::clone(&first_failure)));
        Self { urgent, bulk, file, first_failure }
    }

    /// The ledger's first failure, which `error` may be: after a failed write redb refuses everything else, and only the
    /// first failure says why.
    pub fn failed(&self, error: LedgerError) -> LedgerError {
        self.first_failure.get_or_init(|| error).clone()
    }

    /// The ledger's first failure, if it has failed.
    pub fn failure(&self) -> Option<LedgerError> {
        self.first_failure.get().cloned()
    }

    /// Runs `work` in a transaction and returns its result after the commit.
    pub async fn write<T: Send + 'static>(
        &self,
        rank: Rank,
        work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.write_then(rank, work, |_| {}).await
    }

    /// The same, with what must follow the commit even if nobody waits for the result any more.
    pub async fn write_then<T: Send + 'static>(
        &self,
        rank: Rank,
        work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error> + Send + 'static,
        then: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (done, result) = oneshot::channel();
        let (failed, failure) = oneshot::channel();
        let job: Job = Box::new(move |transaction| {
            let value = work(transaction)?;
            Ok(Box::new(move || {
                then(&value);
                // The caller may have been cancelled; the write stands.
                let _ = done.send(value);
            }))
        });
        let closed = || LedgerError::Closed { path: self.file.path().to_owned() };
        let (queue, rows) = match rank {
            Rank::Urgent => (&self.urgent, 1),
            Rank::Bulk(rows) => (&self.bulk, rows.max(1)),
        };
        queue.send(Request { job, rows, failed }).map_err(|_| closed())?;
        match result.await {
            Ok(value) => Ok(value),
            Err(_) => Err(failure.await.unwrap_or_else(|_| closed())),
        }
    }
}

/// What waits to be written.
struct Queue {
    urgent: mpsc::UnboundedReceiver<Request>,
    bulk: mpsc::UnboundedReceiver<Request>,
    /// A bulk write that did not fit into the last transaction.
    next: Option<Request>,
    last_urgent: Option<Instant>,
    last_durable: Option<Instant>,
    may_lose: Duration,
    /// Those that were moved in memory only.
    cursors: Arc<Cursors>,
    /// Of bulk transactions: while urgent writes are expected, and otherwise.
    short: Size,
    long: Size,
}

/// How many rows a bulk transaction has.
struct Size {
    rows: usize,
    longest: Duration,
}

impl Size {
    const fn new(longest: Duration) -> Self {
        Self { rows: SMALLEST * 20, longest }
    }

    /// Learns from how long a transaction of so many rows took.
    fn learn(&mut self, rows: usize, took: Duration) {
        if took > self.longest {
            self.rows = (self.rows / 2).max(SMALLEST);
        } else if took < self.longest / 2 && rows >= self.rows / 2 {
            self.rows = (self.rows + self.rows / 4).min(LARGEST);
        }
    }
}

impl Queue {
    /// The writes of the next transaction: urgent ones by themselves, else as many others as fit. `None` when no caller can
    /// write any more. An empty group is for cursors alone.
    async fn group(&mut self, bulk_has_its_turn: bool) -> Option<(Vec<Request>, bool)> {
        if let Some(request) = self.next.take_if(|_| bulk_has_its_turn) {
            return Some((self.bulk_group(request), true));
        }
        if bulk_has_its_turn && let Ok(request) = self.bulk.try_recv() {
            return Some((self.bulk_group(request), true));
        }
        if let Ok(request) = self.urgent.try_recv() {
            return Some((self.urgent_group(request), false));
        }
        if let Some(request) = self.next.take() {
            return Some((self.bulk_group(request), true));
        }
        tokio::select! {
            biased;
            request = self.urgent.recv() => match request {
                Some(request) => Some((self.urgent_group(request), false)),
                // Both channels have the same senders.
                None => Some((vec![self.bulk.recv().await?], true)),
            },
            Some(request) = self.bulk.recv() => Some((self.bulk_group(request), true)),
            () = self.cursors.due() => Some((Vec::new(), false)),
        }
    }

    fn urgent_group(&mut self, first: Request) -> Vec<Request> {
        self.last_urgent = Some(Instant::now());
        let mut group = vec![first];
        while group.len() < URGENT_GROUP {
            match self.urgent.try_recv() {
                Ok(request) => group.push(request),
                Err(_) => break,
            }
        }
        group
    }

    fn bulk_group(&mut self, first: Request) -> Vec<Request> {
        let size = self.size().rows;
        let mut rows = first.rows;
        let mut group = vec![first];
        while let Ok(request) = self.bulk.try_recv() {
            if rows + request.rows > size {
                self.next = Some(request);
                break;
            }
            rows += request.rows;
            group.push(request);
        }
        group
    }

    /// That of the next transaction.
    fn durability(&mut self) -> Durability {
        if self.last_durable.is_some_and(|last| last.elapsed() < self.may_lose) {
            return Durability::None;
        }
        self.last_durable = Some(Instant::now());
        Durability::Immediate
    }

    /// The size of the next bulk transaction.
    fn size(&mut self) -> &mut Size {
        match self.last_urgent {
            Some(last) if last.elapsed() < EXPECTED => &mut self.short,
            _ => &mut self.long,
        }
    }
}

async fn write(
    database: Arc<Database>,
    mut queue: Queue,
    file: Arc<LedgerFile>,
    first_failure: Arc<OnceLock<LedgerError>>,
) {
    // Taking turns, so that urgent writes do not keep the others from ever being written.
    let mut bulk_has_its_turn = false;
    while let Some((group, is_bulk)) = queue.group(bulk_has_its_turn).await {
        bulk_has_its_turn = !is_bulk;
        let rows = group.iter().map(|request| request.rows).sum();
        let (mut jobs, failed): (Vec<_>, Vec<_>) =
            group.into_iter().map(|request| (request.job, request.failed)).unzip();
        if jobs.is_empty() {
            jobs.push(unwritten(&queue.cursors));
        }
        let (database, at) = (Arc::clone(&database), Arc::clone(&file));
        let (began, durability) = (Instant::now(), queue.durability());
        // A blocking task, not a thread of our own: it also keeps a paused test clock from running ahead of the disk.
        let outcome = tokio::task::spawn_blocking(move || expecting(|| commit(&database, durability, &at, jobs))).await;
        let error = match outcome {
            Ok(Ok(replies)) => {
                for reply in replies {
                    reply();
                }
                if is_bulk {
                    queue.size().learn(rows, began.elapsed());
                }
                continue;
            }
            Ok(Err(error)) => error,
            Err(join) => from_panic(&file, join),
        };
        let error = first_failure.get_or_init(|| error);
        for waiting in failed {
            let _ = waiting.send(error.clone());
        }
        // The next one that is moved reports the failure.
        queue.cursors.postpone();
    }
    if first_failure.get().is_none() && queue.cursors.are_unwritten() {
        // Without them, the next start lists a little more.
        let last = vec![unwritten(&queue.cursors)];
        let _ =
            tokio::task::spawn_blocking(move || expecting(|| commit(&database, Durability::Immediate, &file, last)))
                .await;
    }
}

/// Writes the cursors that are in memory only.
fn unwritten(cursors: &Arc<Cursors>) -> Job {
    let (cursors, moved) = (Arc::clone(cursors), cursors.unwritten());
    Box::new(move |tx| {
        cursors::write(tx, &moved)?;
        Ok(Box::new(move || cursors.written(&moved)))
    })
}

fn commit(
    database: &Database,
    durability: Durability,
    file: &LedgerFile,
    jobs: Vec<Job>,
) -> Result<Vec<Reply>, LedgerError> {
    let replies = transact(database, durability, jobs).map_err(|error| file.failure(error))?;
    // After the commit: what is true only before it may have become untrue during it.
    file.check()?;
    Ok(replies)
}

fn transact(database: &Database, durability: Durability, jobs: Vec<Job>) -> Result<Vec<Reply>, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(durability)?;
    let replies = jobs.into_iter().map(|job| job(&transaction)).collect::<Result<Vec<_>, _>>()?;
    transaction.commit()?;
    Ok(replies)
}

/// redb checks its file with assertions, too: a damaged file can cause a panic, which becomes an error of its own.
pub(super) fn from_panic(file: &LedgerFile, join: JoinError) -> LedgerError {
    let path = file.path().to_owned();
    match join.try_into_panic() {
        Ok(payload) => file.with_changes(LedgerError::Corrupt { path, detail: panic_text(&*payload), changed: false }),
        Err(_) => LedgerError::Closed { path },
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    // An assertion prints on several lines what it compared; a log has one for everything.
    text.map_or_else(
        || "the storage engine gave up".to_owned(),
        |text| text.split_whitespace().collect::<Vec<_>>().join(" "),
    )
}
