//! Events to the standard output. It is for data only: everything else goes to the standard error.
//!
//! An event counts as delivered when the operating system has it. Behind that a pipe holds up to 64 KiB that nobody has
//! read yet; when its reader ends, the sink reports how much of what counts as delivered was in there.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Write},
    sync::{Arc, LazyLock, Mutex, PoisonError},
    thread,
    time::Duration,
};

use async_trait::async_trait;
use snafu::ResultExt;
use tokio::task;

use super::{
    Build, BuildContext, Run, Sink, SinkError, WriteError,
    driver::LocalSink,
    error::OpenStdoutSnafu,
    ndjson,
    stdout::{self, LARGEST_BUFFER, Output, Raw},
};
use crate::{config::ConsoleSinkConfig, host::delivery::Delivery};

/// Shared by all console sinks, so that no group is torn apart by another's.
static STDOUT: LazyLock<Arc<Mutex<Raw>>> = LazyLock::new(|| Arc::new(Mutex::new(Raw::new())));

/// How long to wait for a reader of an output that was made non-blocking.
const READER_WAIT: Duration = Duration::from_millis(10);

/// Writes a group as a whole and acknowledges it once the operating system has it.
struct ConsoleSink<W> {
    key: String,
    out: Arc<Mutex<W>>,
    acknowledged: Tail,
    /// How much of a group was written that failed, in bytes.
    torn: u64,
}

#[async_trait]
impl Build for ConsoleSinkConfig {
    async fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Run>, SinkError> {
        Ok(Box::new(LocalSink(ConsoleSink::stdout(cx.name())?)))
    }
}

impl ConsoleSink<Raw> {
    /// # Errors
    ///
    /// When what is written arrives nowhere.
    fn stdout(name: &str) -> Result<Self, SinkError> {
        let key = format!("sinks.{name}");
        stdout::check().with_context(|_| OpenStdoutSnafu { key: key.as_str() })?;
        Ok(Self::new(key, Arc::clone(&STDOUT)))
    }
}

impl<W> ConsoleSink<W> {
    fn new(key: String, out: Arc<Mutex<W>>) -> Self {
        Self { key, out, acknowledged: Tail::default(), torn: 0 }
    }
}

#[async_trait]
impl<W: Output + Send + 'static> Sink for ConsoleSink<W> {
    async fn write(&mut self, group: &[Delivery]) -> Result<u64, WriteError> {
        let mut text = Vec::new();
        ndjson::render(group.iter().flat_map(Delivery::events), &mut text);
        let out = Arc::clone(&self.out);
        let written = task::spawn_blocking(move || {
            let mut written = 0;
            let result = write_all(&mut *out.lock().unwrap_or_else(PoisonError::into_inner), &text, &mut written);
            (result, written, text)
        });
        // Part of the group may have been written, and cannot be taken back: writing it again would tear a line apart.
        let (result, written, text) = written.await.map_err(|error| WriteError::Final(error.into()))?;
        if let Err(error) = result {
            self.torn = written;
            return Err(WriteError::Final(error));
        }
        self.acknowledged.push(&text);
        Ok(written)
    }

    fn failure(&self, source: io::Error, _: u32) -> SinkError {
        let unread = self.out.lock().unwrap_or_else(PoisonError::into_inner).unread();
        // What was written last of all comes again, and is not lost.
        let unread = self.acknowledged.events_in(unread.saturating_sub(self.torn));
        SinkError::Console { key: self.key.clone(), source, unread }
    }
}

/// How long the events are that were written last.
///
/// They count as delivered once a pipe has taken them, and are gone if its reader ends before it has read them.
#[derive(Debug, Default)]
struct Tail {
    lengths: VecDeque<u64>,
    bytes: u64,
}

impl Tail {
    /// Notes lines that have been written.
    fn push(&mut self, lines: &[u8]) {
        let lines = &lines[lines.len().saturating_sub(usize::try_from(LARGEST_BUFFER).unwrap_or(usize::MAX))..];
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.lengths.push_back(line.len() as u64);
            self.bytes += line.len() as u64;
        }
        while let Some(first) = self.lengths.front().filter(|first| self.bytes - **first >= LARGEST_BUFFER) {
            self.bytes -= first;
            self.lengths.pop_front();
        }
    }

    /// How many events end in the last `bytes` that were written.
    fn events_in(&self, bytes: u64) -> usize {
        let starts = self.lengths.iter().rev().scan(0, |after, length| {
            let start = *after;
            *after += length;
            Some(start)
        });
        starts.take_while(|start| *start < bytes).count()
    }
}

/// As [`Write::write_all`] and [`Write::flush`], but waits for an output that does not block: a program that shares our
/// standard output may have made it so. Returns how far it came.
fn write_all(out: &mut impl Write, mut text: &[u8], written: &mut u64) -> io::Result<()> {
    while !text.is_empty() {
        match patiently(|| out.write(text))? {
            0 => return Err(ErrorKind::WriteZero.into()),
            some => {
                text = &text[some..];
                *written += some as u64;
            }
        }
    }
    patiently(|| out.flush())
}

fn patiently<T>(mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match act() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(READER_WAIT),
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::events;

    fn console<W>(out: W) -> (ConsoleSink<W>, Arc<Mutex<W>>) {
        let out = Arc::new(Mutex::new(out));
        (ConsoleSink::new("sinks.out".to_owned(), Arc::clone(&out)), out)
    }

    #[tokio::test]
    async fn one_object_a_line() {
        let (mut sink, out) = console(Vec::new());
        let group = [Delivery::new(events(0..2)), Delivery::new(events(2..3))];
        assert_eq!(sink.write(&group).await.unwrap(), 24);
        assert_eq!(*out.lock().unwrap(), b"{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n");
    }

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn a_reader_that_is_gone_is_final_and_what_it_left_is_counted() {
        use std::io::Read;

        for (read, left) in [(0, 3), (1, 3), (8, 2), (16, 1), (24, 0)] {
            let (mut reader, writer) = io::pipe().unwrap();
            let (mut sink, _) = console(writer);
            // Eight bytes each.
            sink.write(&[Delivery::new(events(0..3))]).await.unwrap();
            reader.read_exact(&mut vec![0; read]).unwrap();
            drop(reader);
            let Err(WriteError::Final(error)) = sink.write(&[Delivery::new(events(0..1))]).await else {
                panic!("nobody can have read it")
            };
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            let message = sink.failure(error, 1).to_string();
            assert!(message.starts_with("sinks.out: cannot write to the standard output"), "{message}");
            assert!(message.contains(&format!("not read: at most {left}.")), "{message}");
        }
    }

    #[test]
    fn only_the_end_of_what_was_written_is_kept_in_mind() {
        let mut tail = Tail::default();
        let line = format!("{}\n", "x".repeat(999));
        for _ in 0..3_000 {
            tail.push(line.as_bytes());
        }
        tail.push(line.repeat(3_000).as_bytes());
        assert!((1_048..1_051).contains(&tail.lengths.len()), "{}", tail.lengths.len());
        assert_eq!([0, 1, 1_000, 1_001, 2_000].map(|bytes| tail.events_in(bytes)), [0, 1, 1, 2, 2]);
    }

    #[test]
    fn an_output_that_does_not_block_is_waited_for() {
        struct Shy(Vec<u8>, bool);

        impl Write for Shy {
            fn write(&mut self, text: &[u8]) -> io::Result<usize> {
                self.1 = !self.1;
                if self.1 {
                    return Err(ErrorKind::WouldBlock.into());
                }
                self.0.extend_from_slice(&text[..1]);
                Ok(1)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let mut out = Shy(Vec::new(), false);
        let mut written = 0;
        write_all(&mut out, b"abc", &mut written).unwrap();
        assert_eq!((out.0.as_slice(), written), (b"abc".as_slice(), 3));
    }
}
