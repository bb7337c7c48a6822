//! What becomes of a search whose records could not be read.

use chrono::TimeDelta;

use super::query_of;
use crate::{
    collector::{
        error::CollectorError,
        retry::Reason,
        scheduler::Outcome,
        task::{BlobTask, Next},
        telemetry,
    },
    graph::{GraphError, GraphFailure},
    ledger::SearchStep,
    telemetry::Stage,
};

/// Reports a failure, and decides what becomes of the search.
pub async fn judge(task: &BlobTask, error: GraphError) -> Result<Next, CollectorError> {
    let problem = error.to_string();
    telemetry::search_failed(&task.key, &problem);
    let feed_failed = |stage, code| telemetry::feed_failed(&task.shared.progress, task.key.feed, stage, code, &problem);
    match *error.failure {
        GraphFailure::Gone(_) => replan(task, problem).await,
        failure if failure.concerns_the_tenant() => {
            feed_failed(Stage::Fetching, failure.code());
            task.went(Outcome::FeedInTrouble);
            Ok(Next::Retry { reason: Reason::FeedInTrouble, problem })
        }
        failure @ GraphFailure::Foreign(_) => {
            feed_failed(Stage::SetAside, failure.code());
            task.went(Outcome::Failed);
            Ok(Next::Retry { reason: Reason::NeedsAdministrator, problem })
        }
        _ => {
            task.went(Outcome::Failed);
            Ok(Next::Retry { reason: Reason::Failed, problem })
        }
    }
}

/// How long a search waits whose query is gone.
const AFTER_LOSS: TimeDelta = TimeDelta::minutes(10);

/// The search begins anew; its content is over.
async fn replan(task: &BlobTask, problem: String) -> Result<Next, CollectorError> {
    let (ledger, tenant) = (&task.shared.ledger, task.key.feed.tenant);
    let Some(query) = query_of(&task.key) else { return Ok(Next::Over) };
    let days = ledger.open_days(Some(tenant)).await?;
    if let Some((of, number)) = days.iter().find_map(|day| Some((day.of, day.reading(query)?.number))) {
        let not_before = task.shared.now() + AFTER_LOSS;
        ledger.step_search(of, number, SearchStep::Replanned { not_before, problem: Some(problem) }).await?;
    }
    Ok(Next::Over)
}
