//! What the audit search of every tenant is like when all is well.

use std::{ops::RangeInclusive, time::Duration};

/// The audit search of Microsoft Graph.
#[derive(Clone, Debug)]
pub struct GraphConfig {
    /// Records in one page. Microsoft names no number; with 150, a few hundred records have several pages.
    pub page_size: usize,
    /// Queries in one page of the list of queries. Microsoft names no number; 100 is usual in Microsoft Graph.
    pub query_page_size: usize,
    /// Queries that a tenant can create within any 24 hours, all applications together (SEEN).
    pub submissions_per_day: u32,
    /// Queries of a tenant that can be queued or running at once (SEEN).
    pub active_queries: u32,
    /// Records that one query finds at most (SEEN: a million). What is beyond is cut off, and the query succeeds.
    pub record_limit: usize,
    /// How far back the search finds events, by their own time: 180 days with Audit (Standard).
    pub reaches_back: Duration,
    /// How long a query is known, from its creation on.
    pub queries_kept: Duration,
    /// How long a query is `notStarted`.
    pub queued: RangeInclusive<Duration>,
    /// How long it is `running` after that.
    pub running: RangeInclusive<Duration>,
}

impl Default for GraphConfig {
    fn default() -> Self {
        Self {
            page_size: 150,
            query_page_size: 100,
            submissions_per_day: 200,
            active_queries: 50,
            record_limit: 1_000_000,
            reaches_back: Duration::from_hours(180 * 24),
            queries_kept: Duration::from_hours(30 * 24),
            queued: Duration::from_secs(5)..=Duration::from_secs(30),
            running: Duration::from_secs(30)..=Duration::from_mins(5),
        }
    }
}
