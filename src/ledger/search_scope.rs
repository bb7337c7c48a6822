//! What a search looks for, and what takes its place when it finds more than a query shows.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::record_types::RECORD_TYPES;

/// What a search looks for: events of a range of time, of all record types or of some.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SearchScope {
    /// Events from this time on.
    pub start: DateTime<Utc>,
    /// Events before this time.
    pub end: DateTime<Utc>,
    /// Record types by Microsoft Graph's names; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub record_types: Vec<String>,
}

/// Microsoft's search knows no shorter range.
const SHORTEST: TimeDelta = TimeDelta::minutes(1);

impl SearchScope {
    /// Two scopes that together look for the same; `None` if it is too short to be halved.
    pub fn halves(&self) -> Option<[Self; 2]> {
        let half = TimeDelta::seconds((self.end - self.start).num_seconds() / 2);
        let middle = (self.start + half).max(self.start + SHORTEST);
        let of = |start, end| Self { start, end, record_types: self.record_types.clone() };
        (self.end - middle >= SHORTEST).then(|| [of(self.start, middle), of(middle, self.end)])
    }

    /// What takes the place of it when it finds more than a query shows: halves of its time, down to a minute; after that of its record
    /// types. `None` if neither can be halved.
    pub fn split(&self) -> Option<Split> {
        if let Some(halves) = self.halves() {
            return Some(Split { into: halves.to_vec(), problem: None });
        }
        let with = |types: &[String]| Self { record_types: types.to_vec(), ..self.clone() };
        if self.record_types.is_empty() {
            let known: Vec<_> = RECORD_TYPES.iter().map(|(_, name)| (*name).to_owned()).collect();
            let (one, other) = known.split_at(known.len() / 2);
            let problem = format!(
                "from {} on, a minute has more records than a query shows; record types that this version does not know were not looked \
                 for",
                self.start.format("%H:%M UTC")
            );
            return Some(Split { into: vec![with(one), with(other)], problem: Some(problem) });
        }
        let (one, other) = self.record_types.split_at(self.record_types.len() / 2);
        (!one.is_empty()).then(|| Split { into: vec![with(one), with(other)], problem: None })
    }

    /// Whether it has any time at all.
    pub fn has_time(&self) -> bool {
        self.start < self.end
    }
}

/// The searches that take the place of one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Split {
    /// What they look for.
    pub into: Vec<SearchScope>,
    /// What they do not look for.
    pub problem: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// All that a scope comes to when everything is split to the end.
    fn split_fully(scope: SearchScope, parts: &mut Vec<SearchScope>) {
        match scope.split() {
            Some(split) => split.into.into_iter().for_each(|part| split_fully(part, parts)),
            None => parts.push(scope),
        }
    }

    proptest! {
        #[test]
        fn the_parts_of_a_time_are_the_time(seconds in 1i64..7_200) {
            let start = DateTime::from_timestamp(1_780_000_000, 0).unwrap();
            let whole = SearchScope { start, end: start + TimeDelta::seconds(seconds), record_types: Vec::new() };
            let (mut parts, mut at) = (vec![whole.clone()], 0);
            while at < parts.len() {
                match parts[at].halves() {
                    Some(halves) => { parts.splice(at..=at, halves); }
                    None => at += 1,
                }
            }
            prop_assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
            prop_assert_eq!((parts[0].start, parts[parts.len() - 1].end), (whole.start, whole.end));
            prop_assert!(parts.len() == 1 || parts.iter().all(|part| part.end - part.start >= TimeDelta::minutes(1)));
        }
    }

    #[test]
    fn a_minute_is_split_by_record_types_to_the_last_one() {
        let start = DateTime::from_timestamp(1_780_000_000, 0).unwrap();
        let minute = SearchScope { start, end: start + TimeDelta::minutes(1), record_types: Vec::new() };
        assert!(minute.split().unwrap().problem.unwrap().contains("record types"));
        let mut parts = Vec::new();
        split_fully(minute, &mut parts);
        let types: BTreeSet<_> = parts.iter().map(|part| part.record_types.clone()).collect();
        assert_eq!((parts.len(), types.len()), (RECORD_TYPES.len(), RECORD_TYPES.len()));
        assert!(parts.iter().all(|part| part.record_types.len() == 1));
    }
}
