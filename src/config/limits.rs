//! How often, how much at once and how large: the numbers of a source, with their bounds.

use std::{num::NonZeroU32, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{duration::HumanDuration, error::Problems, size::ByteSize};

/// The bounds of a whole number, both included. One place for the schema and for the check.
pub(super) struct Bounds {
    pub(super) min: u64,
    pub(super) max: u64,
}

impl Bounds {
    const fn new(min: u64, max: u64) -> Self {
        Self { min, max }
    }

    pub(super) fn check(&self, problems: &mut Problems, key: &str, value: u64) {
        let Self { min, max } = self;
        if !(*min..=*max).contains(&value) {
            problems.add(key, format!("{value} is out of range"), format!("Write a whole number from {min} to {max}."));
        }
    }
}

const INTERVAL: Bounds = Bounds::new(1, 86_400);
/// Up to a day, which is the longest window that the API lists.
const OVERLAP: Bounds = Bounds::new(0, 86_400);
/// Up to seven days, after which the API no longer lists the content that a reconciliation would find.
const RECONCILE: Bounds = Bounds::new(60, 604_800);
const CONCURRENCY: Bounds = Bounds::new(1, 1_024);
const REQUESTS_PER_MINUTE: Bounds = Bounds::new(1, 1_000_000);
const TIMEOUT: Bounds = Bounds::new(1, 3_600);
const MAX_EVENTS: Bounds = Bounds::new(1, 1_000_000);

/// How content is found in mode "poll".
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PollConfig {
    /// How often new content of each content type of each tenant is listed. Unit: seconds.
    #[schemars(range(min = INTERVAL.min, max = INTERVAL.max), extend("x-unit" = "seconds"))]
    pub interval_secs: u64,
    /// By how much each listing overlaps the one before. Content shows up late and out of order; what is known
    /// already costs one look-up. Unit: seconds.
    #[schemars(range(min = OVERLAP.min, max = OVERLAP.max), extend("x-unit" = "seconds"))]
    pub overlap_secs: u64,
    /// How often a listing goes back to 24 hours before the last such listing, to find what showed up later than the
    /// overlap. Unit: seconds.
    #[schemars(range(min = RECONCILE.min, max = RECONCILE.max), extend("x-unit" = "seconds"))]
    pub reconcile_interval_secs: u64,
}

impl Default for PollConfig {
    fn default() -> Self {
        Self { interval_secs: 60, overlap_secs: 3_600, reconcile_interval_secs: 21_600 }
    }
}

impl PollConfig {
    /// How often new content is listed.
    pub const fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_secs)
    }

    /// By how much each listing overlaps the one before.
    pub const fn overlap(&self) -> Duration {
        Duration::from_secs(self.overlap_secs)
    }

    /// How often the last 24 hours are listed again.
    pub const fn reconcile_interval(&self) -> Duration {
        Duration::from_secs(self.reconcile_interval_secs)
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        INTERVAL.check(problems, "poll.interval_secs", self.interval_secs);
        OVERLAP.check(problems, "poll.overlap_secs", self.overlap_secs);
        RECONCILE.check(problems, "poll.reconcile_interval_secs", self.reconcile_interval_secs);
    }
}

/// What requests to the API may take.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestConfig {
    /// How many content blobs are in flight at once, over all tenants. Unit: blobs.
    #[schemars(range(min = CONCURRENCY.min, max = CONCURRENCY.max), extend("x-unit" = "blobs"))]
    pub concurrency: u32,
    /// How many requests are sent for each tenant. Microsoft's baseline quota is 2,000, about twice that with E5.
    /// Unit: requests per minute and tenant.
    #[schemars(
        range(min = REQUESTS_PER_MINUTE.min, max = REQUESTS_PER_MINUTE.max),
        extend("x-unit" = "requests per minute and tenant")
    )]
    pub requests_per_minute: u32,
    /// How long a request may take without a byte arriving. Unit: seconds.
    #[schemars(range(min = TIMEOUT.min, max = TIMEOUT.max), extend("x-unit" = "seconds"))]
    pub timeout_secs: u64,
    /// The largest content blob, decompressed. A larger one is reported and set aside, as a guard against a body
    /// without end. Unit: bytes.
    #[schemars(extend("x-unit" = "bytes"))]
    pub max_blob_bytes: ByteSize,
}

impl Default for RequestConfig {
    fn default() -> Self {
        Self { concurrency: 16, requests_per_minute: 2_000, timeout_secs: 60, max_blob_bytes: ByteSize::from_gib(1) }
    }
}

impl RequestConfig {
    /// How long a request may take without a byte arriving.
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_secs)
    }

    /// The quota of one tenant; at least one even before validation.
    pub fn quota_per_minute(&self) -> NonZeroU32 {
        NonZeroU32::new(self.requests_per_minute).unwrap_or(NonZeroU32::MIN)
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        CONCURRENCY.check(problems, "request.concurrency", self.concurrency.into());
        REQUESTS_PER_MINUTE.check(problems, "request.requests_per_minute", self.requests_per_minute.into());
        TIMEOUT.check(problems, "request.timeout_secs", self.timeout_secs);
        not_zero(problems, "request.max_blob_bytes", self.max_blob_bytes, "1GiB");
    }
}

/// How repeated events are recognised.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DedupeConfig {
    /// For how long the ids of delivered events are remembered, from "1h" to "30d". The API repeats events, sometimes
    /// days later.
    #[schemars(extend("x-unit" = "duration"))]
    pub window: HumanDuration,
}

impl Default for DedupeConfig {
    fn default() -> Self {
        Self { window: HumanDuration::from_days(7) }
    }
}

impl DedupeConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        if !(HumanDuration::from_hours(1)..=HumanDuration::from_days(30)).contains(&self.window) {
            problems.add(
                "dedupe.window",
                format!("{} is out of range", self.window),
                "Write a duration from \"1h\" to \"30d\", such as window = \"7d\".",
            );
        }
    }
}

/// How many events go to the pipeline at once.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchConfig {
    /// The most events in one batch. Unit: events.
    #[schemars(range(min = MAX_EVENTS.min, max = MAX_EVENTS.max), extend("x-unit" = "events"))]
    pub max_events: u32,
    /// The most bytes in one batch, as received from the API. One larger event makes a batch of its own. Unit: bytes.
    #[schemars(extend("x-unit" = "bytes"))]
    pub max_bytes: ByteSize,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self { max_events: 1_000, max_bytes: ByteSize::from_mib(1) }
    }
}

impl BatchConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        MAX_EVENTS.check(problems, "batch.max_events", self.max_events.into());
        not_zero(problems, "batch.max_bytes", self.max_bytes, "1MiB");
    }
}

/// The bounds of memory.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryConfig {
    /// Bodies of content blobs larger than this are spooled to disk below `data_dir` while they are worked on; 0 spools
    /// all. Unit: bytes.
    #[schemars(extend("x-unit" = "bytes"))]
    pub spool_threshold: ByteSize,
    /// The most bytes of events that wait for their acknowledgement, over all tenants; at least four times
    /// `batch.max_bytes` and at least `spool_threshold`. Events of the audit search take up to an eighth of it. Unit: bytes.
    #[schemars(extend("x-unit" = "bytes"))]
    pub max_buffered_bytes: ByteSize,
    /// The largest single audit record. A larger one is reported and left out. Unit: bytes.
    #[schemars(extend("x-unit" = "bytes"))]
    pub max_record_bytes: ByteSize,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            spool_threshold: ByteSize::from_mib(1),
            max_buffered_bytes: ByteSize::from_mib(64),
            max_record_bytes: ByteSize::from_mib(32),
        }
    }
}

impl MemoryConfig {
    pub(super) fn check(&self, problems: &mut Problems, batch: &BatchConfig) {
        let Self { spool_threshold, max_buffered_bytes: buffered, max_record_bytes } = self;
        let batches = ByteSize::from_bytes(batch.max_bytes.as_u64().saturating_mul(4));
        let key = "memory.max_buffered_bytes";
        if *buffered < batches {
            problems.add(
                key,
                format!("{buffered} is less than four times batch.max_bytes ({})", batch.max_bytes),
                format!("Write max_buffered_bytes = \"{batches}\" or more, or a smaller batch.max_bytes."),
            );
        }
        if buffered < spool_threshold {
            problems.add(
                key,
                format!("{buffered} is less than memory.spool_threshold ({spool_threshold})"),
                format!("Write max_buffered_bytes = \"{spool_threshold}\" or more, or a smaller spool_threshold."),
            );
        }
        not_zero(problems, "memory.max_record_bytes", *max_record_bytes, "32MiB");
    }
}

fn not_zero(problems: &mut Problems, key: &str, size: ByteSize, example: &str) {
    if size.as_u64() == 0 {
        let name = key.rsplit('.').next().unwrap_or(key);
        problems.add(key, "is nothing at all", format!("Write a size such as {name} = \"{example}\"."));
    }
}
