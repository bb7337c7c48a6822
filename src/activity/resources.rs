//! Friendly names of what events name by GUID.

use bytes::Bytes;
use http::Method;

use super::{ActivityClient, ActivityError, Failure, Operation, SensitiveType, answer::parse_array, client::Subject};
use crate::content::{ContentType, TenantId};

const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

impl ActivityClient {
    /// The sensitive information types of data loss prevention, named in English (the API's default; asking for a
    /// language with a list in `Accept-Language` is refused with AF20053).
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    pub async fn list_sensitive_types(&self, tenant: TenantId) -> Result<Vec<SensitiveType>, ActivityError> {
        let subject =
            Subject { operation: Operation::ListSensitiveTypes, tenant, content_type: Some(ContentType::Dlp) };
        let url = self.url(tenant, "resources/dlpSensitiveTypes", &[]);
        let (_, body) = self.call(subject, Method::GET, url, Bytes::new(), LARGEST_ANSWER).await?;
        // Microsoft's sample ends with an empty object.
        let elements: Vec<serde_json::Value> =
            parse_array(&body).map_err(|error| subject.error(Failure::Malformed { problem: error.to_string() }))?;
        Ok(elements.into_iter().filter_map(|element| serde_json::from_value(element).ok()).collect())
    }
}
