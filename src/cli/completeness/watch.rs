//! Waiting for comparisons, with a line of progress on a terminal.

use std::{
    convert::Infallible,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{
    audit_search::{DayState, Report, SearchTask},
    cli::{asking::tell_of_others, output::complain},
    tenancy::{Answer, Answered, AskError, Comparing, ConfiguredSource, Question, UNEXPECTED, ask_running, ask_source},
};

/// The width of a terminal that does not tell it. Unit: characters.
const WIDTH: u16 = 80;

/// How long a source may take to come back that restarts.
const RESTART: Duration = Duration::from_secs(30);

/// Between looks.
const TICK: Duration = Duration::from_secs(2);

const fn question(task: SearchTask) -> Question {
    Question::Coverage { range: (task.from, task.through), tenant: task.tenant }
}

/// Asks the running source, or the ledger of one that does not run: for a report, and who compares what it leaves open.
pub(super) async fn coverage(source: ConfiguredSource<'_>, task: SearchTask) -> crate::Result<(Report, Comparing)> {
    let answered = ask_source(source, &question(task)).await?;
    if answered.running {
        tell_of_others(source, &question(task));
    }
    report_in(answered.answer)
}

/// The report that was asked for.
pub(super) fn reported(answered: Result<Answered, AskError>) -> crate::Result<(Report, Comparing)> {
    report_in(answered?.answer)
}

fn report_in(answer: Answer) -> crate::Result<(Report, Comparing)> {
    match answer {
        Answer::Coverage { report, comparing } => Ok((report, comparing)),
        Answer::Refused { problem } => Err(problem.into()),
        _ => Err(UNEXPECTED.into()),
    }
}

/// Waits until no day of a task is being compared by the running source. Ends without that when the source ends, or has no
/// audit search any more.
pub(super) async fn until_compared(source: ConfiguredSource<'_>, task: SearchTask) -> crate::Result<Report> {
    tell_of_others(source, &question(task));
    let (mut line, mut alone_since) = (Line::default(), None);
    loop {
        // The ledger is left to a source that restarts.
        let answer = ask_running(source, &question(task)).await;
        let (problem, comparing) = match answer.map(|answer| answer.map(report_in)) {
            Ok(Some(Ok((report, _)))) if !report.is_open() => {
                line.clear();
                return Ok(report);
            }
            Ok(Some(Ok((report, comparing)))) => {
                line.show(&report);
                let problem = match comparing {
                    Comparing::Command => "another command has the ledger now, and the source that was asked has ended",
                    _ => "the running source has no audit_search any more",
                };
                (crate::Error::from(problem), comparing)
            }
            Ok(Some(Err(refused))) => (refused, Comparing::Nobody),
            Ok(None) => ("the source that compared the days has ended".into(), Comparing::Nobody),
            Err(error) => (error.into(), Comparing::Nobody),
        };
        if comparing == Comparing::Source {
            alone_since = None;
        } else if alone_since.get_or_insert_with(Instant::now).elapsed() >= RESTART {
            line.clear();
            complain(&format_args!(
                "{problem}. What is under way goes on when the source runs again, or with this command"
            ));
            return Ok(coverage(source, task).await?.0);
        }
        sleep(TICK).await;
    }
}

/// Shows how far a source of this process is, for as long as it is polled. What cannot be asked is not shown.
pub(super) async fn show(source: ConfiguredSource<'_>, task: SearchTask) -> Infallible {
    let mut line = Line::default();
    loop {
        sleep(TICK).await;
        // Without a socket, there is nothing to ask while the ledger is in use.
        if line.is_shown()
            && let Ok(Some(answer)) = ask_running(source, &question(task)).await
            && let Ok((report, _)) = report_in(answer)
        {
            line.show(&report);
        }
    }
}

/// A line that is drawn over itself. It goes when it is dropped.
#[derive(Default)]
struct Line {
    is_drawn: bool,
}

impl Line {
    fn is_shown(&self) -> bool {
        self.is_drawn || io::stderr().is_terminal()
    }

    fn show(&mut self, report: &Report) {
        if self.is_shown() {
            self.is_drawn = true;
            let width = terminal_size::terminal_size_of(io::stderr()).map_or(WIDTH, |(width, _)| width.0);
            // A line that is cut off with the terminal cannot be drawn over.
            let line: String = progress(report).chars().take(usize::from(width.saturating_sub(1))).collect();
            let _ = write!(io::stderr(), "\r\x1b[2K{line}\r");
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.is_drawn) {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.clear();
    }
}

/// How far the days of a report are: first what somebody may have to do something about.
fn progress(report: &Report) -> String {
    let open = || report.days.iter().filter(|day| day.state == DayState::Searching);
    let done = report.days.len() - open().count();
    let healed: u64 = report.days.iter().map(|day| day.healed).sum();
    let mut parts = vec![format!("{done} of {} days compared", report.days.len())];
    parts.extend(
        report.pause().map(|until| format!("the next query can be created at {}", until.format("%F %H:%M UTC"))),
    );
    parts.extend(open().find_map(|day| day.problem.clone()));
    parts.push(format!("{healed} events healed"));
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
    use uuid::Uuid;

    use super::*;
    use crate::{
        audit_search::{DayReport, Verdict},
        content::TenantId,
    };

    fn report(change: impl FnOnce(&mut DayReport)) -> Report {
        let made: DateTime<Utc> = "2026-06-10T10:00:00Z".parse().unwrap();
        let from = NaiveDate::from_ymd_opt(2026, 6, 1).unwrap();
        let day = |state| DayReport {
            tenant: TenantId(Uuid::from_u128(1)),
            domain: None,
            day: from,
            state,
            delivered: 5,
            found: 5,
            missing: 0,
            healed: 2,
            only_here: 0,
            hidden: Vec::new(),
            compared: None,
            waits_until: None,
            problem: None,
        };
        let mut days = vec![day(DayState::Complete), day(DayState::Searching), day(DayState::Searching)];
        change(&mut days[1]);
        Report { from, through: from, made, verdict: Verdict::Unknown, days }
    }

    #[test]
    fn the_line_says_first_what_it_waits_for() {
        assert_eq!(progress(&report(|_| {})), "1 of 3 days compared; 6 events healed");
        let waits = report(|day| day.waits_until = Some("2026-06-10T14:30:00Z".parse().unwrap()));
        let expected = "1 of 3 days compared; the next query can be created at 2026-06-10 14:30 UTC; 6 events healed";
        assert_eq!(progress(&waits), expected);
        let over = report(|day| day.waits_until = Some("2026-06-10T09:59:00Z".parse().unwrap()));
        assert_eq!(over.pause(), None, "{}", over.made - TimeDelta::minutes(1));
        let fails = report(|day| {
            day.waits_until = Some("2026-06-10T14:30:00Z".parse().unwrap());
            day.problem = Some("HTTP 503".to_owned());
        });
        assert_eq!(progress(&fails), "1 of 3 days compared; HTTP 503; 6 events healed");
    }
}
