//! The recorder of metrics. Only a host installs one: an embedding program brings its own.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_tracing_context::{MetricsLayer, TracingContextLayer};
use metrics_util::layers::Layer as _;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, registry::LookupSpan};

use super::{HostError, error::RecorderSnafu};

/// There is one recorder a process, so that a program which runs the host twice shares it.
static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Which fields of a span become labels: Vector's, by which it tells components apart.
const LABELS: [&str; 3] = ["component_id", "component_kind", "component_type"];

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3_600.0;
const DAY: f64 = 86_400.0;

/// The upper bounds of histograms of lags, in seconds: content is listed within minutes or hours, and for seven days.
const LAGS: &[f64] = &[
    1.0,
    5.0,
    15.0,
    MINUTE,
    2.0 * MINUTE,
    5.0 * MINUTE,
    15.0 * MINUTE,
    30.0 * MINUTE,
    HOUR,
    2.0 * HOUR,
    6.0 * HOUR,
    12.0 * HOUR,
    DAY,
    2.0 * DAY,
    4.0 * DAY,
    7.0 * DAY,
];

/// Starts recording metrics, if that has not been done.
///
/// # Errors
///
/// When this process has another recorder.
pub(super) fn record() -> Result<PrometheusHandle, HostError> {
    let installed = RECORDER.get_or_init(install);
    installed.clone().ok_or_else(|| RecorderSnafu.build())
}

fn install() -> Option<PrometheusHandle> {
    let lags = Matcher::Suffix("_lag_seconds".to_owned());
    let recorder = PrometheusBuilder::new().set_buckets_for_metric(lags, LAGS).ok()?.build_recorder();
    let handle = recorder.handle();
    // What a source counts in its span is labelled with the span's fields, as in Vector.
    metrics::set_global_recorder(TracingContextLayer::only_allow(LABELS).layer(recorder)).ok()?;
    Some(handle)
}

/// Records what spans say, for the labels of metrics. A subscriber without this layer has metrics without these labels.
pub(crate) fn span_labels<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    MetricsLayer::new().with_filter(LevelFilter::INFO)
}
