//! What can go wrong with a request to the API: for whom, and what an administrator does about it.

use std::{fmt, path::PathBuf, time::Duration};

use http::StatusCode;
use snafu::Snafu;

use super::{ErrorResponse, ForeignUri};
use crate::{
    content::{ContentType, TenantId},
    entra::EntraError,
    transport::TransportError,
};

/// The operations of the API, by Microsoft's names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
    /// `subscriptions/list`
    ListSubscriptions,
    /// `subscriptions/start`
    StartSubscription,
    /// `subscriptions/stop`
    StopSubscription,
    /// `subscriptions/content`
    ListContent,
    /// `subscriptions/notifications`
    ListNotifications,
    /// A content URI.
    RetrieveContent,
    /// `resources/dlpSensitiveTypes`
    ListSensitiveTypes,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ListSubscriptions => "listing subscriptions",
            Self::StartSubscription => "starting the subscription",
            Self::StopSubscription => "stopping the subscription",
            Self::ListContent => "listing content",
            Self::ListNotifications => "listing notifications",
            Self::RetrieveContent => "retrieving content",
            Self::ListSensitiveTypes => "listing sensitive information types",
        })
    }
}

/// A failed operation.
#[derive(Clone, Debug, Snafu)]
#[snafu(display("{operation}{} for tenant {tenant}: {failure}", for_type(*content_type)))]
pub struct ActivityError {
    /// Which operation.
    pub operation: Operation,
    /// Whose audit log.
    pub tenant: TenantId,
    /// Which part of it, where the operation is about one.
    pub content_type: Option<ContentType>,
    /// Why. Boxed, as results carry it everywhere.
    pub failure: Box<Failure>,
}

fn for_type(content_type: Option<ContentType>) -> String {
    content_type.map_or_else(String::new, |content_type| format!(" of {content_type}"))
}

/// Why an operation failed.
#[derive(Clone, Debug)]
pub enum Failure {
    /// There is no access token.
    Token(EntraError),
    /// No response, or it broke off.
    Transport(TransportError),
    /// Too many requests (AF429, as 403 or 429). Nothing is sent to this tenant for `wait`.
    Throttled {
        /// How long.
        wait: Duration,
    },
    /// The same subscription was started less than 15 minutes ago.
    StartedTooOften {
        /// How long to wait, if Microsoft says.
        wait: Option<Duration>,
    },
    /// HTTP 401 or 403 with a token that works elsewhere, or `AF10001`: a permission is missing.
    PermissionMissing {
        /// Which.
        permission: &'static str,
        /// What Microsoft says.
        refusal: ErrorResponse,
    },
    /// HTTP 401 or 403 for a token that says that it has the permission.
    TokenRefused {
        /// Which permission.
        permission: &'static str,
        /// What Microsoft says.
        refusal: ErrorResponse,
    },
    /// HTTP 401 or 403 for one blob. The listing of its feed shows whether a permission is missing: it is served, or refused.
    ContentRefused(ErrorResponse),
    /// Unified auditing is off in the tenant.
    AuditingDisabled,
    /// The tenant is not one the API knows, or not the token's (AF20010 to AF20013).
    TenantRefused(ErrorResponse),
    /// The webhook could not be validated (AF20021).
    WebhookRefused(ErrorResponse),
    /// There is no subscription (AF20022).
    NotSubscribed,
    /// The subscription is disabled (AF20023).
    SubscriptionDisabled(ErrorResponse),
    /// The time window was refused (AF20030, AF20055).
    WindowRefused(ErrorResponse),
    /// The link to the next page was refused (AF20031).
    PageRefused(ErrorResponse),
    /// The content cannot be fetched any more: it does not exist, has expired, or its id is invalid (AF20050 to
    /// AF20052, 404, 410).
    ContentGone(ErrorResponse),
    /// A URI that leads elsewhere.
    Foreign(ForeignUri),
    /// The service is in trouble (5xx, 408, `AF5…`).
    Unavailable {
        /// The HTTP status.
        status: StatusCode,
        /// What it says.
        refusal: ErrorResponse,
    },
    /// Any other refusal.
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// What it says.
        refusal: ErrorResponse,
    },
    /// A successful response that makes no sense.
    Malformed {
        /// How.
        problem: String,
    },
    /// A blob is larger than `request.max_blob_bytes`.
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// A blob is too large for memory, and for the disk.
    NoRoom {
        /// Where it should have gone.
        directory: PathBuf,
        /// What the operating system says.
        problem: String,
    },
}

impl Failure {
    /// A short name for metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Transport(_) => "transport",
            Self::Throttled { .. } => "throttled",
            Self::StartedTooOften { .. } => "started_too_often",
            Self::PermissionMissing { .. } => "permission_missing",
            Self::TokenRefused { .. } => "token_refused",
            Self::ContentRefused(_) => "content_refused",
            Self::AuditingDisabled => "auditing_disabled",
            Self::TenantRefused(_) => "tenant_refused",
            Self::WebhookRefused(_) => "webhook_refused",
            Self::NotSubscribed => "not_subscribed",
            Self::SubscriptionDisabled(_) => "subscription_disabled",
            Self::WindowRefused(_) => "window_refused",
            Self::PageRefused(_) => "page_refused",
            Self::ContentGone(_) => "content_gone",
            Self::Foreign(_) => "foreign_uri",
            Self::Unavailable { .. } => "unavailable",
            Self::Refused { .. } => "refused",
            Self::Malformed { .. } => "malformed",
            Self::TooLarge { .. } => "too_large",
            Self::NoRoom { .. } => "no_room",
        }
    }

    /// Whether the content can never be fetched, so that trying again is pointless.
    pub const fn is_permanent(&self) -> bool {
        matches!(self, Self::ContentGone(_))
    }

    /// Whether the API says that it no longer holds the content (AF20051).
    pub fn says_expired(&self) -> bool {
        matches!(self, Self::ContentGone(refusal) if refusal.is(&["AF20051"]))
    }

    /// Whether trying again is pointless until an administrator changes something. The content stays pending: once the
    /// setting is right, or there is room, it is fetched as long as Microsoft holds it.
    pub const fn needs_an_administrator(&self) -> bool {
        matches!(self, Self::Foreign(_) | Self::TooLarge { .. } | Self::NoRoom { .. })
    }

    /// Whether an administrator must change something before the same request succeeds. An unclear case counts as that.
    pub const fn needs_people(&self) -> bool {
        match self {
            // A page with a refusal: credentials, or a proxy that does not let this machine through.
            Self::Unavailable { status, .. } => {
                matches!(*status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            }
            Self::Transport(_)
            | Self::Throttled { .. }
            | Self::StartedTooOften { .. }
            | Self::Malformed { .. }
            | Self::TokenRefused { .. }
            | Self::ContentRefused(_)
            | Self::Token(
                EntraError::Busy { .. }
                | EntraError::Unreachable { .. }
                | EntraError::NotEntra { .. }
                | EntraError::Credential { is_temporary: true, .. },
            ) => false,
            _ => true,
        }
    }

    /// Whether the same request may well succeed in a moment.
    pub const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Transport(_)
                | Self::Unavailable { .. }
                | Self::Malformed { .. }
                | Self::TokenRefused { .. }
                | Self::ContentRefused(_)
                | Self::Token(EntraError::Busy { .. })
        )
    }

    /// How long Entra has asked to wait, if that is what failed.
    pub const fn entra_asks_to_wait(&self) -> Option<Duration> {
        match self {
            Self::Token(error) => error.asked_to_wait(),
            _ => None,
        }
    }

    /// Whether the whole tenant is affected, not only one content type.
    pub const fn concerns_the_tenant(&self) -> bool {
        matches!(self, Self::Token(_) | Self::AuditingDisabled | Self::TenantRefused(_) | Self::Throttled { .. })
    }

    /// Whether the subscription should be looked at.
    pub const fn concerns_the_subscription(&self) -> bool {
        matches!(self, Self::NotSubscribed | Self::SubscriptionDisabled(_))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(error) => error.fmt(f),
            Self::Transport(error) => error.fmt(f),
            Self::Throttled { wait } => write!(
                f,
                "Microsoft throttles this tenant (AF429); waiting {} s. If it happens often: lower \
                 request.requests_per_minute, and check that no other program uses the same publisher_identifier",
                wait.as_secs()
            ),
            Self::StartedTooOften { wait } => write!(
                f,
                "Microsoft accepts a start of the same subscription every 15 minutes only; trying again in {} s",
                wait.map_or(900, |wait| wait.as_secs())
            ),
            Self::PermissionMissing { permission, refusal } => write!(
                f,
                "the application lacks the permission {permission}: in the Entra admin center open App registrations > \
                 your app > API permissions, add Office 365 Management APIs > Application permissions > {permission}, and \
                 click \"Grant admin consent\"{}",
                quoted(refusal)
            ),
            Self::TokenRefused { permission, refusal } => write!(
                f,
                "the API refuses an access token that has the permission {permission}; asking again with a new one. A consent \
                 that was given a moment ago, and tokens that were revoked, need some minutes. If it stays so, see in the Entra \
                 admin center whether a Conditional Access policy for workload identities concerns the application, and whether \
                 `cloud` is the tenant's{}",
                quoted(refusal)
            ),
            Self::ContentRefused(refusal) => {
                write!(f, "the API refuses this content; asking again with a new token{}", quoted(refusal))
            }
            Self::AuditingDisabled => f.write_str(
                "unified auditing is off in this tenant: turn it on in the Microsoft Purview portal (Audit > Start recording \
                 user and admin activity), or in Exchange Online PowerShell with Set-AdminAuditLogConfig \
                 -UnifiedAuditLogIngestionEnabled $true. It can take an hour to have effect",
            ),
            Self::TenantRefused(refusal) => {
                write!(f, "the API refuses the tenant: check its id and `cloud`{}", quoted(refusal))
            }
            Self::WebhookRefused(refusal) => {
                write!(f, "Microsoft cannot reach the webhook{}: {}", quoted(refusal), webhook_advice(refusal))
            }
            Self::NotSubscribed => f.write_str("there is no subscription yet; the source starts it"),
            Self::SubscriptionDisabled(refusal) => write!(
                f,
                "the subscription is disabled; the source starts it again. If it stays so, look for another program or \
                 administrator that stops it{}",
                quoted(refusal)
            ),
            Self::WindowRefused(refusal) => write!(f, "the API refuses the time window{}", quoted(refusal)),
            Self::PageRefused(refusal) => write!(f, "the API refuses its own link to the next page{}", quoted(refusal)),
            Self::ContentGone(refusal) => write!(f, "the content cannot be had any more{}", quoted(refusal)),
            Self::Foreign(error) => error.fmt(f),
            Self::Unavailable { status, refusal }
                if refusal.is_page && matches!(*status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) =>
            {
                write!(
                    f,
                    "a page for people came instead of the API's answer (HTTP {status}): a proxy or firewall is in front of \
                     Microsoft and refuses this machine, or Microsoft's front end refuses the credentials. Check `proxy` (its user \
                     and password too) and that the API's host is let through; then the application's credentials with \
                     `office365-source check`{}",
                    quoted(refusal)
                )
            }
            Self::Unavailable { status, refusal } => write!(f, "the API is unavailable (HTTP {status}){}", quoted(refusal)),
            Self::Refused { status, refusal } => write!(f, "the API refused (HTTP {status}){}", quoted(refusal)),
            Self::Malformed { problem } => write!(f, "the API's answer makes no sense: {problem}"),
            Self::TooLarge { limit } => {
                write!(f, "the blob is larger than {limit} bytes; to have it, raise request.max_blob_bytes")
            }
            Self::NoRoom { directory, problem } => write!(
                f,
                "the blob is larger than memory.spool_threshold and does not fit into {}: {problem}; to have it, free some space \
                 there or raise the limit, or raise memory.spool_threshold",
                directory.display()
            ),
        }
    }
}

/// What to do when Microsoft could not validate the webhook. Its reference names two reasons; the second covers
/// everything that can go wrong between Microsoft and the webhook.
fn webhook_advice(refusal: &ErrorResponse) -> &'static str {
    if refusal.message.contains("HTTPS") {
        "webhook.public_url must begin with https"
    } else {
        "its validation request to webhook.public_url did not get HTTP 200. Check from outside, with `office365-source check` \
         or a browser, that the URL answers {\"status\":\"ok\"}: the name must resolve to this machine, firewalls and \
         proxies must let Microsoft through to the port, and the certificate must be issued by a publicly trusted authority \
         for that name, with its whole chain in webhook.tls.crt_file"
    }
}

fn quoted(refusal: &ErrorResponse) -> String {
    match &refusal.code {
        Some(code) => format!(" ({code}: {})", refusal.message),
        None => format!(" ({})", refusal.message),
    }
}
