//! When a blob that was not delivered is tried again.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    RunMode,
    backoff::Backoff,
    ledger::{BlobKey, Claim, Counts},
};

/// Between attempts at one blob.
const ATTEMPTS: Backoff = Backoff { first: Duration::from_secs(5), longest: Duration::from_mins(15) };

/// Between attempts at one blob in a run that should end.
const ATTEMPTS_ONCE: Backoff = Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(10) };

/// After this many rejections a blob is given up: after about a day, at the pauses of [`ATTEMPTS`]. An administrator
/// can correct most causes of rejections (an expired token, a missing index); but events that no sink will ever take
/// must not be sent indefinitely.
pub const REJECTIONS: u32 = 135;

/// How often a run that should end sends what the pipeline rejects.
const REJECTIONS_ONCE: u32 = 5;

/// A blob that waits for an administrator need not be tried often: it gets the wait of so many attempts more.
const ATTEMPTS_AHEAD: u32 = 9;

/// How long a blob waits that failed for a reason of its feed or tenant: longer than the longest pause of a feed, or it
/// would be the oldest again when the pause is over.
const BEHIND_THE_OTHERS: Duration = Duration::from_mins(20);

/// How long a blob waits for the other blob that has copies of its events.
const FOR_A_COPY: Duration = Duration::from_secs(1);

/// In a run that should end, the longest wait after an odd answer. Shorter than the waits that end such a run.
const LONGEST_WAIT_ODD: Duration = Duration::from_secs(20);

/// After this many failures the wait is longer than a run that should end waits.
const LEFT_FOR_THE_NEXT_RUN: u32 = 6;

/// Why a blob is tried again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// An attempt failed, or the pipeline could not deliver its events.
    Failed,
    /// The API served something odd, which is accepted if it comes repeatedly. A temporary fault needs time to end: a
    /// run that should end waits as long as any other.
    OddAnswer,
    /// An administrator must change something first. A run that should end leaves it to the next.
    NeedsAdministrator,
    /// The pipeline rejected its events.
    Rejected,
    /// Its feed or tenant cannot be collected, most likely not because of the blob. But if the blob is the cause (a
    /// proxy that objects to its contents), another blob must be tried next.
    FeedInTrouble,
    /// A copy of its events in another blob was not delivered. The next turn sends what is left of them.
    CopyFailed,
}

impl Reason {
    /// What the ledger counts it as.
    pub const fn counts(self) -> Counts {
        match self {
            Self::Failed | Self::OddAnswer | Self::NeedsAdministrator => Counts::Attempt,
            Self::Rejected => Counts::Rejection,
            Self::FeedInTrouble | Self::CopyFailed => Counts::Nothing,
        }
    }
}

/// How a blob is deferred.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Deferral {
    /// For how long.
    pub wait: Duration,
    /// Which attempt at the blob, or rejection of it, this follows; `None` where it had no part in it.
    pub attempt: Option<u32>,
}

/// The retries of a run.
#[derive(Debug)]
pub struct Retries {
    /// Of a run that should end.
    patience: Option<Duration>,
    /// What failed in a run that should end.
    failing: Mutex<HashMap<BlobKey, Failing>>,
}

#[derive(Debug)]
struct Failing {
    attempts: u32,
    since: Instant,
}

impl Retries {
    /// No blob has failed yet.
    pub fn new(mode: RunMode) -> Self {
        Self { patience: mode.patience(), failing: Mutex::default() }
    }

    /// For how long a blob waits that was not delivered.
    pub fn defer(&self, claim: &Claim, key: &BlobKey, reason: Reason) -> Deferral {
        let attempt = match reason {
            Reason::Failed | Reason::OddAnswer => claim.attempts.saturating_add(1),
            Reason::NeedsAdministrator => claim.attempts.saturating_add(1 + ATTEMPTS_AHEAD),
            Reason::Rejected => claim.rejections.saturating_add(1),
            Reason::FeedInTrouble => {
                let wait = self.in_this_run(key, reason).unwrap_or(BEHIND_THE_OTHERS);
                return Deferral { wait, attempt: None };
            }
            Reason::CopyFailed => return Deferral { wait: FOR_A_COPY, attempt: None },
        };
        let wait = match self.patience {
            Some(_) if reason != Reason::NeedsAdministrator => {
                self.in_this_run(key, reason).unwrap_or_else(|| ATTEMPTS.wait(attempt.max(LEFT_FOR_THE_NEXT_RUN)))
            }
            _ => ATTEMPTS.wait(attempt),
        };
        Deferral { wait, attempt: Some(attempt) }
    }

    /// How long a blob waits in a run that should end. `None` in another, and once the blob has failed for longer than the
    /// run's patience, or as often as it may.
    fn in_this_run(&self, key: &BlobKey, reason: Reason) -> Option<Duration> {
        let patience = self.patience?;
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let blob = failing.entry(key.clone()).or_insert_with(|| Failing { attempts: 0, since: Instant::now() });
        blob.attempts += 1;
        let (wait, most) = match reason {
            Reason::OddAnswer => (ATTEMPTS.wait(blob.attempts).min(LONGEST_WAIT_ODD), u32::MAX),
            Reason::Rejected => (ATTEMPTS_ONCE.wait(blob.attempts), REJECTIONS_ONCE),
            _ => (ATTEMPTS_ONCE.wait(blob.attempts), u32::MAX),
        };
        let wait = wait.min(patience / 4);
        (blob.attempts < most && blob.since.elapsed() + wait < patience).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::content::{ContentRef, ContentType, Feed, TenantId};

    fn claim(attempts: u32, rejections: u32) -> (Claim, BlobKey) {
        let feed = Feed { tenant: TenantId(Uuid::from_u128(1)), content_type: ContentType::Exchange };
        let content = ContentRef {
            feed,
            content_id: "blob".into(),
            content_uri: String::new(),
            created: DateTime::UNIX_EPOCH,
            expiration: None,
        };
        let key = BlobKey::from(&content);
        (Claim { content, announced: false, attempts, rejections }, key)
    }

    /// Waits are between half and all of the time.
    fn within(wait: Duration, longest: u64) -> bool {
        let longest = Duration::from_secs(longest);
        wait >= longest / 2 && wait <= longest
    }

    #[test]
    fn each_reason_has_its_wait_and_its_count() {
        let retries = Retries::new(RunMode::Continuous);
        for (attempts, rejections, reason, longest, attempt, counts) in [
            (0, 7, Reason::Failed, 5, Some(1), Counts::Attempt),
            (1, 7, Reason::Failed, 10, Some(2), Counts::Attempt),
            (2, 7, Reason::OddAnswer, 20, Some(3), Counts::Attempt),
            (u32::MAX, 0, Reason::Failed, 900, Some(u32::MAX), Counts::Attempt),
            (0, 0, Reason::NeedsAdministrator, 900, Some(10), Counts::Attempt),
            (9, 0, Reason::Rejected, 5, Some(1), Counts::Rejection),
            (9, 2, Reason::Rejected, 20, Some(3), Counts::Rejection),
        ] {
            let (claim, key) = claim(attempts, rejections);
            let deferral = retries.defer(&claim, &key, reason);
            assert!(within(deferral.wait, longest), "{reason:?}: {deferral:?}");
            assert_eq!((deferral.attempt, reason.counts()), (attempt, counts), "{reason:?}");
        }
        let (claim, key) = claim(3, 3);
        for (reason, wait) in [(Reason::FeedInTrouble, 20 * 60), (Reason::CopyFailed, 1)] {
            let deferral = retries.defer(&claim, &key, reason);
            assert_eq!(deferral, Deferral { wait: Duration::from_secs(wait), attempt: None });
            assert_eq!(reason.counts(), Counts::Nothing);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_should_end_waits_within_its_patience_and_leaves_the_rest_to_the_next() {
        let patience = Duration::from_secs(120);
        let is_left =
            |deferral: Deferral| deferral.wait >= ATTEMPTS.wait(LEFT_FOR_THE_NEXT_RUN).min(Duration::from_secs(80));
        for (reason, longest) in [(Reason::Failed, 10), (Reason::OddAnswer, 20), (Reason::FeedInTrouble, 10)] {
            let retries = Retries::new(RunMode::Once { patience });
            let (claim, key) = claim(40, 0);
            let began = Instant::now();
            loop {
                let deferral = retries.defer(&claim, &key, reason);
                if is_left(deferral) {
                    break;
                }
                assert!(deferral.wait <= Duration::from_secs(longest), "{reason:?}: {deferral:?}");
                tokio::time::sleep(deferral.wait).await;
            }
            assert!(began.elapsed() < patience && began.elapsed() > patience / 2, "{reason:?}: {:?}", began.elapsed());
        }
        let retries = Retries::new(RunMode::Once { patience });
        let (claim, key) = claim(0, 0);
        assert!(is_left(retries.defer(&claim, &key, Reason::NeedsAdministrator)), "people are not waited for");
        let tries = (0..99).take_while(|_| !is_left(retries.defer(&claim, &key, Reason::Rejected))).count();
        assert_eq!(tries, REJECTIONS_ONCE as usize - 1);
    }
}
