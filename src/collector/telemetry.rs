//! What is told when the collector stops.

use tracing::error;

use super::CollectorError;
use crate::{component::ComponentKey, telemetry::count_error};

/// Collecting cannot go on.
pub fn source_failed(component: &ComponentKey, error: &CollectorError) {
    let (error_type, code) = (error.error_type(), error.code());
    count_error(error_type, "processing", code);
    error!(
        message = "Source stops.",
        component_id = %component, %error, error_code = code, error_type, stage = "processing"
    );
}
