//! Which batches the indexers have.
//!
//! The collector numbers the requests of a channel (a GUID that the client makes up), and begins anew with its numbers
//! when it restarts. A number must never be taken for the same number of an earlier request. So a channel is left as
//! soon as that could happen: when a number comes again, and when an answer is lost, so that its number is unknown.
//! Batches that wait on the old channel go on waiting.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{Body, Failure, HttpClient, explain};
use crate::{
    config::IndexerAcknowledgementsConfig,
    host::telemetry::{self, SinkLabels},
};

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
    pub(super) labels: SinkLabels,
}

struct Waiting {
    /// The channel on which to send.
    current: String,
    channels: HashMap<String, Batches>,
    /// Why the indexers could not be asked the last time.
    trouble: Option<String>,
}

#[derive(Default)]
struct Batches {
    highest: u64,
    by_number: HashMap<u64, oneshot::Sender<Result<(), Failure>>>,
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
    /// `requests`: how many are open at once.
    pub(super) fn new(queries: Queries, config: &IndexerAcknowledgementsConfig, requests: u64) -> Self {
        let waiting = Arc::new(Mutex::new(Waiting::new()));
        let limit = usize::try_from(config.max_pending_acks.max(requests)).unwrap_or(usize::MAX);
        let task = tokio::spawn(queries.run(Arc::clone(&waiting), config.query_interval()));
        Self { waiting, limit, timeout: config.timeout(), _queries: AbortOnDropHandle::new(task) }
    }

    /// How many batches may wait.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// The channel on which to send now.
    pub(super) fn channel(&self) -> String {
        lock(&self.waiting).current.clone()
    }

    /// The answer to a request on `channel` was lost, and with it the number it had.
    pub(super) fn leave(&self, channel: &str) {
        lock(&self.waiting).leave(channel);
    }

    /// Waits until the indexers have what was sent on `channel` and got the number `id`.
    pub(super) async fn wait(&self, channel: &str, id: u64) -> Result<(), Failure> {
        let answer = lock(&self.waiting).add(channel, id, self.limit as u64)?;
        if let Ok(answer) = timeout(self.timeout, answer).await {
            return answer.unwrap_or_else(|_| Err(Failure::may_pass("the sink is stopping")));
        }
        let mut waiting = lock(&self.waiting);
        waiting.forget(channel, id);
        let why = waiting.trouble.clone().unwrap_or_else(|| {
            "behind a load balancer, requests of one client have to reach the same collector (sticky sessions by address)"
                .to_owned()
        });
        let seconds = self.timeout.as_secs();
        Err(Failure::may_pass(format!("the indexers have not acknowledged within {seconds} seconds: {why}")))
    }
}

impl Waiting {
    fn new() -> Self {
        Self { current: Uuid::new_v4().to_string(), channels: HashMap::new(), trouble: None }
    }

    fn leave(&mut self, channel: &str) {
        if channel == self.current {
            self.current = Uuid::new_v4().to_string();
        }
    }

    fn add(&mut self, channel: &str, id: u64, slack: u64) -> Result<oneshot::Receiver<Result<(), Failure>>, Failure> {
        let batches = self.channels.entry(channel.to_owned()).or_default();
        // Answers overtake each other a little.
        if batches.by_number.contains_key(&id) || id.saturating_add(slack) < batches.highest {
            let reason = "numbers of acknowledgements come again: the collector has restarted, or behind a load balancer \
                          there are several and the requests of one client do not reach the same (sticky sessions)";
            for (_, batch) in std::mem::take(batches).by_number {
                let _ = batch.send(Err(Failure::may_pass(reason)));
            }
            self.leave(channel);
            return Err(Failure::may_pass(reason));
        }
        let (sender, receiver) = oneshot::channel();
        batches.highest = batches.highest.max(id);
        batches.by_number.insert(id, sender);
        Ok(receiver)
    }

    fn forget(&mut self, channel: &str, id: u64) {
        if let Some(batches) = self.channels.get_mut(channel) {
            batches.by_number.remove(&id);
        }
    }

    /// What to ask for now: the numbers that are waited for, by channel.
    fn open(&mut self) -> Vec<(String, Vec<u64>)> {
        let Self { current, channels, .. } = self;
        channels.retain(|channel, batches| {
            batches.by_number.retain(|_, batch| !batch.is_closed());
            channel == current || !batches.by_number.is_empty()
        });
        let numbers = |batches: &Batches| batches.by_number.keys().copied().collect::<Vec<_>>();
        let open = channels.iter().map(|(channel, batches)| (channel.clone(), numbers(batches)));
        open.filter(|(_, ids)| !ids.is_empty()).collect()
    }

    fn settle(&mut self, channel: &str, acked: &Acked) {
        let Some(batches) = self.channels.get_mut(channel) else { return };
        for (id, _) in acked.acks.iter().filter(|(_, has)| **has) {
            if let Some(batch) = batches.by_number.remove(id) {
                let _ = batch.send(Ok(()));
            }
        }
    }
}

impl Queries {
    async fn run(self, waiting: Arc<Mutex<Waiting>>, interval: Duration) {
        loop {
            sleep(interval).await;
            let open = lock(&waiting).open();
            for (channel, ids) in open {
                let answer = timeout(self.timeout, self.ask(&channel, ids)).await;
                let mut waiting = lock(&waiting);
                match answer.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
                    Ok(acked) => {
                        waiting.settle(&channel, &acked);
                        waiting.trouble = None;
                    }
                    // The next query may be answered; otherwise the batches' own time runs out.
                    Err(reason) => {
                        let reason = format!("the indexers cannot be asked: {reason}");
                        telemetry::indexers_silent(&self.labels, &reason);
                        waiting.trouble = Some(reason);
                    }
                }
            }
        }
    }

    async fn ask(&self, channel: &str, acks: Vec<u64>) -> Result<Acked, String> {
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        add_channel(&mut headers, channel);
        let query = serde_json::to_vec(&Query { acks }).map_err(|error| error.to_string())?;
        let answer = self.client.post(&self.uri, &headers, &Body::plain(query)).await;
        let answer = answer.map_err(|refusal| explain(refusal).into_reason())?;
        serde_json::from_slice(&answer).map_err(|error| format!("the answer is not Splunk's: {error}"))
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

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn acked(ids: &[u64]) -> Acked {
        Acked { acks: ids.iter().map(|id| (*id, true)).collect() }
    }

    #[test]
    fn a_number_that_comes_again_acknowledges_nothing() {
        for again in [7, 0] {
            let mut waiting = Waiting::new();
            let channel = waiting.current.clone();
            let mut six = waiting.add(&channel, 6, 2).unwrap();
            let mut seven = waiting.add(&channel, 7, 2).unwrap();
            // A little older is overtaking, no restart.
            let mut five = waiting.add(&channel, 5, 2).unwrap();
            waiting.add(&channel, again, 2).unwrap_err();
            assert_ne!(waiting.current, channel);
            waiting.settle(&channel, &acked(&[0, 5, 6, 7]));
            for batch in [&mut five, &mut six, &mut seven] {
                assert!(matches!(batch.now_or_never(), Some(Ok(Err(Failure::MayPass { .. })))), "{again}");
            }
        }
    }

    #[test]
    fn after_a_lost_answer_the_channel_is_left_and_what_waits_on_it_waits_on() {
        let mut waiting = Waiting::new();
        let channel = waiting.current.clone();
        let mut first = waiting.add(&channel, 0, 2).unwrap();
        waiting.leave(&channel);
        let next = waiting.current.clone();
        assert_ne!(next, channel);
        // A request on the old channel does not make us leave the new one.
        waiting.leave(&channel);
        assert_eq!(waiting.current, next);
        let mut other = waiting.add(&next, 0, 2).unwrap();
        waiting.settle(&next, &acked(&[0]));
        assert!(first.try_recv().is_err());
        assert_eq!(other.try_recv().unwrap(), Ok(()));
        waiting.settle(&channel, &acked(&[0]));
        assert_eq!(first.try_recv().unwrap(), Ok(()));
        drop((first, other));
        assert_eq!(waiting.open(), []);
        assert!(!waiting.channels.contains_key(&channel));
    }
}
