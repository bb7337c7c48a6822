//! The embedded ledger: one redb file.
//!
//! Tables, all with the keys of [`keys`](super::keys):
//!
//! | table | key | value |
//! |---|---|---|
//! | `blobs` | feed, content id | [`Row`] as JSON |
//! | `ready` | feed, created, content id | nothing: blobs that can be claimed |
//! | `announced` | feed, created, content id | nothing: as `ready`, of blobs that no listing has named yet |
//! | `announced_owed` | feed | how many pending blobs of the feed no listing has named yet |
//! | `deferred` | time, feed, content id | nothing: pending blobs that wait for a retry |
//! | `expiry` | time, feed, content id | nothing: when a row may be forgotten |
//! | `dead` | time, feed, content id | nothing: blobs given up |
//! | `cursors` | feed | [`Cursor`] as JSON |
//! | `subscriptions` | feed | time of the last attempt to start it |
//! | `webhooks` | feed | addresses of webhooks that were set or tried, one a line |
//! | `tenants` | tenant | [`TenantRecord`] as JSON |
//! | `secrets` | name | what this source made up for itself: the AuthID of its webhooks |
//! | `events_<day>` | event key | nothing: events delivered on that day |
//!
//! Event ids lie in one table a day, so that forgetting a day is dropping a table.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    fs, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use redb::{
    AccessGuard, Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError, TableHandle,
    WriteTransaction,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use tracing::{Span, info};

use super::{
    Announced, BlobKey, Claim, Counts, Cursor, CursorMove, DeadBlob, EventKey, FeedSummary, Ledger, LedgerError,
    Promoted, Pruned, Retry, TenantRecord, Wanted,
    file::LedgerFile,
    keys,
    row::{BlobState, Row},
    tenants,
    writer::{self, Rank, Writer},
};
use crate::{
    content::{ContentRef, Feed, TenantId},
    expected_panic::expecting,
};

pub(super) type Bytes = &'static [u8];

const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const BLOBS: TableDefinition<Bytes, Bytes> = TableDefinition::new("blobs");
const READY: TableDefinition<Bytes, ()> = TableDefinition::new("ready");
const ANNOUNCED: TableDefinition<Bytes, ()> = TableDefinition::new("announced");
const ANNOUNCED_PENDING: TableDefinition<Bytes, u64> = TableDefinition::new("announced_owed");
const DEFERRED: TableDefinition<Bytes, ()> = TableDefinition::new("deferred");
const EXPIRY: TableDefinition<Bytes, ()> = TableDefinition::new("expiry");
const DEAD: TableDefinition<Bytes, ()> = TableDefinition::new("dead");
pub(super) const CURSORS: TableDefinition<Bytes, Bytes> = TableDefinition::new("cursors");
const SUBSCRIPTIONS: TableDefinition<Bytes, i64> = TableDefinition::new("subscriptions");
const SECRETS: TableDefinition<&str, &str> = TableDefinition::new("secrets");
type EventTable<'a> = TableDefinition<'a, [u8; 16], ()>;

/// Since 2, what only notifications told of is listed apart; an older version would never fetch it.
const FORMAT: u64 = 2;
const OLDEST_FORMAT: u64 = 1;
const FILE: &str = "ledger.redb";

/// In the table `secrets`.
const AUTH_ID: &str = "auth_id";

/// How much of the file redb may keep in memory.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// How long an open waits for another holder to let go.
const REOPEN_ATTEMPTS: u32 = 10;
const REOPEN_PAUSE: Duration = Duration::from_millis(100);

/// Blobs are put back for a quarter of an hour at most.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(1);

/// How many rows one transaction of [`Ledger::prune`] or [`Ledger::promote`] changes, so that writers need not wait long.
const SWEEP: usize = 500;

/// How many event ids one transaction notes for one caller.
const MOST_EVENTS: usize = 2_000;

/// What a change of a blob's row counts for: the row, and its place in three indexes.
const ROWS_OF_A_BLOB: usize = 4;

/// A [`Ledger`] in one file of the data directory.
#[derive(Debug)]
pub struct RedbLedger {
    database: Arc<Database>,
    writer: Writer,
    file: Arc<LedgerFile>,
    /// What is in somebody's hands; with its URI where only a notification told of it.
    claimed: Arc<Mutex<HashMap<BlobKey, Option<String>>>>,
    dedupe_window: TimeDelta,
}

impl RedbLedger {
    /// Opens the ledger in `directory`, or starts one there. Events are recognised as delivered for `dedupe_window` after
    /// they were (up to a day longer).
    ///
    /// # Errors
    ///
    /// When another process has it, when it is damaged (it is left as it is), or when the directory cannot be written.
    pub async fn open(directory: &Path, dedupe_window: TimeDelta) -> Result<Self, LedgerError> {
        let path = directory.join(FILE);
        let mut attempt = 0;
        let (database, file) = loop {
            let file = LedgerFile::look(&path);
            let (path, span) = (path.clone(), Span::current());
            let opened =
                tokio::task::spawn_blocking(move || span.in_scope(|| expecting(|| open_or_create(&path)))).await;
            match opened.unwrap_or_else(|join| Err(writer::from_panic(&file, join))) {
                // The source that had it in this very process may just be letting go of it, when a pipeline reloads.
                Err(LedgerError::InUse { .. }) if attempt < REOPEN_ATTEMPTS => {
                    attempt += 1;
                    tokio::time::sleep(REOPEN_PAUSE).await;
                }
                opened => break (opened.map_err(|error| file.with_changes(error))?, file.opened()?),
            }
        };
        let (database, file) = (Arc::new(database), Arc::new(file));
        let writer = Writer::start(Arc::clone(&database), Arc::clone(&file));
        Ok(Self { database, writer, file, claimed: Arc::default(), dedupe_window })
    }

    /// Whether there is a ledger in `directory`, for whoever must not start one.
    pub fn exists(directory: &Path) -> bool {
        directory.join(FILE).exists()
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let database = Arc::clone(&self.database);
        let read = tokio::task::spawn_blocking(move || expecting(|| work(&database.begin_read()?)));
        match read.await {
            Ok(result) => result.map_err(|error| self.writer.failed(self.file.failure(error))),
            Err(join) => Err(self.writer.failed(writer::from_panic(&self.file, join))),
        }
    }

    fn claims(&self) -> std::sync::MutexGuard<'_, HashMap<BlobKey, Option<String>>> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn oldest_kept_day(&self, now: DateTime<Utc>) -> i64 {
        day(now - self.dedupe_window)
    }
}

#[async_trait]
impl Ledger for RedbLedger {
    async fn record(
        &self,
        feed: Feed,
        refs: Vec<ContentRef>,
        cursor: Option<CursorMove>,
        now: DateTime<Utc>,
    ) -> Result<usize, LedgerError> {
        self.writer
            .write(Rank::Urgent, move |tx| {
                let mut added = 0;
                for content in &refs {
                    added += usize::from(insert_or_confirm(tx, content, now)?);
                }
                if let Some(step) = cursor {
                    move_cursor(tx, feed, step)?;
                }
                Ok(added)
            })
            .await
    }

    async fn announce(
        &self,
        feed: Feed,
        refs: Vec<ContentRef>,
        most: usize,
        now: DateTime<Utc>,
    ) -> Result<Announced, LedgerError> {
        self.writer
            .write(Rank::Urgent, move |tx| {
                let pending = tx
                    .open_table(ANNOUNCED_PENDING)?
                    .get(keys::feed(feed).as_slice())?
                    .map_or(0, |pending| pending.value());
                let mut room = most.saturating_sub(usize::try_from(pending).unwrap_or(usize::MAX));
                let mut announced = Announced::default();
                for content in &refs {
                    let key = BlobKey::from(content);
                    if row_of(&tx.open_table(BLOBS)?, &key)?.is_some() {
                        continue;
                    }
                    if room == 0 {
                        announced.postponed += 1;
                        continue;
                    }
                    insert(tx, &key, &Row::announced(content, now))?;
                    announced.added += 1;
                    room -= 1;
                }
                Ok(announced)
            })
            .await
    }

    async fn unknown(&self, refs: Vec<ContentRef>) -> Result<Vec<ContentRef>, LedgerError> {
        self.read(move |tx| {
            let blobs = tx.open_table(BLOBS)?;
            let mut unknown = Vec::new();
            for content in refs {
                let row = row_of(&blobs, &BlobKey::from(&content))?;
                if row.is_none_or(|row| row.is_news(&content.content_uri)) {
                    unknown.push(content);
                }
            }
            Ok(unknown)
        })
        .await
    }

    async fn cursor(&self, feed: Feed) -> Result<Cursor, LedgerError> {
        self.read(move |tx| {
            let cursors = tx.open_table(CURSORS)?;
            cursors.get(keys::feed(feed).as_slice())?.map_or(Ok(Cursor::default()), |value| decode(value.value()))
        })
        .await
    }

    async fn claim(&self, feed: Feed, limit: usize, wanted: Wanted) -> Result<Vec<Claim>, LedgerError> {
        let held: HashSet<BlobKey> = self.claims().keys().cloned().collect();
        let queues = match wanted {
            Wanted::Listed => &[READY][..],
            Wanted::Any => &[READY, ANNOUNCED],
        };
        let found = self
            .read(move |tx| {
                let blobs = tx.open_table(BLOBS)?;
                let prefix = keys::feed(feed);
                let mut claims = Vec::new();
                for queue in queues {
                    let queue = tx.open_table(*queue)?;
                    for entry in queue.range(prefix.as_slice()..keys::after_feed(&prefix).as_slice())? {
                        if claims.len() == limit {
                            return Ok(claims);
                        }
                        let (key, _) = parsed(keys::parse_in_feed_order(entry?.0.value()))?;
                        if held.contains(&key) {
                            continue;
                        }
                        let row = row_of(&blobs, &key)?.ok_or_else(dangling)?;
                        claims.push(parsed(row.claim(key))?);
                    }
                }
                Ok(claims)
            })
            .await?;
        // Another claim may have come in between; whoever inserts first has the blob.
        let mut claimed = self.claims();
        let mut claims = Vec::with_capacity(found.len());
        for claim in found {
            if let Entry::Vacant(free) = claimed.entry(BlobKey::from(&claim.content)) {
                free.insert(claim.announced.then(|| claim.content.content_uri.clone()));
                claims.push(claim);
            }
        }
        Ok(claims)
    }

    fn release(&self, key: &BlobKey) {
        self.claims().remove(key);
    }

    async fn delivered(&self, events: Vec<EventKey>) -> Result<Vec<bool>, LedgerError> {
        self.read(move |tx| {
            let mut delivered = vec![false; events.len()];
            for name in event_tables(tx.list_tables()?) {
                let table = tx.open_table(EventTable::new(&name))?;
                for (event, known) in events.iter().zip(&mut delivered) {
                    if !*known {
                        *known = table.get(event.0)?.is_some();
                    }
                }
            }
            Ok(delivered)
        })
        .await
    }

    async fn deliver(&self, events: Vec<EventKey>, now: DateTime<Utc>) -> Result<(), LedgerError> {
        for some in chunks(events, MOST_EVENTS).into_iter().filter(|some| !some.is_empty()) {
            self.writer.write(Rank::Bulk(some.len()), move |tx| remember(tx, &some, now)).await?;
        }
        Ok(())
    }

    async fn complete(&self, key: BlobKey, events: Vec<EventKey>, now: DateTime<Utc>) -> Result<bool, LedgerError> {
        let blob = key.clone();
        let mut chunks = chunks(events, MOST_EVENTS);
        let events = chunks.pop().unwrap_or_default();
        for some in chunks {
            self.writer.write(Rank::Bulk(some.len()), move |tx| remember(tx, &some, now)).await?;
        }
        let announced = self.claims().get(&key).cloned().flatten();
        let done = self
            .writer
            .write(Rank::Bulk(events.len() + ROWS_OF_A_BLOB), move |tx| {
                remember(tx, &events, now)?;
                let mut done = true;
                change(tx, &blob, |row| done = row.complete(now, announced.as_deref()))?;
                Ok(done)
            })
            .await?;
        self.release(&key);
        Ok(done)
    }

    async fn fail(&self, key: BlobKey, retry: Retry) -> Result<(), LedgerError> {
        let blob = key.clone();
        self.writer
            .write(Rank::Bulk(ROWS_OF_A_BLOB), move |tx| {
                change(tx, &blob, |row| {
                    if let BlobState::Pending { attempts, rejections, not_before, last_error } = &mut row.state {
                        match retry.counts {
                            Counts::Nothing => {}
                            Counts::Attempt => *attempts = attempts.saturating_add(1),
                            Counts::Rejection => *rejections = rejections.saturating_add(1),
                        }
                        *not_before = Some(retry.not_before);
                        *last_error = Some(retry.reason);
                    }
                })
            })
            .await?;
        self.release(&key);
        Ok(())
    }

    async fn dead_letter(&self, key: BlobKey, reason: String, now: DateTime<Utc>) -> Result<(), LedgerError> {
        let blob = key.clone();
        let dead = move |row: &mut Row| row.state = BlobState::Dead { at: now, reason };
        self.writer.write(Rank::Bulk(ROWS_OF_A_BLOB), move |tx| change(tx, &blob, dead)).await?;
        self.release(&key);
        Ok(())
    }

    async fn forget_announced(&self, key: BlobKey) -> Result<bool, LedgerError> {
        let blob = key.clone();
        let forgotten = self.writer.write(Rank::Bulk(ROWS_OF_A_BLOB), move |tx| forget_announced(tx, &blob)).await?;
        if forgotten {
            self.release(&key);
        }
        Ok(forgotten)
    }

    async fn promote(&self, now: DateTime<Utc>) -> Result<Promoted, LedgerError> {
        let next = move |tx: &ReadTransaction| -> Result<Option<DateTime<Utc>>, redb::Error> {
            let deferred = tx.open_table(DEFERRED)?;
            let time = |key: Option<(AccessGuard<'_, Bytes>, _)>| -> Result<Option<DateTime<Utc>>, redb::Error> {
                key.map(|(key, _): (_, AccessGuard<'_, ()>)| Ok(parsed(keys::parse_in_time_order(key.value()))?.1))
                    .transpose()
            };
            let last = time(deferred.last()?)?;
            // No blob waits that long: the clock was wrong when it was put back.
            if last.is_some_and(|last| last > now + LONGEST_WAIT) { Ok(Some(now)) } else { time(deferred.first()?) }
        };
        let mut promoted = Promoted { next_due: self.read(next).await?, ..Promoted::default() };
        while promoted.next_due.is_some_and(|due| due <= now) {
            let feeds = self.writer.write(Rank::Bulk(SWEEP), move |tx| promote_some(tx, now)).await?;
            for feed in feeds {
                if !promoted.feeds.contains(&feed) {
                    promoted.feeds.push(feed);
                }
            }
            promoted.next_due = self.read(next).await?;
        }
        Ok(promoted)
    }

    async fn subscription_attempt(&self, feed: Feed) -> Result<Option<DateTime<Utc>>, LedgerError> {
        self.read(move |tx| {
            let attempts = tx.open_table(SUBSCRIPTIONS)?;
            let at = attempts.get(keys::feed(feed).as_slice())?;
            Ok(at.and_then(|at| DateTime::from_timestamp_millis(at.value())))
        })
        .await
    }

    async fn note_subscription_attempt(&self, feed: Feed, at: DateTime<Utc>) -> Result<(), LedgerError> {
        self.writer
            .write(Rank::Urgent, move |tx| {
                tx.open_table(SUBSCRIPTIONS)?.insert(keys::feed(feed).as_slice(), at.timestamp_millis())?;
                Ok(())
            })
            .await
    }

    async fn webhooks(&self, feed: Feed) -> Result<Vec<String>, LedgerError> {
        self.read(move |tx| tenants::webhooks(tx, feed)).await
    }

    async fn note_webhook(&self, feed: Feed, address: String) -> Result<(), LedgerError> {
        self.writer.write(Rank::Urgent, move |tx| tenants::note_webhook(tx, feed, &address)).await
    }

    async fn forget_webhooks(&self, feed: Feed) -> Result<(), LedgerError> {
        self.writer.write(Rank::Urgent, move |tx| tenants::forget_webhooks(tx, feed)).await
    }

    async fn auth_id(&self, fresh: SecretString) -> Result<SecretString, LedgerError> {
        self.writer
            .write(Rank::Urgent, move |tx| {
                let mut secrets = tx.open_table(SECRETS)?;
                let known = secrets.get(AUTH_ID)?.map(|known| SecretString::from(known.value()));
                if let Some(known) = known {
                    return Ok(known);
                }
                secrets.insert(AUTH_ID, fresh.expose_secret())?;
                Ok(fresh)
            })
            .await
    }

    async fn tenants(&self) -> Result<Vec<TenantRecord>, LedgerError> {
        self.read(tenants::all).await
    }

    async fn put_tenant(&self, record: TenantRecord) -> Result<(), LedgerError> {
        self.writer.write(Rank::Urgent, move |tx| tenants::put(tx, &record)).await
    }

    async fn forget_tenant(&self, tenant: TenantId) -> Result<u64, LedgerError> {
        // The record goes first: after a crash in between, what is left of the content is forgotten when it expires.
        self.writer.write(Rank::Urgent, move |tx| tenants::forget_record(tx, tenant)).await?;
        let mut pending = 0;
        loop {
            let (removed, of_them_pending) =
                self.writer.write(Rank::Bulk(SWEEP), move |tx| forget_some(tx, tenant)).await?;
            pending += of_them_pending;
            if removed < SWEEP {
                return Ok(pending);
            }
        }
    }

    async fn prune(&self, now: DateTime<Utc>) -> Result<Pruned, LedgerError> {
        let oldest_day = self.oldest_kept_day(now);
        self.writer.write(Rank::Bulk(SWEEP), move |tx| forget_event_days(tx, oldest_day)).await?;
        let mut pruned = Pruned::default();
        loop {
            let claimed = Arc::clone(&self.claimed);
            // Looked up within the transaction: a blob may be claimed while this waits for its turn.
            let held = move |key: &BlobKey| claimed.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key);
            let (handled, mut some) =
                self.writer.write(Rank::Bulk(SWEEP), move |tx| prune_some(tx, now, &held)).await?;
            pruned.forgotten += some.forgotten;
            pruned.expired.append(&mut some.expired);
            if handled < SWEEP {
                return Ok(pruned);
            }
        }
    }

    async fn summary(&self) -> Result<Vec<(Feed, FeedSummary)>, LedgerError> {
        self.read(|tx| {
            let mut feeds = std::collections::BTreeMap::<Feed, FeedSummary>::new();
            let mut pending = |key: BlobKey, created: Option<DateTime<Utc>>| {
                let summary = feeds.entry(key.feed).or_default();
                summary.pending += 1;
                summary.oldest_pending = [summary.oldest_pending, created].into_iter().flatten().min();
            };
            for queue in [READY, ANNOUNCED] {
                for entry in tx.open_table(queue)?.iter()? {
                    let (key, created) = parsed(keys::parse_in_feed_order(entry?.0.value()))?;
                    pending(key, Some(created));
                }
            }
            let blobs = tx.open_table(BLOBS)?;
            for entry in tx.open_table(DEFERRED)?.iter()? {
                let (key, _) = parsed(keys::parse_in_time_order(entry?.0.value()))?;
                let created = row_of(&blobs, &key)?.map(|row| row.created);
                pending(key, created);
            }
            for entry in tx.open_table(DEAD)?.iter()? {
                let (key, _) = parsed(keys::parse_in_time_order(entry?.0.value()))?;
                feeds.entry(key.feed).or_default().dead += 1;
            }
            Ok(feeds.into_iter().collect())
        })
        .await
    }

    async fn dead(&self, limit: usize) -> Result<Vec<DeadBlob>, LedgerError> {
        self.read(move |tx| {
            let (dead, blobs) = (tx.open_table(DEAD)?, tx.open_table(BLOBS)?);
            let mut found = Vec::new();
            for entry in dead.iter()?.take(limit) {
                let (key, _) = parsed(keys::parse_in_time_order(entry?.0.value()))?;
                let row = row_of(&blobs, &key)?.ok_or_else(dangling)?;
                found.push(parsed(row.dead(key))?);
            }
            Ok(found)
        })
        .await
    }
}

// ---- opening -------------------------------------------------------------------------------------------------------

fn open_or_create(path: &Path) -> Result<Database, LedgerError> {
    if !path.try_exists().map_err(|error| LedgerError::from_io(path.into(), error))? {
        info!(message = "Starting a new ledger.", path = %path.display());
        create(path)?;
    }
    // `create` would quietly make a new ledger of an empty file. An existing file must be a ledger.
    let database = builder(path).open(path).map_err(|error| LedgerError::from_redb(path.into(), error.into()))?;
    let found = format_of(&database).map_err(|error| LedgerError::from_redb(path.into(), error))?;
    match found {
        Some(OLDEST_FORMAT..=FORMAT) => {
            bring_up_to_date(&database).map_err(|error| LedgerError::from_redb(path.into(), error))?;
            keep_private(path);
            Ok(database)
        }
        Some(found) if found > FORMAT => Err(LedgerError::TooNew { path: path.into(), found, known: FORMAT }),
        _ => Err(LedgerError::Corrupt {
            path: path.into(),
            detail: "it is not a ledger of office365-source".into(),
            changed: false,
        }),
    }
}

/// Makes the file under another name first: a crash in between must not leave something that looks like a ledger.
fn create(path: &Path) -> Result<(), LedgerError> {
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    let io = |error: io::Error| LedgerError::from_io(path.into(), error);
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let made = (|| -> Result<(), redb::Error> {
        let mut database = builder(path).create(&draft)?;
        keep_private(&draft);
        let tx = database.begin_write()?;
        tx.open_table(META)?.insert("format", FORMAT)?;
        tx.open_table(BLOBS)?;
        for table in [READY, DEFERRED, EXPIRY, DEAD] {
            tx.open_table(table)?;
        }
        tx.open_table(CURSORS)?;
        tx.open_table(SUBSCRIPTIONS)?;
        tx.commit()?;
        database.compact()?;
        Ok(())
    })();
    made.map_err(|error| LedgerError::from_redb(path.into(), error))?;
    // Unlike a rename, a link never replaces the ledger of another process that was faster.
    match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {
            return fs::rename(&draft, path).map_err(io);
        }
        linked => linked.map_err(io)?,
    }
    fs::remove_file(&draft).map_err(io)?;
    // Makes the new name durable; not every platform can open a directory.
    if let Some(Ok(directory)) = path.parent().map(fs::File::open) {
        let _ = directory.sync_all();
    }
    Ok(())
}

/// Makes the tables that versions before did not have. What they have recorded counts as named by a listing.
fn bring_up_to_date(database: &Database) -> Result<(), redb::Error> {
    let tx = database.begin_write()?;
    tenants::create_tables(&tx)?;
    tx.open_table(SECRETS)?;
    tx.open_table(ANNOUNCED)?;
    tx.open_table(ANNOUNCED_PENDING)?;
    tx.open_table(META)?.insert("format", FORMAT)?;
    tx.commit()?;
    Ok(())
}

/// The AuthID of the webhooks is in it. Where the file belongs to somebody else, or modes mean nothing, it stays as it is.
fn keep_private(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
    }
    #[cfg(not(unix))]
    let _ = path;
}

fn builder(path: &Path) -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    let path = path.to_owned();
    builder.set_repair_callback(move |repair| {
        info!(
            message = "The last stop was not a clean one; checking the ledger.",
            path = %path.display(),
            progress = repair.progress(),
        );
    });
    builder
}

fn format_of(database: &Database) -> Result<Option<u64>, redb::Error> {
    match database.begin_read()?.open_table(META) {
        Ok(meta) => Ok(meta.get("format")?.map(|format| format.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

// ---- rows and their indexes ----------------------------------------------------------------------------------------

/// Takes what a listing names. Returns whether it is new or pending again.
fn insert_or_confirm(tx: &WriteTransaction, content: &ContentRef, now: DateTime<Utc>) -> Result<bool, redb::Error> {
    let key = BlobKey::from(content);
    // A statement of its own: redb opens a table once at a time, and `change` opens it again.
    let known = row_of(&tx.open_table(BLOBS)?, &key)?;
    match known {
        None => insert(tx, &key, &Row::listed(content, now)).map(|()| true),
        Some(row) if row.is_news(&content.content_uri) => {
            let mut again = false;
            change(tx, &key, |row| again = row.confirm(content))?;
            Ok(again)
        }
        Some(_) => Ok(false),
    }
}

fn insert(tx: &WriteTransaction, key: &BlobKey, row: &Row) -> Result<(), redb::Error> {
    tx.open_table(BLOBS)?.insert(keys::blob(key).as_slice(), encode(row)?.as_slice())?;
    index(tx, key, row)
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

fn remove(tx: &WriteTransaction, key: &BlobKey, row: &Row) -> Result<(), redb::Error> {
    unindex(tx, key, row)?;
    tx.open_table(BLOBS)?.remove(keys::blob(key).as_slice())?;
    Ok(())
}

/// Changes a row and keeps the indexes true. A row that is gone (pruned while its blob was in flight) stays gone.
fn change(tx: &WriteTransaction, key: &BlobKey, with: impl FnOnce(&mut Row)) -> Result<(), redb::Error> {
    let mut blobs = tx.open_table(BLOBS)?;
    let Some(mut row) = row_of(&blobs, key)? else { return Ok(()) };
    unindex(tx, key, &row)?;
    with(&mut row);
    blobs.insert(keys::blob(key).as_slice(), encode(&row)?.as_slice())?;
    index(tx, key, &row)
}

/// Where a row is listed besides `blobs`: the one place that knows, for adding and for removing.
fn index_entries(key: &BlobKey, row: &Row) -> [(TableDefinition<'static, Bytes, ()>, Vec<u8>); 2] {
    let by_state = match &row.state {
        BlobState::Pending { not_before: Some(time), .. } => (DEFERRED, keys::in_time_order(key, *time)),
        BlobState::Pending { not_before: None, .. } if row.announced => {
            (ANNOUNCED, keys::in_feed_order(key, row.created))
        }
        BlobState::Pending { not_before: None, .. } => (READY, keys::in_feed_order(key, row.created)),
        BlobState::Dead { at, .. } => (DEAD, keys::in_time_order(key, *at)),
        // Done rows are found by their key only; the expiry entry below stands in twice.
        BlobState::Done { .. } => (EXPIRY, keys::in_time_order(key, row.keep_until())),
    };
    [by_state, (EXPIRY, keys::in_time_order(key, row.keep_until()))]
}

fn index(tx: &WriteTransaction, key: &BlobKey, row: &Row) -> Result<(), redb::Error> {
    for (table, entry) in index_entries(key, row) {
        tx.open_table(table)?.insert(entry.as_slice(), ())?;
    }
    count_announced(tx, key, row, |pending| pending.saturating_add(1))
}

fn unindex(tx: &WriteTransaction, key: &BlobKey, row: &Row) -> Result<(), redb::Error> {
    for (table, entry) in index_entries(key, row) {
        tx.open_table(table)?.remove(entry.as_slice())?;
    }
    count_announced(tx, key, row, |pending| pending.saturating_sub(1))
}

fn count_announced(
    tx: &WriteTransaction,
    key: &BlobKey,
    row: &Row,
    step: impl FnOnce(u64) -> u64,
) -> Result<(), redb::Error> {
    if row.announced && row.is_pending() {
        let mut counts = tx.open_table(ANNOUNCED_PENDING)?;
        let feed = keys::feed(key.feed);
        let pending = counts.get(feed.as_slice())?.map_or(0, |pending| pending.value());
        counts.insert(feed.as_slice(), step(pending))?;
    }
    Ok(())
}

fn row_of(blobs: &impl ReadableTable<Bytes, Bytes>, key: &BlobKey) -> Result<Option<Row>, redb::Error> {
    blobs.get(keys::blob(key).as_slice())?.map(|value| decode(value.value())).transpose()
}

fn move_cursor(tx: &WriteTransaction, feed: Feed, step: CursorMove) -> Result<(), redb::Error> {
    let mut cursors = tx.open_table(CURSORS)?;
    let key = keys::feed(feed);
    let mut cursor: Cursor = match cursors.get(key.as_slice())? {
        Some(value) => decode(value.value())?,
        None => Cursor::default(),
    };
    match step {
        CursorMove::ListedThrough(time) => cursor.listed_through = cursor.listed_through.max(Some(time)),
        CursorMove::Reconciled(time) => cursor.reconciled_at = cursor.reconciled_at.max(Some(time)),
        CursorMove::Anchored(time) => cursor = Cursor { listed_through: Some(time), reconciled_at: None },
    }
    cursors.insert(key.as_slice(), encode(&cursor)?.as_slice())?;
    Ok(())
}

/// Moves up to [`SWEEP`] due blobs back into the queue and returns their feeds.
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
        change(tx, &key, |row| {
            if let BlobState::Pending { not_before, .. } = &mut row.state {
                *not_before = None;
            }
        })?;
    }
    Ok(feeds)
}

/// Removes up to [`SWEEP`] blobs of a tenant; returns how many, and how many of them were pending.
fn forget_some(tx: &WriteTransaction, tenant: TenantId) -> Result<(usize, u64), redb::Error> {
    let mut found = Vec::new();
    {
        let blobs = tx.open_table(BLOBS)?;
        let start = tenant.0.as_bytes().as_slice();
        for entry in blobs.range(start..)?.take(SWEEP) {
            let (key, row) = entry?;
            let key = parsed(keys::parse_blob(key.value()))?;
            if key.feed.tenant != tenant {
                break;
            }
            found.push((key, decode::<Row>(row.value())?));
        }
    }
    let mut pending = 0;
    for (key, row) in &found {
        pending += u64::from(row.is_pending());
        remove(tx, key, row)?;
    }
    Ok((found.len(), pending))
}

/// Handles up to [`SWEEP`] rows whose time is over; returns how many were looked at.
fn prune_some(
    tx: &WriteTransaction,
    now: DateTime<Utc>,
    held: &dyn Fn(&BlobKey) -> bool,
) -> Result<(usize, Pruned), redb::Error> {
    let over = first_until(&tx.open_table(EXPIRY)?, now)?;
    let mut pruned = Pruned::default();
    let mut handled = 0;
    for (key, time) in over {
        if held(&key) {
            // Whoever holds it decides what becomes of it.
            continue;
        }
        handled += 1;
        let row = row_of(&tx.open_table(BLOBS)?, &key)?;
        // Keys have milliseconds.
        let due = |row: &Row| row.keep_until().timestamp_millis() == time.timestamp_millis();
        let Some(row) = row.filter(due) else {
            // Left by a version that kept rows for another time.
            tx.open_table(EXPIRY)?.remove(keys::in_time_order(&key, time).as_slice())?;
            continue;
        };
        if row.is_pending() {
            let reason = "its content expired before it could be delivered".to_owned();
            change(tx, &key, |row| row.state = BlobState::Dead { at: now, reason: reason.clone() })?;
            pruned.expired.push(DeadBlob { key, created: row.created, since: now, reason });
        } else {
            remove(tx, &key, &row)?;
            pruned.forgotten += 1;
        }
    }
    Ok((handled, pruned))
}

/// The first [`SWEEP`] entries of a table in the order of time that are not after `end`.
fn first_until(
    table: &impl ReadableTable<Bytes, ()>,
    end: DateTime<Utc>,
) -> Result<Vec<(BlobKey, DateTime<Utc>)>, redb::Error> {
    let mut found = Vec::new();
    for entry in table.iter()?.take(SWEEP) {
        let (key, time) = parsed(keys::parse_in_time_order(entry?.0.value()))?;
        if time > end {
            break;
        }
        found.push((key, time));
    }
    Ok(found)
}

// ---- delivered events ----------------------------------------------------------------------------------------------

fn remember(tx: &WriteTransaction, events: &[EventKey], now: DateTime<Utc>) -> Result<(), redb::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let name = format!("{EVENTS}{}", day(now));
    let mut table = tx.open_table(EventTable::new(&name))?;
    for event in events {
        table.insert(event.0, ())?;
    }
    Ok(())
}

fn forget_event_days(tx: &WriteTransaction, oldest_kept: i64) -> Result<(), redb::Error> {
    for name in event_tables(tx.list_tables()?) {
        let old =
            name.strip_prefix(EVENTS).and_then(|day| day.parse::<i64>().ok()).is_some_and(|day| day < oldest_kept);
        if old {
            tx.delete_table(EventTable::new(&name))?;
        }
    }
    Ok(())
}

const EVENTS: &str = "events_";

fn chunks(mut events: Vec<EventKey>, most: usize) -> Vec<Vec<EventKey>> {
    let mut chunks = Vec::new();
    while events.len() > most {
        chunks.push(events.split_off(events.len() - most));
    }
    chunks.push(events);
    chunks
}

fn event_tables(tables: impl Iterator<Item = impl TableHandle>) -> Vec<String> {
    tables.map(|table| table.name().to_owned()).filter(|name| name.starts_with(EVENTS)).collect()
}

fn day(time: DateTime<Utc>) -> i64 {
    time.timestamp().div_euclid(86_400)
}

// ---- encoding ------------------------------------------------------------------------------------------------------

pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, redb::Error> {
    serde_json::to_vec(value).map_err(|error| corrupt(error.to_string()))
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, redb::Error> {
    serde_json::from_slice(bytes).map_err(|error| corrupt(format!("a row cannot be read: {error}")))
}

pub(super) fn parsed<T>(value: Option<T>) -> Result<T, redb::Error> {
    value.ok_or_else(|| corrupt("a key cannot be read".to_owned()))
}

fn dangling() -> redb::Error {
    corrupt("an index names a row that does not exist".to_owned())
}

fn corrupt(detail: String) -> redb::Error {
    redb::Error::Corrupted(detail)
}

#[cfg(test)]
#[path = "redb_tests.rs"]
mod tests;
