//! What a failed download means: for the blob, for its feed, for its tenant.

use super::{
    retry::Reason,
    scheduler::Outcome,
    task::{BlobTask, Next},
    telemetry,
};
use crate::{
    activity::{ActivityError, Failure},
    telemetry::Stage,
};

/// How often content that only a notification announced is tried. After that it waits for a listing that names it.
const ATTEMPTS_AT_ANNOUNCED: u32 = 5;

/// Reports a failure, and decides what becomes of the blob.
pub fn judge(task: &BlobTask, error: ActivityError) -> Next {
    let (shared, feed) = (&*task.shared, task.key.feed);
    telemetry::fetch_failed(&error);
    let failure = &*error.failure;
    let feed_failed = |stage| telemetry::feed_failed(&shared.progress, feed, stage, failure.code(), &error.to_string());
    if failure.is_permanent() {
        // The API has answered as it should: whatever kept the feed's content from being fetched is over.
        telemetry::feed_recovered(&shared.progress, feed, Stage::Fetching);
        if task.claim.announced {
            came_to_nothing(task);
            return Next::Forget { error };
        }
        return Next::DeadLetter { problem: error.to_string(), has_expired: failure.says_expired() };
    }
    let reason = match failure {
        Failure::Throttled { wait } => {
            telemetry::throttled(feed, wait.as_secs());
            return Next::Requeue;
        }
        // The blob had no part in it: there was no request.
        Failure::Token(_) => {
            feed_failed(Stage::Fetching);
            task.went(Outcome::TenantInTrouble { may_pass: !failure.needs_people() });
            return Next::Requeue;
        }
        // A failure of announced content says little about its tenant and its feed, and must not slow down the rest of them.
        _ if task.claim.announced => {
            came_to_nothing(task);
            if task.claim.attempts.saturating_add(1) >= ATTEMPTS_AT_ANNOUNCED {
                return Next::Forget { error };
            }
            Reason::Failed
        }
        _ if failure.concerns_the_tenant() => {
            feed_failed(Stage::Fetching);
            task.went(Outcome::TenantInTrouble { may_pass: false });
            Reason::FeedInTrouble
        }
        _ if failure.concerns_the_subscription() || matches!(failure, Failure::PermissionMissing { .. }) => {
            feed_failed(Stage::Fetching);
            task.went(Outcome::FeedInTrouble);
            Reason::FeedInTrouble
        }
        _ if failure.needs_an_administrator() => {
            task.went(Outcome::Failed);
            feed_failed(Stage::SetAside);
            Reason::NeedsAdministrator
        }
        Failure::Malformed { .. } => {
            task.went(Outcome::Failed);
            Reason::OddAnswer
        }
        _ => {
            task.went(Outcome::Failed);
            Reason::Failed
        }
    };
    Next::Retry { reason, problem: error.to_string() }
}

fn came_to_nothing(task: &BlobTask) {
    if let Some(pause) = task.shared.announcements.came_to_nothing(task.key.feed) {
        telemetry::announcements_paused(task.key.feed, pause);
    }
}
