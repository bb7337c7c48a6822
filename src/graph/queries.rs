//! Queries: making them, looking after them, and taking them away.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http::Method;
use serde::Serialize;

use super::{
    GraphClient, GraphError, GraphFailure, GraphOperation, Query,
    answer::QueriesPage,
    client::{Subject, Target},
};
use crate::content::TenantId;

/// No answer about queries is so large. Unit: bytes.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// How many pages of a tenant's queries are looked through for one. Others leave theirs behind.
const MOST_PAGES: usize = 100;

/// A query to be made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewQuery {
    /// `displayName`. No other query may have it: it is how a query is found whose creation was not answered.
    pub name: String,
    /// Events from this time on.
    pub start: DateTime<Utc>,
    /// Events before this time.
    pub end: DateTime<Utc>,
    /// Record types by Microsoft Graph's names; empty for all.
    pub record_types: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(rename = "@odata.type")]
    odata_type: &'a str,
    display_name: &'a str,
    filter_start_date_time: String,
    filter_end_date_time: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    record_type_filters: Vec<String>,
}

impl NewQuery {
    fn body(&self) -> Bytes {
        let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let body = Body {
            odata_type: "#microsoft.graph.security.auditLogQuery",
            display_name: &self.name,
            filter_start_date_time: time(self.start),
            filter_end_date_time: time(self.end),
            record_type_filters: self.record_types.iter().map(|name| in_camel_case(name)).collect(),
        };
        // Text in a structure of this crate's own cannot fail to be written.
        serde_json::to_vec(&body).unwrap_or_default().into()
    }
}

/// Microsoft Graph's names of record types are in camelCase in requests (`crm`, `mipLabel`, `aeD`) and in `PascalCase` in answers
/// (`CRM`, `MIPLabel`, `AeD`): of the capital letters that a name begins with, the last one begins the next word.
fn in_camel_case(name: &str) -> String {
    let capitals = name.bytes().take_while(u8::is_ascii_uppercase).count();
    let small = if capitals == name.len() { capitals } else { capitals.saturating_sub(1).max(1).min(capitals) };
    let (first, rest) = name.split_at(small);
    first.to_ascii_lowercase() + rest
}

impl GraphClient {
    /// Creates a query. After an error of which [`GraphFailure::may_have_happened`] is true, there may be one all the same: see
    /// [`Self::find_query`].
    ///
    /// # Errors
    ///
    /// See [`GraphFailure`].
    pub async fn create_query(&self, tenant: TenantId, query: &NewQuery) -> Result<Query, GraphError> {
        let subject = Subject { operation: GraphOperation::CreateQuery, tenant };
        let answer = self.call(subject, Method::POST, Target::path("queries"), query.body(), LARGEST_ANSWER).await?;
        Query::parse(&answer).map_err(|problem| subject.error(GraphFailure::Malformed { problem }))
    }

    /// How far a query is.
    ///
    /// # Errors
    ///
    /// See [`GraphFailure`].
    pub async fn get_query(&self, tenant: TenantId, id: &str) -> Result<Query, GraphError> {
        let subject = Subject { operation: GraphOperation::GetQuery, tenant };
        let path = format!("queries/{id}");
        let answer = self.call(subject, Method::GET, Target::path(&path), Bytes::new(), LARGEST_ANSWER).await?;
        Query::parse(&answer).map_err(|problem| subject.error(GraphFailure::Malformed { problem }))
    }

    /// The query of a name, if there is one. Reads all the tenant's queries for it, which is slow.
    ///
    /// # Errors
    ///
    /// See [`GraphFailure`].
    pub async fn find_query(&self, tenant: TenantId, name: &str) -> Result<Option<Query>, GraphError> {
        let subject = Subject { operation: GraphOperation::ListQueries, tenant };
        let malformed = |problem| subject.error(GraphFailure::Malformed { problem });
        let mut target = Target::path("queries");
        for _ in 0..MOST_PAGES {
            let answer = self.call(subject, Method::GET, target, Bytes::new(), LARGEST_ANSWER).await?;
            let QueriesPage { queries, next } = QueriesPage::parse(&answer).map_err(malformed)?;
            if let Some(found) = queries.into_iter().find(|query| query.name == name) {
                return Ok(Some(found));
            }
            let Some(next) = next else { return Ok(None) };
            let url = self.origin.check(&next).map_err(|error| subject.error(GraphFailure::Foreign(error)))?;
            target = Target::Link(url);
        }
        Err(malformed(format!("the tenant's queries fill more than {MOST_PAGES} pages")))
    }

    /// Takes a query away, with its records. One that is gone is no error.
    ///
    /// # Errors
    ///
    /// See [`GraphFailure`].
    pub async fn delete_query(&self, tenant: TenantId, id: &str) -> Result<(), GraphError> {
        let subject = Subject { operation: GraphOperation::DeleteQuery, tenant };
        let path = format!("queries/{id}");
        match self.call(subject, Method::DELETE, Target::path(&path), Bytes::new(), LARGEST_ANSWER).await {
            Err(error) if !matches!(*error.failure, GraphFailure::Gone(_)) => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_written_as_microsoft_reads_it() {
        let query = NewQuery {
            name: "n".to_owned(),
            start: DateTime::from_timestamp(1_780_000_000, 0).unwrap(),
            end: DateTime::from_timestamp(1_780_000_060, 500_000_000).unwrap(),
            record_types: ["ExchangeItem", "AeD", "CRM", "MIPLabel", "exchangeAdmin", ""].map(str::to_owned).to_vec(),
        };
        let body: serde_json::Value = serde_json::from_slice(&query.body()).unwrap();
        let expected = serde_json::json!({
            "@odata.type": "#microsoft.graph.security.auditLogQuery",
            "displayName": "n",
            "filterStartDateTime": "2026-05-28T20:26:40Z",
            "filterEndDateTime": "2026-05-28T20:27:40.500Z",
            "recordTypeFilters": ["exchangeItem", "aeD", "crm", "mipLabel", "exchangeAdmin", ""],
        });
        assert_eq!(body, expected);
    }
}
