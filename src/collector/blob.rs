//! The life of one claimed blob: fetched, emitted in batches, acknowledged, done.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use super::{
    emission::Emission,
    error::CollectorError,
    fetch::fetch,
    lanes::Outcome,
    shared::{Pace, Shared},
};
use crate::{
    activity::{ActivityError, Failure},
    content::Feed,
    ledger::{BlobKey, Claim, Counts, DeadBlob, Retry},
    telemetry::{self, Stage},
};

/// What a blob's task tells the scheduler.
#[derive(Clone, Copy, Debug)]
pub enum Message {
    /// The download's slot is free.
    SlotFree {
        /// What it was used for.
        feed: Feed,
        /// Whether only a notification told of the blob.
        announced: bool,
    },
    /// How the download went.
    Went(Feed, Outcome),
    /// The blob lies in the queue again.
    Back(Feed),
    /// The blob waits until this time.
    Deferred(DateTime<Utc>),
}

/// A task's way to the scheduler.
#[derive(Clone, Debug)]
pub struct Reporter {
    feed: Feed,
    messages: mpsc::UnboundedSender<Message>,
}

/// A download's slot, given back when dropped.
#[derive(Debug)]
pub struct Slot {
    reporter: Reporter,
    announced: bool,
}

impl Reporter {
    /// Tells the scheduler something.
    pub fn tell(&self, message: Message) {
        // The scheduler is gone only when the source has been dropped.
        let _ = self.messages.send(message);
    }

    fn went(&self, outcome: Outcome) {
        self.tell(Message::Went(self.feed, outcome));
    }
}

impl Slot {
    /// Takes a slot for the download of what is claimed.
    pub fn new(claim: &Claim, messages: mpsc::UnboundedSender<Message>) -> Self {
        let reporter = Reporter { feed: claim.content.feed, messages };
        Self { reporter, announced: claim.announced }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let (feed, announced) = (self.reporter.feed, self.announced);
        self.reporter.tell(Message::SlotFree { feed, announced });
    }
}

/// Handles one claimed blob to its end.
///
/// # Errors
///
/// Only with what ends the collector.
pub async fn handle(shared: Arc<Shared>, claim: Claim, slot: Slot) -> Result<(), CollectorError> {
    let key = BlobKey::from(&claim.content);
    let fetched = tokio::select! {
        fetched = fetch(&shared, &claim.content) => fetched?,
        () = shared.state.stop_fetching.cancelled() => {
            shared.ledger.release(&key);
            return Ok(());
        }
    };
    let body = match fetched {
        Ok(body) => body,
        Err(error) => return failed(&shared, &claim, &key, &slot.reporter, &error).await,
    };
    telemetry::bytes_received(&shared.progress, body.len());
    if body.form().junk > 0 {
        telemetry::trailing_bytes(&key, body.form().junk);
    }
    let reporter = slot.reporter.clone();
    let emitted = Emission::new(&shared, &claim, &key).run(body).await?;
    drop(slot);
    match emitted {
        Ok(emitted) => {
            reporter.went(Outcome::Served);
            if claim.announced {
                shared.announcements.served(key.feed);
            }
            telemetry::feed_recovered(&shared.progress, key.feed, Stage::Fetching);
            if claim.attempts > 0 {
                telemetry::feed_recovered(&shared.progress, key.feed, Stage::SetAside);
            }
            emitted.settle(&shared, &claim, &key, &reporter).await
        }
        // Found out only now that the body is an error message instead of content.
        Err(error) => failed(&shared, &claim, &key, &reporter, &error).await,
    }
}

/// Decides what a failed download means: for the blob, for its feed, for its tenant.
async fn failed(
    shared: &Shared,
    claim: &Claim,
    key: &BlobKey,
    reporter: &Reporter,
    error: &ActivityError,
) -> Result<(), CollectorError> {
    telemetry::fetch_failed(error);
    let failure = &*error.failure;
    if failure.is_permanent() {
        // The API has answered as it should: whatever kept the feed's content from being fetched is over.
        telemetry::feed_recovered(&shared.progress, key.feed, Stage::Fetching);
        if claim.announced {
            return forget(shared, claim, key, reporter, error).await;
        }
        return dead_letter(shared, claim, key, error.to_string()).await;
    }
    match failure {
        Failure::Throttled { wait } => {
            telemetry::throttled(key.feed, wait.as_secs());
        }
        // The blob had no part in it: there was no request.
        Failure::Token(_) => {
            telemetry::feed_failed(&shared.progress, key.feed, Stage::Fetching, failure.code(), &error.to_string());
            reporter.went(Outcome::TenantInTrouble { may_pass: !failure.needs_people() });
        }
        // Whatever kept only announced content from being had says little about its tenant and its feed, and must not slow down
        // the rest of them.
        _ if claim.announced => {
            let attempts = claim.attempts.saturating_add(1);
            if attempts >= ATTEMPTS_AT_ANNOUNCED {
                return forget(shared, claim, key, reporter, error).await;
            }
            came_to_nothing(shared, key.feed);
            return retry(shared, claim, key, reporter, error.to_string(), Pace::Prompt).await;
        }
        _ if failure.concerns_the_tenant()
            || failure.concerns_the_subscription()
            || matches!(failure, Failure::PermissionMissing { .. }) =>
        {
            telemetry::feed_failed(&shared.progress, key.feed, Stage::Fetching, failure.code(), &error.to_string());
            let tenant = failure.concerns_the_tenant();
            reporter.went(if tenant { Outcome::TenantInTrouble { may_pass: false } } else { Outcome::FeedInTrouble });
            // Most likely not the blob's fault. But if it is (a proxy that objects to its contents), the next try must be
            // another blob's.
            let not_before = shared.behind_the_others(key);
            shared
                .ledger
                .fail(key.clone(), Retry { not_before, reason: error.to_string(), counts: Counts::Nothing })
                .await?;
            reporter.tell(Message::Deferred(not_before));
            return Ok(());
        }
        _ => {
            reporter.went(Outcome::Failed);
            if failure.needs_an_administrator() {
                telemetry::feed_failed(&shared.progress, key.feed, Stage::SetAside, failure.code(), &error.to_string());
            }
            let pace = match failure {
                _ if failure.needs_an_administrator() => Pace::Slow,
                Failure::Malformed { .. } => Pace::Odd,
                _ => Pace::Prompt,
            };
            return retry(shared, claim, key, reporter, error.to_string(), pace).await;
        }
    }
    shared.ledger.release(key);
    reporter.tell(Message::Back(key.feed));
    Ok(())
}

/// So often what only a notification told of is tried. After that it is left to the listing that names it.
const ATTEMPTS_AT_ANNOUNCED: u32 = 5;

/// Forgets content that cannot be had and that only a notification told of. If there ever was such content, the listing names
/// it, and it is given up visibly.
async fn forget(
    shared: &Shared,
    claim: &Claim,
    key: &BlobKey,
    reporter: &Reporter,
    error: &ActivityError,
) -> Result<(), CollectorError> {
    came_to_nothing(shared, key.feed);
    if shared.ledger.forget_announced(key.clone()).await? {
        telemetry::announced_content_gone(key, &claim.content.content_uri, error);
        return Ok(());
    }
    // A listing has named it meanwhile.
    shared.ledger.release(key);
    reporter.tell(Message::Back(key.feed));
    Ok(())
}

fn came_to_nothing(shared: &Shared, feed: Feed) {
    if let Some(pause) = shared.announcements.came_to_nothing(feed) {
        telemetry::announcements_paused(feed, pause);
    }
}

/// Puts a blob back for later. When its content has expired, the API says so; no clock is trusted with that.
pub async fn retry(
    shared: &Shared,
    claim: &Claim,
    key: &BlobKey,
    reporter: &Reporter,
    reason: String,
    pace: Pace,
) -> Result<(), CollectorError> {
    // What waits for an administrator need not be tried often; with the tenth attempt's wait from the first.
    let attempts = claim.attempts.saturating_add(if pace == Pace::Slow { 10 } else { 1 });
    let (not_before, wait) = shared.next_attempt(key, attempts, pace);
    telemetry::content_retried(key, &reason, attempts, wait.as_secs());
    shared.ledger.fail(key.clone(), Retry { not_before, reason, counts: Counts::Attempt }).await?;
    reporter.tell(Message::Deferred(not_before));
    Ok(())
}

/// So many rejections of one blob, and it is given up: after about a day, at [`backoff::BLOB`](crate::backoff::BLOB)'s
/// pauses. Most of what makes a pipeline reject is put right by people (a token that has expired, an index that is
/// missing); but what no one will ever take must not be sent indefinitely.
pub const REJECTIONS: u32 = 135;

/// Puts a blob back whose events the pipeline has rejected.
pub async fn retry_rejected(
    shared: &Shared,
    claim: &Claim,
    key: &BlobKey,
    reporter: &Reporter,
) -> Result<(), CollectorError> {
    let rejections = claim.rejections.saturating_add(1);
    let (not_before, wait) = shared.next_attempt(key, rejections, Pace::Rejected);
    let reason = format!("the pipeline rejected its events; after {REJECTIONS} times they are given up");
    telemetry::content_retried(key, &reason, rejections, wait.as_secs());
    shared.ledger.fail(key.clone(), Retry { not_before, reason, counts: Counts::Rejection }).await?;
    reporter.tell(Message::Deferred(not_before));
    Ok(())
}

pub async fn dead_letter(shared: &Shared, claim: &Claim, key: &BlobKey, reason: String) -> Result<(), CollectorError> {
    let now = shared.now();
    shared.ledger.dead_letter(key.clone(), reason.clone(), now).await?;
    let dead = DeadBlob { key: key.clone(), created: claim.content.created, since: now, reason };
    telemetry::content_dead(&shared.progress, &dead);
    Ok(())
}
