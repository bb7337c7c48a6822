//! Running a topology, and in its place another one whenever there is one.

use std::{io, mem, pin::pin};

use tokio::sync::mpsc;

use super::{HostError, Options, Report, run::run, telemetry};
use crate::config::TopologyConfig;

/// As [`run`], and again with each topology that comes through `reloads`: what is in flight is delivered, as at a shutdown, and
/// then the new one starts. If it cannot start, the one before goes on.
///
/// # Errors
///
/// As [`run`]; for the first topology, or when the one before cannot start again either.
pub async fn run_reloading(
    first: TopologyConfig,
    options: &Options,
    mut reloads: mpsc::Receiver<TopologyConfig>,
    stop: impl Future<Output = ()>,
) -> Result<Report, HostError> {
    let mut stop = pin!(stop);
    let (mut current, mut before) = (first, None);
    loop {
        let mut next = None;
        let stopped = async {
            tokio::select! {
                () = &mut stop => {}
                Some(topology) = reloads.recv() => next = Some(topology),
            }
        };
        let ended = run(&current, options, stopped).await;
        match (ended, next, before.take()) {
            (Ok(Report { failure: None, .. }), Some(next), _) => {
                telemetry::reloading();
                before = Some(mem::replace(&mut current, next));
            }
            (Err(error), _, Some(working)) => {
                telemetry::reload_failed(&error);
                current = working;
            }
            (ended, ..) => return ended,
        }
    }
}

/// Resolves with each SIGHUP. Elsewhere than on Unix it never does.
#[derive(Debug)]
pub struct ReloadSignal(#[cfg(unix)] tokio::signal::unix::Signal);

impl ReloadSignal {
    /// Listens from now on: SIGHUP does not end the process any more.
    ///
    /// # Errors
    ///
    /// When the operating system does not let the process listen.
    pub fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        return Ok(Self(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?));
        #[cfg(not(unix))]
        Ok(Self())
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if self.0.recv().await.is_some() {
            return;
        }
        std::future::pending::<()>().await;
    }
}
