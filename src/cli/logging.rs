//! The log, on the standard error.

use std::{env, io};

use tracing::{Level, Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{EnvFilter, Layer, filter::filter_fn, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use super::{
    args::{LogArgs, LogFormat, LogLevel},
    output::has_colours,
};
use crate::host::span_labels;

const VARIABLE: &str = "OFFICE365_LOG";
const OURS: &str = env!("CARGO_CRATE_NAME");

/// Starts logging, at the level `default` when nothing else is said.
///
/// # Errors
///
/// When the environment variable holds no filter.
pub(super) fn start(args: &LogArgs, default: LogLevel) -> Result<(), String> {
    let filter =
        filter(args, default, env::var_os(VARIABLE).map(|value| value.to_string_lossy().into_owned()).as_deref())?;
    // A program that embeds the command line may log already; then its log is used.
    let _ = subscriber(args.log_format, filter).try_init();
    Ok(())
}

fn subscriber(format: LogFormat, filter: EnvFilter) -> impl Subscriber + Send + Sync {
    // A standard error without a reader must not end the process: the default is to complain, on the standard error.
    let layer = fmt::layer().with_writer(io::stderr).log_internal_errors(false);
    let layer = match format {
        LogFormat::Text => layer.with_ansi(has_colours(&io::stderr())).with_target(false).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    // The filter with the level is the outer one: it says up to which level there is anything to do, so that all lines below that
    // cost nothing.
    let layer = layer.with_filter(filter_fn(holds_no_secret)).with_filter(filter);
    tracing_subscriber::registry().with(layer).with(span_labels())
}

fn filter(args: &LogArgs, default: LogLevel, variable: Option<&str>) -> Result<EnvFilter, String> {
    let level = match (args.log_level, args.verbose) {
        (Some(level), _) => level.into(),
        (None, 0) => {
            if let Some(text) = variable.filter(|text| !text.trim().is_empty()) {
                return EnvFilter::try_new(text).map_err(|error| {
                    format!(
                        "{VARIABLE}: {error}. Write a level or a list of filters, such as info,{OURS}::entra=debug."
                    )
                });
            }
            default.into()
        }
        (None, 1) => LevelFilter::DEBUG,
        (None, _) => LevelFilter::TRACE,
    };
    // Libraries report what they retry or work around; only more severe lines are of interest here.
    Ok(EnvFilter::new(format!("{},{OURS}={level}", level.min(LevelFilter::WARN))))
}

/// HTTP libraries write headers, tokens among them, at their lower levels. Here these levels stay off, whatever the
/// filter says.
fn holds_no_secret(metadata: &Metadata<'_>) -> bool {
    let ours = metadata.target().strip_prefix(OURS).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    ours || *metadata.level() <= Level::INFO
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::OFF,
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(log_level: Option<LogLevel>, verbose: u8, variable: Option<&str>) -> Result<String, String> {
        filter(&LogArgs { log_level, verbose, log_format: LogFormat::Text }, LogLevel::Info, variable)
            .map(|filter| filter.to_string())
    }

    #[test]
    fn options_go_before_the_environment() {
        assert_eq!(of(None, 0, None).unwrap(), "office365_source=info,warn");
        assert_eq!(of(None, 0, Some("")).unwrap(), "office365_source=info,warn");
        assert_eq!(of(None, 0, Some("debug")).unwrap(), "debug");
        assert_eq!(of(None, 2, Some("debug")).unwrap(), "office365_source=trace,warn");
        assert_eq!(of(Some(LogLevel::Off), 0, Some("debug")).unwrap(), "office365_source=off,off");
        let error = of(None, 0, Some("office365_source=loud")).unwrap_err();
        assert!(error.starts_with("OFFICE365_LOG: "), "{error}");
    }

    #[test]
    fn lines_below_the_level_cost_nothing_and_labels_of_metrics_need_no_line() {
        let of = |directives| subscriber(LogFormat::Text, EnvFilter::new(directives)).max_level_hint();
        assert_eq!(of("office365_source=info,warn"), Some(LevelFilter::INFO));
        assert_eq!(of("office365_source=trace,warn"), Some(LevelFilter::TRACE));
        // Spans are of this level.
        assert_eq!(of("off"), Some(LevelFilter::INFO));
    }

    #[test]
    fn libraries_stay_above_the_levels_that_show_headers() {
        tracing::subscriber::with_default(tracing_subscriber::registry().with(filter_fn(holds_no_secret)), || {
            assert!(!tracing::enabled!(target: "h2::hpack", Level::TRACE));
            assert!(!tracing::enabled!(target: "hyper", Level::DEBUG));
            assert!(!tracing::enabled!(target: "office365_source_other", Level::DEBUG));
            assert!(tracing::enabled!(target: "rustls", Level::WARN));
            assert!(tracing::enabled!(Level::TRACE));
        });
    }
}
