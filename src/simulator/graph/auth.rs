//! Who may search, and for what.

use chrono::{DateTime, Utc};

use super::{RESOURCE, call::Call, error::GraphError};
use crate::simulator::{auth, state::Service, token::Claims};

/// Which records a token's permissions show.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Scope {
    All,
    /// Those of these workloads, by the names that records have.
    Workloads(Vec<&'static str>),
}

/// One permission for each service (GRAPH, "Permissions"), with the `Workload` of its records.
const PERMISSIONS: [(&str, &str); 6] = [
    ("AuditLogsQuery-Exchange.Read.All", "Exchange"),
    ("AuditLogsQuery-SharePoint.Read.All", "SharePoint"),
    ("AuditLogsQuery-OneDrive.Read.All", "OneDrive"),
    ("AuditLogsQuery-Entra.Read.All", "AzureActiveDirectory"),
    ("AuditLogsQuery-CRM.Read.All", "CRM"),
    ("AuditLogsQuery-Endpoint.Read.All", "Endpoint"),
];

impl Scope {
    pub fn shows(&self, workload: &str) -> bool {
        match self {
            Self::All => true,
            Self::Workloads(workloads) => workloads.contains(&workload),
        }
    }
}

/// The claims of a valid token for Microsoft Graph; 401 without one.
pub(super) fn claims(service: &Service, call: &Call, now: DateTime<Utc>) -> Result<Claims, GraphError> {
    let invalid = || GraphError::invalid_token("Access token has expired or is not yet valid.");
    let claims = auth::bearer(service, &call.headers, now).ok_or_else(invalid)?;
    if claims.aud != RESOURCE {
        let violation = format!("{:?} with a token for {}: {}", call.operation, claims.aud, call.path);
        service.state().stats.violation(violation);
        return Err(GraphError::invalid_token("Access token validation failure. Invalid audience."));
    }
    Ok(claims)
}

/// What a token may see; 403 if that is nothing.
pub(super) fn scope(claims: &Claims) -> Result<Scope, GraphError> {
    if claims.roles.iter().any(|role| role == "AuditLogsQuery.Read.All") {
        return Ok(Scope::All);
    }
    let held = PERMISSIONS.into_iter().filter(|(permission, _)| claims.roles.iter().any(|role| role == permission));
    let workloads: Vec<_> = held.map(|(_, workload)| workload).collect();
    if workloads.is_empty() { Err(GraphError::forbidden()) } else { Ok(Scope::Workloads(workloads)) }
}
