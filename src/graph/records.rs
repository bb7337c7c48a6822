//! The records of a query, page by page.

use bytes::Bytes;
use http::Method;

use super::{
    GraphClient, GraphError, GraphFailure, GraphOperation, PageOutline, RecordsPage,
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

impl PageOutline {
    /// Where the next page is; `None` after the last one.
    pub fn next(&self) -> Option<RecordsPosition> {
        self.next.clone().map(RecordsPosition::Link)
    }
}

/// A page of records as it came.
#[derive(Debug)]
pub struct RecordsAnswer {
    subject: Subject,
    body: Bytes,
}

impl RecordsAnswer {
    /// What can be known without looking at its records; `None` if they have to be looked at.
    pub fn outline(&self) -> Option<PageOutline> {
        PageOutline::parse(&self.body)
    }

    /// Reads the page.
    ///
    /// # Errors
    ///
    /// [`GraphFailure::Malformed`].
    pub fn parse(self) -> Result<RecordsPage, GraphError> {
        let Self { subject, body } = self;
        RecordsPage::parse(body).map_err(|problem| subject.error(GraphFailure::Malformed { problem }))
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
    ) -> Result<RecordsAnswer, GraphError> {
        let subject = Subject { operation: GraphOperation::ListRecords, tenant };
        let path = format!("queries/{query}/records");
        let target = match position {
            RecordsPosition::Beginning => Target::Path(&path),
            RecordsPosition::Link(link) => {
                let url = self.origin.check(link);
                Target::Link(url.map_err(|error| subject.error(GraphFailure::Foreign(error)))?)
            }
        };
        let body = self.call(subject, Method::GET, target, Bytes::new(), LARGEST_PAGE).await?;
        Ok(RecordsAnswer { subject, body })
    }
}
