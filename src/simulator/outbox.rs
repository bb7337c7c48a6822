//! What waits to be announced to one webhook.

use std::{
    collections::{BTreeSet, VecDeque},
    ops::RangeInclusive,
    time::Duration,
};

use chrono::{DateTime, Utc};
use rand::rngs::SmallRng;
use tokio::time::Instant;

use super::{
    Faults,
    dice::{Dice, chance},
    webhook::Webhook,
    world::{Seen, Source, World},
};
use crate::content::Feed;

/// How long a notification is held back when nothing follows that could overtake it.
const HELD_AT_MOST: Duration = Duration::from_mins(1);

/// The notifications of one webhook, one at a time and in order: while one fails, all content behind it waits.
pub(super) struct Outbox {
    /// The serial number of the webhook.
    pub webhook: u64,
    feed: Feed,
    since: DateTime<Utc>,
    seen: Seen,
    /// Content that is not listed yet, by the time from which it is.
    upcoming: BTreeSet<(DateTime<Utc>, DateTime<Utc>, Source)>,
    waiting: VecDeque<Source>,
    current: Option<Notification>,
    held: Option<Held>,
    failures: u32,
    retry_at: Option<Instant>,
    drops: Dice,
    pub rng: SmallRng,
}

/// The blobs that one notification names.
#[derive(Clone, Debug)]
pub(super) struct Notification {
    pub sources: Vec<Source>,
    /// Whether it was accepted before.
    pub repeated: bool,
}

/// A notification that another one overtakes.
struct Held {
    notification: Notification,
    until: Instant,
}

impl Outbox {
    pub fn new(seed: Dice, feed: Feed, webhook: &Webhook) -> Self {
        let dice = seed.of_uuid("webhook", feed.tenant.0).of(feed.content_type.as_str(), 0);
        Self {
            webhook: webhook.serial,
            feed,
            since: webhook.since,
            seen: Seen::default(),
            upcoming: BTreeSet::new(),
            waiting: VecDeque::new(),
            current: None,
            held: None,
            failures: 0,
            retry_at: None,
            drops: dice.of("drop", 0),
            rng: dice.of("notifications", webhook.serial).rng(),
        }
    }

    /// Queues what has become available, as long as a listing has it.
    pub fn collect(
        &mut self,
        world: &World,
        faults: &Faults,
        now: DateTime<Utc>,
        is_listed: impl Fn(DateTime<Utc>) -> bool,
    ) {
        for source in world.news(self.feed, &mut self.seen, self.since, now) {
            let times = world.created(self.feed, source).zip(world.available_from(self.feed, source));
            self.upcoming.extend(times.map(|(created, available)| (available.max(created), created, source)));
        }
        while let Some((_, created, source)) = self.pop_upcoming(now) {
            if is_listed(created) && !self.drops(source, faults) {
                self.waiting.push_back(source);
            }
        }
    }

    /// The notification to send now, the same until it was accepted. Otherwise, the time of the next attempt if one failed.
    pub fn next(&mut self, batch: usize, faults: &Faults, now: Instant) -> Result<Notification, Option<Instant>> {
        if let Some(later) = self.retry_at.filter(|at| *at > now) {
            return Err(Some(later));
        }
        if self.current.is_none() {
            self.current = self.form(batch.max(1), faults, now);
        }
        self.current.clone().ok_or(None)
    }

    /// The webhook accepted the notification.
    pub fn accepted(&mut self, faults: &Faults, now: Instant) {
        self.failures = 0;
        self.retry_at = None;
        let Some(mut sent) = self.current.take() else { return };
        if !sent.repeated && chance(&mut self.rng, faults.notify_duplicates) {
            sent.repeated = true;
            self.current = Some(sent);
        }
        if let Some(held) = &mut self.held {
            held.until = now;
        }
    }

    /// The webhook did not accept the notification: how often in a row that was.
    pub fn failed(&mut self, waits: &RangeInclusive<Duration>, now: Instant) -> u32 {
        let doubled = 1u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Some(now + waits.start().saturating_mul(doubled).min(*waits.end()));
        self.failures
    }

    fn pop_upcoming(&mut self, now: DateTime<Utc>) -> Option<(DateTime<Utc>, DateTime<Utc>, Source)> {
        let (available, ..) = *self.upcoming.first()?;
        if available <= now { self.upcoming.pop_first() } else { None }
    }

    fn form(&mut self, batch: usize, faults: &Faults, now: Instant) -> Option<Notification> {
        if let Some(held) = self.held.take_if(|held| held.until <= now) {
            return Some(held.notification);
        }
        let notification = self.take(batch)?;
        if self.held.is_none() && chance(&mut self.rng, faults.notify_reordered) {
            self.held = Some(Held { notification, until: now + HELD_AT_MOST });
            return self.take(batch);
        }
        Some(notification)
    }

    fn take(&mut self, batch: usize) -> Option<Notification> {
        let sources: Vec<_> = self.waiting.drain(..batch.min(self.waiting.len())).collect();
        (!sources.is_empty()).then_some(Notification { sources, repeated: false })
    }

    /// Follows from the blob alone, so that the same blobs are missing whenever they are looked at.
    fn drops(&self, source: Source, faults: &Faults) -> bool {
        let dice = match source {
            Source::Generated(number) => self.drops.of("generated", number),
            Source::Placed(number) => self.drops.of("placed", number),
        };
        dice.chance(faults.notify_drop)
    }
}
