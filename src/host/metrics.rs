//! The recorder of metrics. Only a host installs one: an embedding program brings its own.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::{HostError, error::RecorderSnafu};

/// There is one recorder a process, so that a program which runs the host twice shares it.
static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Starts recording metrics, if that has not been done.
///
/// # Errors
///
/// When this process has another recorder.
pub(super) fn record() -> Result<PrometheusHandle, HostError> {
    let installed = RECORDER.get_or_init(|| PrometheusBuilder::new().install_recorder().ok());
    installed.clone().ok_or_else(|| RecorderSnafu.build())
}
