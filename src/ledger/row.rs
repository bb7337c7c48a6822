//! One blob's row.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{BlobKey, Claim, DeadBlob};
use crate::content::ContentRef;

/// Listings reach seven days back, with an hour of tolerance (see docs/api-behaviour.md); a day more is on the safe side.
const LISTABLE: TimeDelta = TimeDelta::days(8);

/// Microsoft serves content for about twenty days. A row whose `contentExpiration` lies centuries ahead must go some day.
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
    pub state: State,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Owed {
        #[serde(default)]
        attempts: u32,
        #[serde(default, skip_serializing_if = "is_zero")]
        rejections: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<DateTime<Utc>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_error: Option<String>,
    },
    Done {
        at: DateTime<Utc>,
    },
    Dead {
        at: DateTime<Utc>,
        reason: String,
    },
}

impl State {
    /// Of a blob that nobody has tried yet.
    pub const FRESH: Self = Self::Owed { attempts: 0, rejections: 0, not_before: None, last_error: None };
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Row {
    pub fn owed(content: &ContentRef, now: DateTime<Utc>) -> Self {
        Self {
            uri: content.content_uri.clone(),
            created: content.created,
            expiration: content.expiration,
            recorded: now,
            state: State::FRESH,
        }
    }

    /// Until when the row must stay: as long as the content can be listed, announced or fetched again.
    pub fn keep_until(&self) -> DateTime<Utc> {
        let listable = self.created.max(self.recorded) + LISTABLE;
        let content =
            self.expiration.map_or(listable, |expiration| expiration.max(listable)).min(self.recorded + LONGEST);
        match self.state {
            State::Owed { .. } | State::Done { .. } => content,
            State::Dead { at, .. } => content.max(at + DEAD),
        }
    }

    pub fn is_owed(&self) -> bool {
        matches!(self.state, State::Owed { .. })
    }

    /// Whether another URI for it is news: it is owed, or was given up under a URI that may have been wrong.
    pub fn is_wanted_from(&self, uri: &str) -> bool {
        // Without a URI, it was delivered once.
        !matches!(self.state, State::Done { .. }) && !self.uri.is_empty() && self.uri != uri
    }

    pub fn claim(self, key: BlobKey) -> Option<Claim> {
        let State::Owed { attempts, rejections, last_error, .. } = self.state else { return None };
        let content = ContentRef {
            feed: key.feed,
            content_id: key.content_id,
            content_uri: self.uri,
            created: self.created,
            expiration: self.expiration,
        };
        Some(Claim { content, attempts, rejections, last_error })
    }

    pub fn dead(self, key: BlobKey) -> Option<DeadBlob> {
        let State::Dead { at, reason } = self.state else { return None };
        Some(DeadBlob { key, created: self.created, since: at, reason })
    }
}
