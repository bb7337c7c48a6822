//! What every sink has in common: groups, attempts, acknowledgements, metrics.

use std::time::Duration;

use async_trait::async_trait;
use tokio::{sync::mpsc, time::sleep};

use super::{Run, Sink, SinkError, WriteError};
use crate::host::{
    delivery::Delivery,
    fan_out::INBOX,
    telemetry::{self, SinkLabels},
};

/// How often the same events are tried before the host gives up: for about a minute, see [`wait_after`].
///
/// The sink tries again itself, rather than have its source send the events again: that would cost another fetch from
/// Microsoft, and would repeat the events in every other sink.
const MAX_ATTEMPTS: u32 = 5;

/// A sink that writes on this machine. Everything that waits is one group: one write, one synchronisation to disk, then
/// its acknowledgements.
pub(super) struct LocalSink<S>(pub(super) S);

#[async_trait]
impl<S: Sink> Run for LocalSink<S> {
    async fn run(self: Box<Self>, labels: SinkLabels, inbox: mpsc::Receiver<Delivery>) -> Result<(), SinkError> {
        drive(labels, self.0, inbox).await
    }
}

async fn drive(labels: SinkLabels, mut sink: impl Sink, mut inbox: mpsc::Receiver<Delivery>) -> Result<(), SinkError> {
    let mut group = Vec::with_capacity(INBOX);
    while inbox.recv_many(&mut group, INBOX).await > 0 {
        // A source that has given up sends the events again when it runs next.
        group.retain(|delivery| !delivery.is_abandoned());
        if group.is_empty() {
            continue;
        }
        let mut attempts = 0;
        let byte_size = loop {
            attempts += 1;
            match sink.write(&group).await {
                Ok(byte_size) => break byte_size,
                Err(WriteError::MayPass(error)) if attempts < MAX_ATTEMPTS => {
                    let wait = wait_after(attempts);
                    telemetry::write_retried(&labels, &error, attempts, wait);
                    sleep(wait).await;
                }
                Err(WriteError::MayPass(error) | WriteError::Final(error)) => {
                    let failure = sink.failure(error, attempts);
                    telemetry::sink_failed(&labels, &failure);
                    // Dropping the group and the inbox makes their events errored.
                    return Err(failure);
                }
            }
        };
        let events = || group.iter().flat_map(Delivery::events);
        let event_bytes = events().map(|event| event.json_size() as u64).sum();
        telemetry::events_sent(&labels, events().count() as u64, event_bytes);
        telemetry::bytes_sent(&labels, byte_size);
        group.drain(..).for_each(Delivery::delivered);
    }
    Ok(())
}

/// 1, 4, 16 and 30 seconds: long enough for a disk to be cleaned up by a rotation, short enough for an operator to be alerted.
fn wait_after(attempts: u32) -> Duration {
    Duration::from_secs(4_u64.saturating_pow(attempts - 1).min(30))
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::time::Instant;

    use super::*;
    use crate::{
        component::{BatchNotifier, BatchStatus},
        host::tests::events,
    };

    /// Fails as often as it is told to.
    struct Failing {
        failures: u32,
        groups: mpsc::UnboundedSender<usize>,
    }

    #[async_trait]
    impl Sink for Failing {
        async fn write(&mut self, group: &[Delivery]) -> Result<u64, WriteError> {
            if self.failures > 0 {
                self.failures -= 1;
                return Err(WriteError::MayPass(io::ErrorKind::StorageFull.into()));
            }
            let _ = self.groups.send(group.len());
            Ok(0)
        }

        fn failure(&self, _: io::Error, _: u32) -> SinkError {
            SinkError::Crashed { key: "sinks.test".to_owned() }
        }
    }

    fn failing(failures: u32) -> (Failing, mpsc::UnboundedReceiver<usize>) {
        let (groups, seen) = mpsc::unbounded_channel();
        (Failing { failures, groups }, seen)
    }

    fn labels() -> SinkLabels {
        SinkLabels { id: "test".to_owned(), component_type: "test" }
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_one_group_and_is_tried_again() {
        let (sink, mut groups) = failing(4);
        let (inbox, waiting) = mpsc::channel(INBOX);
        let mut receivers = Vec::new();
        for n in 0..3 {
            let mut batch = events(n..n + 1);
            receivers.push(BatchNotifier::apply_to(&mut batch));
            inbox.send(Delivery::new(batch)).await.unwrap();
        }
        drop(inbox);
        let start = Instant::now();
        drive(labels(), sink, waiting).await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(1 + 4 + 16 + 30));
        assert_eq!(groups.recv().await, Some(3));
        for receiver in receivers {
            assert_eq!(receiver.await, BatchStatus::Delivered);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_has_failed_errors_what_it_holds_and_what_waits() {
        let (sink, _groups) = failing(5);
        let (inbox, waiting) = mpsc::channel(INBOX + 1);
        let mut receivers = Vec::new();
        for _ in 0..=INBOX {
            let mut batch = events(0..1);
            receivers.push(BatchNotifier::apply_to(&mut batch));
            inbox.send(Delivery::new(batch)).await.unwrap();
        }
        drive(labels(), sink, waiting).await.unwrap_err();
        for receiver in receivers {
            assert_eq!(receiver.await, BatchStatus::Errored);
        }
    }
}
