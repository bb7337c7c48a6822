//! Downloads one content blob and makes events of it, as the source does.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::{
    collector::{Boundary, MalformedBody, Splitter, read_record},
    normalize::{AuditingReduced, Normalizer, Origin, auditing_reduced},
};

/// Of a larger blob the beginning is read. Unit: bytes.
pub(super) const MOST_BYTES: usize = 16 * 1024 * 1024;

/// What became of a blob.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Read {
    /// Records that became events.
    pub(super) events: usize,
    /// Elements that are no records.
    pub(super) discarded: usize,
    /// Fields that could not be read; their events have them as they came.
    pub(super) damaged_fields: usize,
    /// Who has turned auditing off, or tried to: the first that a record tells of.
    pub(super) auditing_reduced: Option<AuditingReduced>,
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
                if record.members.may_reduce_auditing && self.auditing_reduced.is_none() {
                    self.auditing_reduced = auditing_reduced(&record.object);
                }
                let made = normalizer.event(record.object, &record.members, origin, now);
                self.events += 1;
                self.damaged_fields += made.damages.len();
            }
            Err(_) => self.discarded += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::{NormalizeOptions, Schema};

    #[test]
    fn what_a_blob_is_made_of_and_who_turned_auditing_off_is_told() {
        let normalizer = Normalizer::new(NormalizeOptions::new(Schema::Raw));
        let body = br#"[{"Id":"a"},7,{"Id":"b","RecordType":1,"Operation":"Set-Mailbox","UserId":"eve","Parameters":[{"Name":"AuditEnabled","Value":"False"}]}]"#;
        let read = read(body, &normalizer, &Origin::outside(None), DateTime::UNIX_EPOCH).unwrap();
        assert_eq!((read.events, read.discarded), (2, 1));
        let change = read.auditing_reduced.unwrap();
        assert_eq!((change.cmdlet, change.user.as_deref(), change.object), ("Set-Mailbox", Some("eve"), None));
    }
}
