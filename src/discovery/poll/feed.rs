//! One feed: subscription, windows, reconciliation; again and again.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, sleep_until},
};

use super::window::{Rhythm, anchor, cursor_after, plan};
use crate::{
    activity::{ActivityClient, Failure},
    backoff,
    collector::Work,
    component::ShutdownSignal,
    content::Feed,
    discovery::{DiscoveryError, listing::Lister, subscriptions::Subscriptions},
    ledger::{CursorMove, Ledger, LedgerError},
    telemetry::{self, Progress, Stage},
};

/// Pages of listings in memory at a time, over all tenants. A page has some hundred kilobytes.
const PAGES: usize = 64;

/// Feeds do not begin all at once, but so long after each other.
const STAGGER: Duration = Duration::from_millis(10);

/// In a run that should end, a pass that fails is done again this often.
const PASSES_ONCE: u32 = 3;

/// How a feed is polled.
#[derive(Clone, Copy, Debug)]
pub struct PollOptions {
    /// Between passes.
    pub interval: Duration,
    /// What each pass lists.
    pub rhythm: Rhythm,
}

/// What polling works with.
#[derive(Clone, Debug)]
pub struct PollContext {
    /// The API.
    pub client: ActivityClient,
    /// What is known.
    pub ledger: Arc<dyn Ledger>,
    /// Whom to tell of new content.
    pub work: Work,
    /// What has been done.
    pub progress: Progress,
    /// How.
    pub options: PollOptions,
}

/// Polls one feed.
#[derive(Debug)]
pub struct FeedPoller {
    feed: Feed,
    context: PollContext,
    subscriptions: Arc<Subscriptions>,
    lister: Lister,
    failures: u32,
}

impl FeedPoller {
    fn new(feed: Feed, context: PollContext, subscriptions: Arc<Subscriptions>, pages: Arc<Semaphore>) -> Self {
        let lister = Lister {
            client: context.client.clone(),
            ledger: Arc::clone(&context.ledger),
            work: context.work.clone(),
            progress: context.progress.clone(),
            pages,
        };
        Self { feed, context, subscriptions, lister, failures: 0 }
    }

    /// One pass, with its success or failure told. Returns how long to wait before the next, or nothing after a success.
    ///
    /// # Errors
    ///
    /// Only with what ends the source.
    async fn pass_and_tell(&mut self) -> Result<Option<Duration>, LedgerError> {
        let mut outcome = self.pass().await;
        if let Err(error) = &outcome
            && error.failure().is_some_and(Failure::concerns_the_subscription)
        {
            // The list of subscriptions was wrong, or has become so: start it, and try at once.
            self.subscriptions.distrust(self.feed.content_type).await;
            if self.failures == 0 {
                outcome = self.pass().await;
            }
        }
        let Err(error) = outcome else {
            self.failures = 0;
            telemetry::feed_recovered(&self.context.progress, self.feed, Stage::Listing);
            return Ok(None);
        };
        if let DiscoveryError::Ledger { source } = error {
            return Err(source);
        }
        self.failures = self.failures.saturating_add(1);
        let code = error.failure().map_or("subscription", Failure::code);
        telemetry::feed_failed(&self.context.progress, self.feed, Stage::Listing, code, &error.to_string());
        let wait = if error.failure().is_some_and(Failure::may_pass) {
            backoff::UNAVAILABLE.wait(self.failures)
        } else {
            backoff::TROUBLE.wait(self.failures).max(self.context.options.interval)
        };
        Ok(Some(wait))
    }

    async fn pass(&self) -> Result<(), DiscoveryError> {
        let PollContext { client, ledger, options, .. } = &self.context;
        // Microsoft's clock is known once Entra has answered; windows depend on it.
        client.authenticate(self.feed.tenant).await?;
        self.subscriptions.ensure(self.feed.content_type).await?;

        let now = client.clock().now();
        let mut cursor = ledger.cursor(self.feed).await?;
        if let Some(anchor) = anchor(cursor, now, options.rhythm) {
            ledger.record(self.feed, Vec::new(), Some(CursorMove::Anchored(anchor)), now).await?;
            // A first pass needs no overlap; one that corrects the cursor starts where the anchor is.
            cursor.listed_through = cursor.listed_through.map(|_| anchor);
        }
        let plan = plan(cursor, now, options.rhythm);
        if let Some(gap) = plan.gap {
            // The cursor moves first: passes that fail must not tell the same loss again and again.
            ledger.record(self.feed, Vec::new(), Some(CursorMove::ListedThrough(gap.end)), now).await?;
            telemetry::gap(&self.context.progress, self.feed, gap);
        }
        for window in plan.windows {
            let step = CursorMove::ListedThrough(cursor_after(window, now));
            self.lister.list(self.feed, window, step).await?;
        }
        if plan.reconciles {
            ledger.record(self.feed, Vec::new(), Some(CursorMove::Reconciled(now)), now).await?;
        }
        Ok(())
    }

    /// Passes at each interval, less often while they fail; for ever.
    async fn run(mut self) -> Result<(), LedgerError> {
        loop {
            let started = Instant::now();
            let wait = self.pass_and_tell().await?;
            sleep_until(wait.map_or(started + self.context.options.interval, |wait| Instant::now() + wait)).await;
        }
    }

    /// Passes until one succeeds, a few times at most.
    async fn run_once(mut self) -> Result<(), LedgerError> {
        while self.pass_and_tell().await?.is_some() && self.failures < PASSES_ONCE {
            sleep(backoff::UNAVAILABLE.wait(self.failures)).await;
        }
        Ok(())
    }
}

/// Polls all feeds until shutdown.
///
/// # Errors
///
/// When the ledger fails.
pub async fn poll_until(context: PollContext, feeds: &[Feed], shutdown: ShutdownSignal) -> Result<(), LedgerError> {
    let pollers = (0u32..).zip(pollers(&context, feeds)).map(|(number, poller)| async move {
        sleep(STAGGER.saturating_mul(number)).await;
        poller.run().await
    });
    tokio::select! {
        // Whatever a pass is doing, it can be dropped: what is recorded is recorded, and the cursor moves last.
        _ = shutdown => Ok(()),
        ended = futures::future::try_join_all(pollers) => ended.map(drop),
    }
}

/// Lists everything available now, once.
///
/// # Errors
///
/// When the ledger fails.
pub async fn poll_once(context: PollContext, feeds: &[Feed], shutdown: ShutdownSignal) -> Result<(), LedgerError> {
    let pollers = pollers(&context, feeds).into_iter().map(FeedPoller::run_once);
    tokio::select! {
        _ = shutdown => {}
        ended = futures::future::try_join_all(pollers) => drop(ended?),
    }
    context.work.complete();
    Ok(())
}

fn pollers(context: &PollContext, feeds: &[Feed]) -> Vec<FeedPoller> {
    let mut tenants = HashMap::new();
    let pages = Arc::new(Semaphore::new(PAGES));
    feeds
        .iter()
        .map(|feed| {
            let subscriptions = tenants.entry(feed.tenant).or_insert_with(|| {
                // As often as reconciliation: that is how long content may be missed that no subscription collects.
                let recheck = context.options.rhythm.reconcile_interval.to_std().unwrap_or_default();
                let (client, ledger) = (context.client.clone(), Arc::clone(&context.ledger));
                Arc::new(Subscriptions::new(feed.tenant, client, ledger, recheck))
            });
            FeedPoller::new(*feed, context.clone(), Arc::clone(subscriptions), Arc::clone(&pages))
        })
        .collect()
}
