//! One blob's row.

use std::mem;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{BlobKey, Claim, Counts};
use crate::content::{ContentRef, are_same_content};

/// Listings reach seven days back, with an hour of tolerance (see docs/api-behaviour.md); a day more is on the safe side.
const LISTABLE: TimeDelta = TimeDelta::days(8);

/// For how long content can be fetched that does not say it, as Microsoft documents.
const AVAILABLE: TimeDelta = TimeDelta::days(7);

/// Microsoft serves content for about twenty days. A row whose `contentExpiration` is centuries ahead must be removed some day.
const LONGEST: TimeDelta = TimeDelta::days(35);

/// How long an administrator can see that a blob was given up.
const DEAD: TimeDelta = TimeDelta::days(30);

/// What is stored of a blob. Fields may be added with defaults; none may change its meaning.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Row {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uri: String,
    pub created: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<DateTime<Utc>>,
    pub recorded: DateTime<Utc>,
    /// A notification announced it, and no listing has named it yet. Anybody who has the AuthID may have made it up.
    #[serde(default, skip_serializing_if = "is_false")]
    pub announced: bool,
    pub state: BlobState,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum BlobState {
    #[serde(rename = "owed")]
    Pending {
        #[serde(default)]
        attempts: u32,
        #[serde(default, skip_serializing_if = "is_zero")]
        rejections: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<DateTime<Utc>>,
    },
    Done {
        at: DateTime<Utc>,
    },
    Dead {
        at: DateTime<Utc>,
        reason: String,
    },
}

impl BlobState {
    /// Of a blob that has not been tried yet.
    pub const FRESH: Self = Self::Pending { attempts: 0, rejections: 0, not_before: None };
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Row {
    /// Of content that a listing names.
    pub fn listed(content: &ContentRef, now: DateTime<Utc>) -> Self {
        Self {
            uri: content.content_uri.clone(),
            created: content.created,
            expiration: content.expiration,
            recorded: now,
            announced: false,
            state: BlobState::FRESH,
        }
    }

    /// Of content that is to be fetched, whatever became of it before: pending as it was, or as if it were new.
    pub fn pending(known: Option<Self>, content: &ContentRef, now: DateTime<Utc>) -> Self {
        match known {
            Some(mut row) if row.is_pending() => {
                row.confirm(content);
                row
            }
            _ => Self::listed(content, now),
        }
    }

    /// Of content that a notification announces.
    pub fn announced(content: &ContentRef, now: DateTime<Utc>) -> Self {
        Self { announced: true, ..Self::listed(content, now) }
    }

    /// Until when the row must stay: as long as the content can be listed, announced or fetched again.
    pub fn keep_until(&self) -> DateTime<Utc> {
        let listable = self.created.max(self.recorded) + LISTABLE;
        let content =
            self.expiration.map_or(listable, |expiration| expiration.max(listable)).min(self.recorded + LONGEST);
        match self.state {
            BlobState::Pending { .. } | BlobState::Done { .. } => content,
            BlobState::Dead { at, .. } => content.max(at + DEAD),
        }
    }

    pub fn is_pending(&self) -> bool {
        matches!(self.state, BlobState::Pending { .. })
    }

    /// Whether it is news that a listing names it with this URI.
    pub fn is_news(&self, content_uri: &str) -> bool {
        self.announced || self.is_wanted_from(content_uri)
    }

    /// Takes what a listing says of it. Returns whether it is pending again: it was given up under another URI, or it
    /// was delivered from another URI, which a notification had announced.
    pub fn confirm(&mut self, content: &ContentRef) -> bool {
        let was_announced = mem::take(&mut self.announced);
        let again = match self.state {
            // It is due, whatever pause the announcement has.
            BlobState::Pending { .. } => {
                if was_announced {
                    self.state = BlobState::FRESH;
                }
                false
            }
            BlobState::Done { .. } => was_announced && !are_same_content(&self.uri, &content.content_uri),
            BlobState::Dead { .. } => self.is_wanted_from(&content.content_uri),
        };
        if again {
            self.state = BlobState::FRESH;
        }
        if self.is_pending() {
            self.uri.clone_from(&content.content_uri);
            self.expiration = content.expiration;
        } else if matches!(self.state, BlobState::Done { .. }) {
            self.uri.clear();
        }
        again
    }

    /// Its events are delivered; `announced` is the URI that they came from, if only a notification had announced it
    /// then. Returns whether it is done: not when a listing has named another URI meanwhile. The URI of unlisted
    /// content stays until a listing confirms it.
    pub fn complete(&mut self, at: DateTime<Utc>, announced: Option<&str>) -> bool {
        if self.is_pending() && !self.announced && announced.is_some_and(|uri| !are_same_content(uri, &self.uri)) {
            self.state = BlobState::FRESH;
            return false;
        }
        if !self.announced {
            self.uri.clear();
        }
        self.state = BlobState::Done { at };
        true
    }

    /// Is given up, if it is pending. What was delivered has no URI any more, from which it could be fetched if it were revived.
    pub fn give_up(&mut self, at: DateTime<Utc>, reason: String) {
        if self.is_pending() {
            self.state = BlobState::Dead { at, reason };
        }
    }

    /// Makes what was given up pending again, as if it had never been tried. Returns whether it is: not when Microsoft
    /// no longer holds its content.
    pub fn revive(&mut self, now: DateTime<Utc>) -> bool {
        if !matches!(self.state, BlobState::Dead { .. }) {
            return false;
        }
        let available_until = self.expiration.unwrap_or(self.created + AVAILABLE);
        let fresh = Self { state: BlobState::FRESH, ..self.clone() };
        // A row that would be pruned at once is not revived.
        let revives = available_until > now && fresh.keep_until() > now;
        if revives {
            *self = fresh;
        }
        revives
    }

    /// Waits until then, if it is pending.
    pub fn defer(&mut self, until: DateTime<Utc>, counts: Counts) {
        if let BlobState::Pending { attempts, rejections, not_before } = &mut self.state {
            match counts {
                Counts::Nothing => {}
                Counts::Attempt => *attempts = attempts.saturating_add(1),
                Counts::Rejection => *rejections = rejections.saturating_add(1),
            }
            *not_before = Some(until);
        }
    }

    /// Waits no longer.
    pub fn promote(&mut self) {
        if let BlobState::Pending { not_before, .. } = &mut self.state {
            *not_before = None;
        }
    }

    /// Whether another URI for it is news: it is pending, or was given up under a URI that may have been wrong.
    fn is_wanted_from(&self, uri: &str) -> bool {
        // Without a URI, it was delivered once.
        !matches!(self.state, BlobState::Done { .. }) && !self.uri.is_empty() && self.uri != uri
    }

    pub fn claim(self, key: BlobKey) -> Option<Claim> {
        let BlobState::Pending { attempts, rejections, .. } = self.state else { return None };
        let content = ContentRef {
            feed: key.feed,
            content_id: key.content_id,
            content_uri: self.uri,
            created: self.created,
            expiration: self.expiration,
        };
        Some(Claim { content, announced: self.announced, attempts, rejections })
    }
}
