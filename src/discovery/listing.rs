//! Listing one window to its end and recording what it names.

use std::{collections::HashSet, sync::Arc, time::Duration};

use chrono::{SubsecRound, TimeDelta};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, sleep_until},
};

use super::{DiscoveryError, telemetry};
use crate::{
    activity::{ActivityClient, ActivityError, ContentEntry, Failure, ListingPage, NextPage, TimeWindow},
    backoff::Backoff,
    content::{ContentRef, ContentType, Feed},
    ledger::{ContentIntake, CursorMove, LedgerError},
    telemetry::{FoundBy, Progress},
    wake_up::WakeUp,
};

/// How often one page is asked for before the pass is given up (and done again at the next interval).
const ATTEMPTS: u32 = 5;
const BETWEEN_ATTEMPTS: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(15) };

/// How often a listing is begun again when the API refuses its own link to a next page (AF20031).
const RESTARTS: u32 = 3;

/// A window of a day with this many pages of hundreds of entries is not a listing but a defect.
const MOST_PAGES: usize = 50_000;

/// How far before the window the short listing begins that looks for blobs of the window's first second.
const STEP_BACK: TimeDelta = TimeDelta::seconds(30);

/// Lists content into the ledger.
#[derive(Clone, Debug)]
pub struct Lister {
    pub client: ActivityClient,
    pub ledger: Arc<dyn ContentIntake>,
    pub work: WakeUp,
    pub progress: Progress,
    /// Pages that are requested, read and recorded at a time, over all tenants.
    pub pages: Arc<Semaphore>,
}

impl Lister {
    /// Lists a window and records what it names; then moves the cursor, in the transaction that records the last page.
    ///
    /// Blobs created in the first second of the window are not taken from this listing unless they are known: the API may
    /// have named a part of them only. They are taken from a short listing that begins earlier.
    pub async fn list(&self, feed: Feed, window: TimeWindow, cursor: CursorMove) -> Result<(), DiscoveryError> {
        let found_by = match cursor {
            CursorMove::Relisted(_) => FoundBy::Relisting,
            _ => FoundBy::Listing,
        };
        let boundary = self.list_pages(feed, window, found_by, &|content| is_in_first_second(content, window)).await?;
        let boundary = self.ledger.unknown(boundary).await?;
        if !boundary.is_empty() {
            let earlier = TimeWindow { start: window.start - STEP_BACK, end: window.start + TimeDelta::seconds(1) };
            match self.list_pages(feed, earlier, found_by, &|content| is_in_first_second(content, earlier)).await {
                Ok(_) => {}
                // Too close to the seven days' limit to begin earlier: then what was named has to do.
                Err(DiscoveryError::Activity { source }) if matches!(*source.failure, Failure::WindowRefused(_)) => {}
                Err(error) => return Err(error),
            }
            // Blobs that the earlier listing does not name are taken as they were named here: a part is better than
            // nothing, and if the whole blob is listed later, its repeated events are recognised.
            self.record(feed, boundary, found_by).await?;
        }
        self.ledger.record(feed, Vec::new(), Some(cursor), self.client.clock().now()).await?;
        if let CursorMove::ListedThrough(time) = cursor {
            self.progress.listed_through(feed, time);
            telemetry::listed(feed, self.client.clock().now());
        }
        Ok(())
    }

    /// Lists all pages of a window and records what they name, except what `withhold` says, which is returned.
    async fn list_pages(
        &self,
        feed: Feed,
        window: TimeWindow,
        found_by: FoundBy,
        withhold: &(dyn Fn(&ContentRef) -> bool + Sync),
    ) -> Result<Vec<ContentRef>, DiscoveryError> {
        let mut postponed = Vec::new();
        let mut restarts = 0;
        let mut next: Option<NextPage> = None;
        let mut seen = HashSet::new();
        loop {
            // The permit is held until the page is recorded: this bounds the memory of any number of tenants.
            let (page, _permit) = match self.page(feed, window, next.as_ref()).await {
                Ok(page) => page,
                Err(error) if matches!(*error.failure, Failure::PageRefused(_)) && restarts < RESTARTS => {
                    restarts += 1;
                    next = None;
                    seen.clear();
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let (boundary, refs): (Vec<_>, Vec<_>) =
                page.entries.into_iter().filter_map(|entry| content_ref(feed, entry)).partition(withhold);
            postponed.extend(boundary);
            self.record(feed, refs, found_by).await?;
            match page.next? {
                None => return Ok(postponed),
                Some(page) if seen.len() >= MOST_PAGES || !seen.insert(page.clone()) => {
                    let problem = "the links to next pages lead in a circle".to_owned();
                    return Err(self.client.listing_error(feed, Failure::Malformed { problem }).into());
                }
                Some(page) => next = Some(page),
            }
        }
    }

    /// Gets one page; tries again what may pass.
    async fn page(
        &self,
        feed: Feed,
        window: TimeWindow,
        next: Option<&NextPage>,
    ) -> Result<(ListingPage, Option<OwnedSemaphorePermit>), ActivityError> {
        let mut attempt = 1;
        loop {
            // A tenant that is throttled waits for itself, not in front of the others.
            if let Some(until) = self.client.paused_until(feed.tenant) {
                sleep_until(until).await;
            }
            // Never closed.
            let permit = Arc::clone(&self.pages).acquire_owned().await.ok();
            let page = match next {
                None => self.client.list_content(feed, window).await,
                Some(next) => self.client.list_next(feed, next).await,
            };
            match page {
                Err(error) if attempt < ATTEMPTS && error.failure.may_pass() => {
                    drop(permit);
                    telemetry::fetch_failed(&error);
                    sleep(BETWEEN_ATTEMPTS.wait(attempt)).await;
                }
                Err(error) if attempt < ATTEMPTS && matches!(*error.failure, Failure::Throttled { .. }) => {
                    if let Failure::Throttled { wait } = *error.failure {
                        telemetry::throttled(feed, wait.as_secs());
                    }
                    // The client sends nothing to the tenant until its wait is over.
                }
                page => {
                    if page.is_ok() {
                        self.progress.step();
                    }
                    return page.map(|page| (page, permit));
                }
            }
            attempt += 1;
        }
    }

    async fn record(&self, feed: Feed, refs: Vec<ContentRef>, found_by: FoundBy) -> Result<(), LedgerError> {
        // Most of what is listed is known: a look is cheaper than a durable transaction.
        let new = self.ledger.unknown(refs).await?;
        if new.is_empty() {
            return Ok(());
        }
        let now = self.client.clock().now();
        if found_by == FoundBy::Relisting {
            for content in &new {
                telemetry::late_content(feed, content, now);
            }
        }
        let added = self.ledger.record(feed, new, None, now).await?;
        if added > 0 {
            telemetry::content_found(&self.progress, feed, added as u64, found_by);
        }
        // What a notification announced and the listing confirms is no longer kept waiting.
        self.work.announce(feed);
        Ok(())
    }
}

fn is_in_first_second(content: &ContentRef, window: TimeWindow) -> bool {
    content.created.trunc_subsecs(0) == window.start
}

/// The blob an entry names. Whatever type it claims, it was listed for this feed, and is fetched for it.
fn content_ref(feed: Feed, entry: ContentEntry) -> Option<ContentRef> {
    match entry {
        ContentEntry::Blob { content_type, content_id, content_uri, created, expiration } => {
            let other = content_type.filter(|name| name.parse::<ContentType>() != Ok(feed.content_type));
            if let Some(other) = other {
                telemetry::other_content_type(feed, &other);
            }
            Some(ContentRef { feed, content_id, content_uri, created, expiration })
        }
        ContentEntry::Unusable { problem, element } => {
            telemetry::unusable_entry(feed, problem, &element);
            None
        }
    }
}
