//! Waiting for comparisons, with a line of progress on a terminal.

use std::{
    convert::Infallible,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use tokio::time::sleep;

use crate::{
    audit_search::{DayState, Report, SearchTask},
    tenancy::{Answer, Answered, AskError, ConfiguredSource, Question, UNEXPECTED, ask_source},
};

/// So much of a problem fits into a line.
const LONGEST: usize = 80;

/// Between looks.
const TICK: Duration = Duration::from_secs(2);

/// Asks the running source, or the ledger of one that does not run.
pub(super) async fn coverage(source: ConfiguredSource<'_>, task: SearchTask) -> crate::Result<(Report, bool)> {
    let question = Question::Coverage { range: (task.from, task.through), tenant: task.tenant };
    reported(ask_source(source, &question).await)
}

/// The report that was asked for, and whether a source that runs gave it.
pub(super) fn reported(answered: Result<Answered, AskError>) -> crate::Result<(Report, bool)> {
    match answered? {
        Answered { answer: Answer::Coverage { report }, running } => Ok((report, running)),
        Answered { answer: Answer::Refused { problem }, .. } => Err(problem.into()),
        Answered { .. } => Err(UNEXPECTED.into()),
    }
}

/// Waits until no day of a task is being compared by the running source.
pub(super) async fn until_compared(source: ConfiguredSource<'_>, task: SearchTask) -> crate::Result<Report> {
    let mut line = Line::default();
    loop {
        let (report, _) = coverage(source, task).await?;
        if !report.is_open() {
            line.clear();
            return Ok(report);
        }
        line.show(&report);
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
            && let Ok((report, true)) = coverage(source, task).await
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
            let _ = write!(io::stderr(), "\r\x1b[2K{}\r", progress(report));
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

/// How far the days of a report are.
fn progress(report: &Report) -> String {
    let open = report.days.iter().filter(|day| day.state == DayState::Searching);
    let done = report.days.len() - open.clone().count();
    let healed: u64 = report.days.iter().map(|day| day.healed).sum();
    let waits = open.clone().map(|day| day.waits_until).collect::<Option<Vec<_>>>();
    let waits = waits.and_then(|times| times.into_iter().min()).map(|time| {
        let time = time.format("%F %H:%M UTC");
        format!("; the next query may be made at {time}")
    });
    let problem = open.clone().find_map(|day| day.problem.clone());
    let problem = problem.map(|problem| format!("; {}", problem.chars().take(LONGEST).collect::<String>()));
    let text = format!("{done} of {} days compared, {healed} events healed", report.days.len());
    text + &waits.or(problem).unwrap_or_default()
}
