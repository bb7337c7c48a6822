//! What a run came to.

use super::HostError;
use crate::{component::ComponentKey, telemetry::Progress};

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    /// Every source that was started.
    pub sources: Vec<SourceReport>,
    /// What stopped the host before it was asked to stop, or, with [`RunMode::Once`](crate::RunMode::Once), kept a
    /// source from delivering everything.
    pub failure: Option<HostError>,
}

/// What became of one source.
#[derive(Debug)]
pub struct SourceReport {
    /// Its name.
    pub key: ComponentKey,
    /// What it has done.
    pub progress: Progress,
    /// How it ended.
    pub ended: Ended,
}

/// How a source ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// By itself with nothing left to do, or because it was asked to.
    Finished,
    /// It gave up.
    Failed,
    /// It was still waiting when the shutdown's time was over. What it had not delivered, it sends after the next start.
    Abandoned,
}
