//! A request to the API, taken apart.

use bytes::Bytes;
use http::{HeaderMap, Method, header, request::Parts};
use url::form_urlencoded;

use super::{Operation, error_reply::ErrorReply};
use crate::content::{ContentType, Feed, TenantId};

/// A request under `/api/v1.0/{tenant}/activity/feed/`.
pub(super) struct Call {
    pub operation: Operation,
    pub method: Method,
    pub path: String,
    /// The tenant as the URL names it.
    pub tenant: String,
    /// What follows `audit/`.
    pub content_id: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    query: Vec<(String, String)>,
}

impl Call {
    pub fn new(parts: Parts, tenant: String, operation: &str, body: Bytes) -> Self {
        let (operation, content_id) = recognise(operation);
        let query = parts.uri.query().unwrap_or_default();
        Self {
            operation,
            method: parts.method,
            path: parts.uri.path().to_owned(),
            tenant,
            content_id: content_id.to_owned(),
            headers: parts.headers,
            body,
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        }
    }

    /// The method that the operation must be called with.
    pub fn required_method(&self) -> Method {
        match self.operation {
            Operation::Start | Operation::Stop => Method::POST,
            _ => Method::GET,
        }
    }

    /// A query parameter. Names compare without regard to case: links to the next page spell `starttime` (CEL).
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.values(name).next().filter(|value| !value.is_empty())
    }

    /// Every value given for a query parameter.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.query.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn feed(&self, tenant: TenantId) -> Result<Feed, ErrorReply> {
        let name = self.parameter("contentType").ok_or_else(|| ErrorReply::missing_parameter("contentType"))?;
        let content_type: ContentType = name.parse().map_err(|_| ErrorReply::unknown_content_type())?;
        Ok(Feed { tenant, content_type })
    }

    pub fn accepts_gzip(&self) -> bool {
        accepts_gzip(&self.headers)
    }
}

pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|coding| coding.split(';').next().is_some_and(|name| name.trim() == "gzip"))
}

/// The operation of a path below `feed/`. A doubled slash in front is fine: MSTRB's own sample has one.
fn recognise(path: &str) -> (Operation, &str) {
    let path = path.trim_start_matches('/');
    if let Some(content_id) = path.strip_prefix("audit/") {
        return (Operation::Blob, content_id);
    }
    let operation = match path {
        "subscriptions/start" => Operation::Start,
        "subscriptions/stop" => Operation::Stop,
        "subscriptions/list" => Operation::List,
        "subscriptions/content" => Operation::Content,
        "subscriptions/notifications" => Operation::Notifications,
        "resources/dlpSensitiveTypes" => Operation::SensitiveTypes,
        _ => Operation::Unknown,
    };
    (operation, "")
}
