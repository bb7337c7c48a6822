//! `GET subscriptions/notifications`: what was sent to a webhook, and how that went.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, SubsecRound, Utc};

use super::{
    answer::Answer,
    auth,
    call::Call,
    entry::{self, Flaws, entry},
    error_reply::ErrorReply,
    page::Listing,
    state::Service,
    subscriptions,
    token::Claims,
    world::Source,
};
use crate::content::Feed;

/// Attempts kept for each feed; the oldest are forgotten first.
const KEPT: usize = 10_000;

/// One blob in one notification that was sent.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    source: Source,
    sent: DateTime<Utc>,
    accepted: bool,
}

/// The attempts of all webhooks, in the order in which they ended.
#[derive(Default)]
pub(super) struct Attempts(BTreeMap<Feed, VecDeque<Attempt>>);

impl Attempts {
    pub fn record(&mut self, feed: Feed, sources: &[Source], sent: DateTime<Utc>, accepted: bool) {
        let of_feed = self.0.entry(feed).or_default();
        let sent = sent.trunc_subsecs(3);
        of_feed.extend(sources.iter().map(|source| Attempt { source: *source, sent, accepted }));
        of_feed.drain(..of_feed.len().saturating_sub(KEPT));
    }

    fn of(&self, feed: Feed, until: DateTime<Utc>) -> Vec<Attempt> {
        let of_feed = self.0.get(&feed).into_iter().flatten();
        of_feed.filter(|attempt| attempt.sent <= until).copied().collect()
    }
}

/// Lists attempts by the creation time of the content they were about.
pub(super) fn list(service: &Service, call: &Call, claims: &Claims, now: DateTime<Utc>) -> Result<Answer, ErrorReply> {
    let feed = call.feed(claims.tenant())?;
    auth::permission(service, claims, feed)?;
    subscriptions::require_enabled(service, feed)?;
    let listing = Listing::of(service, call, "notifications", feed, now)?;

    let mut found = service.state().attempts.of(feed, listing.as_of());
    let window = listing.window.start..listing.window.end;
    found
        .retain(|attempt| service.world.created(feed, attempt.source).is_some_and(|created| window.contains(&created)));
    let on_page = listing.on_page(service, &found);
    let blobs = on_page.iter().filter_map(|attempt| Some((attempt, service.world.blob(feed, attempt.source)?)));
    let blobs: Vec<_> = blobs.collect();

    let mut state = service.state();
    let entries = blobs.iter().map(|(attempt, blob)| {
        let mut entry = entry(&state.base_url, blob, Flaws::default());
        entry["notificationSent"] = entry::time(attempt.sent).into();
        entry["notificationStatus"] = if attempt.accepted { "success" } else { "failed" }.into();
        entry
    });
    let entries = entries.collect();
    listing.answer(service, &mut state, call, entries, found.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{content::ContentType, simulator::SimulatedTenant};

    #[test]
    fn the_oldest_attempts_are_forgotten_first() {
        let feed = Feed { tenant: SimulatedTenant::contoso().id, content_type: ContentType::General };
        let sent = DateTime::UNIX_EPOCH;
        let mut attempts = Attempts::default();
        for number in 0..6000 {
            attempts.record(feed, &[Source::Placed(number), Source::Generated(number)], sent, true);
        }
        let kept = attempts.of(feed, sent);
        assert_eq!((kept.len(), kept[0].source), (KEPT, Source::Placed(1000)));
        assert!(attempts.of(feed, sent - chrono::TimeDelta::milliseconds(1)).is_empty());
    }
}
