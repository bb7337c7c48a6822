//! What is known of the records of a search: with which content type the source would have them, and how many were missing.

use chrono::{DateTime, Utc};

use super::query_of;
use crate::{
    collector::{error::CollectorError, shared::Shared},
    component::JsonObject,
    content::ContentType,
    ledger::{BlobKey, EventCount, Found, FoundByType, SearchScope},
    normalize::content_types_of,
};

/// The comparison of a search's records with what was delivered.
#[derive(Debug)]
pub struct Comparison {
    /// The query whose records they are.
    pub query: String,
    /// Whether missing events are delivered.
    pub heals: bool,
    /// What has been found so far.
    pub found: FoundByType,
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
            scope,
            collected: shared.options.content_types.clone(),
        }))
    }

    /// With which content type the source collects a record; `None` if it does not.
    pub fn content_type(&self, record: &JsonObject) -> Option<ContentType> {
        content_types_of(record).iter().copied().find(|content_type| self.collected.contains(content_type))
    }

    /// Counts events that the pipeline has rejected for good as missing.
    pub fn reject(&mut self, rejected: &[EventCount]) {
        for count in rejected {
            let found = self.found.entry(count.feed.content_type).or_default();
            *found = found.and(Found { records: 0, missing: count.events });
        }
    }

    /// Counts a record that the source collects, and whether it is missing and stays so. One of another time is counted where it belongs:
    /// whether a query includes the end of its time, Microsoft does not say.
    pub fn count(&mut self, content_type: ContentType, time: Option<DateTime<Utc>>, is_missing: bool) {
        let is_of = |scope: &SearchScope| time.is_none_or(|time| (scope.start..scope.end).contains(&time));
        if !self.scope.as_ref().is_none_or(is_of) {
            return;
        }
        let found = self.found.entry(content_type).or_default();
        *found = found.and(Found { records: 1, missing: u64::from(is_missing) });
    }
}
