//! The truth about what a collector can have found.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    content::listable,
    entry::content_uri,
    graph,
    state::Service,
    subscriptions::Subscription,
    timeline::span,
    window::Window,
    world::{Blob, LOOKBACK},
};
use crate::content::{ContentRef, Feed, TenantId};

/// What exists in the simulated world.
#[derive(Clone)]
pub struct Oracle {
    service: Arc<Service>,
}

/// How much one feed, or all of them, holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FeedCounts {
    /// Blobs.
    pub blobs: u64,
    /// Events in them.
    pub events: u64,
    /// Different event ids among those.
    pub unique_ids: u64,
}

impl FeedCounts {
    /// Events that repeat an id.
    pub fn duplicates(&self) -> u64 {
        self.events - self.unique_ids
    }
}

impl Oracle {
    pub(super) fn new(service: Arc<Service>) -> Self {
        Self { service }
    }

    /// Every event that a collector without fault must have delivered by now: the events of each blob that was listed at
    /// some moment between the simulator's start and now.
    ///
    /// A feed without a subscription counts as subscribed at the start: a collector that never subscribes has lost
    /// events.
    pub fn expected_ids(&self) -> BTreeSet<(TenantId, String)> {
        let of_feed = |feed: Feed| self.expected_ids_of(feed).into_iter().map(move |id| (feed.tenant, id));
        self.service.world.feeds().into_iter().flat_map(of_feed).collect()
    }

    /// The part of [`Self::expected_ids`] that comes from one feed. Feeds of a tenant can share ids.
    pub fn expected_ids_of(&self, feed: Feed) -> BTreeSet<String> {
        let blobs = self.expected_blobs(feed);
        blobs.iter().flat_map(|blob| self.service.world.event_ids(feed, blob.source)).collect()
    }

    /// The different ids of all events of a tenant that exist by now and have a `CreationTime` in a half-open range, whatever
    /// the Management Activity API lists. A search of that range finds them all, but for those that it
    /// [lacks](Self::lacking_in_search).
    pub fn searchable_ids(&self, tenant: TenantId, start: DateTime<Utc>, end: DateTime<Utc>) -> BTreeSet<String> {
        let world = &self.service.world;
        let occurrences = world.occurrences(tenant, start..end, self.service.clock.now());
        occurrences.iter().filter_map(|occurrence| world.id(occurrence)).collect()
    }

    /// The part of [`Self::searchable_ids`] that no search ever shows.
    pub fn lacking_in_search(&self, tenant: TenantId, start: DateTime<Utc>, end: DateTime<Utc>) -> BTreeSet<String> {
        let mut ids = self.searchable_ids(tenant, start, end);
        ids.retain(|id| graph::is_lacking(&self.service.config, id));
        ids
    }

    /// The ids of a tenant's events that exist by now only in blobs which are never listed. Content that is too old for a
    /// listing when the simulator starts was listed once, and does not count.
    pub fn unlisted_ids(&self, tenant: TenantId) -> BTreeSet<String> {
        self.service.world.unlisted_ids(tenant, everything_until(self.service.clock.now()).end)
    }

    /// The `contentId` of each whole blob that was listed at some moment between the simulator's start and now.
    pub fn expected_content_ids(&self, feed: Feed) -> BTreeSet<String> {
        self.expected_blobs(feed).into_iter().map(|blob| blob.content_id).collect()
    }

    /// The blobs that a listing without gaps returns at a time, at most up to now.
    pub fn listable(&self, feed: Feed, at: DateTime<Utc>) -> Vec<ContentRef> {
        let Some(subscription) = self.service.state().subscriptions.get(&feed).cloned() else { return Vec::new() };
        if !subscription.is_enabled() {
            return Vec::new();
        }
        let base = self.service.state().base_url.clone();
        let sources = listable(&self.service, feed, &subscription, everything_until(at), at);
        let blobs = sources.into_iter().filter_map(|source| self.service.world.blob(feed, source));
        blobs
            .map(|blob| ContentRef {
                feed,
                content_uri: content_uri(&base, &blob, false),
                content_id: blob.content_id,
                created: blob.created,
                expiration: Some(blob.expiration),
            })
            .collect()
    }

    /// The bodies of all blobs of one feed that are expected, for benches.
    pub fn bodies(&self, feed: Feed) -> Vec<Bytes> {
        self.expected_blobs(feed).iter().map(|blob| self.service.world.body(blob)).collect()
    }

    /// How much of one feed is expected.
    pub fn counts(&self, feed: Feed) -> FeedCounts {
        self.count(&[feed])
    }

    /// How much is expected in all.
    pub fn totals(&self) -> FeedCounts {
        self.count(&self.service.world.feeds())
    }

    fn count(&self, feeds: &[Feed]) -> FeedCounts {
        let mut counts = FeedCounts::default();
        let mut unique = BTreeSet::new();
        for feed in feeds {
            for blob in self.expected_blobs(*feed) {
                counts.blobs += 1;
                let ids = self.service.world.event_ids(*feed, blob.source);
                counts.events += ids.len() as u64;
                unique.extend(ids.into_iter().map(|id| (feed.tenant, id)));
            }
        }
        counts.unique_ids = unique.len() as u64;
        counts
    }

    fn expected_blobs(&self, feed: Feed) -> Vec<Blob> {
        let now = self.service.clock.now();
        let started = self.service.started;
        let subscription = self.service.state().subscriptions.get(&feed).cloned();
        let subscription = subscription.unwrap_or_else(|| Subscription::since(started));
        let created = self.service.world.created_within(feed, started - span(LOOKBACK), everything_until(now).end);
        created
            .into_iter()
            .filter(|(created, _)| subscription.covers(*created))
            .filter_map(|(_, source)| self.service.world.blob(feed, source))
            .filter(|blob| {
                let first_listed = blob.available_from.max(blob.created).max(started);
                first_listed <= now && first_listed - blob.created <= span(LOOKBACK) && first_listed < blob.expiration
            })
            .collect()
    }
}

fn everything_until(at: DateTime<Utc>) -> Window {
    Window { start: DateTime::<Utc>::MIN_UTC, end: at + TimeDelta::milliseconds(1), chosen: false }
}
