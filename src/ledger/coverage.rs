//! Which days have been compared with the audit search, what came of it, and the searches that are under way.

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Deserializer, Serialize};

use super::{BlobKey, DeliveredBatch, LedgerError, SearchScope};
use crate::content::{ContentRef, ContentType, TenantId, with_searches};

/// A day (UTC) of a tenant's audit log, by the time of its events.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct AuditDay {
    /// Whose.
    pub tenant: TenantId,
    /// Which day.
    pub day: NaiveDate,
}

impl fmt::Display for AuditDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of tenant {}", self.day, self.tenant)
    }
}

/// A search that is not finished.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Search {
    /// Its number among those of its day.
    pub number: u32,
    /// What it looks for.
    #[serde(flatten)]
    pub scope: SearchScope,
    /// How often it has failed.
    #[serde(default)]
    pub failures: u32,
    /// How far it is.
    pub state: SearchState,
}

/// How far a search is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchState {
    /// Nothing has been asked yet.
    Planned {
        /// Not before this time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<DateTime<Utc>>,
    },
    /// Microsoft is asked for a query of this name. After a crash, or without an answer, there may be one.
    Creating {
        /// `displayName`, which no other query has.
        name: String,
        /// Since when.
        since: DateTime<Utc>,
    },
    /// Microsoft works on it.
    Running {
        /// The query's id.
        query: String,
        /// Since when.
        since: DateTime<Utc>,
    },
    /// Its records are pending content.
    Reading {
        /// The query's id.
        query: String,
    },
}

/// What becomes of a search.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SearchStep {
    /// A query of this name is about to be asked for.
    Creating {
        /// `displayName`.
        name: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// Microsoft has a query for it.
    Created {
        /// Its id.
        query: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// It begins anew, not before a time. `problem` says why, if it failed.
    Replanned {
        /// When it may.
        not_before: DateTime<Utc>,
        /// Why, free of secrets. Counts as a failure.
        problem: Option<String>,
    },
    /// These take its place.
    Split {
        /// What they look for.
        into: Vec<SearchScope>,
        /// What they do not look for, if anything: the day cannot be told as a whole then.
        problem: Option<String>,
    },
    /// It is given up: what it looks for cannot be told.
    GivenUp {
        /// Why, free of secrets.
        problem: String,
        /// When.
        at: DateTime<Utc>,
    },
}

/// How many records of one content type the searches of a day have found, of those that the source collects.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Found {
    /// Different records.
    pub records: u64,
    /// Those among them that have not been delivered, by whatever way.
    #[serde(default)]
    pub missing: u64,
}

impl Found {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_add(other.records),
            missing: self.missing.saturating_add(other.missing),
        }
    }
}

/// What searches have found, by content type.
pub type FoundByType = BTreeMap<ContentType, Found>;

/// A search whose records have been read and compared.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FinishedSearch {
    /// The id of its query.
    pub query: String,
    /// What it has found.
    pub found: FoundByType,
    /// Why that is not all that it has shown, free of secrets: the day cannot be told as a whole then.
    pub problem: Option<String>,
}

/// A day that was to be compared with the audit search.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DayRecord {
    /// Which day.
    #[serde(flatten)]
    pub of: AuditDay,
    /// Whether events are delivered that the search finds and that were not delivered before.
    pub heals: bool,
    /// When the comparison was asked for.
    pub requested: DateTime<Utc>,
    /// When it came to an end. `None` while searches are under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<DateTime<Utc>>,
    /// The searches that are not finished.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub searches: Vec<Search>,
    /// What those have found that are finished.
    #[serde(default, skip_serializing_if = "FoundByType::is_empty", deserialize_with = "by_type")]
    pub found: FoundByType,
    /// Content types that the source collects and of which the search shows nothing, for want of a permission.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "types")]
    pub hidden: Vec<ContentType>,
    /// Why the day cannot be told as a whole, or cannot be told yet. `None` of a day that has been told as a whole, whatever failed
    /// on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Whether a search was given up. `problem` says why then, and stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given_up: bool,
    /// Events of the day that had been delivered when the comparison came to its end.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "by_type")]
    pub delivered: BTreeMap<ContentType, DeliveredCounts>,
    /// The number of the next search.
    #[serde(default)]
    pub next: u32,
}

/// A comparison that is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DayRequest {
    /// Of which day.
    pub of: AuditDay,
    /// Whether missing events are delivered.
    pub heals: bool,
    /// What is looked for, which together is the day.
    pub scopes: Vec<SearchScope>,
    /// Content types of which the search shows nothing.
    pub hidden: Vec<ContentType>,
    /// When.
    pub at: DateTime<Utc>,
}

impl DayRecord {
    /// A comparison that begins. Where nothing is to be looked for, it has come to its end.
    pub(super) fn begin(request: DayRequest) -> Self {
        let DayRequest { of, heals, scopes, hidden, at } = request;
        let mut record = Self {
            of,
            heals,
            requested: at,
            settled: None,
            searches: Vec::new(),
            found: FoundByType::new(),
            hidden,
            problem: None,
            given_up: false,
            delivered: BTreeMap::new(),
            next: 0,
        };
        record.add(scopes);
        record.settle(at);
        record
    }

    /// Whether searches are under way.
    pub const fn is_open(&self) -> bool {
        self.settled.is_none()
    }

    /// Whether nothing was found of a day of which events were delivered. Such a search shows nothing, and proves nothing.
    pub fn found_nothing(&self) -> bool {
        let count = |counts: &DeliveredCounts| counts.live.saturating_add(counts.healed);
        let is_shown = |content_type: &ContentType| !self.hidden.contains(content_type);
        !self.is_open()
            && self.found.values().all(|found| found.records == 0)
            && self.delivered.iter().any(|(content_type, counts)| is_shown(content_type) && count(counts) > 0)
    }

    /// The search whose records are those of a query.
    pub fn reading(&self, query: &str) -> Option<&Search> {
        self.searches.iter().find(|search| matches!(&search.state, SearchState::Reading { query: of } if of == query))
    }

    /// Adds searches. A scope without any time has no events, and no search.
    fn add(&mut self, scopes: Vec<SearchScope>) {
        for scope in scopes.into_iter().filter(SearchScope::has_time) {
            let state = SearchState::Planned { not_before: None };
            self.searches.push(Search { number: self.next, scope, failures: 0, state });
            self.next = self.next.saturating_add(1);
        }
    }

    /// Takes a step of one of its searches. One that is over takes none.
    pub(super) fn step(&mut self, number: u32, step: SearchStep) {
        let Some(at) = self.searches.iter().position(|search| search.number == number) else { return };
        let search = &mut self.searches[at];
        match step {
            SearchStep::Creating { name, at } => search.state = SearchState::Creating { name, since: at },
            SearchStep::Created { query, at } => search.state = SearchState::Running { query, since: at },
            SearchStep::Replanned { not_before, problem } => {
                search.failures = search.failures.saturating_add(problem.is_some().into());
                search.state = SearchState::Planned { not_before: Some(not_before) };
                if !self.given_up && problem.is_some() {
                    self.problem = problem;
                }
            }
            // Split into nothing, a part of the day would be left out.
            SearchStep::Split { into, .. } if !into.iter().any(SearchScope::has_time) => {}
            SearchStep::Split { into, problem } => {
                if let Some(problem) = problem {
                    self.given_up = true;
                    self.problem = Some(problem);
                }
                self.searches.remove(at);
                self.add(into);
            }
            SearchStep::GivenUp { problem, at: time } => {
                self.searches.remove(at);
                self.problem = Some(problem);
                self.given_up = true;
                self.settle(time);
            }
        }
    }

    /// The records of a search are pending content from now on. Returns whether they are: not those of a search that does not
    /// run, which was replaced or given up.
    pub(super) fn read(&mut self, number: u32) -> bool {
        if let Some(search) = self.searches.iter_mut().find(|search| search.number == number)
            && let SearchState::Running { query, .. } = &search.state
        {
            search.state = SearchState::Reading { query: query.clone() };
            return true;
        }
        false
    }

    /// A search is finished: its records have been compared, and delivered if that was wanted.
    pub(super) fn finish(&mut self, finished: &FinishedSearch, at: DateTime<Utc>) {
        let Some(number) = self.reading(&finished.query).map(|search| search.number) else { return };
        self.searches.retain(|search| search.number != number);
        for (content_type, some) in &finished.found {
            let all = self.found.entry(*content_type).or_default();
            *all = all.and(*some);
        }
        if let Some(problem) = &finished.problem {
            self.given_up = true;
            self.problem = Some(problem.clone());
        }
        // What failed before and did not stop the day from being told is no problem of the day.
        if !self.given_up && self.searches.iter().all(|search| search.failures == 0) {
            self.problem = None;
        }
        self.settle(at);
    }

    fn settle(&mut self, at: DateTime<Utc>) {
        if self.searches.is_empty() {
            self.settled = Some(at);
        }
    }
}

/// Reads a map by content type. That of searches is accepted, as everywhere in a ledger: what was written reads back.
fn by_type<'de, D: Deserializer<'de>, V: Deserialize<'de>>(
    deserializer: D,
) -> Result<BTreeMap<ContentType, V>, D::Error> {
    let map = BTreeMap::<AnyType, V>::deserialize(deserializer)?;
    Ok(map.into_iter().map(|(AnyType(content_type), value)| (content_type, value)).collect())
}

fn types<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ContentType>, D::Error> {
    let types = Vec::<AnyType>::deserialize(deserializer)?;
    Ok(types.into_iter().map(|AnyType(content_type)| content_type).collect())
}

#[derive(Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(transparent)]
struct AnyType(#[serde(deserialize_with = "with_searches")] ContentType);

/// How many events of a day were delivered. Counted while the audit search is configured.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct DeliveredCounts {
    /// By live collection.
    pub live: u64,
    /// From searches.
    #[serde(default)]
    pub healed: u64,
}

/// What is known of a day.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DayCoverage {
    /// Which day.
    pub of: AuditDay,
    /// Its comparison, if there was to be one.
    pub record: Option<DayRecord>,
    /// Events that were delivered, by content type.
    #[serde(deserialize_with = "by_type")]
    pub delivered: BTreeMap<ContentType, DeliveredCounts>,
}

impl DayCoverage {
    /// Whether live collection has delivered events of the day.
    pub fn has_live(&self) -> bool {
        self.delivered.values().any(|count| count.live > 0)
    }

    /// Whether a comparison has come to its end and found nothing missing.
    pub fn is_proved(&self) -> bool {
        let is_told = |record: &DayRecord| {
            !record.is_open()
                && !record.given_up
                && !record.found_nothing()
                && record.found.values().all(|found| found.missing == 0)
        };
        self.record.as_ref().is_some_and(is_told)
    }
}

/// The comparison of what was delivered with what the audit search finds.
///
/// Searches are under way for as long as Microsoft needs; their records are content of the tenant's feed
/// [`ContentType::AuditLogQuery`], and claimed as all content is.
#[async_trait]
pub trait CoverageStore: fmt::Debug + Send + Sync {
    /// What is known of the days from `from` to `through`, of one tenant or of all, in the order of tenants and days. Days of
    /// which nothing is known are left out.
    async fn coverage(
        &self,
        tenant: Option<TenantId>,
        from: NaiveDate,
        through: NaiveDate,
    ) -> Result<Vec<DayCoverage>, LedgerError>;

    /// Days whose searches are under way, of one tenant or of all.
    async fn open_days(&self, tenant: Option<TenantId>) -> Result<Vec<DayRecord>, LedgerError>;

    /// Begins the comparison of a day, in place of an earlier one that came to an end. If one is under way, that goes on, and heals
    /// if either is to. Returns whether a new one has begun.
    async fn request_day(&self, request: DayRequest) -> Result<bool, LedgerError>;

    /// Notes a step of a search.
    async fn step_search(&self, of: AuditDay, number: u32, step: SearchStep) -> Result<(), LedgerError>;

    /// Makes the records of a running search pending content, in one transaction with that it is being read. Content that is pending
    /// already stays as it is, except for its URI. A search that does not run (any more) stays as it is, and so does its content.
    async fn read_search(
        &self,
        of: AuditDay,
        number: u32,
        content: ContentRef,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError>;

    /// Marks held content of a search done, notes the last of its events as delivered, and adds what was found to the day of the
    /// search: in one transaction. Where no search of the tenant reads it any more, the rest is done all the same.
    async fn complete_search(
        &self,
        key: BlobKey,
        finished: FinishedSearch,
        delivery: DeliveredBatch,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError>;

    /// Whether content is pending, held or not.
    async fn is_pending(&self, key: BlobKey) -> Result<bool, LedgerError>;

    /// Counts a query against a tenant's budget of `most` in 24 hours, before it is created. `Err` with the time when the budget has
    /// room again, if it has none.
    async fn spend_query(
        &self,
        tenant: TenantId,
        at: DateTime<Utc>,
        most: u32,
    ) -> Result<Result<(), DateTime<Utc>>, LedgerError>;

    /// Gives back what was counted at a time: the query was refused for certain.
    async fn refund_query(&self, tenant: TenantId, at: DateTime<Utc>) -> Result<(), LedgerError>;

    /// Before which day (it is not among them) ids of delivered events have been forgotten, by the day of their delivery. `None` when none have been.
    async fn ids_forgotten_before(&self) -> Result<Option<NaiveDate>, LedgerError>;
}

#[cfg(test)]
#[path = "coverage_tests.rs"]
mod tests;
