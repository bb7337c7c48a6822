//! A pipeline that runs, and how it stops.
//!
//! It stops by itself when every source has ended and every sink has written what it got. It is stopped when it is
//! asked to, when a source fails and when a sink fails: the sources get the signal, go on until what they have in flight is
//! delivered, and end; the pumps see the end of their source, the sinks the end of their pumps. Events that are not
//! delivered in time are abandoned.

use std::{collections::BTreeSet, pin::Pin, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{Ended, HostError, Report, SinkError, SourceReport, error::SourceFailedSnafu, telemetry};
use crate::{
    RunMode,
    component::{ComponentKey, ShutdownTrigger},
    telemetry::Progress,
};

/// How long sinks may go on after a run that should end has failed: to end a write that has begun.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// How long components may take to end after the signal.
const GONE: Duration = Duration::from_secs(1);

/// A running pipeline. Dropping it ends everything in it at once.
pub(super) struct Pipeline {
    mode: RunMode,
    timeout: Duration,
    sources: Vec<SourceReport>,
    triggers: Vec<ShutdownTrigger>,
    failure: Option<HostError>,
    /// When the time of a shutdown is over; `None` before one.
    deadline: Option<Instant>,
    /// The sources, by their place in `sources`.
    pub(super) running: JoinSet<(usize, Result<(), ()>)>,
    pub(super) pumps: JoinSet<()>,
    pub(super) sinks: JoinSet<(String, Result<(), SinkError>)>,
    pub(super) sinks_writing: BTreeSet<String>,
    /// What runs for as long as the pipeline does.
    pub(super) background: JoinSet<()>,
}

impl Pipeline {
    pub(super) fn new(mode: RunMode, timeout: Duration) -> Self {
        Self {
            mode,
            timeout,
            sources: Vec::new(),
            triggers: Vec::new(),
            failure: None,
            deadline: None,
            running: JoinSet::new(),
            pumps: JoinSet::new(),
            sinks: JoinSet::new(),
            sinks_writing: BTreeSet::new(),
            background: JoinSet::new(),
        }
    }

    /// Notes a source and returns its place. It counts as abandoned until it has ended.
    pub(super) fn add_source(&mut self, key: ComponentKey, progress: Progress, trigger: ShutdownTrigger) -> usize {
        self.sources.push(SourceReport { key, progress, ended: Ended::Abandoned });
        self.triggers.push(trigger);
        self.sources.len() - 1
    }

    /// Runs until everything has ended, or the time of a shutdown is over. `stop` asks for a shutdown.
    pub(super) async fn run(mut self, mut stop: Pin<&mut impl Future<Output = ()>>) -> Report {
        while !(self.running.is_empty() && self.pumps.is_empty() && self.sinks.is_empty()) {
            let deadline = self.deadline;
            tokio::select! {
                () = &mut stop, if deadline.is_none() => self.shut_down(),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    self.abandon();
                    break;
                }
                Some(Ok((index, result))) = self.running.join_next() => self.source_ended(index, result.is_ok()),
                Some(Ok((name, result))) = self.sinks.join_next() => self.sink_ended(&name, result),
                Some(_) = self.pumps.join_next() => {}
            }
        }
        // A reload takes ports and ledgers again at once: what was let go must be gone by then.
        let gone = async {
            self.background.shutdown().await;
            self.running.shutdown().await;
        };
        let _ = timeout(GONE, gone).await;
        Report { sources: self.sources, failure: self.failure }
    }

    fn source_ended(&mut self, index: usize, succeeded: bool) {
        let source = &mut self.sources[index];
        source.ended = if succeeded { Ended::Finished } else { Ended::Failed };
        telemetry::source_ended(&source.key, succeeded);
        if !succeeded {
            let failed = SourceFailedSnafu { key: source.key.clone() }.build();
            self.failure.get_or_insert(failed);
            // A run of once lets the other sources finish: each has an end, and the report says which failed.
            if self.mode == RunMode::Continuous {
                self.shut_down();
            }
        }
        if self.running.is_empty() && self.failure.is_some() && self.mode != RunMode::Continuous {
            // The sources that waited for acknowledgements have gone: what a sink still delivers is sent again by the next run.
            self.deadline.get_or_insert(Instant::now() + LAST_WRITE);
        }
    }

    fn sink_ended(&mut self, name: &str, result: Result<(), SinkError>) {
        self.sinks_writing.remove(name);
        if let Err(error) = result {
            // A source that fails after its sink has is a consequence.
            self.failure.get_or_insert(error.into());
            self.shut_down();
        }
    }

    fn shut_down(&mut self) {
        if self.deadline.is_none() {
            telemetry::draining(self.timeout);
            self.deadline = Some(Instant::now() + self.timeout);
            self.triggers.drain(..).for_each(ShutdownTrigger::cancel);
        }
    }

    fn abandon(&self) {
        let waiting = self.sources.iter().filter(|source| source.ended == Ended::Abandoned);
        let sources: Vec<_> = waiting.map(|source| source.key.to_string()).collect();
        let sinks: Vec<_> = self.sinks_writing.iter().cloned().collect();
        if sources.is_empty() && self.mode != RunMode::Continuous {
            // The source has said why it gave up.
            telemetry::sinks_left(&sinks);
            return;
        }
        telemetry::abandoned(&sources, &sinks, self.timeout);
    }
}
