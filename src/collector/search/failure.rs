//! What becomes of a search whose records could not be read.

use chrono::TimeDelta;

use super::{SearchFailure, delete, query_of};
use crate::{
    collector::{
        error::CollectorError,
        retry::Reason,
        scheduler::Outcome,
        task::{BlobTask, Next},
        telemetry,
    },
    graph::GraphFailure,
    ledger::{DayRecord, SearchScope, SearchStep, Split},
    telemetry::Stage,
};

/// Reports a failure, and decides what becomes of the search.
pub async fn judge(task: &BlobTask, failure: SearchFailure) -> Result<Next, CollectorError> {
    let problem = match &failure {
        SearchFailure::Graph(error) => error.to_string(),
        SearchFailure::TooLarge { limit } => {
            format!("its records take more than {limit} bytes (request.max_blob_bytes)")
        }
        SearchFailure::NoRoom { problem } => {
            let directory = task.shared.options.spool_directory.display();
            format!("its records do not fit into {directory}: {problem}; free some space there")
        }
    };
    telemetry::search_failed(&task.key, &problem);
    let feed_failed = |stage, code| telemetry::feed_failed(&task.shared.progress, task.key.feed, stage, code, &problem);
    match failure {
        SearchFailure::Graph(error) => match *error.failure {
            GraphFailure::Gone(_) => replan(task, Some(problem)).await,
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
        },
        SearchFailure::TooLarge { .. } => split(task, problem).await,
        SearchFailure::NoRoom { .. } => {
            feed_failed(Stage::SetAside, "no_room");
            task.went(Outcome::Failed);
            Ok(Next::Retry { reason: Reason::NeedsAdministrator, problem })
        }
    }
}

/// How long a search waits whose query is gone.
const AFTER_LOSS: TimeDelta = TimeDelta::minutes(10);

/// The search begins anew; its content is over.
async fn replan(task: &BlobTask, problem: Option<String>) -> Result<Next, CollectorError> {
    let step = SearchStep::Replanned { not_before: task.shared.now() + AFTER_LOSS, problem };
    step_of(task, |_| step).await?;
    Ok(Next::Over)
}

/// Two smaller searches take its place.
async fn split(task: &BlobTask, problem: String) -> Result<Next, CollectorError> {
    let now = task.shared.now();
    step_of(task, |scope| match scope.split() {
        Some(Split { into, problem }) => SearchStep::Split { into, problem },
        None => SearchStep::GivenUp { problem, at: now },
    })
    .await?;
    if let Some(query) = query_of(&task.key) {
        delete(&task.shared, task.key.feed.tenant, query).await;
    }
    Ok(Next::Over)
}

async fn step_of(task: &BlobTask, step: impl FnOnce(&SearchScope) -> SearchStep) -> Result<(), CollectorError> {
    let (ledger, tenant) = (&task.shared.ledger, task.key.feed.tenant);
    let Some(query) = query_of(&task.key) else { return Ok(()) };
    let days = ledger.open_days(Some(tenant)).await?;
    let reading = |day: &DayRecord| day.reading(query).map(|search| (day.of, search.clone()));
    if let Some((of, search)) = days.iter().find_map(reading) {
        ledger.step_search(of, search.number, step(&search.scope)).await?;
    }
    Ok(())
}
