//! Content that searches of the audit log have found: how it is read, and what it is compared with.

mod classic;
mod comparison;
mod failure;
mod passes;
mod record_types;

use tracing::debug;

pub use self::{
    classic::classic_record, comparison::Comparison, failure::judge, passes::Passes, record_types::NamesTold,
};
use super::{error::BlobError, shared::Shared, task::BlobTask};
use crate::{
    content::{TenantId, searched_query},
    ledger::BlobKey,
};

/// The query whose records a blob has; `None` for content of the Management Activity API.
pub fn query_of(key: &BlobKey) -> Option<&str> {
    searched_query(key.feed.content_type, &key.content_id)
}

/// Takes a query away that is done with. If that fails, Microsoft does it some day.
pub async fn delete(shared: &Shared, tenant: TenantId, query: &str) {
    if let Some(client) = &shared.search
        && let Err(error) = client.delete_query(tenant, query).await
    {
        debug!(message = "A query of the audit search that is done with could not be deleted.", %tenant, query, %error);
    }
}

/// A reader of the records of a query.
///
/// # Errors
///
/// When the configuration has no audit search any more. The scheduler does not ask for its content then.
pub fn reader(task: &BlobTask, query: &str) -> Result<Passes, BlobError> {
    let shared = &task.shared;
    let client = shared.search.clone().ok_or(BlobError::Stopped)?;
    let (progress, told) = (shared.progress.clone(), shared.names_told.clone());
    Ok(Passes::new(client, task.key.feed.tenant, query.to_owned(), progress, told))
}
