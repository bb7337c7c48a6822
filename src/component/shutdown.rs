//! How a host asks a source to stop, and how the source says that it has.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

/// Resolves when the host wants the source to stop.
///
/// The source keeps the [`ShutdownSignalToken`] it resolves to (or the signal itself) until it is done; the host's
/// [`ShutdownDone`] resolves when the last of them is dropped.
pub struct ShutdownSignal {
    cancelled: CancellationToken,
    waiting: Pin<Box<WaitForCancellationFutureOwned>>,
    token: ShutdownSignalToken,
}

/// Held by a source for as long as it still works.
#[derive(Clone, Debug)]
pub struct ShutdownSignalToken(#[expect(dead_code, reason = "held for its drop")] Arc<DropGuard>);

/// The host's end: dropping it, too, asks the source to stop.
#[derive(Debug)]
pub struct ShutdownTrigger(#[expect(dead_code, reason = "held for its drop")] DropGuard);

impl ShutdownTrigger {
    /// Asks the source to stop.
    pub fn cancel(self) {
        drop(self);
    }
}

/// Resolves when the source has let go of its signal and of every token.
pub struct ShutdownDone(Pin<Box<WaitForCancellationFutureOwned>>);

impl ShutdownSignal {
    /// A trigger, the signal it sets off, and the future that resolves when the source is done.
    #[must_use]
    pub fn new_wired() -> (ShutdownTrigger, Self, ShutdownDone) {
        let begin = CancellationToken::new();
        let complete = CancellationToken::new();
        let done = ShutdownDone(Box::pin(complete.clone().cancelled_owned()));
        let signal = Self::new(begin.clone(), ShutdownSignalToken(Arc::new(complete.drop_guard())));
        (ShutdownTrigger(begin.drop_guard()), signal, done)
    }

    /// A signal that never comes.
    #[must_use]
    pub fn noop() -> Self {
        Self::new(CancellationToken::new(), ShutdownSignalToken(Arc::new(CancellationToken::new().drop_guard())))
    }

    fn new(cancelled: CancellationToken, token: ShutdownSignalToken) -> Self {
        let waiting = Box::pin(cancelled.clone().cancelled_owned());
        Self { cancelled, waiting, token }
    }

    /// Whether the host has asked already.
    pub fn is_shutting_down(&self) -> bool {
        self.cancelled.is_cancelled()
    }
}

impl Clone for ShutdownSignal {
    fn clone(&self) -> Self {
        Self::new(self.cancelled.clone(), self.token.clone())
    }
}

impl fmt::Debug for ShutdownSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownSignal").field("shutting_down", &self.is_shutting_down()).finish_non_exhaustive()
    }
}

impl Future for ShutdownSignal {
    type Output = ShutdownSignalToken;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.waiting.as_mut().poll(cx).map(|()| self.token.clone())
    }
}

impl Future for ShutdownDone {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn the_signal_comes_when_the_trigger_is_pulled_and_done_when_the_token_is_dropped() {
        let (trigger, mut signal, mut done) = ShutdownSignal::new_wired();
        assert!((&mut signal).now_or_never().is_none());
        trigger.cancel();
        assert!(signal.is_shutting_down());
        let token = (&mut signal).now_or_never().unwrap();
        drop(signal);
        assert!((&mut done).now_or_never().is_none());
        drop(token);
        assert!(done.now_or_never().is_some());
    }

    #[test]
    fn a_host_that_vanishes_stops_its_sources_and_a_noop_signal_never_comes() {
        let (trigger, signal, _done) = ShutdownSignal::new_wired();
        drop(trigger);
        assert!(signal.now_or_never().is_some());
        assert!(ShutdownSignal::noop().now_or_never().is_none());
    }
}
