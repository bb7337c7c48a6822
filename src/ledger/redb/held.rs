//! Which blobs are held, and where in each queue the search for the next one goes on.
//!
//! A held blob stays in its queue until its holder is done with it, so that a crash needs no repair. A search from the
//! front would pass all of them each time. So each search begins where the last one found something: every entry before
//! that is held. Every insertion into a queue rewinds the feed.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::tables::{ANNOUNCED, Index, READY};
#[cfg(feature = "nats")]
use crate::content::TenantId;
use crate::{
    content::Feed,
    ledger::{BlobKey, Claim},
};

/// One of the two queues of a feed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Queue {
    /// What a listing has named.
    Listed,
    /// What only a notification announced.
    Announced,
}

impl Queue {
    pub const fn index(self) -> Index {
        match self {
            Self::Listed => READY,
            Self::Announced => ANNOUNCED,
        }
    }
}

/// What is held, of all feeds.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<HeldBlobs>);

#[derive(Debug, Default)]
struct HeldBlobs {
    /// With the URI of those that only a notification announced.
    blobs: HashMap<BlobKey, Option<String>>,
    searches: HashMap<Feed, Searches>,
}

/// How far the searches of a feed have come.
#[derive(Debug, Default)]
struct Searches {
    /// The keys of the last entries that were claimed, by [`Queue`].
    last: [Option<Vec<u8>>; 2],
    /// A search that began before the last rewind has not seen what came then, so that it moves nothing.
    rewinds: u64,
}

/// Where a search begins.
#[derive(Debug)]
pub(super) struct Start {
    /// The key of the entry before the first one to look at.
    pub after: Option<Vec<u8>>,
    rewinds: u64,
}

impl Held {
    /// Where a search begins.
    pub fn start(&self, feed: Feed, queue: Queue) -> Start {
        let mut held = self.lock();
        let searches = held.searches.entry(feed).or_default();
        Start { after: searches.last[queue as usize].clone(), rewinds: searches.rewinds }
    }

    /// Holds what a search found at the entry `at`. Returns whether the caller has it now: another search may have been
    /// faster.
    pub fn hold(&self, claim: &Claim, queue: Queue, start: &Start, at: Vec<u8>) -> bool {
        let mut held = self.lock();
        let Entry::Vacant(free) = held.blobs.entry(BlobKey::from(&claim.content)) else { return false };
        free.insert(claim.announced.then(|| claim.content.content_uri.clone()));
        let searches = held.searches.entry(claim.content.feed).or_default();
        let last = &mut searches.last[queue as usize];
        if searches.rewinds == start.rewinds && last.as_ref().is_none_or(|last| *last < at) {
            *last = Some(at);
        }
        true
    }

    /// Whether a blob is held.
    pub fn contains(&self, key: &BlobKey) -> bool {
        self.lock().blobs.contains_key(key)
    }

    /// Whether any blob of a tenant is held.
    #[cfg(feature = "nats")]
    pub fn any_of(&self, tenant: TenantId) -> bool {
        self.lock().blobs.keys().any(|key| key.feed.tenant == tenant)
    }

    /// The URI of a held blob that only a notification had announced when it was claimed.
    pub fn announced_uri(&self, key: &BlobKey) -> Option<String> {
        self.lock().blobs.get(key).cloned().flatten()
    }

    /// Lets go of a blob that has left its queue.
    pub fn let_go(&self, key: &BlobKey) {
        self.lock().blobs.remove(key);
    }

    /// Lets go of a blob that is still in its queue.
    pub fn put_back(&self, key: &BlobKey) {
        let mut held = self.lock();
        held.blobs.remove(key);
        held.rewind(key.feed);
    }

    /// There may be a new entry anywhere in the feed's queues.
    pub fn rewind(&self, feed: Feed) {
        self.lock().rewind(feed);
    }

    fn lock(&self) -> MutexGuard<'_, HeldBlobs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeldBlobs {
    fn rewind(&mut self, feed: Feed) {
        let searches = self.searches.entry(feed).or_default();
        searches.last = [None, None];
        searches.rewinds += 1;
    }
}
