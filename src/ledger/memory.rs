//! A ledger in memory: the contract at its plainest, for tests. It shows that [`contract`](super::contract) asks for nothing
//! that only a file can give.

mod coverage;
mod transfer;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use secrecy::SecretString;

use super::{
    Announced, AuditDay, BlobKey, Claim, ContentIntake, ContentQueue, Counts, Cursor, CursorMove, DayRecord, DeadBlob,
    DeliveredBatch, DeliveredCounts, DeliveredEvents, EventKey, FeedSummary, IdRetention, LedgerError, Promoted,
    Pruned, Revived, SubscriptionStore, TenantRecord, TenantStore, Upkeep, Wanted,
    counting::{CountKey, by_day},
    row::{BlobState, Row},
    subscriptions::MOST_ADDRESSES,
    upkeep::{COVERAGE, EXPIRED},
};
use crate::content::{ContentRef, Feed, TenantId};

/// What outlives a crash.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    blobs: BTreeMap<BlobKey, Row>,
    cursors: HashMap<Feed, Cursor>,
    events: HashMap<EventKey, DateTime<Utc>>,
    attempts: HashMap<Feed, DateTime<Utc>>,
    webhooks: HashMap<Feed, Vec<String>>,
    auth_id: Option<SecretString>,
    tenants: BTreeMap<TenantId, TenantRecord>,
    days: BTreeMap<AuditDay, DayRecord>,
    counts: BTreeMap<CountKey, DeliveredCounts>,
    queries: BTreeMap<TenantId, Vec<DateTime<Utc>>>,
    forgotten_before: Option<NaiveDate>,
}

#[derive(Debug)]
pub(crate) struct MemoryLedger {
    stored: Arc<Mutex<Stored>>,
    held: Mutex<HashMap<BlobKey, Option<String>>>,
    retention: IdRetention,
}

impl Default for MemoryLedger {
    fn default() -> Self {
        Self::open(Arc::default(), TimeDelta::days(7))
    }
}

impl MemoryLedger {
    pub fn open(stored: Arc<Mutex<Stored>>, retention: impl Into<IdRetention>) -> Self {
        Self { stored, held: Mutex::default(), retention: retention.into() }
    }

    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<BlobKey, Option<String>>> {
        self.held.lock().unwrap()
    }

    fn change(&self, key: &BlobKey, with: impl FnOnce(&mut Row)) {
        if let Some(row) = self.stored().blobs.get_mut(key) {
            with(row);
        }
    }
}

#[async_trait]
impl ContentIntake for MemoryLedger {
    async fn record(
        &self,
        feed: Feed,
        refs: Vec<ContentRef>,
        cursor: Option<CursorMove>,
        now: DateTime<Utc>,
    ) -> Result<usize, LedgerError> {
        let mut stored = self.stored();
        let mut added = 0;
        for content in &refs {
            let key = BlobKey::from(content);
            match stored.blobs.get_mut(&key) {
                Some(row) if row.is_news(&content.content_uri) => added += usize::from(row.confirm(content)),
                Some(_) => {}
                None => {
                    stored.blobs.insert(key, Row::listed(content, now));
                    added += 1;
                }
            }
        }
        if let Some(step) = cursor {
            let cursor = stored.cursors.entry(feed).or_default();
            *cursor = cursor.moved(step);
        }
        Ok(added)
    }

    async fn announce(
        &self,
        feed: Feed,
        refs: Vec<ContentRef>,
        most: usize,
        now: DateTime<Utc>,
    ) -> Result<Announced, LedgerError> {
        let mut stored = self.stored();
        let mut announced = Announced::default();
        for content in &refs {
            let key = BlobKey::from(content);
            let waiting =
                stored.blobs.iter().filter(|(key, row)| key.feed == feed && row.announced && row.is_pending());
            let has_room = waiting.count() < most;
            if stored.blobs.contains_key(&key) {
                continue;
            }
            if has_room {
                stored.blobs.insert(key, Row::announced(content, now));
                announced.added += 1;
            } else {
                announced.postponed += 1;
            }
        }
        Ok(announced)
    }

    async fn unknown(&self, mut refs: Vec<ContentRef>) -> Result<Vec<ContentRef>, LedgerError> {
        let stored = self.stored();
        refs.retain(|content| {
            stored.blobs.get(&BlobKey::from(content)).is_none_or(|row| row.is_news(&content.content_uri))
        });
        Ok(refs)
    }

    async fn cursor(&self, feed: Feed) -> Result<Cursor, LedgerError> {
        Ok(self.stored().cursors.get(&feed).copied().unwrap_or_default())
    }

    async fn cursors(&self) -> Result<Vec<(Feed, Cursor)>, LedgerError> {
        let cursors: BTreeMap<_, _> = self.stored().cursors.iter().map(|(feed, cursor)| (*feed, *cursor)).collect();
        Ok(cursors.into_iter().collect())
    }
}

#[async_trait]
impl ContentQueue for MemoryLedger {
    async fn claim(&self, feed: Feed, wanted: Wanted) -> Result<Option<Claim>, LedgerError> {
        let (stored, mut held) = (self.stored(), self.held());
        let claimable = |(key, row): &(&BlobKey, &Row)| {
            key.feed == feed
                && matches!(row.state, BlobState::Pending { not_before: None, .. })
                && (wanted == Wanted::Any || !row.announced)
                && !held.contains_key(*key)
        };
        let oldest = stored.blobs.iter().filter(claimable).min_by_key(|(_, row)| (row.announced, row.created));
        let claim = oldest.and_then(|(key, row)| row.clone().claim(key.clone()));
        if let Some(claim) = &claim {
            held.insert(BlobKey::from(&claim.content), claim.announced.then(|| claim.content.content_uri.clone()));
        }
        Ok(claim)
    }

    fn release(&self, key: &BlobKey) {
        self.held().remove(key);
    }

    async fn complete(&self, key: BlobKey, delivery: DeliveredBatch, now: DateTime<Utc>) -> Result<bool, LedgerError> {
        let announced = self.held().remove(&key).flatten();
        let mut done = true;
        self.change(&key, |row| done = row.complete(now, announced.as_deref()));
        self.deliver(key.feed.tenant, delivery, now).await?;
        Ok(done)
    }

    async fn defer(&self, key: BlobKey, not_before: DateTime<Utc>, counts: Counts) -> Result<(), LedgerError> {
        self.change(&key, |row| row.defer(not_before, counts));
        self.release(&key);
        Ok(())
    }

    async fn dead_letter(&self, key: BlobKey, reason: String, now: DateTime<Utc>) -> Result<(), LedgerError> {
        self.change(&key, |row| row.give_up(now, reason));
        self.release(&key);
        Ok(())
    }

    async fn forget_announced(&self, key: BlobKey) -> Result<bool, LedgerError> {
        let mut stored = self.stored();
        let forgotten = stored.blobs.get(&key).is_none_or(|row| row.announced);
        if forgotten {
            stored.blobs.remove(&key);
            self.release(&key);
        }
        Ok(forgotten)
    }

    async fn revive(&self, feeds: Vec<Feed>, now: DateTime<Utc>) -> Result<Revived, LedgerError> {
        let mut revived = Revived::default();
        for (key, row) in &mut self.stored().blobs {
            if !feeds.contains(&key.feed) || !matches!(row.state, BlobState::Dead { .. }) {
                continue;
            }
            if !row.revive(now) {
                revived.expired += 1;
                continue;
            }
            revived.revived += 1;
            if revived.feeds.last() != Some(&key.feed) {
                revived.feeds.push(key.feed);
            }
        }
        Ok(revived)
    }

    async fn promote(&self, now: DateTime<Utc>) -> Result<Promoted, LedgerError> {
        let mut promoted = Promoted::default();
        for (key, row) in &mut self.stored().blobs {
            let BlobState::Pending { not_before: Some(time), .. } = row.state else { continue };
            if time <= now || time > now + TimeDelta::hours(1) {
                row.promote();
                if !promoted.feeds.contains(&key.feed) {
                    promoted.feeds.push(key.feed);
                }
            } else {
                promoted.next_due = Some(promoted.next_due.map_or(time, |due| due.min(time)));
            }
        }
        Ok(promoted)
    }
}

#[async_trait]
impl DeliveredEvents for MemoryLedger {
    async fn delivered(&self, events: Vec<EventKey>) -> Result<Vec<bool>, LedgerError> {
        let stored = self.stored();
        Ok(events.iter().map(|event| stored.events.contains_key(event)).collect())
    }

    async fn deliver(&self, _: TenantId, delivery: DeliveredBatch, now: DateTime<Utc>) -> Result<(), LedgerError> {
        let mut stored = self.stored();
        stored.events.extend(delivery.events.into_iter().map(|event| (event, now)));
        for (key, more) in by_day(&delivery.counts) {
            let counts = stored.counts.entry(key).or_default();
            *counts = counts.and(more);
        }
        Ok(())
    }
}

#[async_trait]
impl SubscriptionStore for MemoryLedger {
    async fn subscription_attempt(&self, feed: Feed) -> Result<Option<DateTime<Utc>>, LedgerError> {
        Ok(self.stored().attempts.get(&feed).copied())
    }

    async fn note_subscription_attempt(&self, feed: Feed, at: DateTime<Utc>) -> Result<(), LedgerError> {
        self.stored().attempts.insert(feed, at);
        Ok(())
    }

    async fn webhooks(&self, feed: Feed) -> Result<Vec<String>, LedgerError> {
        Ok(self.stored().webhooks.get(&feed).cloned().unwrap_or_default())
    }

    async fn note_webhook(&self, feed: Feed, address: String) -> Result<(), LedgerError> {
        let mut stored = self.stored();
        let addresses = stored.webhooks.entry(feed).or_default();
        addresses.retain(|known| *known != address);
        addresses.push(address);
        addresses.drain(..addresses.len().saturating_sub(MOST_ADDRESSES));
        Ok(())
    }

    async fn forget_webhooks(&self, feed: Feed) -> Result<(), LedgerError> {
        self.stored().webhooks.remove(&feed);
        Ok(())
    }

    async fn auth_id(&self, fresh: SecretString) -> Result<SecretString, LedgerError> {
        Ok(self.stored().auth_id.get_or_insert(fresh).clone())
    }
}

#[async_trait]
impl TenantStore for MemoryLedger {
    async fn tenants(&self) -> Result<Vec<TenantRecord>, LedgerError> {
        Ok(self.stored().tenants.values().cloned().collect())
    }

    async fn put_tenant(&self, record: TenantRecord) -> Result<(), LedgerError> {
        self.stored().tenants.insert(record.id, record);
        Ok(())
    }

    async fn forget_tenant(&self, tenant: TenantId) -> Result<u64, LedgerError> {
        let mut stored = self.stored();
        stored.tenants.remove(&tenant);
        stored.cursors.retain(|feed, _| feed.tenant != tenant);
        stored.webhooks.retain(|feed, _| feed.tenant != tenant);
        stored.days.retain(|of, _| of.tenant != tenant);
        stored.counts.retain(|(of, _), _| of.tenant != tenant);
        stored.queries.remove(&tenant);
        let mut pending = 0;
        stored.blobs.retain(|key, row| {
            let forget = key.feed.tenant == tenant;
            pending += u64::from(forget && row.is_pending());
            !forget
        });
        Ok(pending)
    }
}

#[async_trait]
impl Upkeep for MemoryLedger {
    async fn prune(&self, now: DateTime<Utc>) -> Result<Pruned, LedgerError> {
        let oldest_ids = self.retention.oldest_kept(self, now).await?;
        let held: HashSet<BlobKey> = self.held().keys().cloned().collect();
        let mut stored = self.stored();
        let mut pruned = Pruned::default();
        stored.blobs.retain(|key, row| {
            if held.contains(key) || row.keep_until() > now {
                return true;
            }
            if row.is_pending() {
                let dead = DeadBlob { key: key.clone(), created: row.created, since: now, reason: EXPIRED.to_owned() };
                pruned.expired.push(dead);
                row.state = BlobState::Dead { at: now, reason: EXPIRED.to_owned() };
                return true;
            }
            pruned.forgotten += 1;
            false
        });
        let oldest_kept = oldest_ids;
        let forgotten = stored.events.extract_if(|_, at| at.date_naive() < oldest_kept);
        let last = forgotten.map(|(_, at)| at.date_naive()).max();
        stored.forgotten_before = stored.forgotten_before.max(last.and_then(|last| last.succ_opt()));
        let oldest_kept = (now - COVERAGE).date_naive();
        stored.days.retain(|of, record| of.day >= oldest_kept || record.is_open());
        stored.counts.retain(|(of, _), _| of.day >= oldest_kept);
        Ok(pruned)
    }

    fn size(&self) -> Option<u64> {
        None
    }

    async fn summary(&self) -> Result<Vec<(Feed, FeedSummary)>, LedgerError> {
        let mut feeds = BTreeMap::<Feed, FeedSummary>::new();
        for (key, row) in &self.stored().blobs {
            match row.state {
                BlobState::Pending { .. } => {
                    let feed = feeds.entry(key.feed).or_default();
                    feed.pending += 1;
                    feed.oldest_pending = [feed.oldest_pending, Some(row.created)].into_iter().flatten().min();
                }
                BlobState::Dead { .. } => feeds.entry(key.feed).or_default().dead += 1,
                BlobState::Done { .. } => {}
            }
        }
        Ok(feeds.into_iter().collect())
    }
}

contract_tests!(Memory);

/// Where ledgers of a test are opened.
#[derive(Default)]
struct Memory(Arc<Mutex<Stored>>);

impl super::contract::Storage for Memory {
    type Ledger = MemoryLedger;

    async fn open(&self) -> MemoryLedger {
        MemoryLedger::open(Arc::clone(&self.0), super::contract::DEDUPE_WINDOW)
    }
}
