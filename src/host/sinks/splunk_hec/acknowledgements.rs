//! Which batches the indexers have.
//!
//! The collector numbers the requests of a channel (a GUID that the client makes up) and forgets the numbers when it
//! restarts. All that wait are asked for in one query.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{Failure, HttpClient, explain};
use crate::config::IndexerAcknowledgementsConfig;

const CHANNEL: HeaderName = HeaderName::from_static("x-splunk-request-channel");

/// The batches that wait for the indexers.
pub(super) struct Acknowledgements {
    waiting: Arc<Mutex<Waiting>>,
    limit: usize,
    timeout: Duration,
    /// Ends with the sink.
    _queries: AbortOnDropHandle<()>,
}

/// How the indexers are asked.
pub(super) struct Queries {
    pub(super) client: HttpClient,
    pub(super) uri: Uri,
    pub(super) timeout: Duration,
}

struct Waiting {
    channel: String,
    highest: u64,
    batches: HashMap<u64, oneshot::Sender<Result<(), Failure>>>,
}

#[derive(Serialize)]
struct Query {
    acks: Vec<u64>,
}

#[derive(Deserialize)]
struct Acked {
    acks: HashMap<u64, bool>,
}

impl Acknowledgements {
    pub(super) fn new(queries: Queries, config: &IndexerAcknowledgementsConfig) -> Self {
        let waiting = Arc::new(Mutex::new(Waiting::new()));
        let limit = usize::try_from(config.max_pending_acks).unwrap_or(usize::MAX);
        let task = tokio::spawn(queries.run(Arc::clone(&waiting), config.query_interval()));
        Self { waiting, limit, timeout: config.timeout(), _queries: AbortOnDropHandle::new(task) }
    }

    /// How many batches may wait.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// How long a batch may wait.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The channel on which to send now.
    pub(super) fn channel(&self) -> String {
        lock(&self.waiting).channel.clone()
    }

    /// Waits until the indexers have what was sent on `channel` and got the number `id`.
    pub(super) async fn wait(&self, channel: &str, id: u64) -> Result<(), Failure> {
        let answer = lock(&self.waiting).add(channel, id, self.limit as u64)?;
        let waited = timeout(self.timeout, answer).await;
        match waited {
            Ok(answer) => answer.unwrap_or_else(|_| Err(Failure::may_pass("the sink is stopping"))),
            Err(_) => {
                lock(&self.waiting).forget(channel, id);
                let seconds = self.timeout.as_secs();
                Err(Failure::may_pass(format!(
                    "the indexers have not acknowledged within {seconds} seconds; behind a load balancer, requests of one \
                     client have to reach the same collector (sticky sessions)"
                )))
            }
        }
    }
}

impl Waiting {
    fn new() -> Self {
        Self { channel: Uuid::new_v4().to_string(), highest: 0, batches: HashMap::new() }
    }

    fn add(&mut self, channel: &str, id: u64, slack: u64) -> Result<oneshot::Receiver<Result<(), Failure>>, Failure> {
        let restarted = || Failure::may_pass("the collector has begun to count anew, as after a restart");
        if channel != self.channel {
            return Err(restarted());
        }
        // Answers overtake each other a little; numbers that come again would make one batch's acknowledgement another's.
        if self.batches.contains_key(&id) || id.saturating_add(slack) < self.highest {
            for (_, batch) in std::mem::replace(self, Self::new()).batches {
                let _ = batch.send(Err(restarted()));
            }
            return Err(restarted());
        }
        let (sender, receiver) = oneshot::channel();
        self.highest = self.highest.max(id);
        self.batches.insert(id, sender);
        Ok(receiver)
    }

    fn forget(&mut self, channel: &str, id: u64) {
        if channel == self.channel {
            self.batches.remove(&id);
        }
    }

    /// What to ask for now: the channel, and the numbers that are still waited for.
    fn open(&mut self) -> (String, Vec<u64>) {
        self.batches.retain(|_, batch| !batch.is_closed());
        (self.channel.clone(), self.batches.keys().copied().collect())
    }

    fn settle(&mut self, channel: &str, ids: &[u64], result: &Result<Acked, Failure>) {
        if channel != self.channel {
            return;
        }
        for id in ids {
            let outcome = match result {
                Ok(Acked { acks }) if acks.get(id) == Some(&true) => Ok(()),
                Ok(_) => continue,
                Err(failure) => Err(failure.clone()),
            };
            if let Some(batch) = self.batches.remove(id) {
                let _ = batch.send(outcome);
            }
        }
    }
}

impl Queries {
    async fn run(self, waiting: Arc<Mutex<Waiting>>, interval: Duration) {
        loop {
            sleep(interval).await;
            let (channel, ids) = lock(&waiting).open();
            if ids.is_empty() {
                continue;
            }
            let answer = timeout(self.timeout, self.ask(&channel, &ids)).await;
            match answer {
                Ok(result @ (Ok(_) | Err(Failure::Refused { .. }))) => lock(&waiting).settle(&channel, &ids, &result),
                // The next query may be answered; if none is, the batches' own time runs out.
                Ok(Err(failure)) => tracing::debug!(message = "The indexers cannot be asked.", ?failure),
                Err(_) => tracing::debug!(message = "The indexers have not answered in time."),
            }
        }
    }

    async fn ask(&self, channel: &str, ids: &[u64]) -> Result<Acked, Failure> {
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        add_channel(&mut headers, channel);
        let query = serde_json::to_vec(&Query { acks: ids.to_vec() }).unwrap_or_default();
        let answer = self.client.try_post(&self.uri, &headers, Bytes::from(query)).await.map_err(explain)?;
        serde_json::from_slice(&answer)
            .map_err(|error| Failure::may_pass(format!("the answer on acknowledgements cannot be read: {error}")))
    }
}

/// Says on which channel a request is.
pub(super) fn add_channel(headers: &mut HeaderMap, channel: &str) {
    if let Ok(channel) = HeaderValue::from_str(channel) {
        headers.insert(CHANNEL, channel);
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
