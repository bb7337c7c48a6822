//! What the sinks that send over the network have in common. The keys are named as Vector's sinks name theirs.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::{ByteSize, SecretRef, error::Problems, limits::Bounds, origin::is_loopback};

const MAX_EVENTS: Bounds = Bounds { min: 1, max: 100_000 };
const BATCH_TIMEOUT: Bounds = Bounds { min: 0, max: 300 };
const CONCURRENCY: Bounds = Bounds { min: 1, max: 64 };
const TIMEOUT: Bounds = Bounds { min: 1, max: 3_600 };
const BACKOFF: Bounds = Bounds { min: 1, max: 3_600 };
const MAX_BYTES: (ByteSize, ByteSize) = (ByteSize::from_bytes(1_024), ByteSize::from_mib(64));

/// What all sinks that send over the network have in common.
///
/// It is flattened into the table of each. It takes keys that it does not know, as those are the sink's own; what the sink
/// does not know either, the sink refuses.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct NetworkConfig {
    /// The names of the sources whose events come here.
    #[schemars(length(min = 1), example = ["m365"])]
    pub inputs: Vec<String>,
    /// How many events travel together.
    #[serde(default)]
    pub batch: SinkBatchConfig,
    /// How often, how long and how many at once.
    #[serde(default)]
    pub request: SinkRequestConfig,
    /// Certificates.
    #[serde(default)]
    pub tls: SinkTlsConfig,
    /// Where events go that the peer refuses.
    #[serde(default)]
    pub dead_letter: DeadLetterConfig,
}

impl NetworkConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        MAX_EVENTS.check(problems, "batch.max_events", self.batch.max_events);
        BATCH_TIMEOUT.check(problems, "batch.timeout_secs", self.batch.timeout_secs);
        let (least, most) = MAX_BYTES;
        if !(least..=most).contains(&self.batch.max_bytes) {
            problems.add(
                "batch.max_bytes",
                format!("{} is out of range", self.batch.max_bytes),
                format!("Write a size from {least} to {most}."),
            );
        }
        CONCURRENCY.check(problems, "request.concurrency", self.request.concurrency);
        TIMEOUT.check(problems, "request.timeout_secs", self.request.timeout_secs);
        let SinkRequestConfig { retry_initial_backoff_secs: first, retry_max_duration_secs: longest, .. } =
            self.request;
        BACKOFF.check(problems, "request.retry_initial_backoff_secs", first);
        BACKOFF.check(problems, "request.retry_max_duration_secs", longest);
        if first > longest {
            problems.add(
                "request.retry_initial_backoff_secs",
                format!("{first} is more than retry_max_duration_secs"),
                format!("Write at most {longest}."),
            );
        }
        self.tls.check(problems);
        if self.dead_letter.path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            problems.add("dead_letter.path", "is empty", "Write the path of a file, or leave the key out.");
        }
    }
}

/// How many events travel together: a batch is sent as soon as it is full by either measure, or old enough.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SinkBatchConfig {
    /// The most events of a batch. Unit: events.
    #[schemars(range(min = MAX_EVENTS.min, max = MAX_EVENTS.max), extend("x-unit" = "events"))]
    pub max_events: u64,
    /// The most bytes of a batch, as JSON and before compression. A single event that is larger travels alone.
    /// Unit: bytes.
    #[schemars(extend("x-unit" = "bytes"))]
    pub max_bytes: ByteSize,
    /// How long the first event of a batch waits for others. Unit: seconds.
    #[schemars(range(min = BATCH_TIMEOUT.min, max = BATCH_TIMEOUT.max), extend("x-unit" = "seconds"))]
    pub timeout_secs: u64,
}

impl Default for SinkBatchConfig {
    fn default() -> Self {
        Self { max_events: 1_000, max_bytes: ByteSize::from_mib(1), timeout_secs: 1 }
    }
}

/// How often, how long and how many at once.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SinkRequestConfig {
    /// How many batches are on their way at once. Unit: batches.
    #[schemars(range(min = CONCURRENCY.min, max = CONCURRENCY.max), extend("x-unit" = "batches"))]
    pub concurrency: u64,
    /// How long the peer may take to acknowledge a batch, before it is sent again. Unit: seconds.
    #[schemars(range(min = TIMEOUT.min, max = TIMEOUT.max), extend("x-unit" = "seconds"))]
    pub timeout_secs: u64,
    /// How long to wait after the first failure; twice as long after each further one. Unit: seconds.
    #[schemars(range(min = BACKOFF.min, max = BACKOFF.max), extend("x-unit" = "seconds"))]
    pub retry_initial_backoff_secs: u64,
    /// The longest wait between two attempts. There is no last attempt. Unit: seconds.
    #[schemars(range(min = BACKOFF.min, max = BACKOFF.max), extend("x-unit" = "seconds"))]
    pub retry_max_duration_secs: u64,
}

impl Default for SinkRequestConfig {
    fn default() -> Self {
        Self { concurrency: 4, timeout_secs: 60, retry_initial_backoff_secs: 1, retry_max_duration_secs: 30 }
    }
}

impl SinkRequestConfig {
    /// How long the peer may take to acknowledge a batch.
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_secs)
    }
}

/// Certificates. Whether TLS is spoken says the scheme of the address.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SinkTlsConfig {
    /// A PEM file of certificate authorities to trust besides the system's. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/ssl/corporate-ca.pem")]
    pub ca_file: Option<PathBuf>,
    /// A PEM file with the certificate to show to the peer, followed by its intermediates. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/office365-source/client.pem")]
    pub crt_file: Option<PathBuf>,
    /// A PEM file with the certificate's key. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/office365-source/client-key.pem")]
    pub key_file: Option<PathBuf>,
    /// The name to ask for and to look for in the peer's certificate. Default: the host of the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"siem.contoso.com")]
    pub server_name: Option<String>,
}

impl SinkTlsConfig {
    fn check(&self, problems: &mut Problems) {
        for (key, path) in [("ca_file", &self.ca_file), ("crt_file", &self.crt_file), ("key_file", &self.key_file)] {
            if path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
                problems.add(&format!("tls.{key}"), "is empty", "Write the path of a PEM file, or leave the key out.");
            }
        }
        match (&self.crt_file, &self.key_file) {
            (Some(_), None) => problems.add("tls.key_file", "is missing", "Write the path of the certificate's key."),
            (None, Some(_)) => problems.add("tls.crt_file", "is missing", "Write the path of the key's certificate."),
            _ => {}
        }
        let is_name = |name: &String| rustls_pki_types::ServerName::try_from(name.as_str()).is_ok();
        if self.server_name.as_ref().is_some_and(|name| !is_name(name)) {
            problems.add(
                "tls.server_name",
                "is neither a host name nor an IP address",
                "Write the name in the peer's certificate, such as server_name = \"siem.contoso.com\".",
            );
        }
    }
}

impl DeadLetterConfig {
    /// The file of the sink `name`.
    pub fn effective_path(&self, name: &str, data_dir: &Path) -> PathBuf {
        self.path.clone().unwrap_or_else(|| data_dir.join("dead-letters").join(format!("{name}.ndjson")))
    }
}

/// Where events go that the peer refuses for good.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLetterConfig {
    /// The file, one JSON object a line: when, why, and the event. Default: `dead-letters/<sink>.ndjson` in `data_dir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/var/log/m365-refused.ndjson")]
    pub path: Option<PathBuf>,
}

/// How what is sent is compressed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all: least work, for a peer on the same machine.
    #[default]
    None,
    /// gzip, which nearly every peer reads.
    Gzip,
    /// Zstandard: smaller and faster than gzip.
    Zstd,
}

impl Compression {
    /// The value of the header `Content-Encoding`; `None` for no compression.
    pub const fn content_encoding(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// Checks the address of a peer: `schemes` are the plain one and the one with TLS, `paths` whether it may have a path.
pub(super) fn check_address(problems: &mut Problems, key: &str, url: &Url, schemes: [&str; 2], paths: bool, port: u16) {
    let [_, secure] = schemes;
    let example = format!("\"{secure}://siem.contoso.com:{port}\"");
    let help = match key.split_once('[') {
        Some((list, _)) => format!("Write {list} = [{example}]."),
        None => format!("Write {key} = {example}."),
    };
    if !schemes.contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
        problems.add(key, format!("is not a URL that begins with {}:// or {secure}://", schemes[0]), help);
        return;
    }
    if !url.username().is_empty() || url.password().is_some() {
        problems.add(key, "has a user name or password in it", "Write them with the sink's own keys for that.");
    }
    if url.fragment().is_some() || (!paths && (!matches!(url.path(), "" | "/") || url.query().is_some())) {
        problems.add(key, "has more than scheme, host and port", help);
    }
}

/// Complains about a secret that would travel readable for everyone on the way.
pub(super) fn check_secret_in_clear(problems: &mut Problems, key: &str, url: &Url, secure: &str) {
    if url.scheme() != secure && !is_loopback(url) {
        problems.add(
            key,
            format!("would be sent in the clear to {}", url.host_str().unwrap_or_default()),
            format!("Write an address that begins with {secure}://. Plain text is accepted for this machine only."),
        );
    }
}

/// Complains about certificates that nobody would look at.
pub(super) fn check_tls_is_spoken(problems: &mut Problems, tls: &SinkTlsConfig, addresses: &[Url], secure: &str) {
    let is_spoken = addresses.iter().any(|address| address.scheme() == secure);
    if *tls != SinkTlsConfig::default() && !is_spoken && !addresses.is_empty() {
        problems.add(
            "tls",
            "is not used: the address speaks no TLS",
            format!("Write an address that begins with {secure}://, or leave the table out."),
        );
    }
}

/// Those that say where a message ends, or how the connection goes on.
const TRANSPORT_HEADERS: [&str; 13] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Checks the names and values of HTTP headers.
pub(super) fn check_headers(problems: &mut Problems, headers: &BTreeMap<String, SecretRef>) {
    let mut names = BTreeSet::new();
    for (name, value) in headers {
        let key = format!("headers.{name}");
        value.check(problems, &key, "HEADER_VALUE");
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            problems.add(&key, "is not the name of an HTTP header", "Write letters, digits and hyphens.");
            continue;
        }
        let name = name.to_ascii_lowercase();
        if TRANSPORT_HEADERS.contains(&name.as_str()) || name.starts_with("grpc-") {
            problems.add(&key, "is set by the sink itself", "Leave it out.");
        }
        if !names.insert(name) {
            problems.add(&key, "is there twice: capitals do not matter", "Leave one of them out.");
        }
    }
}
