//! The queues of pending blobs.

use std::{
    collections::{BTreeSet, HashSet},
    ops::Bound,
    sync::Arc,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use redb::{AccessGuard, ReadTransaction, ReadableTable, WriteTransaction};

use super::{
    RedbLedger, counts,
    events::{MOST_EVENTS, chunks, day, remember, rows_of},
    held::{Held, Queue, Start},
    rows::{ROWS_OF_A_BLOB, SWEEP, change, first_until, remove, row_of},
    tables::{BLOBS, Bytes, DEAD, DEFERRED, existing, parsed},
    writer::Rank,
};
use crate::{
    content::Feed,
    ledger::{
        BlobKey, Claim, ContentQueue, Counts, DeliveredBatch, EventKey, LedgerError, Promoted, Revived, Wanted,
        counting::by_day, keys, row,
    },
};

/// Blobs are deferred for a quarter of an hour at most.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(1);

#[async_trait]
impl ContentQueue for RedbLedger {
    async fn claim(&self, feed: Feed, wanted: Wanted) -> Result<Option<Claim>, LedgerError> {
        let queues = match wanted {
            Wanted::Listed => &[Queue::Listed][..],
            Wanted::Any => &[Queue::Listed, Queue::Announced],
        };
        for &queue in queues {
            loop {
                let (held, start) = (self.held(), self.held.start(feed, queue));
                let search = move |tx: &ReadTransaction| {
                    let found = next(tx, feed, queue, &start, &held)?;
                    Ok((found, start))
                };
                match self.read(search).await? {
                    (None, _) => break,
                    (Some((claim, at)), start) => {
                        if self.held.hold(&claim, queue, &start, at) {
                            return Ok(Some(claim));
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    fn release(&self, key: &BlobKey) {
        self.held.put_back(key);
    }

    async fn complete(&self, key: BlobKey, delivery: DeliveredBatch, now: DateTime<Utc>) -> Result<bool, LedgerError> {
        self.complete_and(key, delivery, now, |_| Ok(())).await
    }

    async fn defer(&self, key: BlobKey, not_before: DateTime<Utc>, counts: Counts) -> Result<(), LedgerError> {
        self.change_held(key, move |row| row.defer(not_before, counts)).await
    }

    async fn dead_letter(&self, key: BlobKey, reason: String, now: DateTime<Utc>) -> Result<(), LedgerError> {
        self.change_held(key, move |row| row.give_up(now, reason)).await
    }

    async fn forget_announced(&self, key: BlobKey) -> Result<bool, LedgerError> {
        let (held, blob) = (self.held(), key.clone());
        let forget = move |tx: &WriteTransaction| forget_announced(tx, &blob);
        let then = move |forgotten: &bool| {
            if *forgotten {
                held.let_go(&key);
            }
        };
        self.writer.write_then(Rank::Bulk(ROWS_OF_A_BLOB), forget, then).await
    }

    async fn revive(&self, feeds: Vec<Feed>, now: DateTime<Utc>) -> Result<Revived, LedgerError> {
        let wanted = Arc::new(feeds.into_iter().collect::<HashSet<_>>());
        let (mut revived, mut found, mut after) = (Revived::default(), BTreeSet::new(), None);
        loop {
            let (held, wanted) = (self.held(), Arc::clone(&wanted));
            let some = move |tx: &WriteTransaction| revive_some(tx, &wanted, after.as_deref(), now);
            let rewind = move |some: &RevivedSome| some.feeds.iter().for_each(|feed| held.rewind(*feed));
            let some = self.writer.write_then(Rank::Bulk(SWEEP), some, rewind).await?;
            revived.revived += some.revived;
            revived.expired += some.expired;
            found.extend(some.feeds);
            after = some.last;
            if after.is_none() {
                revived.feeds = found.into_iter().collect();
                return Ok(revived);
            }
        }
    }

    async fn promote(&self, now: DateTime<Utc>) -> Result<Promoted, LedgerError> {
        let next_due = move |tx: &ReadTransaction| next_due(tx, now);
        let mut promoted = Promoted { next_due: self.read(next_due).await?, ..Promoted::default() };
        while promoted.next_due.is_some_and(|due| due <= now) {
            let held = self.held();
            let rewind = move |feeds: &HashSet<Feed>| feeds.iter().for_each(|feed| held.rewind(*feed));
            let some = move |tx: &WriteTransaction| promote_some(tx, now);
            let feeds = self.writer.write_then(Rank::Bulk(SWEEP), some, rewind).await?;
            for feed in feeds {
                if !promoted.feeds.contains(&feed) {
                    promoted.feeds.push(feed);
                }
            }
            promoted.next_due = self.read(next_due).await?;
        }
        Ok(promoted)
    }
}

impl RedbLedger {
    /// Marks a blob done, notes the last of its events as delivered and counts them, and does what belongs into the same
    /// transaction. Returns whether the blob is done.
    pub(super) async fn complete_and(
        &self,
        key: BlobKey,
        delivery: DeliveredBatch,
        now: DateTime<Utc>,
        also: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error> + Send + 'static,
    ) -> Result<bool, LedgerError> {
        let (mut chunks, counts) = (chunks(delivery.events, MOST_EVENTS), by_day(&delivery.counts));
        let events = chunks.pop().unwrap_or_default();
        for some in chunks {
            self.note(some, counts::Counts::new(), day(now)).await?;
        }
        let events: Arc<[EventKey]> = events.into();
        let rank = Rank::Bulk(rows_of(&events) + counts.len() + ROWS_OF_A_BLOB);
        let (announced, held, blob) = (self.held.announced_uri(&key), self.held(), key.clone());
        let (recent, noted, those) = (self.recent(), self.recent(), Arc::clone(&events));
        let complete = move |tx: &WriteTransaction| {
            counts::add(tx, &counts)?;
            also(tx)?;
            let batch = remember(tx, &recent, &those, day(now))?;
            let mut done = true;
            change(tx, &blob, |row| done = row.complete(now, announced.as_deref()))?;
            Ok((batch, done))
        };
        let then = move |(batch, done): &(u64, bool)| {
            noted.add(day(now), *batch, &events);
            if *done { held.let_go(&key) } else { held.put_back(&key) }
        };
        let (_, done) = self.writer.write_then(rank, complete, then).await?;
        self.move_if_many().await?;
        Ok(done)
    }

    /// Changes the row of a held blob that leaves its queue with that.
    async fn change_held(
        &self,
        key: BlobKey,
        with: impl FnOnce(&mut row::Row) + Send + 'static,
    ) -> Result<(), LedgerError> {
        let (held, blob) = (self.held(), key.clone());
        let change = move |tx: &WriteTransaction| change(tx, &blob, with);
        self.writer.write_then(Rank::Bulk(ROWS_OF_A_BLOB), change, move |()| held.let_go(&key)).await
    }
}

/// The first entry of a feed's queue that is not held, with its key.
fn next(
    tx: &ReadTransaction,
    feed: Feed,
    queue: Queue,
    start: &Start,
    held: &Arc<Held>,
) -> Result<Option<(Claim, Vec<u8>)>, redb::Error> {
    let prefix = keys::feed(feed);
    let end = keys::after_feed(&prefix);
    let begin = match &start.after {
        Some(after) => Bound::Excluded(after.as_slice()),
        None => Bound::Included(prefix.as_slice()),
    };
    for entry in tx.open_table(queue.index())?.range::<&[u8]>((begin, Bound::Excluded(end.as_slice())))? {
        let (at, _) = entry?;
        let (key, _) = parsed(keys::parse_in_feed_order(at.value()))?;
        if !held.contains(&key) {
            let row = existing(row_of(&tx.open_table(BLOBS)?, &key)?)?;
            return Ok(Some((parsed(row.claim(key))?, at.value().to_vec())));
        }
    }
    Ok(None)
}

/// Removes a row that no listing has named; returns whether it is gone.
fn forget_announced(tx: &WriteTransaction, key: &BlobKey) -> Result<bool, redb::Error> {
    let known = row_of(&tx.open_table(BLOBS)?, key)?;
    let Some(row) = known else { return Ok(true) };
    if row.announced {
        remove(tx, key, &row)?;
    }
    Ok(row.announced)
}

/// Whether a blob that is deferred until `until` is due. None waits for longer than [`LONGEST_WAIT`]: the clock was wrong then.
#[cfg(feature = "nats")]
pub(super) fn is_due(until: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    until <= now || until > now + LONGEST_WAIT
}

/// When the next deferred blob is due.
fn next_due(tx: &ReadTransaction, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, redb::Error> {
    let deferred = tx.open_table(DEFERRED)?;
    let time = |entry: Option<(AccessGuard<'_, Bytes>, AccessGuard<'_, ()>)>| {
        entry.map(|(key, _)| Ok::<_, redb::Error>(parsed(keys::parse_in_time_order(key.value()))?.1)).transpose()
    };
    let last = time(deferred.last()?)?;
    // No blob waits that long: the clock was wrong when it was deferred.
    if last.is_some_and(|last| last > now + LONGEST_WAIT) { Ok(Some(now)) } else { time(deferred.first()?) }
}

/// Moves up to [`SWEEP`] due blobs back into their queues and returns their feeds.
fn promote_some(tx: &WriteTransaction, now: DateTime<Utc>) -> Result<HashSet<Feed>, redb::Error> {
    let deferred = tx.open_table(DEFERRED)?;
    let mut due = first_until(&deferred, now)?;
    for entry in deferred.iter()?.rev().take(SWEEP) {
        let entry = parsed(keys::parse_in_time_order(entry?.0.value()))?;
        if entry.1 <= now + LONGEST_WAIT {
            break;
        }
        due.push(entry);
    }
    drop(deferred);
    let mut feeds = HashSet::new();
    for (key, _) in due {
        feeds.insert(key.feed);
        change(tx, &key, row::Row::promote)?;
    }
    Ok(feeds)
}

/// What one transaction of a revival came to.
struct RevivedSome {
    revived: u64,
    expired: u64,
    feeds: HashSet<Feed>,
    /// The last entry that was looked at, if there may be more after it.
    last: Option<Vec<u8>>,
}

/// Looks at up to [`SWEEP`] dead blobs.
fn revive_some(
    tx: &WriteTransaction,
    wanted: &HashSet<Feed>,
    after: Option<&[u8]>,
    now: DateTime<Utc>,
) -> Result<RevivedSome, redb::Error> {
    let mut some = RevivedSome { revived: 0, expired: 0, feeds: HashSet::new(), last: None };
    let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
    let (mut dead, mut looked_at) = (Vec::new(), 0);
    for entry in tx.open_table(DEAD)?.range::<&[u8]>((begin, Bound::Unbounded))?.take(SWEEP) {
        let (at, _) = entry?;
        let (key, _) = parsed(keys::parse_in_time_order(at.value()))?;
        looked_at += 1;
        some.last = Some(at.value().to_vec());
        if wanted.contains(&key.feed) {
            dead.push(key);
        }
    }
    if looked_at < SWEEP {
        some.last = None;
    }
    for key in dead {
        let mut revives = false;
        change(tx, &key, |row| revives = row.revive(now))?;
        if revives {
            some.revived += 1;
            some.feeds.insert(key.feed);
        } else {
            some.expired += 1;
        }
    }
    Ok(some)
}
