//! What a sender may take from the listener, which anyone on the Internet can reach.

use std::{num::NonZeroU32, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{ByteSize, error::Problems, limits::Bounds};

const CONNECTIONS: Bounds = Bounds { min: 1, max: 65_536 };
const REQUESTS: Bounds = Bounds { min: 1, max: 1_000_000 };
const REQUEST_TIMEOUT: Bounds = Bounds { min: 1, max: 300 };
const IDLE_TIMEOUT: Bounds = Bounds { min: 1, max: 3_600 };

const BODY: [ByteSize; 2] = [ByteSize::from_bytes(4 << 10), ByteSize::from_mib(64)];
/// HTTP servers want to read 8 KiB at a time.
const HEADER: [ByteSize; 2] = [ByteSize::from_bytes(8 << 10), ByteSize::from_mib(1)];

/// What a sender may take from the listener.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookLimits {
    /// The largest body of a request, from "4KiB" to "64MiB". Microsoft keeps notifications small. Unit: bytes.
    #[schemars(extend("x-unit" = "bytes"))]
    pub max_body_bytes: ByteSize,
    /// The largest head of a request, its request line and header fields, from "8KiB" to "1MiB". Unit: bytes.
    #[schemars(extend("x-unit" = "bytes"))]
    pub max_header_bytes: ByteSize,
    /// How many connections are open at once. Unit: connections.
    #[schemars(range(min = CONNECTIONS.min, max = CONNECTIONS.max), extend("x-unit" = "connections"))]
    pub max_connections: u32,
    /// How many connections one source address has open at once, not more than `max_connections`. Unit: connections.
    #[schemars(range(min = CONNECTIONS.min, max = CONNECTIONS.max), extend("x-unit" = "connections"))]
    pub max_connections_per_source: u32,
    /// How many requests are taken from one source address that has not shown the `AuthID`. Unit: requests per minute and
    /// source.
    #[schemars(
        range(min = REQUESTS.min, max = REQUESTS.max),
        extend("x-unit" = "requests per minute and source")
    )]
    pub requests_per_minute_per_source: u32,
    /// How long the TLS handshake may take, and then the head of a request. Unit: seconds.
    #[schemars(range(min = REQUEST_TIMEOUT.min, max = REQUEST_TIMEOUT.max), extend("x-unit" = "seconds"))]
    pub header_timeout_secs: u64,
    /// How long the body of a request may take. Unit: seconds.
    #[schemars(range(min = REQUEST_TIMEOUT.min, max = REQUEST_TIMEOUT.max), extend("x-unit" = "seconds"))]
    pub body_timeout_secs: u64,
    /// How long a connection may wait for its next request. Unit: seconds.
    #[schemars(range(min = IDLE_TIMEOUT.min, max = IDLE_TIMEOUT.max), extend("x-unit" = "seconds"))]
    pub idle_timeout_secs: u64,
}

impl Default for WebhookLimits {
    fn default() -> Self {
        Self {
            max_body_bytes: ByteSize::from_mib(1),
            max_header_bytes: ByteSize::from_bytes(16 << 10),
            max_connections: 512,
            max_connections_per_source: 64,
            requests_per_minute_per_source: 600,
            header_timeout_secs: 10,
            body_timeout_secs: 10,
            idle_timeout_secs: 60,
        }
    }
}

impl WebhookLimits {
    /// How long the TLS handshake may take, and then the head of a request.
    pub const fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout_secs)
    }

    /// How long the body of a request may take.
    pub const fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_secs)
    }

    /// How long a connection may wait for its next request.
    pub const fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_secs)
    }

    /// The requests per minute of one source; at least one even before validation.
    pub fn quota_per_minute(&self) -> NonZeroU32 {
        NonZeroU32::new(self.requests_per_minute_per_source).unwrap_or(NonZeroU32::MIN)
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        let mut bounds = |bounds: &Bounds, key: &str, value: u64| {
            bounds.check(problems, &format!("webhook.limits.{key}"), value);
        };
        bounds(&CONNECTIONS, "max_connections", self.max_connections.into());
        bounds(&CONNECTIONS, "max_connections_per_source", self.max_connections_per_source.into());
        bounds(&REQUESTS, "requests_per_minute_per_source", self.requests_per_minute_per_source.into());
        bounds(&REQUEST_TIMEOUT, "header_timeout_secs", self.header_timeout_secs);
        bounds(&REQUEST_TIMEOUT, "body_timeout_secs", self.body_timeout_secs);
        bounds(&IDLE_TIMEOUT, "idle_timeout_secs", self.idle_timeout_secs);
        check_size(problems, "max_body_bytes", self.max_body_bytes, BODY, "1MiB");
        check_size(problems, "max_header_bytes", self.max_header_bytes, HEADER, "16KiB");
        let (all, one) = (self.max_connections, self.max_connections_per_source);
        if one > all {
            problems.add(
                "webhook.limits.max_connections_per_source",
                format!("{one} is more than max_connections ({all})"),
                format!("Write max_connections_per_source = {all} or less, or a larger max_connections."),
            );
        }
    }
}

fn check_size(problems: &mut Problems, key: &str, size: ByteSize, [min, max]: [ByteSize; 2], example: &str) {
    if !(min..=max).contains(&size) {
        problems.add(
            &format!("webhook.limits.{key}"),
            format!("{size} is out of range"),
            format!("Write a size from \"{min}\" to \"{max}\", such as {key} = \"{example}\"."),
        );
    }
}
