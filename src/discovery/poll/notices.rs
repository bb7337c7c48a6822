//! What Microsoft says became of its notifications: only it knows of those that never arrived.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    activity::{ActivityClient, NotificationAttempt, TimeWindow},
    content::Feed,
    discovery::telemetry,
    telemetry::Progress,
};

/// What to do about notifications that fail.
const FAILING: &str = "Microsoft reports that its notifications fail: they must reach webhook.public_url and get HTTP 200. \
                       Check firewalls, proxies, the certificate and webhook.allowed_sources; `office365-source check` looks \
                       from here";

/// Attempts are listed by the creation time of what they announced. Retries go on for a while.
const REACH: TimeDelta = TimeDelta::hours(2);

/// Whether a webhook announces new content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Told {
    /// As far as can be known.
    Yes,
    /// It does not, or there is no webhook.
    No,
}

/// Reads the attempts made since the last look.
#[derive(Debug, Default)]
pub(super) struct Notices {
    last_look: Option<DateTime<Utc>>,
    /// Whether the last attempt that was seen failed.
    failing: bool,
}

impl Notices {
    /// Microsoft has just reached the webhook: what failed before is over.
    pub fn forget(&mut self, client: &ActivityClient, progress: &Progress, feed: Feed) -> Told {
        *self = Self { last_look: Some(client.clock().now()), failing: false };
        telemetry::webhook_works(progress, feed);
        Told::Yes
    }

    /// Reads the attempts since the last look and reports what they say. The first look reports nothing: attempts
    /// before the start of this process do not count.
    pub async fn read(&mut self, client: &ActivityClient, progress: &Progress, feed: Feed) -> Told {
        let now = client.clock().now();
        let since = self.last_look.unwrap_or(now);
        let attempts = match client.list_notifications(feed, TimeWindow::new(now - REACH, now)).await {
            Ok(attempts) => attempts,
            Err(error) => {
                // Diagnosis only; nothing depends on it, and the listing before it has succeeded.
                telemetry::fetch_failed(&error);
                Vec::new()
            }
        };
        self.last_look = Some(now);
        let verdict = Verdict::of(&attempts, since);
        if verdict.failed > 0 {
            telemetry::notifications_failed(feed, verdict.failed, verdict.attempts);
        }
        // Without an attempt since the last look, what was known stays: retries are an hour apart after a while.
        self.failing = verdict.last_failed.unwrap_or(self.failing);
        if self.failing {
            telemetry::webhook_fails(progress, feed, "notifications_failing", FAILING);
            return Told::No;
        }
        telemetry::webhook_works(progress, feed);
        Told::Yes
    }
}

/// What attempts add up to.
#[derive(Debug, Eq, PartialEq)]
struct Verdict {
    attempts: u64,
    failed: u64,
    /// Whether the last one failed.
    last_failed: Option<bool>,
}

impl Verdict {
    fn of(attempts: &[NotificationAttempt], since: DateTime<Utc>) -> Self {
        let recent = || attempts.iter().filter(|attempt| attempt.sent >= since);
        let last = recent().max_by_key(|attempt| (attempt.sent, attempt.succeeded));
        Self {
            attempts: recent().count() as u64,
            failed: recent().filter(|attempt| !attempt.succeeded).count() as u64,
            last_failed: last.map(|attempt| !attempt.succeeded),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_attempt_tells_whether_notifications_arrive() {
        let at = |seconds: i64| DateTime::from_timestamp(1_760_000_000 + seconds, 0).unwrap();
        let attempt = |seconds, succeeded| NotificationAttempt { sent: at(seconds), succeeded };
        for (attempts, failed, last_failed) in [
            (vec![], 0, None),
            (vec![attempt(1, true), attempt(2, false), attempt(3, true)], 1, Some(false)),
            (vec![attempt(3, false), attempt(1, true), attempt(2, true)], 1, Some(true)),
            (vec![attempt(-1, false)], 0, None),
            (vec![attempt(1, false), attempt(1, true)], 1, Some(false)),
        ] {
            let verdict = Verdict::of(&attempts, at(0));
            assert_eq!((verdict.failed, verdict.last_failed), (failed, last_failed), "{attempts:?}");
        }
    }
}
