//! A batch on its way to one sink.

use std::mem;

use crate::component::{EventStatus, LogEvent};

/// A batch on its way to one sink. [`Delivery::delivered`] is the only way to report success. A delivery that is
/// dropped in any other way (a sink that failed, a task that was aborted, an inbox without a reader) makes its events
/// errored.
#[derive(Debug)]
pub(super) struct Delivery {
    events: Vec<LogEvent>,
}

impl Delivery {
    pub(super) const fn new(events: Vec<LogEvent>) -> Self {
        Self { events }
    }

    /// The same events for another sink. Both copies have to be delivered.
    pub(super) fn copy(&self) -> Self {
        Self { events: self.events.clone() }
    }

    pub(super) fn events(&self) -> &[LogEvent] {
        &self.events
    }

    /// Whether no source waits for any of the events any more: what a sink still delivers of it comes again.
    pub(super) fn is_abandoned(&self) -> bool {
        self.events.iter().all(|event| event.metadata().is_abandoned())
    }

    /// The sink has the events for good.
    pub(super) fn delivered(mut self) {
        for event in mem::take(&mut self.events) {
            event.metadata().update_status(EventStatus::Delivered);
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        for event in &self.events {
            event.metadata().update_status(EventStatus::Errored);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        component::{BatchNotifier, BatchStatus},
        host::tests::events,
    };

    #[tokio::test]
    async fn only_what_every_sink_delivered_is_delivered() {
        for (first, second, expected) in [
            (true, true, BatchStatus::Delivered),
            (true, false, BatchStatus::Errored),
            (false, true, BatchStatus::Errored),
        ] {
            let mut batch = events(0..2);
            let receiver = BatchNotifier::apply_to(&mut batch);
            let delivery = Delivery::new(batch);
            let copy = delivery.copy();
            for (delivery, succeeds) in [(copy, first), (delivery, second)] {
                if succeeds {
                    delivery.delivered();
                }
            }
            assert_eq!(receiver.await, expected, "{first} {second}");
        }
    }
}
