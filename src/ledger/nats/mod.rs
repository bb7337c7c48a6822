//! The ledger that several collectors share, in a bucket of NATS JetStream.
//!
//! A tenant is worked on by one member of the cluster at a time, its *owner*. The owner has the tenant's rows in a ledger on its own
//! machine, which answers every question, and writes each change to the bucket before it returns. Who takes a tenant over reads the
//! rows from the bucket. What is on a machine is a copy: a member that starts has none.
//!
//! Why not a work queue of JetStream for content: it forgets the ids of acknowledged messages with the window of duplicates, and a blob
//! that is listed again has to be recognised for eight days. So a blob is a row, as in the embedded ledger, and content, cursor and ids
//! of events change together, in an atomic batch. nats-server 2.15.1 stores only the beginning of a batch in which the account's limit is
//! met, so that the messages of a batch stand in an order of which each beginning is safe: ids, then content, then cursors.

mod announcing;
mod bucket;
mod change;
mod connection;
mod coverage;
mod error;
mod events;
mod intake;
mod membership;
mod options;
mod owned;
mod ownership;
mod probe;
mod queue;
mod refusals;
mod replicator;
mod subject;
mod subscriptions;
mod tenants;
mod transfer;
mod upkeep;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use uuid::Uuid;

pub use self::{
    announcing::{AnnouncedElsewhere, Announcements},
    error::NatsError,
    membership::{LEASE, Member},
    options::{NatsLogin, NatsOptions},
    ownership::Owner,
    probe::{NatsProbe, NatsRoom},
};
use self::{bucket::Bucket, change::Change, owned::Owned, replicator::Replicator};
use super::{IdRetention, LedgerError, RedbLedger, row_key::RowKey};

/// Where the copy is, below the directory of a source.
const COPY: &str = "nats-copy";

/// A [`Ledger`](super::Ledger) whose rows are in NATS JetStream. It knows the tenants that it has taken.
#[derive(Debug)]
pub struct NatsLedger {
    bucket: Bucket,
    local: Arc<RedbLedger>,
    owned: Owned,
    replicator: Replicator,
    /// Names this run of this member among all.
    session: String,
    prefix: String,
    /// Whether claims wait while the lease has run out.
    waits: AtomicBool,
    /// What time it was by the servers' clock when the members were looked for last. Unit: seconds since 1970.
    server_time: AtomicI64,
}

impl NatsLedger {
    /// Connects to the servers, and makes the bucket if there is none. `directory` is the source's own.
    ///
    /// # Errors
    ///
    /// When no server can be reached, when one lacks what the ledger relies on, or when the directory cannot be used.
    pub async fn open(
        options: &NatsOptions,
        directory: &Path,
        retention: impl Into<IdRetention>,
    ) -> Result<Self, LedgerError> {
        let bucket = Bucket::open(options).await?;
        let copy = Self::copy_in(directory);
        let retention = retention.into();
        RedbLedger::check_unused(&copy, retention).await?;
        match fs::remove_dir_all(&copy) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::create_dir_all(&copy),
        }
        .map_err(|error| LedgerError::from_io(copy.clone(), error))?;
        let local = Arc::new(RedbLedger::start_copy(&copy, retention).await?);
        let (owned, session) = (Owned::default(), Uuid::new_v4().simple().to_string());
        let replicator = Replicator::start(bucket.clone(), Arc::clone(&local), owned.clone(), session.clone());
        let ledger = Self {
            bucket,
            local,
            owned,
            replicator,
            session,
            prefix: options.prefix.clone(),
            waits: AtomicBool::default(),
            server_time: AtomicI64::default(),
        };
        ledger.load_shared().await?;
        Ok(ledger)
    }

    /// Where the copy of a source is. `directory` is the source's own.
    pub fn copy_in(directory: &Path) -> PathBuf {
        directory.join(COPY)
    }

    /// Makes a change of the copy, and returns when it is in the bucket.
    ///
    /// # Errors
    ///
    /// [`NatsError::Taken`] if it is not: it concerns a tenant of another.
    async fn change<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<(T, Change), LedgerError>> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (made, is_written) = self.replicator.change(work).await?;
        if is_written { Ok(made) } else { Err(NatsError::Taken.into()) }
    }

    /// The same for what may concern a tenant of another: the end of work that was begun when it was this member's, say. The new owner
    /// does that work again.
    async fn settle<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<(T, Change), LedgerError>> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.replicator.change(work).await.map(|(made, _)| made)
    }

    /// Returns when these rows are in the bucket.
    async fn write(&self, rows: impl IntoIterator<Item = RowKey>) -> Result<(), LedgerError> {
        let change = Change::of(rows);
        self.settle(async move { Ok(((), change)) }).await
    }

    /// Has claims wait while the lease has run out, until it is known whether a tenant is still this one's. Otherwise nothing is claimed then.
    pub fn wait_for_leases(&self) {
        self.waits.store(true, Ordering::Relaxed);
    }

    fn local(&self) -> Arc<RedbLedger> {
        Arc::clone(&self.local)
    }
}

#[cfg(test)]
mod tests;
