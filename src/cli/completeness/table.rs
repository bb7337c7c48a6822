//! A report for people.

use std::fmt::Write;

use crate::{
    audit_search::{DayReport, DayState, Report, Verdict},
    cli::columns::columns,
    content::TenantId,
};

/// A line for each day, the problems below, and what it all comes to.
pub(in crate::cli) fn coverage_table(report: &Report) -> String {
    let name = |day: &DayReport| day.domain.clone().unwrap_or_else(|| day.tenant.to_string());
    let is_told = |day: &DayReport| !matches!(day.state, DayState::NotCompared);
    let row = |day: &DayReport| {
        let count = |count: u64| if is_told(day) { count.to_string() } else { "-".to_owned() };
        [
            name(day),
            day.day.to_string(),
            day.delivered.to_string(),
            count(day.found),
            count(day.missing),
            count(day.healed),
            count(day.only_here),
            day.state.as_str().to_owned(),
        ]
    };
    let rows: Vec<_> = report.days.iter().map(row).collect();
    let head = ["TENANT", "DAY", "DELIVERED", "FOUND", "MISSING", "HEALED", "ONLY HERE", "STATE"];
    let mut text = columns(head, &rows);
    // Writing to a `String` cannot fail. The same problem of several days of a tenant is told once.
    let mut told: Vec<(TenantId, &str)> = Vec::new();
    for day in &report.days {
        let Some(problem) = day.problem.as_deref() else { continue };
        let same = |other: &&DayReport| other.tenant == day.tenant && other.problem.as_deref() == Some(problem);
        if !told.contains(&(day.tenant, problem)) {
            let others = match report.days.iter().filter(same).count() {
                1 => String::new(),
                2 => " and 1 other day".to_owned(),
                days => format!(" and {} other days", days - 1),
            };
            let _ = write!(text, "\n{} {}{others}: {problem}", name(day), day.day);
            told.push((day.tenant, problem));
        }
    }
    if let Some(until) = report.pause() {
        let until = until.format("%F %H:%M UTC");
        let _ = write!(
            text,
            "\nThe next query can be created at {until}: audit_search.budget_per_day is spent, or Microsoft asks to wait."
        );
    }
    let _ = write!(text, "\n{}", verdict(report));
    text
}

/// What a report comes to.
fn verdict(report: &Report) -> String {
    let sum = |count: fn(&DayReport) -> u64| report.days.iter().map(count).sum::<u64>();
    let (found, missing, healed) = (sum(|day| day.found), sum(|day| day.missing), sum(|day| day.healed));
    let of_state = |state| report.days.iter().filter(|day| day.state == state).count();
    let healed = if healed > 0 { format!(", {healed} of them healed") } else { String::new() };
    match report.verdict {
        Verdict::Complete => format!(
            "Proved complete: {} of {} records that the audit search finds were delivered{healed}.",
            found - missing.min(found),
            found
        ),
        Verdict::Incomplete => format!(
            "Not complete: {missing} of {found} records that the audit search finds were not delivered, on {} of {} days. To deliver them, with the \
             same --config: office365-source backfill --since {} --until {}",
            of_state(DayState::Incomplete),
            report.days.len(),
            report.from,
            report.through
        ),
        Verdict::Unknown => {
            let complete = of_state(DayState::Complete);
            if complete == report.days.len() {
                return "Nothing is proved: the audit search finds no record of these days, and none was delivered. Look whether auditing \
                        is turned on: Microsoft Purview portal > Audit."
                    .to_owned();
            }
            format!(
                "Cannot be told as a whole: {complete} of {} days are proved complete ({} of {found} records{healed}), the others were not \
                 compared, or not to the end.",
                report.days.len(),
                found - missing.min(found),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate};
    use uuid::Uuid;

    use super::*;

    fn day(number: u32, state: DayState, missing: u64) -> DayReport {
        DayReport {
            tenant: TenantId(Uuid::from_u128(1)),
            domain: Some("contoso.com".to_owned()),
            day: NaiveDate::from_ymd_opt(2026, 6, number).unwrap(),
            state,
            delivered: 100,
            found: 98,
            missing,
            healed: 3,
            only_here: 2,
            hidden: Vec::new(),
            compared: None,
            waits_until: None,
            problem: None,
        }
    }

    fn report(verdict: Verdict, days: Vec<DayReport>) -> Report {
        let (from, through) = (days[0].day, days[days.len() - 1].day);
        Report { from, through, made: DateTime::UNIX_EPOCH, verdict, days }
    }

    #[test]
    fn a_report_says_day_by_day_and_in_one_sentence_what_is_known() {
        let complete = report(Verdict::Complete, vec![day(1, DayState::Complete, 0), day(2, DayState::Complete, 0)]);
        let mut unknown = day(2, DayState::NotCompared, 0);
        unknown.problem = Some("a day is compared once it is 72 hours old".to_owned());
        let mut same = unknown.clone();
        same.day = NaiveDate::from_ymd_opt(2026, 6, 3).unwrap();
        let partial = report(Verdict::Unknown, vec![day(1, DayState::Complete, 0), unknown, same]);
        let incomplete = report(Verdict::Incomplete, vec![day(1, DayState::Incomplete, 4)]);
        let tables = [complete, partial, incomplete].map(|report| coverage_table(&report));
        insta::assert_snapshot!(tables.join("\n\n"));
    }
}
