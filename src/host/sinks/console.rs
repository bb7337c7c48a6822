//! Events to the standard output. It is for data only: everything else goes to the standard error.

use std::{
    io::{self, ErrorKind, Stdout, Write},
    sync::{Arc, LazyLock, Mutex, PoisonError},
    thread,
    time::Duration,
};

use async_trait::async_trait;
use tokio::task;

use super::{Sink, SinkError, WriteError, ndjson};
use crate::host::delivery::Delivery;

/// Shared by all console sinks, so that no group is torn apart by another's.
static STDOUT: LazyLock<Arc<Mutex<Stdout>>> = LazyLock::new(|| Arc::new(Mutex::new(io::stdout())));

/// How long to wait for a reader of an output that somebody has made non-blocking.
const READER_WAIT: Duration = Duration::from_millis(10);

/// Writes a group as a whole and acknowledges it once the operating system has it.
pub(super) struct ConsoleSink<W> {
    key: String,
    out: Arc<Mutex<W>>,
}

impl ConsoleSink<Stdout> {
    pub(super) fn stdout(name: &str) -> Self {
        Self { key: format!("sinks.{name}"), out: Arc::clone(&STDOUT) }
    }
}

#[async_trait]
impl<W: Write + Send + 'static> Sink for ConsoleSink<W> {
    async fn write(&mut self, group: &[Delivery]) -> Result<u64, WriteError> {
        let mut text = Vec::new();
        ndjson::render(group.iter().flat_map(Delivery::events), &mut text);
        let out = Arc::clone(&self.out);
        let written = task::spawn_blocking(move || {
            write_all(&mut *out.lock().unwrap_or_else(PoisonError::into_inner), &text).map(|()| text.len() as u64)
        });
        // Part of the group may have been written, and cannot be taken back: writing it again would tear a line apart.
        written.await.map_err(io::Error::from).flatten().map_err(WriteError::Final)
    }

    fn failure(&self, source: io::Error, _: u32) -> SinkError {
        SinkError::Console { key: self.key.clone(), source }
    }
}

/// As [`Write::write_all`] and [`Write::flush`], but waits for an output that does not block: whoever shares our standard
/// output may have made it so.
fn write_all(out: &mut impl Write, mut text: &[u8]) -> io::Result<()> {
    while !text.is_empty() {
        match patiently(|| out.write(text))? {
            0 => return Err(ErrorKind::WriteZero.into()),
            written => text = &text[written..],
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
        (ConsoleSink { key: "sinks.out".to_owned(), out: Arc::clone(&out) }, out)
    }

    #[tokio::test]
    async fn one_object_a_line() {
        let (mut sink, out) = console(Vec::new());
        let group = [Delivery::new(events(0..2)), Delivery::new(events(2..3))];
        assert_eq!(sink.write(&group).await.unwrap(), 24);
        assert_eq!(*out.lock().unwrap(), b"{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n");
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_is_final_and_explained() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let (mut sink, _) = console(writer);
        let Err(WriteError::Final(error)) = sink.write(&[Delivery::new(events(0..1))]).await else {
            panic!("nobody has read it")
        };
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        let message = sink.failure(error, 1).to_string();
        assert!(message.starts_with("sinks.out: cannot write to the standard output"), "{message}");
        assert!(message.contains("Nothing is lost"), "{message}");
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
        write_all(&mut out, b"abc").unwrap();
        assert_eq!(out.0, b"abc");
    }
}
