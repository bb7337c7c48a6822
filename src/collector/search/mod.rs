//! Content that searches of the audit log have found: how it is read, and what it is compared with.

mod classic;
mod comparison;
mod failure;
mod passes;
mod record_types;

use std::sync::Arc;

use snafu::ResultExt;
use tracing::debug;

use self::passes::passes;
pub use self::{classic::classic_record, comparison::Comparison, failure::judge, record_types::NamesTold};
use super::{
    body::{Body, BodyError},
    error::{BlobError, SpoolSnafu},
    shared::Shared,
    spool::is_no_room,
    task::BlobTask,
};
use crate::{
    content::{TenantId, searched_query},
    graph::{GraphError, GraphFailure, GraphOperation},
    ledger::BlobKey,
};

/// The query whose records a blob has; `None` for content of the Management Activity API.
pub fn query_of(key: &BlobKey) -> Option<&str> {
    searched_query(key.feed.content_type, &key.content_id)
}

/// Why the records of a query are not there.
#[derive(Debug)]
pub enum SearchFailure {
    /// Microsoft Graph did not serve them.
    Graph(GraphError),
    /// They are larger than a blob may be, in bytes.
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// They are too large for memory, and for the disk.
    NoRoom {
        /// What the operating system says.
        problem: String,
    },
}

/// Takes a query away that is done with. If that fails, Microsoft does it some day.
pub async fn delete(shared: &Shared, tenant: TenantId, query: &str) {
    if let Some(client) = &shared.search
        && let Err(error) = client.delete_query(tenant, query).await
    {
        debug!(message = "A query of the audit search that is done with could not be deleted.", %tenant, query, %error);
    }
}

/// Receives the records of a query whole, as classic records in one array.
pub async fn download(task: &Arc<BlobTask>, query: &str) -> Result<Body, BlobError> {
    let shared = &task.shared;
    let Some(client) = &shared.search else {
        // The configuration has no audit search any more; the scheduler does not ask for its content then.
        return Err(BlobError::Stopped);
    };
    let records = passes(
        client.clone(),
        task.key.feed.tenant,
        query.to_owned(),
        shared.progress.clone(),
        shared.names_told.clone(),
    );
    let failure = match Body::receive(records, shared.options.body, &shared.options.spool_directory).await {
        Ok(body) => {
            shared.progress.step();
            return Ok(body);
        }
        Err(BodyError::Broken { source }) => SearchFailure::Graph(source),
        Err(BodyError::TooLarge { limit }) => SearchFailure::TooLarge { limit },
        Err(BodyError::Malformed { source, .. }) => {
            let failure = GraphFailure::Malformed { problem: source.to_string() };
            let operation = GraphOperation::ListRecords;
            SearchFailure::Graph(GraphError { operation, tenant: task.key.feed.tenant, failure: Box::new(failure) })
        }
        Err(BodyError::Spool { source }) if is_no_room(&source) => {
            SearchFailure::NoRoom { problem: source.to_string() }
        }
        Err(BodyError::Spool { source }) => {
            return Ok(Err(source).context(SpoolSnafu { directory: &shared.options.spool_directory })?);
        }
    };
    Err(BlobError::Search { failure })
}
