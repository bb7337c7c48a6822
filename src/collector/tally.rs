//! What became of the records of a body, so that none can vanish without a trace.
//!
//! How many there are is known from the walk that checked the body while it came in. What becomes of each is counted in a second
//! walk. The two must agree.

use crate::{content::Feed, telemetry::Progress};

use super::telemetry;

/// What became of the records of one attempt at a blob. Records that an attempt leaves behind when it ends early are counted
/// as abandoned: they are fetched again.
#[derive(Debug)]
pub struct Tally {
    progress: Progress,
    feed: Feed,
    received: u64,
    accounted: u64,
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// The pipeline has its event.
    Emitted,
    /// Its event has been delivered before, or is on its way.
    Repeated,
    /// A search has found it, its event has not been delivered, and is not to be.
    Missing,
    /// It is no record.
    Discarded,
    /// The configured filters leave it out.
    Filtered,
    /// The attempt ended before its turn. The blob is fetched again, or given up.
    Abandoned,
}

impl Fate {
    /// The value of the label `outcome`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Emitted => "emitted",
            Self::Repeated => "repeated",
            Self::Missing => "missing",
            Self::Discarded => "discarded",
            Self::Filtered => "filtered",
            Self::Abandoned => "abandoned",
        }
    }
}

impl Tally {
    /// Of a body with so many records.
    pub fn new(progress: &Progress, feed: Feed, received: u64) -> Self {
        telemetry::records_received(progress, feed, received);
        Self { progress: progress.clone(), feed, received, accounted: 0 }
    }

    /// So many more records.
    pub fn receive(&mut self, records: u64) {
        telemetry::records_received(&self.progress, self.feed, records);
        self.received += records;
    }

    /// So many records came to this end.
    pub fn add(&mut self, fate: Fate, records: u64) {
        if records > 0 {
            self.accounted += records;
            telemetry::records_accounted(&self.progress, self.feed, fate, records);
        }
    }

    /// How the records that were read, these and so many that are yet to be sent, differ from those that were received:
    /// `Ok` if not at all.
    ///
    /// # Errors
    ///
    /// A sentence without a full stop.
    pub fn check(&self, unsent: u64) -> Result<(), String> {
        let read = self.accounted + unsent;
        if read == self.received {
            return Ok(());
        }
        telemetry::records_unaccounted(self.feed, self.received.abs_diff(read));
        Err(format!("{} records were received, and {read} were read", self.received))
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.add(Fate::Abandoned, self.received.saturating_sub(self.accounted));
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::content::{ContentType, TenantId};

    #[test]
    fn every_record_has_an_end() {
        let progress = Progress::default();
        let feed = Feed { tenant: TenantId(Uuid::from_u128(1)), content_type: ContentType::General };
        let mut tally = Tally::new(&progress, feed, 10);
        tally.add(Fate::Filtered, 2);
        tally.add(Fate::Repeated, 1);
        assert_eq!(tally.check(7), Ok(()));
        assert_eq!(tally.check(6), Err("10 records were received, and 9 were read".to_owned()));
        assert_eq!(tally.check(8), Err("10 records were received, and 11 were read".to_owned()));
        tally.add(Fate::Emitted, 3);
        drop(tally);
        let totals = progress.totals();
        assert_eq!(totals.records_received, 10);
        assert_eq!((totals.events_filtered, totals.duplicates_dropped), (2, 1));
        assert_eq!((totals.events_emitted, totals.records_abandoned), (3, 4));
        assert!(totals.is_conserved());
    }
}
