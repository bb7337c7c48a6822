//! What can go wrong, and what an administrator should do about it.

use std::{fmt, time::Duration};

use http::StatusCode;
use snafu::Snafu;

use crate::{
    activity::{ErrorResponse, ForeignUri},
    content::TenantId,
    entra::EntraError,
    transport::TransportError,
};

/// The operations of the audit search.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GraphOperation {
    /// `POST /security/auditLog/queries`
    CreateQuery,
    /// `GET /security/auditLog/queries/{id}`
    GetQuery,
    /// `GET /security/auditLog/queries`
    ListQueries,
    /// `GET /security/auditLog/queries/{id}/records`
    ListRecords,
    /// `DELETE /security/auditLog/queries/{id}`
    DeleteQuery,
}

impl fmt::Display for GraphOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreateQuery => "creating an audit log query",
            Self::GetQuery => "reading the state of an audit log query",
            Self::ListQueries => "listing audit log queries",
            Self::ListRecords => "listing the records of an audit log query",
            Self::DeleteQuery => "deleting an audit log query",
        })
    }
}

/// A failed operation.
#[derive(Clone, Debug, Snafu)]
#[snafu(display("{operation} of tenant {tenant}: {failure}"))]
pub struct GraphError {
    /// Which operation.
    pub operation: GraphOperation,
    /// Whose audit log.
    pub tenant: TenantId,
    /// Why. Boxed, as results carry it everywhere.
    pub failure: Box<GraphFailure>,
}

/// Why an operation failed.
#[derive(Clone, Debug)]
pub enum GraphFailure {
    /// There is no access token.
    Token(EntraError),
    /// No response, or it broke off. What was asked for may have been done.
    Transport(TransportError),
    /// Too many requests, or too many queries (429). Nothing is sent to this tenant for `wait`.
    Throttled {
        /// How long.
        wait: Duration,
    },
    /// The application lacks the permission (403).
    PermissionMissing(ErrorResponse),
    /// The token is refused (401), also a new one.
    TokenRefused(ErrorResponse),
    /// Unified auditing is off in the tenant.
    AuditingDisabled,
    /// There is no such query, or its records are gone (404).
    Gone(ErrorResponse),
    /// Neither version of the API has an audit search.
    NotThere(ErrorResponse),
    /// A link that leads elsewhere.
    Foreign(ForeignUri),
    /// The service is in trouble (5xx, 408, a page for people).
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
}

impl GraphFailure {
    /// A short name for metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Transport(_) => "transport",
            Self::Throttled { .. } => "throttled",
            Self::PermissionMissing(_) => "permission_missing",
            Self::TokenRefused(_) => "token_refused",
            Self::AuditingDisabled => "auditing_disabled",
            Self::Gone(_) => "query_gone",
            Self::NotThere(_) => "not_there",
            Self::Foreign(_) => "foreign_uri",
            Self::Unavailable { .. } => "unavailable",
            Self::Refused { .. } => "refused",
            Self::Malformed { .. } => "malformed",
        }
    }

    /// Whether a request that changes something may have been carried out all the same.
    pub const fn may_have_happened(&self) -> bool {
        matches!(self, Self::Transport(_) | Self::Unavailable { .. } | Self::Malformed { .. })
    }

    /// Whether the same request may well succeed in a moment.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Transport(_) | Self::Throttled { .. } | Self::Unavailable { .. } | Self::Malformed { .. })
    }

    /// Whether every request for the tenant fails until an administrator changes something.
    pub const fn concerns_the_tenant(&self) -> bool {
        match self {
            Self::Token(error) => !matches!(error, EntraError::Busy { .. } | EntraError::Unreachable { .. }),
            Self::PermissionMissing(_) | Self::TokenRefused(_) | Self::AuditingDisabled => true,
            _ => false,
        }
    }
}

impl fmt::Display for GraphFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(error) => error.fmt(f),
            Self::Transport(error) => error.fmt(f),
            Self::Throttled { wait } => write!(
                f,
                "Microsoft Graph throttles the audit search of this tenant (HTTP 429); waiting {} s. Microsoft takes 200 queries in 24 \
                 hours and 50 at a time, of all applications together: if it happens often, lower audit_search.budget_per_day",
                wait.as_secs()
            ),
            Self::PermissionMissing(refusal) => write!(
                f,
                "the application may not search the audit log: in the Entra admin center open App registrations > your app > API \
                 permissions, add Microsoft Graph > Application permissions > AuditLogsQuery.Read.All, and click \"Grant admin \
                 consent\"{}",
                quoted(refusal)
            ),
            Self::TokenRefused(refusal) => write!(
                f,
                "Microsoft Graph refuses the access token, also a new one; a consent that was given a moment ago needs some minutes. If it \
                 stays so, see in the Entra admin center whether a Conditional Access policy for workload identities concerns the \
                 application{}",
                quoted(refusal)
            ),
            Self::AuditingDisabled => f.write_str(
                "unified auditing is off in this tenant: turn it on in the Microsoft Purview portal (Audit > Start recording user and \
                 admin activity), or in Exchange Online PowerShell with Set-AdminAuditLogConfig -UnifiedAuditLogIngestionEnabled $true. \
                 It can take an hour to have effect",
            ),
            Self::Gone(refusal) => write!(f, "Microsoft Graph has no such query any more{}", quoted(refusal)),
            Self::NotThere(refusal) => write!(
                f,
                "there is no audit search, neither in v1.0 nor in beta (HTTP 404): see whether audit_search.endpoint leads to Microsoft Graph \
                 of the global cloud, https://graph.microsoft.com{}",
                quoted(refusal)
            ),
            Self::Foreign(ForeignUri::Elsewhere { found, expected }) => write!(
                f,
                "Microsoft Graph named a page at {found}, but requests go to {expected} only, since each carries an access token; if a proxy \
                 rewrites its answers, set audit_search.endpoint to the origin that it uses"
            ),
            Self::Foreign(error) => error.fmt(f),
            Self::Unavailable { status, refusal } => {
                write!(f, "Microsoft Graph is unavailable (HTTP {status}){}", quoted(refusal))
            }
            Self::Refused { status, refusal } => write!(f, "Microsoft Graph refused (HTTP {status}){}", quoted(refusal)),
            Self::Malformed { problem } => write!(f, "the answer of Microsoft Graph makes no sense: {problem}"),
        }
    }
}

fn quoted(refusal: &ErrorResponse) -> String {
    format!(" ({})", refusal.message)
}
