//! The arguments of `verify` and `backfill`.

use std::str::FromStr;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use clap::Args;

use super::SourceArgs;
use crate::{config::HumanDuration, content::TenantId};

/// Which days are meant.
#[derive(Args, Debug)]
pub(in crate::cli) struct DaysArgs {
    #[command(flatten)]
    pub(in crate::cli) source: SourceArgs,
    /// The first day (UTC), by the time of events: a date, such as 2026-06-01, or how long ago, such as 30d.
    #[arg(long, value_name = "DATE|DURATION")]
    pub(in crate::cli) since: Day,
    /// The last day, in the same forms. Default: the last one that is old enough, three days ago.
    #[arg(long, value_name = "DATE|DURATION")]
    pub(in crate::cli) until: Option<Day>,
    /// The Directory (tenant) ID of the tenant that is meant. Default: all tenants.
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) tenant: Option<TenantId>,
    /// Print the report as a JSON object.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Args, Debug)]
#[command(after_long_help = VERIFY_HELP)]
pub(in crate::cli) struct VerifyArgs {
    #[command(flatten)]
    pub(in crate::cli) days: DaysArgs,
    /// Print what is known now, and search for nothing.
    #[arg(long)]
    pub(in crate::cli) no_wait: bool,
    /// Compare days again that are known to be complete.
    #[arg(long, conflicts_with = "no_wait")]
    pub(in crate::cli) again: bool,
}

const VERIFY_HELP: &str = "\
Exit code: 0 every day is complete, 1 a day is not, 3 some day cannot be told, 2 the arguments or the configuration cannot be used. \
Searches take Microsoft minutes to hours; with Ctrl-C the report is printed as far as it is known, and the searches go on if the source \
runs.";

#[derive(Args, Debug)]
#[command(after_long_help = BACKFILL_HELP)]
pub(in crate::cli) struct BackfillArgs {
    #[command(flatten)]
    pub(in crate::cli) days: DaysArgs,
    /// Print the events, one JSON object a line, in place of the report, and count them as delivered. The source must not run.
    #[arg(long, conflicts_with = "json")]
    pub(in crate::cli) to_stdout: bool,
}

const BACKFILL_HELP: &str = "\
What was delivered before is not delivered again. A backfill that was interrupted goes on where it was; one that needs more queries than \
audit_search.budget_per_day goes on when there are some again. Exit code: 0 every day is complete now, 1 a day is not, 3 some day cannot \
be told, 2 the arguments or the configuration cannot be used.";

/// A day, or how long ago it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::cli) enum Day {
    /// A date.
    On(NaiveDate),
    /// So long ago.
    Ago(HumanDuration),
}

impl Day {
    /// The day that is meant at `now`; `None` if no calendar has it.
    pub(in crate::cli) fn before(self, now: DateTime<Utc>) -> Option<NaiveDate> {
        match self {
            Self::On(date) => Some(date),
            Self::Ago(ago) => Some(now.checked_sub_signed(TimeDelta::from_std(ago.get()).ok()?)?.date_naive()),
        }
    }
}

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(duration) = text.parse() {
            return Ok(Self::Ago(duration));
        }
        if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Ok(Self::On(date));
        }
        Err("neither a date nor a duration; write a date (UTC) without a time, such as 2026-06-01, or how long ago it was, such as 30d".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates_and_durations() {
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let day = |text: &str| text.parse::<Day>().unwrap().before(now).unwrap().to_string();
        assert_eq!(day("2026-06-01"), "2026-06-01");
        assert_eq!(day("30d"), "2026-08-22");
        for bad in ["", "yesterday", "2026-13-01", "1.6.2026", "2026-06-01T23:30:00-02:00"] {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
        }
    }
}
