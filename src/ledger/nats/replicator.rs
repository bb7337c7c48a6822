//! Writes what has changed on this machine to the bucket, in groups.
//!
//! Each caller waits until its change is in the bucket. What comes meanwhile is written next, as one batch: all of it or nothing. A row
//! is read when its batch is made, so that a later batch never has an older value.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::Utc;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};
use tracing::{Instrument, Span, info, warn};

use super::{
    bucket::{Bucket, MOST_MESSAGES, Message, WriteError},
    change::{Change, Changes},
    error::StoppedSnafu,
    owned::Owned,
};
use crate::{
    content::TenantId,
    ledger::{LedgerError, RedbLedger, row_key::RowKey},
};

/// For how long a small move of a cursor may be on this machine only, as in the embedded ledger.
const LATEST: Duration = Duration::from_secs(60);

/// How many requests wait at most before their callers do.
const WAITING: usize = 1_024;

/// The pause after a write that failed: the first and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

#[derive(Debug)]
enum Request {
    /// To be written now.
    Write(Change, oneshot::Sender<Result<(), LedgerError>>),
    /// To be written with the next change, or soon.
    Note(RowKey),
}

/// The way to the writer. When all of these are dropped, it writes what waits, and ends.
#[derive(Debug)]
pub(super) struct Replicator {
    requests: mpsc::Sender<Request>,
}

impl Replicator {
    /// Starts the writer.
    pub fn start(bucket: Bucket, local: Arc<RedbLedger>, owned: Owned, session: String) -> Self {
        let (requests, queue) = mpsc::channel(WAITING);
        let writer = Writer { bucket, local, owned, session, batches: 0, noted: BTreeSet::new(), due: None };
        tokio::spawn(writer.run(queue).instrument(Span::current()));
        Self { requests }
    }

    /// Returns when a change is in the bucket, or when it concerns none of this member's tenants (any more).
    pub async fn write(&self, change: Change) -> Result<(), LedgerError> {
        let (done, written) = oneshot::channel();
        // The writer ends before its callers do only with the runtime.
        let _ = self.requests.send(Request::Write(change, done)).await;
        written.await.unwrap_or_else(|_| Err(StoppedSnafu.build().into()))
    }

    /// Has a row written within a minute.
    pub async fn note(&self, row: RowKey) {
        let _ = self.requests.send(Request::Note(row)).await;
    }
}

struct Writer {
    bucket: Bucket,
    local: Arc<RedbLedger>,
    owned: Owned,
    session: String,
    /// How many batches have been named.
    batches: u64,
    noted: BTreeSet<RowKey>,
    /// When what is noted is to be written.
    due: Option<Instant>,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        loop {
            let first = tokio::select! {
                first = queue.recv() => match first {
                    Some(first) => Some(first),
                    None => break,
                },
                () = until(self.due) => None,
            };
            let mut group = Vec::new();
            let mut next = first;
            while let Some(request) = next {
                match request {
                    Request::Write(change, done) => group.push((change, done)),
                    Request::Note(row) => {
                        self.noted.insert(row);
                        self.due.get_or_insert_with(|| Instant::now() + LATEST);
                    }
                }
                let rows: usize = group.iter().map(|(change, _)| change.rows.len() + change.delivered.len()).sum();
                next = if rows < MOST_MESSAGES { queue.try_recv().ok() } else { None };
            }
            if group.is_empty() && self.due.is_none_or(|due| due > Instant::now()) {
                continue;
            }
            let (changes, waiting): (Vec<_>, Vec<_>) = group.into_iter().unzip();
            let outcome = self.write(changes).await;
            for done in waiting {
                let _ = done.send(outcome.clone());
            }
        }
        if !self.noted.is_empty() {
            let _ = self.write(Vec::new()).await;
        }
    }

    /// Writes changes and what is noted.
    async fn write(&mut self, changes: Vec<Change>) -> Result<(), LedgerError> {
        self.due = None;
        let noted = Change::of(std::mem::take(&mut self.noted));
        let changes = Changes::of(std::iter::once(noted).chain(changes));
        let pieces = self.local.pieces(changes.rows.clone()).await?;
        let messages = changes.into_messages(pieces, Utc::now(), || self.name());
        for some in messages.chunks(MOST_MESSAGES) {
            self.publish(some).await;
        }
        Ok(())
    }

    /// Writes messages, and returns when they are written. What concerns tenants of others is left out.
    async fn publish(&mut self, messages: &[(TenantId, Message)]) {
        let mut pause = PAUSES[0];
        let mut failing = false;
        loop {
            let batch = self.fenced(messages);
            if batch.is_empty() {
                return;
            }
            let id = self.name();
            match self.bucket.commit(&id, &batch).await {
                Ok(_) => {
                    if failing {
                        info!(message = "NATS takes changes of the state again.");
                    }
                    return;
                }
                Err(WriteError::Fenced) => self.find_lost(messages).await,
                Err(WriteError::Failed(detail)) => {
                    if !std::mem::replace(&mut failing, true) {
                        warn!(
                            message = "NATS does not take a change of the state; nothing is lost, and nothing goes on until it does.",
                            error = %detail,
                        );
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSES[1]);
                }
            }
        }
    }

    /// The messages of this member's tenants. The first one of each tenant has the fence.
    fn fenced(&self, messages: &[(TenantId, Message)]) -> Vec<Message> {
        let mut last = None;
        let mut batch = Vec::with_capacity(messages.len());
        for (tenant, message) in messages {
            let Some(fence) = self.owned.fence(*tenant) else { continue };
            let fence = (last != Some(*tenant)).then_some(fence);
            last = Some(*tenant);
            batch.push(Message { fence, ..message.clone() });
        }
        batch
    }

    /// Finds out which tenants others have taken.
    async fn find_lost(&self, messages: &[(TenantId, Message)]) {
        let tenants: BTreeSet<_> = messages.iter().map(|(tenant, _)| *tenant).collect();
        for tenant in tenants {
            let Some(fence) = self.owned.fence(tenant) else { continue };
            match self.bucket.last(&fence.subject).await {
                Ok(Some(row)) if row.revision == fence.revision => {}
                Ok(_) => self.owned.lose(tenant, fence.revision),
                // The next batch fails as this one did.
                Err(error) => warn!(message = "Cannot read who works on a tenant.", tenant_id = %tenant, %error),
            }
        }
    }

    /// A name that no other batch and no other message has.
    fn name(&mut self) -> String {
        self.batches += 1;
        format!("{}-{}", self.session, self.batches)
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
