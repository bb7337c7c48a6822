//! What the servers of the state are, found out without changing anything.

use async_nats::{
    Client, RequestErrorKind,
    jetstream::{account::Account, response::Response},
};
use bytes::Bytes;
use chrono::Utc;
use futures::StreamExt;
use snafu::ensure;
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    NatsLedger,
    announcing::announced_to,
    bucket::{Bucket, Fence, Message, PATIENCE, WriteError},
    connection::{Connection, bucket_name, compare},
    error::{AloneSnafu, AnswerSnafu, NatsError, NothingSnafu},
    membership,
    options::NatsOptions,
    subject,
};
use crate::ledger::LedgerError;

/// Room for what some hundred thousand events take. Unit: bytes.
const LEAST_ROOM: u64 = 16 * 1024 * 1024;

/// The servers of the state, and the bucket if there is one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NatsProbe {
    /// The version of the server that answered.
    pub version: String,
    /// What the bucket is called.
    pub bucket: String,
    /// How many members are there; `None` if there is no bucket yet.
    pub members: Option<usize>,
    /// What the account may store, if that is limited.
    pub room: Option<NatsRoom>,
    /// By how much the servers' clock is ahead of this machine's; `None` if there is no bucket yet. Unit: seconds.
    pub clock_ahead: Option<i64>,
}

/// What an account of NATS may store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NatsRoom {
    /// What is stored, of all streams of the account. Unit: bytes.
    pub used: u64,
    /// The most that may be. Unit: bytes.
    pub limit: u64,
}

impl NatsRoom {
    /// Whether less than a tenth is left, or less than a small cluster needs.
    pub const fn is_scarce(self) -> bool {
        self.limit - self.limit / 10 < self.used || self.limit.saturating_sub(self.used) < LEAST_ROOM
    }

    /// What an account has left for streams with so many copies. Accounts can have limits for each number of copies.
    fn of(account: &Account, replicas: usize) -> Option<Self> {
        let tier = account.tiers.get(&format!("R{replicas}"));
        let (used, limits) = tier.map_or((account.storage, &account.limits), |tier| (tier.storage, &tier.limits));
        Some(Self { used, limit: u64::try_from(limits.max_storage?).ok()? })
    }
}

impl NatsLedger {
    /// Connects, and looks whether the servers can hold the state, or hold it as it must be.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), but for what only writing shows.
    pub async fn probe(options: &NatsOptions) -> Result<NatsProbe, LedgerError> {
        let connection = Connection::open(options).await?;
        Ok(connection.unless_refused(Box::pin(Self::probe_with(&connection, options))).await?)
    }

    async fn probe_with(connection: &Connection, options: &NatsOptions) -> Result<NatsProbe, NatsError> {
        let account = connection.context.query_account().await.map_err(|error| connection.refused(error))?;
        let found = if let Some(stream) = connection.existing_stream().await? {
            compare(&stream.cached_info().config, &connection.wanted(options))?;
            let bucket = connection.bucket().await?;
            try_write(&bucket).await?;
            try_read(&bucket).await?;
            bucket.purge(subject::CHECK).await?;
            let ahead = bucket.time().await? - Utc::now().timestamp();
            Some((membership::count(&bucket).await?, ahead))
        } else {
            let is_alone = connection.client.server_info().cluster.is_none();
            ensure!(options.replicas <= 1 || !is_alone, AloneSnafu { replicas: options.replicas });
            try_without_bucket(connection).await?;
            None
        };
        try_announcement(&connection.client, &options.prefix).await?;
        Ok(NatsProbe {
            version: connection.client.server_info().version,
            bucket: connection.name.clone(),
            members: found.map(|(members, _)| members),
            room: NatsRoom::of(&account, options.replicas),
            clock_ahead: found.map(|(_, ahead)| ahead),
        })
    }

    /// Whether there is a bucket. Opening makes one.
    ///
    /// # Errors
    ///
    /// When NATS cannot be reached, or refuses to tell.
    pub async fn exists(options: &NatsOptions) -> Result<bool, LedgerError> {
        let connection = Connection::open(options).await?;
        Ok(connection.unless_refused(connection.existing_stream()).await?.is_some())
    }

    /// As [`exists`](Self::exists), for what needs it.
    ///
    /// # Errors
    ///
    /// When there is none, and as there.
    pub async fn require(options: &NatsOptions) -> Result<(), LedgerError> {
        ensure!(Self::exists(options).await?, NothingSnafu { bucket: bucket_name(&options.prefix) });
        Ok(())
    }
}

/// Whether this user may write rows: tries a write that the fence forbids. A server refuses what a user may not publish without an answer.
async fn try_write(bucket: &Bucket) -> Result<(), NatsError> {
    let subject = subject::CHECK.to_owned();
    let never = Some(Fence { subject: subject.clone(), revision: u64::from(u32::MAX) });
    let message = Message { subject, value: Some(Bytes::new()), expires_in: None, fence: never };
    match bucket.commit("", &[message]).await {
        Ok(_) | Err(WriteError::Fenced) => Ok(()),
        Err(WriteError::Failed(detail)) => AnswerSnafu { task: "take a write to the bucket", detail }.fail(),
    }
}

/// Whether this user may do what makes and changes a bucket, where there is none: asks for what a server answers with an error. A server
/// answers nothing to a user that may not ask.
async fn try_without_bucket(Connection { client, context, name, .. }: &Connection) -> Result<(), NatsError> {
    for request in ["STREAM.CREATE", "STREAM.PURGE", "CONSUMER.CREATE"] {
        // Without a name, no stream is made.
        let asked = context.request(format!("{request}.KV_{name}"), &serde_json::json!({})).await;
        asked.map(|_: Response<serde_json::Value>| ()).map_err(|error| {
            AnswerSnafu { task: "answer requests about streams", detail: format!("{request}: {error}") }.build()
        })?;
    }
    // Nobody listens there, which a server says at once.
    match client.request(format!("$KV.{name}.{}", subject::CHECK), Bytes::new()).await {
        Err(error) if error.kind() == RequestErrorKind::TimedOut => {
            AnswerSnafu { task: "take a write to the bucket", detail: error.to_string() }.fail()
        }
        _ => Ok(()),
    }
}

/// Whether this user may read many rows at once.
async fn try_read(bucket: &Bucket) -> Result<(), NatsError> {
    // There is at least one: the format.
    let mut rows = bucket.rows(subject::FORMAT).await?;
    rows.next().await?;
    rows.close().await;
    Ok(())
}

/// Whether members can tell each other of content: this one tells itself.
async fn try_announcement(client: &Client, prefix: &str) -> Result<(), NatsError> {
    let subject = announced_to(prefix, &format!("check-{}", Uuid::new_v4().simple()));
    let passing = async {
        let mut heard = client.subscribe(subject.clone()).await.map_err(|error| error.to_string())?;
        client.publish(subject, Bytes::new()).await.map_err(|error| error.to_string())?;
        heard.next().await.map(drop).ok_or_else(|| "the connection was closed".to_owned())
    };
    let passed = timeout(PATIENCE, passing).await.unwrap_or_else(|_| Err("nothing came".to_owned()));
    passed.map_err(|detail| AnswerSnafu { task: "pass messages from one member to another", detail }.build())
}
