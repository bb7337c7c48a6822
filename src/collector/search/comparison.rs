//! What is known of the records of a search: with which content type the source would have them, and how many were missing.

use chrono::{DateTime, TimeDelta, Utc};

use super::query_of;
use crate::{
    collector::{error::CollectorError, shared::Shared},
    component::JsonObject,
    content::ContentType,
    ledger::{BlobKey, EventCount, FinishedSearch, Found, FoundByType, SearchScope},
    normalize::content_types_of,
};

/// Times of records, and the filters of queries, are exact to the second.
const MOMENT: TimeDelta = TimeDelta::seconds(1);

/// The comparison of a search's records with what was delivered.
#[derive(Debug)]
pub struct Comparison {
    /// The query whose records they are.
    pub query: String,
    /// Whether missing events are delivered.
    pub heals: bool,
    /// What has been found so far.
    found: FoundByType,
    /// Records that can be compared with nothing.
    discarded: u64,
    scope: Option<SearchScope>,
    collected: Vec<ContentType>,
}

impl Comparison {
    /// The comparison that a blob is for; `None` for content of the Management Activity API.
    ///
    /// # Errors
    ///
    /// When the ledger fails.
    pub async fn of(shared: &Shared, key: &BlobKey) -> Result<Option<Self>, CollectorError> {
        let Some(query) = query_of(key) else { return Ok(None) };
        let days = shared.ledger.open_days(Some(key.feed.tenant)).await?;
        let read = days.iter().find_map(|day| Some((day.heals, day.reading(query)?.scope.clone())));
        // Without a day, nobody waits for it any more.
        let (heals, scope) = read.map_or((false, None), |(heals, scope)| (heals, Some(scope)));
        Ok(Some(Self {
            query: query.to_owned(),
            heals: heals && shared.options.heals,
            found: FoundByType::new(),
            discarded: 0,
            scope,
            collected: shared.options.content_types.clone(),
        }))
    }

    /// With which content type the source collects a record; `None` if it does not.
    pub fn content_type(&self, record: &JsonObject) -> Option<ContentType> {
        content_types_of(record).iter().copied().find(|content_type| self.collected.contains(content_type))
    }

    /// The time by which a healed event counts: its own, unless that is not the one for which the search has shown it.
    pub fn time_of(&self, own: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        let Some(scope) = &self.scope else { return own };
        let is_own = |time: &DateTime<Utc>| (scope.start..scope.end + MOMENT).contains(time);
        own.filter(is_own).or(Some(scope.start))
    }

    /// Counts events that the pipeline has rejected for good as missing.
    pub fn reject(&mut self, rejected: &[EventCount]) {
        for count in rejected {
            let found = self.found.entry(count.feed.content_type).or_default();
            *found = found.and(Found { records: 0, missing: count.events });
        }
    }

    /// Counts records that nobody can compare: what they are, and whether they were delivered, cannot be told.
    pub const fn discard(&mut self, records: u64) {
        self.discarded = self.discarded.saturating_add(records);
    }

    /// Counts a record that the source collects, and whether it is missing and stays so. One of the moment at which the search ends is
    /// left to the next search: whether a query includes the end of its time, Microsoft does not say. Any other counts where the
    /// search has shown it, whatever time it has.
    pub fn count(&mut self, content_type: ContentType, time: Option<DateTime<Utc>>, is_missing: bool) {
        let is_of_the_next =
            |scope: &SearchScope| time.is_some_and(|time| time >= scope.end && time - scope.end < MOMENT);
        if self.scope.as_ref().is_some_and(is_of_the_next) {
            return;
        }
        let found = self.found.entry(content_type).or_default();
        *found = found.and(Found { records: 1, missing: u64::from(is_missing) });
    }

    /// What came of it.
    pub fn finish(self) -> FinishedSearch {
        let problem = (self.discarded > 0).then(|| {
            format!(
                "{} of the records that the search shows cannot be compared, because they have no Id or are no records; the log has a line \
                 about each kind",
                self.discarded
            )
        });
        FinishedSearch { query: self.query, found: self.found, problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_000_000 + seconds, 0).unwrap()
    }

    fn comparison() -> Comparison {
        Comparison {
            query: "a".to_owned(),
            heals: false,
            found: FoundByType::new(),
            discarded: 0,
            scope: Some(SearchScope { start: at(0), end: at(100), record_types: Vec::new() }),
            collected: vec![ContentType::Exchange],
        }
    }

    #[test]
    fn only_what_the_next_search_finds_as_well_is_left_to_it() {
        let mut comparison = comparison();
        // The second is in another time zone, say, and the last has no time.
        let times = [Some(at(50)), Some(at(-9 * 3_600)), Some(at(101)), Some(at(99)), None];
        for time in times {
            comparison.count(ContentType::Exchange, time, true);
        }
        for time in [at(100), at(100) + TimeDelta::milliseconds(999)] {
            comparison.count(ContentType::Exchange, Some(time), true);
        }
        let found = comparison.finish().found;
        assert_eq!(found[&ContentType::Exchange], Found { records: 5, missing: 5 });
    }

    #[test]
    fn a_healed_event_counts_for_the_time_for_which_it_was_found() {
        let time_of = |seconds: Option<i64>| comparison().time_of(seconds.map(at)).unwrap();
        assert_eq!([time_of(Some(50)), time_of(Some(100))], [at(50), at(100)]);
        assert_eq!([time_of(None), time_of(Some(-1)), time_of(Some(101))], [at(0); 3]);
    }

    #[test]
    fn what_cannot_be_compared_is_a_problem() {
        assert_eq!(comparison().finish().problem, None);
        let mut comparison = comparison();
        comparison.discard(2);
        comparison.discard(1);
        assert!(comparison.finish().problem.unwrap().starts_with("3 of the records"));
    }
}
