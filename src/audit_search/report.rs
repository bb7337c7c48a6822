//! What comparisons say about completeness.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::plan::Obstacle;
use crate::{
    content::{ContentType, TenantId},
    ledger::{DayCoverage, DayRecord, Found},
};

/// What is known of a day.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DayState {
    /// Every record that the audit search finds was delivered.
    Complete,
    /// Records were not delivered.
    Incomplete,
    /// It is being compared.
    Searching,
    /// The comparison came to nothing, or to a part.
    Unknown,
    /// It was not compared.
    NotCompared,
}

impl DayState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Complete, Self::Incomplete, Self::Searching, Self::Unknown, Self::NotCompared];

    /// As machines read it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::Searching => "searching",
            Self::Unknown => "unknown",
            Self::NotCompared => "not_compared",
        }
    }

    /// As a person reads it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::Searching => "searching",
            Self::Unknown => "unknown",
            Self::NotCompared => "not compared",
        }
    }
}

/// What is known of a day of a tenant. All counts are of different records.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DayReport {
    /// Whose.
    pub tenant: TenantId,
    /// The tenant's display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Which day (UTC), by the time of events.
    pub day: NaiveDate,
    /// What that means.
    pub state: DayState,
    /// Events that were delivered.
    pub delivered: u64,
    /// Records that the audit search finds, of the content types that the source collects and that its filters let through.
    pub found: u64,
    /// Those among them that had not been delivered when the comparison ended.
    pub missing: u64,
    /// Events that were delivered because the audit search has found them.
    pub healed: u64,
    /// Events that had been delivered and that the audit search did not find.
    pub only_here: u64,
    /// Content types of which the audit search shows nothing, for want of a permission.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<ContentType>,
    /// When the comparison ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<DateTime<Utc>>,
    /// When the next search may begin, if none is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_until: Option<DateTime<Utc>>,
    /// Why the day cannot be told, or cannot be told yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What all days together mean.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every day is complete, and the search has found something.
    Complete,
    /// A day is not.
    Incomplete,
    /// No day is known to be incomplete, and some cannot be told, or the search has found nothing at all.
    Unknown,
}

/// What is known of a range of days, of one tenant or of several.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Report {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub through: NaiveDate,
    /// When the report was made.
    pub made: DateTime<Utc>,
    /// What all days together mean.
    pub verdict: Verdict,
    /// Every day, in the order of tenants and days.
    pub days: Vec<DayReport>,
}

impl Report {
    /// The report on these days of these tenants, with their display names. `coverage` is what is known of them.
    pub fn new(
        tenants: &BTreeMap<TenantId, Option<String>>,
        (from, through): (NaiveDate, NaiveDate),
        coverage: Vec<DayCoverage>,
        made: DateTime<Utc>,
    ) -> Self {
        let known: BTreeMap<_, _> = coverage.into_iter().map(|day| ((day.of.tenant, day.of.day), day)).collect();
        let dates = || from.iter_days().take_while(|day| *day <= through);
        let day = |(tenant, domain): (&TenantId, &Option<String>), day| {
            DayReport::new(*tenant, domain.clone(), day, known.get(&(*tenant, day)))
        };
        let days: Vec<_> = tenants.iter().flat_map(|tenant| dates().map(move |date| day(tenant, date))).collect();
        let verdict = if days.iter().any(|day| day.state == DayState::Incomplete) {
            Verdict::Incomplete
        } else if days.iter().all(|day| day.state == DayState::Complete) && days.iter().any(|day| day.found > 0) {
            Verdict::Complete
        } else {
            Verdict::Unknown
        };
        Self { from, through, made, verdict, days }
    }

    /// Says of days that were not compared why they cannot be, if they cannot.
    pub(super) fn with_obstacles(mut self, obstacle: impl Fn(TenantId, NaiveDate) -> Option<Obstacle>) -> Self {
        for day in self.days.iter_mut().filter(|day| day.state == DayState::NotCompared) {
            day.problem = obstacle(day.tenant, day.day).map(|obstacle| obstacle.to_string());
        }
        self
    }

    /// When the next query may be created, if none may be now: those days wait for it that have no query yet.
    pub fn pause(&self) -> Option<DateTime<Utc>> {
        let waits = self.days.iter().filter(|day| day.state == DayState::Searching && day.problem.is_none());
        waits.filter_map(|day| day.waits_until).filter(|until| *until > self.made).min()
    }

    /// Whether days are still being compared.
    pub fn is_open(&self) -> bool {
        self.days.iter().any(|day| day.state == DayState::Searching)
    }
}

impl DayReport {
    fn new(tenant: TenantId, domain: Option<String>, day: NaiveDate, known: Option<&DayCoverage>) -> Self {
        let record = known.and_then(|known| known.record.as_ref());
        let hidden = record.map(|record| record.hidden.clone()).unwrap_or_default();
        let of_shown = |content_type: &ContentType| !hidden.contains(content_type);
        let counts = known.into_iter().flat_map(|known| &known.delivered);
        let (delivered, healed) =
            counts.fold((0, 0), |(all, healed), (_, count)| (all + count.live + count.healed, healed + count.healed));
        let found = record.into_iter().flat_map(|record| record.found.values());
        let found = found.fold(Found::default(), |all, some| all.and(*some));
        let present = found.records.saturating_sub(found.missing);
        let shown = record.into_iter().flat_map(|record| &record.found).filter(|(of, _)| of_shown(of));
        let shown = shown.fold(Found::default(), |all, (_, some)| all.and(*some));
        // What was delivered after the comparison may be among what was missing.
        let then = record.into_iter().flat_map(|record| &record.delivered).filter(|(of, _)| of_shown(of));
        let then: u64 = then.map(|(_, count)| count.live + count.healed).sum();
        Self {
            tenant,
            domain,
            day,
            state: record.map_or(DayState::NotCompared, state_of),
            // Counting may have begun later than delivering.
            delivered: delivered.max(present),
            found: found.records,
            missing: found.missing,
            healed,
            only_here: then.saturating_sub(shown.records.saturating_sub(shown.missing)),
            compared: record.and_then(|record| record.settled),
            waits_until: record.and_then(waits_until),
            problem: record.and_then(|record| problem_of(record, &hidden)),
            hidden,
        }
    }
}

pub(super) fn state_of(record: &DayRecord) -> DayState {
    if record.is_open() {
        DayState::Searching
    } else if record.found.values().any(|found| found.missing > 0) {
        DayState::Incomplete
    } else if record.given_up || record.found_nothing() || !record.hidden.is_empty() {
        DayState::Unknown
    } else {
        DayState::Complete
    }
}

const FOUND_NOTHING: &str = "the audit search finds no record at all of this day, of which events were delivered, so that it proves nothing; \
                             the day is compared again";

fn problem_of(record: &DayRecord, hidden: &[ContentType]) -> Option<String> {
    record.problem.clone().or_else(|| record.found_nothing().then(|| FOUND_NOTHING.to_owned())).or_else(|| {
        let names = hidden.iter().map(|content_type| content_type.as_str()).collect::<Vec<_>>().join(", ");
        (!hidden.is_empty()).then(|| {
            format!("the application may not search {names}; grant it AuditLogsQuery.Read.All of Microsoft Graph to have them told")
        })
    })
}

/// When the next search of a day begins, if none is under way. Those without a time wait behind the one that has it.
fn waits_until(record: &DayRecord) -> Option<DateTime<Utc>> {
    use crate::ledger::SearchState::Planned;
    let times = record.searches.iter().map(|search| match search.state {
        Planned { not_before } => Some(not_before),
        _ => None,
    });
    times.collect::<Option<Vec<_>>>()?.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ledger::{AuditDay, DeliveredCounts};

    fn tenant() -> TenantId {
        TenantId(Uuid::from_u128(1))
    }

    fn date(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 6, day).unwrap()
    }

    fn time() -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).unwrap()
    }

    fn settled(day: u32, found: &[(ContentType, u64, u64)], live: u64, healed: u64) -> DayCoverage {
        let of = AuditDay { tenant: tenant(), day: date(day) };
        let found = found.iter().map(|(of, records, missing)| (*of, Found { records: *records, missing: *missing }));
        let record = DayRecord {
            of,
            heals: true,
            requested: time(),
            settled: Some(time()),
            searches: Vec::new(),
            found: found.collect(),
            hidden: Vec::new(),
            problem: None,
            given_up: false,
            delivered: BTreeMap::new(),
            next: 1,
        };
        let delivered = BTreeMap::from([(ContentType::Exchange, DeliveredCounts { live, healed })]);
        let record = DayRecord { delivered: delivered.clone(), ..record };
        DayCoverage { of, record: Some(record), delivered }
    }

    fn report(coverage: Vec<DayCoverage>, days: u32) -> Report {
        let tenants = BTreeMap::from([(tenant(), Some("contoso.com".to_owned()))]);
        Report::new(&tenants, (date(1), date(days)), coverage, time())
    }

    #[test]
    fn a_day_is_complete_when_all_that_the_search_finds_was_delivered() {
        let complete = settled(1, &[(ContentType::Exchange, 90, 0)], 95, 5);
        let report = report(vec![complete], 1);
        assert_eq!(report.verdict, Verdict::Complete);
        let day = &report.days[0];
        assert_eq!((day.delivered, day.found, day.missing, day.healed, day.only_here), (100, 90, 0, 5, 10));
    }

    #[test]
    fn one_incomplete_day_is_enough_and_one_unknown_is_no_proof() {
        let complete = || settled(1, &[(ContentType::Exchange, 10, 0)], 10, 0);
        let incomplete = settled(2, &[(ContentType::Exchange, 10, 2)], 8, 0);
        assert_eq!(report(vec![complete(), incomplete.clone()], 2).verdict, Verdict::Incomplete);
        assert_eq!(report(vec![complete(), incomplete], 3).verdict, Verdict::Incomplete);
        let unknown = report(vec![complete()], 2);
        assert_eq!((unknown.verdict, unknown.days[1].state), (Verdict::Unknown, DayState::NotCompared));
        let quiet = report(vec![settled(1, &[], 0, 0), settled(2, &[], 0, 0)], 2);
        assert_eq!((quiet.verdict, quiet.days[0].state), (Verdict::Unknown, DayState::Complete), "0 of 0 is no proof");
        let nobody = Report::new(&BTreeMap::new(), (date(1), date(2)), Vec::new(), time());
        assert_eq!(nobody.verdict, Verdict::Unknown, "nothing is no proof");
    }

    #[test]
    fn a_search_that_finds_nothing_of_what_was_delivered_keeps_a_day_from_being_told() {
        let report = report(vec![settled(1, &[], 4, 0), settled(2, &[(ContentType::Exchange, 1, 0)], 4, 0)], 2);
        assert_eq!([report.days[0].state, report.days[1].state], [DayState::Unknown, DayState::Complete]);
        assert!(report.days[0].problem.as_ref().unwrap().contains("finds no record at all"), "{:?}", report.days[0]);
    }

    #[test]
    fn a_day_waits_when_no_search_of_it_is_under_way() {
        use crate::ledger::{Search, SearchScope, SearchState};
        let mut day = settled(1, &[], 0, 0);
        let scope = SearchScope { start: time(), end: time() + chrono::TimeDelta::hours(1), record_types: Vec::new() };
        let record = day.record.as_mut().unwrap();
        let number = |number| Search {
            number,
            scope: scope.clone(),
            failures: 0,
            state: SearchState::Planned { not_before: None },
        };
        (record.settled, record.searches) = (None, vec![number(0), number(1)]);
        let waits = |day: &DayCoverage| report(vec![day.clone()], 1).days[0].waits_until;
        assert_eq!(waits(&day), None);
        let later = time() + chrono::TimeDelta::hours(5);
        let of_first = |day: &mut DayCoverage, state| day.record.as_mut().unwrap().searches[0].state = state;
        of_first(&mut day, SearchState::Planned { not_before: Some(later) });
        assert_eq!(waits(&day), Some(later), "the other one waits behind it");
        of_first(&mut day, SearchState::Reading { query: "a".to_owned() });
        assert_eq!(waits(&day), None);
    }

    #[test]
    fn hidden_content_types_keep_a_day_from_being_told() {
        let mut day = settled(1, &[(ContentType::Exchange, 10, 0)], 10, 0);
        day.delivered.insert(ContentType::General, DeliveredCounts { live: 7, healed: 0 });
        if let Some(record) = &mut day.record {
            record.hidden = vec![ContentType::General];
        }
        let report = report(vec![day], 1);
        let day = &report.days[0];
        assert_eq!((day.state, day.delivered, day.only_here), (DayState::Unknown, 17, 0));
        assert!(day.problem.as_ref().unwrap().contains("Audit.General"), "{:?}", day.problem);
    }

    #[test]
    fn what_is_delivered_after_a_comparison_is_not_called_unknown_to_the_search() {
        let mut day = settled(1, &[(ContentType::Exchange, 10, 4)], 6, 0);
        day.delivered.insert(ContentType::Exchange, DeliveredCounts { live: 8, healed: 0 });
        let report = report(vec![day], 1);
        assert_eq!((report.days[0].delivered, report.days[0].missing, report.days[0].only_here), (8, 4, 0));
    }

    #[test]
    fn what_was_delivered_before_counting_began_counts_as_found() {
        let report = report(vec![settled(1, &[(ContentType::Exchange, 10, 1)], 2, 0)], 1);
        assert_eq!((report.days[0].delivered, report.days[0].only_here), (9, 0));
    }
}
