//! Delivery to a scripted peer, in paused time.
#![allow(clippy::needless_pass_by_value, reason = "tests write their settings in place")]

use std::{
    collections::VecDeque,
    fs,
    future::pending,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures::FutureExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::*;
use crate::{
    component::{BatchNotifier, BatchStatus, BatchStatusReceiver, LogEvent},
    config::{DeadLetterConfig, NetworkConfig, SinkBatchConfig, SinkRequestConfig, SinkTlsConfig},
    host::{
        delivery::Delivery,
        fan_out::INBOX,
        sinks::{Run, SinkError},
        telemetry::SinkLabels,
        tests::events,
    },
};

/// What the peer does with one request.
#[derive(Clone, Debug)]
enum Answer {
    Accept,
    AcceptAfter(Duration),
    Reject(u64),
    Hang,
    MayPass(Option<Duration>),
    TooLargeAbove(usize),
    Refuse,
    /// Whatever has the event of this number, indefinitely.
    RefuseNumber(u64),
    Deny,
    /// Whatever has the event of this number, indefinitely.
    DenyNumber(u64),
}

/// When a request was sent, and its events.
type Sent = (Duration, Vec<String>);

/// Does what is on the list, then accepts.
#[derive(Clone, Default)]
struct Scripted {
    script: Arc<Mutex<VecDeque<Answer>>>,
    sent: Arc<Mutex<Vec<Sent>>>,
    start: Option<Instant>,
    unencodable: bool,
}

#[async_trait]
impl Peer for Scripted {
    type Request = Vec<String>;

    fn encode(&self, batch: &Batch) -> Result<Vec<String>, String> {
        if self.unencodable {
            Err("no words for it".to_owned())
        } else {
            Ok(batch.events().map(LogEvent::to_json).collect())
        }
    }

    async fn send(&self, request: &Vec<String>) -> Result<Accepted, Failure> {
        let at = self.start.map(|start| start.elapsed()).unwrap_or_default();
        self.sent.lock().unwrap().push((at, request.clone()));
        let answer = self.script.lock().unwrap().pop_front().unwrap_or(Answer::Accept);
        let accepted = Accepted { byte_size: 10, rejected: None };
        let reason = || "not this".to_owned();
        match answer {
            Answer::Accept => Ok(accepted),
            Answer::AcceptAfter(wait) => {
                sleep(wait).await;
                Ok(accepted)
            }
            Answer::Reject(count) => Ok(Accepted { rejected: Some(Rejected { count, reason: reason() }), ..accepted }),
            Answer::Hang => pending().await,
            Answer::MayPass(after) => Err(Failure::MayPass { reason: reason(), after }),
            Answer::TooLargeAbove(most) if request.len() > most => {
                self.script.lock().unwrap().push_back(answer);
                Err(Failure::TooLarge { reason: reason() })
            }
            Answer::TooLargeAbove(_) => {
                self.script.lock().unwrap().push_back(answer);
                Ok(accepted)
            }
            Answer::RefuseNumber(n) => {
                self.script.lock().unwrap().push_back(answer);
                let is_in = request.contains(&format!("{{\"n\":{n}}}"));
                if is_in { Err(Failure::Refused { reason: reason() }) } else { Ok(accepted) }
            }
            Answer::DenyNumber(n) => {
                self.script.lock().unwrap().push_back(answer);
                let is_in = request.contains(&format!("{{\"n\":{n}}}"));
                if is_in { Err(Failure::Denied { reason: reason() }) } else { Ok(accepted) }
            }
            Answer::Deny => Err(Failure::Denied { reason: reason() }),
            Answer::Refuse => Err(Failure::Refused { reason: reason() }),
        }
    }
}

/// A sink that runs, with its peer and its disk.
struct Lab {
    peer: Scripted,
    inbox: Option<mpsc::Sender<Delivery>>,
    sink: JoinHandle<Result<(), SinkError>>,
    dir: TempDir,
}

impl Lab {
    fn new(script: impl IntoIterator<Item = Answer>, batch: SinkBatchConfig, request: SinkRequestConfig) -> Self {
        Self::of(
            Scripted { script: Arc::new(Mutex::new(script.into_iter().collect())), ..Scripted::default() },
            batch,
            request,
        )
    }

    fn of(mut peer: Scripted, batch: SinkBatchConfig, request: SinkRequestConfig) -> Self {
        peer.start = Some(Instant::now());
        let dir = tempfile::tempdir().unwrap();
        let config = NetworkConfig {
            inputs: Vec::new(),
            batch,
            request,
            tls: SinkTlsConfig::default(),
            dead_letter: DeadLetterConfig::default(),
        };
        let sink = Box::new(NetworkSink::new(peer.clone(), "siem", &config, dir.path()));
        let (inbox, waiting) = mpsc::channel(INBOX);
        let labels = SinkLabels { id: "siem".to_owned(), component_type: "test" };
        Self { peer, inbox: Some(inbox), sink: tokio::spawn(sink.run(labels, waiting)), dir }
    }

    fn simple(script: impl IntoIterator<Item = Answer>) -> Self {
        Self::new(script, SinkBatchConfig::default(), SinkRequestConfig::default())
    }

    async fn send(&self, numbers: std::ops::Range<u64>) -> BatchStatusReceiver {
        let mut events = events(numbers);
        let status = BatchNotifier::apply_to(&mut events);
        self.inbox.as_ref().unwrap().send(Delivery::new(events)).await.unwrap();
        status
    }

    async fn finish(&mut self) {
        self.inbox = None;
        (&mut self.sink).await.unwrap().unwrap();
    }

    fn sent(&self) -> Vec<(Duration, usize)> {
        self.peer.sent.lock().unwrap().iter().map(|(at, events)| (*at, events.len())).collect()
    }

    fn sizes(&self) -> Vec<usize> {
        self.sent().into_iter().map(|(_, size)| size).collect()
    }

    fn dead_letters(&self) -> PathBuf {
        self.dir.path().join("dead-letters/siem.ndjson")
    }

    fn dead(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.dead_letters()).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn one_at_a_time() -> SinkRequestConfig {
    SinkRequestConfig { concurrency: 1, ..SinkRequestConfig::default() }
}

#[tokio::test(start_paused = true)]
async fn a_batch_goes_when_it_is_full_or_old_enough() {
    let batch = SinkBatchConfig { max_events: 4, timeout_secs: 3, ..SinkBatchConfig::default() };
    let mut lab = Lab::new([], batch, one_at_a_time());
    let status = lab.send(0..10).await;
    assert_eq!(status.await, BatchStatus::Delivered);
    let secs = Duration::from_secs;
    assert_eq!(lab.sent(), [(secs(0), 4), (secs(0), 4), (secs(3), 2)]);
    // A batch does not wait when no more events can come.
    let status = lab.send(0..1).await;
    lab.finish().await;
    assert_eq!(status.await, BatchStatus::Delivered);
    assert_eq!(lab.sent().last(), Some(&(secs(3), 1)));
}

#[tokio::test(start_paused = true)]
async fn a_late_acknowledgement_is_one_and_none_before_it() {
    let mut lab = Lab::simple([Answer::AcceptAfter(Duration::from_secs(59))]);
    let mut status = lab.send(0..3).await;
    sleep(Duration::from_secs(58)).await;
    assert_eq!((&mut status).now_or_never(), None);
    assert_eq!(status.await, BatchStatus::Delivered);
    lab.finish().await;
    assert_eq!(lab.sizes(), [3]);
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_sent_again_with_growing_waits_for_as_long_as_it_takes() {
    let mut lab = Lab::simple(vec![Answer::MayPass(None); 40]);
    let mut status = lab.send(0..3).await;
    sleep(Duration::from_secs(600)).await;
    assert_eq!((&mut status).now_or_never(), None);
    assert_eq!(status.await, BatchStatus::Delivered);
    lab.finish().await;
    let sent = lab.sent();
    assert_eq!(sent.len(), 41);
    let waits: Vec<_> = sent.windows(2).map(|pair| pair[1].0.saturating_sub(pair[0].0)).collect();
    for (index, wait) in waits.iter().enumerate() {
        let full = Duration::from_secs(1 << index.min(5)).min(Duration::from_secs(30));
        assert!(*wait >= full / 2 && *wait <= full + Duration::from_millis(2), "{index}: {wait:?}");
    }
    assert!(waits.iter().any(|wait| wait != &waits[39]), "no jitter");
    assert_eq!(lab.dead(), [] as [Value; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_wants_to_be_left_alone_is() {
    let mut lab = Lab::simple([Answer::MayPass(Some(Duration::from_secs(120)))]);
    lab.send(0..1).await.await;
    lab.finish().await;
    let sent = lab.sent();
    assert!(sent[1].0.saturating_sub(sent[0].0) >= Duration::from_secs(120), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_acknowledges_gets_the_batch_again() {
    let mut lab = Lab::simple([Answer::Hang, Answer::Hang]);
    let status = lab.send(0..2).await;
    assert_eq!(status.await, BatchStatus::Delivered);
    lab.finish().await;
    assert_eq!(lab.sizes(), [2, 2, 2]);
    assert!(lab.sent()[1].0 >= Duration::from_secs(60), "{:?}", lab.sent());
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_kept_with_the_reason_and_not_sent_again() {
    let mut lab = Lab::simple(vec![Answer::Refuse; 3]);
    let status = lab.send(0..2).await;
    assert_eq!(status.await, BatchStatus::Delivered);
    let status = lab.send(2..3).await;
    assert_eq!(status.await, BatchStatus::Delivered);
    lab.finish().await;
    assert_eq!(lab.sizes(), [2, 1, 1, 1]);
    let dead = lab.dead();
    assert_eq!(dead.len(), 2);
    for (n, letter) in dead.iter().enumerate() {
        assert_eq!((&letter["sink"], &letter["reason"]), (&json!("siem"), &json!("not this")));
        assert_eq!(letter["event"], json!({ "n": n }));
        assert!(chrono::DateTime::parse_from_rfc3339(letter["time"].as_str().unwrap()).is_ok());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(lab.dead_letters()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test(start_paused = true)]
async fn one_event_that_is_refused_takes_no_other_with_it() {
    let mut lab = Lab::new([Answer::RefuseNumber(3)], SinkBatchConfig::default(), one_at_a_time());
    assert_eq!(lab.send(0..8).await.await, BatchStatus::Delivered);
    lab.finish().await;
    assert_eq!(lab.sizes(), [8, 4, 2, 2, 1, 1, 4]);
    assert_eq!(lab.dead().iter().map(|letter| letter["event"]["n"].clone()).collect::<Vec<_>>(), [3]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_refuses_everything_is_asked_more_than_once_after_a_while() {
    let mut lab = Lab::new(
        vec![Answer::Refuse; 10_000],
        SinkBatchConfig { max_events: 1, ..Default::default() },
        one_at_a_time(),
    );
    assert_eq!(lab.send(0..22).await.await, BatchStatus::Delivered);
    lab.finish().await;
    assert_eq!((lab.sizes().len(), lab.dead().len()), (20 + 2 * 5, 22));
    let sent = lab.sent();
    let waited = |n: usize| sent[n + 1].0.saturating_sub(sent[n].0);
    assert!(waited(18) < Duration::from_millis(10) && waited(20) >= Duration::from_millis(500), "{sent:?}");

    // So is one that finds everything too large.
    let batch = SinkBatchConfig { max_events: 1, ..Default::default() };
    let mut lab = Lab::new([Answer::TooLargeAbove(0)], batch, one_at_a_time());
    assert_eq!(lab.send(0..22).await.await, BatchStatus::Delivered);
    lab.finish().await;
    assert_eq!((lab.sizes().len(), lab.dead().len()), (20 + 2 * 5, 22));
}

#[tokio::test(start_paused = true)]
async fn a_denial_is_held_against_the_events_only_when_others_come_through() {
    let mut lab = Lab::new([Answer::DenyNumber(1)], SinkBatchConfig { max_events: 1, ..Default::default() }, {
        SinkRequestConfig { concurrency: 2, ..SinkRequestConfig::default() }
    });
    assert_eq!(lab.send(0..3).await.await, BatchStatus::Delivered);
    lab.finish().await;
    assert_eq!(lab.dead().iter().map(|letter| letter["event"]["n"].clone()).collect::<Vec<_>>(), [1]);
    // A token that has expired: nothing is given up for it.
    let mut lab = Lab::simple(vec![Answer::Deny; 30]);
    assert_eq!(lab.send(0..3).await.await, BatchStatus::Delivered);
    lab.finish().await;
    assert_eq!((lab.sizes().len(), lab.dead().len()), (31, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_too_large_is_not_tried_again_for_a_while() {
    let mut lab = Lab::new([Answer::TooLargeAbove(2)], SinkBatchConfig::default(), one_at_a_time());
    lab.send(0..4).await.await;
    lab.send(4..8).await.await;
    assert_eq!(lab.sizes(), [4, 2, 2, 2, 2]);
    sleep(Duration::from_secs(601)).await;
    lab.send(8..12).await.await;
    lab.finish().await;
    assert_eq!(lab.sizes()[5..], [4, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_said_is_kept() {
    let mut lab =
        Lab::of(Scripted { unencodable: true, ..Scripted::default() }, SinkBatchConfig::default(), one_at_a_time());
    assert_eq!(lab.send(0..2).await.await, BatchStatus::Delivered);
    lab.finish().await;
    assert_eq!(lab.sizes(), [] as [usize; 0]);
    assert_eq!(lab.dead().len(), 2);
    assert_eq!(lab.dead()[0]["reason"], "no words for it");
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_halved_down_to_one_event() {
    let mut lab = Lab::new([Answer::TooLargeAbove(2)], SinkBatchConfig::default(), one_at_a_time());
    assert_eq!(lab.send(0..7).await.await, BatchStatus::Delivered);
    lab.finish().await;
    assert_eq!(lab.sizes(), [7, 4, 2, 2, 3, 2, 1]);
    assert_eq!(lab.dead(), [] as [Value; 0]);
    let mut lab = Lab::new([Answer::TooLargeAbove(0)], SinkBatchConfig::default(), one_at_a_time());
    assert_eq!(lab.send(0..3).await.await, BatchStatus::Delivered);
    lab.finish().await;
    assert_eq!(lab.sizes(), [3, 2, 1, 1, 1]);
    assert_eq!(lab.dead().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn when_nobody_says_which_events_were_rejected_all_are_kept() {
    let mut lab = Lab::simple([Answer::Reject(1)]);
    assert_eq!(lab.send(0..3).await.await, BatchStatus::Delivered);
    lab.finish().await;
    assert_eq!(lab.sizes(), [3]);
    let dead = lab.dead();
    assert_eq!(dead.len(), 3);
    assert_eq!(dead[0]["reason"], "1 of these 3 events were rejected, without a word on which: not this");
    // A warning is none.
    let mut lab = Lab::simple([Answer::Reject(0)]);
    assert_eq!(lab.send(0..3).await.await, BatchStatus::Delivered);
    lab.finish().await;
    assert_eq!(lab.dead(), [] as [Value; 0]);
}

#[tokio::test(start_paused = true)]
async fn refused_events_that_cannot_be_kept_are_not_delivered() {
    let mut lab = Lab::simple(vec![Answer::Refuse; 3]);
    // A file where the directory should be.
    let directory = lab.dir.path().join("dead-letters");
    fs::write(&directory, "").unwrap();
    let mut status = lab.send(0..2).await;
    for _ in 0..50 {
        sleep(Duration::from_secs(10)).await;
        // The disk's thread does not follow the paused clock.
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!((&mut status).now_or_never(), None);
    fs::remove_file(&directory).unwrap();
    assert_eq!(status.await, BatchStatus::Delivered);
    lab.finish().await;
    assert_eq!((lab.sizes(), lab.dead().len()), (vec![2, 1, 1], 2));
}

#[tokio::test(start_paused = true)]
async fn so_many_batches_are_on_their_way_and_no_more_and_then_the_source_waits() {
    let request = SinkRequestConfig { concurrency: 3, timeout_secs: 3_600, ..SinkRequestConfig::default() };
    let batch = SinkBatchConfig { max_events: 1, ..SinkBatchConfig::default() };
    let lab = Lab::new(vec![Answer::Hang; 100], batch, request);
    let mut statuses = Vec::new();
    let filled = tokio::time::timeout(Duration::from_secs(100), async {
        loop {
            statuses.push(lab.send(0..1).await);
        }
    });
    filled.await.unwrap_err();
    assert_eq!(lab.sizes(), [1, 1, 1]);
    // Three on their way, one that is ready, and a full inbox.
    assert_eq!(statuses.len(), 3 + 1 + INBOX);
    // A host that gives up errs on the side of sending again.
    lab.sink.abort();
    for status in statuses {
        assert_eq!(status.await, BatchStatus::Errored);
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_any_more_is_not_sent_again() {
    let mut lab = Lab::simple([Answer::MayPass(None), Answer::MayPass(None)]);
    let status = lab.send(0..2).await;
    while lab.sent().is_empty() {
        sleep(Duration::from_millis(100)).await;
    }
    // The source has given up, and sends them again when it runs next.
    drop(status);
    lab.finish().await;
    assert_eq!((lab.sizes(), lab.dead().len()), (vec![2], 0));
}
