//! What goes wrong, and how to change it while the simulator runs.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use super::{GraphFaults, state::Service};
use crate::content::ContentType;

/// What goes wrong. Rates are probabilities between 0 and 1; by default all is well.
///
/// `duplicates`, `late`, `unlisted` and [`GraphFaults::lacking`] shape the content itself. They are read once, when the
/// simulator is built: were they to change later, what had already been collected would cease to exist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Answers 408, 500 or 503, with AF50000, an HTML page or nothing in the body (FB and the Splunk add-on retry these).
    pub error_rate: f64,
    /// Answers of 200 whose body breaks off with a transport error.
    pub reset_rate: f64,
    /// Answers of 200 whose body ends early as if it were whole (CEL's "unexpected EOF" mock).
    pub truncate_rate: f64,
    /// AF429 although the quota is not exhausted.
    pub throttle_rate: f64,
    /// 401 although the token is good.
    pub unauthorized_rate: f64,
    /// 200 with a proxy's HTML page in place of JSON (G2O; wazuh/wazuh#16485).
    pub html_rate: f64,
    /// Requests that are never answered.
    pub hang_rate: f64,
    /// Spares starts of subscriptions these faults: a caller that was refused one waits a quarter of an hour.
    pub spares_starts: bool,
    /// Token requests refused for the moment (AADSTS90033).
    pub token_error_rate: f64,
    /// How long an answer takes.
    pub latency: Option<RangeInclusive<Duration>>,
    /// The share of events that repeat an event of an earlier blob, possibly of another content type. "Expected and
    /// designed behavior" (MSTRB). The repeated record has the same `Id` and its members in another order
    /// (ddbnl/office365-audit-log-collector#75). Fixed at the start.
    pub duplicates: f64,
    /// Content that is listed only some time after its `contentCreated`. Fixed at the start.
    pub late: Option<Late>,
    /// The share of blobs that no listing and no notification ever names, although their events happened and the audit search
    /// of Microsoft Graph finds them. Fixed at the start.
    pub unlisted: f64,
    /// Entries, listed or announced, whose `contentUri` leads to another host. Sending it the token would give the token away.
    pub foreign_uri: f64,
    /// Entries, listed or announced, without `contentUri` (seen by ddbnl/office365-audit-log-collector).
    pub missing_content_uri: f64,
    /// Entries, listed or announced, that claim to be of another content type than was asked for.
    pub wrong_content_type: f64,
    /// Every page of a listing names itself as the next.
    pub next_page_loop: bool,
    /// After a stop, a start claims success but the subscription stays disabled
    /// (MicrosoftDocs/office-365-management-api#479).
    pub stuck_after_restart: bool,
    /// Notifications that are sent once more although the webhook accepted them.
    pub notify_duplicates: f64,
    /// Notifications that are held back until the one after them was accepted. If none follows within a minute they are
    /// sent nevertheless.
    pub notify_reordered: f64,
    /// Blobs that no notification ever names. They are listed as any other.
    pub notify_drop: f64,
    /// What goes wrong with the audit search of Microsoft Graph. Nothing above concerns it, but for what exists.
    pub graph: GraphFaults,
}

/// Content that shows up late.
#[derive(Clone, Debug, PartialEq)]
pub struct Late {
    /// The share of blobs that are late.
    pub share: f64,
    /// By how much.
    pub by: RangeInclusive<Duration>,
}

impl Faults {
    /// A bad day: a little of everything from which a client recovers by trying again.
    pub fn stormy() -> Self {
        Self {
            error_rate: 0.05,
            reset_rate: 0.03,
            truncate_rate: 0.03,
            throttle_rate: 0.03,
            unauthorized_rate: 0.01,
            html_rate: 0.02,
            token_error_rate: 0.1,
            latency: Some(Duration::from_millis(5)..=Duration::from_secs(3)),
            duplicates: 0.05,
            late: Some(Late { share: 0.1, by: Duration::from_mins(1)..=Duration::from_hours(4) }),
            graph: GraphFaults::stormy(),
            ..Self::default()
        }
    }
}

/// A trouble of one tenant. Others are not affected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TenantFault {
    /// No administrator consents any more: AADSTS65001 at the token endpoint.
    ConsentRevoked,
    /// The enterprise application was deleted: AADSTS700016.
    ApplicationRemoved,
    /// The enterprise application was disabled: AADSTS7000112.
    ApplicationDisabled,
    /// The client secret expired: AADSTS7000222.
    SecretExpired,
    /// Conditional Access blocks the workload identity: AADSTS53003.
    BlockedByConditionalAccess,
    /// The organisation has no licence for the service: AADSTS650052.
    ServiceNotEnabled,
    /// Tokens are issued, but without any role: AF10001 with an empty permission set.
    PermissionsRemoved,
    /// Unified auditing is off: the API claims that the tenant does not exist (MSTRB). The audit search says why.
    AuditingDisabled,
    /// AF20012 to every request.
    Misconfigured,
    /// One content type is denied, the others work (elastic/integrations#20104).
    ContentTypeForbidden(ContentType),
    /// AF50000 to every request.
    Unavailable,
    /// The API never answers.
    Hang,
}

/// Reads and changes the faults of a running simulator.
#[derive(Clone)]
pub struct FaultsHandle {
    service: Arc<Service>,
}

impl FaultsHandle {
    pub(super) fn new(service: Arc<Service>) -> Self {
        Self { service }
    }

    /// The faults as they are.
    pub fn get(&self) -> Faults {
        self.service.state().faults.clone()
    }

    /// Replaces them all.
    pub fn set(&self, faults: Faults) {
        self.service.state().faults = faults;
    }

    /// Changes some of them.
    pub fn update(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.service.state().faults);
    }
}
