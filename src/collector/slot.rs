//! What the tasks of blobs report to the scheduler.

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use super::scheduler::Outcome;
use crate::{content::Feed, ledger::Claim};

/// What a blob's task reports to the scheduler.
#[derive(Clone, Copy, Debug)]
pub enum Message {
    /// The download's slot is free.
    SlotFree {
        /// What it was used for.
        feed: Feed,
        /// Whether only a notification announced the blob.
        announced: bool,
    },
    /// How the download went.
    Went(Feed, Outcome),
    /// The blob is in the queue again.
    Back(Feed),
    /// The blob waits until this time.
    Deferred(DateTime<Utc>),
}

/// A task's way to the scheduler.
#[derive(Clone, Debug)]
pub struct Reporter(mpsc::UnboundedSender<Message>);

impl Reporter {
    /// A reporter to the scheduler that receives `messages`.
    pub const fn new(messages: mpsc::UnboundedSender<Message>) -> Self {
        Self(messages)
    }

    /// Reports something to the scheduler.
    pub fn tell(&self, message: Message) {
        // The scheduler is gone only when the source has been dropped.
        let _ = self.0.send(message);
    }
}

/// A download's slot, given back when dropped.
#[derive(Debug)]
pub struct Slot {
    reporter: Reporter,
    feed: Feed,
    announced: bool,
}

impl Slot {
    /// Takes a slot for the download of what is claimed.
    pub fn new(claim: &Claim, reporter: Reporter) -> Self {
        Self { reporter, feed: claim.content.feed, announced: claim.announced }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Self { feed, announced, .. } = *self;
        self.reporter.tell(Message::SlotFree { feed, announced });
    }
}
