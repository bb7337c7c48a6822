//! How requests for tokens are counted.

use metrics::counter;

use super::{AccessToken, EntraError};
use crate::content::TenantId;

/// A token was asked for.
pub(super) fn token_requested(tenant: TenantId, answer: &Result<AccessToken, EntraError>) {
    let result = match answer {
        Ok(_) => "granted",
        Err(EntraError::Refused { .. }) => "refused",
        Err(_) => "failed",
    };
    let labels = [("tenant", tenant.to_string()), ("result", result.to_owned())];
    counter!("office365_token_requests_total", &labels).increment(1);
}
