//! How many queries a tenant may still have created within 24 hours.

use chrono::{DateTime, TimeDelta, Utc};

/// For how long a query counts.
const WINDOW: TimeDelta = TimeDelta::hours(24);

/// Counts a query at `at` among `times`, if that makes no more than `most` of the last 24 hours. `Err` with the time when there is
/// room again, if there is none.
///
/// `times` is to be stored in either case: what is over is removed, and a time of a wrong clock is corrected. If it counted as now at
/// each question, it would never be over.
pub(super) fn spend(times: &mut Vec<DateTime<Utc>>, at: DateTime<Utc>, most: u32) -> Result<(), DateTime<Utc>> {
    for time in times.iter_mut() {
        if *time > at + WINDOW {
            *time = at;
        }
    }
    times.retain(|time| *time + WINDOW > at);
    times.sort_unstable();
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if times.len() < most {
        times.push(at);
        times.sort_unstable();
        return Ok(());
    }
    // So many must be over that one fewer than `most` are left. A budget of none has no room at any time.
    let last_in_the_way = times.get(times.len() - most).copied().unwrap_or(at);
    Err(last_in_the_way + WINDOW)
}

/// Takes back a query that was counted at `at`.
pub(super) fn refund(times: &mut Vec<DateTime<Utc>>, at: DateTime<Utc>) {
    if let Some(position) = times.iter().position(|time| *time == at) {
        times.remove(position);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_760_000_000, 0).unwrap() + TimeDelta::hours(hours)
    }

    #[test]
    fn a_query_counts_for_a_day() {
        let mut times = Vec::new();
        assert_eq!(spend(&mut times, at(0), 2), Ok(()));
        assert_eq!(spend(&mut times, at(5), 2), Ok(()));
        assert_eq!(spend(&mut times, at(6), 2), Err(at(24)));
        assert_eq!(spend(&mut times, at(6), 1), Err(at(29)), "the budget has become smaller");
        assert_eq!(spend(&mut times, at(23), 3), Ok(()));
        assert_eq!(spend(&mut times, at(24), 3), Ok(()));
        assert_eq!(times, [at(5), at(23), at(24)]);
        assert_eq!(spend(&mut times, at(24), 0), Err(at(48)));
    }

    #[test]
    fn a_query_that_was_refused_is_given_back_once() {
        let mut times = vec![at(1), at(2), at(2)];
        refund(&mut times, at(2));
        refund(&mut times, at(3));
        assert_eq!(times, [at(1), at(2)]);
    }

    #[test]
    fn times_of_a_wrong_clock_are_over_after_a_day() {
        let mut times = vec![at(24 * 365), at(20)];
        assert_eq!(spend(&mut times, at(0), 2), Err(at(24)));
        assert_eq!(spend(&mut times, at(10), 2), Err(at(24)), "it is not put off by asking");
        assert_eq!(spend(&mut times, at(24), 2), Ok(()));
        assert_eq!(times, [at(20), at(24)]);
    }

    proptest! {
        #[test]
        fn there_is_room_when_it_is_said_to_be_and_never_before(
            asked in prop::collection::vec(0..200_i64, 1..40), most in 1..6_u32,
        ) {
            let mut times = Vec::new();
            for hour in asked {
                if let Err(room) = spend(&mut times, at(hour), most) {
                    prop_assert!(room > at(hour));
                    prop_assert!(spend(&mut times.clone(), room - TimeDelta::seconds(1), most).is_err());
                    prop_assert_eq!(spend(&mut times.clone(), room, most), Ok(()));
                }
                let within = times.iter().filter(|time| **time > at(hour) - WINDOW && **time <= at(hour));
                prop_assert!(within.count() <= most as usize);
            }
        }
    }
}
