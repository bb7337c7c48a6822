//! Whether content that notifications announce for a feed is worth a request.
//!
//! Anybody who has the AuthID can announce content that does not exist. Each such piece costs a request to Microsoft,
//! of which a tenant has some thousands a minute. So if a feed's announcements lead nowhere, they are not recorded for
//! a while. The next listing, which is reliable, finds any real content among them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::{
    backoff::Backoff,
    content::{Feed, TenantId},
};

/// After this many announced blobs that could not be fetched, with hardly any that could, announcements of their feed
/// are not recorded.
const TOO_MANY: u32 = 20;

/// For how long they are.
const PAUSE: Backoff = Backoff { first: Duration::from_secs(30), longest: Duration::from_mins(15) };

/// What the announcements of each feed have been worth. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Announcements(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    feeds: Mutex<HashMap<Feed, Record>>,
    worse: Notify,
}

#[derive(Debug, Default)]
struct Record {
    /// Blobs that could not be fetched, halved by each that could: real announcements between invented ones do not
    /// outweigh them.
    nothing: u32,
    pauses: u32,
    until: Option<Instant>,
    /// A notification announced more than there was room for, since the last listing began.
    overflowed: bool,
}

impl Record {
    fn paused(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until > now)
    }
}

impl Announcements {
    /// Whether what is announced of a feed is recorded and fetched now.
    pub fn are_heard(&self, feed: Feed) -> bool {
        self.with(feed, |record| !record.paused(Instant::now()))
    }

    /// Until when they are not, if so.
    pub fn paused_until(&self, feed: Feed) -> Option<Instant> {
        self.with(feed, |record| record.until.filter(|until| *until > Instant::now()))
    }

    /// Whether all that is announced of a feed is recorded, so that listings may be rare.
    pub fn are_complete(&self, feed: Feed) -> bool {
        self.with(feed, |record| !record.overflowed && !record.paused(Instant::now()))
    }

    /// Waits until [`Self::are_complete`] is no longer so.
    pub async fn incomplete(&self, feed: Feed) {
        loop {
            let worse = self.0.worse.notified();
            tokio::pin!(worse);
            worse.as_mut().enable();
            if !self.are_complete(feed) {
                return;
            }
            worse.await;
        }
    }

    /// More was announced than there was room for, or while nothing was heard.
    pub fn overflowed(&self, feed: Feed) {
        self.with(feed, |record| record.overflowed = true);
        self.0.worse.notify_waiters();
    }

    /// A listing begins, which finds what was not recorded.
    pub fn listing(&self, feed: Feed) {
        self.with(feed, |record| record.overflowed = false);
    }

    /// Announced content was served.
    pub fn served(&self, feed: Feed) {
        self.with(feed, |record| {
            record.nothing /= 2;
            if record.nothing == 0 {
                record.pauses = 0;
            }
        });
    }

    /// Announced content is not there, or cannot be fetched. Returns for how long announcements of the feed are not
    /// recorded, if that begins now.
    pub fn came_to_nothing(&self, feed: Feed) -> Option<Duration> {
        let pause = self.with(feed, |record| {
            let now = Instant::now();
            record.nothing += 1;
            // What is in flight together comes to nothing together; that is one pause.
            if record.nothing < TOO_MANY || record.paused(now) {
                return None;
            }
            record.nothing = TOO_MANY / 2;
            record.pauses = record.pauses.saturating_add(1);
            let pause = PAUSE.wait(record.pauses);
            record.until = Some(now + pause);
            Some(pause)
        });
        if pause.is_some() {
            self.0.worse.notify_waiters();
        }
        pause
    }

    /// Forgets the feeds of tenants that are not collected any more.
    pub fn retain(&self, keep: impl Fn(TenantId) -> bool) {
        self.0.feeds.lock().unwrap_or_else(PoisonError::into_inner).retain(|feed, _| keep(feed.tenant));
    }

    fn with<T>(&self, feed: Feed, change: impl FnOnce(&mut Record) -> T) -> T {
        change(self.0.feeds.lock().unwrap_or_else(PoisonError::into_inner).entry(feed).or_default())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};
    use uuid::Uuid;

    use super::*;
    use crate::content::ContentType;

    const FEED: Feed = Feed { tenant: TenantId(Uuid::from_u128(1)), content_type: ContentType::Exchange };
    const OTHER: Feed = Feed { content_type: ContentType::Dlp, ..FEED };

    fn nothing(announcements: &Announcements, times: u32) -> Option<Duration> {
        (0..times).find_map(|_| announcements.came_to_nothing(FEED))
    }

    #[tokio::test(start_paused = true)]
    async fn announcements_that_lead_nowhere_are_left_alone_for_longer_and_longer() {
        let announcements = Announcements::default();
        assert_eq!(nothing(&announcements, TOO_MANY - 1), None);
        let mut last = Duration::ZERO;
        for _ in 0..4 {
            let pause = nothing(&announcements, TOO_MANY).unwrap();
            assert!(!announcements.are_heard(FEED) && announcements.are_heard(OTHER));
            assert!(pause >= last, "{pause:?} after {last:?}");
            advance(pause).await;
            assert!(announcements.are_heard(FEED));
            last = pause.mul_f64(0.5);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_real_ones_do_not_make_up_for_many_invented_ones() {
        let announcements = Announcements::default();
        let paused = (0..100).any(|_| {
            announcements.served(FEED);
            nothing(&announcements, 15).is_some()
        });
        assert!(paused);
        let announcements = Announcements::default();
        let paused = (0..1_000).any(|_| {
            announcements.served(FEED);
            nothing(&announcements, 5).is_some()
        });
        assert!(!paused, "content that has expired now and then is everyday life");
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_task_learns_that_something_was_left_out() {
        let announcements = Announcements::default();
        assert!(timeout(Duration::from_secs(9), announcements.incomplete(FEED)).await.is_err());
        let waiting = announcements.incomplete(FEED);
        tokio::pin!(waiting);
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        announcements.overflowed(OTHER);
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        announcements.overflowed(FEED);
        waiting.await;
        assert!(announcements.are_heard(FEED) && !announcements.are_complete(FEED));
        announcements.listing(FEED);
        assert!(announcements.are_complete(FEED));
    }
}
