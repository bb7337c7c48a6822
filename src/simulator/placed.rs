//! A blob that a test has placed, with the records that can be read from it.

use bytes::Bytes;
use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::world::BlobSpec;

/// A placed blob.
pub(super) struct Placed {
    pub spec: BlobSpec,
    /// Its records in their order, so that looking for one does not mean reading the body again.
    pub records: Vec<PlacedRecord>,
}

/// What is known of one of its records.
pub(super) struct PlacedRecord {
    pub id: Option<String>,
    /// `CreationTime`. A record without one counts as created with its blob.
    pub at: DateTime<Utc>,
    pub json: Bytes,
}

impl Placed {
    pub fn new(spec: BlobSpec) -> Self {
        let read = |record: &RawValue| {
            let Identified { id, creation_time } = serde_json::from_str(record.get()).unwrap_or_default();
            let at = creation_time.as_deref().and_then(parse_time).unwrap_or(spec.created).trunc_subsecs(0);
            PlacedRecord { id, at, json: spec.body.slice_ref(record.get().as_bytes()) }
        };
        Self { records: records(&spec.body).into_iter().map(read).collect(), spec }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Identified {
    id: Option<String>,
    creation_time: Option<String>,
}

/// `CreationTime` is UTC without saying so; some workloads do say so.
fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok().map(|time| time.and_utc())
}

/// The records of a body, as slices, so that one a JSON tree cannot hold does not hide the others.
fn records(body: &[u8]) -> Vec<&RawValue> {
    serde_json::from_slice(body).unwrap_or_default()
}

/// A body with the first half of the records.
pub(super) fn first_half(body: &[u8]) -> Bytes {
    let records = records(body);
    let half: Vec<_> = records.iter().take(records.len() / 2).map(|record| record.get()).collect();
    Bytes::from(format!("[{}]", half.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_known_by_id_and_time_as_far_as_they_can_be_read() {
        let created: DateTime<Utc> = "2026-08-01T12:00:00.250Z".parse().unwrap();
        let body = r#"[{"Id":"a","CreationTime":"2026-07-01T01:02:03"}, {"Id":"b","CreationTime":"2026-07-01T01:02:03.9Z"},
            {"Id":"c"},7]"#;
        let placed = Placed::new(BlobSpec::new(body, created));
        let read: Vec<_> = placed
            .records
            .iter()
            .map(|record| (record.id.as_deref(), record.at.to_rfc3339(), &record.json[..]))
            .collect();
        let event = "2026-07-01T01:02:03+00:00".to_owned();
        assert_eq!(read[0], (Some("a"), event.clone(), &br#"{"Id":"a","CreationTime":"2026-07-01T01:02:03"}"#[..]));
        assert_eq!((read[1].0, &read[1].1), (Some("b"), &event));
        assert_eq!((read[2].0, read[2].1.as_str()), (Some("c"), "2026-08-01T12:00:00+00:00"));
        assert_eq!((read.len(), read[3].0), (4, None));
        assert!(Placed::new(BlobSpec::new("no JSON", created)).records.is_empty());
    }
}
