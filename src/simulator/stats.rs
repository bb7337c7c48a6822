//! What clients did.

use std::{collections::BTreeMap, fmt};

use super::GraphStats;
use crate::content::{Feed, TenantId};

/// The operations of the Management Activity API.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Operation {
    /// `POST subscriptions/start`
    Start,
    /// `POST subscriptions/stop`
    Stop,
    /// `GET subscriptions/list`
    List,
    /// `GET subscriptions/content`
    Content,
    /// `GET subscriptions/notifications`
    Notifications,
    /// `GET audit/{contentId}`
    Blob,
    /// `GET resources/dlpSensitiveTypes`
    SensitiveTypes,
    /// Anything else.
    Unknown,
}

impl Operation {
    /// The service's own name for the operation, which its throttling and exception messages contain. `GetBlob` (MSTRB),
    /// `GetContents` (counteractive/o365beat#17) and `StartSubscription` (counteractive/o365beat#58) are seen in the
    /// field, the others are made in their likeness.
    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Start => "StartSubscription",
            Self::Stop => "StopSubscription",
            Self::List => "ListSubscriptions",
            Self::Content => "GetContents",
            Self::Notifications => "GetNotifications",
            Self::Blob => "GetBlob",
            Self::SensitiveTypes => "GetSensitiveTypes",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.method())
    }
}

/// What has been asked of the simulator.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Requests by operation, refused ones included.
    pub requests: BTreeMap<Operation, u64>,
    /// Requests refused with AF429, for whichever reason.
    pub throttled: u64,
    /// Requests to the token endpoints, refused ones included.
    pub token_requests: u64,
    /// The most requests for a tenant that came within one minute, refused ones included.
    pub most_in_a_minute: BTreeMap<TenantId, usize>,
    /// How often content was listed with another token than the time before: another client listed, or a client had a new token.
    pub lister_changes: BTreeMap<Feed, u64>,
    /// Tokens handed out.
    pub tokens_issued: u64,
    /// Start requests that the service refused as too early.
    pub starts_throttled: u64,
    /// Partial blobs listed in place of whole ones, because a window began at the second a blob was created.
    pub partial_refs: u64,
    /// Test messages sent to webhooks.
    pub validations: u64,
    /// Notifications sent to webhooks: every attempt counts.
    pub notifications_sent: u64,
    /// Those of them that were not answered with 200 in time.
    pub notifications_failed: u64,
    /// Webhooks that were disabled.
    pub webhooks_disabled: u64,
    /// Blobs named in a notification that was accepted. Repetitions do not count.
    pub blobs_notified: u64,
    /// Requests answered with an injected fault.
    pub faults: u64,
    /// What was asked of the audit search of Microsoft Graph. The counts above do not include it.
    pub graph: GraphStats,
    /// What a well-behaved client does not do, in words. Only the first thousand are kept.
    pub violations: Vec<String>,
}

impl Stats {
    const KEPT_VIOLATIONS: usize = 1000;

    /// Requests for one operation.
    pub fn requests_for(&self, operation: Operation) -> u64 {
        self.requests.get(&operation).copied().unwrap_or_default()
    }

    /// All requests to the Management Activity API (the token endpoints not included).
    pub fn total_requests(&self) -> u64 {
        self.requests.values().sum()
    }

    /// Requests to start a subscription: each changes, or tries to change, the tenant.
    pub fn start_calls(&self) -> u64 {
        self.requests_for(Operation::Start)
    }

    pub(super) fn count(&mut self, operation: Operation) {
        *self.requests.entry(operation).or_default() += 1;
    }

    pub(super) fn violation(&mut self, what: String) {
        if self.violations.len() < Self::KEPT_VIOLATIONS {
            self.violations.push(what);
        }
    }
}
