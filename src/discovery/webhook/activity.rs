//! What a connection is doing, so that a slow one can be ended.
//!
//! hyper has one time limit for the pause between two requests and for the headers of the next. Here they are apart: a
//! connection may rest for a minute, but once a request has begun its headers have ten seconds.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, sleep_until},
};

/// What a connection is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Nothing, since then.
    Idle(Instant),
    /// Sending a request's headers, since then.
    Head(Instant),
    /// Waiting for its answer, or sending a body, which has a limit of its own.
    Busy,
}

/// A handle on what a connection is doing.
#[derive(Clone, Debug)]
pub struct Activity(Arc<Mutex<Phase>>);

impl Activity {
    /// A connection that has just been opened.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Phase::Idle(Instant::now()))))
    }

    /// A request is there with all its headers.
    pub fn busy(&self) {
        *self.phase() = Phase::Busy;
    }

    /// Its answer is ready.
    pub fn idle(&self) {
        *self.phase() = Phase::Idle(Instant::now());
    }

    fn bytes_came(&self) {
        let mut phase = self.phase();
        if let Phase::Idle(_) = *phase {
            *phase = Phase::Head(Instant::now());
        }
    }

    /// Resolves when the connection has been idle, or busy with one request's headers, for too long. Returns which.
    pub async fn overdue(&self, head: Duration, idle: Duration) -> &'static str {
        loop {
            let now = Instant::now();
            let (due, what) = match *self.phase() {
                Phase::Idle(since) => (since + idle, "idle"),
                Phase::Head(since) => (since + head, "headers_too_slow"),
                Phase::Busy => (now + head.min(idle), ""),
            };
            if due <= now {
                return what;
            }
            // No longer than the shorter limit, since the phase may change meanwhile.
            sleep_until(due.min(now + head.min(idle))).await;
        }
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream whose reads are noted.
#[derive(Debug)]
pub struct Observed<S> {
    stream: S,
    activity: Activity,
}

impl<S> Observed<S> {
    /// Notes the reads of `stream`.
    pub const fn new(stream: S, activity: Activity) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Observed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        if buf.filled().len() > before {
            self.activity.bytes_came();
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Observed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn headers_have_less_time_than_a_rest_and_an_answer_has_any() {
        let activity = Activity::new();
        let began = Instant::now();
        assert_eq!(activity.overdue(HEAD, IDLE).await, "idle");
        assert!((IDLE..IDLE + HEAD).contains(&began.elapsed()), "{:?}", began.elapsed());

        activity.idle();
        activity.bytes_came();
        let began = Instant::now();
        let later = activity.clone();
        // More bytes of the same headers give no more time.
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(3)).await;
                later.bytes_came();
            }
        });
        assert_eq!(activity.overdue(HEAD, IDLE).await, "headers_too_slow");
        assert!((HEAD..HEAD * 2).contains(&began.elapsed()), "{:?}", began.elapsed());

        activity.busy();
        let waiting = tokio::time::timeout(Duration::from_hours(1), activity.overdue(HEAD, IDLE)).await;
        assert!(waiting.is_err(), "whoever waits for an answer is not at fault");
    }
}
