//! Log lines of registrations.

use tracing::{info, warn};

use super::{Registration, RegistrationError};
use crate::telemetry::count_error;

/// An administrator's consent has become a tenant.
pub fn registered(registration: &Registration) {
    let failing = registration.content_types.iter().filter(|(_, outcome)| outcome.is_err()).count();
    info!(message = "Tenant registered.", tenant = %registration.tenant, content_types_failing = failing);
}

/// An administrator's consent has come to nothing.
pub fn registration_failed(error: &RegistrationError) {
    count_error("request_failed", "receiving", "registration");
    warn!(message = "Webhook: a registration failed.", %error, error_code = "registration");
}
