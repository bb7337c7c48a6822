//! `office365-source verify`, `backfill` and `state coverage`: whether everything was delivered, and what is done about it.

mod alone;
mod backfill;
mod events_out;
mod refusal;
mod table;
mod verify;
mod watch;

use std::process::ExitCode;

use chrono::{DateTime, NaiveDate, Utc};

use self::refusal::Refusal;
pub(super) use self::{backfill::backfill, table::coverage_table, verify::verify};
use super::{
    args::{Day, DaysArgs},
    exit,
    output::{complain, print},
};
use crate::{
    audit_search::{RIPE, Report, SearchTask, Verdict},
    config::{AuditSearchConfig, Office365Config},
    tenancy::ConfiguredSource,
};

/// The most days that a command takes: as far as Purview Audit (Premium) reaches back, and a bit.
const MOST_DAYS: i64 = 400;

/// The days that are meant.
fn range(since: Day, until: Option<Day>, now: DateTime<Utc>) -> Result<(NaiveDate, NaiveDate), String> {
    let far = |option: &str| format!("{option} is further away than any calendar goes");
    let from = since.before(now).ok_or_else(|| far("--since"))?;
    let through = match until {
        Some(day) => day.before(now).ok_or_else(|| far("--until"))?,
        // The last day that has an end which is that old.
        None => (now - RIPE).date_naive().pred_opt().ok_or_else(|| far("--until"))?,
    };
    if from > through {
        return Err(match until {
            Some(_) => "--until is before --since; write a later day".to_owned(),
            None => format!(
                "--since is too recent: a day is compared once it is {} hours old; write {} or an earlier day",
                RIPE.num_hours(),
                through
            ),
        });
    }
    check_days(from, through)?;
    Ok((from, through))
}

/// Whether a report can have these days.
pub(super) fn check_days(from: NaiveDate, through: NaiveDate) -> Result<(), String> {
    if from > through {
        return Err("--since is in the future; write an earlier day".to_owned());
    }
    if (through - from).num_days() >= MOST_DAYS {
        return Err(format!("the days are more than {MOST_DAYS}; write a later --since, or an earlier --until"));
    }
    Ok(())
}

/// The task that the arguments describe.
fn task(args: &DaysArgs, heals: bool, again: bool) -> Result<SearchTask, ExitCode> {
    let (from, through) = range(args.since, args.until, Utc::now()).map_err(|problem| {
        complain(&problem);
        exit::usage()
    })?;
    Ok(SearchTask { from, through, tenant: args.tenant, heals, again })
}

/// Says so if the source has no audit search.
fn require_search(source: ConfiguredSource<'_>) -> Result<(), ExitCode> {
    let Office365Config { audit_search, .. } = source.config;
    let key = source.key();
    let problem = if audit_search.is_none() {
        format!(
            "{key} has no audit search: write a table [{key}.audit_search], and grant the application AuditLogsQuery.Read.All of Microsoft \
             Graph"
        )
    } else if AuditSearchConfig::is_in(source.config.effective_cloud()) {
        return Ok(());
    } else {
        format!("{key}: Microsoft Graph has the audit search in the global cloud and GCC only")
    };
    complain(&problem);
    Err(exit::usage())
}

/// Prints a report; the exit code says what it means.
fn show(report: &Report, json: bool) -> ExitCode {
    let printed = if json {
        match serde_json::to_string_pretty(report) {
            Ok(text) => print(&text),
            Err(error) => return super::asking::failure(&error),
        }
    } else {
        print(&coverage_table(report))
    };
    if printed == exit::OK { code(report) } else { printed }
}

/// What a report means for the caller of this program.
fn code(report: &Report) -> ExitCode {
    match report.verdict {
        Verdict::Complete => exit::OK,
        Verdict::Incomplete => exit::FAILURE,
        Verdict::Unknown => exit::unknown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_where_days_are_old_enough() {
        let now = "2026-06-30T10:00:00Z".parse().unwrap();
        let of = |since: &str, until: Option<&str>| {
            range(since.parse().unwrap(), until.map(|until| until.parse().unwrap()), now)
                .map(|(from, through)| format!("{from}..{through}"))
        };
        assert_eq!(of("2026-06-01", None).as_deref(), Ok("2026-06-01..2026-06-26"));
        assert_eq!(of("30d", Some("2026-06-02")).as_deref(), Ok("2026-05-31..2026-06-02"));
        assert_eq!(of("4d", None).as_deref(), Ok("2026-06-26..2026-06-26"));
        assert!(of("2d", None).unwrap_err().contains("write 2026-06-26 or an earlier day"));
        assert!(of("2d", Some("3d")).unwrap_err().contains("--until is before --since"));
        assert!(of("500d", None).unwrap_err().contains("more than 400"));
    }
}
