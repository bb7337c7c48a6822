//! The `splunk_hec` sink on real sockets, against an HTTP Event Collector written from Splunk's documentation.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use office365_source::component::BatchStatus;
use serde_json::{Deserializer, Value, json};
use tokio::time::timeout;

use support::{
    feeder::{GUARD, Pipeline, numbered},
    http_peer::{HttpPeer, Received, Reply},
    patience::until,
};

/// A collector with indexers behind it.
#[derive(Clone, Default)]
struct Splunk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// By channel: the next number, and what became of each request.
    channels: BTreeMap<String, Vec<Request>>,
    /// How often the indexers are asked before they have a request. `None`: never.
    patience: Option<u32>,
    /// Requests of the indexers' queries.
    queries: Vec<Vec<u64>>,
    /// What the next requests with events get instead of an answer; `None` is an answer. The last comes first.
    refusals: Vec<Option<Reply>>,
    /// Whether something on the way does not let the queries through.
    refuses_queries: bool,
    /// Whether the token has indexer acknowledgement.
    has_acknowledgement: bool,
}

struct Request {
    events: Vec<Value>,
    asked: u32,
}

impl Splunk {
    fn new(patience: Option<u32>) -> Self {
        let splunk = Self::default();
        *splunk.state() = State { patience, has_acknowledgement: true, ..State::default() };
        splunk
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    async fn start(&self) -> HttpPeer {
        let splunk = self.clone();
        HttpPeer::answering(move |request| splunk.answer(request)).await
    }

    fn answer(&self, request: &Received) -> Reply {
        let mut state = self.state();
        if request.header("authorization") != Some("Splunk B5A79AAD-D822-46CC-80D1-819F80D7BFB0") {
            return Reply::Status(403, r#"{"text":"Invalid token","code":4}"#);
        }
        let channel = request.header("x-splunk-request-channel").map(str::to_owned);
        match request.path.as_str() {
            "/services/collector/event" => {
                if let Some(Some(refusal)) = state.refusals.pop() {
                    return refusal;
                }
                let events = Deserializer::from_slice(&request.body).into_iter().map(Result::unwrap).collect();
                if !state.has_acknowledgement {
                    state.channels.entry(String::new()).or_default().push(Request { events, asked: 0 });
                    return Reply::Status(200, r#"{"text":"Success","code":0}"#);
                }
                let Some(channel) = channel else {
                    return Reply::Status(400, r#"{"text":"Data channel is missing","code":10}"#);
                };
                let requests = state.channels.entry(channel).or_default();
                requests.push(Request { events, asked: 0 });
                Reply::Body(json!({ "text": "Success", "code": 0, "ackId": requests.len() - 1 }).to_string())
            }
            "/services/collector/ack" if state.refuses_queries => Reply::Status(404, ""),
            "/services/collector/ack" => {
                let query: Value = serde_json::from_slice(&request.body).unwrap();
                let ids: Vec<_> = query["acks"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
                state.queries.push(ids.clone());
                let patience = state.patience;
                let requests = state.channels.get_mut(&channel.unwrap());
                let mut acks = BTreeMap::new();
                let mut nothing = Vec::new();
                let requests = requests.unwrap_or(&mut nothing);
                for id in ids {
                    let request = requests.get_mut(usize::try_from(id).unwrap());
                    acks.insert(
                        id.to_string(),
                        request.is_some_and(|request| {
                            request.asked += 1;
                            // Splunk says so once, and forgets the number.
                            patience.is_some_and(|patience| request.asked == patience + 1)
                        }),
                    );
                }
                Reply::Body(json!({ "acks": acks }).to_string())
            }
            other => panic!("{other}"),
        }
    }

    /// The collector restarts: it forgets its channels, and what the indexers did not have is gone.
    fn restart(&self) {
        self.state().channels.clear();
    }

    fn events(&self) -> Vec<Value> {
        self.state().channels.values().flatten().flat_map(|request| request.events.clone()).collect()
    }
}

fn sink(peer: &HttpPeer, more: &str) -> String {
    format!(
        "type = \"splunk_hec\"\nendpoint = \"http://{}\"\ntoken = \"B5A79AAD-D822-46CC-80D1-819F80D7BFB0\"\n\
         batch.timeout_secs = 0\nindexer_acknowledgements.query_interval_secs = 1\n{more}",
        peer.address
    )
}

#[tokio::test]
async fn a_batch_is_delivered_when_the_indexers_have_it() {
    let splunk = Splunk::new(Some(1));
    let peer = splunk.start().await;
    let more =
        "index = \"m365\"\nsourcetype = \"o365:management:activity\"\nhost = \"contoso.com\"\ncompression = \"gzip\"";
    let pipeline = Pipeline::start(vec![numbered(0..2)], &sink(&peer, more));
    until("the indexers are asked", || !splunk.state().queries.is_empty(), String::new).await;
    assert_eq!(pipeline.statuses(), [None]);
    pipeline.finish().await;
    assert_eq!(splunk.state().queries, [[0], [0]]);
    let events = splunk.events();
    assert_eq!(
        events[0],
        json!({
            "time": 1_785_585_600.500, "host": "contoso.com", "source": "office365",
            "sourcetype": "o365:management:activity", "index": "m365", "event": numbered(0..1)[0]
        })
    );
    assert_eq!(events.len(), 2);
}

#[tokio::test]
async fn many_batches_wait_for_the_indexers_in_one_query_while_few_are_sent_at_once() {
    let splunk = Splunk::new(Some(0));
    let peer = splunk.start().await;
    let batches = (0..20).map(|n| numbered(n..n + 1)).collect();
    let more = "batch.max_events = 1\nrequest.concurrency = 2\nindexer_acknowledgements.max_pending_acks = 20";
    Pipeline::start(batches, &sink(&peer, more)).finish().await;
    assert_eq!(splunk.events().len(), 20);
    let queries = splunk.state().queries.clone();
    assert!(queries.iter().any(|ids| ids.len() > 2), "{queries:?}");
}

#[tokio::test]
async fn what_a_restarted_collector_has_forgotten_is_sent_again_and_no_old_number_is_taken_for_a_new_one() {
    let splunk = Splunk::new(None);
    let peer = splunk.start().await;
    // The third finds the collector restarted.
    splunk.state().refusals = vec![Some(Reply::Late(Duration::from_secs(1), 503)), None, None];
    let batches = vec![numbered(0..1), numbered(1..2), numbered(2..3)];
    let more = "batch.max_events = 1\nrequest.concurrency = 1\nindexer_acknowledgements.max_pending_acks = 3\n\
                indexer_acknowledgements.timeout_secs = 5";
    let pipeline = Pipeline::start(batches, &sink(&peer, more));
    timeout(GUARD, peer.wait_for(3)).await.unwrap();
    // Two batches wait for the numbers 0 and 1. Both are lost, and the numbers come again.
    splunk.restart();
    splunk.state().patience = Some(0);
    pipeline.finish().await;
    let mut numbers: Vec<_> = splunk.events().iter().map(|event| event["event"]["n"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2]);
}

#[tokio::test]
async fn indexers_that_never_acknowledge_get_the_batch_again() {
    let splunk = Splunk::new(None);
    let peer = splunk.start().await;
    let pipeline = Pipeline::start(vec![numbered(0..1)], &sink(&peer, "indexer_acknowledgements.timeout_secs = 5"));
    until("the batch comes again", || splunk.events().len() >= 2, String::new).await;
    assert_eq!(pipeline.statuses(), [None]);
    splunk.state().patience = Some(0);
    pipeline.finish().await;
}

#[tokio::test]
async fn wrong_settings_are_waited_for_with_advice_and_wrong_events_are_not() {
    // 7 is "incorrect index": a 400 that says nothing about the events.
    let splunk = Splunk::new(Some(0));
    splunk.state().refusals = vec![
        Some(Reply::Status(400, r#"{"text":"Incorrect index","code":7,"invalid-event-number":0}"#)),
        Some(Reply::Status(503, r#"{"text":"Server is busy","code":9}"#)),
        Some(Reply::Status(200, "<html>Sign in</html>")),
        Some(Reply::Status(200, r#"{"status":"ok"}"#)),
        Some(Reply::Close),
    ];
    let peer = splunk.start().await;
    let finished =
        Pipeline::start(vec![numbered(0..2)], &sink(&peer, "request.retry_max_duration_secs = 1")).finish().await;
    assert_eq!(finished.dead_letters(), [] as [Value; 0]);
    assert_eq!(splunk.events().len(), 2);

    let splunk = Splunk::new(Some(0));
    splunk.state().refusals = vec![Some(Reply::Status(400, r#"{"text":"Invalid data format","code":6}"#)); 3];
    let peer = splunk.start().await;
    let finished = Pipeline::start(vec![numbered(0..2)], &sink(&peer, "")).finish().await;
    assert_eq!((finished.dead_letters().len(), splunk.events().len()), (2, 0));
}

#[tokio::test]
async fn events_whose_compression_is_not_read_go_uncompressed_from_then_on() {
    for (status, body) in [(400, ""), (400, "<html>"), (400, r#"{"text":"Invalid data format","code":6}"#), (415, "")] {
        let splunk = Splunk::new(Some(0));
        let answers = splunk.clone();
        let peer = HttpPeer::answering(move |request| match request.header("content-encoding") {
            None => answers.answer(request),
            Some(_) => Reply::Status(status, body),
        })
        .await;
        let more = "compression = \"gzip\"\nrequest.concurrency = 1\nbatch.max_events = 1\n\
                    indexer_acknowledgements.max_pending_acks = 1";
        let finished = Pipeline::start(vec![numbered(0..3)], &sink(&peer, more)).finish().await;
        assert_eq!(finished.dead_letters(), [] as [Value; 0], "{status} {body}");
        let posts: Vec<_> = peer.received().into_iter().filter(|request| request.path.ends_with("/event")).collect();
        let encodings: Vec<_> = posts.iter().map(|request| request.header("content-encoding")).collect();
        assert_eq!(encodings, [Some("gzip"), None, None, None], "{status} {body}");
        // No answer was lost, so that all of them are on one channel.
        assert_eq!((splunk.events().len(), splunk.state().channels.len()), (3, 1), "{status} {body}");
    }
}

#[tokio::test]
async fn a_lost_answer_never_acknowledges_another_request() {
    let splunk = Splunk::new(None);
    let peer = splunk.start().await;
    // The second request is taken, and its answer is lost on its way.
    splunk.state().refusals = vec![Some(Reply::Torn), None];
    let more = "batch.max_events = 1\nrequest.concurrency = 1\nindexer_acknowledgements.max_pending_acks = 3";
    let pipeline = Pipeline::start(vec![numbered(0..1), numbered(1..2)], &sink(&peer, more));
    until("the channel is left", || splunk.state().channels.len() >= 2, String::new).await;
    assert_eq!(pipeline.statuses(), [None, None]);
    splunk.state().patience = Some(100);
    for channel in splunk.state().channels.values_mut() {
        for request in channel {
            request.asked = 100;
        }
    }
    pipeline.finish().await;
    assert_eq!(splunk.events().len(), 2);
}

#[tokio::test]
async fn indexers_that_cannot_be_asked_are_named_and_the_batch_comes_again() {
    let splunk = Splunk::new(Some(0));
    splunk.state().refuses_queries = true;
    let peer = splunk.start().await;
    let pipeline = Pipeline::start(vec![numbered(0..1)], &sink(&peer, "indexer_acknowledgements.timeout_secs = 5"));
    timeout(GUARD, peer.wait_for(3)).await.unwrap();
    assert_eq!(pipeline.statuses(), [None]);
    splunk.state().refuses_queries = false;
    pipeline.finish().await;
}

#[tokio::test]
async fn a_token_without_indexer_acknowledgement_takes_events_once() {
    for more in ["", "indexer_acknowledgements.enabled = false"] {
        let splunk = Splunk::new(Some(0));
        splunk.state().has_acknowledgement = false;
        let peer = splunk.start().await;
        Pipeline::start(vec![numbered(0..2), numbered(2..3)], &sink(&peer, more)).finish().await;
        assert_eq!((splunk.events().len(), splunk.state().queries.len()), (3, 0), "{more}");
    }
}

#[tokio::test]
async fn a_shutdown_leaves_what_the_indexers_do_not_have_undelivered() {
    let splunk = Splunk::new(None);
    let peer = splunk.start().await;
    let pipeline = Pipeline::start(vec![numbered(0..1)], &sink(&peer, ""));
    timeout(GUARD, peer.wait_for(1)).await.unwrap();
    assert_ne!(pipeline.stop().await, [Some(BatchStatus::Delivered)]);
}
