//! Content that a notification announces to a member that does not own the tenant: it tells the owner, and returns when that has made it
//! durable.

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tracing::debug;

use super::NatsLedger;
use crate::{
    content::{ContentRef, Feed},
    ledger::{Announced, ContentIntake, ContentRecord, ContentState, LedgerError},
};

/// What is announced to the owner.
#[derive(Debug, Deserialize, Serialize)]
struct Announcement {
    #[serde(flatten)]
    feed: Feed,
    content: Vec<ContentRecord>,
    most: usize,
    at: DateTime<Utc>,
}

/// What the owner answers.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Answer {
    added: usize,
    postponed: usize,
}

/// What other members announce to this one.
#[derive(Debug)]
pub struct Announcements {
    subscriber: Subscriber,
}

impl NatsLedger {
    /// Announces content to the owner of its tenant. Without an answer, it waits for the listing that names it.
    pub(super) async fn announce_to_owner(
        &self,
        feed: Feed,
        refs: Vec<ContentRef>,
        most: usize,
        now: DateTime<Utc>,
    ) -> Result<Announced, LedgerError> {
        let postponed = Announced { added: 0, postponed: refs.len() };
        let Some(owner) = self.owner(feed.tenant).await?.session else { return Ok(postponed) };
        let content = refs.into_iter().map(|content| record(content, now)).collect();
        // Texts, times and numbers can be written as JSON.
        let payload = serde_json::to_vec(&Announcement { feed, content, most, at: now }).unwrap_or_default();
        let answer = self.bucket.client().request(self.announcements_of(&owner), payload.into()).await;
        match answer.map(|answer| serde_json::from_slice::<Answer>(&answer.payload)) {
            Ok(Ok(Answer { added, postponed })) => Ok(Announced { added, postponed }),
            Ok(Err(error)) => {
                debug!(message = "The owner of a tenant did not take content.", %feed, %error);
                Ok(postponed)
            }
            Err(error) => {
                debug!(message = "The owner of a tenant cannot be told of content.", %feed, %error);
                Ok(postponed)
            }
        }
    }

    /// What other members announce to this one from now on.
    ///
    /// # Errors
    ///
    /// When NATS does not take the subscription.
    pub async fn announcements(&self) -> Result<Announcements, LedgerError> {
        let subject = self.announcements_of(&self.session);
        Ok(Announcements { subscriber: self.bucket.subscribe(subject).await? })
    }

    /// Makes durable what another member has announced, and answers it. Returns the feed, if there is something new to fetch.
    ///
    /// # Errors
    ///
    /// When the copy fails.
    pub async fn take_announcement(&self, message: AnnouncedElsewhere) -> Result<Option<Feed>, LedgerError> {
        let AnnouncedElsewhere(Message { payload, reply, .. }) = message;
        // Only members write here. What another version of one writes may be news.
        let Ok(Announcement { feed, content, most, at }) = serde_json::from_slice(&payload) else { return Ok(None) };
        let refs: Vec<_> = content.into_iter().map(|record| content_ref(feed, record)).collect();
        let answer = if self.owned.revision(feed.tenant).is_some() {
            let Announced { added, postponed } = self.announce(feed, refs, most, at).await?;
            Answer { added, postponed }
        } else {
            Answer { added: 0, postponed: refs.len() }
        };
        if let Some(reply) = reply {
            let payload = Bytes::from(serde_json::to_vec(&answer).unwrap_or_default());
            // The member that asked gives up waiting, or Microsoft announces it again.
            let _ = self.bucket.client().publish(reply, payload).await;
        }
        Ok((answer.added > 0).then_some(feed))
    }

    /// Where a member hears what others announce to it.
    fn announcements_of(&self, session: &str) -> String {
        announced_to(&self.prefix, session)
    }
}

/// The subject of what is announced to a session.
pub(super) fn announced_to(prefix: &str, session: &str) -> String {
    format!("{prefix}.announced.{session}")
}

/// An announcement of another member.
#[derive(Debug)]
pub struct AnnouncedElsewhere(Message);

impl Announcements {
    /// The next one. `None` when the connection is closed.
    pub async fn next(&mut self) -> Option<AnnouncedElsewhere> {
        self.subscriber.next().await.map(AnnouncedElsewhere)
    }
}

fn record(content: ContentRef, now: DateTime<Utc>) -> ContentRecord {
    let ContentRef { feed, content_id, content_uri, created, expiration } = content;
    let state = ContentState::Pending { attempts: 0, rejections: 0, not_before: None };
    ContentRecord { feed, content_id, content_uri, created, expiration, recorded: now, announced: true, state }
}

fn content_ref(feed: Feed, record: ContentRecord) -> ContentRef {
    let ContentRecord { content_id, content_uri, created, expiration, .. } = record;
    ContentRef { feed, content_id, content_uri, created, expiration }
}
