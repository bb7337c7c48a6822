//! The records of a query, page by page.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::Method;

use super::{
    GraphClient, GraphError, GraphFailure, GraphOperation, IdsPage, RecordsPage,
    client::{Subject, Target},
};
use crate::content::TenantId;

/// No page of records is so large. Unit: bytes.
const LARGEST_PAGE: usize = 64 * 1024 * 1024;

/// Where in the records of a query a reader is.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub enum RecordsPosition {
    /// At the first page.
    #[default]
    Beginning,
    /// At a link that a page has named.
    Link(String),
}

impl RecordsPage {
    /// Where the next page is; `None` after the last one.
    pub fn next(&self) -> Option<RecordsPosition> {
        self.next.clone().map(RecordsPosition::Link)
    }
}

impl IdsPage {
    /// Where the next page is; `None` after the last one.
    pub fn next(&self) -> Option<RecordsPosition> {
        self.next.clone().map(RecordsPosition::Link)
    }
}

impl GraphClient {
    /// A page of the records of a finished query.
    ///
    /// # Errors
    ///
    /// See [`GraphFailure`].
    pub async fn records(
        &self,
        tenant: TenantId,
        query: &str,
        position: &RecordsPosition,
    ) -> Result<RecordsPage, GraphError> {
        let subject = Subject { operation: GraphOperation::ListRecords, tenant };
        let body = self.page(subject, query, None, position).await?;
        RecordsPage::parse(body).map_err(|problem| subject.error(GraphFailure::Malformed { problem }))
    }

    /// A page of the ids of the records of a finished query.
    ///
    /// They are asked for with `$select=id`. Microsoft's page says that records support some of the query parameters of `OData`, and not
    /// which. Whole records in the answer will do, too. A refusal is remembered, see [`selects_ids`](Self::selects_ids).
    ///
    /// # Errors
    ///
    /// See [`GraphFailure`].
    pub async fn record_ids(
        &self,
        tenant: TenantId,
        query: &str,
        position: &RecordsPosition,
    ) -> Result<IdsPage, GraphError> {
        let subject = Subject { operation: GraphOperation::ListRecords, tenant };
        let body = self.page(subject, query, Some("$select=id"), position).await.inspect_err(|error| {
            if matches!(*error.failure, GraphFailure::Refused { .. }) {
                self.selects_ids.store(false, Ordering::Relaxed);
            }
        })?;
        IdsPage::parse(&body).map_err(|problem| subject.error(GraphFailure::Malformed { problem }))
    }

    /// Whether Microsoft Graph has not refused to serve ids alone.
    pub fn selects_ids(&self) -> bool {
        self.selects_ids.load(Ordering::Relaxed)
    }

    async fn page(
        &self,
        subject: Subject,
        query: &str,
        parameters: Option<&str>,
        position: &RecordsPosition,
    ) -> Result<Bytes, GraphError> {
        let path = format!("queries/{query}/records");
        let target = match position {
            RecordsPosition::Beginning => Target::Path { path: &path, parameters },
            RecordsPosition::Link(link) => {
                let url = self.origin.check(link);
                Target::Link(url.map_err(|error| subject.error(GraphFailure::Foreign(error)))?)
            }
        };
        self.call(subject, Method::GET, target, Bytes::new(), LARGEST_PAGE).await
    }
}
