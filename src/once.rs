//! A run that should end: when it gives up, and what it came to.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::{Instant, sleep};
use tracing::error;

use crate::{
    RunMode,
    component::ComponentKey,
    content::Feed,
    ledger::Upkeep,
    telemetry::{Progress, Totals},
};

/// How exactly patience is measured: to so many parts of it.
const PARTS: u32 = 40;

/// Waits until nothing has succeeded for as long as the run is patient: no page listed, no piece of content received,
/// no event acknowledged. Indefinitely in a run that should not end.
///
/// A single feed or blob that fails is given up by the task that tries it. This is for failures without anything to
/// retry: an API that does not answer, a tenant that is throttled for an hour, a sink that cannot be reached.
///
/// `unacknowledged` says how many bytes of events wait for the pipeline.
pub async fn out_of_patience(
    mode: RunMode,
    progress: &Progress,
    component: &ComponentKey,
    unacknowledged: impl Fn() -> usize,
) {
    let Some(patience) = mode.patience() else { return std::future::pending().await };
    let mut last = (progress.steps(), Instant::now());
    while last.1.elapsed() < patience {
        sleep((patience / PARTS).max(Duration::from_millis(10))).await;
        let steps = progress.steps();
        if steps != last.0 {
            last = (steps, Instant::now());
        }
    }
    let waiting = unacknowledged();
    let reason = match progress.cluster().and_then(|cluster| cluster.problem) {
        Some(problem) => problem,
        None if waiting > 0 => "no sink has acknowledged anything; see what the sinks have logged".to_owned(),
        None => "Microsoft has served nothing; see what was logged of the feeds".to_owned(),
    };
    error!(
        message = "Nothing has gone well for as long as this run is patient (--patience); giving up.",
        component_id = %component, patience_secs = patience.as_secs(), reason, unacknowledged_bytes = waiting
    );
}

/// Whether a run that should end has delivered everything that was available.
pub async fn verdict(
    ledger: &dyn Upkeep,
    progress: &Progress,
    component: &ComponentKey,
    feeds: &BTreeSet<Feed>,
) -> Result<(), ()> {
    let summary = ledger.summary().await.map_err(|error| {
        error!(message = "Cannot tell whether everything was delivered.", %error);
    })?;
    let pending: u64 =
        summary.iter().filter(|(feed, _)| feeds.contains(feed)).map(|(_, summary)| summary.pending).sum();
    let Totals { blobs_dead: dead, gap_seconds, .. } = progress.totals();
    let unlisted = progress.feeds().values().filter(|feed| feed.problem.is_some()).count();
    if pending + dead + gap_seconds > 0 || unlisted > 0 {
        error!(
            message = "Something stayed undelivered; what is pending is tried again with the next run.",
            component_id = %component, blobs_pending = pending, blobs_given_up = dead, feeds_with_problems = unlisted,
            gap_seconds,
        );
        return Err(());
    }
    Ok(())
}
