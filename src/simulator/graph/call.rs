//! A request to the audit search, taken apart.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method, request::Parts};
use url::form_urlencoded;

use super::GraphOperation;

/// The two versions that have the search.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Version {
    V1,
    Beta,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1.0",
            Self::Beta => "beta",
        })
    }
}

/// A request below `/{version}/security/auditLog/`.
pub(super) struct Call {
    pub version: Version,
    pub operation: GraphOperation,
    /// Whether the path is one that some method is good for.
    pub has_known_path: bool,
    /// The id of the query, as the path names it.
    pub query_id: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    query: Vec<(String, String)>,
}

impl Call {
    pub fn new(parts: Parts, body: Bytes) -> Self {
        let path = parts.uri.path();
        let version = if path.starts_with("/beta/") { Version::Beta } else { Version::V1 };
        // Without the empty segment in front of the first slash.
        let segments: Vec<_> = path.split('/').skip(4).collect();
        let (operation, has_known_path) = recognise(&parts.method, &segments);
        let query = parts.uri.query().unwrap_or_default();
        Self {
            version,
            operation,
            has_known_path,
            query_id: segments.get(1).copied().unwrap_or_default().to_owned(),
            path: path.to_owned(),
            headers: parts.headers,
            body,
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        }
    }

    /// `$skiptoken`, of which a page other than the first has one.
    pub fn skip_token(&self) -> Option<&str> {
        self.parameter("$skiptoken")
    }

    /// `$select`, the members that records are to have.
    pub fn select(&self) -> Option<&str> {
        self.parameter("$select")
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

fn recognise(method: &Method, segments: &[&str]) -> (GraphOperation, bool) {
    let operation = match (segments, method.as_str()) {
        (["queries"], "GET") => GraphOperation::ListQueries,
        (["queries"], "POST") => GraphOperation::CreateQuery,
        (["queries", _], "GET") => GraphOperation::GetQuery,
        (["queries", _], "DELETE") => GraphOperation::DeleteQuery,
        (["queries", _, "records"], "GET") => GraphOperation::ListRecords,
        _ => GraphOperation::Unknown,
    };
    let has_known_path = matches!(segments, ["queries"] | ["queries", _] | ["queries", _, "records"]);
    (operation, has_known_path)
}
