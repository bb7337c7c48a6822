//! What clients did with the audit search.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::content::TenantId;

/// The operations of the audit search.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum GraphOperation {
    /// `POST /security/auditLog/queries`
    CreateQuery,
    /// `GET /security/auditLog/queries/{id}`
    GetQuery,
    /// `GET /security/auditLog/queries`
    ListQueries,
    /// `GET /security/auditLog/queries/{id}/records`
    ListRecords,
    /// `DELETE /security/auditLog/queries/{id}`
    DeleteQuery,
    /// Anything else.
    Unknown,
}

/// What has been asked of the audit search.
#[derive(Clone, Debug, Default)]
pub struct GraphStats {
    /// Requests by operation, refused ones included.
    pub requests: BTreeMap<GraphOperation, u64>,
    /// When each query of a tenant was created, in that order. Refused creations are not counted, those whose answer was lost
    /// are.
    pub submissions: BTreeMap<TenantId, Vec<DateTime<Utc>>>,
    /// Creations whose answer was lost.
    pub lost_answers: u64,
    /// Requests refused with 429, for whichever reason.
    pub throttled: u64,
    /// Requests answered with an injected fault, lost answers included.
    pub faults: u64,
    /// The most requests of one tenant that were ever under way at once.
    pub most_in_flight: u32,
}

impl GraphStats {
    /// Requests for one operation.
    pub fn requests_for(&self, operation: GraphOperation) -> u64 {
        self.requests.get(&operation).copied().unwrap_or_default()
    }

    /// All requests to the audit search.
    pub fn total_requests(&self) -> u64 {
        self.requests.values().sum()
    }

    /// The most queries of a tenant that were created within any 24 hours.
    pub fn most_submissions_in_a_day(&self, tenant: TenantId) -> usize {
        let times = self.submissions.get(&tenant).map(Vec::as_slice).unwrap_or_default();
        let within_a_day = |from: &DateTime<Utc>| times.iter().filter(|at| is_within_a_day(*from, **at)).count();
        times.iter().map(within_a_day).max().unwrap_or_default()
    }
}

fn is_within_a_day(from: DateTime<Utc>, at: DateTime<Utc>) -> bool {
    (TimeDelta::zero()..TimeDelta::hours(24)).contains(&(at - from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::SimulatedTenant;

    #[test]
    fn the_busiest_day_is_found_wherever_it_begins() {
        let tenant = SimulatedTenant::contoso().id;
        let mut stats = GraphStats::default();
        assert_eq!(stats.most_submissions_in_a_day(tenant), 0);
        let at = |hours| DateTime::UNIX_EPOCH + TimeDelta::hours(hours);
        stats.submissions.insert(tenant, [0, 12, 23, 24, 35, 36, 100].map(at).to_vec());
        assert_eq!(stats.most_submissions_in_a_day(tenant), 4);
    }
}
