//! How requests to Microsoft Graph are counted.

use http::StatusCode;
use metrics::counter;

use super::GraphOperation;
use crate::content::TenantId;

impl GraphOperation {
    /// The value of the label `operation`.
    const fn label(self) -> &'static str {
        match self {
            Self::CreateQuery => "create_query",
            Self::GetQuery => "get_query",
            Self::ListQueries => "list_queries",
            Self::ListRecords => "list_records",
            Self::DeleteQuery => "delete_query",
        }
    }
}

/// A request was answered with a status, or, without one, not at all.
pub(super) fn requested(tenant: TenantId, operation: GraphOperation, status: Option<StatusCode>) {
    let status = status.map_or_else(|| "none".to_owned(), |status| status.as_u16().to_string());
    let labels = [("tenant", tenant.to_string()), ("operation", operation.label().to_owned()), ("status", status)];
    counter!("office365_requests_total", &labels).increment(1);
}
