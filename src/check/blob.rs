//! Downloads one content blob and makes events of it, as the source does.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::{
    collector::{Boundary, MalformedBody, Splitter, read_record},
    normalize::{Normalizer, Origin},
};

/// Of a larger blob the beginning is read. Unit: bytes.
pub(super) const MOST_BYTES: usize = 16 * 1024 * 1024;

/// What became of a blob.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Read {
    /// Records that became events.
    pub(super) events: usize,
    /// Elements that are no records.
    pub(super) discarded: usize,
    /// Fields that could not be read; their events have them as they came.
    pub(super) damaged_fields: usize,
}

/// Makes events of a blob's bytes, and counts them.
pub(super) fn read(
    body: &[u8],
    normalizer: &Normalizer,
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<Read, MalformedBody> {
    let mut splitter = Splitter::default();
    let mut read = Read::default();
    let (mut rest, mut start) = (body, None);
    while !rest.is_empty() {
        let (consumed, boundary) = splitter.next(rest)?;
        let at = body.len() - rest.len() + consumed;
        rest = rest.get(consumed..).unwrap_or_default();
        match (boundary, start) {
            (Some(Boundary::Start), _) => start = Some(at),
            (Some(Boundary::End), Some(from)) => {
                read.add(Bytes::copy_from_slice(body.get(from..at).unwrap_or_default()), normalizer, origin, now);
                start = None;
            }
            _ => {}
        }
    }
    // The end of a blob of which only the beginning was read is missing for that reason.
    if body.len() < MOST_BYTES {
        splitter.finish()?;
    }
    Ok(read)
}

impl Read {
    fn add(&mut self, text: Bytes, normalizer: &Normalizer, origin: &Origin, now: DateTime<Utc>) {
        match read_record(text) {
            Ok(record) => {
                let made = normalizer.event(record.object, &record.members, origin, now);
                self.events += 1;
                self.damaged_fields += made.damages.len();
            }
            Err(_) => self.discarded += 1,
        }
    }
}
