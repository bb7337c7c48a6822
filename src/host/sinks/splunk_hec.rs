//! Splunk's HTTP Event Collector.
//!
//! A batch is a POST of events one after the other to `/services/collector/event`. With indexer acknowledgement its answer
//! has an `ackId` only, and the batch counts as delivered when `/services/collector/ack` says that the indexers have it:
//! see `acknowledgements`. Source: Splunk Enterprise, Getting Data In, "Format events for HTTP Event Collector", "About HTTP
//! Event Collector Indexer Acknowledgment" and "Troubleshoot HTTP Event Collector".

mod acknowledgements;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::{sync::Semaphore, time::timeout};

use self::acknowledgements::{Acknowledgements, Queries};
use super::{
    Build, BuildContext, Run, SinkError,
    compression::{Body, RequestCompression, Unaccepted},
    http_client::{HttpClient, PeerRefusal, content_type, uri},
    network::{Accepted, Access, Batch, Failure, Peer, Rejected},
    request_headers::{Headers, Scheme},
};
use crate::{component::LogEvent, config::SplunkHecSinkConfig, host::telemetry::SinkLabels};

#[async_trait]
impl Build for SplunkHecSinkConfig {
    async fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Run>, SinkError> {
        Ok(cx.network_sink(
            SplunkHecPeer::new(&cx.labels, &cx.access(&self.network.tls, &self.proxy), self).await?,
            &self.network,
        ))
    }
}

/// Splunk.
struct SplunkHecPeer {
    client: HttpClient,
    uri: Uri,
    headers: HeaderMap,
    compression: RequestCompression,
    /// What stands before and after the event of each envelope.
    envelope: Envelope,
    acknowledgements: Option<Acknowledgements>,
    /// How many requests are open at once; more batches than these may wait for the indexers.
    requests: Semaphore,
    /// How long a request may take.
    timeout: Duration,
    has_warned: AtomicBool,
}

struct Envelope {
    /// Members that are the same for all events, each with a comma behind.
    members: String,
}

/// What the collector answers.
#[derive(Debug, Deserialize)]
struct Answer {
    /// 0 is success.
    code: u32,
    #[serde(rename = "ackId")]
    ack_id: Option<u64>,
}

impl SplunkHecPeer {
    async fn new(labels: &SinkLabels, access: &Access<'_>, config: &SplunkHecSinkConfig) -> Result<Self, SinkError> {
        let name = &labels.id;
        let mut headers = Headers::default();
        headers.authorize(format!("sinks.{name}.token"), &config.token, Scheme::Word("Splunk"));
        let client = HttpClient::new(access, headers).await?;
        let below = |path: &str| {
            let mut url = config.endpoint.clone();
            url.set_path(path);
            uri(&url, &format!("sinks.{name}.endpoint"))
        };
        let timeout = config.network.request.timeout();
        let acknowledgements = &config.indexer_acknowledgements;
        let acknowledgements = if acknowledgements.enabled {
            let (client, labels) = (client.clone(), labels.clone());
            let queries = Queries { client, uri: below("/services/collector/ack")?, timeout, labels };
            Some(Acknowledgements::new(queries, acknowledgements, config.network.request.concurrency))
        } else {
            None
        };
        Ok(Self {
            client,
            uri: below("/services/collector/event")?,
            headers: content_type("application/json"),
            compression: RequestCompression::new(labels.clone(), config.compression),
            envelope: Envelope::new(config),
            acknowledgements,
            requests: Semaphore::new(
                usize::try_from(config.network.request.concurrency).unwrap_or(Semaphore::MAX_PERMITS),
            ),
            timeout,
            has_warned: AtomicBool::new(false),
        })
    }

    /// Posts a body, on the channel if there is one.
    async fn post(&self, body: &Body, channel: Option<&str>) -> Result<(Answer, u64), Failure> {
        let mut headers = self.headers.clone();
        if let Some(channel) = channel {
            acknowledgements::add_channel(&mut headers, channel);
        }
        let headers = &headers;
        let attempt = move |compression| async move {
            let body = body.sent_with(compression)?;
            Ok((self.exchange(headers, &body).await?, body.byte_size()))
        };
        self.compression.send(attempt).await
    }

    async fn exchange(&self, headers: &HeaderMap, body: &Body) -> Result<Answer, Unaccepted> {
        // Never closed.
        let _turn = self.requests.acquire().await;
        let posted = timeout(self.timeout, self.client.post(&self.uri, headers, body)).await;
        let answer = posted
            .unwrap_or_else(|_| Err(Failure::may_pass("Splunk has not answered in time").into()))
            .map_err(|refusal| refusal.interpret(|answer| code(answer).is_some(), explain))?;
        // A proxy's idea of success is not Splunk's.
        let answer = serde_json::from_slice::<Answer>(&answer).ok().filter(|answer| answer.code == 0);
        answer.ok_or_else(|| {
            Failure::may_pass(format!(
                "{} has answered with a success that is not Splunk's; see to `endpoint`",
                self.uri
            ))
            .into()
        })
    }

    fn warn_once(&self) -> Option<Rejected> {
        let is_first = !self.has_warned.swap(true, Ordering::Relaxed);
        is_first.then(|| Rejected {
            count: 0,
            reason: "the token has no indexer acknowledgement: what the indexers lose is lost. Switch it on in Splunk Web > \
                     Settings > Data inputs > HTTP Event Collector > Edit > Enable indexer acknowledgement, or write \
                     indexer_acknowledgements.enabled = false"
                .to_owned(),
        })
    }
}

#[async_trait]
impl Peer for SplunkHecPeer {
    type Request = Body;

    fn encode(&self, batch: &Batch) -> Result<Body, String> {
        let mut body = Vec::with_capacity(batch.json_size() + batch.len() * (self.envelope.members.len() + 40));
        for event in batch.events() {
            self.envelope.write(event, &mut body);
        }
        self.compression.body(body)
    }

    async fn send(&self, body: &Body) -> Result<Accepted, Failure> {
        let Some(acknowledgements) = &self.acknowledgements else {
            let (_, byte_size) = self.post(body, None).await?;
            return Ok(Accepted { byte_size, rejected: None });
        };
        let channel = acknowledgements.channel();
        let mut guard = LeaveUnread { acknowledgements, channel: &channel, is_read: false };
        let (answer, byte_size) = self.post(body, Some(&channel)).await?;
        guard.is_read = true;
        match answer.ack_id {
            Some(id) => acknowledgements.wait(&channel, id).await.map(|()| Accepted { byte_size, rejected: None }),
            // It was taken: sending it again would double it.
            None => Ok(Accepted { byte_size, rejected: self.warn_once() }),
        }
    }

    fn concurrency(&self, request: usize) -> usize {
        self.acknowledgements.as_ref().map_or(request, Acknowledgements::limit)
    }

    fn timeout(&self, request: Duration) -> Duration {
        // A turn comes when it comes; the request and the indexers each have a limit of their own.
        if self.acknowledgements.is_some() { Duration::MAX } else { request.saturating_mul(4) }
    }
}

/// Leaves the channel of a request whose answer was not read, however that came about.
struct LeaveUnread<'a> {
    acknowledgements: &'a Acknowledgements,
    channel: &'a str,
    is_read: bool,
}

impl Drop for LeaveUnread<'_> {
    fn drop(&mut self) {
        if !self.is_read {
            self.acknowledgements.leave(self.channel);
        }
    }
}

impl Envelope {
    fn new(config: &SplunkHecSinkConfig) -> Self {
        let members = [
            ("host", config.host.as_deref()),
            ("source", Some(config.source.as_str())),
            ("sourcetype", config.sourcetype.as_deref()),
            ("index", config.index.as_deref()),
        ];
        let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))));
        let object = Value::Object(members.collect::<Map<_, _>>()).to_string();
        let members = object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
        Self { members: format!("{members},") }
    }

    fn write(&self, event: &LogEvent, out: &mut Vec<u8>) {
        out.push(b'{');
        if let Some(time) = event.timestamp() {
            let (seconds, millis) = (time.timestamp(), time.timestamp_subsec_millis());
            out.extend_from_slice(format!("\"time\":{seconds}.{millis:03},").as_bytes());
        }
        out.extend_from_slice(self.members.as_bytes());
        out.extend_from_slice(b"\"event\":");
        event.write_json(out);
        out.push(b'}');
    }
}

/// The code in an answer, if it is Splunk's.
fn code(answer: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Code {
        code: u32,
    }
    serde_json::from_slice::<Code>(answer).ok().map(|Code { code }| code)
}

/// What Splunk's own codes say beyond the status.
fn explain(refused: PeerRefusal) -> Failure {
    let advice = match code(refused.answer()).unwrap_or_default() {
        1 => "the token is disabled: Splunk Web > Settings > Data inputs > HTTP Event Collector > Enable",
        2..=4 => "write the token as Splunk Web > Settings > Data inputs > HTTP Event Collector shows it",
        7 => {
            "write an index that exists and that the token allows: Splunk Web > Settings > Data inputs > HTTP Event \
              Collector > Edit > Select allowed indexes"
        }
        10 | 11 => "the token wants indexer acknowledgement: write indexer_acknowledgements.enabled = true",
        14 => {
            "the token has no indexer acknowledgement: switch it on in Splunk Web > Settings > Data inputs > HTTP Event \
               Collector > Edit, or write indexer_acknowledgements.enabled = false"
        }
        _ => return refused.into(),
    };
    // Wrong settings, not wrong events, although Splunk answers 400 to some of them.
    refused.settings(advice)
}
