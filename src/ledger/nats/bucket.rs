//! The bucket of JetStream that holds the state: one row a subject, of which the newest message counts.

use std::time::Duration;

use async_nats::{
    Client, HeaderMap, Subscriber,
    header::{
        NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE,
        NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_TTL,
    },
    jetstream::{
        Context, ErrorCode,
        consumer::pull::{Ordered, OrderedConfig},
        context::GetStreamErrorKind,
        publish::PublishAck,
        response::Response,
        stream::{LastRawMessageErrorKind, Stream},
    },
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt;
use serde::Deserialize;
use snafu::ensure;
use tokio::time::sleep;
use tracing::debug;

use super::{
    connection::{Connection, compare},
    error::{AnswerSnafu, NatsError, RowSnafu, TooNewSnafu},
    options::NatsOptions,
    subject,
};

/// The format of the rows. A version that changes their meaning counts it up.
const FORMAT: u64 = 1;

/// For how long an answer is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How often, and with which pauses, servers are asked for the bucket that have not elected a leader yet.
pub(super) const MOST_TRIES: u32 = 10;
pub(super) const ELECTION: Duration = Duration::from_secs(1);

/// How often, and with which pauses, rows are asked for. Servers that elect a leader, or are busy, answer late; to read again does no harm.
const READS: u32 = 3;
const BETWEEN_READS: Duration = Duration::from_secs(1);

/// How many messages a server takes in one batch.
pub(super) const MOST_MESSAGES: usize = 1_000;

/// For how long it is remembered that a row was deleted. Longer than any consumer needs to be told.
const DELETED: Duration = Duration::from_secs(3_600);

/// The header that names the subject whose sequence is compared, where it is not the message's own.
const EXPECTED_SUBJECT: &str = "Nats-Expected-Last-Subject-Sequence-Subject";

/// Marks deleted rows, for everybody who reads the bucket as a key-value store.
const OPERATION: (&str, &str) = ("KV-Operation", "DEL");

/// The bucket, over a connection of its own.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    client: Client,
    context: Context,
    /// The name of its stream.
    name: String,
    stream: Stream<()>,
    /// What all subjects begin with, with the last dot.
    prefix: String,
}

/// A row as it is to be.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// Its subject, without the prefix.
    pub subject: String,
    /// What is to be in it; `None` deletes it.
    pub value: Option<Bytes>,
    /// When it goes by itself.
    pub expires_in: Option<Duration>,
    /// What must hold for it to be written.
    pub fence: Option<Fence>,
}

/// A row's newest message must be the one with this revision.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Fence {
    /// Its subject, without the prefix.
    pub subject: String,
    /// The sequence of its newest message; 0 if there must be none.
    pub revision: u64,
}

/// A row as it was found.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its subject, without the prefix.
    pub subject: String,
    /// The sequence of the message.
    pub revision: u64,
    /// What is in it; `None` if it was deleted.
    pub value: Option<Bytes>,
    /// When a server wrote it, by the servers' clock. Unit: seconds since 1970.
    pub written: i64,
}

/// What of a stream's information says when it was given.
#[derive(Deserialize)]
struct Now {
    ts: DateTime<Utc>,
}

/// Why something was not written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// A fence does not hold. Nothing of the batch was written.
    Fenced,
    /// Whether it was written is not known, or the servers cannot now.
    Failed(String),
}

impl Bucket {
    /// Connects, and opens the bucket or makes it.
    pub async fn open(options: &NatsOptions) -> Result<Self, NatsError> {
        let connection = Connection::open(options).await?;
        connection.unless_refused(Box::pin(Self::open_with(&connection, options))).await
    }

    async fn open_with(connection: &Connection, options: &NatsOptions) -> Result<Self, NatsError> {
        let wanted = connection.wanted(options);
        let opened = connection.make(&wanted).await?;
        compare(&opened.cached_info().config, &wanted)?;
        let bucket = connection.bucket().await?;
        let mut tries = 0;
        // The servers of a bucket that was just made elect a leader for it, too.
        while let Err(error) = bucket.check_format(&connection.name).await {
            tries += 1;
            if tries == MOST_TRIES || !matches!(error, NatsError::Answer { .. }) {
                return Err(error);
            }
            sleep(ELECTION).await;
        }
        Ok(bucket)
    }

    /// The one of a connection, with its stream.
    pub fn of(connection: &Connection, stream: Stream<()>) -> Self {
        Self {
            client: connection.client.clone(),
            context: connection.context.clone(),
            name: connection.stream(),
            stream,
            prefix: format!("$KV.{}.", connection.name),
        }
    }

    /// Notes the format, or compares it with the one that is noted.
    async fn check_format(&self, bucket: &str) -> Result<(), NatsError> {
        let format = Bytes::from(FORMAT.to_string());
        if self.create(subject::FORMAT, format).await?.is_some() {
            return Ok(());
        }
        let known = self.last(subject::FORMAT).await?.and_then(|row| row.value).unwrap_or_default();
        let found = std::str::from_utf8(&known).ok().and_then(|text| text.parse::<u64>().ok());
        match found {
            Some(found) => {
                ensure!(found <= FORMAT, TooNewSnafu { bucket, found, known: FORMAT });
                Ok(())
            }
            None => RowSnafu { subject: subject::FORMAT, detail: "it is no number" }.fail(),
        }
    }

    /// The newest message of a row, as its leader has it.
    pub async fn last(&self, subject: &str) -> Result<Option<Row>, NatsError> {
        let full = format!("{}{subject}", self.prefix);
        read("read a row", || async {
            match self.stream.get_last_raw_message_by_subject(&full).await {
                Ok(message) => Ok(Some(Row {
                    subject: subject.to_owned(),
                    revision: message.sequence,
                    value: value(Some(&message.headers), message.payload),
                    written: message.time.unix_timestamp(),
                })),
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
                Err(error) => Err(error.to_string()),
            }
        })
        .await
    }

    /// Writes a row that does not exist. Returns its revision; `None` if it exists.
    pub async fn create(&self, subject: &str, value: Bytes) -> Result<Option<u64>, NatsError> {
        self.replace(subject, Some(value), 0).await
    }

    /// Writes a row whose newest message has this revision. Returns the new one; `None` if it has another.
    pub async fn replace(&self, subject: &str, value: Option<Bytes>, revision: u64) -> Result<Option<u64>, NatsError> {
        let fence = Some(Fence { subject: subject.to_owned(), revision });
        self.put(Message { subject: subject.to_owned(), value, expires_in: None, fence }).await
    }

    /// Writes one row, whatever it was, unless it has a fence that does not hold. Returns its revision; `None` if it was not written.
    pub async fn put(&self, message: Message) -> Result<Option<u64>, NatsError> {
        match self.commit("", std::slice::from_ref(&message)).await {
            Ok(revision) => Ok(Some(revision)),
            Err(WriteError::Fenced) => Ok(None),
            Err(WriteError::Failed(detail)) => AnswerSnafu { task: "write a row", detail }.fail(),
        }
    }

    /// Writes up to [`MOST_MESSAGES`] rows, all of them or none. `id` names the batch, and no other. Returns the revision of the last.
    pub async fn commit(&self, id: &str, messages: &[Message]) -> Result<u64, WriteError> {
        let Some((last, others)) = messages.split_last() else { return Ok(0) };
        for (at, message) in others.iter().enumerate() {
            let mut headers = headers(message, &self.prefix);
            headers.insert(NATS_BATCH_ID, id);
            headers.insert(NATS_BATCH_SEQUENCE, (at + 1).to_string().as_str());
            let payload = message.value.clone().unwrap_or_default();
            let published = self.client.publish_with_headers(self.subject(message), headers, payload).await;
            published.map_err(|error| WriteError::Failed(error.to_string()))?;
        }
        let mut headers = headers(last, &self.prefix);
        if !others.is_empty() {
            headers.insert(NATS_BATCH_ID, id);
            headers.insert(NATS_BATCH_SEQUENCE, messages.len().to_string().as_str());
            headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
        }
        let payload = last.value.clone().unwrap_or_default();
        let answer = self.client.request_with_headers(self.subject(last), headers, payload).await;
        let answer = answer.map_err(|error| WriteError::Failed(error.to_string()))?;
        match serde_json::from_slice::<Response<PublishAck>>(&answer.payload) {
            Ok(Response::Ok(acknowledged)) => Ok(acknowledged.sequence),
            Ok(Response::Err { error }) if error.error_code() == ErrorCode::STREAM_WRONG_LAST_SEQUENCE => {
                Err(WriteError::Fenced)
            }
            Ok(Response::Err { error }) => Err(WriteError::Failed(error.to_string())),
            Err(error) => Err(WriteError::Failed(format!("the answer cannot be read: {error}"))),
        }
    }

    /// Reads the rows that a filter names, in the order in which they were written.
    pub async fn rows(&self, filter: &str) -> Result<Rows, NatsError> {
        let failed = |detail: String| AnswerSnafu { task: "read rows", detail }.build();
        let filter_subject = format!("{}{filter}", self.prefix);
        let config = OrderedConfig { filter_subject, ..OrderedConfig::default() };
        let created = || async { self.stream.create_consumer(config.clone()).await.map_err(|error| error.to_string()) };
        let consumer = read("read rows", created).await?;
        let name = consumer.cached_info().name.clone();
        let messages = consumer.messages().await.map_err(|error| failed(error.to_string()))?;
        Ok(Rows { messages, prefix: self.prefix.clone(), stream: self.stream.clone(), consumer: name })
    }

    /// The subjects that a filter names and that have a row, without the prefix.
    pub async fn subjects(&self, filter: &str) -> Result<Vec<String>, NatsError> {
        read("list rows", || async {
            let listed = self.stream.info_with_subjects(format!("{}{filter}", self.prefix)).await;
            let mut listed = listed.map_err(|error| error.to_string())?;
            let mut subjects = Vec::new();
            while let Some(subject) = listed.next().await {
                let (subject, _) = subject.map_err(|error| error.to_string())?;
                subjects.extend(subject.strip_prefix(&self.prefix).map(str::to_owned));
            }
            Ok(subjects)
        })
        .await
    }

    /// Removes the rows that a filter names, without a trace.
    pub async fn purge(&self, filter: &str) -> Result<(), NatsError> {
        let purged = self.stream.purge().filter(format!("{}{filter}", self.prefix)).await;
        purged.map(drop).map_err(|error| AnswerSnafu { task: "remove rows", detail: error.to_string() }.build())
    }

    /// What time it is by the clock that says when rows were written. Unit: seconds since 1970.
    pub async fn time(&self) -> Result<i64, NatsError> {
        read("tell the time", || async {
            let asked = self.context.request(format!("STREAM.INFO.{}", self.name), &serde_json::json!({})).await;
            match asked.map_err(|error| error.to_string())? {
                Response::Ok(Now { ts }) => Ok(ts.timestamp()),
                Response::Err { error } => Err(error.to_string()),
            }
        })
        .await
    }

    /// Whether the servers say that there is no bucket.
    pub async fn is_gone(&self) -> bool {
        let asked = self.context.get_stream(&self.name).await;
        asked.is_err_and(|error| match error.kind() {
            GetStreamErrorKind::JetStream(refusal) => refusal.error_code() == ErrorCode::STREAM_NOT_FOUND,
            _ => false,
        })
    }

    /// The connection, for messages that nobody stores.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Messages that nobody stores, from now on.
    pub async fn subscribe(&self, subject: String) -> Result<Subscriber, NatsError> {
        let subscribed = self.client.subscribe(subject).await;
        subscribed.map_err(|error| AnswerSnafu { task: "subscribe", detail: error.to_string() }.build())
    }

    fn subject(&self, message: &Message) -> String {
        format!("{}{}", self.prefix, message.subject)
    }
}

/// What `once` comes to, which is tried again if it fails.
async fn read<T, F>(task: &'static str, once: impl Fn() -> F) -> Result<T, NatsError>
where
    F: Future<Output = Result<T, String>>,
{
    let mut tries = 1;
    loop {
        match once().await {
            Ok(found) => return Ok(found),
            Err(detail) if tries == READS => return AnswerSnafu { task, detail }.fail(),
            Err(detail) => {
                debug!(message = "NATS does not answer; asking again.", task, %detail);
                tries += 1;
                sleep(BETWEEN_READS).await;
            }
        }
    }
}

/// Rows that are being read, and those that come later.
pub(super) struct Rows {
    messages: Ordered,
    prefix: String,
    stream: Stream<()>,
    /// The name of what the server reads them with.
    consumer: String,
}

impl Rows {
    /// The next row, and how many are there after it, as the server knows that is asked: it may lag behind. Waits if there is none.
    pub async fn next(&mut self) -> Result<(Row, u64), NatsError> {
        let failed = |detail: String| AnswerSnafu { task: "read rows", detail }.build();
        let message = self.messages.next().await.ok_or_else(|| failed("the consumer ended".to_owned()))?;
        let message = message.map_err(|error| failed(error.to_string()))?;
        let info = message.info().map_err(|error| failed(error.to_string()))?;
        let (revision, pending, written) = (info.stream_sequence, info.pending, info.published.unix_timestamp());
        let subject = message.subject.strip_prefix(&self.prefix).unwrap_or_default().to_owned();
        let value = value(message.headers.as_ref(), message.payload.clone());
        Ok((Row { subject, revision, value, written }, pending))
    }

    /// Reads no more. Without that, the server keeps the consumer for 30 seconds, and it keeps 1,000 for a stream (nats-server 2.15.1): fewer
    /// than the tenants that are taken in that time when a large member is gone.
    pub async fn close(self) {
        let Self { messages, stream, consumer, .. } = self;
        // Else it would make another one.
        drop(messages);
        // One that cannot be deleted now goes by itself.
        let _ = stream.delete_consumer(&consumer).await;
    }
}

fn headers(message: &Message, prefix: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let expires_in = if message.value.is_none() {
        headers.insert(OPERATION.0, OPERATION.1);
        Some(DELETED)
    } else {
        message.expires_in
    };
    if let Some(expires_in) = expires_in {
        headers.insert(NATS_MESSAGE_TTL, expires_in.as_secs().max(1).to_string().as_str());
    }
    if let Some(Fence { subject, revision }) = &message.fence {
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string().as_str());
        if *subject != message.subject {
            headers.insert(EXPECTED_SUBJECT, format!("{prefix}{subject}").as_str());
        }
    }
    headers
}

fn value(headers: Option<&HeaderMap>, payload: Bytes) -> Option<Bytes> {
    let is_marker = headers
        .is_some_and(|headers| headers.get(OPERATION.0).is_some() || headers.get("Nats-Marker-Reason").is_some());
    (!is_marker).then_some(payload)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn servers_that_answer_late_are_asked_again() {
        let asked = Cell::new(0);
        let answers_at = async |wanted: u32| {
            asked.set(0);
            let once = || async {
                asked.set(asked.get() + 1);
                if asked.get() == wanted { Ok(asked.get()) } else { Err(format!("failure {}", asked.get())) }
            };
            read("read a row", once).await.map_err(|error| error.to_string())
        };
        for tries in 1..=READS {
            assert_eq!(answers_at(tries).await, Ok(tries));
        }
        let failure = answers_at(READS + 1).await.unwrap_err();
        assert!(failure.contains("cannot read a row: failure 3;"), "{failure}");
        assert_eq!(asked.get(), READS);
    }
}
