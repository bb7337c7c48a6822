//! What a program gives its sources beyond the configuration.

use crate::{
    RunMode,
    api_clients::Environment,
    audit_search::SearchTask,
    component::ExtraContext,
    discovery::{poll::TimeRange, webhook::WebhookHandle},
    insights::Insights,
    telemetry::Progress,
};

/// What a program gives a source that no configuration file can hold. It travels in the
/// [`ExtraContext`](crate::component::ExtraContext) of the source's context:
///
/// ```
/// use office365_source::{HostServices, RunMode, component::ExtraContext, telemetry::Progress};
///
/// let progress = Progress::default();
/// let services = HostServices { run_mode: RunMode::ONCE, progress: progress.clone(), ..HostServices::default() };
/// let extra_context = ExtraContext::default().with(services);
/// # assert_eq!(extra_context.get::<HostServices>().unwrap().run_mode, RunMode::ONCE);
/// ```
///
/// A program that gives nothing has a source that runs until it is shut down, by the system's clock, over HTTP.
#[derive(Clone, Debug, Default)]
pub struct HostServices {
    /// How long the source runs.
    pub run_mode: RunMode,
    /// The only content that the source collects: what became available in this time. It lists that once, starts no subscription and
    /// takes no questions. For a run of [`RunMode::Once`] with a data directory of its own.
    pub range: Option<TimeRange>,
    /// The only days that the source compares with the audit search, once; it lists nothing and delivers nothing else. For a run of
    /// [`RunMode::Once`].
    pub search: Option<SearchTask>,
    /// Where the source counts what it has done. Give each source its own, and keep a clone to read it.
    pub progress: Progress,
    /// What the source's events have in common, for a page to look at. Nothing is kept unless [`Insights::keep`] is called. Sources may
    /// share one.
    pub insights: Insights,
    /// Another clock, another transport than HTTP.
    pub environment: Environment,
    /// Filled with the source's webhook. Give each source its own, and keep a clone to read it.
    pub webhook: WebhookHandle,
}

impl HostServices {
    /// What the program has put into a source's context.
    pub(crate) fn of(context: &ExtraContext) -> Self {
        context.get::<Self>().cloned().unwrap_or_default()
    }
}
