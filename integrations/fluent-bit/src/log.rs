//! From `tracing` to Fluent Bit's log.
//!
//! Only Fluent Bit's own threads may write to its log, so that lines wait in a bounded queue until a callback comes.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{Dispatch, Metadata, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
};

use crate::host::{HostLog, Level};

/// How many lines wait at most. A callback comes every second; a source that has more to say repeats itself.
const CAPACITY: usize = 1_000;

/// Lines that wait for a callback.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<(Level, String)>,
    dropped: u64,
}

impl Log {
    /// Adds a line; the newest are dropped, and counted, when too many wait: the first ones show how it began.
    pub(crate) fn push(&self, level: Level, line: String) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.lines.len() < CAPACITY {
            waiting.lines.push_back((level, line));
        } else {
            waiting.dropped += 1;
        }
    }

    /// Writes what waits to the host's log, each line with `prefix`.
    pub(crate) fn print(&self, host: &HostLog, prefix: &str) {
        let Waiting { lines, dropped } = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (level, line) in lines {
            host.write(level, &format!("{prefix}{line}"));
        }
        if dropped > 0 {
            host.write(Level::Warn, &format!("{prefix}{dropped} more lines came too fast and were left out"));
        }
    }

    /// Where the threads of a source log to.
    pub(crate) fn dispatch(&self, level: Option<Level>) -> Dispatch {
        let ours = level.map_or(LevelFilter::OFF, filter);
        // HTTP libraries write headers, tokens among them, at their lower levels.
        let targets = Targets::new()
            .with_default(ours.min(LevelFilter::WARN))
            .with_target("office365_source", ours)
            .with_target("office365_fluent_bit", ours);
        let lines = fmt::layer()
            .with_ansi(false)
            .with_level(false)
            .with_target(false)
            .without_time()
            .with_writer(self.clone())
            .with_filter(targets);
        Dispatch::new(tracing_subscriber::registry().with(lines))
    }
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { log: self, level: Level::Info }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        let level = match *metadata.level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            tracing::Level::DEBUG => Level::Debug,
            tracing::Level::TRACE => Level::Trace,
        };
        Line { log: self, level }
    }
}

/// Takes one line, which the formatter writes in one piece.
pub(crate) struct Line<'a> {
    log: &'a Log,
    level: Level,
}

impl io::Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.log.push(self.level, String::from_utf8_lossy(line).trim_end().to_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(log: &Log) -> Vec<(Level, String)> {
        std::mem::take(&mut log.0.lock().unwrap().lines).into()
    }

    #[test]
    fn events_become_lines_of_the_wanted_levels() {
        let log = Log::default();
        tracing::dispatcher::with_default(&log.dispatch(Some(Level::Info)), || {
            tracing::info!(target: "office365_source::x", message = "Source starts.", tenants = 2);
            tracing::debug!(target: "office365_source::x", "not wanted");
            tracing::error!("bad\nnews");
            tracing::info!(target: "hyper", "GET with authorization: Bearer x");
            tracing::warn!(target: "rustls", "odd");
        });
        assert_eq!(
            lines(&log),
            [
                (Level::Info, "Source starts. tenants=2".to_owned()),
                (Level::Error, "bad\nnews".to_owned()),
                (Level::Warn, "odd".to_owned())
            ]
        );
        tracing::dispatcher::with_default(&log.dispatch(None), || tracing::error!("not wanted either"));
        assert_eq!(lines(&log), []);
    }

    #[test]
    fn libraries_never_show_what_they_send() {
        let log = Log::default();
        tracing::dispatcher::with_default(&log.dispatch(Some(Level::Trace)), || {
            tracing::trace!(target: "h2", "authorization: Bearer x");
            tracing::trace!(target: "office365_source", "ours");
        });
        assert_eq!(lines(&log), [(Level::Trace, "ours".to_owned())]);
    }

    #[test]
    fn too_many_lines_are_counted() {
        let log = Log::default();
        (0..CAPACITY + 3).for_each(|n| log.push(Level::Info, n.to_string()));
        let waiting = log.0.lock().unwrap();
        assert_eq!((waiting.lines.len(), waiting.dropped), (CAPACITY, 3));
        assert_eq!(waiting.lines[0].1, "0");
    }
}
