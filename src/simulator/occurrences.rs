//! Events by the time at which they happened, each once: what the audit search of Microsoft Graph looks through.
//!
//! The Management Activity API lists blobs by the time of their creation, and some of their events again in later blobs.
//! An event is at most an hour older than the blob it first appears in, so the events of a range of time are computed from
//! the few blobs that can hold them.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use chrono::{DateTime, Utc};

use super::{
    bodies::{OLDEST_EVENT, Slot},
    world::{Source, World},
};
use crate::content::{Feed, TenantId};

/// One event of a tenant, and where it first appears.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Occurrence {
    /// `CreationTime`, in whole seconds as records have it.
    pub at: DateTime<Utc>,
    pub feed: Feed,
    pub source: Source,
    /// Its position in the blob.
    pub event: u32,
}

impl World {
    /// The events of a tenant with a `CreationTime` in a half-open range, of all content types and whether or not they are
    /// listed, as far as their blobs had been created at a time. The newest come first.
    pub fn occurrences(&self, tenant: TenantId, range: Range<DateTime<Utc>>, as_of: DateTime<Utc>) -> Vec<Occurrence> {
        let mut placed = self.placed_occurrences(tenant, &range, as_of);
        let mut found = self.generated_occurrences(tenant, &range, as_of);
        if !placed.is_empty() {
            // A test may place an event that was there before.
            for id in found.iter().filter_map(|occurrence| self.id(occurrence)) {
                placed.remove(&id);
            }
        }
        found.extend(placed.into_values());
        found.sort_unstable_by(|one, other| other.cmp(one));
        found
    }

    fn generated_occurrences(
        &self,
        tenant: TenantId,
        range: &Range<DateTime<Utc>>,
        as_of: DateTime<Utc>,
    ) -> Vec<Occurrence> {
        let mut found = Vec::new();
        let timelines = self.timelines();
        let last = range.end.checked_add_signed(OLDEST_EVENT).unwrap_or(as_of);
        for (feed, timeline) in timelines.iter().filter(|(feed, _)| feed.tenant == tenant) {
            for number in timeline.numbers(range.start, last) {
                let created = timeline.created(number);
                if created > as_of {
                    break;
                }
                for event in 0..timeline.events(number) {
                    let slot = Slot { feed: *feed, number, event };
                    let at = self.author().occurred(slot, created);
                    // A slot that repeats an earlier event shows nothing of its own.
                    if range.contains(&at) && self.author().origin(timelines, slot) == slot {
                        found.push(Occurrence { at, feed: *feed, source: Source::Generated(number), event });
                    }
                }
            }
        }
        found
    }

    /// Placed events by their ids.
    fn placed_occurrences(
        &self,
        tenant: TenantId,
        range: &Range<DateTime<Utc>>,
        as_of: DateTime<Utc>,
    ) -> BTreeMap<String, Occurrence> {
        let mut found = BTreeMap::new();
        for (feed, blobs) in self.placed().iter().filter(|(feed, _)| feed.tenant == tenant) {
            for (number, blob) in (0..).zip(blobs).filter(|(_, blob)| blob.spec.created <= as_of) {
                for (event, record) in (0..).zip(&blob.records).filter(|(_, record)| range.contains(&record.at)) {
                    let Some(id) = record.id.clone() else { continue };
                    let occurrence = Occurrence { at: record.at, feed: *feed, source: Source::Placed(number), event };
                    found.entry(id).or_insert(occurrence);
                }
            }
        }
        found
    }

    /// The `Id` of an event.
    pub fn id(&self, occurrence: &Occurrence) -> Option<String> {
        let Occurrence { feed, source, event, .. } = *occurrence;
        match source {
            Source::Generated(number) => Some(self.author().id(Slot { feed, number, event }).to_string()),
            Source::Placed(number) => self.placed_record(feed, number, event, |record| record.id.clone())?,
        }
    }

    /// The record of an event as JSON text, as the blob has it in which it first appears.
    pub fn record(&self, occurrence: &Occurrence) -> Option<String> {
        let Occurrence { feed, source, event, .. } = *occurrence;
        match source {
            Source::Generated(number) => {
                let created = self.timelines().get(&feed)?.created(number);
                Some(self.author().write(Slot { feed, number, event }, created).to_string())
            }
            Source::Placed(number) => {
                self.placed_record(feed, number, event, |record| String::from_utf8_lossy(&record.json).into_owned())
            }
        }
    }

    /// The ids of a tenant's events that are in no listed blob, of all blobs created before a time.
    pub fn unlisted_ids(&self, tenant: TenantId, until: DateTime<Utc>) -> BTreeSet<String> {
        let (mut unlisted, mut listed) = (BTreeSet::new(), BTreeSet::new());
        for feed in self.feeds().into_iter().filter(|feed| feed.tenant == tenant) {
            for (_, source) in self.created_within(feed, DateTime::<Utc>::MIN_UTC, until) {
                let is_listed = self.available_from(feed, source).is_some();
                let ids = if is_listed { &mut listed } else { &mut unlisted };
                ids.extend(self.event_ids(feed, source));
            }
        }
        &unlisted - &listed
    }
}
