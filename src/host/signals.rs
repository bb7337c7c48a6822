//! SIGINT and SIGTERM: the first asks to stop, the second does not ask. SIGXFSZ: becomes an error.

use std::{future::Future, io, process};

use tokio::sync::oneshot;

use super::telemetry;

/// What a shell reports for a program ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// Resolves at the first SIGINT or SIGTERM; from then on, a second one ends the process at once with exit code 130.
///
/// Listens from the call on, not from the first poll. Nothing is lost by the second signal: the ledger is on disk.
///
/// # Errors
///
/// When the operating system does not let the process listen.
pub fn stop_signal() -> io::Result<impl Future<Output = ()> + Send> {
    let mut signals = Signals::listen()?;
    let (asked, stop) = oneshot::channel();
    tokio::spawn(async move {
        let signal = signals.next().await;
        telemetry::stopping(signal);
        let _ = asked.send(());
        signals.next().await;
        process::exit(INTERRUPTED);
    });
    Ok(async move {
        let _ = stop.await;
    })
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        // Its default is to end the process; listened to, a file that is too large fails the write that makes it so. The
        // handler stays when its receiver is gone.
        drop(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn listen() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) -> &'static str {
        self.0.recv().await;
        "Ctrl-C"
    }
}
