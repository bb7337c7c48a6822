//! Writes what has changed on this machine to the bucket, in groups.
//!
//! Each caller waits until its change is in the bucket. What comes meanwhile is written next, as one batch: all of it or nothing. A row
//! is read when its batch is made, so that a later batch never has an older value. No row is read while a change is on its way from the
//! copy to the queue: else a cursor could become durable before content that was recorded with it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::Utc;
use tokio::{
    sync::{RwLock, mpsc, oneshot},
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

/// The pause after a write that failed: the first and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// A change that is on this machine, and who waits for it to be in the bucket.
#[derive(Debug)]
struct Request {
    change: Change,
    /// Told whether it is: not what concerns a tenant of another.
    done: oneshot::Sender<Result<bool, LedgerError>>,
}

/// The way to the writer. When all clones are dropped, it writes what waits, and ends.
#[derive(Clone, Debug)]
pub(super) struct Replicator {
    /// There are no more requests than callers that wait.
    requests: mpsc::UnboundedSender<Request>,
    /// Held for reading from before a change on this machine until it is among the requests.
    gate: Arc<RwLock<()>>,
}

impl Replicator {
    /// Starts the writer.
    pub fn start(bucket: Bucket, local: Arc<RedbLedger>, owned: Owned, session: String) -> Self {
        let (requests, queue) = mpsc::unbounded_channel();
        let gate = Arc::<RwLock<()>>::default();
        let writer = Writer {
            bucket,
            local,
            owned,
            session,
            gate: Arc::clone(&gate),
            batches: 0,
            noted: BTreeSet::new(),
            due: None,
        };
        tokio::spawn(writer.run(queue).instrument(Span::current()));
        Self { requests, gate }
    }

    /// Makes a change on this machine, and returns when it is in the bucket, with whether it is: not what concerns a tenant of another.
    /// A caller that stops waiting undoes nothing.
    pub async fn change<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<(T, Change), LedgerError>> + Send + 'static,
    ) -> Result<(T, bool), LedgerError> {
        let Self { requests, gate } = self.clone();
        let change = async move {
            let passage = gate.read().await;
            let (made, change) = work.await?;
            let waits = change.is_urgent();
            let (done, written) = oneshot::channel();
            // The writer ends before its callers do only with the runtime.
            let _ = requests.send(Request { change, done });
            drop(passage);
            Ok((made, if waits { written.await.unwrap_or_else(|_| stopped())? } else { true }))
        };
        tokio::spawn(change.in_current_span()).await.unwrap_or_else(|_| stopped())
    }
}

fn stopped<T>() -> Result<T, LedgerError> {
    Err(StoppedSnafu.build().into())
}

struct Writer {
    bucket: Bucket,
    local: Arc<RedbLedger>,
    owned: Owned,
    session: String,
    gate: Arc<RwLock<()>>,
    /// How many batches have been named.
    batches: u64,
    noted: BTreeSet<RowKey>,
    /// When what is noted is to be written.
    due: Option<Instant>,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Request>) {
        loop {
            let mut group = Vec::new();
            tokio::select! {
                first = queue.recv() => match first {
                    Some(first) => self.add(&mut group, first),
                    None => break,
                },
                () = until(self.due) => {}
            }
            if !group.is_empty() || self.due.is_some_and(|due| due <= Instant::now()) {
                self.write(group, &mut queue).await;
            }
        }
        if !self.noted.is_empty() {
            self.write(Vec::new(), &mut queue).await;
        }
    }

    /// Takes note of what may wait; the rest joins the group.
    fn add(&mut self, group: &mut Vec<Request>, mut request: Request) {
        let noted = std::mem::take(&mut request.change.noted);
        if !noted.is_empty() {
            self.due.get_or_insert_with(|| Instant::now() + LATEST);
            self.noted.extend(noted);
        }
        if request.change.is_urgent() {
            group.push(request);
        }
    }

    /// Writes a group, what is noted, and what else has changed by now.
    async fn write(&mut self, mut group: Vec<Request>, queue: &mut mpsc::UnboundedReceiver<Request>) {
        let gate = Arc::clone(&self.gate);
        let closed = gate.write().await;
        while let Ok(request) = queue.try_recv() {
            self.add(&mut group, request);
        }
        self.due = None;
        let noted = Change::of(std::mem::take(&mut self.noted));
        let (changes, waiting): (Vec<_>, Vec<_>) =
            group.into_iter().map(|Request { change, done }| ((change.tenants(), change), done)).unzip();
        let (tenants, changes): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
        let changes = Changes::of(std::iter::once(noted).chain(changes));
        let pieces = self.local.pieces(changes.rows.clone()).await;
        drop(closed);
        let outcome = match pieces {
            Ok(pieces) => {
                let messages = changes.into_messages(pieces, Utc::now(), || self.name());
                let mut others = BTreeSet::new();
                for some in messages.chunks(MOST_MESSAGES) {
                    others.extend(self.publish(some).await);
                }
                Ok(others)
            }
            Err(error) => Err(error),
        };
        for (done, tenants) in waiting.into_iter().zip(tenants) {
            let _ = done.send(outcome.clone().map(|others| tenants.is_disjoint(&others)));
        }
    }

    /// Writes messages, and returns when they are written. What concerns tenants of others is left out; returns which those are.
    async fn publish(&mut self, messages: &[(TenantId, Message)]) -> BTreeSet<TenantId> {
        let mut pause = PAUSES[0];
        let mut failing = false;
        loop {
            let (batch, others) = self.fenced(messages);
            if batch.is_empty() {
                return others;
            }
            let id = self.name();
            match self.bucket.commit(&id, &batch).await {
                Ok(_) => {
                    if failing {
                        info!(message = "NATS takes changes of the state again.");
                    }
                    return others;
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

    /// The messages of this member's tenants, and the tenants of the others. The first message of each tenant has the fence.
    fn fenced(&self, messages: &[(TenantId, Message)]) -> (Vec<Message>, BTreeSet<TenantId>) {
        let (mut last, mut others) = (None, BTreeSet::new());
        let mut batch = Vec::with_capacity(messages.len());
        for (tenant, message) in messages {
            let Some(fence) = self.owned.fence(*tenant) else {
                others.insert(*tenant);
                continue;
            };
            let fence = (last != Some(*tenant)).then_some(fence);
            last = Some(*tenant);
            batch.push(Message { fence, ..message.clone() });
        }
        (batch, others)
    }

    /// Finds out which tenants others have taken.
    async fn find_lost(&self, messages: &[(TenantId, Message)]) {
        let tenants: BTreeSet<_> = messages.iter().map(|(tenant, _)| *tenant).collect();
        for tenant in tenants {
            let Some(fence) = self.owned.fence(tenant) else { continue };
            match self.bucket.last(&fence.subject).await {
                Ok(Some(row))
                    if row.revision == fence.revision && row.value.as_deref() == Some(self.session.as_bytes()) => {}
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
