//! The errors of Microsoft Graph, in the form of `OData`.

use axum::{body::Body, response::Response};
use chrono::{DateTime, Utc};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use uuid::Uuid;

use crate::simulator::error_reply::PROXY_PAGE;

/// An answer that refuses, or fails.
#[derive(Debug)]
pub(super) struct GraphError {
    status: StatusCode,
    body: ErrorBody,
    retry_after: Option<u64>,
}

#[derive(Debug)]
enum ErrorBody {
    /// `{"error":{"code":…,"message":…,"innerError":{…}}}`
    Coded {
        code: &'static str,
        message: String,
    },
    /// What a proxy answers in Microsoft Graph's place.
    Html,
    Empty,
}

impl GraphError {
    fn coded(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, body: ErrorBody::Coded { code, message: message.into() }, retry_after: None }
    }

    fn uncoded(status: StatusCode, body: ErrorBody) -> Self {
        Self { status, body, retry_after: None }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::coded(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub fn invalid_token(message: &str) -> Self {
        Self::coded(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
    }

    pub fn forbidden() -> Self {
        let message = "The application does not have any of the required permissions: AuditLogsQuery.Read.All, \
                       AuditLogsQuery-Exchange.Read.All, AuditLogsQuery-SharePoint.Read.All, \
                       AuditLogsQuery-OneDrive.Read.All, AuditLogsQuery-Entra.Read.All, AuditLogsQuery-CRM.Read.All, \
                       AuditLogsQuery-Endpoint.Read.All.";
        Self::coded(StatusCode::FORBIDDEN, "Forbidden", message)
    }

    /// A path that this version does not have.
    pub fn no_such_segment(segment: &str, choice: u64) -> Self {
        let code = if choice.is_multiple_of(2) { "BadRequest" } else { "ResourceNotFound" };
        Self::coded(StatusCode::NOT_FOUND, code, format!("Resource not found for the segment '{segment}'."))
    }

    pub fn method_not_allowed() -> Self {
        let message = "The method is not allowed for this resource.";
        Self::coded(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    pub fn no_such_query(id: &str, choice: u64) -> Self {
        let code = if choice.is_multiple_of(2) { "UnknownError" } else { "NotFound" };
        Self::coded(StatusCode::NOT_FOUND, code, format!("The audit log query {id} was not found."))
    }

    /// Records are asked for although there are none: 404 before the query runs, 400 after that (SEEN: both).
    pub fn no_records_yet(status: &str, runs: bool) -> Self {
        let message = format!("The records of the query are not available: its status is {status}.");
        if runs { Self::bad_request(message) } else { Self::coded(StatusCode::NOT_FOUND, "NotFound", message) }
    }

    /// Unified auditing is off: an error as JSON within the message of another (SEEN).
    pub fn auditing_disabled() -> Self {
        let message = "Auditing is disabled for the tenant. Turn on auditing, and try again.";
        let inner = json!({ "error": { "code": "AuditingDisabledTenant", "message": message } });
        Self::coded(StatusCode::BAD_REQUEST, "UnknownError", inner.to_string())
    }

    pub fn too_many(retry_after: Option<u64>) -> Self {
        let refusal = Self::coded(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", "Too many requests.");
        Self { retry_after, ..refusal }
    }

    pub fn gateway_timeout() -> Self {
        Self::coded(StatusCode::GATEWAY_TIMEOUT, "UnknownError", "")
    }

    /// A backend that is down, in one of several ways.
    pub fn backend(choice: u64) -> Self {
        match choice % 5 {
            0 => Self::coded(StatusCode::INTERNAL_SERVER_ERROR, "UnknownError", ""),
            1 => Self::coded(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "The service is unavailable."),
            2 => Self::uncoded(StatusCode::BAD_GATEWAY, ErrorBody::Html),
            3 => Self::uncoded(StatusCode::SERVICE_UNAVAILABLE, ErrorBody::Empty),
            _ => Self::gateway_timeout(),
        }
    }

    pub fn into_response(self, now: DateTime<Utc>, request_id: Uuid) -> Response {
        let (content_type, body) = match self.body {
            ErrorBody::Coded { code, message } => {
                let inner = json!({
                    "date": now.format("%Y-%m-%dT%H:%M:%S").to_string(),
                    "request-id": request_id.to_string(),
                    "client-request-id": request_id.to_string(),
                });
                let error = json!({ "error": { "code": code, "message": message, "innerError": inner } });
                (Some("application/json"), error.to_string())
            }
            ErrorBody::Html => (Some("text/html"), PROXY_PAGE.to_owned()),
            ErrorBody::Empty => (None, String::new()),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if let Some(content_type) = content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
