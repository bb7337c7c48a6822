//! How many events of a batch are of which day.

use chrono::{DateTime, NaiveDate, Utc};

use crate::{
    content::{ContentType, Feed},
    ledger::EventCount,
};

/// Counts the events of a batch by content type and day. There are few of both.
#[derive(Debug)]
pub struct DayCounts {
    feed: Feed,
    healed: bool,
    counts: Vec<EventCount>,
}

impl DayCounts {
    /// Of a feed; `healed` if a search has found them.
    pub const fn new(feed: Feed, healed: bool) -> Self {
        Self { feed, healed, counts: Vec::new() }
    }

    /// One event. Without a time it is of no day.
    pub fn add(&mut self, content_type: ContentType, time: Option<DateTime<Utc>>) {
        let Some(day) = time.map(|time| time.date_naive()) else { return };
        self.add_to(content_type, day);
    }

    fn add_to(&mut self, content_type: ContentType, day: NaiveDate) {
        let same = |count: &&mut EventCount| count.day == day && count.feed.content_type == content_type;
        if let Some(count) = self.counts.iter_mut().rev().find(same) {
            count.events += 1;
        } else {
            let feed = Feed { content_type, ..self.feed };
            self.counts.push(EventCount { feed, day, events: 1, healed: self.healed });
        }
    }

    /// The counts.
    pub fn finish(self) -> Vec<EventCount> {
        self.counts
    }
}
