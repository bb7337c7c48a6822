//! `GET subscriptions/content`: what is there to be fetched.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    answer::Answer,
    auth,
    call::Call,
    entry::{Flaws, entry},
    error_reply::ErrorReply,
    page::Listing,
    state::{Service, SimulatorState},
    subscriptions::{self, Subscription},
    timeline::span,
    token::Claims,
    window::Window,
    world::{Blob, LOOKBACK, Source},
};
use crate::content::Feed;

pub(super) fn list(service: &Service, call: &Call, claims: &Claims, now: DateTime<Utc>) -> Result<Answer, ErrorReply> {
    let feed = call.feed(claims.tenant())?;
    auth::permission(service, claims, feed)?;
    let subscription = subscriptions::require_enabled(service, feed)?;
    let listing = Listing::of(service, call, "content", feed, now)?;

    let found = listable(service, feed, &subscription, listing.window, listing.as_of());
    let on_page = listing.on_page(service, &found);
    let blobs: Vec<_> = on_page.iter().filter_map(|source| service.world.blob(feed, *source)).collect();

    let mut state = service.state();
    state.listed_by(feed, claims.serial);
    let entries = blobs.iter().map(|blob| state.announce(listing.window, blob)).collect();
    listing.answer(service, &mut state, call, entries, found.len())
}

/// The blobs a window lists at a time, oldest first.
pub(super) fn listable(
    service: &Service,
    feed: Feed,
    subscription: &Subscription,
    window: Window,
    at: DateTime<Utc>,
) -> Vec<Source> {
    let start = window.start.max(oldest_listed(service, at));
    let created = service.world.created_within(feed, start, window.end);
    created
        .into_iter()
        .filter(|(created, _)| *created <= at && subscription.covers(*created))
        .filter(|(_, source)| service.world.available_from(feed, *source).is_some_and(|from| from <= at))
        .map(|(_, source)| source)
        .collect()
}

/// The creation time of the oldest content that is still listed.
pub(super) fn oldest_listed(service: &Service, at: DateTime<Utc>) -> DateTime<Utc> {
    at - span(LOOKBACK) - span(service.config.lookback_tolerance)
}

impl SimulatorState {
    /// Takes note of the token with which a feed was listed.
    fn listed_by(&mut self, feed: Feed, serial: u64) {
        if self.listers.insert(feed, serial).is_some_and(|before| before != serial) {
            *self.stats.lister_changes.entry(feed).or_default() += 1;
        }
    }

    fn announce(&mut self, window: Window, blob: &Blob) -> Value {
        let flaws = Flaws::draw(&mut self.rng, &self.faults);
        if window.cuts(blob.created) {
            self.stats.partial_refs += 1;
            return entry(&self.base_url, &blob.halved(), flaws);
        }
        entry(&self.base_url, blob, flaws)
    }
}
