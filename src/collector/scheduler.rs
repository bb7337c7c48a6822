//! Who is next: fair over tenants, then over a tenant's content types.
//!
//! The pending blobs of a feed are its queue; they are in the ledger, and here is what is known of them. Slots are for downloads.
//! Tenants take turns, and while several have work, none may hold more than its share of the slots: one whose requests hang must not slow the
//! others down.

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    backoff::Backoff,
    content::{ContentType, Feed, TenantId},
};

/// So many searches of the audit log are read at a time, in slots of their own: one can take hours, and live collection must not wait for
/// it. Each holds the keys of up to a million records.
const SEARCHES: usize = 2;

/// After this many failures in a row, of different blobs, the feed is at fault and not the blobs.
const FAILURES_OF_A_FEED: u32 = 5;

/// The scheduler's state; pure, so that it can be tested without anything running.
#[derive(Debug)]
pub struct Scheduler {
    slots: usize,
    longest_pause: Duration,
    tenants: BTreeMap<TenantId, Tenant>,
    turns: VecDeque<TenantId>,
}

#[derive(Debug, Default)]
struct Tenant {
    queues: BTreeMap<ContentType, FeedQueue>,
    turns: VecDeque<ContentType>,
    trouble: Trouble,
}

#[derive(Debug, Default)]
struct FeedQueue {
    has_work: bool,
    in_flight: usize,
    trouble: Trouble,
}

#[derive(Debug, Default)]
struct Trouble {
    failures: u32,
    until: Option<Instant>,
    hopeless: bool,
}

impl Trouble {
    fn over(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    fn add(&mut self, now: Instant, rule: Rule, longest: Duration) {
        self.failures = self.failures.saturating_add(1);
        if let Some(pauses @ 1..) = self.failures.checked_sub(rule.free) {
            self.until = Some(now + rule.backoff.wait(pauses).min(longest));
            self.hopeless = rule.pauses.is_some_and(|most| pauses >= most);
        }
    }
}

/// What failures lead to.
#[derive(Clone, Copy, Debug)]
struct Rule {
    /// So many failures in a row have no consequence.
    free: u32,
    backoff: Backoff,
    /// After so many pauses, a run that should end no longer waits. `None` where the failure may be temporary: then it
    /// waits until nothing else goes on either.
    pauses: Option<u32>,
}

/// While a feed fails as a whole.
const FAILING: Rule = Rule {
    free: FAILURES_OF_A_FEED - 1,
    backoff: Backoff { first: Duration::from_secs(2), longest: Duration::from_mins(1) },
    pauses: None,
};

/// While a tenant has no token.
const UNREACHABLE: Rule = Rule {
    free: 0,
    backoff: Backoff { first: Duration::from_secs(30), longest: Duration::from_mins(15) },
    pauses: None,
};

/// While a tenant or a content type waits for an administrator.
const IN_TROUBLE: Rule = Rule { pauses: Some(2), ..UNREACHABLE };

/// How a download ended, as far as scheduling is concerned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The API served it.
    Served,
    /// It failed; perhaps only this blob, perhaps not.
    Failed,
    /// The content type cannot be collected for now: its permission or subscription is missing.
    FeedInTrouble,
    /// The tenant cannot be collected for now: no token, auditing off.
    TenantInTrouble {
        /// Whether that may end by itself.
        may_pass: bool,
    },
}

impl Scheduler {
    /// A scheduler of these feeds, with so many slots in all.
    pub fn new(feeds: impl IntoIterator<Item = Feed>, slots: usize) -> Self {
        let mut scheduler =
            Self { slots, longest_pause: Duration::MAX, tenants: BTreeMap::new(), turns: VecDeque::new() };
        for feed in feeds {
            scheduler.add(feed);
        }
        scheduler
    }

    /// The same with pauses of no more than `longest`: a run that should end has little time to see that a failure is over.
    pub const fn with_pauses_up_to(mut self, longest: Duration) -> Self {
        self.longest_pause = longest;
        self
    }

    /// Makes a queue for a feed, if it has none.
    pub fn add(&mut self, feed: Feed) {
        let tenant = self.tenants.entry(feed.tenant).or_insert_with(|| {
            self.turns.push_back(feed.tenant);
            Tenant::default()
        });
        if let Entry::Vacant(queue) = tenant.queues.entry(feed.content_type) {
            queue.insert(FeedQueue::default());
            tenant.turns.push_back(feed.content_type);
        }
    }

    /// Removes tenants that are not collected any more. Their downloads in flight hold no slot from now on.
    pub fn retain(&mut self, keep: impl Fn(TenantId) -> bool) {
        self.tenants.retain(|id, _| keep(*id));
        self.turns.retain(|id| keep(*id));
    }

    /// A feed has something to claim. Feeds that are not configured any more are ignored; what is pending of them stays in the
    /// ledger.
    pub fn has_work(&mut self, feed: Feed) {
        if let Some(queue) = self.queue(feed) {
            queue.has_work = true;
        }
    }

    /// A claim found nothing.
    pub fn exhausted(&mut self, feed: Feed) {
        if let Some(queue) = self.queue(feed) {
            queue.has_work = false;
        }
    }

    /// The feed whose turn it is, if a slot is free and anyone may have it. `paused` says which tenants are being
    /// throttled.
    pub fn next(&mut self, now: Instant, paused: impl Fn(TenantId) -> bool) -> Option<Feed> {
        let is_full = self.in_flight() >= self.slots;
        let may_search = self.searches_in_flight() < SEARCHES;
        if is_full && !may_search {
            return None;
        }
        let share = self.share(now, &paused);
        for _ in 0..self.turns.len() {
            let tenant_id = self.turns.pop_front()?;
            self.turns.push_back(tenant_id);
            let Some(tenant) = self.tenants.get_mut(&tenant_id) else { continue };
            if !tenant.trouble.over(now) || paused(tenant_id) {
                continue;
            }
            // A tenant that was in trouble is tried with one download.
            let is_probed = tenant.trouble.failures > 0 && tenant.in_flight() > 0;
            let may_list = !is_full && tenant.in_flight() < share && !is_probed;
            if let Some(content_type) = tenant.next(now, may_list, may_search) {
                return Some(Feed { tenant: tenant_id, content_type });
            }
        }
        None
    }

    /// A download has begun.
    pub fn started(&mut self, feed: Feed) {
        if let Some(queue) = self.queue(feed) {
            queue.in_flight += 1;
        }
    }

    /// A download no longer needs its slot.
    pub fn finished(&mut self, feed: Feed) {
        if let Some(queue) = self.queue(feed) {
            queue.in_flight = queue.in_flight.saturating_sub(1);
        }
    }

    /// How a download went.
    pub fn report(&mut self, feed: Feed, outcome: Outcome, now: Instant) {
        let longest = self.longest_pause;
        let Some(tenant) = self.tenants.get_mut(&feed.tenant) else { return };
        let Some(queue) = tenant.queues.get_mut(&feed.content_type) else { return };
        match outcome {
            Outcome::Served => {
                queue.trouble = Trouble::default();
                // Another API has served a search.
                if feed.content_type != ContentType::AuditLogQuery {
                    tenant.trouble = Trouble::default();
                }
            }
            Outcome::Failed => queue.trouble.add(now, FAILING, longest),
            // Downloads in flight together fail together; that is one failure.
            Outcome::FeedInTrouble if queue.trouble.over(now) => queue.trouble.add(now, IN_TROUBLE, longest),
            Outcome::TenantInTrouble { may_pass } if tenant.trouble.over(now) => {
                tenant.trouble.add(now, if may_pass { UNREACHABLE } else { IN_TROUBLE }, longest);
            }
            Outcome::FeedInTrouble | Outcome::TenantInTrouble { .. } => {}
        }
    }

    /// When the first queue with work that waits for the end of its trouble may go on.
    pub fn next_try(&self, now: Instant) -> Option<Instant> {
        let waiting = self.tenants.values().filter(|tenant| tenant.queues.values().any(|queue| queue.has_work));
        waiting
            .flat_map(|tenant| {
                let ends = tenant.queues.values().filter(|queue| queue.has_work).map(|queue| queue.trouble.until);
                ends.map(|end| end.max(tenant.trouble.until))
            })
            .flatten()
            .filter(|until| *until > now)
            .min()
    }

    /// Tenants that have something to claim.
    pub fn tenants_with_work(&self) -> impl Iterator<Item = TenantId> {
        let with_work = self.tenants.iter().filter(|(_, tenant)| tenant.queues.values().any(|queue| queue.has_work));
        with_work.map(|(id, _)| *id)
    }

    /// Whether every feed that has work has failed so often in a row that a run which should end need not wait for it.
    pub fn hopeless(&self) -> bool {
        self.tenants.values().all(|tenant| {
            tenant.queues.values().all(|queue| !queue.has_work || tenant.trouble.hopeless || queue.trouble.hopeless)
        })
    }

    /// How many downloads hold a slot.
    pub fn in_flight(&self) -> usize {
        self.tenants.values().map(Tenant::in_flight).sum()
    }

    fn searches_in_flight(&self) -> usize {
        self.tenants.values().map(Tenant::searches_in_flight).sum()
    }

    /// How many slots a tenant may hold: all when it is alone, else an equal share among those that have work or hold a
    /// slot, so that a slot given back goes to the tenant that has less.
    fn share(&self, now: Instant, paused: &impl Fn(TenantId) -> bool) -> usize {
        let competing = self
            .tenants
            .iter()
            .filter(|(id, tenant)| {
                let can_work = tenant.trouble.over(now) && !paused(**id);
                tenant.in_flight() > 0 || (can_work && tenant.queues.values().any(|queue| queue.has_work))
            })
            .count();
        match (self.tenants.len(), competing) {
            (..2, _) => self.slots,
            // Alone for now; but who comes next must not wait until a hanging download times out.
            (_, ..2) => (self.slots - self.slots / 4).max(1),
            (_, competing) => self.slots.div_ceil(competing).max(1),
        }
    }

    fn queue(&mut self, feed: Feed) -> Option<&mut FeedQueue> {
        self.tenants.get_mut(&feed.tenant)?.queues.get_mut(&feed.content_type)
    }
}

impl Tenant {
    /// Without searches, which have slots of their own.
    fn in_flight(&self) -> usize {
        self.queues.values().map(|queue| queue.in_flight).sum::<usize>() - self.searches_in_flight()
    }

    fn searches_in_flight(&self) -> usize {
        self.queues.get(&ContentType::AuditLogQuery).map_or(0, |queue| queue.in_flight)
    }

    fn next(&mut self, now: Instant, may_list: bool, may_search: bool) -> Option<ContentType> {
        for _ in 0..self.turns.len() {
            let content_type = self.turns.pop_front()?;
            self.turns.push_back(content_type);
            let Some(queue) = self.queues.get(&content_type) else { continue };
            let may_be_next = if content_type == ContentType::AuditLogQuery { may_search } else { may_list };
            if !may_be_next {
                continue;
            }
            let probing = queue.trouble.failures >= FAILURES_OF_A_FEED && queue.in_flight > 0;
            if queue.has_work && queue.trouble.over(now) && !probing {
                return Some(content_type);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;

    fn feed(tenant: u128, content_type: ContentType) -> Feed {
        Feed { tenant: TenantId(Uuid::from_u128(tenant)), content_type }
    }

    fn scheduler(tenants: u128, slots: usize) -> Scheduler {
        let feeds = (1..=tenants).flat_map(|tenant| ContentType::ALL.map(|content_type| feed(tenant, content_type)));
        Scheduler::new(feeds, slots)
    }

    fn start(scheduler: &mut Scheduler) -> Option<Feed> {
        let next = scheduler.next(Instant::now(), |_| false)?;
        scheduler.started(next);
        Some(next)
    }

    #[tokio::test(start_paused = true)]
    async fn tenants_take_turns_and_so_do_their_content_types() {
        let mut scheduler = scheduler(2, 100);
        let (a, b, c) =
            (feed(1, ContentType::Exchange), feed(1, ContentType::General), feed(2, ContentType::SharePoint));
        for feed in [a, b, c] {
            scheduler.has_work(feed);
        }
        let order: Vec<_> = (0..6).map(|_| start(&mut scheduler).unwrap()).collect();
        assert_eq!(order, [a, c, b, c, a, c]);
        scheduler.exhausted(c);
        assert_eq!(start(&mut scheduler), Some(b));
        scheduler.exhausted(a);
        scheduler.exhausted(b);
        assert_eq!(start(&mut scheduler), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_whose_downloads_hang_leaves_slots_to_the_others() {
        let mut scheduler = scheduler(2, 16);
        let (sick, healthy) = (feed(1, ContentType::Exchange), feed(2, ContentType::Exchange));
        scheduler.has_work(sick);
        while start(&mut scheduler).is_some() {}
        assert_eq!(scheduler.in_flight(), 12, "a quarter stays free for the next tenant");
        scheduler.has_work(healthy);
        for _ in 0..100 {
            assert_eq!(start(&mut scheduler), Some(healthy));
            scheduler.finished(healthy);
        }
        let mut alone = super::tests::scheduler(1, 16);
        alone.has_work(sick);
        while start(&mut alone).is_some() {}
        assert_eq!(alone.in_flight(), 16, "a single tenant has all");
    }

    #[tokio::test(start_paused = true)]
    async fn searches_have_slots_of_their_own() {
        let mut scheduler = scheduler(2, 1);
        let (exchange, searches) = (feed(1, ContentType::Exchange), feed(1, ContentType::AuditLogQuery));
        let others = feed(2, ContentType::AuditLogQuery);
        for feed in [exchange, searches, others] {
            scheduler.add(feed);
            scheduler.has_work(feed);
        }
        let mut started: Vec<_> = std::iter::from_fn(|| start(&mut scheduler)).collect();
        started.sort_unstable();
        assert_eq!(started.iter().filter(|feed| **feed == exchange).count(), 1, "{started:?}");
        assert_eq!(started.len(), 1 + SEARCHES, "{started:?}");
        scheduler.finished(exchange);
        assert_eq!(start(&mut scheduler), Some(exchange), "live collection does not wait for searches");
    }

    #[tokio::test(start_paused = true)]
    async fn trouble_pauses_its_lane_or_tenant_and_one_download_probes() {
        let mut scheduler = scheduler(2, 16);
        let (dlp, exchange, other) =
            (feed(1, ContentType::Dlp), feed(1, ContentType::Exchange), feed(2, ContentType::Dlp));
        for feed in [dlp, exchange, other] {
            scheduler.has_work(feed);
        }
        scheduler.report(dlp, Outcome::FeedInTrouble, Instant::now());
        scheduler.report(dlp, Outcome::FeedInTrouble, Instant::now());
        let picks: Vec<_> = (0..8).map(|_| start(&mut scheduler).unwrap()).collect();
        assert!(!picks.contains(&dlp) && picks.contains(&exchange) && picks.contains(&other));
        for feed in picks {
            scheduler.finished(feed);
        }
        let until = scheduler.next_try(Instant::now()).unwrap();
        assert!(until - Instant::now() <= Duration::from_secs(30), "failures in flight together are one");

        scheduler.report(exchange, Outcome::TenantInTrouble { may_pass: false }, Instant::now());
        assert_eq!((start(&mut scheduler), start(&mut scheduler)), (Some(other), Some(other)));
        tokio::time::sleep(Duration::from_secs(31)).await;
        let picks: Vec<_> = (0..6).map(|_| start(&mut scheduler).unwrap()).collect();
        assert_eq!(picks.iter().filter(|feed| feed.tenant == dlp.tenant).count(), 1, "{picks:?}");
        scheduler.report(exchange, Outcome::Served, Instant::now());
        assert!((0..6).filter_map(|_| start(&mut scheduler)).any(|feed| feed.tenant == dlp.tenant));
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_of_a_feed_is_noticed_after_a_few_blobs() {
        let mut scheduler = scheduler(1, 16);
        let exchange = feed(1, ContentType::Exchange);
        scheduler.has_work(exchange);
        let mut tried = 0;
        while let Some(feed) = start(&mut scheduler) {
            scheduler.report(feed, Outcome::Failed, Instant::now());
            scheduler.finished(feed);
            tried += 1;
        }
        assert_eq!(tried, FAILURES_OF_A_FEED);
        for _ in 0..30 {
            scheduler.report(exchange, Outcome::Failed, Instant::now());
        }
        assert!(!scheduler.hopeless(), "what may pass is waited for");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_people_is_given_up_after_two_pauses() {
        let exchange = feed(1, ContentType::Exchange);
        for (outcome, hopeless) in [
            (Outcome::FeedInTrouble, true),
            (Outcome::TenantInTrouble { may_pass: false }, true),
            (Outcome::TenantInTrouble { may_pass: true }, false),
        ] {
            let longest = Duration::from_secs(5);
            let mut scheduler = scheduler(1, 16).with_pauses_up_to(longest);
            scheduler.has_work(exchange);
            for _ in 0..2 {
                assert!(!scheduler.hopeless());
                scheduler.report(exchange, outcome, Instant::now());
                assert_eq!(start(&mut scheduler), None);
                tokio::time::sleep(longest).await;
                assert_eq!(start(&mut scheduler), Some(exchange));
                scheduler.finished(exchange);
            }
            assert_eq!(scheduler.hopeless(), hopeless, "{outcome:?}");
            scheduler.report(exchange, Outcome::Served, Instant::now());
            assert!(!scheduler.hopeless());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tenants_come_and_go() {
        let mut scheduler = scheduler(1, 4);
        let (old, new) = (feed(1, ContentType::Exchange), feed(2, ContentType::Exchange));
        scheduler.add(new);
        scheduler.add(new);
        for feed in [old, new] {
            scheduler.has_work(feed);
        }
        assert_eq!(
            [start(&mut scheduler), start(&mut scheduler), start(&mut scheduler)],
            [Some(old), Some(new), Some(old)]
        );
        scheduler.retain(|tenant| tenant == new.tenant);
        scheduler.finished(old);
        assert_eq!((start(&mut scheduler), scheduler.in_flight()), (Some(new), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn throttled_tenants_wait_and_unknown_feeds_are_ignored() {
        let mut scheduler = scheduler(1, 4);
        scheduler.has_work(feed(9, ContentType::Exchange));
        assert_eq!(start(&mut scheduler), None);
        scheduler.has_work(feed(1, ContentType::Exchange));
        assert_eq!(scheduler.next(Instant::now(), |_| true), None);
        assert!(scheduler.next(Instant::now(), |_| false).is_some());
    }
}
