//! Log lines and metrics of credentials. They never show a secret.

use chrono::{DateTime, Utc};
use metrics::gauge;
use tracing::{error, warn};

use super::ConfiguredCredential;
use crate::content::TenantId;

/// When a credential expires.
#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
pub(super) fn expires(tenant: Option<TenantId>, expires: DateTime<Utc>) {
    let tenant = tenant.map_or_else(String::new, |tenant| tenant.to_string());
    gauge!("office365_credential_expiry_timestamp_seconds", "tenant" => tenant).set(expires.timestamp() as f64);
}

/// It is time to renew a credential, or too late.
pub(super) fn expires_soon(
    tenant: Option<TenantId>,
    credential: &ConfiguredCredential,
    expires: DateTime<Utc>,
    is_over: bool,
) {
    let tenant = tenant.map(tracing::field::display);
    let (key, place) = (credential.key(), credential.place());
    if is_over {
        error!(
            message = "The credential has expired. Make a new one in the Entra admin center under App registrations > your app > \
                       Certificates & secrets; it is used without a restart.",
            key, credential = place, %expires, tenant,
        );
    } else {
        warn!(
            message = "The credential expires soon. Make a new one in the Entra admin center under App registrations > your app > \
                       Certificates & secrets; it is used without a restart.",
            key, credential = place, %expires, tenant,
        );
    }
}
