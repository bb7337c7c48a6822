//! Which time windows to list: pure functions of the cursor and the time.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    activity::TimeWindow,
    ledger::{Cursor, RECONCILED, Relisted},
};

/// How far back the API lists: seven days (AF20030 beyond), less a margin for clocks that differ and for the time a request
/// waits before it is sent.
pub const LOOKBACK: TimeDelta = TimeDelta::minutes(7 * 24 * 60 - 5);

/// Results just before now are unstable (Elastic's input stops three seconds short), so that the cursor stays behind.
const UNSETTLED: TimeDelta = TimeDelta::seconds(5);

/// Windows that follow each other share this much, so that none starts at a time another has not covered: queried with the
/// very time a blob was created, the API returns a part of it (seen by Filebeat).
const SEAM: TimeDelta = TimeDelta::seconds(1);

/// Microsoft's clock is read from whole seconds of many machines; so far apart they may be.
const WRONG_CLOCK: TimeDelta = TimeDelta::minutes(10);

/// While the first pass of a feed is tried, its window slides past what Microsoft holds. That counts as a loss only
/// after this time: the first window asks for all that there is.
const FIRST_PASS: TimeDelta = TimeDelta::hours(1);

/// For how long after its creation content may show up and still be found by reconciliation, whatever happens in between.
const LATE: TimeDelta = RECONCILED;

/// Between two windows of relisting. Each has up to a day, so that a round over the seven days that Microsoft holds takes about one.
const RELISTING: TimeDelta = TimeDelta::minutes(24 * 60 / 7);

/// How listings of a feed follow each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rhythm {
    /// How far back the first pass reaches.
    pub start_from: TimeDelta,
    /// By how much each pass overlaps the last.
    pub overlap: TimeDelta,
    /// Between reconciliations.
    pub reconcile_interval: TimeDelta,
}

/// What to list, in this order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// Oldest first: what is oldest expires first.
    pub windows: Vec<TimeWindow>,
    /// Whether this is a reconciliation.
    pub reconciles: bool,
    /// What is too old to be listed, and never was.
    pub gap: Option<TimeWindow>,
    /// What is listed once more, after all else.
    pub relists: Option<TimeWindow>,
}

/// Where the cursor has to be put before a pass, if not where it is.
///
/// The first pass leaves its beginning, so that time which goes by until one succeeds is not skipped. A cursor well
/// ahead of now comes from a wrong clock, and what it skipped is unknown: everything that can be listed is listed.
pub fn anchor(cursor: Cursor, now: DateTime<Utc>, rhythm: Rhythm) -> Option<DateTime<Utc>> {
    let oldest = now - LOOKBACK;
    match cursor.listed_through {
        None => Some((now - rhythm.start_from).max(oldest)),
        Some(listed) if listed > now + WRONG_CLOCK => Some(oldest),
        Some(_) => None,
    }
}

/// Plans a pass of a feed at `now`, by Microsoft's clock.
///
/// The first pass reaches back to `start_from`. Later ones reach back to `overlap` before the cursor, since content shows up
/// late and out of order; and every `reconcile_interval` to a day before the last reconciliation, so that content has a day
/// to show up even when the source was down meanwhile.
pub fn plan(cursor: Cursor, now: DateTime<Utc>, rhythm: Rhythm) -> Plan {
    let oldest = now - LOOKBACK;
    let Some(listed) = cursor.listed_through else {
        let windows = split((now - rhythm.start_from).max(oldest), now);
        return Plan { windows, reconciles: true, gap: None, relists: None };
    };
    let listed = listed.min(now);
    let overlapping = listed - rhythm.overlap;
    let (reconciles, from) = match cursor.reconciled_at {
        // No pass has succeeded yet.
        None => (true, overlapping),
        Some(last) if now - last >= rhythm.reconcile_interval || last > now => {
            (true, overlapping.min(last.min(now) - LATE))
        }
        Some(_) => (false, overlapping),
    };
    let is_first_pass = cursor.reconciled_at.is_none() && oldest - listed <= FIRST_PASS;
    let gap = (listed < oldest && !is_first_pass).then(|| TimeWindow::new(listed, oldest));
    Plan { windows: split(from.max(oldest), now), reconciles, gap, relists: relisting(cursor, now) }
}

/// The next window that is listed once more, if it is time: content that shows up later than reconciliation finds is found by
/// that, as long as Microsoft lists it. A round goes from the oldest that is held to what reconciliation covers, and not before
/// the feed's own beginning.
fn relisting(cursor: Cursor, now: DateTime<Utc>) -> Option<TimeWindow> {
    let oldest = cursor.began?.max(now - LOOKBACK);
    let newest = cursor.reconciled_at?.min(now) - LATE;
    let start = match cursor.relisted {
        // One in the time to come is of a wrong clock.
        Some(Relisted { at, .. }) if at <= now && now - at < RELISTING => return None,
        Some(Relisted { through, .. }) if oldest < through && through < newest => through - SEAM,
        _ => oldest,
    };
    split(start, newest).first().copied()
}

/// A time from which content is listed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeRange {
    /// Inclusive.
    pub since: DateTime<Utc>,
    /// Exclusive.
    pub until: DateTime<Utc>,
}

impl TimeRange {
    /// Its windows, as far as the API lists them at `now`. Oldest first.
    pub fn windows(self, now: DateTime<Utc>) -> Vec<TimeWindow> {
        split(self.since.max(now - LOOKBACK), self.until.min(now))
    }
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

    fn rhythm(start_from: i64, overlap: i64) -> Rhythm {
        Rhythm {
            start_from: TimeDelta::seconds(start_from),
            overlap: TimeDelta::seconds(overlap),
            reconcile_interval: TimeDelta::hours(6),
        }
    }

    fn cursor(listed: i64, reconciled: i64) -> Cursor {
        Cursor { listed_through: Some(at(listed)), reconciled_at: Some(at(reconciled)), ..Cursor::default() }
    }

    fn window(start: i64, end: i64) -> TimeWindow {
        TimeWindow { start: at(start), end: at(end) }
    }

    #[test]
    fn a_first_window_of_all_that_there_is_has_no_gap_while_it_is_tried() {
        let rhythm = rhythm(7 * DAY, 3_600);
        let anchor = anchor(Cursor::default(), at(0), rhythm).unwrap();
        let tried = Cursor { listed_through: Some(anchor), ..Cursor::default() };
        let oldest = |now: i64| at(now) - LOOKBACK;
        for now in [2, 900, 3_600] {
            let plan = plan(tried, at(now), rhythm);
            assert_eq!((plan.gap, plan.windows[0].start), (None, oldest(now)), "{now}");
        }
        // What expires in days of failures was held by Microsoft when it was first asked for.
        assert_eq!(plan(tried, at(2 * DAY), rhythm).gap, Some(TimeWindow::new(anchor, oldest(2 * DAY))));
        let passed = Cursor { reconciled_at: Some(at(0)), ..tried };
        assert!(plan(passed, at(900), rhythm).gap.is_some(), "what was listed before is missed");
    }

    #[test]
    fn the_first_pass_reaches_back_and_the_next_overlaps() {
        let first = plan(Cursor::default(), at(0), rhythm(DAY, 3_600));
        assert_eq!(first, Plan { windows: vec![window(-DAY, 0)], reconciles: true, gap: None, relists: None });
        let next = plan(cursor(-5, 0), at(60), rhythm(DAY, 3_600));
        assert_eq!(next, Plan { windows: vec![window(-3_605, 60)], reconciles: false, gap: None, relists: None });
    }

    #[test]
    fn a_reconciliation_gives_content_a_day_to_show_up_even_through_an_outage() {
        let steady = plan(cursor(-60, -6 * 3_600), at(0), rhythm(DAY, 3_600));
        assert_eq!(steady.windows, [window(-30 * 3_600, -6 * 3_600), window(-6 * 3_600 - 1, 0)]);
        assert!(steady.reconciles);
        let after_outage = plan(cursor(-2 * DAY, -2 * DAY), at(0), rhythm(DAY, 3_600));
        assert_eq!(after_outage.windows[0].start, at(-3 * DAY));
    }

    #[test]
    fn an_outage_is_caught_up_oldest_first_and_what_is_lost_is_named() {
        let plan = plan(cursor(-9 * DAY, -9 * DAY), at(0), rhythm(DAY, 3_600));
        assert_eq!(plan.gap, Some(window(-9 * DAY, -7 * DAY + 300)));
        assert_eq!(plan.windows.len(), 7);
        assert_eq!(plan.windows[0], window(-7 * DAY + 300, -6 * DAY + 300));
        assert!(plan.windows.is_sorted_by_key(|window| window.start));
    }

    #[test]
    fn a_first_pass_that_fails_for_days_skips_nothing_and_a_cursor_from_the_future_is_not_believed() {
        let rhythm = rhythm(DAY, 3_600);
        assert_eq!(anchor(Cursor::default(), at(0), rhythm), Some(at(-DAY)));
        let failed = Cursor { listed_through: Some(at(-DAY)), ..Cursor::default() };
        assert_eq!(anchor(failed, at(3 * DAY), rhythm), None);
        assert_eq!(plan(failed, at(3 * DAY), rhythm).windows[0].start, at(-DAY - 3_600));
        assert_eq!(anchor(cursor(60, 0), at(0), rhythm), None);
        assert_eq!(anchor(cursor(365 * DAY, 365 * DAY), at(0), rhythm), Some(at(0) - LOOKBACK));
    }

    #[test]
    fn the_whole_seven_days_may_be_asked_for_at_first() {
        let plan = plan(Cursor::default(), at(0), rhythm(7 * DAY, 3_600));
        assert_eq!((plan.windows[0].start, plan.gap), (at(-7 * DAY + 300), None));
    }

    fn any_times() -> impl Strategy<Value = (Option<i64>, i64, i64)> {
        (prop::option::of(-10 * DAY..DAY), 1..7 * DAY, 0..DAY)
    }

    #[test]
    fn a_range_is_listed_in_windows_as_far_as_there_is_anything() {
        let range = |since, until| TimeRange { since: at(since), until: at(until) }.windows(at(0));
        assert_eq!(range(-2 * DAY, -DAY / 2), [window(-2 * DAY, -DAY), window(-DAY - 1, -DAY / 2)]);
        assert_eq!(range(-60, 60), [window(-60, 0)]);
        let all = range(-9 * DAY, 0);
        assert_eq!((all[0].start, all.len()), (at(0) - LOOKBACK, 7));
        assert!(all.iter().all(|window| window.end - window.start <= TimeWindow::LONGEST));
        assert_eq!(range(60, 120), []);
        assert_eq!(range(-60, -120), []);
    }

    #[test]
    fn a_round_of_relisting_has_what_reconciliation_leaves_and_begins_where_the_feed_did() {
        let steady = |began: i64| Cursor { began: Some(at(began)), ..cursor(-5, 0) };
        assert_eq!(relisting(steady(-DAY), at(0)), None, "reconciliation covers the first day");
        assert_eq!(relisting(cursor(-5, 0), at(0)), None, "where it began is not known yet");
        assert_eq!(relisting(steady(-3 * DAY), at(0)), Some(window(-3 * DAY, -2 * DAY)));
        let oldest = -7 * DAY + 300;
        let first = relisting(steady(-9 * DAY), at(0)).unwrap();
        assert_eq!(first, window(oldest, oldest + DAY));
        let relisted = |through: i64, at_secs: i64| Cursor {
            relisted: Some(Relisted { through: at(through), at: at(at_secs) }),
            ..steady(-9 * DAY)
        };
        assert_eq!(relisting(relisted(oldest + DAY, -RELISTING.num_seconds() + 1), at(0)), None, "not yet");
        let next = relisting(relisted(oldest + DAY, -RELISTING.num_seconds()), at(0)).unwrap();
        assert_eq!(next, window(oldest + DAY - 1, oldest + 2 * DAY - 1));
        assert_eq!(relisting(relisted(-DAY, -DAY), at(0)), Some(first), "another round");
        let wrong = relisting(relisted(-3 * DAY, DAY), at(0)).unwrap();
        assert_eq!(wrong.end, at(-2 * DAY - 1), "a time to come is of a clock that was wrong");
    }

    proptest! {
        /// Whatever the passes' distance, what Microsoft still holds is listed again within little more than a day.
        #[test]
        fn a_round_takes_a_day_and_seven_listings(every in 1..60i64, began in 7..30i64) {
            let minutes = |n: i64| TimeDelta::minutes(n);
            let (mut cursor, mut listed) = (Cursor { began: Some(at(-began * DAY)), ..cursor(-5, 0) }, Vec::new());
            for pass in 0..(3 * 24 * 60 / every) {
                let now = at(0) + minutes(pass * every) + TimeDelta::milliseconds(pass * 887 % 1_000);
                (cursor.listed_through, cursor.reconciled_at) = (Some(now), Some(now));
                if let Some(window) = relisting(cursor, now) {
                    prop_assert!(window.end - window.start <= TimeWindow::LONGEST && window.start >= now - LOOKBACK);
                    cursor.relisted = Some(Relisted { through: window.end, at: now });
                    listed.push((now, window));
                }
            }
            prop_assert!(listed.len() <= 3 * 7 + 1, "{} listings in three days", listed.len());
            // Content of three to six days ago, as it is seen a day and a half later.
            for created in [-6 * DAY + 40 * 3_600, -4 * DAY, -3 * DAY].map(at) {
                let again = listed.iter().filter(|(_, window)| window.start <= created && created < window.end).count();
                prop_assert!(again >= 1, "{created} is not listed again: {listed:?}");
            }
        }

        #[test]
        fn every_second_since_the_cursor_is_covered_by_windows_the_api_accepts(
            (listed, start_from, overlap) in any_times(), reconciled in -10 * DAY..DAY, probe in 0..7 * DAY
        ) {
            let now = at(0);
            let cursor = listed.map_or(Cursor::default(), |listed| cursor(listed, reconciled));
            let plan = plan(cursor, now, rhythm(start_from, overlap));
            for window in &plan.windows {
                prop_assert!(window.start < window.end && window.end - window.start <= TimeWindow::LONGEST);
                prop_assert!(window.start >= now - TimeDelta::days(7));
            }
            for pair in plan.windows.windows(2) {
                prop_assert!(pair[1].start < pair[0].end && pair[0].start < pair[1].start, "windows share a seam");
            }
            let wanted = listed.map_or(at(-start_from), |listed| at(listed.min(0)));
            let probe = at(-probe - 1);
            let in_gap = plan.gap.is_some_and(|gap| gap.start <= probe && probe < gap.end);
            let too_old = probe < now - LOOKBACK;
            if probe >= wanted {
                let covered = plan.windows.iter().any(|window| window.start <= probe && probe < window.end);
                prop_assert!(covered || in_gap || (too_old && listed.is_none()), "{probe} in {plan:?}");
            }
        }

        /// However long the passes are apart and whatever was listed in between, the cursor leaves nothing behind it.
        #[test]
        fn the_cursor_only_passes_what_was_listed(pauses in prop::collection::vec(1..3 * DAY, 1..20), overlap in 0..7_200i64) {
            let (mut now, mut cursor) = (at(0), Cursor::default());
            let mut covered: Option<(DateTime<Utc>, DateTime<Utc>)> = None;
            for pause in pauses {
                let plan = plan(cursor, now, rhythm(DAY, overlap));
                for window in plan.windows {
                    let (from, to) = covered.unwrap_or((window.start, window.start));
                    prop_assert!(window.start <= to, "no hole before {window}");
                    covered = Some((from, to.max(window.end)));
                    let next = cursor_after(window, now);
                    prop_assert!(next <= window.end && next < now);
                    cursor.listed_through = cursor.listed_through.max(Some(next));
                }
                if plan.reconciles {
                    cursor.reconciled_at = Some(now);
                }
                now += TimeDelta::seconds(pause);
            }
        }
    }
}
