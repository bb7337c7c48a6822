//! What goes wrong with the audit search.

use std::{ops::RangeInclusive, time::Duration};

/// What goes wrong with the audit search of Microsoft Graph. Rates and shares are probabilities between 0 and 1; by default
/// all is well.
///
/// What becomes of a query is decided when it is created: `failed_rate`, `cancelled_rate`, `stuck_rate` and `slow` do not
/// change the course of those that exist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GraphFaults {
    /// Answers 500, 502, 503 or 504, with an `OData` error, a proxy's page or nothing in the body.
    pub error_rate: f64,
    /// Good answers whose body breaks off with a transport error.
    pub reset_rate: f64,
    /// Good answers whose body ends early as if it were whole.
    pub truncate_rate: f64,
    /// 429 although no limit is reached.
    pub throttle_rate: f64,
    /// The share of all 429 that come without `Retry-After`; the others have one, in seconds.
    pub without_retry_after: f64,
    /// 401 although the token is good.
    pub unauthorized_rate: f64,
    /// Requests that are never answered.
    pub hang_rate: f64,
    /// How long an answer takes.
    pub latency: Option<RangeInclusive<Duration>>,
    /// How many requests of one tenant may be under way at once; 429 to those beyond (SEEN: about ten). A request is under way
    /// until its answer is made, so this shows only with a `latency`.
    pub most_in_flight: Option<u32>,
    /// Queries that end as `failed`.
    pub failed_rate: f64,
    /// Queries that end as `cancelled`.
    pub cancelled_rate: f64,
    /// Queries that stay `running` for ever.
    pub stuck_rate: f64,
    /// Queries that are `running` for longer than others.
    pub slow: Option<Slow>,
    /// Creations whose answer is lost: the query exists, and the caller hears nothing, gets a 504, or loses the connection.
    pub lost_answers: f64,
    /// The share of a query's records that a pass over its pages leaves out. Which ones follows from the query and the number
    /// of the pass, and no two passes leave out the same record. A pass begins with each request for records without
    /// `$skiptoken`.
    pub omitted_in_pass: f64,
    /// The share of events that no search ever shows. Fixed at the start.
    pub lacking: f64,
    /// How many of a tenant's queries of any 24 hours others create: the neighbours that share
    /// [`submissions_per_day`](super::GraphConfig::submissions_per_day).
    pub neighbour_submissions: u32,
    /// Whether `$select` is refused, as the list of sign-ins does (SEEN; of records it is not known).
    pub select_refused: bool,
    /// Whether `v1.0` does not have the audit search, as was the case for a time: 404 to everything. `beta` has it.
    pub v1_withdrawn: bool,
}

/// Queries that take long.
#[derive(Clone, Debug, PartialEq)]
pub struct Slow {
    /// The share of queries that are slow.
    pub share: f64,
    /// For how much longer they run.
    pub by: RangeInclusive<Duration>,
}

impl GraphFaults {
    /// A bad day: a little of everything from which a client recovers by trying again.
    pub fn stormy() -> Self {
        Self {
            error_rate: 0.05,
            reset_rate: 0.03,
            truncate_rate: 0.03,
            throttle_rate: 0.05,
            without_retry_after: 0.3,
            unauthorized_rate: 0.01,
            latency: Some(Duration::from_millis(5)..=Duration::from_secs(3)),
            failed_rate: 0.1,
            slow: Some(Slow { share: 0.1, by: Duration::from_hours(1)..=Duration::from_hours(3) }),
            lost_answers: 0.1,
            omitted_in_pass: 0.02,
            ..Self::default()
        }
    }
}
