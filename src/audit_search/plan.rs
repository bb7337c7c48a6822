//! Which days are due to be compared: pure functions of what is known and the time.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use snafu::Snafu;

use crate::{
    content::ContentType,
    ledger::{Cursor, DayCoverage, DayRecord, SearchScope, Skipped},
};

/// The length of a day.
pub const DAY: TimeDelta = TimeDelta::days(1);

/// How old a day must be. Content shows up within hours, rarely after days; the audit search shows a record within a day.
pub const RIPE: TimeDelta = TimeDelta::hours(72);

/// Live collection has its last word: what it has not listed by then, it cannot list any more (seven days, and one to be sure).
const OVER: TimeDelta = TimeDelta::days(8);

/// When a day is tried again whose comparison came to nothing: a young one, and an older one.
const AGAIN: TimeDelta = TimeDelta::days(1);
const AGAIN_WHEN_OLD: TimeDelta = TimeDelta::days(7);
const YOUNG: TimeDelta = TimeDelta::days(30);

/// What is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// Whether every day is compared.
    pub verify: bool,
    /// Whether missing events are delivered.
    pub heal: bool,
    /// How far back.
    pub max_gap: TimeDelta,
}

/// How far live collection of a tenant is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Live {
    /// All content types have been asked for since then. `None` while one has not been.
    pub began: Option<DateTime<Utc>>,
    /// All content created before this time has been delivered.
    pub delivered_through: Option<DateTime<Utc>>,
    /// What no content type has listed.
    pub skipped_by_all: Option<Skipped>,
    /// What some content type has not listed.
    pub skipped_by_some: Option<Skipped>,
}

impl Live {
    /// Of the feeds of a tenant: their cursors, and when the oldest pending content of each was created.
    pub fn of(feeds: &[(Cursor, Option<DateTime<Utc>>)]) -> Self {
        let began = |(cursor, _): &(Cursor, _)| cursor.began;
        let through = |(cursor, oldest): &(Cursor, Option<DateTime<Utc>>)| {
            let listed = cursor.listed_through?;
            Some(oldest.map_or(listed, |oldest| oldest.min(listed)))
        };
        let all = |times: Vec<Option<DateTime<Utc>>>| times.into_iter().collect::<Option<Vec<_>>>();
        let skipped = feeds.iter().filter_map(|(cursor, _)| cursor.skipped);
        let join =
            |one: Skipped, two: Skipped| Skipped { from: one.from.min(two.from), until: one.until.max(two.until) };
        let meet =
            |one: Skipped, two: Skipped| Skipped { from: one.from.max(two.from), until: one.until.min(two.until) };
        Self {
            began: all(feeds.iter().map(began).collect()).and_then(|times| times.into_iter().max()),
            delivered_through: all(feeds.iter().map(through).collect()).and_then(|times| times.into_iter().min()),
            skipped_by_all: (skipped.clone().count() == feeds.len()).then(|| skipped.clone().reduce(meet)).flatten(),
            skipped_by_some: skipped.reduce(join),
        }
    }
}

/// What is known of a tenant.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    /// How far live collection is.
    pub live: Live,
    /// What is known of its days.
    pub days: BTreeMap<NaiveDate, DayCoverage>,
    /// The day before which ids of delivered events have been forgotten, by the day of their delivery.
    pub forgotten: Option<NaiveDate>,
}

/// Why a day cannot be compared now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Snafu)]
pub enum Obstacle {
    /// It is too young.
    #[snafu(display("a day is compared once it is {} hours old, which this one is at {}", RIPE.num_hours(), until.format("%F %H:%M UTC")))]
    Young {
        /// When it is not any more.
        until: DateTime<Utc>,
    },
    /// Live collection has not come that far.
    #[snafu(display(
        "content is delivered only up to {} yet; the day is compared when that is {} hours after its end",
        through.format("%F %H:%M UTC"), RIPE.num_hours()
    ))]
    LiveBehind {
        /// How far it has come.
        through: DateTime<Utc>,
    },
    /// Nobody knows any more what was delivered of it.
    #[snafu(display(
        "ids of events that were delivered before {before} have been forgotten, so that nobody can tell which were; they are kept for \
         dedupe.window and seven days more"
    ))]
    Forgotten {
        /// Before which day.
        before: NaiveDate,
    },
}

impl Knowledge {
    /// The days that are due to be compared without being asked for, oldest first.
    /// `hidden` are the content types of which a search shows nothing now.
    pub fn due_days(&self, wanted: Wanted, hidden: &[ContentType], now: DateTime<Utc>) -> Vec<NaiveDate> {
        let Some(began) = self.live.began else { return Vec::new() };
        // The first whole day since the beginning.
        let first = (began + DAY - TimeDelta::nanoseconds(1)).date_naive().max((now - wanted.max_gap).date_naive());
        let is_due = |day: &NaiveDate| {
            let (start, end) = bounds(*day);
            let in_gap = self.live.skipped_by_some.is_some_and(|gap| start < gap.until && end > gap.from);
            let is_wanted = wanted.verify || (wanted.heal && in_gap);
            is_wanted && self.is_new(*day, wanted, hidden, now) && self.obstacle(*day, now).is_none()
        };
        first.iter_days().take_while(|day| *day <= now.date_naive()).filter(is_due).collect()
    }

    fn is_new(&self, day: NaiveDate, wanted: Wanted, hidden: &[ContentType], now: DateTime<Utc>) -> bool {
        let record = self.days.get(&day).and_then(|known| known.record.as_ref());
        record.is_none_or(|record| is_due_again(record, wanted, hidden, now))
    }

    /// Why a day cannot be compared now, if it cannot.
    pub fn obstacle(&self, day: NaiveDate, now: DateTime<Utc>) -> Option<Obstacle> {
        let (start, end) = bounds(day);
        if end + RIPE > now {
            return Some(Obstacle::Young { until: end + RIPE });
        }
        // What live collection is about to deliver is not missing. A source that never ran has none.
        if let Some(through) = self.live.delivered_through
            && through < end + RIPE
            && now < end + OVER
        {
            return Some(Obstacle::LiveBehind { through });
        }
        // Events are delivered on their day or later: as long as no id of that time is forgotten, all are known. Beyond that, a day
        // can be told of which no content was listed.
        let was_skipped = self.live.skipped_by_all.is_some_and(|gap| gap.from <= start && end <= gap.until);
        // What searches have brought was delivered lately.
        let is_live = |known: &DayCoverage| known.delivered.values().any(|count| count.live > 0);
        let nothing_delivered = !self.days.get(&day).is_some_and(is_live);
        let before_the_source = self.live.began.is_none_or(|began| end + OVER <= began);
        let is_known = (was_skipped || before_the_source) && nothing_delivered;
        self.forgotten.filter(|before| day < *before && !is_known).map(|before| Obstacle::Forgotten { before })
    }
}

/// Whether a comparison that was asked for has to be done again.
fn is_due_again(record: &DayRecord, wanted: Wanted, hidden: &[ContentType], now: DateTime<Utc>) -> bool {
    let Some(settled) = record.settled else { return false };
    let is_missing = record.found.values().any(|found| found.missing > 0);
    let (_, end) = bounds(record.of.day);
    let shows_more = record.hidden.iter().any(|content_type| !hidden.contains(content_type));
    // What the pipeline has rejected may be accepted another day.
    let came_to_nothing = record.given_up || record.found_nothing() || (is_missing && wanted.heal);
    let wait = if now - end < YOUNG { AGAIN } else { AGAIN_WHEN_OLD };
    shows_more || (is_missing && wanted.heal && !record.heals) || (came_to_nothing && now - settled >= wait)
}

/// The beginning and the end of a day.
pub fn bounds(day: NaiveDate) -> (DateTime<Utc>, DateTime<Utc>) {
    let start = day.and_time(NaiveTime::MIN).and_utc();
    (start, start + DAY)
}

/// What is looked for to compare a day.
pub fn scopes_of(day: NaiveDate) -> Vec<SearchScope> {
    let (start, end) = bounds(day);
    vec![SearchScope { start, end, record_types: Vec::new() }]
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        content::TenantId,
        ledger::{AuditDay, DeliveredCounts, Found},
    };

    const DAILY: Wanted = Wanted { verify: true, heal: true, max_gap: TimeDelta::days(180) };

    fn at(day: u32, hour: u32) -> DateTime<Utc> {
        date(day).and_hms_opt(hour, 0, 0).unwrap().and_utc()
    }

    fn date(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 6, 1).unwrap() + chrono::Days::new(u64::from(day) - 1)
    }

    fn live(began: DateTime<Utc>, through: DateTime<Utc>) -> Live {
        Live { began: Some(began), delivered_through: Some(through), skipped_by_all: None, skipped_by_some: None }
    }

    fn due(knowledge: &Knowledge, wanted: Wanted, now: DateTime<Utc>) -> Vec<u32> {
        use chrono::Datelike;
        knowledge.due_days(wanted, &[], now).iter().map(|day| day.ordinal() - date(1).ordinal() + 1).collect()
    }

    fn record(day: u32, change: impl FnOnce(&mut DayRecord)) -> (NaiveDate, DayCoverage) {
        let of = AuditDay { tenant: TenantId(Uuid::from_u128(1)), day: date(day) };
        let mut record = DayRecord {
            of,
            heals: true,
            requested: at(day + 4, 0),
            settled: Some(at(day + 4, 1)),
            searches: Vec::new(),
            found: BTreeMap::new(),
            hidden: Vec::new(),
            problem: None,
            given_up: false,
            delivered: BTreeMap::new(),
            next: 1,
        };
        change(&mut record);
        (of.day, DayCoverage { of, record: Some(record), delivered: BTreeMap::new() })
    }

    #[test]
    fn whole_days_are_due_once_they_are_old_enough_and_live_collection_is_done() {
        let knowledge = Knowledge { live: live(at(2, 5), at(10, 11)), ..Knowledge::default() };
        assert_eq!(due(&knowledge, DAILY, at(10, 11)), [3, 4, 5, 6]);
        assert_eq!(due(&knowledge, DAILY, at(11, 0)), [3, 4, 5, 6], "live collection is not as far");
        let exact = Knowledge { live: live(at(3, 0), at(11, 0)), ..Knowledge::default() };
        assert_eq!(due(&exact, DAILY, at(11, 0)), [3, 4, 5, 6, 7]);
        // A feed that cannot be collected does not keep days from being compared for ever.
        assert_eq!(due(&knowledge, DAILY, at(18, 0)), [3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(due(&Knowledge::default(), DAILY, at(18, 0)), [] as [u32; 0], "a source that never ran");
        let reach = Wanted { max_gap: TimeDelta::days(6), ..DAILY };
        assert_eq!(due(&knowledge, reach, at(10, 11)), [4, 5, 6]);
    }

    #[test]
    fn without_verification_only_the_days_of_an_outage_are_due() {
        let gap = Skipped { from: at(3, 20), until: at(5, 1) };
        let live = Live { skipped_by_some: Some(gap), ..live(at(1, 0), at(20, 0)) };
        let knowledge = Knowledge { live, ..Knowledge::default() };
        let heal = Wanted { verify: false, ..DAILY };
        assert_eq!(due(&knowledge, heal, at(20, 0)), [3, 4, 5]);
        assert_eq!(due(&knowledge, Wanted { heal: false, ..heal }, at(20, 0)), [] as [u32; 0]);
    }

    #[test]
    fn a_day_is_due_again_when_its_comparison_came_to_nothing_or_may_heal_now() {
        let now = at(12, 0);
        let base = Knowledge { live: live(at(1, 0), now), ..Knowledge::default() };
        let with = |record: (NaiveDate, DayCoverage)| Knowledge { days: BTreeMap::from([record]), ..base.clone() };
        let is_due = |record, now| with(record).due_days(DAILY, &[], now).contains(&date(3));
        assert!(!is_due(record(3, |_| {}), now));
        assert!(!is_due(record(3, |record| record.settled = None), now));
        assert!(is_due(record(3, |record| record.given_up = true), now));
        assert!(!is_due(record(3, |record| record.given_up = true), at(7, 12)), "not within a day");
        let hidden = || record(3, |record| record.hidden = vec![ContentType::Dlp]);
        assert!(is_due(hidden(), at(7, 12)), "the permission is there now");
        let due = with(hidden()).due_days(DAILY, &[ContentType::Dlp], now);
        assert!(!due.contains(&date(3)), "nothing has changed");
        let missing = |heals| {
            record(3, |record| {
                record.heals = heals;
                record.found.insert(ContentType::Exchange, Found { records: 9, missing: 1 });
            })
        };
        assert!(is_due(missing(false), at(7, 12)) && !is_due(missing(true), at(7, 12)));
        assert!(is_due(missing(true), now) && is_due(missing(true), at(40, 0)));
    }

    #[test]
    fn a_day_whose_deliveries_were_forgotten_cannot_be_told_unless_there_were_none() {
        let now = at(40, 0);
        let knowledge = |skipped, delivered| {
            let mut known = record(5, |record| record.given_up = true);
            if delivered {
                known.1.delivered.insert(ContentType::Exchange, DeliveredCounts { live: 3, healed: 0 });
            } else {
                known.1.delivered.insert(ContentType::Exchange, DeliveredCounts { live: 0, healed: 2 });
            }
            let live = Live { skipped_by_all: skipped, ..live(at(1, 0), now) };
            Knowledge { live, days: BTreeMap::from([known]), forgotten: Some(date(20)) }
        };
        let gap = Some(Skipped { from: at(4, 0), until: at(7, 0) });
        let forgotten = Some(Obstacle::Forgotten { before: date(20) });
        assert_eq!(knowledge(None, false).obstacle(date(5), now), forgotten);
        assert_eq!(knowledge(gap, true).obstacle(date(5), now), forgotten);
        assert_eq!(knowledge(gap, false).obstacle(date(5), now), None);
        assert_eq!(knowledge(gap, false).obstacle(date(7), now), forgotten);
        assert_eq!(knowledge(None, false).obstacle(date(20), now), None);
        let before = Knowledge { live: live(at(20, 0), now), forgotten: Some(date(30)), ..Knowledge::default() };
        assert_eq!(before.obstacle(date(5), now), None, "the source did not run then");
        assert!(before.obstacle(date(15), now).is_some(), "its first content may have had events of that day");
    }

    #[test]
    fn a_tenant_is_as_far_as_its_slowest_feed() {
        let cursor = |began: u32, listed: u32, skipped: Option<(u32, u32)>| Cursor {
            began: Some(at(began, 0)),
            listed_through: Some(at(listed, 0)),
            skipped: skipped.map(|(from, until)| Skipped { from: at(from, 0), until: at(until, 0) }),
            ..Cursor::default()
        };
        let live = Live::of(&[(cursor(1, 20, Some((3, 9))), None), (cursor(2, 21, Some((4, 10))), Some(at(15, 0)))]);
        assert_eq!((live.began, live.delivered_through), (Some(at(2, 0)), Some(at(15, 0))));
        assert_eq!(live.skipped_by_all, Some(Skipped { from: at(4, 0), until: at(9, 0) }));
        assert_eq!(live.skipped_by_some, Some(Skipped { from: at(3, 0), until: at(10, 0) }));
        let one = Live::of(&[(cursor(1, 20, Some((3, 9))), None), (Cursor::default(), None)]);
        assert_eq!((one.began, one.delivered_through, one.skipped_by_all), (None, None, None));
        assert!(one.skipped_by_some.is_some());
    }
}
