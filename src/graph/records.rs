//! The records of a query, page by page.

use bytes::Bytes;
use http::Method;

use super::{
    GraphClient, GraphError, GraphFailure, GraphOperation, RecordsPage,
    client::{Subject, Target},
};
use crate::content::TenantId;

/// No page of records is so large. Unit: bytes.
const LARGEST_PAGE: usize = 64 * 1024 * 1024;

/// Where in the records of a query a reader is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
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
        let path = format!("queries/{query}/records");
        let target = match position {
            RecordsPosition::Beginning => Target::Path(&path),
            RecordsPosition::Link(link) => {
                let url = self.origin.check(link);
                Target::Link(url.map_err(|error| subject.error(GraphFailure::Foreign(error)))?)
            }
        };
        let answer = self.call(subject, Method::GET, target, Bytes::new(), LARGEST_PAGE).await?;
        RecordsPage::parse(answer).map_err(|problem| subject.error(GraphFailure::Malformed { problem }))
    }
}
