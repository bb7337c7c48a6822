//! Which time windows to list: pure functions of the cursor and the time.

use chrono::{DateTime, TimeDelta, Utc};

use crate::activity::TimeWindow;

/// How far back the API lists: seven days (AF20030 beyond), less a margin for clocks that differ and for the time a request
/// waits before it is sent.
pub const LOOKBACK: TimeDelta = TimeDelta::minutes(7 * 24 * 60 - 5);

/// Results just before now are unstable (Elastic's input stops three seconds short), so that the cursor stays behind.
const UNSETTLED: TimeDelta = TimeDelta::seconds(5);

/// Windows that follow each other share this much, so that none starts at a time another has not covered: queried with the
/// very time a blob was created, the API returns a part of it (seen by Filebeat).
const SEAM: TimeDelta = TimeDelta::seconds(1);

/// How much a reconciliation lists again.
const RECONCILED: TimeDelta = TimeDelta::hours(24);

/// What to list, in this order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// Oldest first: what is oldest expires first.
    pub windows: Vec<TimeWindow>,
    /// What is too old to be listed, and never was.
    pub gap: Option<TimeWindow>,
}

/// Plans a pass of a feed at `now`, by Microsoft's clock.
///
/// Without a cursor it reaches back to `start_from`; else to `overlap` before the cursor, since content shows up late.
pub fn plan(cursor: Option<DateTime<Utc>>, now: DateTime<Utc>, start_from: TimeDelta, overlap: TimeDelta) -> Plan {
    let oldest = now - LOOKBACK;
    let from = match cursor {
        // A cursor ahead of now comes from a clock that was wrong; what it skipped is listed again.
        Some(cursor) => cursor.min(now) - overlap,
        None => now - start_from,
    };
    let gap = cursor.filter(|cursor| *cursor < oldest).map(|cursor| TimeWindow::new(cursor, oldest));
    Plan { windows: split(from.max(oldest), now), gap }
}

/// Plans a reconciliation at `now`: the last day again.
pub fn plan_reconciliation(now: DateTime<Utc>) -> Vec<TimeWindow> {
    split(now - RECONCILED, now)
}

/// Where the cursor may go once a window has been listed.
pub fn cursor_after(window: TimeWindow, now: DateTime<Utc>) -> DateTime<Utc> {
    window.end.min(now - UNSETTLED)
}

/// Splits a span into windows the API lists completely.
fn split(from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<TimeWindow> {
    let whole = TimeWindow::new(from, to);
    let mut windows = Vec::new();
    let mut start = whole.start;
    while start < whole.end {
        let end = whole.end.min(start + TimeWindow::LONGEST);
        windows.push(TimeWindow { start, end });
        if end == whole.end {
            break;
        }
        start = end - SEAM;
    }
    windows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(secs: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_760_000_000 + secs, 0).unwrap()
    }

    const DAY: i64 = 86_400;

    #[test]
    fn the_first_pass_reaches_back_and_the_next_overlaps() {
        let hour = TimeDelta::hours(1);
        let first = plan(None, at(0), TimeDelta::days(1), hour);
        assert_eq!(first, Plan { windows: vec![TimeWindow { start: at(-DAY), end: at(0) }], gap: None });
        let next = plan(Some(at(-5)), at(60), TimeDelta::days(1), hour);
        assert_eq!(next, Plan { windows: vec![TimeWindow { start: at(-3_605), end: at(60) }], gap: None });
    }

    #[test]
    fn an_outage_is_caught_up_oldest_first_and_what_is_lost_is_named() {
        let plan = plan(Some(at(-9 * DAY)), at(0), TimeDelta::days(1), TimeDelta::hours(1));
        let oldest = at(-7 * DAY + 300);
        assert_eq!(plan.gap, Some(TimeWindow { start: at(-9 * DAY), end: oldest }));
        assert_eq!(plan.windows.len(), 7);
        assert_eq!(plan.windows[0], TimeWindow { start: oldest, end: oldest + TimeDelta::days(1) });
        assert!(plan.windows.is_sorted_by_key(|window| window.start));
    }

    #[test]
    fn the_whole_seven_days_may_be_asked_for_at_first() {
        let plan = plan(None, at(0), TimeDelta::days(7), TimeDelta::hours(1));
        assert_eq!((plan.windows[0].start, plan.gap), (at(-7 * DAY + 300), None));
    }

    fn any_times() -> impl Strategy<Value = (Option<i64>, i64, i64)> {
        (prop::option::of(-10 * DAY..DAY), 1..7 * DAY, 0..DAY)
    }

    proptest! {
        #[test]
        fn every_second_since_the_cursor_is_covered_by_windows_the_api_accepts(
            (cursor, start_from, overlap) in any_times(), probe in 0..7 * DAY
        ) {
            let now = at(0);
            let plan = plan(cursor.map(at), now, TimeDelta::seconds(start_from), TimeDelta::seconds(overlap));
            for window in &plan.windows {
                prop_assert!(window.start < window.end && window.end - window.start <= TimeWindow::LONGEST);
                prop_assert!(window.start >= now - TimeDelta::days(7));
            }
            for pair in plan.windows.windows(2) {
                prop_assert!(pair[1].start < pair[0].end && pair[0].start < pair[1].start, "windows share a seam");
            }
            let wanted = cursor.map_or(at(-start_from), |cursor| at(cursor.min(0)));
            let probe = at(-probe - 1);
            let in_gap = plan.gap.is_some_and(|gap| gap.start <= probe && probe < gap.end);
            let too_old = probe < now - LOOKBACK;
            if probe >= wanted {
                let covered = plan.windows.iter().any(|window| window.start <= probe && probe < window.end);
                prop_assert!(covered || in_gap || (too_old && cursor.is_none()), "{probe} in {plan:?}");
            }
        }

        /// However long the passes are apart and whatever was listed in between, the cursor leaves nothing behind it.
        #[test]
        fn the_cursor_only_passes_what_was_listed(pauses in prop::collection::vec(1..3 * DAY, 1..20), overlap in 0..7_200i64) {
            let (mut now, mut cursor) = (at(0), None);
            let mut covered: Option<(DateTime<Utc>, DateTime<Utc>)> = None;
            for pause in pauses {
                let plan = plan(cursor, now, TimeDelta::days(1), TimeDelta::seconds(overlap));
                for window in plan.windows {
                    let (from, to) = covered.unwrap_or((window.start, window.start));
                    prop_assert!(window.start <= to, "no hole before {window}");
                    covered = Some((from, to.max(window.end)));
                    let next = cursor_after(window, now);
                    prop_assert!(next <= window.end && next < now);
                    cursor = cursor.max(Some(next));
                }
                now += TimeDelta::seconds(pause);
            }
        }
    }
}
