//! The cursors of all feeds in memory, and which of them the file does not have yet.
//!
//! Most listings find nothing new and move their cursor by a minute. A durable transaction for each of them costs more than the
//! listing. If such a move is lost in a crash, the next start lists a little more than it had to. So it becomes durable within
//! [`LATEST`], together with those of other feeds. A move that skips more, or one that corrects a cursor, is durable at once.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::tables::{CURSORS, decode, encode, parsed};
use crate::{
    content::{Feed, TenantId},
    ledger::{Cursor, CursorMove, keys},
};

/// How long a small move may be in memory only.
pub(super) const LATEST: Duration = Duration::from_secs(60);

/// What a small move skips at most.
const SMALL: TimeDelta = TimeDelta::hours(1);

/// The cursors as they are now.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    current: BTreeMap<Feed, Cursor>,
    /// What the file does not have.
    unwritten: HashMap<Feed, Cursor>,
    /// Since when, as far as nothing is about to write it.
    since: Option<Instant>,
}

impl Cursors {
    /// Those of the file.
    pub fn of_file(tx: &ReadTransaction) -> Result<Self, redb::Error> {
        let cursors = Self::default();
        for entry in tx.open_table(CURSORS)?.iter()? {
            let (key, value) = entry?;
            cursors.state().current.insert(parsed(keys::parse_feed(key.value()))?, decode(value.value())?);
        }
        Ok(cursors)
    }

    pub fn get(&self, feed: Feed) -> Cursor {
        self.state().current.get(&feed).copied().unwrap_or_default()
    }

    pub fn all(&self) -> Vec<(Feed, Cursor)> {
        self.state().current.iter().map(|(feed, cursor)| (*feed, *cursor)).collect()
    }

    /// Moves a cursor in memory. Returns whether that has to be made durable now.
    pub fn step(&self, feed: Feed, step: CursorMove) -> bool {
        let mut state = self.state();
        let before = state.current.get(&feed).copied().unwrap_or_default();
        let after = before.moved(step);
        if after == before {
            return false;
        }
        let is_small = matches!(step, CursorMove::ListedThrough(_))
            && matches!((before.listed_through, after.listed_through), (Some(one), Some(two)) if two - one <= SMALL);
        state.change(feed, after);
        drop(state);
        if is_small {
            self.changed.notify_one();
        }
        !is_small
    }

    /// Sets a cursor in memory, whatever it was.
    pub fn set(&self, feed: Feed, cursor: Cursor) {
        self.state().change(feed, cursor);
    }

    /// Forgets the cursors of a tenant, so that none of them is written any more.
    pub fn forget(&self, tenant: TenantId) {
        let mut state = self.state();
        state.current.retain(|feed, _| feed.tenant != tenant);
        state.unwritten.retain(|feed, _| feed.tenant != tenant);
    }

    /// What the file does not have, to be written now: what changes from here on is due by itself.
    pub fn unwritten(&self) -> Vec<(Feed, Cursor)> {
        let mut state = self.state();
        state.since = None;
        state.unwritten.iter().map(|(feed, cursor)| (*feed, *cursor)).collect()
    }

    /// Whether there are any.
    pub fn are_unwritten(&self) -> bool {
        !self.state().unwritten.is_empty()
    }

    /// To be called when these are durable.
    pub fn written(&self, cursors: &[(Feed, Cursor)]) {
        let mut state = self.state();
        for (feed, cursor) in cursors {
            if state.unwritten.get(feed) == Some(cursor) {
                state.unwritten.remove(feed);
            }
        }
        // The others are due when they were: a write of one cursor must not put off those of the rest.
        if state.unwritten.is_empty() {
            state.since = None;
        }
    }

    /// Says that a write failed.
    pub fn postpone(&self) {
        let mut state = self.state();
        state.since = (!state.unwritten.is_empty()).then(Instant::now);
    }

    /// Waits until there are cursors that must not be in memory only any longer.
    pub async fn due(&self) {
        loop {
            let since = self.state().since;
            match since {
                Some(since) => return sleep_until(since + LATEST).await,
                None => self.changed.notified().await,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked, and nothing in it is ever half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn change(&mut self, feed: Feed, cursor: Cursor) {
        self.current.insert(feed, cursor);
        self.unwritten.insert(feed, cursor);
        self.since.get_or_insert_with(Instant::now);
    }
}

/// Writes cursors to the file.
pub(super) fn write(tx: &WriteTransaction, cursors: &[(Feed, Cursor)]) -> Result<(), redb::Error> {
    let mut table = tx.open_table(CURSORS)?;
    for (feed, cursor) in cursors {
        table.insert(keys::feed(*feed).as_slice(), encode(cursor)?.as_slice())?;
    }
    Ok(())
}
