//! One feed: subscription, windows, reconciliation; again and again.

use std::{
    collections::{BTreeMap, HashMap},
    mem, panic,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, sleep_until},
};
use tracing::Instrument;

use super::{
    notices::{Notices, Told},
    window::{Rhythm, TimeRange, anchor, cursor_after, plan},
};
use crate::{
    activity::{ActivityClient, Failure},
    announcements::Announcements,
    backoff::Backoff,
    component::ShutdownSignal,
    content::{ContentType, Feed, TenantId},
    discovery::{DiscoveryError, Standing, SubscriptionBook, Subscriptions, listing::Lister, telemetry},
    ledger::{ContentIntake, CursorMove, LedgerError, Relisted, Skipped},
    telemetry::{Progress, Stage},
    tenants::Tenants,
    wake_up::WakeUp,
};

/// Between passes over a feed while the service is in trouble.
const UNAVAILABLE: Backoff = Backoff { first: Duration::from_secs(2), longest: Duration::from_mins(5) };

/// Between passes while a tenant or a content type waits for an administrator.
const TROUBLE: Backoff = Backoff { first: Duration::from_secs(30), longest: Duration::from_mins(15) };

/// Pages of listings in memory at a time, over all tenants. A page has some hundred kilobytes.
const PAGES: usize = 64;

/// Feeds do not begin all at once, but so long after each other.
const STAGGER: Duration = Duration::from_millis(10);

/// In a run that should end, a pass that fails for a reason that does not pass by itself is done again this often.
const PASSES_ONCE: u32 = 3;

/// In such a run, the longest wait between passes of which there may be any number.
const LONGEST_WAIT_ONCE: Duration = Duration::from_secs(10);

/// How a feed is polled.
#[derive(Clone, Copy, Debug)]
pub struct PollOptions {
    /// Between passes.
    pub interval: Duration,
    /// Between passes while a webhook announces new content. What it does not announce is found that late.
    pub interval_with_webhook: Duration,
    /// What each pass lists.
    pub rhythm: Rhythm,
    /// What is listed in place of that, without a look at subscriptions.
    pub range: Option<TimeRange>,
}

/// What polling works with.
#[derive(Clone, Debug)]
pub struct PollContext {
    /// The API.
    pub client: ActivityClient,
    /// What is known.
    pub ledger: Arc<dyn ContentIntake>,
    /// What makes content available.
    pub subscriptions: SubscriptionBook,
    /// Whom to notify of new content.
    pub work: WakeUp,
    /// Whether what notifications announce is recorded.
    pub announcements: Announcements,
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
    notices: Notices,
    failures: u32,
    relisting_fails: bool,
}

impl FeedPoller {
    fn new(feed: Feed, context: PollContext, pages: Arc<Semaphore>) -> Self {
        let subscriptions = context.subscriptions.of(feed.tenant);
        let lister = Lister {
            client: context.client.clone(),
            ledger: Arc::clone(&context.ledger),
            work: context.work.clone(),
            progress: context.progress.clone(),
            pages,
        };
        Self { feed, context, subscriptions, lister, notices: Notices::default(), failures: 0, relisting_fails: false }
    }

    /// One pass; reports its success or failure.
    ///
    /// # Errors
    ///
    /// Only with what ends the source.
    async fn pass_and_tell(&mut self) -> Result<Next, LedgerError> {
        let mut outcome = self.pass().await;
        if let Err(error) = &outcome
            && error.failure().is_some_and(Failure::concerns_the_subscription)
            && self.context.options.range.is_none()
        {
            // The list of subscriptions was wrong, or has become so: start it, and try at once.
            self.subscriptions.distrust(self.feed.content_type).await;
            if self.failures == 0 {
                outcome = self.pass().await;
            }
        }
        let error = match outcome {
            Ok(webhook) => {
                self.failures = 0;
                telemetry::feed_recovered(&self.context.progress, self.feed, Stage::Listing);
                let PollOptions { interval, interval_with_webhook, .. } = self.context.options;
                return Ok(if webhook == Told::Yes && self.context.announcements.are_complete(self.feed) {
                    Next::WhileTold { interval: interval_with_webhook, otherwise: interval }
                } else {
                    Next::Regular(interval)
                });
            }
            Err(error) => error,
        };
        if let DiscoveryError::Ledger { source } = error {
            // The next pass begins at the cursor of whoever has the tenant by then; this poller ends with the tenant.
            return if source.is_taken() { Ok(Next::Regular(self.context.options.interval)) } else { Err(source) };
        }
        self.failures = self.failures.saturating_add(1);
        if error.is_about_the_subscription() {
            self.context.progress.set_subscribed(self.feed, false);
        }
        let code = error.failure().map_or("subscription", Failure::code);
        telemetry::feed_failed(&self.context.progress, self.feed, Stage::Listing, code, &error.to_string());
        if let Some(wait) = error.failure().and_then(Failure::entra_asks_to_wait) {
            return Ok(Next::AfterEntra(wait));
        }
        let interval = self.context.options.interval;
        let may_pass = matches!(error, DiscoveryError::TooSoon { .. })
            || error.failure().is_some_and(|failure| !failure.needs_people());
        let wait = match (&error, error.failure()) {
            // Nothing is asked before the next start is allowed, and nothing is collected until then.
            (DiscoveryError::TooSoon { .. } | DiscoveryError::StaysRefused { .. }, _)
            | (_, Some(Failure::WebhookRefused(_))) => interval,
            (_, Some(failure)) if failure.may_pass() => UNAVAILABLE.wait(self.failures),
            _ => TROUBLE.wait(self.failures).max(interval),
        };
        Ok(Next::Retry { wait, may_pass })
    }

    async fn pass(&mut self) -> Result<Told, DiscoveryError> {
        let PollContext { client, ledger, options, progress, .. } = &self.context;
        // Microsoft's clock is known once Entra has answered; windows depend on it.
        client.authenticate(self.feed.tenant).await?;
        progress.step();
        if let Some(range) = options.range {
            return self.list_range(range).await;
        }
        let policy = self.context.subscriptions.policy();
        let standing = match self.subscriptions.ensure(self.feed.content_type).await {
            Err(error) if policy.target().is_some() && !error.failure().is_some_and(Failure::may_pass) => {
                // Without a subscription there are no notifications either.
                let code = error.failure().map_or("subscription", Failure::code);
                telemetry::webhook_fails(progress, self.feed, code, &error.to_string());
                return Err(error);
            }
            standing => standing?,
        };
        progress.set_subscribed(self.feed, true);
        progress.step();

        self.context.announcements.listing(self.feed);
        let now = client.clock().now();
        let mut cursor = ledger.cursor(self.feed).await?;
        if let Some(anchor) = anchor(cursor, now, options.rhythm) {
            ledger.record(self.feed, Vec::new(), Some(CursorMove::Anchored(anchor)), now).await?;
            // A first pass needs no overlap; one that corrects the cursor starts where the anchor is.
            cursor.listed_through = cursor.listed_through.map(|_| anchor);
        }
        let plan = plan(cursor, now, options.rhythm);
        if let Some(gap) = plan.gap {
            // The cursor moves first: failing passes must not report the same loss repeatedly.
            let skipped = CursorMove::Skipped(Skipped { from: gap.start, until: gap.end });
            ledger.record(self.feed, Vec::new(), Some(skipped), now).await?;
            telemetry::gap(&self.context.progress, self.feed, gap);
        }
        for window in plan.windows {
            let step = CursorMove::ListedThrough(cursor_after(window, now));
            self.lister.list(self.feed, window, step).await?;
        }
        self.subscriptions.confirm(self.feed.content_type).await;
        if plan.reconciles {
            ledger.record(self.feed, Vec::new(), Some(CursorMove::Reconciled(now)), now).await?;
        }
        if let Some(window) = plan.relists {
            let step = CursorMove::Relisted(Relisted { through: window.end, at: now });
            match self.lister.list(self.feed, window, step).await {
                Ok(()) => self.relisting_fails = false,
                Err(DiscoveryError::Activity { source }) if !source.failure.concerns_the_subscription() => {
                    // What is new has been listed: it must not wait for this, which the next pass tries again.
                    telemetry::relisting_failed(self.feed, &source, !mem::replace(&mut self.relisting_fails, true));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(match (policy.target(), standing) {
            (None, Standing::AsWanted { .. }) => Told::No,
            (None, Standing::Impaired(problem)) => {
                telemetry::webhook_not_removed(self.feed, &problem.to_string());
                Told::No
            }
            (Some(_), Standing::Impaired(problem)) if !problem.flaw.is_harmless() => {
                telemetry::webhook_fails(progress, self.feed, problem.flaw.code(), &problem.to_string());
                Told::No
            }
            (Some(_), Standing::AsWanted { started: true }) => self.notices.forget(client, progress, self.feed),
            (Some(_), _) => self.notices.read(client, progress, self.feed).await,
        })
    }

    /// Lists a range. Nothing is started: who only reads changes no tenant.
    async fn list_range(&self, range: TimeRange) -> Result<Told, DiscoveryError> {
        for window in range.windows(self.context.client.clock().now()) {
            match self.lister.list(self.feed, window, CursorMove::ListedThrough(window.end)).await {
                Err(DiscoveryError::Activity { source }) if source.failure.concerns_the_subscription() => {
                    return Err(DiscoveryError::NoSubscription { feed: self.feed });
                }
                listed => listed?,
            }
        }
        Ok(Told::No)
    }

    /// Passes at each interval, less often while they fail; indefinitely.
    async fn run(mut self) -> Result<(), LedgerError> {
        loop {
            let started = Instant::now();
            let next = match self.pass_and_tell().await? {
                Next::Regular(interval) => started + interval,
                Next::WhileTold { interval, otherwise } => {
                    tokio::select! {
                        () = sleep_until(started + interval) => continue,
                        () = self.context.announcements.incomplete(self.feed) => started + otherwise,
                    }
                }
                Next::Retry { wait, .. } | Next::AfterEntra(wait) => Instant::now() + wait,
            };
            sleep_until(next).await;
        }
    }

    /// Passes until one succeeds: for as long as `patience` while they fail for a reason that may pass, else a few times.
    async fn run_once(mut self, patience: Duration) -> Result<(), LedgerError> {
        let began = Instant::now();
        loop {
            let (wait, again) = match self.pass_and_tell().await? {
                Next::Regular(_) | Next::WhileTold { .. } => return Ok(()),
                Next::AfterEntra(wait) => (wait, true),
                Next::Retry { may_pass, .. } => {
                    let wait = UNAVAILABLE.wait(self.failures).min(LONGEST_WAIT_ONCE).min(patience / 4);
                    let tries_again = self.context.options.range.is_none() && self.failures < PASSES_ONCE;
                    (wait, may_pass || tries_again)
                }
            };
            if !again || began.elapsed() + wait >= patience {
                return Ok(());
            }
            sleep(wait).await;
        }
    }
}

/// When the next pass is due.
enum Next {
    /// So long after the beginning of this one.
    Regular(Duration),
    /// So long after the beginning of this one for as long as notifications announce everything, else earlier.
    WhileTold {
        /// For as long as they do.
        interval: Duration,
        /// When they do not.
        otherwise: Duration,
    },
    /// So long after its end.
    Retry {
        /// How long.
        wait: Duration,
        /// Whether what failed may pass by itself.
        may_pass: bool,
    },
    /// So long after its end, as Entra has asked.
    AfterEntra(Duration),
}

/// Polls the feeds of all tenants until shutdown; also of those that come later, and no longer of those that leave.
///
/// # Errors
///
/// When the ledger fails.
pub async fn poll_until(
    context: PollContext,
    tenants: &Tenants,
    content_types: &[ContentType],
    shutdown: ShutdownSignal,
) -> Result<(), LedgerError> {
    let mut pollers = Pollers::new(context, content_types);
    let mut watch = tenants.watch();
    tokio::pin!(shutdown);
    loop {
        let current = watch.borrow_and_update().clone();
        pollers.follow(&current);
        tokio::select! {
            // Whatever a pass is doing, it can be dropped: what is recorded is recorded, and the cursor moves last.
            _ = &mut shutdown => return Ok(()),
            error = pollers.failed() => return Err(error),
            // Never closed: `tenants` is in scope.
            _ = watch.changed() => {}
        }
    }
}

/// Lists everything available now, once; a feed that fails is tried for as long as `patience`.
///
/// # Errors
///
/// When the ledger fails.
pub async fn poll_once(
    context: PollContext,
    tenants: &Tenants,
    content_types: &[ContentType],
    patience: Duration,
    shutdown: ShutdownSignal,
) -> Result<(), LedgerError> {
    let pages = Arc::new(Semaphore::new(PAGES));
    let poller = |feed| FeedPoller::new(feed, context.clone(), Arc::clone(&pages)).run_once(patience);
    let pollers = tenants.feeds(content_types).into_iter().map(poller);
    tokio::select! {
        _ = shutdown => {}
        ended = futures::future::try_join_all(pollers) => drop(ended?),
    }
    context.work.complete();
    Ok(())
}

/// The pollers that run.
struct Pollers<'a> {
    context: PollContext,
    content_types: &'a [ContentType],
    pages: Arc<Semaphore>,
    tasks: JoinSet<Result<(), LedgerError>>,
    tenants: HashMap<TenantId, Vec<AbortHandle>>,
}

impl<'a> Pollers<'a> {
    fn new(context: PollContext, content_types: &'a [ContentType]) -> Self {
        let pages = Arc::new(Semaphore::new(PAGES));
        Self { context, content_types, pages, tasks: JoinSet::new(), tenants: HashMap::new() }
    }

    /// Starts what is new and ends what is gone.
    fn follow<T>(&mut self, current: &BTreeMap<TenantId, T>) {
        self.tenants.retain(|tenant, tasks| {
            let stays = current.contains_key(tenant);
            if !stays {
                tasks.iter().for_each(AbortHandle::abort);
            }
            stays
        });
        let mut delay = Duration::ZERO;
        for tenant in current.keys().copied() {
            if self.tenants.contains_key(&tenant) {
                continue;
            }
            let mut tasks = Vec::new();
            for content_type in self.content_types {
                let feed = Feed { tenant, content_type: *content_type };
                let poller = FeedPoller::new(feed, self.context.clone(), Arc::clone(&self.pages));
                let running = async move {
                    sleep(delay).await;
                    poller.run().await
                };
                tasks.push(self.tasks.spawn(running.in_current_span()));
                delay += STAGGER;
            }
            self.tenants.insert(tenant, tasks);
        }
    }

    /// Waits until a poller cannot go on.
    async fn failed(&mut self) -> LedgerError {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(Err(error))) => return error,
                Some(Err(join)) if join.is_panic() => panic::resume_unwind(join.into_panic()),
                // Aborted, with its tenant.
                Some(_) => {}
                None => futures::future::pending().await,
            }
        }
    }
}
