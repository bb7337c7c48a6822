//! What is known of the records of a search: with which content type the source would have them, and how many were missing.

use super::query_of;
use crate::{
    collector::{error::CollectorError, shared::Shared},
    component::JsonObject,
    content::ContentType,
    ledger::{BlobKey, DayRecord, EventCount, Found, FoundByType},
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
        let reads = |day: &&DayRecord| day.reading(query).is_some();
        // Without a day, nobody waits for it any more.
        let heals = days.iter().find(reads).is_some_and(|day| day.heals);
        let collected = shared.options.content_types.clone();
        Ok(Some(Self { query: query.to_owned(), heals, found: FoundByType::new(), collected }))
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

    /// Counts a record that the source collects, and whether it is missing and stays so.
    pub fn count(&mut self, content_type: ContentType, is_missing: bool) {
        let found = self.found.entry(content_type).or_default();
        *found = found.and(Found { records: 1, missing: u64::from(is_missing) });
    }
}
